//! What the tests of this crate share: a gate over files in memory, the smallest image, sets of hash rules.

use crate::driver_image::driver_image;
use crate::gate::Gate;
use crate::host::NtStatus;
use crate::process::Process;
use protocol::ioctl;
use protocol::message::Events;
use protocol::message::EventsRequest;
use protocol::message::PushOutcome;
use protocol::message::Request;
use protocol::message::Status;
use sha2::Digest;
use sha2::Sha256;
use std::fmt::Write;
use std::format;
use std::string::String;
use std::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

pub fn gate() -> Gate<Process> {
    Gate::try_new(Process::default()).expect("memory")
}

/// The smallest driver image, told apart from others by `mark`.
pub fn image(mark: u8) -> Vec<u8> {
    driver_image(&[mark; 0x200])
}

/// Authenticode SHA-256 of [`image`], by the rule written out: all but CheckSum and the security directory entry.
pub fn authenticode(image: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(&image[..0xd8]);
    hash.update(&image[0xdc..0x128]);
    hash.update(&image[0x130..]);
    hash.finalize().into()
}

/// A compiled set of one policy in audit mode with a rule by hash for each image: its action and the image.
pub fn policy_set(rules: &[(&str, &[u8])]) -> Vec<u8> {
    set_of(&xml("<Rule><Option>Enabled:Audit Mode</Option></Rule>", rules))
}

/// As [`policy_set`], of an enforced policy.
pub fn enforced_set(rules: &[(&str, &[u8])]) -> Vec<u8> {
    set_of(&xml("", rules))
}

/// As [`enforced_set`], of a supplemental policy whose base is not there.
pub fn supplemental_set(rules: &[(&str, &[u8])]) -> Vec<u8> {
    let base = xml("", rules);
    set_of(
        &base
            .replace("Base Policy", "Supplemental Policy")
            .replace("<PolicyID>{A3", "<PolicyID>{A4"),
    )
}

fn set_of(xml: &str) -> Vec<u8> {
    let document = sipolicy::Document::read("test.xml", xml.as_bytes()).expect("a policy");
    sipolicy::compile(&[document]).expect("compiles")
}

fn xml(options: &str, rules: &[(&str, &[u8])]) -> String {
    let (mut files, mut references) = (String::new(), String::new());
    for (number, (action, image)) in rules.iter().enumerate() {
        let id = format!("ID_{}_{number}", action.to_uppercase());
        write!(
            files,
            r#"<{action} ID="{id}" FriendlyName="rule {number}" Hash=""#
        )
        .expect("a string");
        for byte in authenticode(image) {
            write!(files, "{byte:02X}").expect("a string");
        }
        files.push_str(r#""/>"#);
        write!(references, r#"<FileRuleRef RuleID="{id}"/>"#).expect("a string");
    }
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy">
  <VersionEx>10.0.0.0</VersionEx>
  <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>
  <PolicyID>{{A3B1C2D4-0000-4000-8000-000000000001}}</PolicyID>
  <BasePolicyID>{{A3B1C2D4-0000-4000-8000-000000000001}}</BasePolicyID>
  <Rules>{options}</Rules>
  <FileRules>{files}</FileRules>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS">
      <ProductSigners><FileRulesRef>{references}</FileRulesRef></ProductSigners>
    </SigningScenario>
  </SigningScenarios>
</SiPolicy>"#
    )
}

pub fn request(tail: &[u8]) -> Vec<u8> {
    [Request::new().as_bytes(), tail].concat()
}

pub fn send(gate: &Gate<Process>, code: u32, input: &[u8], output: usize) -> Result<Vec<u8>, NtStatus> {
    let mut buffer = input.to_vec();
    buffer.resize(input.len().max(output), 0);
    let completion = gate
        .dispatch(code, &mut buffer, input.len(), output)
        .completion()
        .expect("nothing here waits");
    assert!(
        completion.information <= output,
        "no more is given back than was asked for"
    );
    if completion.status == NtStatus::SUCCESS {
        buffer.truncate(completion.information);
        Ok(buffer)
    } else {
        assert_eq!(completion.information, 0);
        Err(completion.status)
    }
}

pub fn push(gate: &Gate<Process>, set: &[u8]) -> PushOutcome {
    let answer = send(gate, ioctl::PUSH, &request(set), size_of::<PushOutcome>()).expect("an outcome");
    PushOutcome::read_from_bytes(&answer).expect("its size")
}

pub fn status(gate: &Gate<Process>) -> Status {
    let answer = send(gate, ioctl::STATUS, &request(&[]), size_of::<Status>()).expect("a status");
    Status::read_from_bytes(&answer).expect("its size")
}

/// The head of a batch, and the events in it.
pub fn events_after(gate: &Gate<Process>, after: u64) -> (Events, Vec<u8>) {
    let asked = EventsRequest {
        request: Request::new(),
        after: after.into(),
        wait: 0.into(),
        reserved: 0.into(),
    };
    let answer = send(gate, ioctl::EVENTS, asked.as_bytes(), 1 << 20).expect("events");
    let (head, records) = Events::read_from_prefix(&answer).expect("a head");
    (head, records.to_vec())
}

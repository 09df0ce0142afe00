//! Requests to the driver's dispatch code, in a row: none may change what it is not entitled to.

#![no_main]

use gate::Gate;
use gate::besieged::Besieged;
use gate::process::Process;
use protocol::ioctl;
use std::cell::RefCell;

const POLICY: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy">
  <VersionEx>1.0.0.0</VersionEx>
  <PlatformID>{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}</PlatformID>
  <PolicyID>{A3B1C2D4-0000-4000-8000-000000000001}</PolicyID>
  <BasePolicyID>{A3B1C2D4-0000-4000-8000-000000000001}</BasePolicyID>
  <Rules/>
  <FileRules/>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS"><ProductSigners/></SigningScenario>
  </SigningScenarios>
</SiPolicy>"#;

/// A public key whose private part nobody here has: that of RFC 8032, section 7.1, test 1.
const KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
    0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// A gate without a key, or with one for which nobody can sign.
fn besieged(has_key: bool) -> Besieged {
    let gate = Gate::try_new(Process::default()).expect("memory");
    gate.restore();
    let mut besieged = Besieged::new(gate);
    if has_key {
        besieged.provision(KEY);
    }
    let document = sipolicy::Document::read("fuzz.xml", POLICY.as_bytes()).expect("a policy");
    besieged.sets = vec![sipolicy::compile(&[document]).expect("compiles")];
    besieged
}

thread_local! {
    static BESIEGED: [RefCell<Besieged>; 2] = [false, true].map(|has_key| RefCell::new(besieged(has_key)));
}

libfuzzer_sys::fuzz_target!(|request: &[u8]| {
    // Which request and to which of the two, how much output, and the request itself.
    let [kind, low, high, input @ ..] = request else {
        return;
    };
    let (code, _) = ioctl::ALL[usize::from(*kind) % ioctl::ALL.len()];
    let output = usize::from(u16::from_le_bytes([*low, *high]));
    let has_key = *kind >= 0x80;
    BESIEGED.with(|both| {
        let one = &both[usize::from(has_key)];
        let changed = one.borrow_mut().send(code, input, output);
        // Whoever provisions a key first has it; the next request finds a gate without one.
        if changed.key {
            *one.borrow_mut() = besieged(has_key);
        }
    });
});

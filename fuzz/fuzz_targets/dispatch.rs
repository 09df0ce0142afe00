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

fn besieged() -> Besieged {
    let gate = Gate::try_new(Process::default()).expect("memory");
    gate.restore();
    let mut besieged = Besieged::new(gate);
    let document = sipolicy::Document::read("fuzz.xml", POLICY.as_bytes()).expect("a policy");
    besieged.sets = vec![sipolicy::compile(&[document]).expect("compiles")];
    besieged
}

thread_local! {
    static BESIEGED: RefCell<Besieged> = RefCell::new(besieged());
}

libfuzzer_sys::fuzz_target!(|request: &[u8]| {
    // Which request, how much output, and the request itself.
    let [kind, low, high, input @ ..] = request else {
        return;
    };
    let (code, _) = ioctl::ALL[usize::from(*kind) % ioctl::ALL.len()];
    let output = usize::from(u16::from_le_bytes([*low, *high]));
    BESIEGED.with(|one| {
        let changed = one.borrow_mut().send(code, input, output);
        // Whoever provisions a key first has it; the next request finds a gate without one.
        if changed.key {
            *one.borrow_mut() = besieged();
        }
    });
});

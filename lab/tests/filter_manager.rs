//! The lab's filter manager, proved with a filter that refuses one file.

use lab::Lab;
use lab::controller::build_program;
use lab::services::DRIVERS;

const FILTER: &str = "filter-probe";

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A lab with the filter manager, the filter's service, and two copies of a driver, one of which the filter refuses.
fn lab() -> Lab {
    let lab = Lab::start().unwrap();
    lab.install_filter_manager().unwrap();
    let probe = build_program("gatehouse-filter-probe", "filter_probe.dll").unwrap();
    let image = format!(r"{DRIVERS}\filter-probe.sys");
    lab.put(&probe, &image).unwrap();
    lab.create_service(FILTER, &image).unwrap();
    let driver = lab.read(&format!(r"{DRIVERS}\mouhid.sys")).unwrap();
    for name in ["refused", "passed"] {
        let image = format!(r"{DRIVERS}\{name}.sys");
        lab.write(&image, &driver).unwrap();
        lab.create_service(name, &image).unwrap();
    }
    lab
}

fn asked(lab: &Lab, file: &str) -> Vec<String> {
    let head = format!("filter-probe: {file} ");
    let lines = lab.debug_lines().unwrap();
    lines.into_iter().filter(|line| line.starts_with(&head)).collect()
}

#[test]
fn a_filter_refuses_an_image_while_it_runs_and_reads_what_is_to_be_loaded() {
    let lab = lab();
    assert!(
        !lab.net_start(FILTER).unwrap().success(),
        "without an instance there is no filter"
    );
    lab.create_filter_instance(FILTER, "385100").unwrap();
    let started = lab.net_start(FILTER).unwrap();
    assert!(started.success(), "{started:?}\n{:#?}", lab.debug_lines());

    let refused = lab.net_start("refused").unwrap();
    assert!(!refused.success(), "{refused:?}");
    assert!(!lab.is_running("refused").unwrap());
    assert!(lab.net_start("passed").unwrap().success());
    assert!(lab.is_running("passed").unwrap());

    let driver = lab.read(&format!(r"{DRIVERS}\mouhid.sys")).unwrap();
    for name in ["refused.sys", "passed.sys"] {
        let said = format!("filter-probe: {name} {} {:016x} 1", driver.len(), fnv(&driver));
        assert_eq!(asked(&lab, name), [said]);
    }

    assert!(lab.net_stop(FILTER).unwrap().success());
    assert!(
        lab.net_start("refused").unwrap().success(),
        "nobody refuses it now"
    );
    assert_eq!(asked(&lab, "refused.sys").len(), 1, "and nobody asks");
}

#[test]
fn a_registration_and_a_read_can_be_made_to_fail() {
    let lab = lab();
    lab.create_filter_instance(FILTER, "385100").unwrap();
    lab.steer_filter_manager("refuse-registration C01C0012\n")
        .unwrap();
    assert!(!lab.net_start(FILTER).unwrap().success());
    lab.steer_filter_manager("fail-read passed.sys C0000185\n")
        .unwrap();
    assert!(lab.net_start(FILTER).unwrap().success());
    assert!(lab.net_start("passed").unwrap().success());
    let said = asked(&lab, "passed.sys");
    assert!(
        matches!(said.as_slice(), [line] if line.ends_with(" 0000000000000000 1")),
        "the probe's read failed: {said:?}"
    );
}

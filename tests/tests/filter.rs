//! The filter: without the filter manager, and where what is mapped is not loaded.

use anyhow::Result;
use gatehouse_tests::CLEAN_STOP;
use gatehouse_tests::Rig;
use gatehouse_tests::SUBJECT;
use gatehouse_tests::policy;

/// `STATUS_FLT_INSTANCE_ALTITUDE_COLLISION`: somebody else has the altitude.
const COLLISION: &str = "refuse-registration C01C0011\n";

#[test]
fn evaluation_goes_on_without_the_filter_and_enforcement_is_refused() -> Result<()> {
    let rig = Rig::installed()?;
    rig.lab.steer_filter_manager(COLLISION)?;
    rig.done(&["start"])?;
    rig.create_subject()?;
    let digest = rig.digest(SUBJECT)?;
    rig.compile(&policy(&[("Deny", &digest)]))?;
    rig.done(&["push", r"C:\policy.ghp"])?;

    let (code, _) = rig.records(&["mode", "enforce", "--force"])?;
    assert_ne!(code, 0, "nothing could be refused");
    let status = rig.status()?;
    assert_eq!(status["mode"], "evaluate");
    assert_eq!(status["mode_asked"], "evaluate");
    let names = |field: &str| status[field].to_string();
    assert!(!names("features").contains("filter"), "{status}");
    assert!(names("holds").contains("no-filter"), "{status}");

    rig.lab.net_start("subject")?;
    let mut loads = rig.events("image-load")?;
    for _ in 0..50 {
        if !loads.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        loads = rig.events("image-load")?;
    }
    assert_eq!(loads.len(), 1, "{loads:?}");
    assert_eq!(loads[0]["verdict"]["decision"], "would-refuse");
    rig.lab.net_stop("subject")?;
    rig.done(&["stop"])?;
    assert_eq!(rig.stop_lines()?, [CLEAN_STOP]);
    Ok(())
}

#[test]
fn what_the_prefetcher_maps_is_not_refused() -> Result<()> {
    let rig = Rig::start()?;
    rig.create_subject()?;
    let digest = rig.digest(SUBJECT)?;
    let document = policy(&[("Deny", &digest), ("Allow", "*")]);
    rig.compile(&document.replace("<Rule><Option>Enabled:Audit Mode</Option></Rule>", ""))?;
    rig.done(&["push", r"C:\policy.ghp"])?;
    rig.done(&["mode", "enforce", "--force"])?;
    rig.lab.net_start("subject")?;
    assert!(!rig.lab.is_running("subject")?, "a load is refused");
    let before = rig.status()?;
    assert_eq!(before["sections_refused"], 1);

    rig.lab.steer_filter_manager("prefetch mouhid.sys\n")?;
    rig.lab.net_start("subject")?;
    assert!(
        rig.lab.is_running("subject")?,
        "the prefetcher's section is created"
    );
    let after = rig.status()?;
    assert_eq!(after["sections_refused"], before["sections_refused"]);
    assert_eq!(after["failures"]["prefetch"], 0, "{after}");
    rig.lab.net_stop("subject")?;

    rig.lab.steer_filter_manager("")?;
    rig.lab.net_start("subject")?;
    assert!(
        !rig.lab.is_running("subject")?,
        "the mark was the open file's, not the file's"
    );
    rig.done(&["stop"])?;
    assert_eq!(rig.stop_lines()?, [CLEAN_STOP]);
    Ok(())
}

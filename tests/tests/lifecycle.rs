//! Start, stop and everything at once: several controllers, events being read, images being loaded.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;

use anyhow::Result;
use gatehouse_tests::CLEAN_STOP;
use gatehouse_tests::Rig;
use gatehouse_tests::SUBJECT;
use gatehouse_tests::hex;
use gatehouse_tests::policy;
use protocol::event::MAX_RECORD;
use protocol::ioctl;
use protocol::message::Request;
use zerocopy::IntoBytes;

/// Cycles of start, push, load and stop.
const CYCLES: usize = 50;

#[test]
fn fifty_cycles_leave_nothing_behind() -> Result<()> {
    let rig = Rig::installed()?;
    rig.create_subject()?;
    let digest = rig.digest(SUBJECT)?;
    rig.compile(&policy(&[("Allow", &digest)]))?;
    let cycle = format!(
        r"for /L %%i in (1,1,{CYCLES}) do (
C:\gatehouse\gatehouse.exe --quiet start
C:\gatehouse\gatehouse.exe --quiet push C:\policy.ghp
net start subject >nul
C:\gatehouse\gatehouse.exe --json check {SUBJECT}
net stop subject >nul
C:\gatehouse\gatehouse.exe --quiet stop
)
"
    );
    let output = rig.batch(300, &cycle)?;
    let allowed = output
        .lines()
        .filter(|line| line.contains(r#""decision":"allow""#))
        .count();
    assert_eq!(allowed, CYCLES, "{output}");
    let stops = rig.stop_lines()?;
    assert_eq!(stops.len(), CYCLES, "{}", rig.debug_log()?);
    assert!(stops.iter().all(|line| line == CLEAN_STOP), "{stops:?}");
    Ok(())
}

#[test]
fn stopping_while_events_are_read_ends_the_readers() -> Result<()> {
    let rig = Rig::start()?;
    rig.create_subject()?;
    let mut readers = Vec::new();
    for _ in 0..2 {
        readers.push(rig.lab.spawn(
            r"C:\gatehouse\gatehouse.exe",
            &["events", "--follow", "--json", "--interval", "1ms"],
        )?);
    }
    let mut outputs = Vec::new();
    for reader in &mut readers {
        let mut output = BufReader::new(reader.stdout.take().expect("its output"));
        let mut first = String::new();
        output.read_line(&mut first)?;
        assert!(
            first.contains(r#""kind":"started""#),
            "the reader sees events: {first}"
        );
        outputs.push(output);
    }
    rig.lab.net_start("subject")?;
    rig.done(&["stop"])?;
    for (mut reader, mut output) in readers.into_iter().zip(outputs) {
        let mut rest = String::new();
        output.read_to_string(&mut rest)?;
        let mut talk = String::new();
        reader
            .stderr
            .take()
            .expect("its talk")
            .read_to_string(&mut talk)?;
        let code = reader.wait()?.code();
        assert!(
            matches!(code, Some(0 | 4)),
            "the reader ended by itself with {code:?}: {talk}"
        );
    }
    assert_eq!(rig.stop_lines()?, [CLEAN_STOP]);
    rig.done(&["start"])?;
    assert_eq!(rig.status()?["generation"], 0);
    Ok(())
}

#[test]
fn two_controllers_at_once_get_generations_of_their_own() -> Result<()> {
    const PUSHES: usize = 10;
    let rig = Rig::start()?;
    let sets = [
        rig.compile(&policy(&[("Allow", &"11".repeat(32))]))?,
        rig.compile(&policy(&[("Deny", &"22".repeat(32))]))?,
    ];
    let mut controllers = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let file = format!(r"C:\set{number}.ghp");
        rig.lab.write(&file, set)?;
        let line = format!(r"for /L %i in (1,1,{PUSHES}) do @C:\gatehouse\gatehouse.exe --json push {file}");
        controllers.push(rig.lab.spawn("cmd.exe", &["/c", &line])?);
    }
    let mut generations = Vec::new();
    for controller in controllers {
        let output = controller.wait_with_output()?;
        for line in String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|line| line.starts_with('{'))
        {
            let record: serde_json::Value = serde_json::from_str(line)?;
            generations.push(record["generation"].as_u64().expect("a generation"));
        }
    }
    generations.sort_unstable();
    assert_eq!(generations, (1..=2 * PUSHES as u64).collect::<Vec<_>>());
    let activated = rig.events("policy-activated")?;
    assert_eq!(activated.len(), 2 * PUSHES);
    let pulled = {
        rig.done(&["pull", "-o", r"C:\pulled.ghp"])?;
        rig.lab.read(r"C:\pulled.ghp")?
    };
    assert!(sets.contains(&pulled));
    Ok(())
}

#[test]
fn unloading_while_images_load_harms_neither() -> Result<()> {
    const ROUNDS: usize = 15;
    let rig = Rig::start()?;
    rig.create_subject()?;
    let loads = format!("for /L %i in (1,1,{ROUNDS}) do @(net start subject & net stop subject)");
    let loader = rig.lab.spawn("cmd.exe", &["/c", &loads])?;
    let restarts = format!(
        r"for /L %%i in (1,1,{ROUNDS}) do (
C:\gatehouse\gatehouse.exe --quiet stop
C:\gatehouse\gatehouse.exe --quiet start
)
"
    );
    rig.batch(120, &restarts)?;
    let output = loader.wait_with_output()?;
    let started = String::from_utf8_lossy(&output.stdout)
        .matches("was started successfully")
        .count();
    assert_eq!(
        started,
        ROUNDS,
        "every load went through: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(rig.lab.is_running("gatehouse")?);
    let stops = rig.stop_lines()?;
    assert_eq!(stops.len(), ROUNDS);
    assert!(stops.iter().all(|line| line == CLEAN_STOP), "{stops:?}");
    Ok(())
}

#[test]
fn thousands_of_checks_leave_pool_use_where_it_was() -> Result<()> {
    const CHECKS: usize = 3000;
    let rig = Rig::start()?;
    let path = hex(&format!(r"\??\{SUBJECT}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect::<Vec<_>>());
    let request = format!(
        "{:x} {}{path} {MAX_RECORD:x}",
        ioctl::CHECK,
        hex(Request::new().as_bytes())
    );
    let requests = vec![request; CHECKS];
    rig.probe(&requests)?;
    let before = rig.status()?;
    // What the driver holds while it has nothing to do, beside a set: none was pushed.
    let idle = before["pool_bytes"].as_u64().expect("a count");
    assert!(idle < 256 << 10, "{idle} bytes of pool");
    let answers = rig.probe(&requests)?;
    assert!(answers.iter().all(|answer| answer.starts_with("ok ")));
    let after = rig.status()?;
    let weighed = |status: &serde_json::Value| status["weighed"].as_u64().expect("a count");
    assert_eq!(weighed(&after) - weighed(&before), CHECKS as u64);
    assert_eq!(
        (&after["pool_blocks"], &after["pool_bytes"]),
        (&before["pool_blocks"], &before["pool_bytes"])
    );
    Ok(())
}

//! Commands that look at the machine, in the lab's Windows: what installing leaves in the registry, what the doctor makes of it, keys.

use anyhow::Context;
use anyhow::Result;
use gatehouse_tests::Rig;
use protocol::install;
use protocol::install::Data;
use serde_json::Value;

const SERVICE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\gatehouse";

/// What `reg query` says of a value; `None` when there is none.
fn value(rig: &Rig, key: &str, name: &str) -> Result<Option<String>> {
    let output = rig.lab.run("reg.exe", &["query", key, "/v", name])?;
    let line = output
        .stdout
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with(name));
    let line = line.and_then(|line| {
        line.strip_prefix(name)?
            .trim_start()
            .split_once(char::is_whitespace)
    });
    Ok(line.map(|(_, value)| value.trim().to_owned()))
}

#[test]
fn installing_registers_a_minifilter_and_uninstalling_leaves_nothing() -> Result<()> {
    let rig = Rig::installed()?;
    let has = |key: &str, name: &str| value(&rig, key, name);
    for expected in install::VALUES {
        let key = format!(r"{SERVICE}\{}", expected.key);
        let found = has(key.trim_end_matches('\\'), expected.name)?;
        let data = match expected.data {
            Data::Text(text) => text.to_owned(),
            Data::Number(number) => format!("{number:#x}"),
        };
        assert_eq!(found, Some(data), "{expected:?}");
    }
    assert_eq!(
        has(SERVICE, "Type")?,
        Some(format!("{:#x}", install::SERVICE_TYPE))
    );
    assert_eq!(
        has(SERVICE, "DependOnService")?.as_deref(),
        Some(install::DEPENDENCY)
    );
    rig.done(&["uninstall"])?;
    assert_eq!(has(SERVICE, "Type")?, None);
    Ok(())
}

/// A Windows that tells little: what it does not tell is not known, and what it tells is right.
#[test]
fn the_doctor_finds_what_is_wrong_and_guesses_nothing() -> Result<()> {
    let rig = Rig::start()?;
    let state = |name: &str| -> Result<(i32, String)> {
        let (code, checks) = rig.records(&["doctor"])?;
        let check = checks.iter().find(|check| check["check"] == name);
        let state = check.and_then(|check| check["state"].as_str());
        Ok((
            code,
            state.with_context(|| format!("{name} in {checks:?}"))?.to_owned(),
        ))
    };
    assert_eq!(state("service")?.1, "fine");
    assert_eq!(state("driver")?.1, "fine");
    assert_eq!(state("altitude")?.1, "fine");
    let (code, policy) = state("policy")?;
    assert_eq!((code, policy.as_str()), (1, "finding"), "there is none");
    rig.compile(&gatehouse_tests::policy(&[]))?;
    rig.done(&["push", r"C:\policy.ghp"])?;
    assert_eq!(state("policy")?.1, "fine");
    assert_ne!(
        state("windows-evaluation")?.1,
        "finding",
        "this Windows evaluates nothing"
    );
    let key = r"HKLM\SYSTEM\CurrentControlSet\Control\CI\WhqlOnlyEvaluation";
    for (name, kind, data) in [
        ("SystemUptime", "REG_QWORD", "36000000000"),
        ("NumBootSessions", "REG_DWORD", "2"),
        ("NumAudits", "REG_DWORD", "1"),
    ] {
        let added = rig
            .lab
            .run("reg.exe", &["add", key, "/v", name, "/t", kind, "/d", data, "/f"])?;
        assert!(added.success(), "{added:?}");
    }
    let (_, checks) = rig.records(&["doctor"])?;
    let evaluation = checks
        .iter()
        .find(|check| check["check"] == "windows-evaluation")
        .context("a check")?;
    assert_eq!(evaluation["state"], "finding");
    let says = evaluation["says"].as_str().context("words")?;
    assert!(
        says.contains("1h of uptime and 2 boot sessions") && says.contains("; 1 loads"),
        "{says}"
    );
    rig.done(&["stop"])?;
    assert_eq!(state("service")?.1, "finding");
    assert_eq!(state("driver")?.1, "not-known");
    Ok(())
}

#[test]
fn keys_and_signed_sets_are_made_on_windows_too() -> Result<()> {
    let rig = Rig::installed()?;
    rig.done(&["policy", "key", "new", "-o", r"C:\k"])?;
    let again = rig.lab.gatehouse(&["policy", "key", "new", "-o", r"C:\k"])?;
    assert!(!again.success(), "a key is never overwritten");
    rig.compile(&gatehouse_tests::policy(&[]))?;
    let sign = [
        "policy",
        "sign",
        r"C:\policy.ghp",
        "--key",
        r"C:\k",
        "--sequence",
        "1",
        "-o",
        r"C:\s",
    ];
    let (code, signed) = rig.records(&sign)?;
    assert_eq!(code, 0);
    assert_eq!(signed[0]["sequence"], Value::from(1));
    let signed = rig.lab.read(r"C:\s")?;
    assert!(signed.starts_with(&protocol::envelope::MAGIC));
    Ok(())
}

/// From one start of the driver to the next: the set, the key that sets must be signed with, and the way back.
#[test]
fn policy_and_key_outlive_the_driver() -> Result<()> {
    let rig = Rig::start()?;
    let sets = [
        gatehouse_tests::policy(&[("Allow", &"11".repeat(32))]),
        gatehouse_tests::policy(&[("Deny", &"22".repeat(32))]),
    ];
    let mut hashes = Vec::new();
    for set in &sets {
        rig.compile(set)?;
        let (code, pushed) = rig.records(&["push", r"C:\policy.ghp"])?;
        assert_eq!((code, &pushed[0]["kept"]), (0, &Value::from(true)), "{pushed:?}");
        hashes.push(pushed[0]["set_sha256"].clone());
    }
    let restarted = || -> Result<Value> {
        rig.done(&["stop"])?;
        rig.done(&["start"])?;
        // The driver takes up what it kept after it has started.
        for _ in 0..100 {
            let status = rig.status()?;
            if status["generation"] != 0 {
                return Ok(status);
            }
        }
        rig.status()
    };
    assert_eq!(restarted()?["set_sha256"], hashes[1]);
    let (code, back) = rig.records(&["rollback"])?;
    assert_eq!((code, &back[0]["set_sha256"]), (0, &hashes[0]), "{back:?}");
    rig.done(&["policy", "key", "new", "-o", r"C:\k"])?;
    rig.done(&["key", "provision", r"C:\k.pub"])?;
    let unsigned = |file: &str| -> Result<(i32, Value)> {
        let (code, records) = rig.records(&["push", file])?;
        Ok((
            code,
            records
                .first()
                .map_or(Value::Null, |record| record["error"]["name"].clone()),
        ))
    };
    assert_eq!(unsigned(r"C:\policy.ghp")?, (6, Value::from("unsigned")));
    rig.done(&[
        "policy",
        "sign",
        r"C:\policy.ghp",
        "--key",
        r"C:\k",
        "--sequence",
        "3",
        "-o",
        r"C:\s",
    ])?;
    rig.done(&["push", r"C:\s"])?;
    let status = restarted()?;
    assert_eq!(
        (&status["set_sequence"], &status["set_sha256"]),
        (&Value::from(3), &hashes[1])
    );
    assert!(status["key_fingerprint"].is_string(), "{status}");
    assert_eq!(unsigned(r"C:\policy.ghp")?, (6, Value::from("unsigned")));
    assert_eq!(
        unsigned(r"C:\s")?,
        (6, Value::from("sequence")),
        "the same set does not come twice"
    );
    rig.done(&["key", "remove", "--old-key", r"C:\k"])?;
    rig.done(&["push", r"C:\policy.ghp"])?;
    Ok(())
}

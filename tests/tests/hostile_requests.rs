//! What a hostile or broken controller can send to the real driver. The generation in force stays, the driver stays up, and the
//! answer says what was wrong.

use anyhow::Result;
use gatehouse_tests::Rig;
use gatehouse_tests::hex;
use gatehouse_tests::policy;
use gatehouse_tests::push_request;
use protocol::control::KeyRequest;
use protocol::control::ModeRequest;
use protocol::control::ThresholdsRequest;
use protocol::envelope::Envelope;
use protocol::ioctl;
use protocol::message::EventsRequest;
use protocol::message::PullRequest;
use protocol::message::PushOutcome;
use protocol::message::Request;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

/// Win32 error codes. Source: Microsoft, "System Error Codes".
const ERROR_INVALID_FUNCTION: u32 = 1;
const ERROR_FILE_NOT_FOUND: u32 = 2;
const ERROR_INVALID_PARAMETER: u32 = 87;
const ERROR_INSUFFICIENT_BUFFER: u32 = 122;
const ERROR_FILE_TOO_LARGE: u32 = 223;
const ERROR_REVISION_MISMATCH: u32 = 1306;

fn outcome(answer: &str) -> PushOutcome {
    let text = answer
        .strip_prefix("ok ")
        .unwrap_or_else(|| panic!("an outcome, not {answer}"));
    let bytes: Vec<u8> = (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex"))
        .collect();
    PushOutcome::read_from_bytes(&bytes).expect("an outcome's size")
}

#[test]
fn damaged_policy_sets_are_rejected_and_the_good_one_stays() -> Result<()> {
    let rig = Rig::start()?;
    let set = rig.compile(&policy(&[
        ("Allow", &"ab".repeat(32)),
        ("Deny", &"cd".repeat(32)),
    ]))?;
    rig.done(&["push", r"C:\policy.ghp"])?;
    let before = rig.status()?;
    assert_eq!(before["generation"], 1);

    let mut requests = Vec::new();
    for length in 0..set.len() {
        requests.push(push_request(&set[..length]));
    }
    for at in 0..set.len() {
        for bit in 0..8 {
            let mut damaged = set.clone();
            damaged[at] ^= 1 << bit;
            requests.push(push_request(&damaged));
        }
    }
    let answers = rig.probe(&requests)?;
    for (number, answer) in answers.iter().enumerate() {
        let outcome = outcome(answer);
        assert_ne!(outcome.error.get(), 0, "request {number} was accepted");
        assert_eq!(outcome.generation.get(), 1, "request {number}");
        assert!(
            outcome.offset.get() <= set.len() as u64,
            "the fault lies in the set"
        );
    }

    let after = rig.status()?;
    assert_eq!(after["generation"], 1);
    assert_eq!(after["set_sha256"], before["set_sha256"]);
    assert_eq!(after["pushes_rejected"], answers.len());
    assert_eq!(
        after["pool_bytes"], before["pool_bytes"],
        "nothing is left of what was rejected"
    );
    rig.done(&["pull", "-o", r"C:\pulled.ghp"])?;
    assert_eq!(rig.lab.read(r"C:\pulled.ghp")?, set);
    Ok(())
}

#[test]
fn a_rejected_push_says_what_was_wrong_and_where() -> Result<()> {
    let rig = Rig::start()?;
    let set = rig.compile(&policy(&[("Allow", &"ab".repeat(32))]))?;
    let mut altered = set.clone();
    *altered.last_mut().expect("bytes") ^= 1;
    let mut newer = set.clone();
    newer[4] = 0x63;
    for (what, bytes, expected) in [
        ("not a set", &b"<SiPolicy/>"[..], "not a compiled policy set"),
        ("truncated", &set[..set.len() - 1], "length"),
        ("altered", &altered, "SHA-256"),
        ("another format version", &newer, "version"),
    ] {
        let output = rig.push_unchecked(bytes)?;
        assert_eq!(output.code, 6, "{what}: {}", output.stderr);
        assert!(output.stderr.contains(expected), "{what}: {}", output.stderr);
        assert!(
            output.stderr.contains("byte"),
            "{what} says where: {}",
            output.stderr
        );
        assert_eq!(rig.status()?["generation"], 0, "{what}");
    }
    assert_eq!(
        rig.push_unchecked(&set)?.code,
        0,
        "the driver takes a good one after all that"
    );
    Ok(())
}

#[test]
fn an_oversized_push_is_refused_before_it_is_looked_at() -> Result<()> {
    let rig = Rig::start()?;
    let line = |length: usize| format!("{:x} zeros:{length:x} 1000", ioctl::PUSH);
    let largest = (64 << 20) + size_of::<Request>() + size_of::<Envelope>();
    let answers = rig.probe(&[line(largest + 1), line(largest)])?;
    assert_eq!(answers[0], format!("error {ERROR_FILE_TOO_LARGE}"));
    // One byte less is looked at, and its version is wrong.
    assert_eq!(answers[1], format!("error {ERROR_REVISION_MISMATCH}"));
    let status = rig.status()?;
    assert_eq!(
        (&status["generation"], &status["requests_refused"]),
        (&0.into(), &2.into())
    );
    Ok(())
}

/// Bytes of a request's structure behind the version that it begins with.
const fn behind_version(code: u32) -> usize {
    let whole = match code {
        ioctl::PULL => size_of::<PullRequest>(),
        ioctl::EVENTS => size_of::<EventsRequest>(),
        ioctl::MODE => size_of::<ModeRequest>(),
        ioctl::THRESHOLDS => size_of::<ThresholdsRequest>(),
        ioctl::KEY => size_of::<KeyRequest>(),
        _ => size_of::<Request>(),
    };
    whole - size_of::<Request>()
}

#[test]
fn malformed_requests_are_refused_and_nothing_changes() -> Result<()> {
    let rig = Rig::start()?;
    let current = hex(Request::new().as_bytes());
    let old = format!("0000{}", &current[4..]);
    // A bit that has no meaning yet.
    let reserved = format!("{}80", &current[..14]);
    let name = hex(&r"\??\C:\windows\system32\drivers\mouhid.sys"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect::<Vec<_>>());
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    let mut expect = |line: String, error: u32| {
        requests.push(line);
        expected.push(format!("error {error}"));
    };
    for (code, _) in ioctl::ALL {
        // No input, a null pointer that claims some, and less than the structure.
        expect(format!("{code:x} - 10000"), ERROR_INVALID_PARAMETER);
        expect(
            format!("{code:x} {} 10000", &current[..6]),
            ERROR_INVALID_PARAMETER,
        );
        if code != ioctl::HELLO {
            let tail = "00".repeat(behind_version(code));
            expect(format!("{code:x} {old}{tail} 10000"), ERROR_REVISION_MISMATCH);
            expect(
                format!("{code:x} {reserved}{tail} 10000"),
                ERROR_INVALID_PARAMETER,
            );
        }
    }
    for (code, input) in [
        (ioctl::HELLO, "0100020000000000".to_owned()),
        (ioctl::STATUS, current.clone()),
        (ioctl::PUSH, current.clone()),
        (ioctl::PULL, format!("{current}0000000000000000")),
        (ioctl::CHECK, format!("{current}{name}")),
        (ioctl::EVENTS, format!("{current}{}", "00".repeat(16))),
        (ioctl::MODE, format!("{current}01000000{}", "00".repeat(12))),
        (ioctl::ROLLBACK, current.clone()),
        (ioctl::PROGRESS, current.clone()),
        (ioctl::THRESHOLDS, format!("{current}{}", "00".repeat(16))),
        (ioctl::METRICS, current.clone()),
        (ioctl::KEY, format!("{current}{}", "00".repeat(104))),
    ] {
        for output in [0, 1, 7] {
            expect(format!("{code:x} {input} {output:x}"), ERROR_INSUFFICIENT_BUFFER);
        }
    }
    expect(
        format!("{:x} {current}ffffffffffffff7f 1000", ioctl::PULL),
        ERROR_INVALID_PARAMETER,
    );
    expect(
        format!("{:x} {current}41 10000", ioctl::CHECK),
        ERROR_INVALID_PARAMETER,
    );
    // Codes that are not ours, ours with another transfer method, and ours with no access asked for.
    for code in [
        0,
        1,
        0x0022_0000,
        0xffff_fffc,
        ioctl::STATUS + 0x100,
        ioctl::STATUS & !0xc000,
    ] {
        expect(format!("{code:x} {current} 1000"), ERROR_INVALID_FUNCTION);
    }
    for method in 1..4 {
        expect(
            format!("{:x} {current} 1000", ioctl::STATUS | method),
            ERROR_INVALID_FUNCTION,
        );
    }
    let answers = rig.probe(&requests)?;
    for ((request, answer), expected) in requests.iter().zip(&answers).zip(&expected) {
        assert_eq!(answer, expected, "{request}");
    }
    let status = rig.status()?;
    assert_eq!(
        (&status["generation"], &status["pushes_rejected"]),
        (&0.into(), &0.into())
    );
    Ok(())
}

#[test]
fn null_pointers_and_names_below_the_device_are_refused() -> Result<()> {
    let rig = Rig::start()?;
    let codes = ioctl::ALL.map(|(code, _)| code);
    let requests: Vec<String> = codes
        .iter()
        .flat_map(|code| {
            [
                format!("{code:x} null:40 1000"),
                format!("{code:x} null:0 null:1000"),
                format!("{code:x} - null:0"),
            ]
        })
        .collect();
    for (request, answer) in requests.iter().zip(rig.probe(&requests)?) {
        assert!(answer.starts_with("error "), "{request}: {answer}");
    }
    let below = format!(r"{}\below", protocol::WIN32_NAME);
    assert_eq!(rig.probe_open(&below)?, format!("error {ERROR_FILE_NOT_FOUND}"));
    assert_eq!(rig.probe_open(protocol::WIN32_NAME)?, "opened");
    assert_eq!(rig.status()?["mode"], "evaluate");
    Ok(())
}

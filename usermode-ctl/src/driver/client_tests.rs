//! The client against the driver's own dispatch, and against a transport that plays tricks on it.

use std::time::Duration;

use protocol::ioctl;
use protocol::message::Hello;
use protocol::message::HelloRequest;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

use crate::driver::Client;
use crate::driver::SystemError;
use crate::driver::Transport;
use crate::driver::loopback::Loopback;
use crate::error::Error;
use crate::support::policy;

fn compiled(rules: &[(&str, bool, &str)]) -> Vec<u8> {
    let document = sipolicy::Document::read("test.xml", policy(rules).as_bytes()).expect("a document");
    sipolicy::compile(&[document]).expect("compiles")
}

/// A set that takes more than one piece to fetch.
fn large(name: &str) -> Vec<u8> {
    let hashes: Vec<_> = (0..9000_u32).map(|number| format!("{number:064x}")).collect();
    let rules: Vec<_> = hashes.iter().map(|hash| (name, true, hash.as_str())).collect();
    let rules: Vec<_> = rules
        .iter()
        .enumerate()
        .map(|(number, (name, allow, hash))| (format!("{name}_{number}"), *allow, *hash))
        .collect();
    compiled(
        &rules
            .iter()
            .map(|(id, allow, hash)| (id.as_str(), *allow, *hash))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn what_was_pushed_is_fetched_back() {
    let driver = Loopback::start();
    let mut client = driver.client();
    assert!(client.pull().expect("answered").is_none());
    let set = large("ID_ALLOW_A");
    assert!(set.len() > 256 * 1024, "several pieces");
    let outcome = client.push(&set).expect("answered");
    assert_eq!((outcome.error.get(), outcome.generation.get()), (0, 1));
    assert_eq!(client.pull().expect("answered"), Some((1, set)));
    let status = client.status().expect("answered");
    assert_eq!((status.generation.get(), status.pushes_accepted.get()), (1, 1));
}

/// Pushes another set between the first and the second piece of a fetch.
struct Meddler {
    driver: Loopback,
    pulls: u32,
    second: Vec<u8>,
}

impl Transport for Meddler {
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError> {
        if code == ioctl::PULL {
            self.pulls += 1;
            if self.pulls == 2 {
                self.driver.client().push(&self.second).expect("answered");
            }
        }
        self.driver.request(code, input, output)
    }

    fn wait(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        _patience: Duration,
    ) -> Result<Option<usize>, SystemError> {
        self.request(code, input, output).map(Some)
    }
}

#[test]
fn a_fetch_starts_again_when_the_generation_changes() {
    for second in [
        large("ID_ALLOW_B"),
        compiled(&[("ID_ALLOW_C", true, &"12".repeat(32))]),
    ] {
        let driver = Loopback::start();
        driver.client().push(&large("ID_ALLOW_A")).expect("answered");
        let meddler = Meddler {
            driver,
            pulls: 0,
            second: second.clone(),
        };
        let mut client = Client::over(Box::new(meddler)).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            client.pull().expect("answered") == Some((2, second)),
            "the new set, whole"
        );
    }
}

#[test]
fn a_rejected_push_leaves_the_generation_and_says_where() {
    let driver = Loopback::start();
    let mut client = driver.client();
    let set = compiled(&[("ID_ALLOW_A", true, &"12".repeat(32))]);
    client.push(&set).expect("answered");
    let outcome = client.push(&set[..set.len() - 1]).expect("answered");
    let local = policy::PolicySet::validate(&set[..set.len() - 1]).expect_err("cut");
    assert_eq!(outcome.error.get(), u32::from(local.fault.code()));
    assert_eq!(outcome.offset.get(), local.offset);
    assert_eq!(outcome.generation.get(), 1);
    assert_eq!(client.pull().expect("answered"), Some((1, set)));
}

/// A driver of protocol version 7.
struct OtherVersion {
    /// Whether it answers a greeting that leaves it the choice.
    tells: bool,
}

impl Transport for OtherVersion {
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError> {
        assert_eq!(code, ioctl::HELLO, "nothing else is asked of it");
        let greeting = HelloRequest::read_from_bytes(input).expect("a greeting");
        if !self.tells || !(greeting.oldest.get()..=greeting.newest.get()).contains(&7) {
            return Err(SystemError::REVISION_MISMATCH);
        }
        let answer = Hello {
            version: 7.into(),
            driver: [9.into(), 8.into(), 7.into()],
        };
        output.copy_from_slice(answer.as_bytes());
        Ok(output.len())
    }

    fn wait(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        _patience: Duration,
    ) -> Result<Option<usize>, SystemError> {
        self.request(code, input, output).map(Some)
    }
}

#[test]
fn a_driver_of_another_version_is_named() {
    for (tells, says) in [
        (true, "protocol version 2, the driver (9.8.7) version 7;"),
        (false, "protocol version 2, the driver another one;"),
    ] {
        let error = Client::over(Box::new(OtherVersion { tells }))
            .err()
            .expect("refused");
        assert!(matches!(error, Error::Version { .. }));
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// gate answers a greeting that leaves it the choice; the error message above rests on that.
#[test]
fn the_driver_tells_its_version_to_a_controller_of_any_version() {
    let request = HelloRequest {
        oldest: 0.into(),
        newest: u16::MAX.into(),
        reserved: 0.into(),
    };
    let mut output = [0; size_of::<Hello>()];
    let answered = Loopback::start().request(ioctl::HELLO, request.as_bytes(), &mut output);
    assert_eq!(answered, Ok(output.len()));
    let hello = Hello::read_from_bytes(&output).expect("an answer");
    assert_eq!(hello.version.get(), protocol::VERSION);
}

/// A driver that answers every request but the greeting with the same bytes.
struct Babbler {
    driver: Loopback,
    answer: Vec<u8>,
}

impl Transport for Babbler {
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError> {
        if code == ioctl::HELLO {
            return self.driver.request(code, input, output);
        }
        let length = self.answer.len().min(output.len());
        output[..length].copy_from_slice(&self.answer[..length]);
        Ok(length)
    }

    fn wait(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        _patience: Duration,
    ) -> Result<Option<usize>, SystemError> {
        self.request(code, input, output).map(Some)
    }
}

#[test]
fn nonsense_is_an_error_and_ends() {
    let driver = Loopback::start();
    for length in [0, 1, 8, 16, 24, 32, 40, 64, 1000] {
        for byte in [0, 1, 0x7f, 0xff] {
            let babbler = || Babbler {
                driver: driver.clone(),
                answer: vec![byte; length],
            };
            let client = || Client::over(Box::new(babbler())).unwrap_or_else(|error| panic!("{error}"));
            assert!(matches!(
                client().check(&[65]),
                Err(Error::Answer { request: "check", .. })
            ));
            assert!(length >= size_of::<protocol::message::Status>() || client().status().is_err());
            assert!(length >= size_of::<protocol::message::PushOutcome>() || client().push(&[]).is_err());
            if byte != 0 {
                assert!(client().pull().is_err(), "{length} bytes of {byte:#x}");
                assert!(client().events(0).is_err(), "{length} bytes of {byte:#x}");
                let awaited = client().await_events(0, Duration::ZERO);
                assert!(awaited.is_err(), "{length} bytes of {byte:#x}");
            }
        }
    }
}

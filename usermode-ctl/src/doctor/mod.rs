//! What may keep Gatehouse, or Windows' own driver policy, from doing its work.
//!
//! Facts are gathered first; each check is a function of the facts alone, so that every answer can be tested anywhere. What could not
//! be found out is answered as not known, never as fine.

mod checks;
mod failures;
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "elsewhere.rs")]
mod gather;

use std::time::Duration;

use protocol::event::Kind;
use protocol::event::split;
use protocol::message::Status;
use schemars::JsonSchema;
use serde::Serialize;

pub use checks::all;
pub use gather::gather;

use crate::driver::Client;
use crate::error::Error;

/// A fact, or why it is not known.
pub type Known<T> = Result<T, String>;

/// What there is to know about the machine and the driver.
pub struct Facts {
    /// `CodeIntegrityOptions` of Windows.
    pub code_integrity: Known<u32>,
    pub secure_boot: Known<SecureBoot>,
    pub safe_mode: Known<bool>,
    /// Whether the filter manager is running.
    pub filter_manager: Known<bool>,
    pub service: Known<Service>,
    /// What the registry says of our minifilter instance.
    pub instance: Known<Instance>,
    /// What the running driver says.
    pub driver: Known<Status>,
    /// How long ago the policy in force came into force.
    pub policy_age: Known<Duration>,
    /// Windows' own evaluation of its driver policy; `None` when this Windows is not evaluating.
    pub evaluation: Known<Option<Evaluation>>,
    /// Which of the files of Windows' own driver policy are there.
    pub driver_policy: Known<DriverPolicy>,
    /// Whether Microsoft's blocklist of vulnerable drivers is switched off in the registry.
    pub blocklist_off: Known<bool>,
}

/// UEFI Secure Boot.
#[cfg_attr(not(any(windows, test)), expect(dead_code, reason = "only Windows can tell"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureBoot {
    On,
    Off,
    /// The firmware has none.
    Missing,
}

/// Our service.
#[cfg_attr(not(any(windows, test)), expect(dead_code, reason = "only Windows can tell"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Missing,
    Stopped,
    Running,
}

/// Our minifilter instance.
#[cfg_attr(not(any(windows, test)), expect(dead_code, reason = "only Windows can tell"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instance {
    /// No instance is registered.
    Missing,
    /// One at this altitude is.
    At(String),
}

/// Which of the two policies of Windows' own driver policy are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverPolicy {
    /// The one that only audits.
    pub audit: bool,
    /// The one that refuses.
    pub enforced: bool,
}

/// The counters of Windows' own evaluation.
///
/// Source: values of HKLM\SYSTEM\CurrentControlSet\Control\CI\WhqlOnlyEvaluation, as code integrity writes them; Microsoft documents
/// the thresholds and not the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Uptime without a violation.
    pub uptime: Option<Duration>,
    /// Boot sessions without a violation.
    pub boots: Option<u32>,
    /// Loads that would have been refused.
    pub audits: Option<u32>,
    /// Loads that were refused.
    pub blocks: Option<u32>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Fine,
    /// Nothing is wrong, and it is good to know.
    Note,
    /// Something is to be done.
    Finding,
    NotKnown,
}

impl State {
    /// The name in tables and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Finding => "finding",
            Self::NotKnown => "not-known",
        }
    }
}

/// A check and how it came out.
#[derive(Clone, Debug, JsonSchema, PartialEq, Eq, Serialize)]
pub struct Check {
    pub schema: &'static str,
    /// Its name.
    #[serde(rename = "check")]
    pub name: &'static str,
    pub state: State,
    pub says: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    fn new(check: &'static str, state: State, says: impl Into<String>) -> Self {
        Self {
            schema: "gatehouse.doctor/1",
            name: check,
            state,
            says: says.into(),
            advice: None,
        }
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

/// How long ago the policy in force came into force, by the events that the driver still holds.
///
/// # Errors
/// The driver's own; that the event is gone is a fact that is not known.
pub fn policy_age(driver: &mut Client) -> Result<Known<Duration>, Error> {
    let mut newest = None;
    let mut after = 0;
    loop {
        let batch = driver.events(after)?;
        let mut rest = batch.bytes.as_slice();
        while let Some((record, tail)) = split(rest) {
            if record.head.kind.get() == Kind::PolicyActivated.number() {
                newest = Some(record.head.time.get());
            }
            rest = tail;
        }
        after = batch.head.last.get();
        if batch.head.more.get() == 0 {
            break;
        }
    }
    let now = driver.status()?.now.get();
    let age = newest.map(|moment| u64::try_from(now.saturating_sub(moment)).unwrap_or(0) / 10);
    Ok(age.map(Duration::from_micros).ok_or_else(|| {
        "the event of its push is no longer held, or was of an earlier run of the driver".to_owned()
    }))
}

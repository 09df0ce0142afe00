//! `policy key`, `policy sign` and `key`: who may sign policy sets.

use std::borrow::Cow;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use ed25519_dalek::SigningKey;
use protocol::control::KeyRequest;
use protocol::control::KeyStatement;
use protocol::control::key_error;
use protocol::message::Request;
use protocol::rising::MAX_STEP;
use schemars::JsonSchema;
use serde::Serialize;
use zerocopy::IntoBytes;

use crate::args::NewKey;
use crate::args::ProvisionKey;
use crate::args::RemoveKey;
use crate::args::Sign;
use crate::commands::Context;
use crate::commands::push::status_meaning;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::files;
use crate::keys;
use crate::policies;
use crate::policies::PolicyFile;

/// What was done with a key.
#[derive(JsonSchema, Serialize)]
pub struct KeyRecord<'r> {
    schema: &'static str,
    action: &'static str,
    /// Of the key that is in force or was used; `None` for none.
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'r, str>>,
    /// Of a signed set.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    /// Of a change of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

impl<'r> KeyRecord<'r> {
    fn new(action: &'static str, public: &[u8; 32]) -> Self {
        Self {
            schema: "gatehouse.key/1",
            action,
            fingerprint: (*public != [0; 32]).then(|| keys::fingerprint(public)),
            path: None,
            sequence: None,
            number: None,
        }
    }

    fn at(self, path: &'r Path) -> Self {
        Self {
            path: Some(files::name(path).into()),
            ..self
        }
    }

    fn report(&self, context: &mut Context, says: &str) -> Result<Outcome, Error> {
        if context.output.is_json() {
            context.output.record(self)?;
        } else {
            context.output.line(says)?;
        }
        Ok(Outcome::Done)
    }
}

/// Makes a key and writes both of its parts.
pub fn new(arguments: &NewKey, context: &mut Context) -> Result<Outcome, Error> {
    let path = &arguments.output;
    let mut public_path = path.clone().into_os_string();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    let key = keys::generate()?;
    keys::write_pair(path, &public_path, &key)?;
    let public = key.verifying_key();
    let record = KeyRecord::new("new", public.as_bytes()).at(path);
    record.report(
        context,
        &format!(
            "key {} made: {} is for signing, {} for `gatehouse key provision`",
            keys::fingerprint(public.as_bytes()),
            files::name(path),
            files::name(&public_path)
        ),
    )
}

/// Signs a compiled set.
pub fn sign(arguments: &Sign, context: &mut Context) -> Result<Outcome, Error> {
    policies::keep_inputs(&arguments.output, [&arguments.set, &arguments.key])?;
    let file = PolicyFile::read(&arguments.set)?;
    let Some(set) = file.set()? else {
        return Err(Error::Malformed {
            path: file.path,
            problem: "this is no compiled set; make one with `gatehouse policy compile`".to_owned(),
        });
    };
    policies::warn_without_base(&policies::validate(&file.path, set)?, &mut context.output);
    let key = keys::read_private(&arguments.key)?;
    if arguments.sequence > MAX_STEP {
        context.output.note(
            "a driver takes this sequence number only when it has taken one of this key within 2^32 below it; numbers up to 2^32, as \
             seconds since 1970, are taken at first",
        );
    }
    let signed = keys::sign(set, arguments.sequence, &key);
    files::write_result(&mut context.output, &arguments.output, &signed)?;
    if files::is_standard_output(&arguments.output) {
        return Ok(Outcome::Done);
    }
    let public = key.verifying_key();
    let record = KeyRecord {
        sequence: Some(arguments.sequence),
        ..KeyRecord::new("sign", public.as_bytes()).at(&arguments.output)
    };
    let says = format!(
        "signed with key {}, sequence number {}: {}",
        keys::fingerprint(public.as_bytes()),
        arguments.sequence,
        files::name(&arguments.output)
    );
    record.report(context, &says)
}

/// Has the driver take only sets signed with a key.
pub fn provision(arguments: &ProvisionKey, context: &mut Context) -> Result<Outcome, Error> {
    let new = keys::read_public(&arguments.key)?;
    let old = arguments.old_key.as_deref().map(keys::read_private).transpose()?;
    ask(
        new.as_bytes(),
        old.as_ref(),
        arguments.number,
        "provision",
        context,
    )
}

/// Has the driver take unsigned sets again.
pub fn remove(arguments: &RemoveKey, context: &mut Context) -> Result<Outcome, Error> {
    let old = keys::read_private(&arguments.old_key)?;
    ask(&[0; 32], Some(&old), arguments.number, "remove", context)
}

/// A number that a driver takes which took `highest` last: seconds since 1970 as far as that goes, so that numbers of several machines
/// keep together.
fn next_number(highest: u64) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    seconds.clamp(highest.saturating_add(1), highest.saturating_add(MAX_STEP))
}

fn ask(
    new: &[u8; 32],
    old: Option<&SigningKey>,
    number: Option<u64>,
    action: &'static str,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let mut driver = context.driver("key", Access::Write)?;
    let number = match number {
        Some(number) => number,
        None => next_number(driver.status()?.key_number.get()),
    };
    let request = KeyRequest {
        request: Request::new(),
        number: number.into(),
        key: *new,
        signature: old.map_or([0; 64], |old| {
            let statement = KeyStatement::new(number, old.verifying_key().to_bytes(), *new);
            keys::sign_bytes(statement.as_bytes(), old)
        }),
    };
    let outcome = driver.key(&request)?;
    let in_force = || {
        if outcome.key == [0; 32] {
            "no key is provisioned".to_owned()
        } else {
            format!("key {} is in force", keys::fingerprint(&outcome.key))
        }
    };
    let problem = match outcome.error.get() {
        0 => {
            let record = KeyRecord {
                number: Some(number),
                ..KeyRecord::new(action, &outcome.key)
            };
            return record.report(context, &format!("{}, by change number {number}", in_force()));
        }
        key_error::SIGNATURE if old.is_some() => {
            format!("the old key is not the one that is provisioned; {}", in_force())
        }
        key_error::SIGNATURE => format!(
            "{}; name the file with its private part with --old-key",
            in_force()
        ),
        key_error::NOT_KEPT => {
            let status = outcome.persisted.get();
            format!(
                "it could not be kept on disk (status {status:#010x}{}), and a key that a restart forgets protects nothing; {}",
                status_meaning(status.into()),
                in_force()
            )
        }
        key_error::WEAK_KEY => {
            "these bytes are no safe Ed25519 key; make one with `gatehouse policy key new`".to_owned()
        }
        key_error::NUMBER => format!(
            "the number {} of the change is not above {}, the highest that it has taken; leave out --number, or give one above that; {}",
            request.number,
            outcome.number,
            in_force()
        ),
        key_error::STEP => format!(
            "the number {} of the change is more than 2^32 above {}, the highest that it has taken; leave out --number, or give a lower \
             one; {}",
            request.number,
            outcome.number,
            in_force()
        ),
        code => format!(
            "code {code}, which this command does not know; install command and driver of the same release"
        ),
    };
    Err(Error::Declined {
        what: "the driver did not take the key",
        problem,
    })
}

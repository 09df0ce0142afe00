//! What can go wrong with a command, and the exit code that says so.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use thiserror::Error;

use crate::files::name;

/// How a command ended, when it ended well enough to have said everything it had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Done, and nothing was refused.
    Done,
    /// Done, and something is or would be refused.
    Refused,
    /// Some of the work failed; each failure was reported when it happened.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Refused => Self::from(10),
            Outcome::Failed => Self::from(1),
        }
    }
}

/// A command failed.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", name(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", name(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// The words of the command line do not go together.
    #[error("{0}")]
    Usage(String),
    /// An input file is not what it should be.
    #[error("{}: {problem}", name(path))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, where, and what to do.
        problem: String,
    },
    /// A policy document is malformed, or documents do not go together; the words name file and place.
    #[error("{0}")]
    Document(String),
    /// A command that talks to the driver or the service manager was given on another system.
    #[cfg(not(windows))]
    #[error("`gatehouse {command}` needs Windows: the driver runs nowhere else")]
    NeedsWindows {
        /// The command.
        command: &'static str,
    },
    /// The device is not there.
    #[error("the gatehouse driver is not running; start it with `gatehouse start`")]
    NotRunning,
    /// The service is not there.
    #[cfg(windows)]
    #[error("the gatehouse driver is not installed; install it with `gatehouse install`")]
    NotInstalled,
    #[cfg_attr(not(windows), expect(dead_code, reason = "only Windows asks for rights"))]
    /// The system refused access.
    #[error("access denied: {what}; run this command as an administrator")]
    AccessDenied {
        /// What was attempted.
        what: String,
    },
    /// There is no set to fetch.
    #[error("no policy is in force; push one with `gatehouse push`")]
    NoPolicy,
    /// The driver rejected a pushed set.
    #[error("the driver rejected the policy: {fault}; {in_force}")]
    PolicyRejected {
        /// Code, name and offset of the fault.
        fault: String,
        /// What is in force now.
        in_force: String,
    },
    /// Driver and controller have no protocol version in common.
    #[error(
        "this gatehouse command speaks protocol version {ours}, the driver {theirs}; install command and driver of the same release"
    )]
    Version {
        /// Version of this command.
        ours: u16,
        /// What is known of the driver's version.
        theirs: TheirVersion,
    },
    /// The driver is of an older release of the same protocol version.
    #[error(
        "the driver knows no {request} request: it is older than this command; install command and driver of the same release"
    )]
    Unknown {
        /// Name of the request.
        request: &'static str,
    },
    /// The driver did not do what was asked, and nothing changed.
    #[error("{what}: {problem}")]
    Declined {
        /// What was asked.
        what: &'static str,
        /// Why not, and what to do.
        problem: String,
    },
    /// The driver failed a request.
    #[error("the driver failed the {request} request: {problem} (system error {code})")]
    Request {
        /// Name of the request.
        request: &'static str,
        /// The system's own words.
        problem: String,
        /// Win32 error code.
        code: u32,
    },
    /// The driver answered with something that is no answer.
    #[error(
        "the driver's answer to the {request} request makes no sense: {problem}; this is a bug in the driver or in this command"
    )]
    Answer {
        /// Name of the request.
        request: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A service or file operation of install, uninstall, start or stop failed.
    #[cfg(windows)]
    #[error("cannot {what}: {problem}")]
    Service {
        /// What was attempted.
        what: String,
        /// Why not, and what to do.
        problem: String,
    },
}

/// The driver's protocol version, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TheirVersion {
    /// It said so.
    Known {
        /// The protocol version it speaks.
        protocol: u16,
        /// Its own version.
        driver: String,
    },
    /// It only said that it is another one.
    Other,
}

impl fmt::Display for TheirVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known { protocol, driver } => write!(formatter, "({driver}) version {protocol}"),
            Self::Other => formatter.write_str("another one"),
        }
    }
}

impl Error {
    /// Whether nobody reads standard output any more, which is not an error.
    pub fn is_broken_pipe(&self) -> bool {
        /// `ERROR_PIPE_NOT_CONNECTED`: what the other end of a named pipe leaves behind, and Wine's of any pipe.
        const PIPE_NOT_CONNECTED: i32 = 233;
        let Self::Output(error) = self else { return false };
        error.kind() == io::ErrorKind::BrokenPipe
            || (cfg!(windows) && error.raw_os_error() == Some(PIPE_NOT_CONNECTED))
    }

    /// The exit code, as docs/deployment.md lists it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Malformed { .. } | Self::Document(_) => 3,
            #[cfg(not(windows))]
            Self::NeedsWindows { .. } => 4,
            Self::NotRunning => 4,
            #[cfg(windows)]
            Self::NotInstalled => 4,
            Self::AccessDenied { .. } => 5,
            Self::Read { source, .. } | Self::Write { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                5
            }
            Self::PolicyRejected { .. } => 6,
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Output(_)
            | Self::NoPolicy
            | Self::Version { .. }
            | Self::Unknown { .. }
            | Self::Declined { .. }
            | Self::Request { .. }
            | Self::Answer { .. } => 1,
            #[cfg(windows)]
            Self::Service { .. } => 1,
        }
    }
}

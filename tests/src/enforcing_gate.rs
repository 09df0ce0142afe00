//! The driver's brain in this process, with enforcement in effect: what the filter would do with a file.

use std::time::SystemTime;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gate::Caller;
use gate::Gate;
use gate::Passage;
use gate::Path;
use gate::Section;
use gate::process::Content;
use gate::process::OpenFile;
use gate::process::Process;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::ioctl;
use protocol::message::Mode;
use protocol::message::PushOutcome;
use protocol::message::Request;
use protocol::message::features;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

const PATH: &str = r"\??\C:\subject.sys";

/// A gate that refuses by one set.
pub struct EnforcingGate(Gate<Process>);

/// What became of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// It goes on.
    Passed,
    /// It goes on because something was not sure.
    Uncertain,
    /// It goes on because the file is Windows' or the driver's own.
    Spared,
    /// It fails.
    Refused,
}

struct Asked<'g>(&'g Gate<Process>);

impl Section for Asked<'_> {
    type File = OpenFile;

    fn caller(&self) -> Caller {
        Caller::Kernel
    }

    fn path(&mut self) -> Path {
        Path::new(PATH.encode_utf16())
    }

    fn open(&mut self) -> Option<OpenFile> {
        self.0.host().file(PATH)
    }
}

impl EnforcingGate {
    /// A gate with this compiled set, told to enforce.
    pub fn new(set: &[u8]) -> Result<Self> {
        let gate = Gate::try_new(Process::default()).ok().context("memory")?;
        gate.host().set_features(features::FILTER);
        gate.host().set_in_use(Some(&[]));
        // The clock counts 100 ns since 1601.
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let seconds = i64::try_from(since_1970.as_secs())? + 11_644_473_600;
        gate.host().advance(seconds * 10_000_000);
        let this = Self(gate);
        let pushed: PushOutcome = this.send(ioctl::PUSH, &[Request::new().as_bytes(), set].concat(), 0)?;
        ensure!(pushed.error.get() == 0, "push: {}", pushed.error.get());
        let enforce = ModeRequest {
            request: Request::new(),
            mode: (Mode::Enforce as u32).into(),
            force: 1.into(),
            duration: 0.into(),
        };
        let outcome: ModeOutcome = this.send(ioctl::MODE, enforce.as_bytes(), 1 << 16)?;
        ensure!(
            (outcome.error.get(), outcome.holds.get()) == (0, 0),
            "enforcing: error {}, holds {}",
            outcome.error.get(),
            outcome.holds.get()
        );
        Ok(this)
    }

    fn send<T: FromBytes>(&self, code: u32, input: &[u8], room: usize) -> Result<T> {
        let room = room.max(size_of::<T>());
        let mut buffer = input.to_vec();
        buffer.resize(input.len().max(room), 0);
        let completion = self
            .0
            .dispatch(code, &mut buffer, input.len(), room)
            .completion()
            .context("nothing here waits")?;
        let answer = buffer.get(..completion.information).unwrap_or_default();
        let read = T::read_from_prefix(answer).ok();
        read.map(|(value, _)| value)
            .with_context(|| format!("request {code:#x} failed with {:#x}", completion.status.0))
    }

    /// Loads a file.
    pub fn load(&self, file: &[u8]) -> Load {
        let content = Content {
            bytes: file.to_vec(),
            ..Content::default()
        };
        self.0.host().put(PATH, content);
        let before = self.0.status();
        let mut asked = Asked(&self.0);
        let passage = self.0.section(&asked);
        let passage = passage.unwrap_or_else(|| self.0.weigh_section(&mut asked));
        let after = self.0.status();
        match passage {
            Passage::Refuse => Load::Refused,
            Passage::Pass if after.sections_uncertain != before.sections_uncertain => Load::Uncertain,
            Passage::Pass if after.sections_spared != before.sections_spared => Load::Spared,
            Passage::Pass => Load::Passed,
        }
    }
}

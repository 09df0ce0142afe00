//! The command line as it is typed. What the words mean is settled by each command.

mod policy;

pub use policy::Compile;
pub use policy::Convert;
pub use policy::Diff;
pub use policy::Import;
pub use policy::KeyFile;
pub use policy::Lint;
pub use policy::Merge;
pub use policy::NewKey;
pub use policy::NewPolicy;
pub use policy::Policy;
pub use policy::Show;
pub use policy::ShowKnowledge;
pub use policy::Sign;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

const EXIT_CODES: &str = "\
Exit codes:
   0  done, and nothing was refused
   1  failure, `doctor` found something, or there was nothing to examine
   2  the command line is wrong
   3  an input file is malformed
   4  the driver cannot be reached
   5  access denied
   6  the driver rejected the policy
  10  done, and something is or would be refused; with --strict, or is unknown

Results go to standard output, everything else to standard error. NO_COLOR is honoured.";

/// Weigh kernel driver images against App Control policies, offline or in the running gatehouse driver.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Copy, Debug)]
pub struct Common {
    /// Report as JSON, one record a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but results and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Scan(Scan),
    Explain(Explain),
    Simulate(Simulate),
    #[command(subcommand)]
    Policy(Policy),
    Install(Install),
    Uninstall(Uninstall),
    Start(Start),
    Stop(Stop),
    Status(Status),
    Push(Push),
    Pull(Pull),
    Check(Check),
    Events(Events),
    Mode(SetMode),
    Rollback(Rollback),
    #[command(subcommand)]
    Key(Key),
    Readiness(Readiness),
    Doctor(Doctor),
    Metrics(ShowMetrics),
    Schema(ShowSchema),
    Completions(Completions),
}

/// Take inventory: what each driver image proves about itself.
///
/// One record per image. A file named on the command line is always reported; of the files in a folder, those that are no
/// PE images are passed over. The exit code is 1 when something could not be read, or when there is no image in all of it: nothing
/// examined is never all clear.
#[derive(Args, Debug)]
pub struct Scan {
    /// Files, and folders to be searched to the bottom; `-` is standard input. A pipe or device that is named is read to its end, up to
    /// 256 MiB. Of what lies in folders only regular files are read.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folders of catalogues (.cat), or single ones, that may vouch for files without a signature of their own.
    /// Each is proven in every run.
    #[arg(long, value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
    /// Exit with 10 when there are unknown ones: files that could not be read, or are malformed.
    #[arg(long)]
    pub strict: bool,
    /// Also compute the digests of whole files. They are computed anyway of files that are no well-formed images, the only ones
    /// that rules know by them; for all files they double the work.
    #[arg(long)]
    pub flat: bool,
    /// How many files to read at once [default: one for each processor].
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
}

/// Show what one file proves about itself, and what that means.
#[derive(Args, Debug)]
pub struct Explain {
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Policies to try on it: SiPolicy XML, .cip or .p7b documents, or one compiled set. Shows each rule that holds or comes
    /// near, in the order in which they count, and the one that decides.
    #[arg(long, short, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Folders of catalogues (.cat), or single ones, that may vouch for the file.
    #[arg(long, value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
}

/// Weigh files against policies, without the driver: what would be allowed, what refused, and by which rule.
///
/// The exit code is 10 when something is or would be refused, and 1 when something could not be read or when there is no image
/// in all of it.
#[derive(Args, Debug)]
pub struct Simulate {
    /// Policies: SiPolicy XML, .cip or .p7b documents, or one compiled set.
    #[arg(long, short, required = true, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Files, and folders to be searched to the bottom; `-` is standard input. Pipes and devices as with `scan`.
    #[arg(value_name = "PATH", required_unless_present = "evidence")]
    pub paths: Vec<PathBuf>,
    /// Records of `scan --json`, or of events, to weigh instead of files or beside them; `-` is standard input. UTF-8 or UTF-16, a record a
    /// line, a list, or spread over lines: also as Windows PowerShell writes them.
    #[arg(long, value_name = "FILE.ndjson")]
    pub evidence: Vec<PathBuf>,
    /// Folders of catalogues (.cat), or single ones, that may vouch for files without a signature of their own.
    #[arg(long, value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
    /// Show only what is or would be refused.
    #[arg(long)]
    pub refused: bool,
    /// Exit with 10 also when there are unknown ones: files that could not be read, or whose verdict rests on what could not be read.
    #[arg(long)]
    pub strict: bool,
}

/// Install the driver as a service that is started on demand.
///
/// Copies gatehouse.sys into the system's driver folder and registers the service. Installing again replaces file and
/// registration of a driver that is not running.
#[derive(Args, Debug)]
pub struct Install {
    /// The gatehouse.sys to copy [default: the one beside this program].
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Copy nothing; register the driver file where it lies.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub driver_path: Option<PathBuf>,
    /// Advanced: the load order group of the service (LoadOrderGroup).
    ///
    /// Windows uses it to order drivers that it starts by itself, which this one is not. Under Wine, drivers whose services
    /// are of the same group share one host process; the lab relies on that.
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub group: Option<String>,
}

/// Stop the driver, remove its service and the file that install copied.
#[derive(Args, Debug)]
pub struct Uninstall {}

/// Start the driver.
#[derive(Args, Debug)]
pub struct Start {}

/// Stop the driver.
#[derive(Args, Debug)]
pub struct Stop {}

/// Show the state and the counters of the running driver.
#[derive(Args, Debug)]
pub struct Status {}

/// Make policies the generation in force.
///
/// Documents are compiled first; a signed set is pushed as it is. The set is validated here before the driver validates it again; a set that the driver
/// rejects leaves the generation in force as it is, and the exit code is 6.
#[derive(Args, Debug)]
pub struct Push {
    /// Policy documents (SiPolicy XML, .cip, .p7b), or one compiled or signed set; told apart by their content.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Expert: hand the one file to the driver as it is, whatever it holds.
    #[arg(long, hide = true)]
    pub unchecked: bool,
}

/// Fetch the compiled set in force.
#[derive(Args, Debug)]
pub struct Pull {
    /// Where it goes; `-` is standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Have the running driver weigh files now, with the generation in force.
///
/// The exit code is 10 when one of them is or would be refused, and 1 when one could not be read.
#[derive(Args, Debug)]
pub struct Check {
    /// Files; also NT paths as events show them (`\Device\...`, `\SystemRoot\...`, `\??\...`).
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Show the events that the driver holds.
///
/// Events that were overwritten before they could be read are reported as one entry of the kind `dropped`.
#[derive(Args, Debug)]
pub struct Events {
    /// Go on with new events as they come, until interrupted or the driver stops.
    #[arg(long, short)]
    pub follow: bool,
    /// Only events after this sequence number.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub since: u64,
    /// How long one request waits for an event. New events come at once whatever this is; a driver that is to stop waits for the
    /// request to end.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration, requires = "follow")]
    pub interval: Duration,
}

/// Have the running driver only report, or also refuse.
///
/// Enforcement is refused, with exit code 10, while drivers that are loaded or start with Windows would be refused by it; they are
/// listed with what can be done. Enforcement that is accepted may still be held back, as by safe mode; `status` shows by what.
#[derive(Args, Debug)]
pub struct SetMode {
    /// What to do with loads that an enforced policy refuses.
    #[arg(value_name = "MODE")]
    pub mode: ModeName,
    /// Evaluate again after this time, as in `--for 30m`.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Enforce even though loaded drivers, or drivers that start with Windows, would be refused. Windows may not start again.
    #[arg(long)]
    pub force: bool,
}

/// What to do with loads that an enforced policy refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    /// Report them.
    Evaluate,
    /// Refuse them.
    Enforce,
}

/// Go back to the generation before the one in force.
#[derive(Args, Debug)]
pub struct Rollback {}

/// Say who may sign the policy sets that the driver takes.
#[derive(Debug, Subcommand)]
pub enum Key {
    Provision(ProvisionKey),
    Remove(RemoveKey),
}

/// From now on take only sets signed with this key.
#[derive(Args, Debug)]
pub struct ProvisionKey {
    /// The file with the public key.
    #[arg(value_name = "FILE.pub")]
    pub key: PathBuf,
    /// The file with the private part of the key it replaces, when one is provisioned already.
    #[arg(long, value_name = "FILE")]
    pub old_key: Option<PathBuf>,
    /// Number of this change, above that of every change the driver has taken, by 2^32 at most. If not given: seconds since 1970, or the
    /// next one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub number: Option<u64>,
}

/// From now on take unsigned sets again.
#[derive(Args, Debug)]
pub struct RemoveKey {
    /// The file with the private part of the key that is provisioned.
    #[arg(long, value_name = "FILE")]
    pub old_key: PathBuf,
    /// Number of this change, above that of every change the driver has taken, by 2^32 at most. If not given: seconds since 1970, or the
    /// next one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub number: Option<u64>,
}

/// Show how far the evaluation is, what stands in its way and what to do about each driver.
///
/// The exit code is 10 while drivers would be refused.
#[derive(Args, Debug)]
pub struct Readiness {
    /// Time that must pass without a violation, as in `--runtime 100h`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub runtime: Option<Duration>,
    /// Boot sessions that must pass without a violation.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub boots: Option<u32>,
    /// Start the evaluation again from nothing.
    #[arg(long)]
    pub restart: bool,
}

/// Look for what keeps Gatehouse, or Windows' own driver policy, from doing its work, and say what to do.
///
/// The exit code is 1 when there is a finding.
#[derive(Args, Debug)]
pub struct Doctor {}

/// Show counters, times and how often which rule decided, and rules that never did.
#[derive(Args, Debug)]
pub struct ShowMetrics {}

/// Print the JSON schemas of the records that are kept or handed on: of files, events, sets, verdicts and the driver.
#[derive(Args, Debug)]
pub struct ShowSchema {
    /// Only this record, as in `gatehouse.event/1`.
    #[arg(value_name = "RECORD")]
    pub record: Option<String>,
}

/// Print what a shell needs to complete commands.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}

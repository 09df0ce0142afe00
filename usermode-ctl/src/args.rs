//! The command line as it is typed. What the words mean is settled by each command.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use sipolicy::RuleLevel;

const EXIT_CODES: &str = "\
Exit codes:
   0  done, and nothing was refused
   1  failure, or `doctor` found something
   2  the command line is wrong
   3  an input file is malformed
   4  the driver cannot be reached
   5  access denied
   6  the driver rejected the policy
  10  done, and something is or would be refused

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
/// PE images are passed over.
#[derive(Args, Debug)]
pub struct Scan {
    /// Files, and folders to be searched to the bottom.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folders of catalogues (.cat), or single ones, that may vouch for files without a signature of their own.
    /// What thousands of them prove is kept in the user's cache folder, and read anew when one of them changes.
    #[arg(long, value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
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
    /// The file.
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

/// Work on policies.
#[derive(Debug, Subcommand)]
pub enum Policy {
    New(NewPolicy),
    Lint(Lint),
    Compile(Compile),
    Show(Show),
    Merge(Merge),
    Diff(Diff),
    Convert(Convert),
    Import(Import),
    Knowledge(ShowKnowledge),
    #[command(subcommand)]
    Key(KeyFile),
    Sign(Sign),
}

/// Work on key files.
#[derive(Debug, Subcommand)]
pub enum KeyFile {
    New(NewKey),
}

/// Make a key that policy sets are signed with.
///
/// Writes the private part, which only the file's owner can read, and beside it the public part in a file that ends in .pub.
/// Keep the private part off the machines that the driver runs on.
#[derive(Args, Debug)]
pub struct NewKey {
    /// Where the private part goes; must not be there yet.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Sign a policy set, so that drivers with the key provisioned take it.
#[derive(Args, Debug)]
pub struct Sign {
    /// The compiled set, as `policy compile` writes it.
    #[arg(value_name = "SET.ghp")]
    pub set: PathBuf,
    /// The file with the private key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Must be above that of every set that the drivers have accepted: an older set cannot come back.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub sequence: u64,
    /// Where the signed set goes.
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
}

/// Show what is known of Windows' own driver policy, of well-known roots and of the authorities of WHQL.
///
/// Part of the program, with origin and date; `--update` takes in a newer file of the same form.
#[derive(Args, Debug)]
pub struct ShowKnowledge {
    /// Take this file in, if it is newer than what is known.
    #[arg(long, value_name = "FILE.json")]
    pub update: Option<PathBuf>,
}

/// Make a blocklist policy of LOLDrivers' drivers.json.
///
/// Microsoft's blocklist needs no import: it is a policy document, and `merge` takes it as it is.
#[derive(Args, Debug)]
pub struct Import {
    /// The list, in JSON.
    #[arg(value_name = "FILE.json")]
    pub file: PathBuf,
    /// Where the SiPolicy XML goes.
    #[arg(long, short, value_name = "OUT.xml")]
    pub output: PathBuf,
}

/// Weigh files against policies, without the driver: what would be allowed, what refused, and by which rule.
///
/// The exit code is 10 when something is or would be refused.
#[derive(Args, Debug)]
pub struct Simulate {
    /// Policies: SiPolicy XML, .cip or .p7b documents, or one compiled set.
    #[arg(long, short, required = true, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Files, and folders to be searched to the bottom.
    #[arg(value_name = "PATH", required_unless_present = "evidence")]
    pub paths: Vec<PathBuf>,
    /// Records of `scan --json`, or of events, to weigh instead of files or beside them.
    #[arg(long, value_name = "FILE.ndjson")]
    pub evidence: Vec<PathBuf>,
    /// Folders of catalogues (.cat), or single ones, that may vouch for files without a signature of their own.
    #[arg(long, value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
    /// Show only what is or would be refused.
    #[arg(long)]
    pub refused: bool,
}

/// Make a policy that allows what a scan finds.
///
/// A base policy in audit mode. Each file gets rules of the level given or, where that does not suit it, of the first fallback
/// that does.
#[derive(Args, Debug)]
pub struct NewPolicy {
    /// How precisely rules name files: Hash, FileName, SignedVersion, Publisher, FilePublisher, LeafCertificate,
    /// PcaCertificate, WHQL, WHQLPublisher or WHQLFilePublisher.
    #[arg(long, short, value_name = "LEVEL")]
    pub level: RuleLevel,
    /// Levels to fall back to, in order.
    #[arg(long, value_name = "LEVEL", value_delimiter = ',')]
    pub fallback: Vec<RuleLevel>,
    /// Files, and folders to be searched to the bottom.
    #[arg(value_name = "PATH", required_unless_present = "evidence")]
    pub paths: Vec<PathBuf>,
    /// Records of `scan --json`, or of events, to go by instead of files or beside them.
    #[arg(long, value_name = "FILE.ndjson")]
    pub evidence: Vec<PathBuf>,
    /// Folders of catalogues (.cat), or single ones, that may vouch for files without a signature of their own.
    #[arg(long, value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
    /// Name of the policy.
    #[arg(long, value_name = "NAME", default_value = "Drivers found by a scan")]
    pub name: String,
    /// Where the SiPolicy XML goes.
    #[arg(long, short, value_name = "OUT.xml", default_value = "-")]
    pub output: PathBuf,
}

/// Look for faults in policy documents, each with its place, why it matters and what to write instead.
///
/// Documents given together are also checked against each other. The exit code is 10 when there are errors.
#[derive(Args, Debug)]
pub struct Lint {
    /// SiPolicy XML, .cip or .p7b documents.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Show what a policy document or a compiled set says.
#[derive(Args, Debug)]
pub struct Show {
    /// SiPolicy XML, .cip or .p7b, or a compiled set.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Merge policy documents into the first.
#[derive(Args, Debug)]
pub struct Merge {
    /// SiPolicy XML, .cip or .p7b documents; ids, type and options are the first one's.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the merged SiPolicy XML goes.
    #[arg(long, short, value_name = "OUT.xml")]
    pub output: PathBuf,
}

/// Show what one policy document says and another does not. Ids, names and order do not matter.
#[derive(Args, Debug)]
pub struct Diff {
    /// The document to compare with.
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The document that may differ.
    #[arg(value_name = "B")]
    pub second: PathBuf,
}

/// Convert a policy document between SiPolicy XML and the binary form, and say what the other form cannot hold.
#[derive(Args, Debug)]
pub struct Convert {
    /// SiPolicy XML, .cip or .p7b.
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Where the result goes: XML for a name that ends in .xml, else the binary form.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Format version of the binary form [default: that of the input, or the oldest from 7 on that holds all of it].
    #[arg(long, value_name = "2..11")]
    pub format: Option<u32>,
}

/// Compile policy documents into the one set that the driver takes.
#[derive(Args, Debug)]
pub struct Compile {
    /// Policy documents, base policies and their supplementals: SiPolicy XML, or binary (.cip, .p7b).
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Folders of catalogues (.cat), or single ones, to take into the set: files that they list are judged by their signers.
    #[arg(long, value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
    /// Where the compiled set goes; `-` is standard output.
    #[arg(long, short, value_name = "OUT.ghp")]
    pub output: PathBuf,
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
}

/// From now on take unsigned sets again.
#[derive(Args, Debug)]
pub struct RemoveKey {
    /// The file with the private part of the key that is provisioned.
    #[arg(long, value_name = "FILE")]
    pub old_key: PathBuf,
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

/// Print the JSON schemas of the records that `--json` writes.
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

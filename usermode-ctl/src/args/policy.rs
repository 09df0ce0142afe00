//! The words after `gatehouse policy`: work on policies and the keys that sign them.

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;
use sipolicy::RuleLevel;

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
    /// Must be above that of every set of this key that the drivers have accepted, by 2^32 at most: an older set cannot come back.
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
    /// Files, and folders to be searched to the bottom; `-` is standard input. Pipes and devices as with `scan`.
    #[arg(value_name = "PATH", required_unless_present = "evidence")]
    pub paths: Vec<PathBuf>,
    /// Records of `scan --json`, or of events, to go by instead of files or beside them, as with `simulate`.
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
///
/// The result allows nothing that none of them allows, and nothing that one of them denies: what a later one has that allows
/// everything, as blocklists do, is left out. Everything that is left out is told.
#[derive(Args, Debug)]
pub struct Merge {
    /// SiPolicy XML, .cip or .p7b documents; names, ids, type and options are the first one's.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the merged SiPolicy XML goes; never one of the inputs.
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

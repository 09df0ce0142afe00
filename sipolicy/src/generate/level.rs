//! How precisely generated rules name a file.

use std::fmt;
use std::str::FromStr;

/// How precisely generated rules name a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleLevel {
    /// The file's hashes.
    Hash,
    /// Its original file name.
    FileName,
    /// Certificate, publisher and at least this version.
    SignedVersion,
    /// Certificate and publisher.
    Publisher,
    /// Certificate, publisher, file name and at least this version.
    FilePublisher,
    /// The signer's own certificate.
    LeafCertificate,
    /// The certificate highest in the file's chain.
    PcaCertificate,
    /// The WHQL key usage.
    Whql,
    /// The WHQL key usage and the hardware vendor.
    WhqlPublisher,
    /// The WHQL key usage, the hardware vendor, file name and at least this version.
    WhqlFilePublisher,
}

impl RuleLevel {
    /// Every level.
    pub const ALL: [Self; 10] = [
        Self::Hash,
        Self::FileName,
        Self::SignedVersion,
        Self::Publisher,
        Self::FilePublisher,
        Self::LeafCertificate,
        Self::PcaCertificate,
        Self::Whql,
        Self::WhqlPublisher,
        Self::WhqlFilePublisher,
    ];

    /// The name, as App Control's tools write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "Hash",
            Self::FileName => "FileName",
            Self::SignedVersion => "SignedVersion",
            Self::Publisher => "Publisher",
            Self::FilePublisher => "FilePublisher",
            Self::LeafCertificate => "LeafCertificate",
            Self::PcaCertificate => "PcaCertificate",
            Self::Whql => "WHQL",
            Self::WhqlPublisher => "WHQLPublisher",
            Self::WhqlFilePublisher => "WHQLFilePublisher",
        }
    }
}

impl FromStr for RuleLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|level| level.name()).collect();
                format!("\"{text}\" is no rule level; write one of {}", names.join(", "))
            })
    }
}

impl fmt::Display for RuleLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

//! The binary policy form: .cip and .p7b, format versions 2 to 11.
//!
//! Little-endian throughout. A header with counts, a body, then blocks that later format versions added, each opened by
//! its number; the number after the last one closes the document.

mod envelope;
mod read;
mod tagging;
mod write;

pub(crate) use envelope::is_envelope;
pub(crate) use read::read;
pub use write::Binary;
pub use write::WriteError;
pub use write::to_binary;

/// Oldest format version read and written.
pub const OLDEST_FORMAT: u32 = 2;
/// Newest format version read and written.
pub const NEWEST_FORMAT: u32 = 11;
/// Offset of the body, which its first word repeats.
const BODY: u32 = 0x40;
/// Flag bit of a supplemental policy.
const SUPPLEMENTAL_BIT: u32 = 1 << 30;
/// Flag bit that is always set.
const ALWAYS_BIT: u32 = 1 << 31;
/// The signature digest demanded where a scenario says nothing: SHA-256.
const DEFAULT_MINIMUM_HASH: u32 = 0x800c;
/// Where an AppID tagging policy keeps its tags: the provider; below it the key for the tags themselves and the key for what else
/// is said of tagging. After HotCakeX's writer, which follows Microsoft's compiler.
const TAGGING_PROVIDER: &str = "WDACAppId";
const TAGS_KEY: &str = "Tagging";
const TAGGING_SETTINGS_KEY: &str = "TaggingSettings";
/// Value name of the setting that says whether DLLs are tagged too, and of the one that every tagging policy has.
const ENFORCE_DLL: &str = "EnforceDLL";
const DEFAULT_POLICY: &str = "DefaultPolicy";
/// The options that every tagging policy has in this form: it must not refuse anything. Audit Mode, UMCI, Enforce Store
/// Applications, Advanced Boot Options Menu and Disabled:Script Enforcement.
const TAGGING_OPTIONS: u32 = 1 << 16 | 1 << 2 | 1 << 25 | 1 << 23 | 1 << 24;
/// Where the option without a bit is kept: provider, key and value name of a Boolean setting.
const REMAPPING_SETTING: [&str; 3] = [
    "Microsoft",
    "PolicySettings",
    "DisabledDefaultWindowsCertificateRemappingValueName",
];

//! Events as Event Tracing for Windows carries them: what the manifest `inf/gatehouse.man` declares, and how a record becomes one.
//!
//! Names and numbers follow CodeIntegrity's events 3076, 3077 and 3089, so that what was written for those reads these; fields that
//! the driver cannot know (signing levels, USN) are left out. `tests/tests/etw.rs` holds this table and the manifest against each
//! other.

mod encode;
mod table;

pub use encode::activity;
pub use encode::encode;
pub use encode::events;

/// GUID of the provider.
pub const PROVIDER_GUID: &str = "{d1c1e2a7-3b0f-4a57-9e0a-6a7e0c5b9f21}";

/// [`PROVIDER_GUID`] as Windows lays it out in memory.
pub const PROVIDER: [u8; 16] = [
    0xa7, 0xe2, 0xc1, 0xd1, 0x0f, 0x3b, 0x57, 0x4a, 0x9e, 0x0a, 0x6a, 0x7e, 0x0c, 0x5b, 0x9f, 0x21,
];

/// Name of the provider.
pub const PROVIDER_NAME: &str = "Gatehouse";

/// Name of the channel.
pub const CHANNEL_NAME: &str = "Gatehouse/Operational";

/// Number of the channel.
pub const CHANNEL: u8 = 16;

/// The keyword that the event log listens to: that of a provider's first channel.
pub const CHANNEL_KEYWORD: u64 = 0x8000_0000_0000_0000;

/// Bytes that an encoded event takes at most.
pub const MAX_PAYLOAD: usize = 16 * 1024;

/// Units that a text has at most; what is longer is cut.
pub const MAX_TEXT: usize = 1000;

/// Levels, as `winmeta.xml` has them.
pub mod level {
    /// Something failed, or was refused.
    pub const ERROR: u8 = 2;
    /// Something may fail.
    pub const WARNING: u8 = 3;
    /// As expected.
    pub const INFORMATION: u8 = 4;
}

/// Keywords.
pub mod keyword {
    /// About kernel images.
    pub const IMAGE: u64 = 1;
    /// About policies, modes and keys.
    pub const POLICY: u64 = 2;
    /// About what went by or was lost.
    pub const LOSS: u64 = 4;

    /// Each with its name.
    pub const ALL: [(u64, &str); 3] = [(IMAGE, "Image"), (POLICY, "Policy"), (LOSS, "Loss")];
}

/// Tasks.
pub mod task {
    /// Weighing an image.
    pub const VALIDATE: u16 = 1;
    /// The driver's own state.
    pub const STATE: u16 = 2;

    /// Each with its name; the first is CodeIntegrity's.
    pub const ALL: [(u16, &str); 2] = [(VALIDATE, "ValidateSIPolicy"), (STATE, "State")];
}

/// What a field holds and how it is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// 32 bits.
    Number,
    /// 32 bits, shown in hexadecimal.
    Bits,
    /// 64 bits.
    Long,
    /// `FILETIME`.
    Time,
    /// The same, of seconds since 1970.
    Seconds,
    /// A `GUID`.
    Guid,
    /// 16 bits: how many units the text that follows has.
    TextLength,
    /// UTF-16, as many units as the field before says; from UTF-8.
    Text,
    /// The same, from UTF-16.
    Path,
    /// 32 bits: how many bytes follow.
    Size,
    /// Bytes, as many as the field before says.
    Bytes,
}

impl Type {
    /// `inType` in the manifest.
    pub const fn input(self) -> &'static str {
        match self {
            Self::Number | Self::Size => "win:UInt32",
            Self::Bits => "win:HexInt32",
            Self::Long => "win:UInt64",
            Self::Time | Self::Seconds => "win:FILETIME",
            Self::Guid => "win:GUID",
            Self::TextLength => "win:UInt16",
            Self::Text | Self::Path => "win:UnicodeString",
            Self::Bytes => "win:Binary",
        }
    }

    /// Whether the field before says how long it is.
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::Text | Self::Path | Self::Bytes)
    }
}

/// Where in a record a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The record's sequence number.
    Sequence,
    /// The record's [`Kind`](crate::event::Kind).
    Kind,
    /// Always this.
    Fixed(u32),
    /// Told by the field that follows.
    Following,
    /// A field of the record itself.
    Record(u16),
    /// A field of the evidence.
    Evidence(u16),
    /// A field of the verdict.
    Verdict(u16),
    /// A field of the first policy that decided as the whole was decided.
    Policy(u16),
    /// A field of the rule by which it decided.
    Rule(u16),
    /// How many signatures there are.
    Signatures,
    /// Which signature this is.
    Index,
    /// A field of the signature.
    Signature(u16),
    /// How the signature was found, in CodeIntegrity's numbers.
    SignatureType,
    /// Why the signature proves nothing, in CodeIntegrity's numbers.
    VerificationError,
    /// A field of the signature's leaf certificate.
    Leaf(u16),
    /// A field of the certificate above the leaf.
    Issuer(u16),
}

/// One field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the manifest.
    pub name: &'static str,
    /// What it holds.
    pub kind: Type,
    /// Where it comes from.
    pub place: Place,
}

/// The fields that several events share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its id in the manifest.
    pub name: &'static str,
    /// The fields in order.
    pub fields: &'static [Field],
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub id: u16,
    /// Version of its layout.
    pub version: u8,
    /// One of [`level`].
    pub level: u8,
    /// One of [`task`].
    pub task: u16,
    /// Bits of [`keyword`].
    pub keyword: u64,
    /// Its symbol in the manifest.
    pub name: &'static str,
    /// Its fields.
    pub template: &'static Template,
}

impl Event {
    /// `EVENT_DESCRIPTOR`: id, version, channel, level, opcode, task, keyword. Source: Microsoft, "EVENT_DESCRIPTOR structure".
    pub const fn descriptor(&self) -> [u8; 16] {
        let [id_low, id_high] = self.id.to_le_bytes();
        let [task_low, task_high] = self.task.to_le_bytes();
        let [k0, k1, k2, k3, k4, k5, k6, k7] = (self.keyword | CHANNEL_KEYWORD).to_le_bytes();
        let opcode = 0;
        [
            id_low,
            id_high,
            self.version,
            CHANNEL,
            self.level,
            opcode,
            task_low,
            task_high,
            k0,
            k1,
            k2,
            k3,
            k4,
            k5,
            k6,
            k7,
        ]
    }
}

pub use table::EVENTS;
pub use table::IMAGE;
pub use table::SIGNATURE;
pub use table::STATE;
pub use table::id;

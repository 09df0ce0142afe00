//! The events and their fields.

use crate::etw::Event;
use crate::etw::Field;
use crate::etw::Place;
use crate::etw::Template;
use crate::etw::Type;
use crate::etw::keyword;
use crate::etw::level;
use crate::etw::task;
use crate::event::tag;

/// Numbers of events.
pub mod id {
    /// CodeIntegrity's: an image would have been refused.
    pub const WOULD_REFUSE: u16 = 3076;
    /// CodeIntegrity's: an image was refused.
    pub const REFUSED: u16 = 3077;
    /// CodeIntegrity's: a signature of such an image.
    pub const SIGNATURE: u16 = 3089;
    /// An image is allowed.
    pub const ALLOWED: u16 = 100;
    /// The driver started.
    pub const STARTED: u16 = 110;
    /// A set became the generation in force.
    pub const POLICY_ACTIVATED: u16 = 111;
    /// A set was rejected.
    pub const POLICY_REJECTED: u16 = 112;
    /// The set of the last run is in force.
    pub const POLICY_RESTORED: u16 = 113;
    /// A file of the last run was not taken over.
    pub const RESTORE_FAILED: u16 = 114;
    /// A file could not be written.
    pub const PERSIST_FAILED: u16 = 115;
    /// The last run did not end with its state written.
    pub const STATE_NOT_KEPT: u16 = 116;
    /// The mode, or what holds enforcement back, changed.
    pub const MODE_CHANGED: u16 = 120;
    /// The key that sets must be signed with changed.
    pub const KEY_CHANGED: u16 = 121;
    /// A violation set the evaluation's progress back.
    pub const EVALUATION_RESET: u16 = 122;
    /// Image loads went by unweighed.
    pub const LOADS_DROPPED: u16 = 130;
}

const fn field(name: &'static str, kind: Type, place: Place) -> Field {
    Field { name, kind, place }
}

/// The length of the text that follows.
const fn length(name: &'static str) -> Field {
    field(name, Type::TextLength, Place::Following)
}

/// The size of the bytes that follow.
const fn size(name: &'static str) -> Field {
    field(name, Type::Size, Place::Following)
}

/// Fields of events about images, named after those of CodeIntegrity 3076 and 3077; our own follow `PolicyGUID`.
pub const IMAGE: Template = Template {
    name: "Image",
    fields: &[
        length("FileNameLength"),
        field("File Name", Type::Path, Place::Record(tag::PATH)),
        field("ProcessId", Type::Number, Place::Record(tag::PROCESS_ID)),
        field("Status", Type::Bits, Place::Record(tag::STATUS)),
        size("SHA1 Hash Size"),
        field("SHA1 Hash", Type::Bytes, Place::Evidence(tag::SHA1)),
        size("SHA256 Hash Size"),
        field("SHA256 Hash", Type::Bytes, Place::Evidence(tag::SHA256)),
        size("SHA1 Flat Hash Size"),
        field("SHA1 Flat Hash", Type::Bytes, Place::Evidence(tag::FLAT_SHA1)),
        size("SHA256 Flat Hash Size"),
        field("SHA256 Flat Hash", Type::Bytes, Place::Evidence(tag::FLAT_SHA256)),
        // 0: kernel mode.
        field("SI Signing Scenario", Type::Number, Place::Fixed(0)),
        length("PolicyNameLength"),
        field("PolicyName", Type::Text, Place::Policy(tag::POLICY_NAME)),
        size("PolicyHashSize"),
        field("PolicyHash", Type::Bytes, Place::Record(tag::SET_SHA256)),
        length("OriginalFileNameLength"),
        field(
            "OriginalFileName",
            Type::Text,
            Place::Evidence(tag::ORIGINAL_FILENAME),
        ),
        length("InternalNameLength"),
        field("InternalName", Type::Text, Place::Evidence(tag::INTERNAL_NAME)),
        length("FileDescriptionLength"),
        field(
            "FileDescription",
            Type::Text,
            Place::Evidence(tag::FILE_DESCRIPTION),
        ),
        length("ProductNameLength"),
        field("ProductName", Type::Text, Place::Evidence(tag::PRODUCT_NAME)),
        field("FileVersion", Type::Long, Place::Evidence(tag::FILE_VERSION)),
        field("PolicyGUID", Type::Guid, Place::Policy(tag::POLICY_ID)),
        field("VerificationError", Type::Number, Place::Verdict(tag::REASON)),
        length("RuleIDLength"),
        field("RuleID", Type::Text, Place::Rule(tag::RULE_ID)),
        field("Trust", Type::Number, Place::Evidence(tag::TRUST)),
        field("TotalSignatureCount", Type::Number, Place::Signatures),
        field("Mode", Type::Number, Place::Record(tag::MODE)),
        field("Generation", Type::Long, Place::Record(tag::GENERATION)),
        field("Kind", Type::Number, Place::Kind),
        field("Sequence", Type::Long, Place::Sequence),
    ],
};

/// Fields of events about one signature, named after those of CodeIntegrity 3089; our own follow `IssuerTBSHash`.
pub const SIGNATURE: Template = Template {
    name: "Signature",
    fields: &[
        field("TotalSignatureCount", Type::Number, Place::Signatures),
        field("Signature", Type::Number, Place::Index),
        size("HashSize"),
        field("Hash", Type::Bytes, Place::Signature(tag::SIGNED_DIGEST)),
        field("PageHash", Type::Number, Place::Signature(tag::PAGE_HASHES)),
        field("SignatureType", Type::Number, Place::SignatureType),
        field("VerificationError", Type::Number, Place::VerificationError),
        field("NotValidBefore", Type::Seconds, Place::Leaf(tag::NOT_BEFORE)),
        field("NotValidAfter", Type::Seconds, Place::Leaf(tag::NOT_AFTER)),
        length("PublisherNameLength"),
        field("PublisherName", Type::Text, Place::Leaf(tag::SUBJECT_CN)),
        length("IssuerNameLength"),
        field("IssuerName", Type::Text, Place::Leaf(tag::ISSUER_CN)),
        size("PublisherTBSHashSize"),
        field("PublisherTBSHash", Type::Bytes, Place::Leaf(tag::TBS)),
        size("IssuerTBSHashSize"),
        field("IssuerTBSHash", Type::Bytes, Place::Issuer(tag::TBS)),
        field("Fault", Type::Number, Place::Signature(tag::FAULT)),
        length("OemIDLength"),
        field("OemID", Type::Text, Place::Signature(tag::OEM_ID)),
        field("Sequence", Type::Long, Place::Sequence),
    ],
};

/// Fields of events about the driver's own state; what an event says nothing of is zero.
pub const STATE: Template = Template {
    name: "State",
    fields: &[
        field("Mode", Type::Number, Place::Record(tag::MODE)),
        field("Holds", Type::Bits, Place::Record(tag::HOLDS)),
        field("Until", Type::Time, Place::Record(tag::UNTIL)),
        field("Generation", Type::Long, Place::Record(tag::GENERATION)),
        size("PolicyHashSize"),
        field("PolicyHash", Type::Bytes, Place::Record(tag::SET_SHA256)),
        field("SetSequence", Type::Long, Place::Record(tag::SET_SEQUENCE)),
        field("Count", Type::Long, Place::Record(tag::COUNT)),
        field("StoredFile", Type::Number, Place::Record(tag::STORED_FILE)),
        field("Error", Type::Number, Place::Record(tag::ERROR)),
        field("Offset", Type::Long, Place::Record(tag::OFFSET)),
        field("Status", Type::Bits, Place::Record(tag::STATUS)),
        field("Sequence", Type::Long, Place::Sequence),
    ],
};

const fn image(id: u16, level: u8, name: &'static str) -> Event {
    Event {
        id,
        version: 0,
        level,
        task: task::VALIDATE,
        keyword: keyword::IMAGE,
        name,
        template: &IMAGE,
    }
}

const fn state(id: u16, level: u8, keyword: u64, name: &'static str) -> Event {
    Event {
        id,
        version: 0,
        level,
        task: task::STATE,
        keyword,
        name,
        template: &STATE,
    }
}

/// Every event.
pub const EVENTS: [Event; 15] = [
    image(id::WOULD_REFUSE, level::INFORMATION, "WouldRefuse"),
    image(id::REFUSED, level::ERROR, "Refused"),
    Event {
        template: &SIGNATURE,
        ..image(id::SIGNATURE, level::INFORMATION, "SignatureInformation")
    },
    image(id::ALLOWED, level::INFORMATION, "Allowed"),
    state(id::STARTED, level::INFORMATION, keyword::POLICY, "Started"),
    state(
        id::POLICY_ACTIVATED,
        level::INFORMATION,
        keyword::POLICY,
        "PolicyActivated",
    ),
    state(
        id::POLICY_REJECTED,
        level::ERROR,
        keyword::POLICY,
        "PolicyRejected",
    ),
    state(
        id::POLICY_RESTORED,
        level::INFORMATION,
        keyword::POLICY,
        "PolicyRestored",
    ),
    state(id::RESTORE_FAILED, level::ERROR, keyword::POLICY, "RestoreFailed"),
    state(id::PERSIST_FAILED, level::ERROR, keyword::POLICY, "PersistFailed"),
    state(
        id::STATE_NOT_KEPT,
        level::WARNING,
        keyword::POLICY,
        "StateNotKept",
    ),
    state(id::MODE_CHANGED, level::WARNING, keyword::POLICY, "ModeChanged"),
    state(id::KEY_CHANGED, level::WARNING, keyword::POLICY, "KeyChanged"),
    state(
        id::EVALUATION_RESET,
        level::WARNING,
        keyword::IMAGE,
        "EvaluationReset",
    ),
    state(id::LOADS_DROPPED, level::WARNING, keyword::LOSS, "LoadsDropped"),
];

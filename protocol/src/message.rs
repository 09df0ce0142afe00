//! Fixed structures of requests and answers. A request's trailing bytes, where it has any, follow the structure.

use core::mem::offset_of;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::I64;
use zerocopy::byteorder::little_endian::U16;
use zerocopy::byteorder::little_endian::U32;
use zerocopy::byteorder::little_endian::U64;

/// Head of every request but [`HelloRequest`].
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// [`crate::VERSION`].
    pub version: U16,
    /// Zero.
    pub reserved: [u8; 6],
}

impl Request {
    /// A request of this build's protocol version.
    pub const fn new() -> Self {
        Self {
            version: U16::new(crate::VERSION),
            reserved: [0; 6],
        }
    }
}

/// The protocol versions a controller knows.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HelloRequest {
    /// Oldest version the controller speaks.
    pub oldest: U16,
    /// Newest version the controller speaks.
    pub newest: U16,
    /// Zero.
    pub reserved: U32,
}

/// The version that both sides will speak.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Hello {
    /// Version chosen: the newest that both know.
    pub version: U16,
    /// Version of the driver: major, minor, patch.
    pub driver: [U16; 3],
}

/// State and counters of the running driver. Times are FILETIME (100 ns since 1601-01-01 UTC).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Status {
    /// [`Mode`] in effect.
    pub mode: U32,
    /// [`features`] the driver found at start.
    pub features: U32,
    /// Generation in force; 0 when none was pushed.
    pub generation: U64,
    /// SHA-256 of the compiled set in force; zeros when none was pushed.
    pub set_sha256: [u8; 32],
    /// Size of the compiled set in force, in bytes.
    pub set_bytes: U64,
    /// When the driver started.
    pub started: I64,
    /// The driver's clock now.
    pub now: I64,
    /// Image loads the notify routine saw, kernel images only.
    pub loads_seen: U64,
    /// Image loads that could not be queued because the intake was full.
    pub loads_dropped: U64,
    /// Files weighed: loads, baseline and checks.
    pub weighed: U64,
    /// Verdicts that allow.
    pub allowed: U64,
    /// Verdicts that would refuse, and the policy is in audit or the driver in evaluation mode.
    pub would_refuse: U64,
    /// Verdicts that refuse.
    pub refused: U64,
    /// Files of which no or not enough evidence could be read.
    pub unreadable: U64,
    /// Events emitted since start; the sequence number of the newest.
    pub events_emitted: U64,
    /// Events overwritten in the ring, whether or not anyone read them first.
    pub events_overwritten: U64,
    /// Events that could not be recorded at all.
    pub events_failed: U64,
    /// Pushes that became a generation.
    pub pushes_accepted: U64,
    /// Pushes that were rejected.
    pub pushes_rejected: U64,
    /// Requests refused before they were understood.
    pub requests_refused: U64,
    /// Pool blocks the driver holds.
    pub pool_blocks: U64,
    /// Pool bytes the driver holds.
    pub pool_bytes: U64,
    /// Pool allocations that failed.
    pub pool_failures: U64,
    /// [`Mode`] that was asked for.
    pub mode_asked: U32,
    /// [`holds`]: why enforcement that was asked for is not in effect.
    pub holds: U32,
    /// When the mode that was asked for ends by itself; 0 when it stays.
    pub mode_until: I64,
    /// Sequence number of the signed set in force; 0 for an unsigned one.
    pub set_sequence: U64,
    /// The key that sets must be signed with; zeros when none is provisioned.
    pub key: [u8; 32],
    /// Executable sections the filter saw.
    pub sections_seen: U64,
    /// Those that may have been kernel images, and were weighed.
    pub sections_weighed: U64,
    /// Those that were let through because something was uncertain.
    pub sections_uncertain: U64,
    /// Those that a policy refuses and a fail-safe let through: Windows' own and the driver's own files.
    pub sections_spared: U64,
    /// Those that were refused: the image was not loaded.
    pub sections_refused: U64,
    /// Verdicts found in the cache.
    pub cache_hits: U64,
    /// Verdicts that had to be worked out.
    pub cache_misses: U64,
    /// Highest sequence number of a set that was taken under the key; the next one must [follow](crate::rising) it. 0 without a key.
    pub key_sequence: U64,
    /// Highest number of a change of the key that was taken; the next one must [follow](crate::rising) it.
    pub key_number: U64,
    /// What the driver itself could not do.
    pub failures: Failures,
}

/// What the driver itself could not do since it started, and went on without. Nothing here failed a load.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Failures {
    /// Attempts to find out what the driver's own image looks like. Until one goes well, enforcement does not spare it.
    pub own_image: U64,
    /// Looks at the registry's kill switch. Each counts as a switch that is on, until the next look.
    pub kill_switch: U64,
    /// Writes and renames of the driver's own files.
    pub keeping: U64,
    /// Files of an earlier run that were not taken over.
    pub restoring: U64,
    /// 1 when the run before this one did not end with its state written.
    pub last_end: U64,
    /// Files of which it could not be told whether they change, so that no verdict on them was kept.
    pub file_marks: U64,
    /// Questions when the system started. Each counts as a start right now.
    pub system_start: U64,
    /// Events that somebody listened for through ETW and did not get. They are in the ring.
    pub tracing: U64,
    /// Opens that may be the prefetcher's and could not be marked as such. A section of theirs is weighed as a load would be.
    pub prefetch: U64,
}

const _: () = assert!(size_of::<Failures>() == 72);
const _: () = assert!(offset_of!(Status, failures) == 328);
const _: () = assert!(size_of::<Status>() == 400);

/// What the driver does with a load it would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    /// Report only.
    Evaluate = 1,
    /// Refuse.
    Enforce = 2,
}

/// Bits of [`Status::features`].
pub mod features {
    /// The load-image routine was registered with `PsSetLoadImageNotifyRoutineEx`.
    pub const NOTIFY_EX: u32 = 1;
    /// The filter manager took the driver as a minifilter.
    pub const FILTER: u32 = 2;
    /// Events are also written to ETW.
    pub const ETW: u32 = 4;
    /// Generations, mode and progress are kept across restarts.
    pub const PERSISTENT: u32 = 8;
    /// The kernel has a precise time; without it times are those of its last tick.
    pub const PRECISE_TIME: u32 = 16;
    /// The kernel tells whether a file can be written through a mapping; without that no verdict on a section is kept.
    pub const MAPPINGS: u32 = 32;
    /// The kernel has a performance counter; without it times that things take go by the clock.
    pub const PERFORMANCE_COUNTER: u32 = 64;
}

/// Bits of [`Status::holds`]: what keeps enforcement from taking effect. While any is set, the driver evaluates.
pub mod holds {
    /// The filter is not there.
    pub const NO_FILTER: u32 = 1;
    /// No generation is in force, or one without a base policy, which refuses nothing.
    pub const NO_POLICY: u32 = 2;
    /// Windows is still starting.
    pub const BOOT: u32 = 4;
    /// Windows runs in safe mode.
    pub const SAFE_MODE: u32 = 8;
    /// The registry's kill switch is on: the value `DisableEnforcement` of the service's `Parameters` key is not 0.
    pub const KILL_SWITCH: u32 = 16;

    /// Every bit with its name.
    pub const ALL: [(u32, &str); 5] = [
        (NO_FILTER, "no-filter"),
        (NO_POLICY, "no-policy"),
        (BOOT, "boot"),
        (SAFE_MODE, "safe-mode"),
        (KILL_SWITCH, "kill-switch"),
    ];
}

/// Answer to a push. The request itself succeeds either way, so that the reason can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PushOutcome {
    /// 0 when the set became the generation in force, else the code of `policy::SetFault` or of [`push_error`].
    pub error: U32,
    /// NTSTATUS of keeping the set for the next start; 0 when it is kept, or was not accepted.
    pub persisted: U32,
    /// Byte offset in the set at which the fault was found.
    pub offset: U64,
    /// The generation in force after the push: the new one, or the unchanged old one.
    pub generation: U64,
    /// SHA-256 of the compiled set in force after the push.
    pub set_sha256: [u8; 32],
}

/// Push errors that are not the set's own fault.
pub mod push_error {
    /// The driver could not get memory for the set.
    pub const NO_MEMORY: u32 = 0x8000_0001;
    /// A key is provisioned and the set is not signed.
    pub const UNSIGNED: u32 = 0x8000_0002;
    /// The envelope is malformed.
    pub const ENVELOPE: u32 = 0x8000_0003;
    /// The signature does not verify with the provisioned key.
    pub const SIGNATURE: u32 = 0x8000_0004;
    /// The sequence number is not above the highest one accepted under the key.
    pub const SEQUENCE: u32 = 0x8000_0005;
    /// There is no earlier generation to go back to.
    pub const NOTHING_BEFORE: u32 = 0x8000_0006;
    /// The signed set could not be kept on disk, so its sequence number could not be secured against rollback.
    pub const NOT_KEPT: u32 = 0x8000_0007;
    /// The sequence number is more than [`MAX_STEP`](crate::rising::MAX_STEP) above the highest one accepted under the key.
    pub const STEP: u32 = 0x8000_0008;
}

/// Asks for a piece of the compiled set in force.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PullRequest {
    /// Version.
    pub request: Request,
    /// First byte wanted.
    pub offset: U64,
}

/// Head of a piece of the compiled set; the bytes follow, as many as fit the output buffer.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Pulled {
    /// Generation the piece is of. A change between pieces means: start again. 0: there is none.
    pub generation: U64,
    /// Size of the whole set in bytes.
    pub total: U64,
    /// Offset of the piece.
    pub offset: U64,
}

/// Asks for events.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EventsRequest {
    /// Version.
    pub request: Request,
    /// Sequence number of the last event already seen; 0 for all that are still held.
    pub after: U64,
    /// [`wait`].
    pub wait: U32,
    /// Zero.
    pub reserved: U32,
}

/// Values of [`EventsRequest::wait`].
pub mod wait {
    /// Answer at once, with an empty batch when there is nothing.
    pub const NOT: u32 = 0;
    /// Answer when there is an event; the request stays pending until then and may be cancelled.
    pub const FOR_EVENT: u32 = 1;
}

/// Head of a batch of events; the records follow, as many whole ones as fit the output buffer.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Events {
    /// Number of records that follow.
    pub count: U32,
    /// Non-zero when more events are held than fitted.
    pub more: U32,
    /// What to ask for next: the sequence number of the last record, or of the request when there is none.
    pub last: U64,
    /// Events between the request's `after` and the first record that are gone, because the ring overwrote them.
    pub lost: U64,
}

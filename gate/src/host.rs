//! What the gate asks of whoever runs it: the kernel in the driver, an ordinary process in tests.

use crate::cache::FileKey;
use crate::intake::Path;
use alloc::vec::Vec;
use core::ops::Deref;
use evidence::Source;
use protocol::report::StoredFile;

/// Memory could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// An NTSTATUS.
///
/// Values: Microsoft, \[MS-ERREF\] section 2.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtStatus(#[doc = "The status as the kernel carries it."] pub i32);

impl NtStatus {
    /// `STATUS_SUCCESS`.
    pub const SUCCESS: Self = Self::from_bits(0);
    /// `STATUS_INVALID_PARAMETER`.
    pub const INVALID_PARAMETER: Self = Self::from_bits(0xc000_000d);
    /// `STATUS_INVALID_DEVICE_REQUEST`.
    pub const INVALID_DEVICE_REQUEST: Self = Self::from_bits(0xc000_0010);
    /// `STATUS_BUFFER_TOO_SMALL`.
    pub const BUFFER_TOO_SMALL: Self = Self::from_bits(0xc000_0023);
    /// `STATUS_ACCESS_DENIED`.
    pub const ACCESS_DENIED: Self = Self::from_bits(0xc000_0022);
    /// `STATUS_OBJECT_NAME_NOT_FOUND`.
    pub const NOT_FOUND: Self = Self::from_bits(0xc000_0034);
    /// `STATUS_OBJECT_PATH_NOT_FOUND`.
    pub const PATH_NOT_FOUND: Self = Self::from_bits(0xc000_003a);
    /// `STATUS_NO_SUCH_FILE`.
    pub const NO_SUCH_FILE: Self = Self::from_bits(0xc000_000f);
    /// `STATUS_NOT_SUPPORTED`.
    pub const NOT_SUPPORTED: Self = Self::from_bits(0xc000_00bb);
    /// `STATUS_OBJECT_NAME_INVALID`.
    pub const OBJECT_NAME_INVALID: Self = Self::from_bits(0xc000_0033);
    /// `STATUS_REVISION_MISMATCH`.
    pub const REVISION_MISMATCH: Self = Self::from_bits(0xc000_0059);
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub const INSUFFICIENT_RESOURCES: Self = Self::from_bits(0xc000_009a);
    /// `STATUS_CANCELLED`.
    pub const CANCELLED: Self = Self::from_bits(0xc000_0120);
    /// `STATUS_NAME_TOO_LONG`.
    pub const NAME_TOO_LONG: Self = Self::from_bits(0xc000_0106);
    /// `STATUS_DISK_FULL`.
    pub const DISK_FULL: Self = Self::from_bits(0xc000_007f);
    /// `STATUS_FILE_TOO_LARGE`.
    pub const FILE_TOO_LARGE: Self = Self::from_bits(0xc000_0904);

    /// The status with these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(i32::from_ne_bytes(bits.to_ne_bytes()))
    }

    /// The bits of the status, as they are printed.
    pub const fn bits(self) -> u32 {
        u32::from_ne_bytes(self.0.to_ne_bytes())
    }
}

/// Mutual exclusion for a value.
pub trait Lock<T>: Sized + Send + Sync {
    /// A lock that holds `value`.
    ///
    /// # Errors
    /// [`NoMemory`] when the lock needs memory of its own and there is none.
    fn try_new(value: T) -> Result<Self, NoMemory>;

    /// Runs `work` with the value to itself.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R;
}

/// On whose authority a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The driver's own: a file the kernel has loaded.
    Kernel,
    /// The requestor's: a file that a controller names.
    Requestor,
}

/// A file that was opened for weighing.
#[derive(Debug)]
pub struct Opened<F> {
    /// The file.
    pub file: F,
    /// Whether it was proved to be the file that was loaded.
    pub same_file: bool,
}

/// Pool use, as the allocator counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolUse {
    /// Blocks held.
    pub blocks: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Allocations that failed since start.
    pub failures: u64,
}

/// What the host says of the system it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// Whether it runs in safe mode.
    pub is_safe_mode: bool,
    /// Whether the registry's kill switch forbids enforcement; `None` when that cannot be told.
    pub is_killed: Option<bool>,
}

impl Default for System {
    /// Nothing forbids enforcement.
    fn default() -> Self {
        Self {
            is_safe_mode: false,
            is_killed: Some(false),
        }
    }
}

/// A file that is being weighed.
pub trait File: Source {
    /// Whether the file is still as it was when it was opened, as far as its size and times tell.
    fn is_unchanged(&mut self) -> bool;

    /// What identifies the file and changes when it is written; `None` where the volume has no such thing, or where the file may be
    /// changed without it.
    ///
    /// # Errors
    /// The status of the system call that failed.
    fn key(&mut self) -> Result<Option<FileKey>, NtStatus>;
}

/// What the gate asks of its host.
pub trait Host: Sized + Send + Sync {
    /// A lock for short work at PASSIVE_LEVEL.
    type Mutex<T: Send>: Lock<T>;
    /// A lock for work that may take long, file I/O for one: at PASSIVE_LEVEL, and whoever else wants it waits.
    type SlowMutex<T: Send>: Lock<T>;
    /// A lock that may also be taken where nothing may wait: in the load-image notify routine.
    type SpinLock<T: Send>: Lock<T>;
    /// A reference-counted value.
    type Shared<T: Send + Sync>: Clone + Deref<Target = T> + Send + Sync;
    /// An open file.
    type File: File;
    /// A reference to the file object that an image was loaded from.
    type Loaded: Send;

    /// Shares a value.
    ///
    /// # Errors
    /// [`NoMemory`].
    fn share<T: Send + Sync>(value: T) -> Result<Self::Shared<T>, NoMemory>;

    /// System time: FILETIME, 100 ns since 1601-01-01 UTC.
    fn now(&self) -> i64;

    /// A clock that never runs backwards, in 100 ns.
    fn ticks(&self) -> u64;

    /// Opens the file at this NT path for reading and, where `loaded` allows, proves that it is the file that was loaded.
    ///
    /// # Errors
    /// The status of the system call that failed.
    fn open(
        &self,
        path: &[u16],
        authority: Authority,
        loaded: Option<&Self::Loaded>,
    ) -> Result<Opened<Self::File>, NtStatus>;

    /// Calls `visit` with the path of every kernel image that is loaded or that the system loads while it starts.
    ///
    /// # Errors
    /// The status of the system call that failed; some may have been visited.
    fn drivers_in_use(&self, visit: &mut dyn FnMut(&Path)) -> Result<(), NtStatus>;

    /// Path of the driver's own image; empty when it is not known.
    fn own_path(&self) -> Path;

    /// Wakes the worker: there is something in the intake.
    fn wake(&self);

    /// Answers the requests that wait for events: there may be some now. Never waits.
    fn answer_waiting(&self);

    /// Tells whoever listens to the system's own tracing of an event record; false when somebody listens who was not told. At
    /// PASSIVE_LEVEL; must not call the gate.
    fn trace(&self, record: &[u8]) -> bool {
        // A host without tracing.
        let _ = record;
        true
    }

    /// When the system started, FILETIME; `None` when that cannot be told. At PASSIVE_LEVEL.
    fn started(&self) -> Option<i64>;

    /// What the system is like now. At PASSIVE_LEVEL.
    fn system(&self) -> System;

    /// The whole of a file of the driver's own; nothing longer than `limit` bytes.
    ///
    /// # Errors
    /// [`NtStatus::NOT_FOUND`] when there is none, else the status of the system call that failed.
    fn load(&self, file: StoredFile, limit: usize) -> Result<Vec<u8>, NtStatus>;

    /// Writes these parts, one after the other, into a new file beside `file`, and flushes it to the disk. A new file that an
    /// earlier, interrupted write left behind is overwritten.
    ///
    /// # Errors
    /// The status of the system call that failed.
    fn write_new(&self, file: StoredFile, parts: &[&[u8]]) -> Result<(), NtStatus>;

    /// Makes the new file beside `file` the file, in one step that a power cut either lets happen or not.
    ///
    /// # Errors
    /// The status of the system call that failed.
    fn commit(&self, file: StoredFile) -> Result<(), NtStatus>;

    /// Renames `from` to `to`, replacing it, in one step as [`Host::commit`].
    ///
    /// # Errors
    /// The status of the system call that failed.
    fn rename(&self, from: StoredFile, to: StoredFile) -> Result<(), NtStatus>;

    /// The pool use of the whole driver.
    fn pool(&self) -> PoolUse;

    /// [`protocol::message::features`] found at start.
    fn features(&self) -> u32;
}

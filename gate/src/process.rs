//! An ordinary process as the gate's host: for tests of this crate and of those that talk to a gate without a kernel.
//!
//! Files are in memory and the clock stands still unless it is moved.

use crate::cache::FileKey;
use crate::host::Authority;
use crate::host::File;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NoMemory;
use crate::host::NtStatus;
use crate::host::Opened;
use crate::host::PoolUse;
use crate::host::System;
use crate::intake::Path;
use evidence::Source;
use evidence::SourceError;
use protocol::message::features;
use protocol::report::StoredFile;
use std::borrow::ToOwned;
use std::collections::HashMap;
use std::string::String;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::vec::Vec;

/// The process.
#[derive(Default)]
pub struct Process {
    files: Mutex<HashMap<String, Arc<Content>>>,
    clock: AtomicI64,
    stored: Mutex<Stored>,
    started: AtomicI64,
    is_start_unknown: AtomicBool,
    is_tracing_failing: AtomicBool,
    is_list_cut: AtomicBool,
    system: Mutex<System>,
    in_use: Mutex<Option<Vec<String>>>,
    features: AtomicU32,
    woken: Mutex<bool>,
    wake: Condvar,
}

/// The driver's own files by name, the new ones beside them as `NAME.new`.
pub type Files = HashMap<String, Vec<u8>>;

/// The disk that the driver's own files are on.
#[derive(Default)]
struct Stored {
    files: Files,
    /// What a power cut could have left so far, if that is recorded.
    cuts: Option<Vec<Files>>,
    /// In how many parts a file is written while that is recorded.
    parts: usize,
    /// Changes that still go well, if not all do.
    credit: Option<usize>,
    /// A file that cannot be read now.
    unreadable: Option<StoredFile>,
}

impl Stored {
    /// A change is about to be made; whether it goes well.
    fn spend(&mut self) -> Result<(), NtStatus> {
        match &mut self.credit {
            Some(0) => Err(NtStatus::DISK_FULL),
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// If power fails now, this is what is there.
    fn record(&mut self) {
        if let Some(cuts) = &mut self.cuts {
            cuts.push(self.files.clone());
        }
    }

    /// Writes and flushes a file. Before the flush it may be there in any length, and what was not yet written be zeros.
    fn write(&mut self, name: String, bytes: Vec<u8>) {
        if self.cuts.is_some() {
            let step = bytes.len().checked_div(self.parts).unwrap_or(0).max(1);
            for written in (0..=bytes.len()).step_by(step) {
                let part: Vec<u8> = bytes.iter().copied().take(written).collect();
                self.files.insert(name.clone(), part.clone());
                self.record();
                let mut zeros = part;
                zeros.resize(bytes.len(), 0);
                self.files.insert(name.clone(), zeros);
                self.record();
            }
        }
        self.files.insert(name, bytes);
        self.record();
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), NtStatus> {
        let bytes = self.files.remove(from).ok_or(NtStatus::NOT_FOUND)?;
        self.files.insert(to.to_owned(), bytes);
        self.record();
        Ok(())
    }
}

/// A file and how it behaves.
#[derive(Clone, Default)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// A requestor may not open it; the kernel may.
    pub is_private: bool,
    /// It changes while it is read.
    pub is_changing: bool,
    /// Reading at or beyond this offset fails with `STATUS_ACCESS_DENIED`.
    pub fails_at: Option<u64>,
    /// What the cache knows it by.
    pub key: Option<FileKey>,
    /// That cannot be told.
    pub has_lost_key: bool,
}

impl Process {
    /// Puts a file at an NT path.
    pub fn put(&self, path: &str, content: Content) {
        lock(&self.files).insert(path.to_lowercase(), Arc::new(content));
    }

    /// The file at an NT path, as the filter gets at it.
    pub fn file(&self, path: &str) -> Option<OpenFile> {
        let content = lock(&self.files).get(&path.to_lowercase()).cloned();
        content.map(OpenFile)
    }

    /// Moves the clock by this many 100 ns.
    pub fn advance(&self, ticks: i64) {
        self.clock.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Which kernel images are loaded or start with the system; `None`: they cannot be listed.
    pub fn set_in_use(&self, paths: Option<&[&str]>) {
        *lock(&self.in_use) = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
    }

    /// Listing the kernel images fails when those known have been listed.
    pub fn cut_in_use(&self) {
        self.is_list_cut.store(true, Ordering::Relaxed);
    }

    /// `protocol::message::features` from now on.
    pub fn set_features(&self, features: u32) {
        self.features.store(features, Ordering::Relaxed);
    }

    /// The clock.
    pub fn clock(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// When the system started, from now on.
    pub fn set_started(&self, started: Option<i64>) {
        self.started.store(started.unwrap_or(0), Ordering::Relaxed);
        self.is_start_unknown.store(started.is_none(), Ordering::Relaxed);
    }

    /// Whether who listens to the system's own tracing gets what is told, from now on.
    pub fn set_tracing(&self, goes_well: bool) {
        self.is_tracing_failing.store(!goes_well, Ordering::Relaxed);
    }

    /// What the system is like from now on.
    pub fn set_system(&self, system: System) {
        *lock(&self.system) = system;
    }

    /// A process that finds these files of the driver's own.
    pub fn with_stored(files: Files) -> Self {
        let process = Self::default();
        lock(&process.stored).files = files;
        process
    }

    /// The driver's own files.
    pub fn stored(&self) -> Files {
        lock(&self.stored).files.clone()
    }

    /// From now on records what a power cut could leave of the driver's own files, at every step of every change: files written
    /// in part, of so many parts, and files whose length reached the disk before their content did.
    pub fn record_cuts(&self, parts: usize) {
        let mut stored = lock(&self.stored);
        stored.parts = parts.max(1);
        stored.cuts = Some(Vec::new());
        stored.record();
    }

    /// What was recorded since [`Process::record_cuts`].
    pub fn cuts(&self) -> Vec<Files> {
        lock(&self.stored).cuts.take().unwrap_or_default()
    }

    /// Lets only this many more changes of the driver's own files go well; `None` for all.
    pub fn limit_changes(&self, count: Option<usize>) {
        lock(&self.stored).credit = count;
    }

    /// Makes reading this file of the driver's own fail.
    pub fn set_unreadable(&self, file: StoredFile) {
        lock(&self.stored).unreadable = Some(file);
    }

    /// Waits until [`Host::wake`] is called, as the worker does.
    pub fn wait(&self) {
        let mut woken = lock(&self.woken);
        while !*woken {
            woken = self.wake.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
        *woken = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the new file beside a stored one.
fn new_name(file: StoredFile) -> String {
    std::format!("{}.new", file.name())
}

impl<T: Send> Lock<T> for Mutex<T> {
    fn try_new(value: T) -> Result<Self, NoMemory> {
        Ok(Self::new(value))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut lock(self))
    }
}

/// An open file in memory.
pub struct OpenFile(Arc<Content>);

impl Source for OpenFile {
    fn size(&self) -> u64 {
        self.0.bytes.as_slice().size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let end = offset.saturating_add(buffer.len().try_into().unwrap_or(u64::MAX));
        if self.0.fails_at.is_some_and(|fails_at| end > fails_at) {
            return Err(SourceError {
                status: NtStatus::ACCESS_DENIED.0,
                offset,
            });
        }
        self.0.bytes.as_slice().read_at(offset, buffer)
    }
}

impl File for OpenFile {
    fn is_unchanged(&mut self) -> bool {
        !self.0.is_changing
    }

    fn key(&mut self) -> Result<Option<FileKey>, NtStatus> {
        if self.0.has_lost_key {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        Ok(self.0.key)
    }
}

impl Host for Process {
    type Mutex<T: Send> = Mutex<T>;
    type SlowMutex<T: Send> = Mutex<T>;
    type SpinLock<T: Send> = Mutex<T>;
    type Shared<T: Send + Sync> = Arc<T>;
    type File = OpenFile;
    /// Path of the file that was loaded.
    type Loaded = String;

    fn share<T: Send + Sync>(value: T) -> Result<Arc<T>, NoMemory> {
        Ok(Arc::new(value))
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn ticks(&self) -> u64 {
        self.now().unsigned_abs()
    }

    fn open(
        &self,
        path: &[u16],
        authority: Authority,
        loaded: Option<&String>,
    ) -> Result<Opened<OpenFile>, NtStatus> {
        let path = String::from_utf16_lossy(path).to_lowercase();
        let content = lock(&self.files).get(&path).cloned().ok_or(NtStatus::NOT_FOUND)?;
        if content.is_private && authority == Authority::Requestor {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let same_file = loaded.is_some_and(|loaded| loaded.to_lowercase() == path);
        Ok(Opened {
            file: OpenFile(content),
            same_file,
        })
    }

    fn wake(&self) {
        *lock(&self.woken) = true;
        self.wake.notify_all();
    }

    fn drivers_in_use(&self, visit: &mut dyn FnMut(&Path)) -> Result<(), NtStatus> {
        let in_use = lock(&self.in_use);
        for path in in_use.as_deref().ok_or(NtStatus::NOT_SUPPORTED)? {
            visit(&Path::new(path.encode_utf16()));
        }
        if self.is_list_cut.load(Ordering::Relaxed) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        Ok(())
    }

    fn own_path(&self) -> Path {
        Path::new(r"\??\C:\gatehouse.sys".encode_utf16())
    }

    fn answer_waiting(&self) {}

    fn trace(&self, _record: &[u8]) -> bool {
        !self.is_tracing_failing.load(Ordering::Relaxed)
    }

    fn started(&self) -> Option<i64> {
        let is_known = !self.is_start_unknown.load(Ordering::Relaxed);
        is_known.then(|| self.started.load(Ordering::Relaxed))
    }

    fn system(&self) -> System {
        *lock(&self.system)
    }

    fn load(&self, file: StoredFile, limit: usize) -> Result<Vec<u8>, NtStatus> {
        let stored = lock(&self.stored);
        if stored.unreadable == Some(file) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let bytes = stored.files.get(file.name()).ok_or(NtStatus::NOT_FOUND)?;
        if bytes.len() > limit {
            return Err(NtStatus::FILE_TOO_LARGE);
        }
        Ok(bytes.clone())
    }

    fn write_new(&self, file: StoredFile, parts: &[&[u8]]) -> Result<(), NtStatus> {
        let mut stored = lock(&self.stored);
        stored.spend()?;
        stored.write(new_name(file), parts.concat());
        Ok(())
    }

    fn commit(&self, file: StoredFile) -> Result<(), NtStatus> {
        let mut stored = lock(&self.stored);
        stored.spend()?;
        stored.rename(&new_name(file), file.name())
    }

    fn rename(&self, from: StoredFile, to: StoredFile) -> Result<(), NtStatus> {
        let mut stored = lock(&self.stored);
        stored.spend()?;
        stored.rename(from.name(), to.name())
    }

    fn pool(&self) -> PoolUse {
        PoolUse::default()
    }

    fn features(&self) -> u32 {
        self.features.load(Ordering::Relaxed) | features::PERSISTENT
    }
}

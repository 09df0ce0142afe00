//! The kernel as the gate's host.

use crate::POOL;
use crate::kernel::etw::Provider;
use crate::kernel::event::Event;
use crate::kernel::file::File;
use crate::kernel::file::FileObject;
use crate::kernel::filter::Routines;
use crate::kernel::lock::FastMutex;
use crate::kernel::lock::SpinLock;
use crate::kernel::shared::Shared;
use crate::kernel::shared::try_box;
use crate::kernel::store::Folder;
use crate::kernel::string::ascii;
use crate::kernel::time::Clock;
use crate::kernel::time::boot;
use crate::kernel::turn::Turn;
use crate::system::Service;
use crate::system::drivers_in_use;
use crate::system::is_safe_mode;
use crate::system::windows_folder;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
use gate::Path;
use gate::host::Authority;
use gate::host::Host;
use gate::host::NoMemory;
use gate::host::NtStatus;
use gate::host::Opened;
use gate::host::PoolUse;
use gate::host::System;
use protocol::message::features;
use protocol::report::StoredFile;

/// How often the worker looks whether the mode has ended or something holds it back, in 100 ns: 5 seconds.
const LOOK_AFTER: u32 = 50_000_000;

/// The kernel.
pub struct Kernel {
    work: Event,
    clock: Clock,
    features: AtomicU32,
    routines: Routines,
    /// In memory of its own: a kernel is moved about on the stack while the gate around it is made.
    service: Box<Service>,
    is_safe_mode: bool,
    /// Where events are also written to.
    tracing: Option<Provider>,
    /// Where the driver keeps files of its own, or why it cannot.
    store: Result<Folder, NtStatus>,
}

impl Kernel {
    /// Finds what the kernel offers. IRQL: PASSIVE_LEVEL.
    pub fn try_new(service: Service) -> Result<Self, NoMemory> {
        let tracing = Provider::register();
        let store = open_store();
        let clock = Clock::find();
        let routines = Routines::find();
        let found = [
            (tracing.is_some(), features::ETW),
            (store.is_ok(), features::PERSISTENT),
            (clock.is_precise(), features::PRECISE_TIME),
            (clock.has_counter(), features::PERFORMANCE_COUNTER),
            (routines.tell_mappings(), features::MAPPINGS),
        ];
        let features = found
            .into_iter()
            .fold(0, |bits, (is_so, bit)| if is_so { bits | bit } else { bits });
        Ok(Self {
            work: Event::try_new()?,
            clock,
            features: AtomicU32::new(features),
            routines,
            service: try_box(service)?,
            is_safe_mode: is_safe_mode(),
            tracing,
            store,
        })
    }

    /// Notes a feature (`protocol::message::features`) that was found. IRQL: any.
    pub fn add_feature(&self, feature: u32) {
        self.features.fetch_or(feature, Ordering::Relaxed);
    }

    /// Routines that classifying a section needs. IRQL: any.
    pub const fn routines(&self) -> &Routines {
        &self.routines
    }

    fn store(&self) -> Result<&Folder, NtStatus> {
        self.store.as_ref().map_err(|status| *status)
    }

    /// Waits until [`Host::wake`] is called, but no longer than it is time to look after the mode again.
    ///
    /// IRQL: PASSIVE_LEVEL, from the worker only.
    pub fn wait(&self) {
        self.work.wait_for(LOOK_AFTER);
    }
}

impl Host for Kernel {
    type Mutex<T: Send> = FastMutex<T>;
    type SlowMutex<T: Send> = Turn<T>;
    type SpinLock<T: Send> = SpinLock<T>;
    type Shared<T: Send + Sync> = Shared<T>;
    type File = File;
    type Loaded = FileObject;

    fn share<T: Send + Sync>(value: T) -> Result<Shared<T>, NoMemory> {
        Shared::try_new(value)
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }

    fn ticks(&self) -> u64 {
        self.clock.ticks()
    }

    fn open(
        &self,
        path: &[u16],
        authority: Authority,
        loaded: Option<&FileObject>,
    ) -> Result<Opened<File>, NtStatus> {
        let file = File::open(path, authority).or_else(|status| {
            let path = below_system_root(path)?.ok_or(status)?;
            File::open(path.units(), authority)
        })?;
        let same_file = loaded.is_some_and(|loaded| file.is_file_of(loaded));
        Ok(Opened { file, same_file })
    }

    /// IRQL: at most DISPATCH_LEVEL.
    fn wake(&self) {
        self.work.set();
    }

    fn drivers_in_use(&self, visit: &mut dyn FnMut(&Path)) -> Result<(), NtStatus> {
        drivers_in_use(visit)
    }

    fn own_path(&self) -> Path {
        self.service.image()
    }

    /// By way of the worker, which answers them.
    fn answer_waiting(&self) {
        self.work.set();
    }

    fn trace(&self, record: &[u8]) -> bool {
        self.tracing.as_ref().is_none_or(|tracing| tracing.trace(record))
    }

    fn started(&self) -> Option<i64> {
        boot()
    }

    fn system(&self) -> System {
        System {
            is_safe_mode: self.is_safe_mode,
            is_killed: self.service.is_killed(),
        }
    }

    fn load(&self, file: StoredFile, limit: usize) -> Result<Vec<u8>, NtStatus> {
        self.store()?.load(file.name(), limit)
    }

    fn write_new(&self, file: StoredFile, parts: &[&[u8]]) -> Result<(), NtStatus> {
        self.store()?.write_new(file.name(), parts)
    }

    fn commit(&self, file: StoredFile) -> Result<(), NtStatus> {
        self.store()?.commit(file.name())
    }

    fn rename(&self, from: StoredFile, to: StoredFile) -> Result<(), NtStatus> {
        self.store()?.rename(from.name(), to.name())
    }

    fn pool(&self) -> PoolUse {
        POOL.in_use()
    }

    fn features(&self) -> u32 {
        self.features.load(Ordering::Relaxed)
    }
}

/// Opens the folder of the driver's own files, as [`Host::open`] opens an image. IRQL: PASSIVE_LEVEL.
#[inline(never)]
fn open_store() -> Result<Folder, NtStatus> {
    const STORE: [u16; 30] = ascii(r"\SystemRoot\System32\Gatehouse");
    Folder::open(&STORE).or_else(|status| {
        let path = below_system_root(&STORE)?.ok_or(status)?;
        Folder::open(path.units())
    })
}

/// The path of a file below `\SystemRoot` by way of the drive letter: not every kernel that lists its modules by that name has
/// the object. `None` for any other path. IRQL: PASSIVE_LEVEL.
///
/// # Errors
/// What the kernel says: where the file is cannot be told, which is another thing than that it is not there.
#[inline(never)]
fn below_system_root(path: &[u16]) -> Result<Option<Path>, NtStatus> {
    const LINK: [u16; 11] = ascii(r"\SystemRoot");
    const DRIVES: [u16; 4] = ascii(r"\??\");
    let Some((link, rest)) = path.split_at_checked(LINK.len()) else {
        return Ok(None);
    };
    if link != LINK || rest.first() != Some(&u16::from(b'\\')) {
        return Ok(None);
    }
    let root = windows_folder()?;
    let path = Path::new(DRIVES.iter().chain(root.units()).chain(rest).copied());
    if path.is_cut() {
        return Err(NtStatus::NAME_TOO_LONG);
    }
    Ok(Some(path))
}

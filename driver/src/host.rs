//! The kernel as the gate's host.

use crate::POOL;
use crate::kernel::event::Event;
use crate::kernel::file::File;
use crate::kernel::file::FileObject;
use crate::kernel::lock::FastMutex;
use crate::kernel::lock::SpinLock;
use crate::kernel::shared::Shared;
use crate::kernel::time::Clock;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
use gate::host::Authority;
use gate::host::Host;
use gate::host::NoMemory;
use gate::host::NtStatus;
use gate::host::Opened;
use gate::host::PoolUse;
use protocol::message::features;

/// The kernel.
pub struct Kernel {
    work: Event,
    clock: Clock,
    features: AtomicU32,
}

impl Kernel {
    /// Finds what the kernel offers. IRQL: PASSIVE_LEVEL.
    pub fn try_new() -> Result<Self, NoMemory> {
        Ok(Self {
            work: Event::try_new()?,
            clock: Clock::find(),
            features: AtomicU32::new(0),
        })
    }

    /// Notes how the notify routine was registered. IRQL: any.
    pub fn set_notify_extended(&self, extended: bool) {
        self.features
            .store(if extended { features::NOTIFY_EX } else { 0 }, Ordering::Relaxed);
    }

    /// Waits until [`Host::wake`] is called. IRQL: PASSIVE_LEVEL, from the worker only.
    pub fn wait(&self) {
        self.work.wait();
    }
}

impl Host for Kernel {
    type Mutex<T: Send> = FastMutex<T>;
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
        let file = File::open(path, authority)?;
        let same_file = loaded.is_some_and(|loaded| file.is_file_of(loaded));
        Ok(Opened { file, same_file })
    }

    /// IRQL: at most DISPATCH_LEVEL.
    fn wake(&self) {
        self.work.set();
    }

    fn pool(&self) -> PoolUse {
        POOL.in_use()
    }

    fn features(&self) -> u32 {
        self.features.load(Ordering::Relaxed)
    }
}

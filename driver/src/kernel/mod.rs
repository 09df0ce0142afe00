//! Safe wrappers over the kernel API: everything unsafe that is not an entry point lives here.
//!
//! Each wrapper owns what it acquires and gives it back on drop; each function names the IRQL it may be called at.

pub mod debug;
pub mod device;
pub mod etw;
pub mod event;
pub mod file;
pub mod filter;
pub mod fltmgr;
pub mod global;
pub mod lock;
pub mod marks;
pub mod modules;
pub mod notify;
pub mod pool;
pub mod prefetch;
pub mod registry;
pub mod routine;
pub mod rundown;
pub mod security;
pub mod shared;
pub mod stack;
pub mod store;
pub mod string;
pub mod thread;
pub mod time;
pub mod turn;
pub mod waiting;

use gate::host::NtStatus;
use wdk_sys::KPROCESSOR_MODE;
use wdk_sys::NTSTATUS;

/// `KernelMode`, as parameters of type `KPROCESSOR_MODE` take it.
pub const KERNEL_MODE: KPROCESSOR_MODE = 0;

/// Size of a structure as the kernel's lengths have it.
pub const fn size<T>() -> u32 {
    const {
        assert!(
            size_of::<T>() <= u32::MAX as usize,
            "a structure of less than 4 GiB"
        );
    }
    #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
    {
        size_of::<T>() as u32
    }
}

/// The result of a kernel call: `Err` for error and warning statuses.
///
/// IRQL: any.
pub fn check(status: NTSTATUS) -> Result<(), NtStatus> {
    if wdk::nt_success(status) {
        Ok(())
    } else {
        Err(NtStatus(status))
    }
}

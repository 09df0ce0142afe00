//! Safe wrappers over the kernel API: everything unsafe that is not an entry point lives here.
//!
//! Each wrapper owns what it acquires and gives it back on drop; each function names the IRQL it may be called at.

pub mod debug;
pub mod device;
pub mod event;
pub mod file;
pub mod global;
pub mod lock;
pub mod modules;
pub mod notify;
pub mod pool;
pub mod registry;
pub mod routine;
pub mod rundown;
pub mod security;
pub mod shared;
pub mod string;
pub mod thread;
pub mod time;

use gate::host::NtStatus;
use wdk_sys::NTSTATUS;

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

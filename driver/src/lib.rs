//! gatehouse.sys: watches every kernel image that Windows loads and has `gate` weigh it.
//!
//! A shell: it decides nothing. The kernel calls the entry points in this file, in [`device`], [`filter`] and [`notify`]; they hand on
//! to `gate`, which calls back through [`host`]. Everything unsafe that is not an entry point is in [`kernel`].
//!
//! Start: gate, device, worker, notify routine, link; whatever fails undoes what came before. Stop is the reverse, see
//! [`driver`].
#![no_std]
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unreachable,
    clippy::unwrap_used
)]

extern crate alloc;
#[cfg(not(test))]
extern crate wdk_panic;

mod device;
mod driver;
mod filter;
mod host;
mod kernel;
mod notify;
mod running;
mod system;

use crate::kernel::pool::CountedPool;
use crate::kernel::string::units;
use crate::system::Service;
use gate::Path;
use wdk_sys::DRIVER_OBJECT;
use wdk_sys::NTSTATUS;
use wdk_sys::PCUNICODE_STRING;

#[global_allocator]
static POOL: CountedPool = CountedPool::new();

/// Called once, when the service starts. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// Only the kernel's loader calls it, with the driver's own object.
// SAFETY: the loader looks this name up; nothing else exports it.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    driver: &mut DRIVER_OBJECT,
    registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    driver.DriverUnload = Some(driver_unload);
    device::set_dispatch(driver);
    // SAFETY: valid during this call.
    let key = Path::new(unsafe { units(registry_path) }.iter().copied());
    // SAFETY: `driver` is the object that the kernel passed.
    match unsafe { driver::start(driver, Service::new(&key)) } {
        Ok(()) => wdk_sys::STATUS_SUCCESS,
        Err(status) => status.0,
    }
}

/// Called once, when the service stops. IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn driver_unload(_driver: *mut DRIVER_OBJECT) {
    driver::stop();
}

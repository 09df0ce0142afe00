//! Start and stop, in an order that can neither leak nor race.
//!
//! Requests, image loads and the worker reach the gate through [`crate::running::enter`], which is refused from the moment stop closes it;
//! stop waits for those inside, and only then gives anything back.

use crate::POOL;
use crate::debug;
use crate::device::answer_waiting;
use crate::device::wait_until_closed;
use crate::filter::CALLBACKS;
use crate::host::Kernel;
use crate::kernel::device::ControlDevice;
use crate::kernel::filter::Filter;
use crate::kernel::global::Slot;
use crate::kernel::modules::Modules;
use crate::kernel::notify::Registration;
use crate::kernel::shared::Vacant;
use crate::kernel::shared::try_box;
use crate::kernel::thread::Thread;
use crate::kernel::waiting::WAITING;
use crate::notify::image_loaded;
use crate::running::GATE;
use crate::running::enter;
use crate::system::Service;
use alloc::boxed::Box;
use core::ffi::c_void;
use core::ptr::null_mut;
use gate::Gate;
use gate::host::NoMemory;
use gate::host::NtStatus;
use protocol::message::features;
use wdk_sys::DRIVER_OBJECT;

static RUNNING: Slot<Running> = Slot::empty();

/// What stop gives back. Fields are dropped in the order in which they stand here.
struct Running {
    /// Goes first, if it is there: no section is asked about any more, and none is being asked about.
    _filter: Option<Filter>,
    /// Then no image load is reported any more, and none is being reported.
    _registration: Registration,
    /// Then the worker is joined.
    _worker: Thread,
    /// Then the device goes.
    device: ControlDevice,
}

/// Starts everything; on failure everything that was started is stopped again. IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// `driver` is the driver's own object, as DriverEntry got it.
pub unsafe fn start(driver: &mut DRIVER_OBJECT, service: Service) -> Result<(), NtStatus> {
    GATE.open(make_gate(service).map_err(no_memory)?);
    // SAFETY: by the caller.
    let started = unsafe { start_parts(driver) };
    if let Err(status) = started {
        debug!("start failed with status {:#010x}", status.bits());
        stop();
    }
    started
}

/// The gate is large, and moved until it is in its box: in a stack frame of its own. IRQL: PASSIVE_LEVEL.
#[inline(never)]
fn make_gate(service: Service) -> Result<Box<Gate<Kernel>>, NoMemory> {
    try_box(Gate::try_new(Kernel::try_new(service)?)?)
}

/// # Safety
/// As [`start`].
#[inline(never)]
unsafe fn start_parts(driver: &mut DRIVER_OBJECT) -> Result<(), NtStatus> {
    // SAFETY: by the caller.
    let mut device = unsafe { ControlDevice::create(driver) }?;
    if let Some(gate) = enter().get() {
        // Before anything can ask the gate: nobody sees it half restored, and what loads meanwhile is listed as loaded before.
        gate.restore();
    }
    // Registered before the worker enumerates what is loaded already, so that no image falls between the two.
    let registration = Registration::new(image_loaded)?;
    // SAFETY: by the caller; the callbacks are the driver's, which drops the filter before it unloads.
    let filter = unsafe { Filter::start(driver, &CALLBACKS) };
    if let Some(gate) = enter().get() {
        if registration.is_extended() {
            gate.host().add_feature(features::NOTIFY_EX);
        }
        match &filter {
            Ok(_) => gate.host().add_feature(features::FILTER),
            // Evaluation goes on without it.
            Err(status) => debug!("no filter, status {:#010x}", status.bits()),
        }
        gate.look_after_mode();
    }
    device.publish()?;
    // The worker is last: from here on nothing fails, so it is never joined before it was told to end.
    let slot = Vacant::try_new().map_err(no_memory)?;
    let worker = Thread::start(work)?;
    RUNNING.replace(Some(slot.fill(Running {
        _filter: filter.ok(),
        _registration: registration,
        _worker: worker,
        device,
    })));
    debug!("started");
    Ok(())
}

/// Stops everything. IRQL: PASSIVE_LEVEL.
#[inline(never)]
pub fn stop() {
    if let Some(gate) = enter().get() {
        gate.stop();
    }
    WAITING.cancel_all(null_mut());
    let mut running = RUNNING.replace(None);
    if let Some(running) = &mut running {
        running.device.withdraw();
        wait_until_closed();
    }
    let gate = GATE.close();
    if gate.is_none() {
        // Stopped already: the filter manager's unload comes before the kernel's.
        return;
    }
    // Nobody is inside any more, so nothing more can be put there.
    WAITING.cancel_all(null_mut());
    drop(running);
    if let Some(gate) = &gate {
        gate.save_at_stop();
    }
    drop(gate);
    // Requests that came since found no gate; now that the device is gone they are the last.
    drop(GATE.close());
    let left = POOL.in_use();
    debug!(
        "stopped, {} pool blocks of {} bytes left",
        left.blocks, left.bytes
    );
}

fn no_memory(_: NoMemory) -> NtStatus {
    NtStatus::INSUFFICIENT_RESOURCES
}

/// The worker thread: weighs what was loaded before the driver, then whatever the notify routine queues.
///
/// IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn work(_context: *mut c_void) {
    let entered = enter();
    let Some(gate) = entered.get() else { return };
    gate.know_own_image();
    weigh_baseline(gate);
    while !gate.is_stopping() {
        while gate.work() {
            answer_waiting(gate);
        }
        answer_waiting(gate);
        gate.look_after_mode();
        gate.look_after_progress();
        gate.host().wait();
    }
}

/// Weighs what was loaded before the driver. IRQL: PASSIVE_LEVEL.
#[inline(never)]
fn weigh_baseline(gate: &Gate<Kernel>) {
    match Modules::snapshot() {
        Ok(modules) => {
            modules.each(|image| gate.weigh_loaded(image));
            gate.baseline_weighed();
        }
        Err(status) => {
            gate.no_baseline(status);
            debug!("no list of loaded images, status {:#010x}", status.bits());
        }
    }
}

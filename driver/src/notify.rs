//! The load-image notify routine: capture, queue, return.

use crate::kernel::file::FileObject;
use crate::kernel::notify::Reported;
use crate::kernel::notify::SYSTEM_MODE_IMAGE;
use crate::kernel::string::units;
use crate::running::enter;
use gate::Capture;
use gate::Path;
use gate::host::Host;
use wdk_sys::HANDLE;
use wdk_sys::PIMAGE_INFO;
use wdk_sys::PUNICODE_STRING;

/// Called by the kernel after an image was mapped and before its entry point runs.
///
/// IRQL: PASSIVE_LEVEL, inside a critical region, perhaps with special kernel APCs disabled and with the loader's lock held:
/// no file I/O, no registry, no waiting.
///
/// # Safety
/// Only the kernel calls it.
pub unsafe extern "C" fn image_loaded(name: PUNICODE_STRING, process_id: HANDLE, info: PIMAGE_INFO) {
    let entered = enter();
    // SAFETY: the kernel passed it to this call.
    let Some(reported) = (unsafe { Reported::read(info) }) else {
        return;
    };
    if reported.properties & SYSTEM_MODE_IMAGE == 0 {
        return;
    }
    let Some(gate) = entered.get() else { return };
    // SAFETY: null or valid through this call.
    let name = unsafe { units(name) };
    gate.image_loaded(Capture {
        path: Path::new(name.iter().copied()),
        process_id: process_id.addr() as u64,
        base: reported.base,
        size: reported.size,
        properties: reported.properties,
        time: gate.host().now(),
        ticks: gate.host().ticks(),
        // SAFETY: null or valid through this call.
        loaded: unsafe { FileObject::reference(reported.file_object) },
    });
}

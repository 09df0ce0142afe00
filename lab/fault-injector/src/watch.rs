//! Waiting for the driver: wrapping its imports when it has been mapped, and reporting when it goes.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::PoisonError;

use windows_sys::Win32::Foundation::FreeLibrary;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;
use windows_sys::Win32::Foundation::UNICODE_STRING;
use windows_sys::Win32::System::Memory::MEM_COMMIT;
use windows_sys::Win32::System::Memory::MEM_RESERVE;
use windows_sys::Win32::System::Memory::PAGE_EXECUTE_READWRITE;
use windows_sys::Win32::System::Memory::VirtualAlloc;

use crate::call;
use crate::image::Image;
use crate::image::write;
use crate::plan::Plan;
use crate::print;
use crate::report;
use crate::run::Run;

/// The driver's file name.
const DRIVER: &str = "gatehouse.sys";
/// LDR_DLL_NOTIFICATION_REASON_LOADED: mapped, imports bound, not entered yet.
const LOADED: u32 = 1;
/// LDR_DLL_NOTIFICATION_REASON_UNLOADED: about to be unmapped.
const UNLOADED: u32 = 2;
/// How far from the image memory is looked for, and in which steps.
const REACH: usize = 0x4000_0000;
const STEP: usize = 0x1_0000;

#[cfg_attr(
    windows,
    link(name = "ntdll.dll", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "system" {
    fn LdrRegisterDllNotification(
        flags: u32,
        callback: unsafe extern "system" fn(u32, *const Notification, *mut c_void),
        context: *mut c_void,
        cookie: *mut *mut c_void,
    ) -> i32;
}

/// LDR_DLL_NOTIFICATION_DATA.
#[repr(C)]
struct Notification {
    flags: u32,
    full_name: *const UNICODE_STRING,
    base_name: *const UNICODE_STRING,
    base: *mut c_void,
    size: u32,
}

/// The driver's own entry point, while it is mapped: its address and the image's base.
static ENTRY: Mutex<(usize, usize)> = Mutex::new((0, 0));

/// Starts to watch; the answer is a driver's entry point's.
pub fn begin() -> i32 {
    let mut cookie = null_mut();
    // SAFETY: the callback stays as long as the process: this module is never unloaded.
    let status = unsafe { LdrRegisterDllNotification(0, notified, null_mut(), &raw mut cookie) };
    if status >= 0 { STATUS_SUCCESS } else { status }
}

unsafe extern "system" fn notified(reason: u32, data: *const Notification, _context: *mut c_void) {
    // SAFETY: valid through the call.
    let data = unsafe { &*data };
    // SAFETY: as above.
    let name = unsafe { &*data.base_name };
    // SAFETY: a valid string's buffer holds its length.
    let units = unsafe { std::slice::from_raw_parts(name.Buffer, usize::from(name.Length / 2)) };
    if !String::from_utf16_lossy(units).eq_ignore_ascii_case(DRIVER) {
        return;
    }
    match reason {
        LOADED => {
            // SAFETY: just mapped.
            let image = unsafe { Image::at(data.base) };
            if let Some(plan) = Plan::read() {
                begin_run(image, plan);
            }
        }
        UNLOADED => {
            let run = call::run().take();
            if let Some((_, run)) = run {
                report::write(&run);
            }
        }
        _ => {}
    }
}

/// Wraps every import and the entry point.
fn begin_run(image: Image, plan: Plan) {
    let mut run = Run::new(plan);
    for import in image.imports() {
        // SAFETY: a slot of the image's import table.
        let target = unsafe { *import.slot };
        match call::wrapped(&import.name, target) {
            Ok(address) if address != target => {
                // SAFETY: as above.
                unsafe { write(import.slot, address) };
            }
            Ok(_) => {}
            Err(()) => run.unlisted.push(import.name),
        }
    }
    let base = usize::try_from(image.base()).unwrap_or(0);
    *ENTRY.lock().unwrap_or_else(PoisonError::into_inner) = (image.entry_point(), base);
    match entry_thunk(&image) {
        Some(thunk) if image.set_entry_point(thunk) => {}
        _ => print("cannot stand before the entry point"),
    }
    *call::run() = Some((image, run));
}

/// A jump to [`start`], in memory above the image: a header can only name an entry point relative to the image's base.
fn entry_thunk(image: &Image) -> Option<usize> {
    let from = image.end().next_multiple_of(STEP);
    let kind = MEM_COMMIT | MEM_RESERVE;
    let memory = (from..from + REACH).step_by(STEP).find_map(|address| {
        let wanted = std::ptr::without_provenance(address);
        // SAFETY: asks for new memory, at a place where there may be none left.
        let memory = unsafe { VirtualAlloc(wanted, STEP, kind, PAGE_EXECUTE_READWRITE) };
        (!memory.is_null()).then_some(memory)
    })?;
    // mov rax, START; jmp rax
    let mut code = [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0];
    if let Some(address) = code.get_mut(2..10) {
        address.copy_from_slice(&(start as *const c_void).addr().to_le_bytes());
    }
    // SAFETY: new, writable, and large enough.
    unsafe { memory.cast::<[u8; 12]>().write(code) };
    Some(memory.expose_provenance())
}

/// The driver's entry point, and what Windows does when it fails: the driver is unloaded.
unsafe extern "system" fn start(driver: *mut c_void, path: *const c_void) -> i32 {
    type Entry = unsafe extern "system" fn(*mut c_void, *const c_void) -> i32;
    let (entry, base) = *ENTRY.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the image's own entry point, which has this interface.
    let entry = unsafe { std::mem::transmute::<usize, Entry>(entry) };
    // SAFETY: the kernel's own parameters.
    let status = unsafe { entry(driver, path) };
    if let Some((_, run)) = call::run().as_mut() {
        run.start_status = Some(status);
    }
    if status < 0 {
        // SAFETY: the image was loaded once for this start, and nothing of it runs after its entry point has failed.
        unsafe { FreeLibrary(std::ptr::with_exposed_provenance_mut(base)) };
    }
    status
}

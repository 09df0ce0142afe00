//! Wine's kernel, completed: functions that a filter needs and Wine only names or has not at all.

use core::ffi::c_char;
use core::ffi::c_void;
use core::ptr::null_mut;
use std::sync::Mutex;
use std::sync::PoisonError;

use windows_sys::Wdk::Foundation::SECTION_OBJECT_POINTERS;
use windows_sys::Win32::Foundation::UNICODE_STRING;
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::System::LibraryLoader::GetProcAddress;
use windows_sys::Win32::System::SystemInformation::GetSystemTimePreciseAsFileTime;
use windows_sys::core::w;

use crate::names::text;
use crate::patch::Patch;

#[cfg_attr(
    windows,
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "system" {
    /// The calling thread's object.
    pub safe fn KeGetCurrentThread() -> isize;
    /// The process that the calling thread runs in.
    pub safe fn IoGetCurrentProcess() -> isize;
}

#[cfg_attr(
    windows,
    link(name = "ntdll.dll", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    /// Prints to the kernel debugger, in the form of `printf`.
    pub fn DbgPrint(format: *const c_char, ...) -> i32;
}

/// Where Wine's thread objects keep the process; its PsIsSystemThread reads the same place.
const PROCESS_IN_THREAD: usize = 0x18;

static PATCHES: Mutex<Vec<Patch>> = Mutex::new(Vec::new());

/// Puts the missing functions in place; whether all could be.
pub fn complete() -> bool {
    let replacements: [(&core::ffi::CStr, *const c_void); 3] = [
        (c"IoGetTopLevelIrp", top_level_irp as *const c_void),
        (c"IoThreadToProcess", thread_to_process as *const c_void),
        (c"MmGetSystemRoutineAddress", system_routine as *const c_void),
    ];
    let mut patches = PATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, replacement) in replacements {
        let Some(target) = exported(w!("ntoskrnl.exe"), name) else {
            crate::print(&format!("Wine's kernel does not export {name:?}"));
            return false;
        };
        // SAFETY: each name's function is longer than a jump (a raising stub has 23 bytes), and each replacement has its interface.
        let Some(patch) = (unsafe { Patch::apply(target.cast(), replacement) }) else {
            crate::print(&format!("cannot write to {name:?}"));
            return false;
        };
        patches.push(patch);
    }
    true
}

/// Takes everything back.
pub fn restore() {
    let mut patches = PATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    for patch in patches.drain(..) {
        patch.revert();
    }
}

/// The process that a thread belongs to.
///
/// # Safety
/// `thread` is a thread object of Wine's kernel.
pub unsafe fn process_of(thread: isize) -> isize {
    let place = core::ptr::with_exposed_provenance::<isize>(thread.cast_unsigned() + PROCESS_IN_THREAD);
    // SAFETY: a valid thread object has the member.
    unsafe { place.read() }
}

/// Where a module that is loaded exports a name.
pub fn exported(module: *const u16, name: &core::ffi::CStr) -> Option<*mut c_void> {
    // SAFETY: the name is terminated.
    let module = unsafe { GetModuleHandleW(module) };
    // SAFETY: the name is terminated; a null module is answered with null.
    let address = unsafe { GetProcAddress(module, name.as_ptr().cast()) }?;
    Some(address as *mut c_void)
}

/// IoGetTopLevelIrp: no file system here calls itself.
extern "system" fn top_level_irp() -> *mut c_void {
    null_mut()
}

/// IoThreadToProcess.
unsafe extern "system" fn thread_to_process(thread: isize) -> isize {
    // SAFETY: a thread object, by the function's contract.
    unsafe { process_of(thread) }
}

/// MmGetSystemRoutineAddress, as Wine's, and with what is added here.
unsafe extern "system" fn system_routine(name: *const UNICODE_STRING) -> *mut c_void {
    // SAFETY: a valid string, by the function's contract.
    let name = unsafe { text(name) };
    match name.as_str() {
        "KeQuerySystemTimePrecise" => return system_time as *mut c_void,
        "MmDoesFileHaveUserWritableReferences" => return user_writable_references as *mut c_void,
        _ => {}
    }
    let Ok(name) = std::ffi::CString::new(name) else {
        return null_mut();
    };
    let found = exported(w!("ntoskrnl.exe"), &name).or_else(|| exported(w!("hal.dll"), &name));
    found.unwrap_or_default()
}

/// MmDoesFileHaveUserWritableReferences: how many writable views user mode has. None: drivers' files are not mapped here.
extern "system" fn user_writable_references(_section: *const SECTION_OBJECT_POINTERS) -> u32 {
    0
}

/// KeQuerySystemTimePrecise.
unsafe extern "system" fn system_time(time: *mut i64) {
    // SAFETY: the same 64 bits, writable by the function's contract.
    unsafe { GetSystemTimePreciseAsFileTime(time.cast()) };
}

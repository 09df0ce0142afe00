//! The operation: the creation of an image section, put to the filters before it happens.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CALLBACK_DATA;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_IO_PARAMETER_BLOCK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PARAMETERS;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PARAMETERS_21;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PREOP_COMPLETE;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION;
use windows_sys::Wdk::Storage::FileSystem::SyncTypeCreateSection;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Memory::SEC_IMAGE;
use windows_sys::core::w;

use crate::create;
use crate::files::OpenFile;
use crate::filter;
use crate::filter::Filter;
use crate::kernel::KeGetCurrentThread;
use crate::kernel::exported;
use crate::patch::Patch;
use crate::patch::Trampoline;
use crate::print;

/// IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION, which is -1.
const ACQUIRE_FOR_SECTION_SYNCHRONIZATION: u8 = 0xff;

type CreateSection = unsafe extern "system" fn(
    *mut HANDLE,
    u32,
    *const OBJECT_ATTRIBUTES,
    *const i64,
    u32,
    u32,
    HANDLE,
) -> i32;

struct Hook {
    patch: Patch,
    trampoline: Trampoline,
}

static HOOK: Mutex<Option<Hook>> = Mutex::new(None);
/// The trampoline, as calls find it.
static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// Calls that are inside.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Puts the filters before NtCreateSection; whether that could be done.
pub fn hook() -> bool {
    let mut hook = lock();
    if hook.is_some() {
        return true;
    }
    let Some(stub) = exported(w!("ntdll.dll"), c"NtCreateSection") else {
        print("ntdll has no NtCreateSection");
        return false;
    };
    // SAFETY: the function of this name is a system call stub.
    let Some(trampoline) = (unsafe { Trampoline::of(stub.cast()) }) else {
        print("NtCreateSection is no system call stub as Wine 10 has them");
        return false;
    };
    ORIGINAL.store(trampoline.code().cast_mut(), Ordering::Release);
    // SAFETY: a stub is longer than a jump, and the replacement has its interface.
    let Some(patch) = (unsafe { Patch::apply(stub.cast(), create_section as *const c_void) }) else {
        print("cannot write to NtCreateSection");
        return false;
    };
    *hook = Some(Hook { patch, trampoline });
    true
}

/// Gives NtCreateSection back and waits until nobody is inside.
pub fn unhook() {
    let Some(hook) = lock().take() else { return };
    hook.patch.revert();
    while INSIDE.load(Ordering::Acquire) != 0 {
        sleep(Duration::from_millis(1));
    }
    hook.trampoline.free();
}

fn lock() -> MutexGuard<'static, Option<Hook>> {
    HOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// NtCreateSection, filtered.
unsafe extern "system" fn create_section(
    section: *mut HANDLE,
    access: u32,
    attributes: *const OBJECT_ATTRIBUTES,
    size: *const i64,
    protection: u32,
    allocation: u32,
    file: HANDLE,
) -> i32 {
    INSIDE.fetch_add(1, Ordering::AcqRel);
    let refused = if allocation & SEC_IMAGE != 0 && !file.is_null() {
        ask(file, protection, allocation)
    } else {
        None
    };
    let status = refused.unwrap_or_else(|| {
        // SAFETY: the trampoline's code, which has the interface of what it is a copy of.
        let original: CreateSection = unsafe { std::mem::transmute(ORIGINAL.load(Ordering::Acquire)) };
        // SAFETY: the caller's own parameters.
        unsafe { original(section, access, attributes, size, protection, allocation, file) }
    });
    INSIDE.fetch_sub(1, Ordering::AcqRel);
    status
}

/// Asks every filter; the status of the first that refuses.
fn ask(file: HANDLE, protection: u32, allocation: u32) -> Option<i32> {
    let filters = filter::attached();
    if filters.is_empty() {
        return None;
    }
    let file = OpenFile::new(file)?;
    filters
        .iter()
        .find_map(|filter| ask_one(filter, &file, protection, allocation))
}

fn ask_one(filter: &Filter, file: &OpenFile, protection: u32, allocation: u32) -> Option<i32> {
    create::announce(filter, file);
    let callback = filter.before(ACQUIRE_FOR_SECTION_SYNCHRONIZATION)?;
    let parameters = FLT_IO_PARAMETER_BLOCK {
        IrpFlags: 0,
        MajorFunction: ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
        MinorFunction: 0,
        OperationFlags: 0,
        Reserved: 0,
        TargetFileObject: file.object(),
        TargetInstance: filter.instance(),
        Parameters: FLT_PARAMETERS {
            AcquireForSectionSynchronization: FLT_PARAMETERS_21 {
                SyncType: SyncTypeCreateSection,
                PageProtection: protection,
                OutputInformation: null_mut(),
                Flags: 0,
                AllocationAttributes: allocation,
            },
        },
    };
    let mut data = FLT_CALLBACK_DATA {
        Flags: FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION,
        Thread: KeGetCurrentThread(),
        Iopb: &raw const parameters,
        // KernelMode.
        RequestorMode: 0,
        ..FLT_CALLBACK_DATA::default()
    };
    let related = filter.related(file.object());
    let mut context = null_mut();
    // SAFETY: the driver's callback, with all that the operation comes with; all of it lives through the call.
    let answer = unsafe { callback(&raw mut data, &raw const related, &raw mut context) };
    if answer != FLT_PREOP_COMPLETE {
        return None;
    }
    // SAFETY: a filter that completes an operation sets the status.
    let status = unsafe { data.IoStatus.Anonymous.Status };
    if status >= 0 {
        print(&format!(
            "a filter completes a section's creation with {status:#010x}, which is no failure"
        ));
        return None;
    }
    Some(status)
}

//! Extra create parameters: those of an open that is going on.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use windows_sys::Wdk::Foundation::ECP_LIST;
use windows_sys::Wdk::Storage::FileSystem::GUID_ECP_PREFETCH_OPEN;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CALLBACK_DATA;
use windows_sys::Win32::Foundation::STATUS_NOT_FOUND;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;
use windows_sys::core::GUID;

use crate::print;

/// The one parameter there can be; its address is its handle, and that of the list which holds nothing else.
static PREFETCH: [u64; 1] = [0];
/// Opens that are going on: the address of their data, and whether they have the parameter.
static OPENINGS: Mutex<Vec<(usize, bool)>> = Mutex::new(Vec::new());

/// An open that is going on until this is dropped.
pub struct Opening(usize);

impl Opening {
    /// Begins one, of the prefetcher's or somebody else's.
    pub fn begin(data: *const FLT_CALLBACK_DATA, is_prefetch: bool) -> Self {
        lock().push((data.addr(), is_prefetch));
        Self(data.addr())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        lock().retain(|(data, _)| *data != self.0);
    }
}

fn lock() -> MutexGuard<'static, Vec<(usize, bool)>> {
    OPENINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prefetch() -> *mut c_void {
    PREFETCH.as_ptr().cast_mut().cast()
}

/// The list of an open; null where it has none.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltGetEcpListFromCallbackData(
    _filter: isize,
    data: *const FLT_CALLBACK_DATA,
    list: *mut *mut ECP_LIST,
) -> i32 {
    let opening = lock().iter().find(|(known, _)| *known == data.addr()).copied();
    let found = match opening {
        Some((_, true)) => prefetch(),
        Some((_, false)) => null_mut(),
        None => {
            print("FltGetEcpListFromCallbackData is called outside of an open");
            null_mut()
        }
    };
    // SAFETY: writable, by the function's contract.
    unsafe { *list = found.cast() };
    STATUS_SUCCESS
}

/// Finds a parameter in a list.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltFindExtraCreateParameter(
    _filter: isize,
    list: *const ECP_LIST,
    kind: *const GUID,
    parameter: *mut *mut c_void,
    size: *mut u32,
) -> i32 {
    // SAFETY: valid, by the function's contract.
    let kind = unsafe { *kind };
    let wanted = GUID_ECP_PREFETCH_OPEN;
    let is_prefetch = (kind.data1, kind.data2, kind.data3, kind.data4)
        == (wanted.data1, wanted.data2, wanted.data3, wanted.data4);
    if !is_prefetch || list.addr() != prefetch().addr() {
        return STATUS_NOT_FOUND;
    }
    // SAFETY: null or writable, by the function's contract.
    if let Some(parameter) = unsafe { parameter.as_mut() } {
        *parameter = prefetch();
    }
    // SAFETY: as above.
    if let Some(size) = unsafe { size.as_mut() } {
        *size = 8;
    }
    STATUS_SUCCESS
}

/// Whether user mode has set a parameter: the kernel's prefetcher has set this one.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltIsEcpFromUserMode(_filter: isize, _parameter: *const c_void) -> bool {
    false
}

//! Contexts that filters hang on open files: allocated, counted, and gone with the file or the filter.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use windows_sys::Wdk::Foundation::FILE_OBJECT;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_SET_CONTEXT_KEEP_IF_EXISTS;
use windows_sys::Win32::Foundation::STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND;
use windows_sys::Win32::Foundation::STATUS_FLT_CONTEXT_ALREADY_DEFINED;
use windows_sys::Win32::Foundation::STATUS_INVALID_PARAMETER;
use windows_sys::Win32::Foundation::STATUS_NOT_FOUND;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;

use crate::filter::registered_contexts;
use crate::print;

/// FLT_STREAMHANDLE_CONTEXT.
const STREAM_HANDLE: u16 = 0x10;

/// Contexts that are in use.
static CONTEXTS: Mutex<Vec<Context>> = Mutex::new(Vec::new());

struct Context {
    memory: Box<[u64]>,
    references: usize,
    /// The instance and the file object that it hangs on.
    place: Option<(isize, usize)>,
}

impl Context {
    fn address(&self) -> usize {
        self.memory.as_ptr().addr()
    }
}

fn lock() -> MutexGuard<'static, Vec<Context>> {
    CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes back what hangs on a file that is closed.
pub fn close(file: *const FILE_OBJECT) {
    let mut contexts = lock();
    for context in contexts.iter_mut() {
        if context.place.is_some_and(|(_, object)| object == file.addr()) {
            context.place = None;
            context.references = context.references.saturating_sub(1);
        }
    }
    contexts.retain(|context| context.references != 0);
}

/// Allocates a context of a kind and size that the filter has registered.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltAllocateContext(
    filter: isize,
    kind: u16,
    size: usize,
    _pool: i32,
    context: *mut *mut c_void,
) -> i32 {
    if kind != STREAM_HANDLE {
        print("a context is allocated of a kind that the lab does not have");
        return STATUS_INVALID_PARAMETER;
    }
    if !registered_contexts(filter).contains(&(kind, size)) {
        return STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND;
    }
    let mut memory = vec![0_u64; size.div_ceil(size_of::<u64>()).max(1)].into_boxed_slice();
    // SAFETY: writable, by the function's contract.
    unsafe { *context = memory.as_mut_ptr().cast() };
    lock().push(Context {
        memory,
        references: 1,
        place: None,
    });
    STATUS_SUCCESS
}

/// Hangs a context on an open file.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltSetStreamHandleContext(
    instance: isize,
    file: *const FILE_OBJECT,
    operation: i32,
    context: *mut c_void,
    old: *mut *mut c_void,
) -> i32 {
    if operation != FLT_SET_CONTEXT_KEEP_IF_EXISTS || !old.is_null() {
        print("a context is set in a way that the lab does not have");
        return STATUS_INVALID_PARAMETER;
    }
    let place = Some((instance, file.addr()));
    let mut contexts = lock();
    if contexts.iter().any(|known| known.place == place) {
        return STATUS_FLT_CONTEXT_ALREADY_DEFINED;
    }
    let Some(known) = contexts
        .iter_mut()
        .find(|known| known.address() == context.addr())
    else {
        return STATUS_INVALID_PARAMETER;
    };
    known.place = place;
    known.references += 1;
    STATUS_SUCCESS
}

/// The context that hangs on an open file.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltGetStreamHandleContext(
    instance: isize,
    file: *const FILE_OBJECT,
    context: *mut *mut c_void,
) -> i32 {
    let mut contexts = lock();
    let place = Some((instance, file.addr()));
    let Some(known) = contexts.iter_mut().find(|known| known.place == place) else {
        // SAFETY: writable, by the function's contract.
        unsafe { *context = null_mut() };
        return STATUS_NOT_FOUND;
    };
    known.references += 1;
    // SAFETY: as above.
    unsafe { *context = known.memory.as_mut_ptr().cast() };
    STATUS_SUCCESS
}

/// Gives a reference back.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltReleaseContext(context: *mut c_void) {
    let mut contexts = lock();
    match contexts
        .iter_mut()
        .find(|known| known.address() == context.addr())
    {
        Some(known) => known.references -= 1,
        None => print("FltReleaseContext is called for what is no context"),
    }
    contexts.retain(|context| context.references != 0);
}

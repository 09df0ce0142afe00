//! Event tracing for a driver whose kernel has none: stand-ins for the routines, which keep what a listener would have got.
//!
//! MmGetSystemRoutineAddress finds them where the plan says who listens ([`crate::plan::Plan::listener`]). They are led through
//! wrappers like everything that it finds, so they are counted, and can be made to fail.

use std::ffi::c_void;

use windows_sys::Win32::Foundation::STATUS_INVALID_HANDLE;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;

use crate::call;

/// The handle that a registration gives.
const HANDLE: u64 = 0x6761_7465_0000_0001;
/// Where keywords stand in an event's descriptor.
const KEYWORDS: std::ops::Range<usize> = 8..16;

type Guid = [u8; 16];
type Descriptor = [u8; 16];

/// `EVENT_DATA_DESCRIPTOR`.
#[repr(C)]
struct Data {
    address: u64,
    size: u32,
    reserved: u32,
}

/// An event that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// Its activity.
    pub activity: Option<Guid>,
    /// The activity that it is related to.
    pub related: Option<Guid>,
    /// Its fields, one after the other.
    pub payload: Vec<u8>,
}

/// What became of a run's tracing.
#[derive(Default)]
pub struct Tracing {
    /// The provider that is registered.
    pub registered: Option<Guid>,
    /// Providers that were registered, in order.
    pub providers: Vec<Guid>,
    /// How often it was asked whether anybody listens.
    pub asked: u64,
    /// Calls with a handle that is not a registration's.
    pub strays: u64,
    /// What was written.
    pub written: Vec<Written>,
}

/// The stand-in for a routine of this name, in a run that has them.
pub fn stand_in(name: &str) -> Option<*const c_void> {
    let found: *const c_void = match name {
        "EtwRegister" => register as *const c_void,
        "EtwUnregister" => unregister as *const c_void,
        "EtwEventEnabled" => enabled as *const c_void,
        "EtwWriteTransfer" => write as *const c_void,
        _ => return None,
    };
    let run = call::run();
    let (_, run) = run.as_ref()?;
    run.plan.listener.map(|_| found)
}

/// Uses the tracing of the run that goes on, through a registration that is valid; else `otherwise`, and the call is a stray.
fn with<R>(handle: u64, otherwise: R, use_it: impl FnOnce(&mut Tracing, u64) -> R) -> R {
    let mut run = call::run();
    let Some((_, run)) = run.as_mut() else {
        return otherwise;
    };
    let listener = run.plan.listener.unwrap_or(0);
    let tracing = &mut run.tracing;
    if handle != HANDLE || tracing.registered.is_none() {
        tracing.strays += 1;
        return otherwise;
    }
    use_it(tracing, listener)
}

unsafe extern "system" fn register(
    provider: *const Guid,
    _callback: *const c_void,
    _context: *const c_void,
    handle: *mut u64,
) -> i32 {
    let mut run = call::run();
    let Some((_, run)) = run.as_mut() else {
        return STATUS_INVALID_HANDLE;
    };
    // SAFETY: by the routine's contract.
    let provider = unsafe { provider.read() };
    run.tracing.registered = Some(provider);
    run.tracing.providers.push(provider);
    // SAFETY: by the routine's contract.
    unsafe { handle.write(HANDLE) };
    STATUS_SUCCESS
}

unsafe extern "system" fn unregister(handle: u64) -> i32 {
    with(handle, STATUS_INVALID_HANDLE, |tracing, _| {
        tracing.registered = None;
        STATUS_SUCCESS
    })
}

unsafe extern "system" fn enabled(handle: u64, descriptor: *const Descriptor) -> u8 {
    // SAFETY: by the routine's contract.
    let descriptor = unsafe { descriptor.read() };
    with(handle, 0, |tracing, listener| {
        tracing.asked += 1;
        let mut keywords = [0; 8];
        for (to, from) in keywords
            .iter_mut()
            .zip(descriptor.get(KEYWORDS).unwrap_or_default())
        {
            *to = *from;
        }
        u8::from(u64::from_le_bytes(keywords) & listener != 0)
    })
}

unsafe extern "system" fn write(
    handle: u64,
    descriptor: *const Descriptor,
    activity: *const Guid,
    related: *const Guid,
    count: u32,
    data: *const Data,
) -> i32 {
    // SAFETY: by the routine's contract.
    let descriptor = unsafe { descriptor.read() };
    // SAFETY: null or valid, by the routine's contract.
    let activity = unsafe { activity.as_ref() }.copied();
    // SAFETY: as above.
    let related = unsafe { related.as_ref() }.copied();
    let mut payload = Vec::new();
    for index in 0..count as usize {
        // SAFETY: there are as many as are counted, by the routine's contract.
        let part = unsafe { data.add(index) };
        // SAFETY: as above.
        let part = unsafe { &*part };
        let address = usize::try_from(part.address).unwrap_or(0);
        let bytes = std::ptr::with_exposed_provenance(address);
        // SAFETY: valid memory of that size, by the routine's contract.
        payload.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes, part.size as usize) });
    }
    with(handle, STATUS_INVALID_HANDLE, |tracing, _| {
        tracing.written.push(Written {
            descriptor,
            activity,
            related,
            payload,
        });
        STATUS_SUCCESS
    })
}

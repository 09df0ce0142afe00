//! Event Tracing for Windows: the driver as a provider.
//!
//! The routines are found at run time: where one is missing, the driver goes on without tracing.

use crate::kernel::check;
use crate::kernel::lock::FastMutex;
use crate::kernel::routine::find;
use crate::kernel::string::ascii;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::mem::transmute;
use core::ptr::null;
use core::ptr::null_mut;
use gate::host::Lock;
use protocol::etw::MAX_PAYLOAD;
use protocol::etw::PROVIDER;
use protocol::etw::activity;
use protocol::etw::encode;
use protocol::etw::events;
use protocol::event::split;

/// Sixteen bytes with the alignment of a `GUID` and of an `EVENT_DESCRIPTOR`.
#[repr(C, align(8))]
struct Aligned([u8; 16]);

/// `EVENT_DATA_DESCRIPTOR`.
#[repr(C)]
struct Data {
    address: u64,
    size: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<Data>() == 16);

type Register =
    unsafe extern "C" fn(*const Aligned, *const c_void, *mut c_void, *mut u64) -> wdk_sys::NTSTATUS;
type Unregister = unsafe extern "C" fn(u64) -> wdk_sys::NTSTATUS;
type Enabled = unsafe extern "C" fn(u64, *const Aligned) -> u8;
type Write = unsafe extern "C" fn(
    u64,
    *const Aligned,
    *const Aligned,
    *const Aligned,
    u32,
    *const Data,
) -> wdk_sys::NTSTATUS;

/// The registered provider; dropping it takes the registration back.
pub struct Provider {
    handle: u64,
    unregister: Unregister,
    enabled: Enabled,
    write: Write,
    /// Where an event is put together. Pool memory here is never paged out.
    payload: FastMutex<Vec<u8>>,
}

impl Provider {
    /// Registers the provider; `None` where this kernel has no event tracing, or no memory for it.
    ///
    /// IRQL: PASSIVE_LEVEL, in a system thread (as DriverEntry is).
    pub fn register() -> Option<Self> {
        const REGISTER: [u16; 11] = ascii("EtwRegister");
        const UNREGISTER: [u16; 13] = ascii("EtwUnregister");
        const ENABLED: [u16; 15] = ascii("EtwEventEnabled");
        const WRITE: [u16; 16] = ascii("EtwWriteTransfer");
        let register = find(&REGISTER)?;
        let unregister = find(&UNREGISTER)?;
        let enabled = find(&ENABLED)?;
        let write = find(&WRITE)?;
        let mut payload = Vec::new();
        payload.try_reserve_exact(MAX_PAYLOAD).ok()?;
        payload.resize(MAX_PAYLOAD, 0);
        let payload = FastMutex::try_new(payload).ok()?;
        // SAFETY: the routine of this name takes a provider, an optional callback with its context, and where the handle goes.
        let register = unsafe { transmute::<*mut c_void, Register>(register.as_ptr()) };
        // SAFETY: the routine of this name takes the handle.
        let unregister = unsafe { transmute::<*mut c_void, Unregister>(unregister.as_ptr()) };
        // SAFETY: the routine of this name takes the handle and an event's descriptor, and gives a BOOLEAN back.
        let enabled = unsafe { transmute::<*mut c_void, Enabled>(enabled.as_ptr()) };
        // SAFETY: the routine of this name takes the handle, an event's descriptor, two optional activities, and data descriptors.
        let write = unsafe { transmute::<*mut c_void, Write>(write.as_ptr()) };
        let mut handle = 0;
        // SAFETY: the provider and the handle are valid through the call; no callback is wanted.
        let status = unsafe { register(&Aligned(PROVIDER), null(), null_mut(), &raw mut handle) };
        check(status).ok()?;
        Some(Self {
            handle,
            unregister,
            enabled,
            write,
            payload,
        })
    }

    /// Writes the events that tell of a record, if anybody listens; false when not all could be written. What cannot be written is lost
    /// to the listeners only: the record is in the ring.
    ///
    /// IRQL: PASSIVE_LEVEL.
    pub fn trace(&self, record: &[u8]) -> bool {
        let Some((record, _)) = split(record) else {
            return false;
        };
        let activity = Aligned(activity(&record));
        let mut is_told = true;
        for (event, number) in events(&record) {
            let descriptor = Aligned(event.descriptor());
            // SAFETY: the handle is registered, the descriptor valid through the call.
            if unsafe { (self.enabled)(self.handle, &raw const descriptor) } == 0 {
                continue;
            }
            is_told &= self.payload.with(|payload| {
                let Some(used) = encode(event, &record, number, payload) else {
                    return false;
                };
                let data = Data {
                    address: payload.as_ptr().expose_provenance().try_into().unwrap_or(0),
                    size: used.try_into().unwrap_or(0),
                    reserved: 0,
                };
                // SAFETY: the handle is registered; descriptor, activity and data are valid through the call, and the data is
                // nonpaged memory of at least that size.
                let status = unsafe {
                    (self.write)(
                        self.handle,
                        &raw const descriptor,
                        &raw const activity,
                        null(),
                        1,
                        &raw const data,
                    )
                };
                check(status).is_ok()
            });
        }
        is_told
    }
}

impl Drop for Provider {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: the handle is registered and not used again.
        let _ = unsafe { (self.unregister)(self.handle) };
    }
}

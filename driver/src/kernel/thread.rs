//! A system thread of the driver's own, joined when dropped.

use crate::kernel::check;
use crate::kernel::size;
use core::ffi::c_void;
use core::ptr::null_mut;
use gate::host::NtStatus;
use wdk_sys::HANDLE;
use wdk_sys::OBJ_KERNEL_HANDLE;
use wdk_sys::OBJECT_ATTRIBUTES;
use wdk_sys::THREAD_ALL_ACCESS;
use wdk_sys::ntddk::PsCreateSystemThread;
use wdk_sys::ntddk::ZwClose;
use wdk_sys::ntddk::ZwWaitForSingleObject;

/// A running thread.
pub struct Thread {
    handle: HANDLE,
}

// SAFETY: a kernel handle may be used from any thread.
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

impl Thread {
    /// Starts `routine`, without a context, at PASSIVE_LEVEL in the system process.
    ///
    /// IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What PsCreateSystemThread says.
    pub fn start(routine: unsafe extern "C" fn(*mut c_void)) -> Result<Self, NtStatus> {
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: size::<OBJECT_ATTRIBUTES>(),
            Attributes: OBJ_KERNEL_HANDLE,
            ..OBJECT_ATTRIBUTES::default()
        };
        let mut handle: HANDLE = null_mut();
        // SAFETY: the attributes name nothing and live through the call; the routine is the driver's, which joins the thread
        // before it unloads.
        check(unsafe {
            PsCreateSystemThread(
                &raw mut handle,
                THREAD_ALL_ACCESS,
                &raw mut attributes,
                null_mut(),
                null_mut(),
                Some(routine),
                null_mut(),
            )
        })?;
        Ok(Self { handle })
    }
}

impl Drop for Thread {
    /// Waits until the thread has ended. IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: the handle is a kernel handle of a thread, open until the next line. Without time-out and not alertable, the
        // wait ends with the thread.
        let _ = unsafe { ZwWaitForSingleObject(self.handle, 0, null_mut()) };
        // SAFETY: opened in `start`, closed once.
        let _ = unsafe { ZwClose(self.handle) };
    }
}

//! The control device, its link, and the requests that reach it.

use crate::kernel::check;
use crate::kernel::security::secure;
use crate::kernel::string::UnicodeString;
use crate::kernel::string::ascii;
use core::ptr::null_mut;
use core::slice;
use gate::host::NtStatus;
use wdk_sys::_FILE_OBJECT;
use wdk_sys::DEVICE_OBJECT;
use wdk_sys::DO_DEVICE_INITIALIZING;
use wdk_sys::DRIVER_OBJECT;
use wdk_sys::FILE_DEVICE_SECURE_OPEN;
use wdk_sys::IO_STACK_LOCATION;
use wdk_sys::IRP;
use wdk_sys::NTSTATUS;
use wdk_sys::ntddk::IoCreateDevice;
use wdk_sys::ntddk::IoCreateSymbolicLink;
use wdk_sys::ntddk::IoDeleteDevice;
use wdk_sys::ntddk::IoDeleteSymbolicLink;
use wdk_sys::ntddk::IofCompleteRequest;

const NAME: [u16; protocol::DEVICE_NAME.len()] = ascii(protocol::DEVICE_NAME);
const LINK: [u16; protocol::LINK_NAME.len()] = ascii(protocol::LINK_NAME);

/// `SL_PENDING_RETURNED`.
const SL_PENDING_RETURNED: u8 = 1;

/// The transfer method in the lowest two bits of a control code, for buffers that the I/O manager copies.
const METHOD_BUFFERED: u32 = 0;

/// The control device and its symbolic link; both go when it is dropped.
pub struct ControlDevice {
    device: *mut DEVICE_OBJECT,
    linked: bool,
}

// SAFETY: the device object may be deleted by any thread.
unsafe impl Send for ControlDevice {}
// SAFETY: as above; nothing else is done with it through a shared reference.
unsafe impl Sync for ControlDevice {}

impl ControlDevice {
    /// Creates the device, readable and writable by SYSTEM and Administrators only, without a link yet.
    ///
    /// IRQL: PASSIVE_LEVEL.
    ///
    /// # Safety
    /// `driver` is the driver's own object, as DriverEntry got it.
    pub unsafe fn create(driver: *mut DRIVER_OBJECT) -> Result<Self, NtStatus> {
        // SAFETY: by the caller.
        let device = unsafe { create_and_secure(driver) }?;
        Ok(Self {
            device,
            linked: false,
        })
    }

    /// Makes the device reachable from user mode. IRQL: PASSIVE_LEVEL.
    pub fn publish(&mut self) -> Result<(), NtStatus> {
        let link = UnicodeString::new(&LINK).ok_or(NtStatus::NAME_TOO_LONG)?;
        let name = UnicodeString::new(&NAME).ok_or(NtStatus::NAME_TOO_LONG)?;
        // SAFETY: both strings are valid through the call.
        check(unsafe { IoCreateSymbolicLink(link.as_ptr(), name.as_ptr()) })?;
        self.linked = true;
        // SAFETY: the device was created in `create` and is ours.
        unsafe { (*self.device).Flags &= !DO_DEVICE_INITIALIZING };
        Ok(())
    }
}

impl ControlDevice {
    /// Makes the device unreachable for new opens from user mode. IRQL: PASSIVE_LEVEL.
    pub fn withdraw(&mut self) {
        if core::mem::take(&mut self.linked)
            && let Some(link) = UnicodeString::new(&LINK)
        {
            // SAFETY: the string is valid through the call.
            let _ = unsafe { IoDeleteSymbolicLink(link.as_ptr()) };
        }
    }
}

impl Drop for ControlDevice {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        self.withdraw();
        // SAFETY: created in `create`, deleted once.
        unsafe { IoDeleteDevice(self.device) };
    }
}

/// Creates the device and gives it its security descriptor before it has a link.
///
/// # Safety
/// `driver` is the driver's own object.
unsafe fn create_and_secure(driver: *mut DRIVER_OBJECT) -> Result<*mut DEVICE_OBJECT, NtStatus> {
    let name = UnicodeString::new(&NAME).ok_or(NtStatus::NAME_TOO_LONG)?;
    let mut device = null_mut();
    // SAFETY: the driver object is ours and every pointer is valid through the call.
    check(unsafe {
        IoCreateDevice(
            driver,
            0,
            name.as_ptr(),
            protocol::ioctl::DEVICE_TYPE,
            FILE_DEVICE_SECURE_OPEN,
            0,
            &raw mut device,
        )
    })?;
    // SAFETY: just created. It still has DO_DEVICE_INITIALIZING set, so nobody can have opened it.
    if let Err(status) = unsafe { secure(device) } {
        // SAFETY: created above, deleted once.
        unsafe { IoDeleteDevice(device) };
        return Err(status);
    }
    Ok(device)
}

/// A request that has not been completed yet; completing it consumes it.
pub struct Request {
    irp: *mut IRP,
}

// SAFETY: an IRP that is ours may be completed by any thread.
unsafe impl Send for Request {}

impl Request {
    /// Takes charge of an IRP.
    ///
    /// # Safety
    /// `irp` is what the I/O manager passed to the dispatch routine that is running, which returns what
    /// [`Request::complete`] gives, or `STATUS_PENDING` after [`Request::mark_pending`].
    pub unsafe fn new(irp: *mut IRP) -> Self {
        Self { irp }
    }

    fn location(&self) -> &IO_STACK_LOCATION {
        // SAFETY: the IRP is ours until completed.
        let irp = unsafe { &*self.irp };
        // SAFETY: the I/O manager fills in this member of the union for drivers.
        let overlay = unsafe { &irp.Tail.Overlay };
        // SAFETY: for a driver the union holds the current stack location.
        let current = unsafe { overlay.__bindgen_anon_2.__bindgen_anon_1.CurrentStackLocation };
        // SAFETY: valid as long as the IRP is ours.
        unsafe { &*current }
    }

    /// The IRP.
    pub const fn irp(&self) -> *mut IRP {
        self.irp
    }

    /// The open of the device that the request came through. IRQL: any.
    pub fn file_object(&self) -> *mut _FILE_OBJECT {
        self.location().FileObject
    }

    /// Marks the request as one that is completed later (`IoMarkIrpPending`). IRQL: at most DISPATCH_LEVEL.
    pub fn mark_pending(&mut self) {
        let location = core::ptr::from_ref(self.location()).cast_mut();
        // SAFETY: the stack location is ours until the request is completed, and nobody else has a reference to it.
        unsafe { (*location).Control |= SL_PENDING_RETURNED };
    }

    /// Whether an open names something below the device. IRQL: PASSIVE_LEVEL.
    pub fn names_something_below(&self) -> bool {
        let file = self.location().FileObject;
        // SAFETY: in a create request the file object is valid.
        !file.is_null() && unsafe { (*file).FileName.Length } != 0
    }

    /// Control code, the buffer shared by input and output, and the lengths of both. IRQL: PASSIVE_LEVEL.
    ///
    /// # Safety
    /// The request is an IRP_MJ_DEVICE_CONTROL.
    pub unsafe fn control(&mut self) -> (u32, &mut [u8], usize, usize) {
        // SAFETY: the member of a device control request, by the caller.
        let control = unsafe { self.location().Parameters.DeviceIoControl };
        let input = control.InputBufferLength as usize;
        let output = control.OutputBufferLength as usize;
        // SAFETY: the IRP is ours until completed.
        let irp = unsafe { &*self.irp };
        // SAFETY: the member of a METHOD_BUFFERED request; for any other method only the lengths are looked at, see below.
        let system = unsafe { irp.AssociatedIrp.SystemBuffer }.cast::<u8>();
        let buffered = control.IoControlCode % 4 == METHOD_BUFFERED;
        let buffer = if system.is_null() || !buffered {
            &mut []
        } else {
            // SAFETY: the I/O manager's system buffer has room for the larger of both, and is ours until completed.
            unsafe { slice::from_raw_parts_mut(system, input.max(output)) }
        };
        (control.IoControlCode, buffer, input, output)
    }

    /// Completes the request. IRQL: at most DISPATCH_LEVEL.
    pub fn complete(self, status: NtStatus, information: usize) -> NTSTATUS {
        // SAFETY: the IRP is ours until the call below.
        let io = unsafe { &mut (*self.irp).IoStatus };
        io.__bindgen_anon_1.Status = status.0;
        io.Information = information as u64;
        // SAFETY: completed once: `self` is consumed.
        unsafe { IofCompleteRequest(self.irp, 0) };
        status.0
    }
}

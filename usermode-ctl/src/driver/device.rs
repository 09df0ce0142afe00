//! The control device as a transport.
#![expect(unsafe_code, reason = "the Windows file API is foreign code")]

use std::ptr::null;
use std::ptr::null_mut;
use std::time::Duration;

use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::Foundation::ERROR_IO_PENDING;
use windows_sys::Win32::Foundation::GENERIC_READ;
use windows_sys::Win32::Foundation::GENERIC_WRITE;
use windows_sys::Win32::Foundation::GetLastError;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Foundation::WAIT_TIMEOUT;
use windows_sys::Win32::Storage::FileSystem::CreateFileW;
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;
use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_READ;
use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_WRITE;
use windows_sys::Win32::Storage::FileSystem::OPEN_EXISTING;
use windows_sys::Win32::System::IO::CancelIoEx;
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::IO::GetOverlappedResult;
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Threading::CreateEventW;
use windows_sys::Win32::System::Threading::INFINITE;
use windows_sys::Win32::System::Threading::WaitForSingleObject;

use crate::driver::Access;
use crate::driver::SystemError;
use crate::driver::Transport;
use crate::error::Error;

impl SystemError {
    /// `ERROR_FILE_NOT_FOUND`: opening the device, there is none.
    pub const FILE_NOT_FOUND: Self = Self(2);
    /// `ERROR_PATH_NOT_FOUND`.
    pub const PATH_NOT_FOUND: Self = Self(3);
}

/// A handle that is closed when it is no longer needed.
struct Handle(HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used again. A failure leaves nothing to be done.
        unsafe { CloseHandle(self.0) };
    }
}

/// An open control device. Opened for overlapped requests, so that one that waits can be taken back.
pub struct Device {
    handle: Handle,
}

impl Device {
    /// Opens the device.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when there is none, [`Error::AccessDenied`] when its security descriptor says so.
    pub fn open(access: Access) -> Result<Self, Error> {
        let name: Vec<u16> = protocol::WIN32_NAME.encode_utf16().chain([0]).collect();
        let rights = match access {
            Access::Read => GENERIC_READ,
            Access::Write => GENERIC_READ | GENERIC_WRITE,
        };
        // SAFETY: `name` ends in a zero and lives across the call; the other pointers may be null.
        let handle = unsafe {
            CreateFileW(
                name.as_ptr(),
                rights,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                null(),
                OPEN_EXISTING,
                FILE_FLAG_OVERLAPPED,
                null_mut(),
            )
        };
        if handle != INVALID_HANDLE_VALUE {
            return Ok(Self {
                handle: Handle(handle),
            });
        }
        Err(match last_error() {
            SystemError::FILE_NOT_FOUND
            | SystemError::PATH_NOT_FOUND
            | SystemError::DEVICE_GONE
            | SystemError::NO_SUCH_DEVICE => Error::NotRunning,
            SystemError::ACCESS_DENIED => Error::AccessDenied {
                what: format!("the device {} is for administrators", protocol::WIN32_NAME),
            },
            error => Error::Request {
                request: "open",
                problem: error.to_string(),
                code: error.0,
            },
        })
    }
}

impl Device {
    /// Sends a request, waits for it and, when that takes longer than `patience` (milliseconds), takes it back.
    fn send(
        &self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        patience: u32,
    ) -> Result<Option<usize>, SystemError> {
        // ERROR_INVALID_PARAMETER for what the API cannot even express.
        let input_length = u32::try_from(input.len()).map_err(|_| SystemError(87))?;
        let output_length = u32::try_from(output.len()).map_err(|_| SystemError(87))?;
        // SAFETY: no attributes and no name: both may be null.
        let event = unsafe { CreateEventW(null(), 1, 0, null()) };
        if event.is_null() {
            return Err(last_error());
        }
        let event = Handle(event);
        let mut overlapped = OVERLAPPED {
            hEvent: event.0,
            ..OVERLAPPED::default()
        };
        // SAFETY: the handle is open; both buffers are valid for the lengths given, and they and `overlapped` outlive the request:
        // this function returns only once it has ended.
        let done = unsafe {
            DeviceIoControl(
                self.handle.0,
                code,
                input.as_ptr().cast(),
                input_length,
                output.as_mut_ptr().cast(),
                output_length,
                null_mut(),
                &raw mut overlapped,
            )
        };
        if done == 0 && last_error() != SystemError(ERROR_IO_PENDING) {
            return Err(last_error());
        }
        let mut taken_back = false;
        // SAFETY: the event is open.
        if done == 0 && unsafe { WaitForSingleObject(event.0, patience) } == WAIT_TIMEOUT {
            taken_back = true;
            // SAFETY: the handle is open and `overlapped` is that of a request on it. That the request has ended meanwhile is no
            // failure; how it ended is asked next.
            unsafe { CancelIoEx(self.handle.0, &raw const overlapped) };
        }
        let mut returned = 0;
        // SAFETY: the handle is open, `overlapped` is that of a request on it, and `returned` is valid for writing.
        let ended =
            unsafe { GetOverlappedResult(self.handle.0, &raw const overlapped, &raw mut returned, 1) };
        match ended {
            0 if taken_back && last_error() == SystemError::OPERATION_ABORTED => Ok(None),
            0 => Err(last_error()),
            _ => Ok(Some(usize::try_from(returned).unwrap_or(usize::MAX))),
        }
    }
}

impl Transport for Device {
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError> {
        // Without a limit there is always an answer.
        Ok(self.send(code, input, output, INFINITE)?.unwrap_or_default())
    }

    fn wait(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        patience: Duration,
    ) -> Result<Option<usize>, SystemError> {
        let patience = u32::try_from(patience.as_millis()).unwrap_or(INFINITE);
        self.send(code, input, output, patience)
    }
}

fn last_error() -> SystemError {
    // SAFETY: reads a thread-local value.
    SystemError(unsafe { GetLastError() })
}

//! The control device as a transport.
#![expect(unsafe_code, reason = "the Windows file API is foreign code")]

use std::ptr::null;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::Foundation::GENERIC_READ;
use windows_sys::Win32::Foundation::GENERIC_WRITE;
use windows_sys::Win32::Foundation::GetLastError;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::CreateFileW;
use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_READ;
use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_WRITE;
use windows_sys::Win32::Storage::FileSystem::OPEN_EXISTING;
use windows_sys::Win32::System::IO::DeviceIoControl;

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

/// An open control device.
pub struct Device {
    handle: HANDLE,
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
                0,
                null_mut(),
            )
        };
        if handle != INVALID_HANDLE_VALUE {
            return Ok(Self { handle });
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

impl Transport for Device {
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError> {
        // ERROR_INVALID_PARAMETER for what the API cannot even express.
        let input_length = u32::try_from(input.len()).map_err(|_| SystemError(87))?;
        let output_length = u32::try_from(output.len()).map_err(|_| SystemError(87))?;
        let mut returned = 0;
        // SAFETY: the handle is open; both buffers are valid for the lengths given, and the call is synchronous because the
        // handle was opened without FILE_FLAG_OVERLAPPED.
        let done = unsafe {
            DeviceIoControl(
                self.handle,
                code,
                input.as_ptr().cast(),
                input_length,
                output.as_mut_ptr().cast(),
                output_length,
                &raw mut returned,
                null_mut(),
            )
        };
        if done == 0 {
            return Err(last_error());
        }
        Ok(usize::try_from(returned).unwrap_or(usize::MAX))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used again. A failure leaves nothing to be done.
        unsafe { CloseHandle(self.handle) };
    }
}

fn last_error() -> SystemError {
    // SAFETY: reads a thread-local value.
    SystemError(unsafe { GetLastError() })
}

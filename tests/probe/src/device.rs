//! A device opened with full access, and requests to it.
// UNSAFETY: calls into Windows.
#![expect(unsafe_code, reason = "calls into Windows")]

use crate::request::Buffer;
use crate::request::Request;
use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::Foundation::GENERIC_READ;
use windows_sys::Win32::Foundation::GENERIC_WRITE;
use windows_sys::Win32::Foundation::GetLastError;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::CreateFileW;
use windows_sys::Win32::Storage::FileSystem::OPEN_EXISTING;
use windows_sys::Win32::System::IO::DeviceIoControl;

/// An open device.
pub struct Device(HANDLE);

impl Device {
    /// Opens it by its Win32 name; the Win32 error when that fails.
    pub fn open(name: &str) -> Result<Self, u32> {
        let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: the name is terminated and lives through the call; the other pointers may be null.
        let handle = unsafe {
            CreateFileW(
                wide.as_ptr(),
                GENERIC_READ | GENERIC_WRITE,
                0,
                std::ptr::null(),
                OPEN_EXISTING,
                0,
                std::ptr::null_mut(),
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            Err(last_error())
        } else {
            Ok(Self(handle))
        }
    }

    /// Sends a request; the bytes it gave back, or the Win32 error.
    pub fn control(&self, request: &Request) -> Result<Vec<u8>, u32> {
        let (input, input_length) = match &request.input {
            Buffer::Bytes(bytes) => (bytes.as_ptr(), length(bytes)),
            Buffer::Null(length) => (std::ptr::null(), *length),
        };
        let mut memory = match &request.output {
            Buffer::Bytes(bytes) => bytes.clone(),
            Buffer::Null(_) => Vec::new(),
        };
        let (output, output_length) = match &request.output {
            Buffer::Bytes(_) => (memory.as_mut_ptr(), length(&memory)),
            Buffer::Null(length) => (std::ptr::null_mut(), *length),
        };
        let mut returned = 0;
        // SAFETY: both buffers are as long as said, or null: the system checks user pointers and fails the call.
        let done = unsafe {
            DeviceIoControl(
                self.0,
                request.code,
                input.cast(),
                input_length,
                output.cast(),
                output_length,
                &raw mut returned,
                std::ptr::null_mut(),
            )
        };
        if done == 0 {
            return Err(last_error());
        }
        memory.truncate(usize::try_from(returned).unwrap_or(0));
        Ok(memory)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, closed once.
        unsafe { CloseHandle(self.0) };
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn last_error() -> u32 {
    // SAFETY: no conditions.
    unsafe { GetLastError() }
}

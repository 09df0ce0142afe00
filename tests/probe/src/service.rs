//! Kernel services, started and stopped.
// UNSAFETY: calls into Windows.
#![expect(unsafe_code, reason = "calls into Windows")]

use std::ptr::null;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use windows_sys::Win32::Foundation::ERROR_SERVICE_REQUEST_TIMEOUT;
use windows_sys::Win32::Foundation::GetLastError;
use windows_sys::Win32::System::Services::CloseServiceHandle;
use windows_sys::Win32::System::Services::ControlService;
use windows_sys::Win32::System::Services::OpenSCManagerW;
use windows_sys::Win32::System::Services::OpenServiceW;
use windows_sys::Win32::System::Services::QueryServiceStatus;
use windows_sys::Win32::System::Services::SC_HANDLE;
use windows_sys::Win32::System::Services::SC_MANAGER_CONNECT;
use windows_sys::Win32::System::Services::SERVICE_CONTROL_STOP;
use windows_sys::Win32::System::Services::SERVICE_QUERY_STATUS;
use windows_sys::Win32::System::Services::SERVICE_RUNNING;
use windows_sys::Win32::System::Services::SERVICE_START;
use windows_sys::Win32::System::Services::SERVICE_STATUS;
use windows_sys::Win32::System::Services::SERVICE_STOP;
use windows_sys::Win32::System::Services::SERVICE_STOPPED;
use windows_sys::Win32::System::Services::StartServiceW;

/// Longest wait for a service to start or stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open service, and the manager by which it was opened.
pub struct Service {
    manager: SC_HANDLE,
    service: SC_HANDLE,
}

impl Service {
    /// Opens it by its name; the Win32 error when that fails.
    pub fn open(name: &str) -> Result<Self, u32> {
        let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: names may be null.
        let manager = unsafe { OpenSCManagerW(null(), null(), SC_MANAGER_CONNECT) };
        let mut opened = Self {
            manager: some(manager)?,
            service: std::ptr::null_mut(),
        };
        let rights = SERVICE_START | SERVICE_STOP | SERVICE_QUERY_STATUS;
        // SAFETY: the manager is open, the name terminated.
        opened.service = some(unsafe { OpenServiceW(manager, wide.as_ptr(), rights) })?;
        Ok(opened)
    }

    /// Starts it; no bytes, or the Win32 error with which its entry point refused.
    pub fn start(&self) -> Result<Vec<u8>, u32> {
        // SAFETY: the service is open; there are no arguments.
        done(unsafe { StartServiceW(self.service, 0, null()) })?;
        self.wait_for(SERVICE_RUNNING).map(|()| Vec::new())
    }

    /// Stops it; no bytes, or the Win32 error.
    pub fn stop(&self) -> Result<Vec<u8>, u32> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open, the status writable.
        done(unsafe { ControlService(self.service, SERVICE_CONTROL_STOP, &raw mut status) })?;
        self.wait_for(SERVICE_STOPPED).map(|()| Vec::new())
    }

    fn wait_for(&self, state: u32) -> Result<(), u32> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut status = SERVICE_STATUS::default();
            // SAFETY: the service is open, the status writable.
            done(unsafe { QueryServiceStatus(self.service, &raw mut status) })?;
            if status.dwCurrentState == state {
                return Ok(());
            }
            sleep(Duration::from_millis(1));
        }
        Err(ERROR_SERVICE_REQUEST_TIMEOUT)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for handle in [self.service, self.manager] {
            if !handle.is_null() {
                // SAFETY: opened in `open`, closed once.
                unsafe { CloseServiceHandle(handle) };
            }
        }
    }
}

fn some(handle: SC_HANDLE) -> Result<SC_HANDLE, u32> {
    if handle.is_null() {
        Err(last_error())
    } else {
        Ok(handle)
    }
}

fn done(outcome: i32) -> Result<(), u32> {
    if outcome == 0 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> u32 {
    // SAFETY: no conditions.
    unsafe { GetLastError() }
}

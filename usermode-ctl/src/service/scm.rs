//! The service control manager, as far as a driver needs it.
#![expect(unsafe_code, reason = "the Windows service API is foreign code")]

use std::ffi::OsString;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::ffi::OsStringExt;
use std::path::Path;
use std::path::PathBuf;
use std::ptr::null;
use std::ptr::null_mut;

use protocol::install::SERVICE_TYPE;
use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::Foundation::GetLastError;
use windows_sys::Win32::Storage::FileSystem::DELETE;
use windows_sys::Win32::System::Services::ChangeServiceConfig2W;
use windows_sys::Win32::System::Services::ChangeServiceConfigW;
use windows_sys::Win32::System::Services::CloseServiceHandle;
use windows_sys::Win32::System::Services::ControlService;
use windows_sys::Win32::System::Services::CreateServiceW;
use windows_sys::Win32::System::Services::DeleteService;
use windows_sys::Win32::System::Services::OpenSCManagerW;
use windows_sys::Win32::System::Services::OpenServiceW;
use windows_sys::Win32::System::Services::QUERY_SERVICE_CONFIGW;
use windows_sys::Win32::System::Services::QueryServiceConfigW;
use windows_sys::Win32::System::Services::QueryServiceStatus;
use windows_sys::Win32::System::Services::SC_HANDLE;
use windows_sys::Win32::System::Services::SC_MANAGER_CONNECT;
use windows_sys::Win32::System::Services::SC_MANAGER_CREATE_SERVICE;
use windows_sys::Win32::System::Services::SERVICE_CHANGE_CONFIG;
use windows_sys::Win32::System::Services::SERVICE_CONFIG_DESCRIPTION;
use windows_sys::Win32::System::Services::SERVICE_CONTROL_STOP;
use windows_sys::Win32::System::Services::SERVICE_DEMAND_START;
use windows_sys::Win32::System::Services::SERVICE_DESCRIPTIONW;
use windows_sys::Win32::System::Services::SERVICE_ERROR_NORMAL;
use windows_sys::Win32::System::Services::SERVICE_QUERY_CONFIG;
use windows_sys::Win32::System::Services::SERVICE_QUERY_STATUS;
use windows_sys::Win32::System::Services::SERVICE_RUNNING;
use windows_sys::Win32::System::Services::SERVICE_START;
use windows_sys::Win32::System::Services::SERVICE_STATUS;
use windows_sys::Win32::System::Services::SERVICE_STOP;
use windows_sys::Win32::System::Services::SERVICE_STOPPED;
use windows_sys::Win32::System::Services::StartServiceW;
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;
use zerocopy::IntoBytes;

use crate::driver::SystemError;

impl SystemError {
    /// `ERROR_INVALID_IMAGE_HASH`: Windows does not accept the driver's signature.
    pub const INVALID_IMAGE_HASH: Self = Self(577);
    /// `ERROR_SERVICE_ALREADY_RUNNING`.
    pub const SERVICE_ALREADY_RUNNING: Self = Self(1056);
    /// `ERROR_SERVICE_DISABLED`.
    pub const SERVICE_DISABLED: Self = Self(1058);
    /// `ERROR_SERVICE_DOES_NOT_EXIST`.
    pub const SERVICE_DOES_NOT_EXIST: Self = Self(1060);
    /// `ERROR_SERVICE_NOT_ACTIVE`.
    pub const SERVICE_NOT_ACTIVE: Self = Self(1062);
    /// `ERROR_SERVICE_MARKED_FOR_DELETE`.
    pub const SERVICE_MARKED_FOR_DELETE: Self = Self(1072);
    /// `ERROR_DRIVER_BLOCKED`: a policy of Windows blocks the driver.
    pub const DRIVER_BLOCKED: Self = Self(1275);
}

/// What a handle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Asking.
    Ask,
    /// Starting, stopping and asking.
    Use,
    /// Also creating, configuring and deleting.
    Change,
}

/// What a driver is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is not loaded.
    Stopped,
    /// It is loaded and initialised.
    Running,
    /// On the way from one to the other.
    Between,
}

/// How a driver is registered: started on demand, its failure logged.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Key name of the service.
    pub name: &'a str,
    /// Name for people.
    pub display_name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// The driver's file.
    pub path: &'a Path,
    /// Load order group.
    pub group: &'a str,
    /// The service that must be running first.
    pub dependency: &'a str,
}

struct Handle(SC_HANDLE);

impl Handle {
    fn new(handle: SC_HANDLE) -> Result<Self, SystemError> {
        if handle.is_null() {
            Err(last_error())
        } else {
            Ok(Self(handle))
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used again. A failure leaves nothing to be done.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// The service control manager of this machine.
pub struct Manager(Handle);

impl Manager {
    /// Connects to it.
    pub fn open(rights: Rights) -> Result<Self, SystemError> {
        let access = match rights {
            Rights::Ask | Rights::Use => SC_MANAGER_CONNECT,
            Rights::Change => SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE,
        };
        // SAFETY: null names mean this machine and its active database.
        let handle = unsafe { OpenSCManagerW(null(), null(), access) };
        Handle::new(handle).map(Self)
    }

    /// A service by its key name.
    pub fn service(&self, name: &str, rights: Rights) -> Result<Service, SystemError> {
        let usual = SERVICE_START | SERVICE_STOP | SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG;
        let access = match rights {
            Rights::Ask => SERVICE_QUERY_STATUS,
            Rights::Use => usual,
            Rights::Change => usual | SERVICE_CHANGE_CONFIG | DELETE,
        };
        let name = wide(name);
        // SAFETY: the manager is open; the name ends in a zero and lives across the call.
        let handle = unsafe { OpenServiceW(self.0.0, name.as_ptr(), access) };
        Handle::new(handle).map(Service)
    }

    /// Registers a driver.
    pub fn create(&self, config: &Config<'_>) -> Result<(), SystemError> {
        let name = wide(config.name);
        let display_name = wide(config.display_name);
        let path = wide_path(config.path);
        let group = wide(config.group);
        let dependencies = list(config.dependency);
        // SAFETY: the manager is open; every string ends in a zero and lives across the call; the rest may be null.
        let handle = unsafe {
            CreateServiceW(
                self.0.0,
                name.as_ptr(),
                display_name.as_ptr(),
                SERVICE_CHANGE_CONFIG,
                SERVICE_TYPE,
                SERVICE_DEMAND_START,
                SERVICE_ERROR_NORMAL,
                path.as_ptr(),
                group.as_ptr(),
                null_mut(),
                dependencies.as_ptr(),
                null(),
                null(),
            )
        };
        Service(Handle::new(handle)?).describe(config.description)
    }
}

/// A registered driver.
pub struct Service(Handle);

impl Service {
    /// Registers it anew, whatever it was before.
    pub fn configure(&self, config: &Config<'_>) -> Result<(), SystemError> {
        let display_name = wide(config.display_name);
        let path = wide_path(config.path);
        let group = wide(config.group);
        let dependencies = list(config.dependency);
        // SAFETY: the service is open; every string ends in a zero and lives across the call; the rest may be null.
        let done = unsafe {
            ChangeServiceConfigW(
                self.0.0,
                SERVICE_TYPE,
                SERVICE_DEMAND_START,
                SERVICE_ERROR_NORMAL,
                path.as_ptr(),
                group.as_ptr(),
                null_mut(),
                dependencies.as_ptr(),
                null(),
                null(),
                display_name.as_ptr(),
            )
        };
        check(done)?;
        self.describe(config.description)
    }

    fn describe(&self, description: &str) -> Result<(), SystemError> {
        let mut text = wide(description);
        let description = SERVICE_DESCRIPTIONW {
            lpDescription: text.as_mut_ptr(),
        };
        // SAFETY: the service is open; the structure is the one for this level and its text ends in a zero.
        let done = unsafe {
            ChangeServiceConfig2W(
                self.0.0,
                SERVICE_CONFIG_DESCRIPTION,
                (&raw const description).cast(),
            )
        };
        check(done)
    }

    /// Starts it; returns when its entry routine has returned.
    pub fn start(&self) -> Result<(), SystemError> {
        // SAFETY: the service is open; a driver takes no arguments.
        check(unsafe { StartServiceW(self.0.0, 0, null()) })
    }

    /// Asks it to stop.
    pub fn stop(&self) -> Result<(), SystemError> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open and `status` is valid for writing.
        check(unsafe { ControlService(self.0.0, SERVICE_CONTROL_STOP, &raw mut status) })
    }

    /// What it is doing.
    pub fn state(&self) -> Result<State, SystemError> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open and `status` is valid for writing.
        check(unsafe { QueryServiceStatus(self.0.0, &raw mut status) })?;
        Ok(match status.dwCurrentState {
            SERVICE_STOPPED => State::Stopped,
            SERVICE_RUNNING => State::Running,
            _ => State::Between,
        })
    }

    /// The driver's file, as a Win32 path where it is registered under one.
    pub fn path(&self) -> Result<PathBuf, SystemError> {
        let mut needed = 0;
        // SAFETY: the service is open; a null buffer of no length asks for the length.
        let done = unsafe { QueryServiceConfigW(self.0.0, null_mut(), 0, &raw mut needed) };
        if done == 0 && last_error() != SystemError(ERROR_INSUFFICIENT_BUFFER) {
            return Err(last_error());
        }
        // Of pointer-sized items, so that the structure at its start is aligned.
        let items = usize::try_from(needed).unwrap_or(0).div_ceil(size_of::<usize>());
        let mut buffer =
            vec![0_usize; items.max(size_of::<QUERY_SERVICE_CONFIGW>().div_ceil(size_of::<usize>()))];
        let length = u32::try_from(buffer.len().saturating_mul(size_of::<usize>())).unwrap_or(needed);
        let config = buffer.as_mut_ptr().cast::<QUERY_SERVICE_CONFIGW>();
        // SAFETY: the service is open; the buffer is aligned for the structure and valid for `length` bytes.
        check(unsafe { QueryServiceConfigW(self.0.0, config, length, &raw mut needed) })?;
        // SAFETY: the call filled in the structure at the start of the buffer, which is larger than it.
        let start = unsafe { (*config).lpBinaryPathName };
        // The text lies further on in the same buffer.
        let offset = start.addr().saturating_sub(buffer.as_ptr().addr());
        let text = buffer.as_bytes().get(offset..).unwrap_or_default();
        let (pairs, _) = text.as_chunks::<2>();
        let units: Vec<u16> = pairs
            .iter()
            .map(|pair| u16::from_le_bytes(*pair))
            .take_while(|unit| *unit != 0)
            .collect();
        let path = OsString::from_wide(&units);
        let text = path.to_string_lossy();
        Ok(PathBuf::from(
            text.strip_prefix(r"\??\").map_or(path.clone(), OsString::from),
        ))
    }

    /// Removes the registration, once every handle to it is closed.
    pub fn delete(&self) -> Result<(), SystemError> {
        // SAFETY: the service is open.
        check(unsafe { DeleteService(self.0.0) })
    }
}

/// The system folder, `C:\Windows\System32` as a rule.
pub fn system_directory() -> Result<PathBuf, SystemError> {
    let mut units = [0; 260];
    // SAFETY: the buffer is valid for as many units as are given.
    let length = unsafe { GetSystemDirectoryW(units.as_mut_ptr(), 260) };
    match units.get(..usize::try_from(length).unwrap_or(usize::MAX)) {
        Some(units) if !units.is_empty() => Ok(OsString::from_wide(units).into()),
        _ => Err(last_error()),
    }
}

fn check(done: i32) -> Result<(), SystemError> {
    if done == 0 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> SystemError {
    // SAFETY: reads a thread-local value.
    SystemError(unsafe { GetLastError() })
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A list of one: the service API ends lists with a second zero.
fn list(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0, 0]).collect()
}

fn wide_path(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}

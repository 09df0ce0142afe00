//! Facts about this Windows.
#![expect(unsafe_code, reason = "the Windows API is foreign code")]

use std::ptr::null_mut;
use std::time::Duration;

use protocol::SERVICE_NAME;
use protocol::install::DEPENDENCY;
use protocol::install::INSTANCE_KEYS;
use protocol::message::Status;
use protocol::report::StoredFile;
use windows_sys::Wdk::System::SystemInformation::NtQuerySystemInformation;
use windows_sys::Win32::Foundation::ERROR_FILE_NOT_FOUND;
use windows_sys::Win32::System::Registry::HKEY_LOCAL_MACHINE;
use windows_sys::Win32::System::Registry::RRF_RT_ANY;
use windows_sys::Win32::System::Registry::RegGetValueW;
use zerocopy::IntoBytes;

use crate::doctor::DriverPolicy;
use crate::doctor::Evaluation;
use crate::doctor::Facts;
use crate::doctor::Instance;
use crate::doctor::Known;
use crate::doctor::SecureBoot;
use crate::doctor::Service;
use crate::driver::SystemError;
use crate::files;
use crate::service::scm::Manager;
use crate::service::scm::Rights;
use crate::service::scm::State;
use crate::service::scm::system_directory;

/// `SystemCodeIntegrityInformation`. Source: Microsoft, "NtQuerySystemInformation".
const CODE_INTEGRITY_INFORMATION: i32 = 103;

/// Where code integrity counts its evaluation of Windows' own driver policy.
const EVALUATION: &str = r"SYSTEM\CurrentControlSet\Control\CI\WhqlOnlyEvaluation";

/// The two policies of Windows' own driver policy: the one that audits and the one that refuses.
const AUDIT_POLICY: &str = "{784C4414-79F4-4C32-A6A5-F0FB42A51D0D}.cip";
const ENFORCED_POLICY: &str = "{8F9CB695-5D48-48D6-A329-7202B44607E3}.cip";

/// What this Windows says, beside what the driver says.
pub fn gather(driver: Known<Status>, policy_age: Known<Duration>) -> Facts {
    Facts {
        code_integrity: code_integrity(),
        secure_boot: secure_boot(),
        safe_mode: safe_mode(),
        filter_manager: state(DEPENDENCY).map(|state| state == Service::Running),
        service: state(SERVICE_NAME),
        instance: instance(),
        driver,
        policy_age: policy_age.or_else(|_| kept_age()),
        evaluation: evaluation(),
        driver_policy: driver_policy(),
        blocklist_off: blocklist_off(),
    }
}

/// How long ago the driver kept the set that is in force.
fn kept_age() -> Known<Duration> {
    let system = system_directory().map_err(|error| format!("the system folder is not known: {error}"))?;
    let file = system.join("Gatehouse").join(StoredFile::Active.name());
    let unknown = |error: String| format!("{} does not tell: {error}", files::name(&file));
    let written = file
        .metadata()
        .and_then(|data| data.modified())
        .map_err(|error| unknown(error.to_string()))?;
    written.elapsed().map_err(|error| unknown(error.to_string()))
}

fn code_integrity() -> Known<u32> {
    let mut information = [8_u32, 0];
    let mut returned = 0;
    // SAFETY: the buffer is valid for the length given and starts with its length, as this class asks for.
    let status = unsafe {
        NtQuerySystemInformation(
            CODE_INTEGRITY_INFORMATION,
            information.as_mut_ptr().cast(),
            8,
            &raw mut returned,
        )
    };
    match information {
        [_, options] if status >= 0 => Ok(options),
        _ => Err(format!("Windows does not tell (status {status:#010x})")),
    }
}

fn secure_boot() -> Known<SecureBoot> {
    let value = number(
        r"SYSTEM\CurrentControlSet\Control\SecureBoot\State",
        "UEFISecureBootEnabled",
    )?;
    Ok(match value {
        None => SecureBoot::Missing,
        Some(0) => SecureBoot::Off,
        Some(_) => SecureBoot::On,
    })
}

/// The key is there only while Windows runs in safe mode.
fn safe_mode() -> Known<bool> {
    let value = number(r"SYSTEM\CurrentControlSet\Control\SafeBoot\Option", "OptionValue")?;
    Ok(value.is_some_and(|value| value != 0))
}

fn state(name: &str) -> Known<Service> {
    let unknown = |error: SystemError| format!("the service manager does not tell: {error}");
    let manager = Manager::open(Rights::Ask).map_err(unknown)?;
    match manager.service(name, Rights::Ask) {
        Err(SystemError::SERVICE_DOES_NOT_EXIST) => Ok(Service::Missing),
        Err(error) => Err(unknown(error)),
        Ok(service) => Ok(match service.state().map_err(unknown)? {
            State::Stopped => Service::Stopped,
            State::Running | State::Between => Service::Running,
        }),
    }
}

fn instance() -> Known<Instance> {
    for key in INSTANCE_KEYS {
        let key = format!(r"SYSTEM\CurrentControlSet\Services\{SERVICE_NAME}\{key}");
        if let Some(default) = text(&key, "DefaultInstance")?
            && let Some(altitude) = text(&format!(r"{key}\{default}"), "Altitude")?
        {
            return Ok(Instance::At(altitude));
        }
    }
    Ok(Instance::Missing)
}

fn evaluation() -> Known<Option<Evaluation>> {
    let count = |name| -> Known<Option<u32>> {
        Ok(number(EVALUATION, name)?.and_then(|value| u32::try_from(value).ok()))
    };
    // In 100 ns.
    let uptime = number(EVALUATION, "SystemUptime")?.map(|ticks| Duration::from_micros(ticks / 10));
    let found = Evaluation {
        uptime,
        boots: count("NumBootSessions")?,
        audits: count("NumAudits")?,
        blocks: count("NumBlocks")?,
    };
    Ok(Some(found).filter(|found| *found != Evaluation::default()))
}

fn driver_policy() -> Known<DriverPolicy> {
    let system = system_directory().map_err(|error| format!("the system folder is not known: {error}"))?;
    let folder = system.join(r"CodeIntegrity\CiPolicies\Active");
    let there = |name| {
        let path = folder.join(name);
        path.try_exists()
            .map_err(|error| format!("cannot look for {}: {error}", files::name(&path)))
    };
    Ok(DriverPolicy {
        audit: there(AUDIT_POLICY)?,
        enforced: there(ENFORCED_POLICY)?,
    })
}

fn blocklist_off() -> Known<bool> {
    let value = number(
        r"SYSTEM\CurrentControlSet\Control\CI\Config",
        "VulnerableDriverBlocklistEnable",
    )?;
    Ok(value == Some(0))
}

/// A number below HKEY_LOCAL_MACHINE; `None` when there is none.
fn number(key: &str, name: &str) -> Known<Option<u64>> {
    let bytes = value(key, name)?;
    Ok(bytes.and_then(|bytes| {
        let mut wide = [0; 8];
        wide.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        Some(u64::from_le_bytes(wide))
    }))
}

/// A text below HKEY_LOCAL_MACHINE; `None` when there is none.
fn text(key: &str, name: &str) -> Known<Option<String>> {
    let bytes = value(key, name)?;
    Ok(bytes.map(|bytes| {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs
            .iter()
            .map(|pair| u16::from_le_bytes(*pair))
            .take_while(|unit| *unit != 0)
            .collect();
        String::from_utf16_lossy(&units)
    }))
}

/// The bytes of a value of at most 512 bytes.
fn value(key: &str, name: &str) -> Known<Option<Vec<u8>>> {
    let wide = |text: &str| -> Vec<u16> { text.encode_utf16().chain([0]).collect() };
    let (key_name, value_name) = (wide(key), wide(name));
    let mut buffer = [0_u16; 256];
    let mut length = 512;
    // SAFETY: both names end in a zero and live across the call; the buffer is valid for the length given.
    let status = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key_name.as_ptr(),
            value_name.as_ptr(),
            RRF_RT_ANY,
            null_mut(),
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if status == ERROR_FILE_NOT_FOUND {
        return Ok(None);
    }
    let bytes = buffer.as_bytes().get(..usize::try_from(length).unwrap_or(0));
    match (status, bytes) {
        (0, Some(bytes)) => Ok(Some(bytes.to_vec())),
        _ => Err(format!(
            r"HKLM\{key}\{name} cannot be read: {}",
            SystemError(status)
        )),
    }
}

//! At which altitude a filter attaches.

use std::ptr::null_mut;

use windows_sys::Win32::System::Registry::HKEY_LOCAL_MACHINE;
use windows_sys::Win32::System::Registry::RRF_RT_REG_SZ;
use windows_sys::Win32::System::Registry::RegGetValueW;

/// The altitude of a service's default instance. Since Windows 11 24H2 instances stand below `Parameters`; before, below the service.
pub fn altitude(service: &str) -> Option<String> {
    [r"\Parameters", ""].iter().find_map(|below| {
        let instances = format!(r"SYSTEM\CurrentControlSet\Services\{service}{below}\Instances");
        let default = registry_text(&instances, "DefaultInstance")?;
        registry_text(&format!(r"{instances}\{default}"), "Altitude")
    })
}

fn registry_text(key: &str, value: &str) -> Option<String> {
    let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let (key, value) = (wide(key), wide(value));
    let mut units = [0_u16; 128];
    let mut bytes = u32::try_from(size_of_val(&units)).ok()?;
    // SAFETY: both names are terminated, and the buffer is as large as said.
    let error = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ,
            null_mut(),
            units.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    let length = units.iter().position(|&unit| unit == 0)?;
    (error == 0).then(|| String::from_utf16_lossy(units.get(..length).unwrap_or_default()))
}

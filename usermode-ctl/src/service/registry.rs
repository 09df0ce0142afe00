//! Values below the key of the service.
#![expect(unsafe_code, reason = "the Windows registry API is foreign code")]

use protocol::SERVICE_NAME;
use protocol::install::Data;
use protocol::install::Value;
use windows_sys::Win32::System::Registry::HKEY_LOCAL_MACHINE;
use windows_sys::Win32::System::Registry::REG_DWORD;
use windows_sys::Win32::System::Registry::REG_SZ;
use windows_sys::Win32::System::Registry::RegSetKeyValueW;

use crate::driver::SystemError;

/// Writes a value, and the key that it is in where that is missing. Removing the service removes it.
pub fn write(value: &Value) -> Result<(), SystemError> {
    let wide = |text: &str| -> Vec<u16> { text.encode_utf16().chain([0]).collect() };
    let key = format!(r"SYSTEM\CurrentControlSet\Services\{SERVICE_NAME}\{}", value.key);
    let key = wide(key.trim_end_matches('\\'));
    let name = wide(value.name);
    let (kind, data): (u32, Vec<u8>) = match value.data {
        Data::Text(text) => (
            REG_SZ,
            wide(text).iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        ),
        Data::Number(number) => (REG_DWORD, number.to_le_bytes().to_vec()),
    };
    // ERROR_INVALID_PARAMETER for what the API cannot even express.
    let length = u32::try_from(data.len()).map_err(|_| SystemError(87))?;
    // SAFETY: both names end in a zero and, like the data, live across the call.
    let status = unsafe {
        RegSetKeyValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            kind,
            data.as_ptr().cast(),
            length,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(SystemError(status))
    }
}

//! The one registry value the driver reads.

use crate::kernel::check;
use crate::kernel::size;
use crate::kernel::string::UnicodeString;
use crate::kernel::string::ascii;
use core::ptr::null_mut;
use gate::Path;
use gate::host::NtStatus;
use wdk_sys::_KEY_VALUE_INFORMATION_CLASS::KeyValuePartialInformation;
use wdk_sys::HANDLE;
use wdk_sys::OBJ_CASE_INSENSITIVE;
use wdk_sys::OBJ_KERNEL_HANDLE;
use wdk_sys::OBJECT_ATTRIBUTES;
use wdk_sys::ntddk::ZwClose;
use wdk_sys::ntddk::ZwOpenKey;
use wdk_sys::ntddk::ZwQueryValueKey;

const KEY_QUERY_VALUE: u32 = 1;
const REG_SZ: u32 = 1;

/// Longest answer in UTF-16 units; `SystemRoot` is `C:\Windows` on most machines.
const ROOM: usize = 128;

/// `KEY_VALUE_PARTIAL_INFORMATION` with room for a text.
#[repr(C)]
struct Answer {
    title_index: u32,
    kind: u32,
    length: u32,
    text: [u16; ROOM],
}

/// The Windows folder as a Win32 path, e.g. `C:\Windows`.
///
/// IRQL: PASSIVE_LEVEL.
pub fn system_root() -> Result<Path, NtStatus> {
    const KEY: [u16; 62] = ascii(r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion");
    const VALUE: [u16; 10] = ascii("SystemRoot");
    let key = UnicodeString::new(&KEY).ok_or(NtStatus::NAME_TOO_LONG)?;
    let value = UnicodeString::new(&VALUE).ok_or(NtStatus::NAME_TOO_LONG)?;
    let mut attributes = OBJECT_ATTRIBUTES {
        Length: size::<OBJECT_ATTRIBUTES>(),
        ObjectName: key.as_ptr(),
        Attributes: OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
        ..OBJECT_ATTRIBUTES::default()
    };
    let mut handle: HANDLE = null_mut();
    // SAFETY: the attributes and the name live through the call.
    check(unsafe { ZwOpenKey(&raw mut handle, KEY_QUERY_VALUE, &raw mut attributes) })?;
    let mut answer = Answer {
        title_index: 0,
        kind: 0,
        length: 0,
        text: [0; ROOM],
    };
    let mut needed = 0;
    // SAFETY: the handle is open; the answer is as large as said and of the class's layout.
    let status = unsafe {
        ZwQueryValueKey(
            handle,
            value.as_ptr(),
            KeyValuePartialInformation,
            (&raw mut answer).cast(),
            size::<Answer>(),
            &raw mut needed,
        )
    };
    // SAFETY: opened above, closed once.
    let _ = unsafe { ZwClose(handle) };
    check(status)?;
    if answer.kind != REG_SZ {
        return Err(NtStatus::OBJECT_NAME_INVALID);
    }
    let units = usize::try_from(answer.length / 2).unwrap_or(0);
    let text = answer.text.iter().take(units).take_while(|unit| **unit != 0);
    Ok(Path::new(text.copied()))
}

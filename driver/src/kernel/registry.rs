//! Registry keys, read-only.

use crate::kernel::check;
use crate::kernel::size;
use crate::kernel::string::UnicodeString;
use core::mem::offset_of;
use core::ptr::null_mut;
use gate::Path;
use gate::host::NtStatus;
use wdk_sys::_KEY_INFORMATION_CLASS::KeyBasicInformation;
use wdk_sys::_KEY_VALUE_INFORMATION_CLASS::KeyValuePartialInformation;
use wdk_sys::HANDLE;
use wdk_sys::OBJ_CASE_INSENSITIVE;
use wdk_sys::OBJ_KERNEL_HANDLE;
use wdk_sys::OBJECT_ATTRIBUTES;
use wdk_sys::ntddk::ZwClose;
use wdk_sys::ntddk::ZwEnumerateKey;
use wdk_sys::ntddk::ZwOpenKey;
use wdk_sys::ntddk::ZwQueryValueKey;

const KEY_QUERY_VALUE: u32 = 1;
const KEY_ENUMERATE_SUB_KEYS: u32 = 8;
const REG_SZ: u32 = 1;
const REG_EXPAND_SZ: u32 = 2;
const REG_DWORD: u32 = 4;

/// Longest text in UTF-16 units: as long as a path may be.
const ROOM: usize = 384;

/// Longest name of a key in UTF-16 units, as the registry has it.
const NAME: usize = 256;

/// `KEY_VALUE_PARTIAL_INFORMATION` with room for a text.
#[repr(C)]
struct Value {
    title_index: u32,
    kind: u32,
    length: u32,
    data: [u16; ROOM],
}

/// `KEY_BASIC_INFORMATION` with room for a name.
#[repr(C)]
struct Basic {
    written: i64,
    title_index: u32,
    length: u32,
    name: [u16; NAME],
}

const _: () = assert!(offset_of!(Value, data) == 12);
const _: () = assert!(offset_of!(Basic, name) == 16);

/// An open key.
pub struct Key {
    handle: HANDLE,
}

impl Key {
    /// Opens a key by its full path. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(path: &[u16]) -> Result<Self, NtStatus> {
        Self::open_in(null_mut(), path)
    }

    /// Opens a key below this one. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn below(&self, name: &[u16]) -> Result<Self, NtStatus> {
        Self::open_in(self.handle, name)
    }

    fn open_in(root: HANDLE, path: &[u16]) -> Result<Self, NtStatus> {
        let name = UnicodeString::new(path).ok_or(NtStatus::NAME_TOO_LONG)?;
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: size::<OBJECT_ATTRIBUTES>(),
            RootDirectory: root,
            ObjectName: name.as_ptr(),
            Attributes: OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
            ..OBJECT_ATTRIBUTES::default()
        };
        let mut handle: HANDLE = null_mut();
        // SAFETY: the attributes and the name live through the call; the root is null or open.
        check(unsafe {
            ZwOpenKey(
                &raw mut handle,
                KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS,
                &raw mut attributes,
            )
        })?;
        Ok(Self { handle })
    }

    fn value(&self, name: &[u16]) -> Result<Value, NtStatus> {
        let name = UnicodeString::new(name).ok_or(NtStatus::NAME_TOO_LONG)?;
        let mut value = Value {
            title_index: 0,
            kind: 0,
            length: 0,
            data: [0; ROOM],
        };
        let mut needed = 0;
        // SAFETY: the handle is open; the answer is as large as said and of the class's layout.
        check(unsafe {
            ZwQueryValueKey(
                self.handle,
                name.as_ptr(),
                KeyValuePartialInformation,
                (&raw mut value).cast(),
                size::<Value>(),
                &raw mut needed,
            )
        })?;
        Ok(value)
    }

    /// A text value, up to its end or a zero. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the kernel says; `STATUS_OBJECT_NAME_INVALID` for a value of another type.
    pub fn text(&self, name: &[u16]) -> Result<Path, NtStatus> {
        let value = self.value(name)?;
        if !matches!(value.kind, REG_SZ | REG_EXPAND_SZ) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let units = usize::try_from(value.length / 2).unwrap_or(0);
        let text = value.data.iter().take(units).take_while(|unit| **unit != 0);
        Ok(Path::new(text.copied()))
    }

    /// A `REG_DWORD` value. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the kernel says; `STATUS_OBJECT_NAME_INVALID` for a value of another type.
    pub fn number(&self, name: &[u16]) -> Result<u32, NtStatus> {
        let value = self.value(name)?;
        match (value.kind, value.length, value.data) {
            (REG_DWORD, 4, [low, high, ..]) => Ok(u32::from(low) | u32::from(high) << 16),
            _ => Err(NtStatus::OBJECT_NAME_INVALID),
        }
    }

    /// The name of the key below this one with this index. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the kernel says: `STATUS_NO_MORE_ENTRIES` after the last one.
    pub fn name_below(&self, index: u32) -> Result<Path, NtStatus> {
        let mut answer = Basic {
            written: 0,
            title_index: 0,
            length: 0,
            name: [0; NAME],
        };
        let mut needed = 0;
        // SAFETY: the handle is open; the answer is as large as said and of the class's layout.
        check(unsafe {
            ZwEnumerateKey(
                self.handle,
                index,
                KeyBasicInformation,
                (&raw mut answer).cast(),
                size::<Basic>(),
                &raw mut needed,
            )
        })?;
        let units = usize::try_from(answer.length / 2).unwrap_or(0);
        Ok(Path::new(answer.name.iter().take(units).copied()))
    }
}

impl Drop for Key {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: opened in `open_in`, closed once.
        let _ = unsafe { ZwClose(self.handle) };
    }
}

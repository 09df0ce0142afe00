//! The driver as it is mapped: its imports, its entry point, its functions.

use std::ffi::CStr;
use std::ffi::c_void;

use windows_sys::Win32::System::Diagnostics::Debug::IMAGE_DATA_DIRECTORY;
use windows_sys::Win32::System::Diagnostics::Debug::IMAGE_DIRECTORY_ENTRY_EXCEPTION;
use windows_sys::Win32::System::Diagnostics::Debug::IMAGE_DIRECTORY_ENTRY_IMPORT;
use windows_sys::Win32::System::Diagnostics::Debug::IMAGE_NT_HEADERS64;
use windows_sys::Win32::System::Diagnostics::Debug::IMAGE_RUNTIME_FUNCTION_ENTRY;
use windows_sys::Win32::System::Memory::PAGE_READWRITE;
use windows_sys::Win32::System::Memory::VirtualProtect;
use windows_sys::Win32::System::SystemServices::IMAGE_DOS_HEADER;
use windows_sys::Win32::System::SystemServices::IMAGE_IMPORT_DESCRIPTOR;

/// A mapped image; what is read of it is only as valid as the mapping.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    base: usize,
    size: usize,
}

/// One import.
pub struct Import {
    /// Its name.
    pub name: String,
    /// Where its address stands.
    pub slot: *mut usize,
}

impl Image {
    /// The image at an address.
    ///
    /// # Safety
    /// A PE32+ image is mapped there, and stays as long as this is used.
    pub unsafe fn at(base: *const c_void) -> Self {
        let mut image = Self {
            base: base.expose_provenance(),
            size: 0,
        };
        // SAFETY: by the caller.
        image.size = unsafe { (*image.headers()).OptionalHeader.SizeOfImage } as usize;
        image
    }

    fn place<T>(&self, rva: usize) -> *mut T {
        std::ptr::with_exposed_provenance_mut(self.base + rva)
    }

    fn headers(&self) -> *mut IMAGE_NT_HEADERS64 {
        // SAFETY: a mapped image begins with the header.
        let offset = unsafe { (*self.place::<IMAGE_DOS_HEADER>(0)).e_lfanew };
        self.place(usize::try_from(offset).unwrap_or(0))
    }

    fn directory(&self, index: u16) -> IMAGE_DATA_DIRECTORY {
        // SAFETY: a mapped image has its headers.
        let directories = unsafe { (*self.headers()).OptionalHeader.DataDirectory };
        directories.get(usize::from(index)).copied().unwrap_or_default()
    }

    /// Where it is mapped.
    pub fn base(&self) -> u64 {
        self.base as u64
    }

    /// Where its memory ends.
    pub fn end(&self) -> usize {
        self.base + self.size
    }

    /// An address relative to the base; `None` for one outside.
    pub fn rva(&self, address: u64) -> Option<u64> {
        let rva = address.checked_sub(self.base as u64)?;
        (rva < self.size as u64).then_some(rva)
    }

    /// The imports by name.
    pub fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        let mut next = self.directory(IMAGE_DIRECTORY_ENTRY_IMPORT).VirtualAddress as usize;
        while next != 0 {
            // SAFETY: the list lies in the image and ends with an empty entry.
            let descriptor = unsafe { *self.place::<IMAGE_IMPORT_DESCRIPTOR>(next) };
            if descriptor.Name == 0 {
                break;
            }
            // SAFETY: the member that every linker of today fills in.
            let mut names = unsafe { descriptor.Anonymous.OriginalFirstThunk } as usize;
            let mut slot: *mut usize = self.place(descriptor.FirstThunk as usize);
            // SAFETY: the list lies in the image and ends with zero.
            while let by_name @ 1.. = unsafe { *self.place::<usize>(names) } {
                // The highest bit would say that the rest is an ordinal; two bytes of hint precede a name.
                if by_name >> 63 == 0 {
                    // SAFETY: a terminated name in the image.
                    let name = unsafe { CStr::from_ptr(self.place(by_name + 2)) };
                    found.push(Import {
                        name: name.to_string_lossy().into_owned(),
                        slot,
                    });
                }
                names += size_of::<usize>();
                slot = slot.wrapping_add(1);
            }
            next += size_of::<IMAGE_IMPORT_DESCRIPTOR>();
        }
        found
    }

    /// The entry point's address.
    pub fn entry_point(&self) -> usize {
        // SAFETY: a mapped image has its headers.
        self.base + unsafe { (*self.headers()).OptionalHeader.AddressOfEntryPoint } as usize
    }

    /// Has the kernel enter the image somewhere else: at an address above its base, less than 4 GiB away.
    pub fn set_entry_point(&self, address: usize) -> bool {
        let Some(rva) = address
            .checked_sub(self.base)
            .and_then(|rva| u32::try_from(rva).ok())
        else {
            return false;
        };
        // SAFETY: a mapped image has its headers.
        let field = unsafe { &raw mut (*self.headers()).OptionalHeader.AddressOfEntryPoint };
        // SAFETY: a field of the image's headers.
        unsafe { write(field, rva) }
    }

    /// The unwinding entry of the function around an address relative to the base.
    pub fn function(&self, rva: u64) -> Option<*const IMAGE_RUNTIME_FUNCTION_ENTRY> {
        let directory = self.directory(IMAGE_DIRECTORY_ENTRY_EXCEPTION);
        let count = directory.Size as usize / size_of::<IMAGE_RUNTIME_FUNCTION_ENTRY>();
        let table = self.place::<IMAGE_RUNTIME_FUNCTION_ENTRY>(directory.VirtualAddress as usize);
        // SAFETY: the table lies in the image.
        let table = unsafe { std::slice::from_raw_parts(table, count) };
        let rva = u32::try_from(rva).ok()?;
        // A call may be a function's last instruction: the address before the one it returns to is in the function for sure.
        let inside = rva.checked_sub(1)?;
        let after = table.partition_point(|entry| entry.BeginAddress <= inside);
        let entry = table.get(after.checked_sub(1)?)?;
        (inside < entry.EndAddress).then_some(std::ptr::from_ref(entry))
    }
}

/// Writes to a mapped image, whatever its pages' protection.
///
/// # Safety
/// `place` lies in a mapped image and is aligned.
pub unsafe fn write<T>(place: *mut T, value: T) -> bool {
    let mut protection = 0;
    let size = size_of::<T>();
    // SAFETY: mapped, by the caller.
    if unsafe { VirtualProtect(place.cast(), size, PAGE_READWRITE, &raw mut protection) } == 0 {
        return false;
    }
    // SAFETY: writable since the call above.
    unsafe { place.write(value) };
    // SAFETY: gives the page back what it had.
    unsafe { VirtualProtect(place.cast(), size, protection, &raw mut protection) };
    true
}

//! Writing to code: leading a function somewhere else, and taking that back.

use core::ffi::c_void;

use windows_sys::Win32::System::Memory::MEM_COMMIT;
use windows_sys::Win32::System::Memory::MEM_RELEASE;
use windows_sys::Win32::System::Memory::MEM_RESERVE;
use windows_sys::Win32::System::Memory::PAGE_EXECUTE_READWRITE;
use windows_sys::Win32::System::Memory::VirtualAlloc;
use windows_sys::Win32::System::Memory::VirtualFree;
use windows_sys::Win32::System::Memory::VirtualProtect;

/// `mov rax, ADDRESS; jmp rax`: the register is free at a function's entry, by the calling convention.
const JUMP: usize = 12;
/// The size of one of Wine's system call stubs. It refers to nothing by distance, so a copy works anywhere.
const SYSTEM_CALL: usize = 32;

/// A function that was led somewhere else.
pub struct Patch {
    target: *mut u8,
    original: [u8; JUMP],
}

// SAFETY: the pointer is to a module's code, which any thread may write once it is made writable.
unsafe impl Send for Patch {}

impl Patch {
    /// Leads calls of `target` to `replacement`. A thread that is executing the first instructions of `target` meanwhile would be
    /// led astray; what is patched here is either called while nothing else runs, or leaves its first bytes at once.
    ///
    /// # Safety
    /// `target` is a function of at least twelve bytes, and `replacement` one with the same interface.
    pub unsafe fn apply(target: *mut u8, replacement: *const c_void) -> Option<Self> {
        let mut jump = [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0];
        if let Some(address) = jump.get_mut(2..10) {
            address.copy_from_slice(&replacement.addr().to_le_bytes());
        }
        // SAFETY: the function is at least this long, by the caller.
        let original = unsafe { target.cast::<[u8; JUMP]>().read_unaligned() };
        // SAFETY: as above.
        let written = unsafe { write(target, jump) };
        written.then_some(Self { target, original })
    }

    /// Takes the patch back.
    pub fn revert(self) {
        // SAFETY: the same bytes were written in `apply`, and the module they are of is never unloaded before this one.
        unsafe { write(self.target, self.original) };
    }
}

/// # Safety
/// `target` is a function of at least as many bytes.
unsafe fn write(target: *mut u8, bytes: [u8; JUMP]) -> bool {
    let mut protection = 0;
    let place = target.cast::<c_void>();
    // SAFETY: the pages are those of a mapped module, by the caller.
    if unsafe { VirtualProtect(place, JUMP, PAGE_EXECUTE_READWRITE, &raw mut protection) } == 0 {
        return false;
    }
    // SAFETY: writable since the call above.
    unsafe { target.cast::<[u8; JUMP]>().write_unaligned(bytes) };
    // SAFETY: gives the pages back what they had.
    unsafe { VirtualProtect(place, JUMP, protection, &raw mut protection) };
    true
}

/// A copy of a system call stub that can be called when the stub itself leads somewhere else.
pub struct Trampoline {
    code: *mut c_void,
}

// SAFETY: executable memory of its own, written once.
unsafe impl Send for Trampoline {}

impl Trampoline {
    /// Copies the stub.
    ///
    /// # Safety
    /// `stub` is a system call stub in Wine's ntdll.
    pub unsafe fn of(stub: *const u8) -> Option<Self> {
        // SAFETY: a stub is this long, by the caller.
        let bytes = unsafe { stub.cast::<[u8; SYSTEM_CALL]>().read_unaligned() };
        // `mov r10, rcx; mov eax, NUMBER` at its start and `ret` at its end, or it is no stub.
        if !bytes.starts_with(&[0x4c, 0x8b, 0xd1, 0xb8]) || !bytes.ends_with(&[0xc3]) {
            return None;
        }
        let kind = MEM_COMMIT | MEM_RESERVE;
        // SAFETY: asks for new memory.
        let code = unsafe { VirtualAlloc(core::ptr::null(), SYSTEM_CALL, kind, PAGE_EXECUTE_READWRITE) };
        if code.is_null() {
            return None;
        }
        // SAFETY: new, writable, and large enough.
        unsafe { code.cast::<[u8; SYSTEM_CALL]>().write_unaligned(bytes) };
        Some(Self { code })
    }

    /// Where the copy lies.
    pub fn code(&self) -> *const c_void {
        self.code
    }

    /// Frees the copy; nothing may be executing it.
    pub fn free(self) {
        // SAFETY: allocated in `of`, freed once.
        unsafe { VirtualFree(self.code, 0, MEM_RELEASE) };
    }
}

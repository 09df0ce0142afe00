//! The wrappers: what stands between the driver and each function that it calls.

use std::arch::naked_asm;
use std::ffi::CStr;
use std::ffi::c_char;
use std::ffi::c_void;
use std::ptr::null;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Win32::Foundation::UNICODE_STRING;
use windows_sys::Win32::System::Memory::MEM_COMMIT;
use windows_sys::Win32::System::Memory::MEM_RESERVE;
use windows_sys::Win32::System::Memory::PAGE_EXECUTE_READWRITE;
use windows_sys::Win32::System::Memory::VirtualAlloc;

use crate::catalogue;
use crate::catalogue::Failure;
use crate::catalogue::Function;
use crate::catalogue::Known;
use crate::effects::Effect;
use crate::effects::Place;
use crate::image::Image;
use crate::run::Run;
use crate::run::Use;
use crate::stack::Saved;
use crate::stack::Trace;
use crate::tracing;

#[cfg_attr(
    windows,
    link(name = "ntdll.dll", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    /// Prints to the kernel debugger, in the form of `printf`.
    pub fn DbgPrint(format: *const c_char, ...) -> i32;
}

/// Parameters that are handed on: more than any function here has.
const PARAMETERS: usize = 16;
/// Bytes of code for one wrapper, and for all.
const THUNK: usize = 32;
const ARENA: usize = 0x4000;

type Any = unsafe extern "system" fn(
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
    u64,
) -> u64;

/// The run that goes on, and the image that it is about.
static RUN: Mutex<Option<(Image, Run)>> = Mutex::new(None);
static WRAPPERS: Mutex<Wrappers> = Mutex::new(Wrappers {
    arena: 0,
    list: Vec::new(),
});

struct Wrappers {
    arena: usize,
    list: Vec<Wrapper>,
}

#[derive(Clone, Copy)]
struct Wrapper {
    function: Function,
    target: usize,
}

/// The run that goes on.
pub fn run() -> MutexGuard<'static, Option<(Image, Run)>> {
    RUN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address to call instead of `target`, which is called `name`: a wrapper's, or `target` itself where nothing is to be done.
/// `Err` for a name that the catalogue does not know.
pub fn wrapped(name: &str, target: usize) -> Result<usize, ()> {
    let function = match catalogue::find(name) {
        Some(Known::Function(function)) => function,
        Some(Known::LeftAlone) => return Ok(target),
        None => return Err(()),
    };
    let mut wrappers = WRAPPERS.lock().unwrap_or_else(PoisonError::into_inner);
    if wrappers.arena == 0 {
        // SAFETY: asks for new memory.
        let arena = unsafe { VirtualAlloc(null(), ARENA, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE) };
        wrappers.arena = arena.expose_provenance();
    }
    let known = wrappers
        .list
        .iter()
        .position(|wrapper| wrapper.function.name == function.name && wrapper.target == target);
    let index = known.unwrap_or(wrappers.list.len());
    let thunk = wrappers.arena + index * THUNK;
    if known.is_none() {
        if wrappers.arena == 0 || (index + 1) * THUNK > ARENA {
            crate::print("no memory for wrappers");
            return Ok(target);
        }
        // mov eax, INDEX; mov r11, ENTER; jmp r11
        let mut code = [0_u8; 18];
        let parts = [
            &[0xb8][..],
            &u32::try_from(index).unwrap_or(0).to_le_bytes(),
            &[0x49, 0xbb],
            &(enter as *const c_void).addr().to_le_bytes(),
            &[0x41, 0xff, 0xe3],
        ];
        for (to, from) in code.iter_mut().zip(parts.concat()) {
            *to = from;
        }
        // SAFETY: in the arena, as checked above, which is writable.
        unsafe { std::ptr::with_exposed_provenance_mut::<[u8; 18]>(thunk).write(code) };
        wrappers.list.push(Wrapper { function, target });
    }
    Ok(thunk)
}

/// Where every wrapper leads, with its number in eax: keeps the parameters in their home space and the other registers on the
/// stack, as [`Saved`] has them, and goes on in Rust. It has no unwinding data, so nothing may be thrown through it.
#[unsafe(naked)]
unsafe extern "win64" fn enter() {
    naked_asm!(
        "mov [rsp + 8], rcx",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], r8",
        "mov [rsp + 32], r9",
        "push r15",
        "push r14",
        "push r13",
        "push r12",
        "push rdi",
        "push rsi",
        "push rbp",
        "push rbx",
        "mov ecx, eax",
        "mov rdx, rsp",
        "sub rsp, 40",
        "call {dispatch}",
        "add rsp, 40",
        "pop rbx",
        "pop rbp",
        "pop rsi",
        "pop rdi",
        "pop r12",
        "pop r13",
        "pop r14",
        "pop r15",
        "ret",
        dispatch = sym dispatch,
    )
}

/// One call of the driver's.
unsafe extern "win64" fn dispatch(index: u32, saved: *const Saved) -> u64 {
    let wrapper = {
        let wrappers = WRAPPERS.lock().unwrap_or_else(PoisonError::into_inner);
        wrappers.list.get(index as usize).copied()
    };
    let Some(wrapper) = wrapper else { return 0 };
    // SAFETY: the parameters follow the saved registers and the return address; stacks are deeper than what is read too much.
    let parameters = unsafe { saved.wrapping_add(1).cast::<[u64; PARAMETERS]>().read() };
    // SAFETY: filled by `enter`.
    let saved = unsafe { &*saved };
    // SAFETY: as above, at a call that is still on its way.
    let used = match unsafe { before(&wrapper.function, &parameters, saved) } {
        Before::Fails(result) => return result,
        Before::Goes(used) => used,
    };
    // SAFETY: a function; taking more parameters than it looks at does no harm.
    let target = unsafe { std::mem::transmute::<usize, Any>(wrapper.target) };
    let p = parameters;
    // SAFETY: the driver's own parameters.
    let result = unsafe {
        target(
            p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13], p[14],
            p[15],
        )
    };
    // SAFETY: the parameters are those of the call that has just returned.
    let answer = unsafe { after(&wrapper.function, &parameters, saved, result) };
    if let Some(used) = used
        && wrapper
            .function
            .failure
            .is_some_and(|failure| succeeded(failure, result))
        && let Some((_, run)) = run().as_mut()
    {
        run.succeeded(used);
    }
    answer
}

/// What becomes of a call.
enum Before {
    /// It fails with this result; the function is not called.
    Fails(u64),
    /// It goes on: which use of which site it is, where the function can fail.
    Goes(Option<Use>),
}

fn succeeded(failure: Failure, result: u64) -> bool {
    match failure {
        Failure::Status(_) => status(result) >= 0,
        Failure::Zero => result != 0,
    }
}

/// The NTSTATUS in a result, which has only half of the register.
fn status(result: u64) -> i32 {
    u32::try_from(result & 0xffff_ffff).unwrap_or(0).cast_signed()
}

/// Counts, and has the call fail where it is to.
///
/// # Safety
/// As [`Trace::of`]; the parameters are those of a call of `function`.
unsafe fn before(function: &Function, parameters: &[u64; PARAMETERS], saved: &Saved) -> Before {
    let Some(image) = run().as_ref().map(|(image, _)| *image) else {
        return Before::Goes(None);
    };
    // Outside of the lock: it takes a while.
    let trace = function.failure.map(|failure| {
        // SAFETY: by the caller.
        (failure, unsafe { Trace::of(saved, &image) })
    });
    // SAFETY: by the caller.
    let mut about = unsafe { about(function.name, parameters) };
    let mut guard = run();
    let Some((_, run)) = guard.as_mut() else {
        return Before::Goes(None);
    };
    *run.calls.entry(function.name).or_default() += 1;
    // Before the call: as soon as it is given back, another thread may take the same.
    if let Some(Effect::Gives(kind, place)) = function.effect {
        let rva = image.rva(saved.return_address).unwrap_or(0);
        run.ledger
            .give(kind, given(place, parameters), function.name, rva);
    }
    let Some((failure, trace)) = trace else {
        return Before::Goes(None);
    };
    if about.is_empty()
        && function.name.starts_with("Zw")
        && let Some(name) = run.names.get(&parameter(parameters, 0))
    {
        about.clone_from(name);
    }
    let (used, fails) = run.comes_by(function.name, &trace, &about);
    match failure {
        _ if !fails => Before::Goes(Some(used)),
        Failure::Status(status) => Before::Fails(u64::from(status.cast_unsigned())),
        Failure::Zero => Before::Fails(0),
    }
}

/// Notes what was taken; what the driver gets as the result.
///
/// # Safety
/// The parameters are those of a call of `function` that has just returned `result`.
unsafe fn after(function: &Function, parameters: &[u64; PARAMETERS], saved: &Saved, result: u64) -> u64 {
    if matches!(
        function.name,
        "MmGetSystemRoutineAddress" | "FltGetRoutineAddress"
    ) {
        // SAFETY: by the caller.
        let name = unsafe { about(function.name, parameters) };
        // Wine has some of the routines of tracing, which belong to no registration of a stand-in's.
        let target = match tracing::stand_in(&name) {
            Some(stand_in) => stand_in.expose_provenance(),
            None if result == 0 => return result,
            None => usize::try_from(result).unwrap_or(0),
        };
        return wrapped(&name, target).map_or_else(
            |()| {
                if let Some((_, run)) = run().as_mut() {
                    run.unlisted.push(name);
                }
                result
            },
            |address| address as u64,
        );
    }
    let Some(Effect::Takes(kind, place, size)) = function.effect else {
        return result;
    };
    let value = match place {
        Place::Returned => (result != 0).then_some(result),
        Place::Written(index) => (status(result) >= 0).then(|| {
            let place = usize::try_from(parameter(parameters, index)).unwrap_or(0);
            // SAFETY: a successful function has written its result there.
            unsafe { std::ptr::with_exposed_provenance::<u64>(place).read() }
        }),
        Place::Parameter(index) => (status(result) >= 0).then(|| parameter(parameters, index)),
        Place::Always(index) => Some(parameter(parameters, index)),
        Place::Single => (status(result) >= 0).then_some(0),
        Place::AlwaysSingle => Some(0),
    };
    if let Some(value) = value
        && let Some((image, run)) = run().as_mut()
    {
        let bytes = size.map_or(0, |index| parameter(parameters, index));
        let rva = image.rva(saved.return_address).unwrap_or(0);
        run.ledger.take(kind, value, bytes, function.name, rva);
        if kind == "handle" {
            // SAFETY: by the caller.
            run.names
                .insert(value, unsafe { about(function.name, parameters) });
        }
    }
    result
}

fn given(place: Place, parameters: &[u64; PARAMETERS]) -> u64 {
    match place {
        Place::Parameter(index) | Place::Always(index) => parameter(parameters, index),
        _ => 0,
    }
}

fn parameter(parameters: &[u64; PARAMETERS], index: usize) -> u64 {
    parameters.get(index).copied().unwrap_or(0)
}

/// What a call is about: the routine that is looked for, the object that is opened, the value that is read, the class of what is
/// asked.
///
/// # Safety
/// The parameters are those of a call of the function of this name.
unsafe fn about(name: &str, parameters: &[u64; PARAMETERS]) -> String {
    let pointer = |index| usize::try_from(parameter(parameters, index)).unwrap_or(0);
    let string = match name {
        "MmGetSystemRoutineAddress" => pointer(0),
        "ZwQueryValueKey" => pointer(1),
        "ZwCreateFile" | "ZwOpenFile" | "ZwOpenKey" | "ZwCreateKey" => {
            // SAFETY: the functions take valid attributes.
            let attributes = unsafe { &*std::ptr::with_exposed_provenance::<OBJECT_ATTRIBUTES>(pointer(2)) };
            attributes.ObjectName.expose_provenance()
        }
        "ZwQuerySystemInformation" => return format!("class {}", parameter(parameters, 0)),
        "FltQueryInformationFile" => return format!("class {}", parameter(parameters, 4) & 0xffff_ffff),
        "FltGetRoutineAddress" => {
            // SAFETY: the function takes a terminated string.
            let text = unsafe { CStr::from_ptr(std::ptr::with_exposed_provenance(pointer(0))) };
            return text.to_string_lossy().into_owned();
        }
        _ => 0,
    };
    // SAFETY: null or a valid string.
    let Some(text) = (unsafe { std::ptr::with_exposed_provenance::<UNICODE_STRING>(string).as_ref() }) else {
        return String::new();
    };
    if text.Buffer.is_null() {
        return String::new();
    }
    // SAFETY: a valid string's buffer holds its length.
    let units = unsafe { std::slice::from_raw_parts(text.Buffer, usize::from(text.Length / 2)) };
    String::from_utf16_lossy(units)
}

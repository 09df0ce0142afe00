//! Clocks.

use crate::kernel::KERNEL_MODE;
use crate::kernel::check;
use crate::kernel::modules::query_system_information;
use crate::kernel::routine::find;
use crate::kernel::size;
use crate::kernel::string::ascii;
use core::mem::transmute;
use wdk_sys::LARGE_INTEGER;
use wdk_sys::ntddk::KeDelayExecutionThread;

/// 100 ns units in a second.
const TICKS_PER_SECOND: i64 = 10_000_000;

/// `SystemTimeOfDayInformation` of ZwQuerySystemInformation.
const TIME_OF_DAY: u32 = 3;

type QueryTime = unsafe extern "C" fn(*mut i64);
type QueryCounter = unsafe extern "C" fn(*mut i64) -> i64;

/// Sleeps for 1 ms, or as long as the kernel's timer needs for that. IRQL: PASSIVE_LEVEL.
pub fn nap() {
    // A negative time is relative, in 100 ns.
    let mut length = LARGE_INTEGER { QuadPart: -10_000 };
    // SAFETY: `length` is valid through the call; the wait is not alertable.
    let _ = unsafe { KeDelayExecutionThread(KERNEL_MODE, 0, &raw mut length) };
}

/// The kernel's clocks.
pub struct Clock {
    time: Option<QueryTime>,
    counter: Option<QueryCounter>,
}

/// Head of `SYSTEM_TIMEOFDAY_INFORMATION`.
#[repr(C)]
#[derive(Default)]
struct TimeOfDay {
    boot: i64,
    current: i64,
    zone_bias: i64,
    zone_id: u32,
    reserved: u32,
    boot_bias: u64,
    sleep_bias: u64,
}

/// When the system started: FILETIME; `None` when the kernel does not say. IRQL: PASSIVE_LEVEL.
pub fn boot() -> Option<i64> {
    Some(time_of_day().boot).filter(|boot| *boot != 0)
}

/// Zeros when the kernel does not say. IRQL: PASSIVE_LEVEL.
fn time_of_day() -> TimeOfDay {
    let mut answer = TimeOfDay::default();
    // SAFETY: the answer is as large as said.
    let status = unsafe {
        query_system_information(
            TIME_OF_DAY,
            (&raw mut answer).cast(),
            size::<TimeOfDay>(),
            core::ptr::null_mut(),
        )
    };
    if check(status).is_ok() {
        answer
    } else {
        TimeOfDay::default()
    }
}

impl Clock {
    /// Finds the clocks. Windows 8 and later export KeQuerySystemTimePrecise; a kernel without it is asked through
    /// ZwQuerySystemInformation. KeQueryPerformanceCounter is the kernel's or the HAL's, by version.
    ///
    /// IRQL: PASSIVE_LEVEL.
    pub fn find() -> Self {
        const TIME: [u16; 24] = ascii("KeQuerySystemTimePrecise");
        const COUNTER: [u16; 25] = ascii("KeQueryPerformanceCounter");
        Self {
            // SAFETY: the routine of this name takes a pointer to a LARGE_INTEGER and gives nothing back.
            time: find(&TIME).map(|routine| unsafe { transmute::<_, QueryTime>(routine.as_ptr()) }),
            // SAFETY: the routine of this name takes a pointer to a LARGE_INTEGER and gives one back in a register.
            counter: find(&COUNTER).map(|routine| unsafe { transmute::<_, QueryCounter>(routine.as_ptr()) }),
        }
    }

    /// System time: FILETIME. IRQL: any where the kernel has KeQuerySystemTimePrecise, else PASSIVE_LEVEL.
    pub fn now(&self) -> i64 {
        if let Some(query) = self.time {
            let mut time = 0;
            // SAFETY: `time` is writable; the routine has no further conditions.
            unsafe { query(&raw mut time) };
            return time;
        }
        time_of_day().current
    }

    /// Whether the kernel tells the time more precisely than by its ticks. IRQL: any.
    pub const fn is_precise(&self) -> bool {
        self.time.is_some()
    }

    /// Whether the kernel has a performance counter. IRQL: any.
    pub const fn has_counter(&self) -> bool {
        self.counter.is_some()
    }

    /// Time since some moment in the past, in 100 ns; never runs backwards where the kernel has a performance counter.
    ///
    /// IRQL: as [`Clock::now`].
    pub fn ticks(&self) -> u64 {
        let ticks = self.counter.and_then(|query| {
            let mut frequency = 0_i64;
            // SAFETY: `frequency` is writable; the routine has no further conditions.
            let count = unsafe { query(&raw mut frequency) };
            let seconds = count.checked_div(frequency)?;
            let rest = count.checked_rem(frequency)?;
            let part = rest.checked_mul(TICKS_PER_SECOND)?.checked_div(frequency)?;
            seconds.checked_mul(TICKS_PER_SECOND)?.checked_add(part)
        });
        u64::try_from(ticks.unwrap_or_else(|| self.now())).unwrap_or(0)
    }
}

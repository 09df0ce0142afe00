//! Lines for a kernel debugger.
//!
//! `wdk::println!` does the same but leaves a reachable panic in the image.

use core::fmt;
use core::fmt::Write;
use wdk_sys::ntddk::DbgPrint;

/// Longest line in bytes; what is over is cut.
const LINE: usize = 160;

struct Line {
    bytes: [u8; LINE],
    used: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // One byte stays zero: the terminator.
        let free = self.bytes.get_mut(self.used..LINE - 1).unwrap_or_default();
        let fits = text.len().min(free.len());
        for (to, from) in free.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.used = self.used.saturating_add(fits);
        Ok(())
    }
}

/// Prints one line. IRQL: at most DIRQL.
pub fn print(line: fmt::Arguments<'_>) {
    let mut buffer = Line {
        bytes: [0; LINE],
        used: 0,
    };
    // `Line` takes everything, so formatting cannot fail.
    let _ = buffer.write_fmt(line);
    // SAFETY: the format takes one terminated string, which the buffer is.
    unsafe { DbgPrint(c"gatehouse: %s\n".as_ptr().cast(), buffer.bytes.as_ptr()) };
}

/// Prints one line to the kernel debugger, in the form of `format!`.
#[macro_export]
macro_rules! debug {
    ($($argument:tt)*) => {
        $crate::kernel::debug::print(format_args!($($argument)*))
    };
}

//! The running driver's gate, as the entry points reach it: the kernel hands them no context.

use crate::host::Kernel;
use crate::kernel::global::Entered;
use crate::kernel::global::Global;
use gate::Gate;

/// Open from start to stop.
pub static GATE: Global<Gate<Kernel>> = Global::closed();

/// Enters the driver: every entry point does so first and leaves last. There is a gate unless the driver has not started or is
/// stopping. IRQL: any.
pub fn enter() -> Entered<'static, Gate<Kernel>> {
    GATE.enter()
}

//! The running driver's gate, as the entry points reach it: the kernel hands them no context.

use crate::host::Kernel;
use crate::kernel::global::Entered;
use crate::kernel::global::Global;
use gate::Gate;

/// Open from start to stop.
pub static GATE: Global<Gate<Kernel>> = Global::closed();

/// The running driver's gate, unless it has not started or is stopping. IRQL: any.
pub fn enter() -> Option<Entered<'static, Gate<Kernel>>> {
    GATE.enter()
}

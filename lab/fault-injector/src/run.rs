//! One run: the driver from its mapping to its unmapping.

use std::collections::BTreeMap;

use crate::ledger::Ledger;
use crate::plan::Fault;
use crate::plan::Plan;
use crate::stack::Trace;
use crate::tracing::Tracing;

/// A place in the driver from which something that can fail is called: the function and the whole way there.
#[derive(Clone, Debug)]
pub struct Site {
    /// The function.
    pub function: &'static str,
    /// Return addresses in the driver, innermost first.
    pub trace: Trace,
    /// What the first use was about.
    pub about: String,
    /// How often it was come by.
    pub uses: u64,
    /// The first use, from 1, that succeeded; 0 when none has. Making a use fail that fails by itself would show nothing.
    pub succeeds: u64,
    /// The last use that succeeded; 0 when none has.
    pub succeeds_last: u64,
}

/// One use of a site.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// The site's digest.
    pub site: u64,
    /// Which use of it, from 1.
    pub number: u64,
}

/// A call that was made to fail.
#[derive(Clone, Debug)]
pub struct Fired {
    /// The site.
    pub site: u64,
    /// Which use of it, from 1.
    pub number: u64,
    /// Which of all calls that can fail, from 1.
    pub call: u64,
    /// What it was about.
    pub about: String,
}

/// What is known of the run.
pub struct Run {
    /// What it is to do.
    pub plan: Plan,
    /// Calls by function.
    pub calls: BTreeMap<&'static str, u64>,
    /// Calls of functions that can fail.
    pub failable: u64,
    /// Sites by their digest.
    pub sites: BTreeMap<u64, Site>,
    /// The call that was made to fail, once there is one.
    pub fired: Option<Fired>,
    /// What is taken and not given back.
    pub ledger: Ledger,
    /// What handles were opened for.
    pub names: BTreeMap<u64, String>,
    /// What the entry point returned, once it has.
    pub start_status: Option<i32>,
    /// Imports that the catalogue does not know.
    pub unlisted: Vec<String>,
    /// The events that it wrote.
    pub tracing: Tracing,
}

impl Run {
    /// A run that has not begun.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            calls: BTreeMap::new(),
            failable: 0,
            sites: BTreeMap::new(),
            fired: None,
            ledger: Ledger::default(),
            names: BTreeMap::new(),
            start_status: None,
            unlisted: Vec::new(),
            tracing: Tracing::default(),
        }
    }

    /// Counts a call that can fail; which use of its site it is, and whether it is to fail.
    pub fn comes_by(&mut self, function: &'static str, trace: &Trace, about: &str) -> (Use, bool) {
        // Routines are looked up from one place, each for a use of its own; of everything else, a site stands for all that is done there.
        let digest = trace.digest(
            function,
            if function.ends_with("RoutineAddress") {
                about
            } else {
                ""
            },
        );
        self.failable += 1;
        let site = self.sites.entry(digest).or_insert_with(|| Site {
            function,
            trace: trace.clone(),
            about: about.to_owned(),
            uses: 0,
            succeeds: 0,
            succeeds_last: 0,
        });
        site.uses += 1;
        let fails = match self.plan.fault {
            Fault::None => false,
            Fault::Call(number) => number == self.failable,
            Fault::Site(wanted, number) => wanted == digest && number == site.uses,
        };
        if fails {
            self.fired = Some(Fired {
                site: digest,
                number: site.uses,
                call: self.failable,
                about: about.to_owned(),
            });
        }
        let number = site.uses;
        (Use { site: digest, number }, fails)
    }

    /// Notes that a use ended well.
    pub fn succeeded(&mut self, used: Use) {
        if let Some(site) = self.sites.get_mut(&used.site) {
            if site.succeeds == 0 || used.number < site.succeeds {
                site.succeeds = used.number;
            }
            site.succeeds_last = site.succeeds_last.max(used.number);
        }
    }
}

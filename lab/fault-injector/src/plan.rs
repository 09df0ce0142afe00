//! What a run is to do: read from a file when the driver is mapped.

use std::fs;

/// The folder of the plan and the reports.
pub const FOLDER: &str = r"C:\lab\faults";

/// Which call is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None: the calls are counted.
    None,
    /// This call, counted from 1 over all that can fail.
    Call(u64),
    /// This use, counted from 1, of one site.
    Site(u64, u64),
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its number, in the name of the report.
    pub run: u64,
    /// Its fault.
    pub fault: Fault,
    /// The keywords of the driver's events that somebody listens to; `None` for a kernel without event tracing.
    pub listener: Option<u64>,
}

impl Plan {
    /// The plan in the file `plan.txt`; `None` where there is none, and then the driver is left alone. Its first line is one of:
    /// ```text
    /// RUN count
    /// RUN call NUMBER
    /// RUN site SITE USE
    /// ```
    /// in decimal, the site in hexadecimal. A second line gives the kernel event tracing, with a listener to these keywords, in
    /// hexadecimal:
    /// ```text
    /// listener KEYWORDS
    /// ```
    pub fn read() -> Option<Self> {
        let text = fs::read_to_string(format!(r"{FOLDER}\plan.txt")).ok()?;
        let plan = Self::parse(&text);
        if plan.is_none() {
            crate::print(&format!("not a plan: {text}"));
        }
        plan
    }

    fn parse(text: &str) -> Option<Self> {
        let (text, listener) = text.split_once('\n').unwrap_or((text, ""));
        let listener = match listener.split_whitespace().collect::<Vec<&str>>().as_slice() {
            [] => None,
            ["listener", keywords] => Some(u64::from_str_radix(keywords, 16).ok()?),
            _ => return None,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (run, fault) = match words.as_slice() {
            [run, "count"] => (run, Fault::None),
            [run, "call", number] => (run, Fault::Call(number.parse().ok()?)),
            [run, "site", site, number] => (
                run,
                Fault::Site(u64::from_str_radix(site, 16).ok()?, number.parse().ok()?),
            ),
            _ => return None,
        };
        Some(Self {
            run: run.parse().ok()?,
            fault,
            listener,
        })
    }
}

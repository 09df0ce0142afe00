//! Making single kernel calls of the driver fail, and its account of what it took and gave back: the lab's `faults.sys`.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

use crate::controller;
use crate::lab::Lab;
use crate::services::DRIVERS;

/// Where the module looks for its plan and leaves its reports.
const FOLDER: &str = r"C:\lab\faults";
const SERVICE: &str = "faults";

/// Which call is to fail in one run of the driver, from its start to its stop.
#[derive(Clone, Debug)]
pub enum Plan {
    /// None; calls are counted.
    Count,
    /// This call, counted from 1 over all calls that can fail.
    Call(u64),
    /// This use, counted from 1, of a site that an earlier report names.
    Site(String, u64),
}

impl Plan {
    /// The line that the module reads, for a run of this number.
    pub fn line(&self, run: usize) -> String {
        match self {
            Self::Count => format!("{run} count"),
            Self::Call(number) => format!("{run} call {number}"),
            Self::Site(site, number) => format!("{run} site {site} {number}"),
        }
    }
}

/// A place in the driver from which something that can fail is called.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name: a digest of function and call stack.
    pub site: String,
    /// The function.
    pub function: String,
    /// The routine that is looked up, where that is what the call does; one place does it for many.
    pub routine: String,
    /// Return addresses in the driver, innermost first.
    pub trace: Vec<String>,
    /// How often the run came by.
    pub uses: u64,
    /// The first use, from 1, that succeeded; 0 when none did.
    pub succeeds: u64,
    /// The last use that succeeded; 0 when none did.
    pub succeeds_last: u64,
}

/// Steps on the way from a failing call outwards that are looked at: farther out, errors of many calls are handed on alike.
const STEPS: usize = 4;

/// As few of `sites` as will do for every step near a failing call, and every last step out of the driver, to be gone at least once:
/// an error is handed on along those steps.
pub fn cover(sites: &[Site]) -> Vec<Site> {
    let steps = |site: &Site| -> Vec<[String; 3]> {
        let what = format!("{} {}", site.function, site.routine);
        let ends = [&String::new()];
        let inner = ends.into_iter().chain(&site.trace);
        let outer = site.trace.iter();
        let steps = inner.zip(outer).enumerate();
        // Only the innermost step is the function's own; farther out an error is an error.
        let named = |(place, (inner, outer)): (usize, (&String, &String))| {
            let what = if place == 0 { what.clone() } else { String::new() };
            [what, inner.clone(), outer.clone()]
        };
        let steps: Vec<[String; 3]> = steps.map(named).collect();
        let last = steps.last().cloned();
        steps.into_iter().take(STEPS).chain(last).collect()
    };
    let mut gone = BTreeSet::new();
    let mut chosen = Vec::new();
    let mut longest_first: Vec<&Site> = sites.iter().collect();
    longest_first.sort_by_key(|site| Reverse(site.trace.len()));
    for site in longest_first {
        let steps = steps(site);
        if steps.iter().any(|step| !gone.contains(step)) {
            gone.extend(steps);
            chosen.push(site.clone());
        }
    }
    chosen
}

/// What one run of the driver was.
#[derive(Clone, Debug)]
pub struct FaultReport {
    /// As the module wrote it.
    pub record: Value,
}

impl FaultReport {
    /// What is still out at the end, or was given back too often, a line each; empty when all is well.
    pub fn leaks(&self) -> Vec<String> {
        let lines = |key: &str| -> Vec<String> {
            let entries = self.record[key].as_array().cloned().unwrap_or_default();
            entries.iter().map(|entry| format!("{key}: {entry}")).collect()
        };
        [lines("out"), lines("surplus")].concat()
    }

    /// Functions that the driver calls and the module does not know: not counted, never failing.
    pub fn unlisted(&self) -> Vec<String> {
        let names = self.record["unlisted"].as_array().cloned().unwrap_or_default();
        names.iter().map(ToString::to_string).collect()
    }

    /// Whether the call was made that was to fail.
    pub fn fired(&self) -> bool {
        self.record["fired"].is_object()
    }

    /// What the failed call was about: the path of a file or key, the name of a value; else empty.
    pub fn about(&self) -> &str {
        self.record["fired"]["about"].as_str().unwrap_or_default()
    }

    /// Whether the driver's entry point accepted.
    pub fn started(&self) -> bool {
        self.record["start_status"] == "00000000"
    }

    /// How often a function was called.
    pub fn calls(&self, function: &str) -> u64 {
        self.record["calls"][function].as_u64().unwrap_or(0)
    }

    /// The driver's event tracing, where the kernel had it: `providers` that were registered, whether one is `registered` still, how
    /// often it was `asked` who listens, `strays` that came without a registration, and the events that were `written`.
    pub fn tracing(&self) -> &Value {
        &self.record["tracing"]
    }

    /// Calls that can fail.
    pub fn failable(&self) -> u64 {
        self.record["failable"].as_u64().unwrap_or(0)
    }

    /// How often things of a kind were taken.
    pub fn taken(&self, kind: &str) -> u64 {
        self.record["turnover"][kind]["taken"].as_u64().unwrap_or(0)
    }

    /// The sites that the run came by.
    pub fn sites(&self) -> Vec<Site> {
        let sites = self.record["sites"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let read = |record: &Value| {
            let function = text(&record["function"]);
            Site {
                site: text(&record["site"]),
                routine: if function.ends_with("RoutineAddress") {
                    text(&record["about"])
                } else {
                    String::new()
                },
                function,
                trace: record["trace"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect(),
                uses: record["uses"].as_u64().unwrap_or(0),
                succeeds: record["succeeds"].as_u64().unwrap_or(0),
                succeeds_last: record["succeeds_last"].as_u64().unwrap_or(0),
            }
        };
        sites.iter().map(read).collect()
    }
}

impl Lab {
    /// Loads the module into the drivers' host process, which it must be in before the driver.
    pub fn install_fault_injector(&self) -> Result<()> {
        let module = controller::build_program("gatehouse-fault-injector", "faults.dll")?;
        let image = format!(r"{DRIVERS}\faults.sys");
        self.put(&module, &image)?;
        self.create_service(SERVICE, &image)?;
        self.write(&format!(r"{FOLDER}\plan.txt"), b"")?;
        let started = self.net_start(SERVICE)?;
        if !self.is_running(SERVICE)? {
            bail!(
                "the fault injector does not start: {}{}",
                started.stdout,
                started.stderr
            );
        }
        Ok(())
    }

    /// Says what the driver's next run is to be, and gives it a number. The kernel has event tracing, and somebody listens to these keywords of the driver's events.
    pub fn inject_traced(&self, run: usize, plan: &Plan, keywords: u64) -> Result<()> {
        let lines = format!("{}\nlistener {keywords:x}\n", plan.line(run));
        self.write(&format!(r"{FOLDER}\plan.txt"), lines.as_bytes())
    }

    /// The report of a run that has ended: its driver was stopped, or did not start.
    pub fn fault_report(&self, run: usize) -> Result<FaultReport> {
        let path = self.host_path(&format!(r"{FOLDER}\report-{run}.json"))?;
        let text = fs::read_to_string(&path)
            .with_context(|| format!("run {run} left no report: its driver did not come to an end"))?;
        let record = serde_json::from_str(&text).with_context(|| format!("not a report: {text}"))?;
        Ok(FaultReport { record })
    }
}

#[cfg(test)]
mod tests {
    use super::Site;
    use super::cover;

    fn site(name: &str, trace: &[&str]) -> Site {
        Site {
            site: name.to_owned(),
            function: "ZwReadFile".to_owned(),
            routine: String::new(),
            trace: trace.iter().map(|&rva| rva.to_owned()).collect(),
            uses: 1,
            succeeds: 1,
            succeeds_last: 1,
        }
    }

    #[test]
    fn two_readers_called_from_two_places_need_three_of_their_four_sites() {
        let sites = [
            site("a", &["1", "5", "8"]),
            site("b", &["1", "5", "9"]),
            site("c", &["2", "5", "8"]),
            site("d", &["2", "5", "9"]),
        ];
        let chosen: Vec<String> = cover(&sites).into_iter().map(|site| site.site).collect();
        assert_eq!(chosen, ["a", "b", "c"]);
    }
}

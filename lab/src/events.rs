//! Reading the driver's events out of the lab, as the controller reports them.

use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

use crate::lab::Lab;

/// How long an event may take from the load it is about; the worker needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Every event read so far, in order.
#[derive(Default)]
pub struct EventLog {
    /// One JSON record each.
    pub records: Vec<Value>,
    last: u64,
}

impl EventLog {
    /// Reads what is new.
    pub fn read(&mut self, lab: &Lab) -> Result<()> {
        let since = self.last.to_string();
        let output = lab.gatehouse(&["events", "--json", "--since", &since])?;
        if !output.success() {
            bail!(
                "gatehouse events failed ({}): {}",
                output.code,
                output.stderr.trim_end()
            );
        }
        for line in output.stdout.lines() {
            let record: Value =
                serde_json::from_str(line).with_context(|| format!("not an event: {line}"))?;
            if let Some(sequence) = record["sequence"].as_u64() {
                self.last = self.last.max(sequence);
            }
            self.records.push(record);
        }
        Ok(())
    }

    /// Waits for an event of this kind about the file `name`, among those after the first `from` records; the newest one wins.
    pub fn wait_for(&mut self, lab: &Lab, kind: &str, name: &str, from: usize) -> Result<Value> {
        let begun = Instant::now();
        loop {
            self.read(lab)?;
            let new = self.records.get(from..).unwrap_or_default();
            if let Some(found) = new.iter().rev().find(|record| is_about(record, kind, name)) {
                return Ok(found.clone());
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "no {kind} event about {name} came within {} s",
                    PATIENCE.as_secs()
                );
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Whether there is an event of this kind about the file `name` after the first `from` records.
    pub fn any_since(&self, from: usize, kind: &str, name: &str) -> bool {
        let new = self.records.get(from..).unwrap_or_default();
        new.iter().any(|record| is_about(record, kind, name))
    }

    /// Events that were overwritten before they could be read, as the log itself says.
    pub fn dropped(&self) -> u64 {
        let of_kind = |kind: &'static str| self.records.iter().filter(move |record| record["kind"] == kind);
        let lost = of_kind("dropped").chain(of_kind("loads-dropped"));
        lost.filter_map(|record| record["count"].as_u64()).sum()
    }

    /// The log as it is written to a file: one record a line.
    pub fn lines(&self) -> String {
        self.records
            .iter()
            .map(|record| format!("{record}\n"))
            .collect::<Vec<_>>()
            .concat()
    }
}

fn is_about(record: &Value, kind: &str, name: &str) -> bool {
    let path = record["path"].as_str().unwrap_or_default();
    let file = path.rsplit(['\\', '/']).next().unwrap_or_default();
    record["kind"] == kind && file.eq_ignore_ascii_case(name)
}

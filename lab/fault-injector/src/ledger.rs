//! What the driver has taken and not given back.

use std::collections::BTreeMap;

/// One thing, or several references to one.
#[derive(Clone, Debug)]
pub struct Taken {
    /// How often it was taken and not given back.
    pub count: u64,
    /// Its size in bytes, where it has one.
    pub bytes: u64,
    /// The function that took it last.
    pub function: &'static str,
    /// Where in the driver.
    pub rva: u64,
}

/// What was given back without having been taken.
#[derive(Clone, Debug)]
pub struct Surplus {
    /// The kind of thing.
    pub kind: &'static str,
    /// The function that gave it.
    pub function: &'static str,
    /// Where in the driver.
    pub rva: u64,
}

/// The account of one run.
#[derive(Default)]
pub struct Ledger {
    /// What is out, by kind and address.
    pub out: BTreeMap<(&'static str, u64), Taken>,
    /// What came back too often.
    pub surplus: Vec<Surplus>,
    /// How often things were taken and given back, by kind.
    pub turnover: BTreeMap<&'static str, (u64, u64)>,
    /// Pool bytes that are out, and the most that ever were.
    pub bytes: u64,
    /// See `bytes`.
    pub peak: u64,
}

impl Ledger {
    /// Something was taken.
    pub fn take(&mut self, kind: &'static str, value: u64, bytes: u64, function: &'static str, rva: u64) {
        let taken = self.out.entry((kind, value)).or_insert(Taken {
            count: 0,
            bytes,
            function,
            rva,
        });
        taken.count += 1;
        taken.function = function;
        taken.rva = rva;
        self.turnover.entry(kind).or_default().0 += 1;
        self.bytes += bytes;
        self.peak = self.peak.max(self.bytes);
    }

    /// Something is given back.
    pub fn give(&mut self, kind: &'static str, value: u64, function: &'static str, rva: u64) {
        self.turnover.entry(kind).or_default().1 += 1;
        let Some(taken) = self.out.get_mut(&(kind, value)) else {
            self.surplus.push(Surplus { kind, function, rva });
            return;
        };
        taken.count -= 1;
        if taken.count == 0 {
            self.bytes = self.bytes.saturating_sub(taken.bytes);
            self.out.remove(&(kind, value));
        }
    }
}

//! What tests make it do: read from a file at each registration and each operation, so that a change needs no restart.

use std::fs;

/// The file; it need not exist. One order a line, statuses in hexadecimal:
/// ```text
/// refuse-registration C01C0012
/// fail-read NAME C0000185
/// prefetch NAME
/// ```
const FILE: &str = r"C:\lab\filter-manager.txt";

/// The status that every registration is refused with.
pub fn refused_registration() -> Option<i32> {
    orders().iter().find_map(|order| match order.as_slice() {
        [verb, status] if verb == "refuse-registration" => parse(status),
        _ => None,
    })
}

/// The status that reading the file of this name fails with.
pub fn failed_read(name: &str) -> Option<i32> {
    orders().iter().find_map(|order| match order.as_slice() {
        [verb, file, status] if verb == "fail-read" && file.eq_ignore_ascii_case(name) => parse(status),
        _ => None,
    })
}

/// Whether the file of this name is to pass for one that the prefetcher has opened.
pub fn is_prefetched(name: &str) -> bool {
    orders().iter().any(|order| {
        let [verb, file] = order.as_slice() else {
            return false;
        };
        verb == "prefetch" && file.eq_ignore_ascii_case(name)
    })
}

fn orders() -> Vec<Vec<String>> {
    let text = fs::read_to_string(FILE).unwrap_or_default();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().map(words).collect()
}

fn parse(status: &str) -> Option<i32> {
    let parsed = u32::from_str_radix(status, 16);
    if parsed.is_err() {
        crate::print(&format!("{FILE}: {status} is no status"));
    }
    parsed.ok().map(u32::cast_signed)
}

//! What a run was, as JSON in a file.

use std::fmt::Write;
use std::fs;

use crate::plan::FOLDER;
use crate::run::Run;

/// Writes `report-RUN.json`.
pub fn write(run: &Run) {
    let path = format!(r"{FOLDER}\report-{}.json", run.plan.run);
    // Renamed into its place, so that nobody finds half of it.
    let draft = format!("{path}.draft");
    let written = fs::write(&draft, json(run)).and_then(|()| fs::rename(&draft, &path));
    if let Err(error) = written {
        crate::print(&format!("cannot write {path}: {error}"));
    }
}

fn json(run: &Run) -> String {
    let start = run.start_status.map_or("null".to_owned(), |status| {
        format!("\"{:08x}\"", status.cast_unsigned())
    });
    let fired = run.fired.as_ref().map_or("null".to_owned(), |fired| {
        format!(
            r#"{{"site":"{:016x}","use":{},"call":{},"about":{}}}"#,
            fired.site,
            fired.number,
            fired.call,
            quoted(&fired.about)
        )
    });
    let calls = list(
        run.calls
            .iter()
            .map(|(function, count)| format!("{}:{count}", quoted(function))),
    );
    let sites = list(run.sites.iter().map(|(digest, site)| {
        let trace = list(site.trace.0.iter().map(|rva| format!("\"{rva:#x}\"")));
        format!(
            r#"{{"site":"{digest:016x}","function":{},"about":{},"rva":"{:#x}","trace":[{trace}],"uses":{},"succeeds":{},"succeeds_last":{}}}"#,
            quoted(site.function),
            quoted(&site.about),
            site.trace.innermost(),
            site.uses,
            site.succeeds,
            site.succeeds_last,
        )
    }));
    let out = list(run.ledger.out.iter().map(|((kind, _), taken)| {
        format!(
            r#"{{"kind":"{kind}","count":{},"bytes":{},"function":"{}","rva":"{:#x}"}}"#,
            taken.count, taken.bytes, taken.function, taken.rva
        )
    }));
    let surplus = list(run.ledger.surplus.iter().map(|surplus| {
        format!(
            r#"{{"kind":"{}","function":"{}","rva":"{:#x}"}}"#,
            surplus.kind, surplus.function, surplus.rva
        )
    }));
    let turnover = list(
        run.ledger
            .turnover
            .iter()
            .map(|(kind, (taken, given))| format!(r#""{kind}":{{"taken":{taken},"given":{given}}}"#)),
    );
    let tracing = &run.tracing;
    let providers = list(tracing.providers.iter().map(|guid| format!("\"{}\"", hex(guid))));
    let written = list(tracing.written.iter().map(|event| {
        let guid =
            |guid: Option<[u8; 16]>| guid.map_or("null".to_owned(), |guid| format!("\"{}\"", hex(&guid)));
        format!(
            r#"{{"descriptor":"{}","activity":{},"related":{},"payload":"{}"}}"#,
            hex(&event.descriptor),
            guid(event.activity),
            guid(event.related),
            hex(&event.payload),
        )
    }));
    let tracing = format!(
        r#"{{"providers":[{providers}],"registered":{},"asked":{},"strays":{},"written":[{written}]}}"#,
        tracing.registered.is_some(),
        tracing.asked,
        tracing.strays,
    );
    let unlisted = list(run.unlisted.iter().map(|name| quoted(name)));
    format!(
        r#"{{"run":{},"start_status":{start},"failable":{},"fired":{fired},"peak_bytes":{},"unlisted":[{unlisted}],"out":[{out}],"surplus":[{surplus}],"turnover":{{{turnover}}},"calls":{{{calls}}},"sites":[{sites}],"tracing":{tracing}}}"#,
        run.plan.run, run.failable, run.ledger.peak,
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            ' '..='~' => quoted.push(character),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(character) & 0xffff);
            }
        }
    }
    quoted.push('"');
    quoted
}

//! Records of evidence with parts left out: what a record does not say is unknown, and decides nothing.

use std::fs;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::desk::Desk;
use gatehouse_tests::made_policies::Asked;
use gatehouse_tests::made_policies::Kind;
use gatehouse_tests::made_policies::policy;
use lab::packages;
use serde_json::Value;

/// Every place of a value, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = format!("{at}/{name}");
                places(value, &place, found);
                found.push(place);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

fn without(record: &Value, place: &str) -> Option<Value> {
    let (above, name) = place.rsplit_once('/')?;
    let mut changed = record.clone();
    changed.pointer_mut(above)?.as_object_mut()?.remove(name)?;
    Some(changed)
}

#[test]
fn a_field_that_is_left_out_changes_no_answer_but_to_an_unknown_one() -> Result<()> {
    let desk = Desk::new()?;
    let driver = desk.write("driver.sys", &fs::read(packages::WINDIVERT.fetch()?)?)?;
    let (_, records) = desk.records(&["scan"], &[&driver])?;
    let record = records.first().context("a record")?;
    let text = |place: &str| record.pointer(place).and_then(Value::as_str).map(str::to_owned);
    let tbs = text("/signatures/0/chain/1/tbs/hash").context("an authority")?;
    let asked = Asked {
        tbs: Some(
            (0..tbs.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&tbs[at..at + 2], 16))
                .collect::<Result<_, _>>()?,
        ),
        publisher: text("/signatures/0/chain/0/subject_cn"),
        ..Asked::default()
    };
    let mut all = Vec::new();
    places(record, "", &mut all);
    ensure!(all.len() > 60, "{all:?}");
    // Beside what a file is called, these decide nothing, or say which record it is.
    let kept = ["/schema", "/status"];
    let variants: Vec<Value> = all
        .iter()
        .filter(|place| !kept.contains(&place.as_str()))
        .filter_map(|place| {
            let mut variant = without(record, place)?;
            variant["path"] = Value::from(place.as_str());
            Some(variant)
        })
        .collect();
    let lines: Vec<String> = variants.iter().map(Value::to_string).collect();
    let records = desk.write("records.json", lines.join("\n").as_bytes())?;
    for kind in [Kind::DeniesOnly, Kind::AllowsOnly] {
        let name = format!("{kind:?}.xml");
        desk.write(&name, policy(1, kind, &asked).as_bytes())?;
        let (_, whole) = desk.records(&["simulate", "--policy", &name], &[&driver])?;
        let answer = |verdict: &Value| verdict["reason"]["code"].as_u64();
        let expected = whole.first().and_then(answer).context("a verdict")?;
        ensure!(expected < 100, "{whole:?}");
        let (_, verdicts) = desk.records(&["simulate", "--policy", &name, "--evidence"], &[&records])?;
        ensure!(verdicts.len() == variants.len(), "{} verdicts", verdicts.len());
        let mut unknown = 0;
        for verdict in &verdicts {
            let code = answer(verdict).context("a reason")?;
            ensure!(
                code == expected || code > 100,
                "{kind:?} without {}: {}",
                verdict["path"],
                verdict["reason"]
            );
            unknown += usize::from(code > 100);
        }
        ensure!(unknown > 10, "{kind:?}: {unknown} unknown");
    }
    Ok(())
}

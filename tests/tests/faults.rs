//! Every kernel call and allocation that the driver makes in a whole scenario, made to fail, one at a time.
//!
//! A first run counts and names the sites: a site is a function and the way in the driver that leads to the call. Then each site's
//! first use fails in a run of its own. Whatever fails: the drivers' host process lives, the driver gives back all that it took,
//! no load is refused while it evaluates, nothing is reported as allowed that a policy denies, and somebody is told: who asked, by the
//! answer; whoever looks, by a counter, a feature that is not there, or an event that there is not in a run without a fault. What fails
//! while the driver stops is told by its next start.

#[path = "faults/scenario.rs"]
mod scenario;
#[path = "faults/seen.rs"]
mod seen;

use std::time::Instant;

use anyhow::Result;
use anyhow::ensure;
use lab::faults::Plan;
use lab::faults::Site;
use lab::faults::cover;
use protocol::message::Failures;
use scenario::Session;
use scenario::Wait;
use seen::COUNTERS;
use seen::Seen;

/// What a run and the next start look like without a fault.
struct Without {
    run: Seen,
    next: Seen,
}

#[test]
fn every_fault_by_itself_is_survived_told_and_leaves_nothing_behind() -> Result<()> {
    play(|sites| cover(sites).into_iter().map(first).collect())
}

#[test]
#[ignore = "takes several times as long: each site by every way that leads to it, not only each step of the ways, and its last use, too"]
fn every_fault_by_every_way_to_it_is_survived_told_and_leaves_nothing_behind() -> Result<()> {
    play(|sites| {
        let last = |site: &&Site| site.succeeds_last > site.succeeds;
        let lasts = sites.iter().filter(last);
        let lasts = lasts.map(|site| (site.clone(), site.succeeds_last));
        sites.iter().cloned().map(first).chain(lasts).collect()
    })
}

/// The first use of a site.
fn first(site: Site) -> (Site, u64) {
    let number = site.succeeds;
    (site, number)
}

fn play(choose: impl FnOnce(&[Site]) -> Vec<(Site, u64)>) -> Result<()> {
    let mut session = Session::begin()?;
    let counted = session.run(&Plan::Count, Wait::Long)?;
    session.known.events.clone_from(&counted.events);
    let again = session.run(&Plan::Count, Wait::AsBefore)?;
    let next = session.next_start(Wait::Long)?;
    session.known.next_events.clone_from(&next.events);
    for ran in [&counted, &again, &next] {
        let unlisted = ran.report.unlisted();
        ensure!(
            ran.wrong.is_empty() && unlisted.is_empty(),
            "without a fault: {:?}; unknown to the injector: {unlisted:?}",
            ran.wrong
        );
    }
    assert_eq!(counted.seen, again.seen, "two runs without a fault look the same");
    assert_eq!(counted.seen.failures(), Failures::default());
    assert_eq!(next.seen.failures(), Failures::default());
    // A run that takes as long as those that follow does as much now and then as they do.
    let all = again.report.sites();
    assert!(counted.report.taken("pool") > 20 && counted.report.taken("handle") > 5 && all.len() > 50);
    let without = Without {
        run: counted.seen,
        next: next.seen,
    };
    let mut uses = choose(&all);
    // What never succeeds here shows nothing by failing.
    uses.retain(|(_, number)| *number != 0);

    let (mut failures, mut missed, mut next_starts) = (Vec::new(), Vec::new(), 0);
    let begun = Instant::now();
    for (site, number) in &uses {
        let plan = Plan::Site(site.site.clone(), *number);
        let named = || format!("{} {} use {number} {:?}", site.function, site.routine, site.trace);
        match session.judge(site, &plan, &without) {
            Ok(judged) if judged.is_missed => missed.push(named()),
            Ok(judged) => {
                next_starts += usize::from(judged.took_next_start);
                failures.extend(judged.wrong.iter().map(|wrong| format!("{}: {wrong}", named())));
            }
            Err(error) => {
                failures.push(format!("{}: {error:#}", named()));
                let known = session.known.clone();
                drop(session);
                session = Session::begin()?;
                session.known = known;
            }
        }
    }
    let took = begun.elapsed();
    eprintln!(
        "faults: {} uses of {} sites in {took:.0?}, {:.0?} each; {next_starts} told by the next start, {} not come by again",
        uses.len(),
        all.len(),
        took / u32::try_from(uses.len().max(1))?,
        missed.len(),
    );
    let failed = failures.len();
    assert!(failures.is_empty(), "{failed} failures:\n{}", failures.join("\n"));
    assert!(
        missed.len() * 20 <= uses.len(),
        "not come by a second time: {missed:#?}"
    );
    let lacking: Vec<_> = COUNTERS
        .iter()
        .map(|counter| counter.check)
        .filter(|check| !session.known.shown.contains(check))
        .collect();
    assert!(lacking.is_empty(), "no fault was counted as {lacking:?}");
    Ok(())
}

/// What came of one use that failed.
struct Judged {
    is_missed: bool,
    took_next_start: bool,
    wrong: Vec<String>,
}

impl Session {
    fn judge(&mut self, site: &Site, plan: &Plan, without: &Without) -> Result<Judged> {
        let mut judged = Judged {
            is_missed: false,
            took_next_start: false,
            wrong: Vec::new(),
        };
        // Where threads race, a way may be gone less often than the first time, and an event come late.
        for wait in [Wait::AsBefore, Wait::Long] {
            let ran = self.run(plan, wait)?;
            judged.is_missed = !ran.report.fired();
            if judged.is_missed {
                continue;
            }
            judged.wrong = ran.wrong;
            if ran.seen.tells(&without.run) || !judged.wrong.is_empty() {
                return Ok(judged);
            }
            let next = self.next_start(wait)?;
            judged.wrong.extend(next.wrong);
            judged.took_next_start = next.seen.tells(&without.next);
            if judged.took_next_start
                || !judged.wrong.is_empty()
                || may_go_unnoticed(site, ran.report.about())
            {
                return Ok(judged);
            }
            judged.wrong = vec![format!("nobody was told ({})", ran.report.about())];
        }
        Ok(judged)
    }
}

/// What may fail without anybody being told, and why: it is no failure of the driver's.
fn may_go_unnoticed(site: &Site, about: &str) -> bool {
    match site.function.as_str() {
        // The file is then opened by its other name, and read.
        "ZwCreateFile" => about.starts_with(r"\SystemRoot\"),
        // The state that says that the driver has stopped is in its place then; if power fails before it is on the disk, the next start
        // finds the one that says that it runs, and tells.
        "ZwFlushBuffersFile" => about == "state.bin.new",
        _ => false,
    }
}

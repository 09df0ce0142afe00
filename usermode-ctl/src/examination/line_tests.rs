//! The line, with any number of threads at it.

use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::line::AHEAD;
use super::line::Found;
use super::line::HELD;
use super::line::LARGE;
use super::line::Line;
use crate::error::Error;

/// Things are their own sizes.
const SIZE: fn(&u64) -> u64 = |thing| *thing;

fn things(count: usize) -> impl Iterator<Item = Result<u64, String>> + Send {
    // Every seventh is large, every hundredth cannot be looked at.
    (0..count).map(|at| match at {
        at if at % 100 == 99 => Err(at.to_string()),
        at if at % 7 == 3 => Ok(LARGE + u64::try_from(at).expect("fits")),
        at => Ok(u64::try_from(at).expect("fits")),
    })
}

#[test]
fn results_come_out_in_order_however_many_threads_there_are() {
    let count = AHEAD * 5;
    let mut seen = Vec::new();
    let line = Line::new(things(count), SIZE, |result: Result<(u64, usize), String>| {
        seen.push(result);
        Ok(())
    });
    thread::scope(|scope| {
        for held in 1..=6 {
            let line = &line;
            scope.spawn(move || {
                let mut taken = Vec::new();
                loop {
                    while taken.len() < held
                        && let Some(next) = if taken.is_empty() {
                            line.wait()
                        } else {
                            line.take()
                        }
                    {
                        taken.push(next);
                    }
                    let Some((index, thing)) = taken.pop() else { break };
                    line.hand_in(index, Ok((thing, index)), 1 << 20);
                }
            });
        }
    });
    assert!(line.outcome().is_ok());
    let expected = things(count).enumerate();
    let expected: Vec<_> = expected
        .map(|(index, thing)| thing.map(|thing| (thing, index)))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn every_other_thing_is_the_largest_in_sight() {
    let sizes = [1, LARGE, 2, LARGE + 2, 3, LARGE + 1, 4, 5];
    let line = Line::new(sizes.into_iter().map(Ok), SIZE, |_: Found<u64, ()>| Ok(()));
    let taken: Vec<u64> = std::iter::from_fn(|| line.take())
        .map(|(_, thing)| thing)
        .collect();
    assert_eq!(taken, [LARGE + 2, 1, LARGE + 1, 2, LARGE, 3, 4, 5]);
}

#[test]
fn nothing_is_taken_up_too_far_ahead_of_a_missing_result() {
    let line = Line::new((0..).map(Ok), SIZE, |_: Found<u64, ()>| Ok(()));
    let first = line.take().expect("a thing");
    let mut taken = 1;
    while let Some((index, thing)) = line.take() {
        line.hand_in(index, Ok((thing, ())), 0);
        taken += 1;
    }
    assert_eq!(taken, AHEAD);
    line.hand_in(first.0, Ok((first.1, ())), 0);
    assert!(line.take().is_some(), "and on once it is there");
}

#[test]
fn while_heavy_results_wait_only_the_missing_one_is_given_out() {
    let line = Line::new(things(50), SIZE, |_: Found<u64, ()>| Ok(()));
    // Another thread's.
    line.hand_in(40, Ok((40, ())), HELD);
    for missing in 0..40 {
        let (index, thing) = line.take().expect("the missing one");
        assert_eq!(index, missing);
        assert!(line.take().is_none(), "and no other");
        line.hand_in(index, Ok((thing, ())), 0);
    }
    let taken: Vec<usize> = std::iter::from_fn(|| line.take())
        .map(|(index, _)| index)
        .collect();
    assert_eq!(
        taken.len(),
        10,
        "and all the rest once the heavy one is gone: {taken:?}"
    );
}

/// What the other thread's wait comes to, once `meanwhile` has happened.
fn waited<I, F>(line: &Line<I, u64, (), F>, meanwhile: impl FnOnce()) -> Option<usize>
where
    I: Iterator<Item = Result<u64, String>> + Send,
    F: FnMut(Found<u64, ()>) -> Result<(), Error> + Send,
{
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        scope.spawn(move || done.send(line.wait().map(|(index, _)| index)));
        assert!(ended.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
        meanwhile();
        ended.recv_timeout(Duration::from_mins(1)).expect("it ends")
    })
}

#[test]
fn a_thread_that_waits_goes_on_once_the_heavy_result_is_gone() {
    let line = Line::new(things(3), SIZE, |_: Found<u64, ()>| Ok(()));
    let (first, thing) = line.take().expect("the first");
    line.hand_in(1, Ok((1, ())), HELD);
    // All of the source was looked at, and two of its things are not given out yet.
    let next = waited(&line, || line.hand_in(first, Ok((thing, ())), 0));
    assert!(next.is_some());
}

#[test]
fn however_much_cannot_be_looked_at_the_thing_behind_it_is_found() {
    let problems = (0..10 * AHEAD).map(|at| Err(at.to_string()));
    let line = Line::new(problems.chain([Ok(5)]), SIZE, |_: Found<u64, ()>| Ok(()));
    assert_eq!(line.wait(), Some((10 * AHEAD, 5)));
    assert_eq!(line.wait(), None);
}

#[test]
fn a_failure_met_while_looking_further_leaves_nobody_waiting() {
    let full = |result: Found<u64, ()>| match result {
        Err(_) => Err(Error::Output(io::Error::other("full"))),
        Ok(_) => Ok(()),
    };
    let source = (0..AHEAD as u64).map(Ok).chain([Err("no entry".to_owned())]);
    let line = Line::new(source, SIZE, full);
    let (first, thing) = line.take().expect("the first");
    while let Some((index, thing)) = line.take() {
        line.hand_in(index, Ok((thing, ())), 0);
    }
    let next = waited(&line, || line.hand_in(first, Ok((thing, ())), 0));
    assert_eq!(next, None);
    assert!(line.outcome().is_err());
}

#[test]
fn the_first_failure_ends_it_and_is_told() {
    let mut handed_on = 0;
    let line = Line::new(things(50), SIZE, |result: Found<u64, ()>| {
        handed_on += 1;
        match result {
            Ok((2, ())) => Err(Error::Output(io::Error::other("full"))),
            _ => Ok(()),
        }
    });
    while let Some((index, thing)) = line.take() {
        line.hand_in(index, Ok((thing, ())), 0);
    }
    assert!(line.is_stopped());
    assert!(line.wait().is_none(), "no more are given out");
    assert!(
        line.outcome()
            .is_err_and(|error| error.to_string().contains("full"))
    );
    assert_eq!(handed_on, 3);
}

#[test]
fn a_thread_that_panics_leaves_nobody_waiting() {
    let line = Line::new((0..).map(Ok), SIZE, |_: Found<u64, ()>| Ok(()));
    let _missing = line.take().expect("a thing");
    while let Some((index, thing)) = line.take() {
        line.hand_in(index, Ok((thing, ())), 0);
    }
    let next = waited(&line, || {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _watch = line.watch();
            panic!("before its result");
        }));
        assert!(panicked.is_err());
    });
    assert_eq!(next, None);
}

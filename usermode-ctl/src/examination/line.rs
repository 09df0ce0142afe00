//! Things that several threads work off, and their results, which come out in the things' order.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;

use crate::error::Error;

/// How far ahead of the first missing result things are taken up: bounds what is held, whatever their number.
const AHEAD: usize = 1024;
/// How much the results that wait for an earlier one may weigh before nothing more is taken up, in bytes.
const HELD: usize = 16 << 20;
/// How many more things are looked at each time one is taken up.
const LOOK: usize = 128;
/// From this size on a thing counts as large.
const LARGE: u64 = 1 << 20;

/// A thing and what was made of it, or why there is no such thing.
pub type Found<T, R> = Result<(T, R), String>;

/// Gives out things of different sizes, and brings the results into order by whichever thread closes a gap: no thread only waits
/// for the others.
///
/// While there are large things in sight, every other one given out is the largest. So these are begun early and done side by side, and
/// what is left at the end is small.
pub struct Line<I, T, R, F> {
    state: Mutex<State<I, T, R, F>>,
    moved: Condvar,
    size: fn(&T) -> u64,
}

struct State<I, T, R, F> {
    /// What was not looked at yet; `None` once there is no more.
    source: Option<I>,
    /// The index of what comes next from there.
    next: usize,
    /// By size, the largest first.
    large: BTreeMap<(Reverse<u64>, usize), T>,
    rest: VecDeque<(usize, T)>,
    /// Whether a large thing was wanted last; the next one is from the rest then.
    prefer_large: bool,
    /// The index of the result that is handed on next.
    expected: usize,
    /// Results, and what each weighs.
    waiting: BTreeMap<usize, (Found<T, R>, usize)>,
    /// What those weigh together.
    held: usize,
    hand_on: F,
    failure: Option<Error>,
    stopped: bool,
}

impl<I, T, R, F> Line<I, T, R, F>
where
    I: Iterator<Item = Result<T, String>>,
    F: FnMut(Found<T, R>) -> Result<(), Error>,
{
    /// A line of what `source` yields, whose results go to `hand_on`. What the source could not make a thing of goes there too, in its
    /// place.
    pub const fn new(source: I, size: fn(&T) -> u64, hand_on: F) -> Self {
        Self {
            state: Mutex::new(State {
                source: Some(source),
                next: 0,
                large: BTreeMap::new(),
                rest: VecDeque::new(),
                prefer_large: false,
                expected: 0,
                waiting: BTreeMap::new(),
                held: 0,
                hand_on,
                failure: None,
                stopped: false,
            }),
            moved: Condvar::new(),
            size,
        }
    }

    /// The next thing, with its index; `None` if there is none right now.
    pub fn take(&self) -> Option<(usize, T)> {
        self.lock().take(self.size)
    }

    /// The next thing, with its index. Waits while results are missing too far behind; `None` if there are no more things.
    ///
    /// Only for a thread that has handed in all it took: else it may wait for itself.
    pub fn wait(&self) -> Option<(usize, T)> {
        let mut state = self.lock();
        loop {
            let taken = state.take(self.size);
            if taken.is_some() || state.source.is_none() || state.stopped {
                return taken;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the result of the thing of this index, and about how many bytes it holds.
    pub fn hand_in(&self, index: usize, result: Found<T, R>, weight: usize) {
        let mut state = self.lock();
        state.waiting.insert(index, (result, weight));
        state.held = state.held.saturating_add(weight);
        state.hand_on_all();
        self.moved.notify_all();
    }

    /// Whether no more results are wanted.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// How it ended.
    pub fn outcome(self) -> Result<(), Error> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.failure.map_or(Ok(()), Err)
    }

    /// To be held by each thread while it works: when one panics the others stop, instead of waiting for its result for ever.
    pub const fn watch(&self) -> Watch<'_, I, T, R, F> {
        Watch(self)
    }

    fn lock(&self) -> MutexGuard<'_, State<I, T, R, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I, T, R, F> State<I, T, R, F>
where
    I: Iterator<Item = Result<T, String>>,
    F: FnMut(Found<T, R>) -> Result<(), Error>,
{
    fn take(&mut self, size: fn(&T) -> u64) -> Option<(usize, T)> {
        if self.stopped {
            return None;
        }
        self.look_ahead(size);
        if self.held >= HELD {
            return self.take_expected();
        }
        self.prefer_large = !self.prefer_large;
        let rest = if self.prefer_large {
            None
        } else {
            self.rest.pop_front()
        };
        rest.or_else(|| self.large.pop_first().map(|((_, index), thing)| (index, thing)))
            .or_else(|| self.rest.pop_front())
    }

    /// The thing whose result is missing first, if nobody took it yet: the one thing that lets those that wait go on.
    fn take_expected(&mut self) -> Option<(usize, T)> {
        let is_expected = |index: usize| index == self.expected;
        if self.rest.front().is_some_and(|(index, _)| is_expected(*index)) {
            return self.rest.pop_front();
        }
        let place = self
            .large
            .keys()
            .copied()
            .find(|(_, index)| is_expected(*index))?;
        let thing = self.large.remove(&place)?;
        Some((self.expected, thing))
    }

    /// Looks at a few more of the things, as far ahead as may be.
    fn look_ahead(&mut self, size: fn(&T) -> u64) {
        for _ in 0..LOOK {
            if self.next.saturating_sub(self.expected) >= AHEAD {
                break;
            }
            let Some(found) = self.source.as_mut().and_then(Iterator::next) else {
                self.source = None;
                break;
            };
            let index = self.next;
            self.next = self.next.saturating_add(1);
            match found {
                Ok(thing) if size(&thing) >= LARGE => {
                    self.large.insert((Reverse(size(&thing)), index), thing);
                }
                Ok(thing) => self.rest.push_back((index, thing)),
                Err(problem) => {
                    self.waiting.insert(index, (Err(problem), 0));
                    self.hand_on_all();
                }
            }
        }
    }

    fn hand_on_all(&mut self) {
        while !self.stopped
            && let Some((result, weight)) = self.waiting.remove(&self.expected)
        {
            self.held = self.held.saturating_sub(weight);
            self.expected = self.expected.saturating_add(1);
            if let Err(failure) = (self.hand_on)(result) {
                self.failure = Some(failure);
                self.stopped = true;
            }
        }
    }
}

/// See [`Line::watch`].
pub struct Watch<'l, I, T, R, F>(&'l Line<I, T, R, F>)
where
    I: Iterator<Item = Result<T, String>>,
    F: FnMut(Found<T, R>) -> Result<(), Error>;

impl<I, T, R, F> Drop for Watch<'_, I, T, R, F>
where
    I: Iterator<Item = Result<T, String>>,
    F: FnMut(Found<T, R>) -> Result<(), Error>,
{
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().stopped = true;
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::panic::AssertUnwindSafe;
    use std::panic::catch_unwind;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::AHEAD;
    use super::HELD;
    use super::LARGE;
    use super::Line;
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
        let line = Line::new(sizes.into_iter().map(Ok), SIZE, |_: Result<(u64, ()), String>| {
            Ok(())
        });
        let taken: Vec<u64> = std::iter::from_fn(|| line.take())
            .map(|(_, thing)| thing)
            .collect();
        assert_eq!(taken, [LARGE + 2, 1, LARGE + 1, 2, LARGE, 3, 4, 5]);
    }

    #[test]
    fn nothing_is_taken_up_too_far_ahead_of_a_missing_result() {
        let line = Line::new((0..).map(Ok), SIZE, |_: Result<(u64, ()), String>| Ok(()));
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
        let line = Line::new(things(50), SIZE, |_: Result<(u64, ()), String>| Ok(()));
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

    #[test]
    fn the_first_failure_ends_it_and_is_told() {
        let mut handed_on = 0;
        let line = Line::new(things(50), SIZE, |result: Result<(u64, ()), String>| {
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
        let line = Line::new((0..).map(Ok), SIZE, |_: Result<(u64, ()), String>| Ok(()));
        let _missing = line.take().expect("a thing");
        while let Some((index, thing)) = line.take() {
            line.hand_in(index, Ok((thing, ())), 0);
        }
        thread::scope(|scope| {
            let (done, ended) = mpsc::channel();
            let waiting = &line;
            scope.spawn(move || done.send(waiting.wait().is_none()));
            assert!(ended.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _watch = line.watch();
                panic!("before its result");
            }));
            assert!(panicked.is_err());
            assert_eq!(ended.recv(), Ok(true));
        });
    }
}

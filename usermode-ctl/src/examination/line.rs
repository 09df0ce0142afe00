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
pub const AHEAD: usize = 1024;
/// How much the results that wait for an earlier one may weigh before nothing more is taken up, in bytes.
pub const HELD: usize = 16 << 20;
/// How many more things are looked at each time one is taken up.
const LOOK: usize = 128;
/// From this size on a thing counts as large.
pub const LARGE: u64 = 1 << 20;

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
        self.give(&mut self.lock())
    }

    /// The next thing, with its index. Waits while results are missing too far behind; `None` if there are no more things.
    ///
    /// Only for a thread that has handed in all it took: else it may wait for itself.
    pub fn wait(&self) -> Option<(usize, T)> {
        let mut state = self.lock();
        loop {
            let taken = self.give(&mut state);
            if taken.is_some() || state.stopped || state.is_exhausted() {
                return taken;
            }
            // A result is missing that another thread works on: it is handed in, or everything stops.
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give(&self, state: &mut State<I, T, R, F>) -> Option<(usize, T)> {
        let taken = state.take(self.size);
        if state.stopped {
            // Looking further may have handed on what ended it.
            self.moved.notify_all();
        }
        taken
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

    /// Whether everything was given out.
    fn is_exhausted(&self) -> bool {
        self.source.is_none() && self.large.is_empty() && self.rest.is_empty()
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

    /// Looks at a few more of the things, as far ahead as may be. What is no thing does not count: where there is nothing else
    /// for long, nobody would come back to look further.
    fn look_ahead(&mut self, size: fn(&T) -> u64) {
        let mut found = 0;
        while found < LOOK && !self.stopped && self.next.saturating_sub(self.expected) < AHEAD {
            let Some(next) = self.source.as_mut().and_then(Iterator::next) else {
                self.source = None;
                break;
            };
            let index = self.next;
            self.next = self.next.saturating_add(1);
            match next {
                Ok(thing) => {
                    found = found.saturating_add(1);
                    match size(&thing) {
                        size if size >= LARGE => {
                            self.large.insert((Reverse(size), index), thing);
                        }
                        _ => self.rest.push_back((index, thing)),
                    }
                }
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

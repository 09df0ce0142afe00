//! Results of several threads, brought into order by whichever thread closes a gap: no thread only waits for the others.

use std::collections::BTreeMap;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;

/// How many results may wait for an earlier one. Bounds what is held, whatever the number of files.
const AHEAD: usize = 256;

/// Takes results in any order and hands them on in that of their indices.
pub struct Queue<R, E, F> {
    state: Mutex<State<R, E, F>>,
    moved: Condvar,
}

struct State<R, E, F> {
    /// The index that is handed on next.
    expected: usize,
    waiting: BTreeMap<usize, R>,
    hand_on: F,
    failure: Option<E>,
    stopped: bool,
}

impl<R, E, F: FnMut(R) -> Result<(), E>> Queue<R, E, F> {
    /// A queue that begins with index 0.
    pub const fn new(hand_on: F) -> Self {
        Self {
            state: Mutex::new(State {
                expected: 0,
                waiting: BTreeMap::new(),
                hand_on,
                failure: None,
                stopped: false,
            }),
            moved: Condvar::new(),
        }
    }

    /// Takes the result of this index, which nobody else may have; `false` when no more are wanted. Waits while it is far ahead.
    pub fn hand_in(&self, index: usize, result: R) -> bool {
        let mut state = self.lock();
        while !state.stopped && index.saturating_sub(state.expected) > AHEAD {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.insert(index, result);
        state.hand_on_all();
        self.moved.notify_all();
        !state.stopped
    }

    /// How it ended.
    pub fn outcome(self) -> Result<(), E> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.failure.map_or(Ok(()), Err)
    }

    /// To be held by each thread while it works: when one panics the others stop, instead of waiting for its result for ever.
    pub const fn watch(&self) -> Watch<'_, R, E, F> {
        Watch(self)
    }

    fn lock(&self) -> MutexGuard<'_, State<R, E, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R, E, F: FnMut(R) -> Result<(), E>> State<R, E, F> {
    fn hand_on_all(&mut self) {
        while !self.stopped
            && let Some(result) = self.waiting.remove(&self.expected)
        {
            self.expected = self.expected.saturating_add(1);
            if let Err(failure) = (self.hand_on)(result) {
                self.failure = Some(failure);
                self.stopped = true;
            }
        }
    }
}

/// See [`Queue::watch`].
pub struct Watch<'q, R, E, F>(&'q Queue<R, E, F>)
where
    F: FnMut(R) -> Result<(), E>;

impl<R, E, F: FnMut(R) -> Result<(), E>> Drop for Watch<'_, R, E, F> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().stopped = true;
            self.0.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AHEAD;
    use super::Queue;
    use std::convert::Infallible;
    use std::panic::AssertUnwindSafe;
    use std::panic::catch_unwind;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::thread;

    #[test]
    fn results_come_out_in_order_however_many_threads_there_are() {
        let count = AHEAD * 20;
        let mut seen = Vec::new();
        let queue = Queue::new(|result: usize| {
            seen.push(result);
            Ok::<_, Infallible>(())
        });
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count || !queue.hand_in(index, index * 2) {
                            break;
                        }
                    }
                });
            }
        });
        assert!(queue.outcome().is_ok());
        assert_eq!(seen, (0..count).map(|index| index * 2).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_ends_it_and_is_told() {
        let mut handed_on = 0;
        let queue = Queue::new(|what: usize| {
            handed_on += 1;
            if what == 1 { Err("full") } else { Ok(()) }
        });
        assert!(queue.hand_in(2, 2) && queue.hand_in(0, 0));
        assert!(!queue.hand_in(1, 1), "no more are wanted");
        assert_eq!(queue.outcome(), Err("full"));
        assert_eq!(handed_on, 2);
    }

    #[test]
    fn a_thread_that_panics_leaves_nobody_waiting() {
        let queue = Queue::new(|(): ()| Ok::<_, Infallible>(()));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.hand_in(AHEAD + 1, ()));
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _watch = queue.watch();
                panic!("before its result");
            }));
            assert!(panicked.is_err());
            assert!(!waiting.join().expect("it ends"));
        });
    }
}

//! The lines in memory. Purpose: between those who log and the one thread that writes; the newest
//! lines stay for whoever asks. Bound: [`LOG_LINES_MAX`] lines, allocated once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::line::Line;
use crate::base::limits::LOG_LINES_MAX;

/// See the module.
pub(super) struct Ring {
    state: Mutex<State>,
    /// A line came, or the ring was closed.
    came: Condvar,
    /// A line was written.
    went: Condvar,
}

struct State {
    /// The newest lines, oldest first; never more than it was allocated for.
    lines: VecDeque<Line>,
    /// Lines ever pushed: the number after that of the newest.
    pushed: u64,
    /// Lines handed to the writer, or passed over because they were gone.
    taken: u64,
    /// Lines the writer is done with.
    done: u64,
    closed: bool,
}

impl Ring {
    pub(super) fn new() -> Ring {
        let lines = VecDeque::with_capacity(LOG_LINES_MAX);
        let state = State { lines, pushed: 0, taken: 0, done: 0, closed: false };
        Ring { state: Mutex::new(state), came: Condvar::new(), went: Condvar::new() }
    }

    /// Adds a line; the oldest makes room.
    pub(super) fn push(&self, line: Line) {
        let mut state = self.lock();
        if state.lines.len() >= LOG_LINES_MAX {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
        state.pushed += 1;
        drop(state);
        self.came.notify_one();
    }

    /// Waits for the next line to write, and tells how many before it were overwritten unwritten.
    /// `None`: closed, nothing more will come. Each line is followed by [`Ring::written`].
    pub(super) fn next(&self) -> Option<(u64, Line)> {
        let state = self.lock();
        let mut state = self
            .came
            .wait_while(state, |state| state.taken == state.pushed && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let oldest = state.pushed - state.lines.len() as u64;
        let lost = oldest.saturating_sub(state.taken);
        let next = state.taken + lost;
        let line = state.lines.get(usize::try_from(next - oldest).ok()?)?.clone();
        state.taken = next + 1;
        Some((lost, line))
    }

    /// The writer is done with what it took.
    pub(super) fn written(&self) {
        let mut state = self.lock();
        state.done = state.taken;
        drop(state);
        self.went.notify_all();
    }

    /// Waits until what was pushed before this call is written; returns whether it is.
    pub(super) fn flush(&self, deadline: Duration) -> bool {
        let state = self.lock();
        let wanted = state.pushed;
        let (state, _) = self
            .went
            .wait_timeout_while(state, deadline, |state| state.done < wanted)
            .unwrap_or_else(PoisonError::into_inner);
        state.done >= wanted
    }

    /// Lets the writer end once it has written everything.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    /// The newest lines, at most `lines`, oldest first.
    pub(super) fn last(&self, lines: usize) -> Vec<String> {
        let state = self.lock();
        let skipped = state.lines.len().saturating_sub(lines);
        state.lines.iter().skip(skipped).map(ToString::to_string).collect()
    }

    /// The lines after number `after` (the first ever has number 1), oldest first, at most `most`,
    /// each with its number. Without `after`, or after one from before this start, the newest.
    pub(super) fn since(&self, after: Option<u64>, most: usize) -> Vec<(u64, Line)> {
        let state = self.lock();
        let oldest = state.pushed - state.lines.len() as u64;
        let newest = state.pushed.saturating_sub(most as u64);
        let from = after.filter(|after| *after <= state.pushed).unwrap_or(newest).max(oldest);
        let skipped = usize::try_from(from - oldest).unwrap_or(usize::MAX);
        let lines = state.lines.iter().skip(skipped).take(most);
        (from + 1..).zip(lines.cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

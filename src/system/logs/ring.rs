//! The lines in memory. Purpose: between those who log and the one thread that writes; the newest
//! lines stay for whoever asks. Bound: [`LOG_LINES_MAX`] lines, allocated once.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::line::PreparedLine;
use crate::base::limits::LOG_LINES_MAX;

/// See the module.
pub(super) struct LogRing {
    state: Mutex<State>,
    /// A line came, or the ring was closed.
    came: Condvar,
    /// A line was written.
    went: Condvar,
}

struct State {
    /// The newest lines, oldest first; never more than it was allocated for.
    lines: VecDeque<PreparedLine>,
    /// Lines ever pushed: the number after that of the newest.
    pushed: u64,
    /// Lines handed to the writer, or passed over because they were gone.
    taken: u64,
    /// Lines the writer is done with.
    done: u64,
    closed: bool,
    /// Who asked for a rotation is told here what it won.
    rotation: Option<Rotation>,
}

/// A rotation that somebody asked for.
pub(super) struct Rotation {
    /// Rotated files are removed, but for the newest; else they are packed.
    pub(super) for_room: bool,
    /// Where what came of it is told: the bytes it won.
    pub(super) told: SyncSender<io::Result<u64>>,
}

/// What the writer has to do next.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the writer's own stack")]
pub(super) enum LogJob {
    /// Write a line, of which so many before it were overwritten unwritten.
    Write(u64, PreparedLine),
    /// Rotate the files.
    Rotate(Rotation),
}

impl LogRing {
    pub(super) fn new() -> LogRing {
        let lines = VecDeque::with_capacity(LOG_LINES_MAX);
        let state = State { lines, pushed: 0, taken: 0, done: 0, closed: false, rotation: None };
        LogRing { state: Mutex::new(state), came: Condvar::new(), went: Condvar::new() }
    }

    /// Adds a line; the oldest makes room.
    pub(super) fn push(&self, line: PreparedLine) {
        let mut state = self.lock();
        if state.lines.len() >= LOG_LINES_MAX {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
        state.pushed += 1;
        drop(state);
        self.came.notify_one();
    }

    /// Waits for what is to be done. `None`: closed, nothing more will come. Each line is followed
    /// by [`LogRing::written`].
    pub(super) fn next(&self) -> Option<LogJob> {
        let state = self.lock();
        let idle = |state: &mut State| {
            state.taken == state.pushed && !state.closed && state.rotation.is_none()
        };
        let mut state = self.came.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        if let Some(rotation) = state.rotation.take() {
            return Some(LogJob::Rotate(rotation));
        }
        let oldest = state.pushed - state.lines.len() as u64;
        let lost = oldest.saturating_sub(state.taken);
        let next = state.taken + lost;
        let line = state.lines.get(usize::try_from(next - oldest).ok()?)?.clone();
        state.taken = next + 1;
        Some(LogJob::Write(lost, line))
    }

    /// Has the files rotated; anybody who asked before and was not served is not any more.
    pub(super) fn rotate(&self, rotation: Rotation) {
        self.lock().rotation = Some(rotation);
        self.came.notify_one();
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

    /// The newest lines that are wanted, at most `lines`, oldest first.
    pub(super) fn last(&self, lines: usize, wanted: impl Fn(&PreparedLine) -> bool) -> Vec<String> {
        let state = self.lock();
        let newest = state.lines.iter().rev().filter(|line| wanted(line)).take(lines);
        let mut texts: Vec<String> = newest.map(ToString::to_string).collect();
        texts.reverse();
        texts
    }

    /// The lines after number `after` (the first ever has number 1), oldest first, at most `most`,
    /// each with its number. Without `after`, or after one from before this start, the newest.
    pub(super) fn since(&self, after: Option<u64>, most: usize) -> Vec<(u64, PreparedLine)> {
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

//! Cases side by side: what plays in real time mostly waits. Every case is run, and those that
//! failed are named together.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Cases at a time, of whatever test: each is a program, an nginx and a viewer, a few per cent of a
/// processor.
const SIDE_BY_SIDE: usize = 12;

/// A place among those that play at a time.
pub struct Seat(());

static TAKEN: Mutex<usize> = Mutex::new(0);
static LEFT: Condvar = Condvar::new();

impl Seat {
    /// Waits until there is one.
    pub fn take() -> Seat {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let all_taken = |taken: &mut usize| *taken >= SIDE_BY_SIDE;
        let taken = LEFT.wait_while(taken, all_taken);
        *taken.unwrap_or_else(PoisonError::into_inner) += 1;
        Seat(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        LEFT.notify_one();
    }
}

/// Runs them all; fails when one of them does.
pub fn run<T: Sync>(cases: &[T], name: impl Fn(&T) -> String + Sync, case: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(cases.len()) {
            scope.spawn(|| {
                while let Some(it) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = catch_unwind(AssertUnwindSafe(|| case(it))) {
                        let said = why.downcast_ref::<String>().cloned();
                        let said = said.or(why.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                        let said = said.unwrap_or_default();
                        failed.lock().expect("no panic").push(format!("{}: {said}", name(it)));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    let count = failed.len();
    assert!(failed.is_empty(), "{count} of {}:\n\n{}", cases.len(), failed.join("\n\n"));
}

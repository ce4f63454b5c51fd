//! What all answers under way may hold together. Purpose: readers that never read hold a bounded
//! amount of memory. Non-goals: how long they may. Bound: [`HTTP_ANSWERS_BYTES_MAX`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use crate::base::limits::HTTP_ANSWERS_BYTES_MAX;

/// The bytes that answers hold, from the worker that makes one until the client has taken it.
#[derive(Clone, Debug, Default)]
pub struct AnswerBudget(Arc<AtomicUsize>);

impl AnswerBudget {
    /// A share of so many bytes; nothing when there is no room for it.
    pub fn take(&self, bytes: usize) -> Option<AnswerShare> {
        let more = |held: usize| held.checked_add(bytes).filter(|it| *it <= HTTP_ANSWERS_BYTES_MAX);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(AnswerShare { budget: self.clone(), bytes })
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct AnswerShare {
    budget: AnswerBudget,
    bytes: usize,
}

impl Drop for AnswerShare {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_overdrawn_and_refills() {
        let budget = AnswerBudget::default();
        let first = budget.take(HTTP_ANSWERS_BYTES_MAX);
        assert!(first.is_some());
        assert!(budget.take(1).is_none());
        assert!(budget.take(usize::MAX).is_none());
        drop(first);
        assert!(budget.take(1).is_some());
    }
}

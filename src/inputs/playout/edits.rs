//! Changes of the playlists on their way to the disk. Bound: [`COMMANDS_MAX`]; one more is declined.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::limits::COMMANDS_MAX;
use crate::operator::commands::{Declined, DeclinedKind, Order};
use crate::program::bell::Bell;

/// Changes of the lists that are to be written down.
#[derive(Default)]
pub(super) struct Edits {
    waiting: RefCell<VecDeque<Order>>,
    pub(super) bell: Rc<Bell>,
}

impl Edits {
    /// One more, unless too many wait already.
    pub(super) fn add(&self, order: Order) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= COMMANDS_MAX {
            let words = "Earlier changes are still being written to the disk; try again later.";
            order.answer(Err(Declined { kind: DeclinedKind::Busy, words: words.to_owned() }));
            return;
        }
        waiting.push_back(order);
        self.bell.ring();
    }

    /// The first that waits.
    pub(super) fn next(&self) -> Option<Order> {
        self.waiting.borrow_mut().pop_front()
    }
}

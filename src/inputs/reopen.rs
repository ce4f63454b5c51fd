//! Opening an input again when the operator or the probe asks. Purpose: the bells that the inputs'
//! tasks listen to. Non-goal: opening. Bound: a bell for each input.

use std::future::Future;
use std::rc::Rc;

use smol::future::FutureExt;

use crate::operator::commands::LiveInput;
use crate::program::bell::Bell;

/// The bells.
#[derive(Clone, Default)]
pub struct ReopenBells {
    udp: Rc<Bell>,
    pull: Rc<Bell>,
}

impl ReopenBells {
    /// The bell of an input.
    pub fn bell(&self, input: LiveInput) -> &Rc<Bell> {
        match input {
            LiveInput::Udp => &self.udp,
            LiveInput::Pull => &self.pull,
        }
    }
}

/// Runs a task and begins it again, from nothing, whenever the bell rings; ends when the task does.
pub async fn repeat_on<F: Future<Output = ()>>(bell: &Rc<Bell>, task: impl Fn() -> F) {
    let mut listener = bell.listen();
    loop {
        let ended = async {
            task().await;
            true
        };
        let rung = async {
            listener.heard().await;
            false
        };
        if ended.or(rung).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn each_ring_begins_the_task_again_until_it_ends_by_itself() {
        let bells = ReopenBells::default();
        let begun = Cell::new(0);
        let bell = bells.bell(LiveInput::Pull);
        let task = || async {
            begun.set(begun.get() + 1);
            if begun.get() == 3 {
                return;
            }
            bell.ring();
            std::future::pending::<()>().await;
        };
        smol::block_on(repeat_on(bell, task));
        assert_eq!(begun.get(), 3);
        assert!(!Rc::ptr_eq(bell, bells.bell(LiveInput::Udp)));
    }
}

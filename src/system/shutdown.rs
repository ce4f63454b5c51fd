//! The end of the program, as the data plane's tasks see it. Purpose: they finish politely when
//! asked to. Non-goal: deciding when.

use std::cell::Cell;
use std::rc::Rc;

use crate::program::bell::Bell;

/// Whether the program is to end.
#[derive(Default)]
pub struct Shutdown {
    asked: Cell<bool>,
    bell: Rc<Bell>,
}

impl Shutdown {
    /// Asks everybody to finish.
    pub fn ask(&self) {
        self.asked.set(true);
        self.bell.ring();
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        self.asked.get()
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        let mut listener = self.bell.listen();
        while !self.is_asked() {
            listener.heard().await;
        }
    }
}

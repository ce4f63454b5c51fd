//! The programme: one writer, one ring, many readers. Pure policy: `now` comes in, units and
//! verdicts go out; nothing here waits, allocates per unit, or knows a socket.

#[cfg(test)]
mod model;
mod payload;
mod silence;
#[cfg(test)]
pub(crate) mod testing;

pub mod bell;
pub mod parcel;
pub mod playlist;
pub mod reader;
pub mod reel;
pub mod ring;
pub mod switcher;
pub mod timeline;
pub mod unit;

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use crate::base::time::Mono;

use bell::{Bell, Listener};
use ring::Ring;
use switcher::{Cut, Source, SourceSink, Switcher};

/// The programme as the shells of the data plane's one thread share it.
pub struct Programme {
    switcher: RefCell<Switcher>,
    bell: Rc<Bell>,
}

impl Programme {
    /// Shares a switcher.
    pub fn new(switcher: Switcher) -> Programme {
        Programme { switcher: RefCell::new(switcher), bell: Rc::default() }
    }

    /// Takes what a source has for it: one batch, after which readers are woken once. Returns the
    /// change of what is on air, if it made one.
    pub fn feed(
        &self,
        source: Source,
        now: Mono,
        batch: impl FnOnce(&mut SourceSink<'_>),
    ) -> Option<Cut> {
        let mut switcher = self.switcher.borrow_mut();
        batch(&mut switcher.sink(source, now));
        self.after(&mut switcher)
    }

    /// The operator chooses what is to be on air; see [`Switcher::choose`]. Returns the change of
    /// what is on air, if it is made at once.
    pub fn choose(&self, choice: Option<Source>, now: Mono) -> Option<Cut> {
        let mut switcher = self.switcher.borrow_mut();
        switcher.choose(choice, now);
        self.after(&mut switcher)
    }

    /// Lets time pass; see [`Switcher::tick`].
    pub fn tick(&self, now: Mono) -> Option<Cut> {
        let mut switcher = self.switcher.borrow_mut();
        switcher.tick(now);
        self.after(&mut switcher)
    }

    /// Rings whenever the ring has moved or what is on air has changed.
    pub fn listen(&self) -> Listener {
        self.bell.listen()
    }

    /// The ring, for reading. Held across no `await`.
    pub fn ring(&self) -> Ref<'_, Ring> {
        Ref::map(self.switcher.borrow(), Switcher::ring)
    }

    /// The switcher, for looking at it. Held across no `await`.
    pub fn switcher(&self) -> Ref<'_, Switcher> {
        self.switcher.borrow()
    }

    fn after(&self, switcher: &mut Switcher) -> Option<Cut> {
        let cut = switcher.take_cut();
        if switcher.take_moved() || cut.is_some() {
            self.bell.ring();
        }
        cut
    }
}

#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod switching_tests;

//! The bell that tells readers the ring has moved. Purpose: rung once per received batch, not
//! once per unit; a listener costs one slot and no allocation per ring. Bound: one slot per
//! listener. Non-goals: counting, carrying values.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The bell.
#[derive(Default)]
pub struct Bell {
    rung: Cell<u64>,
    slots: RefCell<Vec<BellSlot>>,
}

#[derive(Default)]
struct BellSlot {
    taken: bool,
    waker: Option<Waker>,
}

impl Bell {
    /// Wakes all listeners.
    pub fn ring(&self) {
        self.rung.set(self.rung.get().wrapping_add(1));
        for slot in self.slots.borrow_mut().iter_mut() {
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    /// A listener that hears every ring from now on.
    pub fn listen(self: &Rc<Self>) -> Listener {
        let mut slots = self.slots.borrow_mut();
        let index = slots.iter().position(|slot| !slot.taken).unwrap_or_else(|| {
            slots.push(BellSlot::default());
            slots.len() - 1
        });
        if let Some(slot) = slots.get_mut(index) {
            slot.taken = true;
        }
        Listener { bell: Rc::clone(self), index, heard: self.rung.get() }
    }
}

/// One who listens.
pub struct Listener {
    bell: Rc<Bell>,
    index: usize,
    heard: u64,
}

impl Listener {
    /// Ready once the bell has rung since the last time this was ready.
    pub fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let rung = self.bell.rung.get();
        if rung != self.heard {
            self.heard = rung;
            return Poll::Ready(());
        }
        if let Some(slot) = self.bell.slots.borrow_mut().get_mut(self.index) {
            match &mut slot.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        Poll::Pending
    }

    /// Waits for the next ring.
    pub async fn heard(&mut self) {
        std::future::poll_fn(|cx| self.poll_heard(cx)).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(slot) = self.bell.slots.borrow_mut().get_mut(self.index) {
            *slot = BellSlot::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_ring_wakes_each_listener_once_and_is_not_missed() {
        let bell = Rc::new(Bell::default());
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let (mut first, mut second) = (bell.listen(), bell.listen());
        assert!(first.poll_heard(&mut cx).is_pending());
        assert!(first.poll_heard(&mut cx).is_pending());
        bell.ring();
        bell.ring();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(first.poll_heard(&mut cx).is_ready());
        assert!(first.poll_heard(&mut cx).is_pending());
        assert!(second.poll_heard(&mut cx).is_ready(), "rung before it waited");
    }

    #[test]
    fn a_listener_that_leaves_gives_its_slot_back() {
        let bell = Rc::new(Bell::default());
        for _ in 0..100 {
            drop(bell.listen());
        }
        let _one = bell.listen();
        let _two = bell.listen();
        assert_eq!(bell.slots.borrow().len(), 2);
    }
}

//! Whose turn it is to be computed for. Purpose: the gate's one thread does one TLS handshake's
//! computing between two looks at everything else, and among those that wait for it nobody's many
//! come before somebody's only one. Non-goals: what is computed. Bound: one who waits for each
//! connection there is.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use smol::channel::{bounded, Sender};

/// One turn after the other.
#[derive(Default)]
pub struct Turns {
    taken: Cell<bool>,
    /// In the order in which they came.
    waiting: RefCell<Vec<(IpAddr, Sender<Turn>)>>,
}

/// A turn; dropped, it is the next one's.
pub struct Turn(Rc<Turns>);

impl Turns {
    /// Waits for a turn.
    pub async fn take(self: &Rc<Self>, source: IpAddr) -> Turn {
        if !self.taken.replace(true) {
            return Turn(Rc::clone(self));
        }
        let (grant, granted) = bounded(1);
        self.waiting.borrow_mut().push((source, grant));
        // Who is in the queue is granted a turn, or leaves it.
        granted.recv().await.unwrap_or_else(|_| Turn(Rc::clone(self)))
    }

    /// Who is next: of the source of which fewest wait, who came first.
    fn next(&self) -> Option<Sender<Turn>> {
        let mut waiting = self.waiting.borrow_mut();
        // Those that have left.
        waiting.retain(|(_, grant)| !grant.is_closed());
        let of = |source| waiting.iter().filter(|(other, _)| *other == source).count();
        let claims = waiting.iter().enumerate().map(|(at, (source, _))| (of(*source), at));
        let (_, at) = claims.min()?;
        Some(waiting.remove(at).1)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        match self.0.next() {
            // Should it leave before it has looked, the turn is dropped with the channel, and is
            // the next one's.
            Some(grant) => drop(grant.try_send(Turn(Rc::clone(&self.0)))),
            None => self.0.taken.set(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;

    use smol::future::{block_on, poll_once};

    use super::*;

    type Wait = Pin<Box<dyn Future<Output = Turn>>>;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn wait(turns: &Rc<Turns>, from: u8) -> Wait {
        let turns = Rc::clone(turns);
        Box::pin(async move { turns.take(source(from)).await })
    }

    fn look(wait: &mut Wait) -> Option<Turn> {
        block_on(poll_once(wait))
    }

    #[test]
    fn who_has_many_waits_behind_who_has_one() {
        let turns = Rc::<Turns>::default();
        let mut queue: Vec<(u8, Wait)> =
            [1, 1, 1, 1, 2, 1, 2, 3].map(|from| (from, wait(&turns, from))).into();
        let mut turn = look(&mut queue[0].1);
        assert!(turn.is_some(), "nobody was before it");
        drop(queue.remove(0));
        for (_, wait) in &mut queue {
            assert!(look(wait).is_none(), "it is taken");
        }
        let mut order = Vec::new();
        while !queue.is_empty() {
            drop(turn.take());
            let granted: Vec<Option<Turn>> = queue.iter_mut().map(|(_, wait)| look(wait)).collect();
            assert_eq!(granted.iter().flatten().count(), 1, "one at a time");
            let at = granted.iter().position(Option::is_some).expect("one");
            turn = granted.into_iter().flatten().next();
            order.push(queue.remove(at).0);
        }
        assert_eq!(order, [3, 2, 2, 1, 1, 1, 1]);
        drop(turn);
        assert!(look(&mut wait(&turns, 9)).is_some(), "it is free again");
    }

    /// At whatever moment somebody leaves, the turn is never lost and never there twice.
    #[test]
    fn a_turn_survives_those_who_leave() {
        for seed in 0..500 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let turns = Rc::<Turns>::default();
            let (mut waits, mut held) = (Vec::<Wait>::new(), Vec::<Turn>::new());
            for _ in 0..200 {
                match dice.u8(..4) {
                    0 => waits.push(wait(&turns, dice.u8(..5))),
                    1 if !waits.is_empty() => drop(waits.swap_remove(dice.usize(..waits.len()))),
                    2 => held.clear(),
                    _ => {
                        let mut at = 0;
                        while at < waits.len() {
                            match look(&mut waits[at]) {
                                Some(turn) => {
                                    held.push(turn);
                                    drop(waits.swap_remove(at));
                                }
                                None => at += 1,
                            }
                        }
                    }
                }
                assert!(held.len() <= 1, "seed {seed}");
            }
            drop((waits, held));
            assert!(look(&mut wait(&turns, 9)).is_some(), "seed {seed}: it is lost");
        }
    }
}

//! Who may watch when nearly all seats are taken. Purpose: no source (an address; an IPv6 /64) keeps
//! others out by taking every seat, while anybody may have many as long as plenty are free: a whole
//! office may stand behind one address. Non-goals: sockets, clocks, what a viewer is sent. Bound:
//! the number of seats.
//!
//! The rules: the last share of the seats (one in [`VIEWER_SHARES`]) is for sources that hold less
//! than a share. When no seat is free, such a source takes the place of a viewer that is idle
//! (paused, or answers nothing), or else of one of the source that holds most: one that has got
//! nothing yet, then the one that came last. That source must hold two more than the newcomer's:
//! it then still holds as many, so that two sources never take a seat from each other in turn.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::base::limits::VIEWER_SHARES;

/// What a seat is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeatUse {
    /// Nobody seems to watch: paused, or nothing is heard from it.
    Idle,
    /// Nothing has been sent to it yet.
    New,
    /// It watches.
    Watches,
}

/// Whether a newcomer has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeatRoom {
    /// One is free.
    Free,
    /// The one of this number.
    InPlaceOf(u64),
    /// All are taken, and nobody has to make room.
    Full,
    /// Few are left, and its source holds its share.
    ShareTaken,
}

/// The seats.
pub(super) struct SessionSeats<T> {
    max: usize,
    taken: BTreeMap<u64, (IpAddr, T)>,
    /// How many each source holds.
    held: BTreeMap<IpAddr, usize>,
}

impl<T> SessionSeats<T> {
    /// All are free.
    pub(super) fn new(max: usize) -> SessionSeats<T> {
        SessionSeats { max, taken: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// How many there are.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Who sits on them, in the order of their numbers.
    pub(super) fn holders(&self) -> impl Iterator<Item = &T> {
        self.taken.values().map(|(_, holder)| holder)
    }

    /// How many a source holds.
    pub(super) fn held(&self, source: IpAddr) -> usize {
        self.held.get(&source).copied().unwrap_or_default()
    }

    /// Whether one from this source has a seat, where `look` tells what a seat is used for.
    pub(super) fn room(&self, newcomer: IpAddr, look: impl Fn(&T) -> SeatUse) -> SeatRoom {
        let (own, share) = (self.held(newcomer), self.max.div_ceil(VIEWER_SHARES));
        let (is_plenty, is_over) = (self.taken.len() + share < self.max, own >= share);
        if is_plenty || !is_over && self.taken.len() < self.max {
            return SeatRoom::Free;
        }
        let seats = self.taken.iter().map(|(&id, (source, holder))| (id, *source, look(holder)));
        let idle = seats.clone().filter(|&(_, source, holder)| {
            holder == SeatUse::Idle && (!is_over || source == newcomer)
        });
        let longest_of_most =
            |&(id, source, _): &(u64, IpAddr, _)| (self.held(source), Reverse(id));
        if let Some((id, ..)) = idle.max_by_key(longest_of_most) {
            return SeatRoom::InPlaceOf(id);
        }
        if is_over {
            return SeatRoom::ShareTaken;
        }
        let of_larger = seats.filter(|&(_, source, _)| self.held(source) >= own + 2);
        let newest_of_most = |&(id, source, holder): &(u64, IpAddr, SeatUse)| {
            (self.held(source), source, holder == SeatUse::New, id)
        };
        of_larger
            .max_by_key(newest_of_most)
            .map_or(SeatRoom::Full, |(id, ..)| SeatRoom::InPlaceOf(id))
    }

    /// One sits down.
    pub(super) fn take(&mut self, id: u64, source: IpAddr, holder: T) {
        self.leave(id);
        self.taken.insert(id, (source, holder));
        *self.held.entry(source).or_default() += 1;
    }

    /// One leaves, if it has not left before.
    pub(super) fn leave(&mut self, id: u64) -> Option<(IpAddr, T)> {
        let (source, holder) = self.taken.remove(&id)?;
        if let Some(held) = self.held.get_mut(&source) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&source);
            }
        }
        Some((source, holder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SeatUse::{Idle, New, Watches};

    fn source(number: usize) -> IpAddr {
        IpAddr::from([127, 0, (number / 256) as u8, (number % 256) as u8])
    }

    /// Seats, and a number for each who comes.
    struct Hall {
        seats: SessionSeats<SeatUse>,
        came: u64,
    }

    impl Hall {
        fn of(max: usize) -> Hall {
            Hall { seats: SessionSeats::new(max), came: 0 }
        }

        /// One comes from there; what became of that.
        fn comes(&mut self, from: usize, holder: SeatUse) -> SeatRoom {
            let room = self.seats.room(source(from), |holder| *holder);
            if let SeatRoom::InPlaceOf(gone) = room {
                assert!(self.seats.leave(gone).is_some(), "who makes room was there");
            }
            if matches!(room, SeatRoom::Free | SeatRoom::InPlaceOf(_)) {
                self.came += 1;
                self.seats.take(self.came, source(from), holder);
            }
            assert!(self.seats.taken() <= self.seats.max());
            let counted: usize = self.seats.held.values().sum();
            assert_eq!(counted, self.seats.taken());
            room
        }

        fn come(&mut self, from: usize, count: usize) -> Vec<SeatRoom> {
            (0..count).map(|_| self.comes(from, Watches)).collect()
        }

        fn held(&self, from: usize) -> usize {
            self.seats.held(source(from))
        }
    }

    #[test]
    fn one_source_has_all_but_the_last_share() {
        for (max, most) in [(1, 1), (2, 1), (8, 7), (9, 7), (250, 218), (2000, 1750)] {
            let mut hall = Hall::of(max);
            let rooms = hall.come(1, max + 10);
            assert_eq!(hall.held(1), most, "of {max}");
            assert!(rooms.iter().skip(most).all(|room| *room == SeatRoom::ShareTaken));
            // The others fill the rest, and nobody has to leave for them.
            let rooms: Vec<SeatRoom> = (most..max).map(|n| hall.comes(10 + n, Watches)).collect();
            assert_eq!(rooms, vec![SeatRoom::Free; max - most], "of {max}");
        }
    }

    #[test]
    fn a_newcomer_takes_the_newest_of_the_source_that_holds_most() {
        let mut hall = Hall::of(16);
        hall.come(1, 14);
        hall.come(2, 2);
        assert_eq!(hall.comes(3, Watches), SeatRoom::InPlaceOf(14));
        hall.seats.take(13, source(1), New);
        assert_eq!(
            hall.comes(4, Watches),
            SeatRoom::InPlaceOf(13),
            "one that got nothing yet first"
        );
        hall.seats.take(2, source(1), New);
        assert_eq!(hall.comes(5, Watches), SeatRoom::InPlaceOf(2));
        hall.seats.take(3, source(1), Idle);
        hall.seats.take(15, source(2), Idle);
        assert_eq!(
            hall.comes(6, Watches),
            SeatRoom::InPlaceOf(3),
            "idle ones of the largest first"
        );
        assert_eq!(hall.comes(7, Watches), SeatRoom::InPlaceOf(15), "then idle ones of others");
    }

    #[test]
    fn a_source_over_its_share_only_takes_its_own_idle_seats() {
        let mut hall = Hall::of(16);
        hall.come(1, 14);
        hall.comes(2, Idle);
        assert_eq!(hall.comes(1, Watches), SeatRoom::ShareTaken);
        hall.seats.take(5, source(1), Idle);
        assert_eq!(hall.comes(1, Watches), SeatRoom::InPlaceOf(5));
        assert_eq!((hall.held(1), hall.held(2)), (14, 1));
    }

    #[test]
    fn sources_never_take_a_seat_from_each_other_in_turn() {
        let mut hall = Hall::of(9);
        for round in 0..200 {
            hall.comes(round % 5, Watches);
        }
        assert_eq!(hall.seats.taken(), 9);
        let before = hall.seats.held.clone();
        for round in 0..200 {
            assert!(matches!(
                hall.comes(round % 5, Watches),
                SeatRoom::Full | SeatRoom::ShareTaken
            ));
        }
        assert_eq!(hall.seats.held, before);
    }

    /// Sources that come again and again, a few of them far more often, and then one that comes
    /// once: it is let in unless all seats are taken by sources with one each.
    #[test]
    fn whatever_comes_in_whatever_order_nobody_is_kept_out() {
        for seed in 0..300 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let max = dice.usize(1..120);
            let sources = dice.usize(1..200);
            let mut hall = Hall::of(max);
            for _ in 0..max * 20 {
                match dice.u8(..20) {
                    0 => {
                        let taken = hall.seats.taken.keys().copied().collect::<Vec<u64>>();
                        if let Some(&gone) = dice.choice(&taken) {
                            hall.seats.leave(gone);
                        }
                    }
                    1 => drop(hall.comes(dice.usize(..sources), Idle)),
                    // A few want far more than the others.
                    2..=12 => drop(hall.comes(dice.usize(..sources.min(3)), Watches)),
                    _ => drop(hall.comes(dice.usize(..sources), Watches)),
                }
            }
            let most = hall.seats.held.values().copied().max().unwrap_or_default();
            let is_full = hall.seats.taken() == max;
            let has_idle = hall.seats.holders().any(|holder| *holder == Idle);
            let room = hall.comes(999, Watches);
            let is_kept_out = room == SeatRoom::Full || room == SeatRoom::ShareTaken;
            assert_eq!(is_kept_out, is_full && most <= 1 && !has_idle, "seed {seed}: {room:?}");
        }
    }
}

//! Who is let in when many come at once. Purpose: a crowd is served in turn and nobody of it is
//! sent away, and who connects in numbers and then says nothing keeps only himself out. Non-goals:
//! sockets, clocks, what a connection is let in for. Bounds: [`RTMP_PENDING_MAX`] seats, each with
//! a session under way; [`RTMP_LOBBY_MAX`] who wait for one and cost a descriptor and a few words.
//!
//! The rules: a free seat goes to the source that holds fewest, then to the one of which fewest
//! wait, then to who came first. When no seat is free, the oldest of the source that holds most
//! makes room for a source that holds fewer, but only once it has had [`RTMP_SEAT_MS_MIN`] to
//! decide: an age, unlike silence, cannot be put off by a byte now and then. When the lobby is
//! full, the source with most connections loses its longest waiting one in the same way.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::base::limits::{RTMP_ADMISSION_MS_MAX, RTMP_LOBBY_MAX, RTMP_PENDING_MAX};
use crate::base::time::Mono;

/// Time a connection has to say what it wants before it may have to make room for another.
const RTMP_SEAT_MS_MIN: u64 = 1_000;

/// What a connection is known by, given when it arrives; later ones are larger.
pub(super) type Ticket = u64;

/// The next to be seated.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeatTurn<T> {
    /// Whose turn it is.
    pub(super) ticket: Ticket,
    /// What arrived with it.
    pub(super) item: T,
    /// Who has to leave for it, and where that one comes from.
    pub(super) evicted: Option<(Ticket, IpAddr)>,
}

struct Waiting<T> {
    ticket: Ticket,
    source: IpAddr,
    since: Mono,
    item: T,
}

struct Seated {
    ticket: Ticket,
    source: IpAddr,
    since: Mono,
}

/// Connections of one source.
#[derive(Clone, Copy, Default)]
struct Held {
    seated: usize,
    waiting: usize,
}

/// Seats and lobby.
pub(super) struct Admission<T> {
    tickets: Ticket,
    lobby_max: usize,
    waiting: VecDeque<Waiting<T>>,
    seated: Vec<Seated>,
    sources: BTreeMap<IpAddr, Held>,
}

const SEAT_MIN: Duration = Duration::from_millis(RTMP_SEAT_MS_MIN);
const WAIT_MAX: Duration = Duration::from_millis(RTMP_ADMISSION_MS_MAX);

impl<T> Admission<T> {
    /// Nobody is there. The lobby holds at most `lobby_max`, and never more than
    /// [`RTMP_LOBBY_MAX`].
    pub(super) fn new(lobby_max: usize) -> Admission<T> {
        Admission {
            tickets: 0,
            lobby_max: lobby_max.clamp(1, RTMP_LOBBY_MAX),
            waiting: VecDeque::new(),
            seated: Vec::new(),
            sources: BTreeMap::new(),
        }
    }

    /// Connections that have not yet said what they want, seated or waiting.
    pub(super) fn undecided(&self) -> usize {
        self.waiting.len() + self.seated.len()
    }

    /// Whether somebody waits for a seat.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether another may arrive; those who made room for it, or have waited too long, are
    /// handed over to be closed.
    pub(super) fn make_room(&mut self, now: Mono, mut closed: impl FnMut(IpAddr, T)) -> bool {
        while self.waiting.front().is_some_and(|first| now.since(first.since) >= WAIT_MAX) {
            let Some(first) = self.waiting.pop_front() else { break };
            self.adjust(first.source, |held| held.waiting -= 1);
            closed(first.source, first.item);
        }
        if self.waiting.len() < self.lobby_max {
            return true;
        }
        let all = |waiting: &Waiting<T>| {
            let held = self.held(waiting.source);
            (held.seated + held.waiting, std::cmp::Reverse(waiting.ticket))
        };
        let candidates = self.waiting.iter().enumerate();
        let Some((at, _)) = candidates.max_by_key(|(_, waiting)| all(waiting)) else {
            return false;
        };
        if self.waiting.get(at).is_none_or(|waiting| now.since(waiting.since) < SEAT_MIN) {
            return false;
        }
        if let Some(gone) = self.waiting.remove(at) {
            self.adjust(gone.source, |held| held.waiting -= 1);
            closed(gone.source, gone.item);
        }
        true
    }

    /// A connection arrives and waits for its turn.
    pub(super) fn arrive(&mut self, source: IpAddr, now: Mono, item: T) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.waiting.push_back(Waiting { ticket, source, since: now, item });
        self.adjust(source, |held| held.waiting += 1);
    }

    /// Finds out of those who wait whom they count for, where that was not known when they came.
    pub(super) fn learn(&mut self, mut source: impl FnMut(&mut T) -> Option<IpAddr>) {
        let mut learnt = Vec::new();
        for waiting in &mut self.waiting {
            if let Some(source) = source(&mut waiting.item) {
                learnt.push((std::mem::replace(&mut waiting.source, source), source));
            }
        }
        for (before, source) in learnt {
            self.adjust(before, |held| held.waiting -= 1);
            self.adjust(source, |held| held.waiting += 1);
        }
    }

    /// One that is seated counts for another source from now on.
    pub(super) fn counts_for(&mut self, ticket: Ticket, source: IpAddr) {
        let seated = self.seated.iter_mut().find(|seated| seated.ticket == ticket);
        if let Some(seated) = seated {
            let before = std::mem::replace(&mut seated.source, source);
            self.adjust(before, |held| held.seated -= 1);
            self.adjust(source, |held| held.seated += 1);
        }
    }

    /// Whose turn it is now; it is seated.
    pub(super) fn next(&mut self, now: Mono) -> Option<SeatTurn<T>> {
        let claim = |waiting: &Waiting<T>| {
            let held = self.held(waiting.source);
            (held.seated, held.waiting, waiting.ticket)
        };
        let first = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| claim(waiting));
        let (at, source) = first.map(|(at, waiting)| (at, waiting.source))?;
        let evicted = if self.seated.len() < RTMP_PENDING_MAX {
            None
        } else {
            let victim = self.victim(self.held(source).seated, now)?;
            self.leave(victim.0);
            Some(victim)
        };
        let Waiting { ticket, item, .. } = self.waiting.remove(at)?;
        self.seated.push(Seated { ticket, source, since: now });
        self.adjust(source, |held| {
            held.waiting -= 1;
            held.seated += 1;
        });
        Some(SeatTurn { ticket, item, evicted })
    }

    /// One that was seated has decided, or left.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        if let Some(at) = self.seated.iter().position(|seated| seated.ticket == ticket) {
            let seated = self.seated.swap_remove(at);
            self.adjust(seated.source, |held| held.seated -= 1);
        }
    }

    /// Who makes room for a source that holds `own` seats.
    fn victim(&self, own: usize, now: Mono) -> Option<(Ticket, IpAddr)> {
        let may_go = |seated: &&Seated| {
            self.held(seated.source).seated > own && now.since(seated.since) >= SEAT_MIN
        };
        let rank = |seated: &&Seated| {
            (self.held(seated.source).seated, std::cmp::Reverse((seated.since, seated.ticket)))
        };
        let victim = self.seated.iter().filter(may_go).max_by_key(rank)?;
        Some((victim.ticket, victim.source))
    }

    fn held(&self, source: IpAddr) -> Held {
        self.sources.get(&source).copied().unwrap_or_default()
    }

    fn adjust(&mut self, source: IpAddr, change: impl FnOnce(&mut Held)) {
        let held = self.sources.entry(source).or_default();
        change(held);
        if held.seated + held.waiting == 0 {
            self.sources.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Mono = Mono::from_ms;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn admission() -> Admission<u8> {
        Admission::new(RTMP_LOBBY_MAX)
    }

    fn arrive(admission: &mut Admission<u8>, from: u8, count: usize, now: Mono) {
        for _ in 0..count {
            admission.arrive(source(from), now, from);
        }
    }

    fn seat_all(admission: &mut Admission<u8>, now: Mono) -> Vec<SeatTurn<u8>> {
        std::iter::from_fn(|| admission.next(now)).collect()
    }

    fn is_consistent(admission: &Admission<u8>) -> bool {
        let sum = admission
            .sources
            .values()
            .fold((0, 0), |(seated, waiting), held| (seated + held.seated, waiting + held.waiting));
        sum == (admission.seated.len(), admission.waiting.len())
    }

    #[test]
    fn a_crowd_from_one_source_is_served_in_its_order_and_nobody_is_sent_away() {
        let mut admission = admission();
        arrive(&mut admission, 1, 1000, AT(0));
        let mut served = Vec::new();
        for ms in (0..9_000).step_by(100) {
            assert!(admission.make_room(AT(ms), |_, _| panic!("one of the crowd is closed")));
            for turn in seat_all(&mut admission, AT(ms)) {
                assert_eq!(turn.evicted, None);
                served.push(turn.ticket);
            }
            let oldest: Vec<Ticket> = served.iter().rev().take(RTMP_PENDING_MAX).copied().collect();
            oldest.into_iter().for_each(|ticket| admission.leave(ticket));
        }
        assert_eq!(served, (1..=1000).collect::<Vec<Ticket>>());
        assert!(admission.sources.is_empty());
    }

    #[test]
    fn among_a_thousand_of_another_source_a_newcomer_waits_for_an_age_at_most() {
        let mut admission = admission();
        arrive(&mut admission, 2, 1000, AT(0));
        assert_eq!(seat_all(&mut admission, AT(0)).len(), RTMP_PENDING_MAX);
        admission.arrive(source(1), AT(1), 1);
        assert_eq!(seat_all(&mut admission, AT(RTMP_SEAT_MS_MIN - 1)), []);
        let turns = seat_all(&mut admission, AT(RTMP_SEAT_MS_MIN));
        let [turn] = turns.as_slice() else { panic!("{turns:?}") };
        assert_eq!((turn.ticket, turn.item, turn.evicted), (1001, 1, Some((1, source(2)))));
        assert!(is_consistent(&admission));
    }

    #[test]
    fn sources_that_sit_still_one_by_one_make_room_in_turn() {
        let mut admission = admission();
        for from in 2..=200 {
            arrive(&mut admission, from, 5, AT(0));
        }
        seat_all(&mut admission, AT(0));
        admission.arrive(source(1), AT(5), 1);
        let turns = seat_all(&mut admission, AT(RTMP_SEAT_MS_MIN));
        assert!(turns.iter().any(|turn| turn.item == 1), "{turns:?}");
        assert_eq!(turns.len(), RTMP_PENDING_MAX, "each seat changes hands once");
        assert!(is_consistent(&admission));
    }

    #[test]
    fn behind_a_proxy_a_crowd_of_one_client_keeps_no_other_out() {
        let (mut admission, proxy) = (admission(), source(9));
        let clients: Vec<u8> = [[2; 500].as_slice(), &[1]].concat();
        clients.iter().for_each(|client| admission.arrive(proxy, AT(0), *client));
        // Who is seated before its header has come is known a little later.
        let seated = seat_all(&mut admission, AT(0));
        assert_eq!(seated.len(), RTMP_PENDING_MAX);
        seated.iter().for_each(|turn| admission.counts_for(turn.ticket, source(turn.item)));
        admission.learn(|client| Some(source(*client)));
        assert!(is_consistent(&admission));
        assert_eq!(seat_all(&mut admission, AT(RTMP_SEAT_MS_MIN - 1)), []);
        let turns = seat_all(&mut admission, AT(RTMP_SEAT_MS_MIN));
        let [turn] = turns.as_slice() else { panic!("{turns:?}") };
        assert_eq!((turn.item, turn.evicted), (1, Some((1, source(2)))));
        assert!(is_consistent(&admission));
        admission.learn(|_| None);
        (1..=501).for_each(|ticket| admission.leave(ticket));
        assert_eq!(admission.held(proxy).seated + admission.held(proxy).waiting, 0);
    }

    #[test]
    fn who_holds_few_is_not_displaced_by_who_holds_many() {
        let mut admission = admission();
        admission.arrive(source(1), AT(0), 1);
        arrive(&mut admission, 2, 500, AT(0));
        seat_all(&mut admission, AT(0));
        assert_eq!(seat_all(&mut admission, AT(9_000)), []);
        admission.leave(1);
        assert_eq!(seat_all(&mut admission, AT(9_000)).len(), 1);
    }

    #[test]
    fn a_full_lobby_gives_up_the_longest_waiting_of_the_largest_source() {
        let mut admission = admission();
        arrive(&mut admission, 3, 2, AT(0));
        arrive(&mut admission, 2, RTMP_PENDING_MAX + RTMP_LOBBY_MAX - 2, AT(0));
        seat_all(&mut admission, AT(0));
        assert!(!admission.make_room(AT(RTMP_SEAT_MS_MIN - 1), |_, _| panic!("too early")));
        let mut closed = Vec::new();
        for _ in 0..3 {
            assert!(admission.make_room(AT(RTMP_SEAT_MS_MIN), |from, _| closed.push(from)));
            admission.arrive(source(1), AT(RTMP_SEAT_MS_MIN), 1);
        }
        assert_eq!(closed, [source(2); 3]);
        assert_eq!(admission.waiting.len(), RTMP_LOBBY_MAX);
        let late = AT(RTMP_ADMISSION_MS_MAX);
        let mut count = 0;
        assert!(admission.make_room(late, |_, _| count += 1));
        assert_eq!(count, RTMP_LOBBY_MAX - 3, "who has waited too long is not kept for ever");
        assert!(is_consistent(&admission));
    }
}

//! The seats of the gate's connections, and who makes room. Bounds: [`HTTP_CONNECTIONS_MAX`] on both ports
//! together, [`HTTP_ADDRESS_CONNECTIONS_MAX`] of one address, [`HTTP_REFUSALS_MAX`] more that are
//! turned away with an answer.
//!
//! When all seats are taken, a connection that waits for its client (it shakes hands, has asked nothing
//! yet, or idles after its answer) makes room for one from an address that holds fewer: of the address
//! that holds most, one that never asked anything before one that did, the longest waiting first. So
//! nobody keeps others out by sitting still, from however many addresses.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use smol::Task;

use crate::base::limits::{HTTP_ADDRESS_CONNECTIONS_MAX, HTTP_CONNECTIONS_MAX, HTTP_REFUSALS_MAX};
use crate::control::http::meter::Meter;

/// How a connection tells the gate that it could be given up for another.
pub trait Seat {
    /// It waits for its client to send its request, or to leave.
    fn waits(&self);
    /// It has a whole request and owes an answer.
    fn works(&self);
    /// It counts for this address, not for the proxy that made it; false when that has no place left.
    fn counts_for(&self, source: IpAddr) -> bool;
}

/// A connection that has one.
struct Entry {
    id: u64,
    source: IpAddr,
    /// The ticket drawn when it began to wait for its client; nothing while it works.
    waiting_since: Option<u64>,
    /// It has brought a whole request.
    has_asked: bool,
    /// Dropped, it ends the connection.
    _task: Task<()>,
}

impl Entry {
    fn sitting(&self) -> Sitting {
        Sitting { source: self.source, since: self.waiting_since, has_asked: self.has_asked }
    }
}

/// All connections.
pub struct Seats {
    taken: RefCell<Vec<Entry>>,
    meter: Arc<Meter>,
    /// Counts what happens, to tell earlier from later.
    tickets: Cell<u64>,
    refusing: Cell<usize>,
}

impl Seats {
    /// None is taken; how many are is told to `meter`.
    pub fn new(meter: Arc<Meter>) -> Seats {
        let (taken, tickets, refusing) = Default::default();
        Seats { taken, meter, tickets, refusing }
    }

    /// None is taken any more: all connections end.
    pub fn clear(&self) {
        self.taken.borrow_mut().clear();
    }

    /// Gives a seat to the connection that `serve` makes of it.
    pub fn give(self: &Rc<Self>, source: IpAddr, serve: impl FnOnce(HeldSeat) -> Task<()>) {
        let id = self.ticket();
        let task = serve(HeldSeat { seats: Rc::clone(self), id });
        self.enter(Entry { id, source, waiting_since: Some(id), has_asked: false, _task: task });
    }

    /// Room to tell one more that there is none.
    pub fn refuse(self: &Rc<Self>) -> Option<TurnedAway> {
        (self.refusing.get() < HTTP_REFUSALS_MAX).then(|| {
            self.refusing.set(self.refusing.get() + 1);
            TurnedAway(Rc::clone(self))
        })
    }

    fn enter(&self, entry: Entry) {
        let mut seats = self.taken.borrow_mut();
        seats.push(entry);
        self.meter.connections.set(seats.len());
    }

    fn leave(&self, id: u64) {
        // Who gives up the entry holds the list, and has taken it out already.
        if let Ok(mut seats) = self.taken.try_borrow_mut() {
            seats.retain(|entry| entry.id != id);
            self.meter.connections.set(seats.len());
        }
    }

    fn ticket(&self) -> u64 {
        self.tickets.set(self.tickets.get() + 1);
        self.tickets.get()
    }

    /// Whether a newcomer has a seat; one that waits is given up for it if need be. `has_share`: its
    /// address may not hold them all.
    pub fn make_room(&self, newcomer: IpAddr, has_share: bool) -> bool {
        let mut seats = self.taken.borrow_mut();
        let sitting: Vec<_> = seats.iter().map(Entry::sitting).collect();
        match room(&sitting, newcomer, has_share) {
            Room::Free => true,
            Room::InPlaceOf(at) => {
                seats.swap_remove(at);
                true
            }
            Room::None => false,
        }
    }

    /// A connection that has a seat counts for another source from now on; whether that one has room
    /// for it. One of its own that waits is given up if need be.
    fn move_to(&self, id: u64, source: IpAddr) -> bool {
        let mut seats = self.taken.borrow_mut();
        let Some(at) = seats.iter().position(|entry| entry.id == id) else { return false };
        let mut entry = seats.swap_remove(at);
        entry.source = source;
        let sitting: Vec<_> = seats.iter().map(Entry::sitting).collect();
        let room = room(&sitting, source, true);
        if let Room::InPlaceOf(at) = room {
            seats.swap_remove(at);
        }
        seats.push(entry);
        self.meter.connections.set(seats.len());
        room != Room::None
    }

    fn set_waiting(&self, id: u64, since: Option<u64>) {
        if let Some(entry) = self.taken.borrow_mut().iter_mut().find(|entry| entry.id == id) {
            entry.waiting_since = since;
            entry.has_asked |= since.is_none();
        }
    }
}

/// A connection, as far as it matters for who makes room.
#[derive(Clone, Copy)]
struct Sitting {
    source: IpAddr,
    /// The ticket of its waiting; nothing while it works.
    since: Option<u64>,
    has_asked: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Room {
    /// A seat is free.
    Free,
    /// The connection at this place is given up.
    InPlaceOf(usize),
    /// All seats are taken by connections that work, or wait and are of addresses that hold no more
    /// than the newcomer's.
    None,
}

/// Finds a seat among `sitting`. `has_share`: the newcomer's address may not hold them all.
fn room(sitting: &[Sitting], newcomer: IpAddr, has_share: bool) -> Room {
    let held = |source: IpAddr| sitting.iter().filter(|seat| seat.source == source).count();
    let own = held(newcomer);
    let own_full = own >= HTTP_ADDRESS_CONNECTIONS_MAX && has_share;
    if sitting.len() < HTTP_CONNECTIONS_MAX && !own_full {
        return Room::Free;
    }
    let may_go = |source: IpAddr| source == newcomer || (!own_full && held(source) > own);
    let waiting = sitting.iter().enumerate().filter_map(|(at, seat)| {
        let since = seat.since?;
        let rank = (held(seat.source), !seat.has_asked, std::cmp::Reverse(since), at);
        may_go(seat.source).then_some(rank)
    });
    waiting.max().map_or(Room::None, |(.., at)| Room::InPlaceOf(at))
}

/// A connection's hold on its entry; dropped, the entry goes.
pub struct HeldSeat {
    seats: Rc<Seats>,
    id: u64,
}

impl Seat for HeldSeat {
    fn waits(&self) {
        let since = self.seats.ticket();
        self.seats.set_waiting(self.id, Some(since));
    }

    fn works(&self) {
        self.seats.set_waiting(self.id, None);
    }

    fn counts_for(&self, source: IpAddr) -> bool {
        self.seats.move_to(self.id, source)
    }
}

impl Drop for HeldSeat {
    fn drop(&mut self) {
        self.seats.leave(self.id);
    }
}

/// Counts a connection that is being turned away.
pub struct TurnedAway(Rc<Seats>);

impl Drop for TurnedAway {
    fn drop(&mut self) {
        self.0.refusing.set(self.0.refusing.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn working(source: IpAddr) -> Sitting {
        Sitting { source, since: None, has_asked: true }
    }

    fn waiting(source: IpAddr, since: u64) -> Sitting {
        Sitting { source, since: Some(since), has_asked: false }
    }

    #[test]
    fn an_address_has_its_share_and_loopback_all() {
        let stranger = address("192.0.2.1");
        let busy = |source, count| vec![working(source); count];
        assert_eq!(
            room(&busy(stranger, HTTP_ADDRESS_CONNECTIONS_MAX - 1), stranger, true),
            Room::Free
        );
        assert_eq!(room(&busy(stranger, HTTP_ADDRESS_CONNECTIONS_MAX), stranger, true), Room::None);
        let here = address("127.0.0.1");
        assert_eq!(room(&busy(here, HTTP_CONNECTIONS_MAX - 1), here, false), Room::Free);
        assert_eq!(room(&busy(here, HTTP_CONNECTIONS_MAX), here, false), Room::None);
    }

    #[test]
    fn at_its_share_an_address_only_replaces_its_own() {
        let (stranger, other) = (address("192.0.2.1"), address("127.0.0.1"));
        let mut sitting = vec![working(stranger); HTTP_ADDRESS_CONNECTIONS_MAX];
        sitting.extend(vec![waiting(other, 1); 20]);
        assert_eq!(room(&sitting, stranger, true), Room::None);
        sitting[3].since = Some(9);
        assert_eq!(room(&sitting, stranger, true), Room::InPlaceOf(3));
    }

    #[test]
    fn the_longest_waiting_of_the_largest_holder_makes_room() {
        let (many, few) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut sitting = vec![waiting(many, 50); HTTP_CONNECTIONS_MAX - 2];
        sitting.extend([waiting(few, 1), waiting(few, 2)]);
        sitting[7].since = Some(10);
        assert_eq!(room(&sitting, address("192.0.2.3"), true), Room::InPlaceOf(7));
    }

    #[test]
    fn who_works_stays() {
        let sitting = vec![working(address("192.0.2.1")); HTTP_CONNECTIONS_MAX];
        assert_eq!(room(&sitting, address("192.0.2.3"), true), Room::None);
    }

    #[test]
    fn among_many_addresses_with_one_each_the_longest_silent_makes_room() {
        let mut each_one: Vec<_> = (0..HTTP_CONNECTIONS_MAX)
            .map(|n| waiting(IpAddr::from([10, 0, 0, n as u8]), 100 - n as u64))
            .collect();
        // Those that have asked something are left alone as long as others have not.
        let last = HTTP_CONNECTIONS_MAX - 1;
        each_one[last].has_asked = true;
        let newcomer = address("192.0.2.3");
        assert_eq!(room(&each_one, newcomer, true), Room::InPlaceOf(last - 1));
        each_one.iter_mut().for_each(|seat| seat.has_asked = true);
        assert_eq!(room(&each_one, newcomer, true), Room::InPlaceOf(last));
        // Who holds one gets no second at the cost of another's only one.
        assert_eq!(room(&each_one, each_one[4].source, true), Room::InPlaceOf(4));
    }
}

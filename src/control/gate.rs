//! The gate: owns the two TCP ports and decides who gets in. Purpose: strangers meet this code
//! alone: one thread, whatever number of connections, each with deadlines. Non-goals: what a request means. Bounds:
//! [`HTTP_CONNECTIONS_MAX`] connections on both ports together, [`HTTP_ADDRESS_CONNECTIONS_MAX`]
//! of one address, [`HTTP_REFUSALS_MAX`] more that are being told that there is no room.
//!
//! When all seats are taken, a connection that waits for its client (it shakes hands, has asked
//! nothing yet, or idles after its answer) makes room for one from an address that holds fewer: of the address that
//! holds most, one that never asked anything before one that did, the longest waiting first. So
//! nobody keeps others out by sitting still, from however many addresses.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use async_io::Timer;
use async_net::{TcpListener, TcpStream};
use smol::channel::{Receiver, Sender};
use smol::future::{or, yield_now, zip, Future, FutureExt};
use smol::{LocalExecutor, Task};

use crate::base::events::Condition;
use crate::base::limits::{HTTP_ADDRESS_CONNECTIONS_MAX, HTTP_CONNECTIONS_MAX, HTTP_REFUSALS_MAX};
use crate::control::connection::{self, Behind, Seat};
use crate::control::door::{Allowed, Door};
use crate::control::head::Refusal;
use crate::control::http::job::Job;
use crate::control::routes::Port;
use crate::control::stream::Sources;
use crate::control::tls::Tls;
use crate::control::wire::Wire;
use crate::net::proxy::Proxies;
use crate::net::sockets::{canonical, source};
use crate::system::clock;

/// Pause after a failed accept: no descriptor is left, or the like. It passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs the gate until `stop` is closed. `jobs` leads to the workers.
pub fn run(
    http: TcpListener,
    stat: TcpListener,
    jobs: Sender<Job>,
    sources: Sources,
    (tls, proxies, allowed): (Option<Tls>, Proxies, Allowed),
    stop: Receiver<()>,
) {
    let executor = LocalExecutor::new();
    let house = Rc::new(House::new(jobs, sources, tls, (proxies, allowed)));
    let behind = Rc::clone(&house.behind);
    let follow = async move {
        if let Some(tls) = &behind.tls {
            tls.follow().await;
        }
    };
    executor.spawn(alone(follow)).detach();
    let open = async {
        let doors = zip(
            accept(http, Port::Http, &executor, &house),
            accept(stat, Port::Stat, &executor, &house),
        );
        doors.await;
    };
    let closed = async {
        // Nothing is ever sent: the other end is dropped when it is time to stop.
        let _ = stop.recv().await;
    };
    smol::future::block_on(executor.run(or(closed, open)));
    house.seats.borrow_mut().clear();
}

async fn accept(
    listener: TcpListener,
    port: Port,
    executor: &LocalExecutor<'static>,
    house: &Rc<House>,
) {
    let mut errors = Condition::default();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let from = canonical(from);
                if errors.since().is_some() {
                    if let Some(over) = errors.over(clock::mono()) {
                        log::info!("control: connections are accepted again ({over})");
                    }
                }
                admit(stream, from, port, executor, house);
            }
            Err(e) => {
                if errors.occurs(clock::mono()) {
                    log::warn!("control: no connection could be accepted: {e}");
                }
                Timer::after(ACCEPT_PAUSE).await;
            }
        }
        // A flood of connections must not keep those inside from their turn.
        yield_now().await;
    }
}

fn admit(
    stream: TcpStream,
    from: SocketAddr,
    port: Port,
    executor: &LocalExecutor<'static>,
    house: &Rc<House>,
) {
    // Answers leave whole; waiting for more to send would only delay their last packet.
    let _ = stream.set_nodelay(true);
    let mut door = Door::new(port, from.ip(), &house.behind.proxies);
    // Unknown, no address is this machine's own.
    door.local = stream.local_addr().ok().map(|local| canonical(local).ip());
    if !door.is_proxy() && !house.behind.allowed.has(&door) {
        // Closed without a word: nothing of such a client is read.
        let why = format!("its network is not in [{}] allow", port.name());
        house.behind.sources.meter.refuse(from.ip(), &why);
        return;
    }
    // Whom a proxy's connection is for is not known yet.
    let has_share = !door.is_proxy() && !from.ip().is_loopback();
    if house.make_room(source(from.ip()), has_share) {
        let id = house.ticket();
        let chair = Chair { house: Rc::clone(house), id };
        let behind = Rc::clone(&house.behind);
        let task = executor.spawn(alone(connection::serve(stream, door, behind, chair)));
        let (source, waiting_since) = (source(from.ip()), Some(id));
        let entry = Entry { id, source, waiting_since, has_asked: false, _task: task };
        house.enter(entry);
        return;
    }
    house.behind.sources.meter.refuse(from.ip(), &"all places are taken");
    if house.refusing.get() < HTTP_REFUSALS_MAX {
        let refused = Refused::new(house);
        let told = async move {
            // In plain HTTP even where TLS is spoken: a handshake is what there is no room for.
            connection::turn_away(Wire::Plain(stream), Refusal::Unavailable).await;
            drop(refused);
        };
        executor.spawn(alone(told)).detach();
    }
}

/// Keeps a panic, which is in the log, from ending more than what it happened in: a connection loses
/// its seat, the gate goes on.
async fn alone(work: impl Future<Output = ()>) {
    let _ = AssertUnwindSafe(work).catch_unwind().await;
}

/// A connection in the house.
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
struct House {
    seats: RefCell<Vec<Entry>>,
    behind: Rc<Behind>,
    /// Counts what happens, to tell earlier from later.
    tickets: Cell<u64>,
    refusing: Cell<usize>,
}

impl House {
    fn new(
        jobs: Sender<Job>,
        sources: Sources,
        tls: Option<Tls>,
        (proxies, allowed): (Proxies, Allowed),
    ) -> House {
        let behind = Rc::new(Behind { jobs, sources, tls, proxies, allowed, turns: Rc::default() });
        let (seats, tickets, refusing) = Default::default();
        House { seats, behind, tickets, refusing }
    }

    fn enter(&self, entry: Entry) {
        let mut seats = self.seats.borrow_mut();
        seats.push(entry);
        self.behind.sources.meter.connections.set(seats.len());
    }

    fn leave(&self, id: u64) {
        // Whoever gives up the entry holds the list, and has taken it out already.
        if let Ok(mut seats) = self.seats.try_borrow_mut() {
            seats.retain(|entry| entry.id != id);
            self.behind.sources.meter.connections.set(seats.len());
        }
    }

    fn ticket(&self) -> u64 {
        self.tickets.set(self.tickets.get() + 1);
        self.tickets.get()
    }

    /// Whether a newcomer has a seat; one that waits is given up for it if need be. `has_share`: its
    /// address may not hold them all.
    fn make_room(&self, newcomer: IpAddr, has_share: bool) -> bool {
        let mut seats = self.seats.borrow_mut();
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
        let mut seats = self.seats.borrow_mut();
        let Some(at) = seats.iter().position(|entry| entry.id == id) else { return false };
        let mut entry = seats.swap_remove(at);
        entry.source = source;
        let sitting: Vec<_> = seats.iter().map(Entry::sitting).collect();
        let room = room(&sitting, source, true);
        if let Room::InPlaceOf(at) = room {
            seats.swap_remove(at);
        }
        seats.push(entry);
        self.behind.sources.meter.connections.set(seats.len());
        room != Room::None
    }

    fn set_waiting(&self, id: u64, since: Option<u64>) {
        if let Some(entry) = self.seats.borrow_mut().iter_mut().find(|entry| entry.id == id) {
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
struct Chair {
    house: Rc<House>,
    id: u64,
}

impl Seat for Chair {
    fn waits(&self) {
        let since = self.house.ticket();
        self.house.set_waiting(self.id, Some(since));
    }

    fn works(&self) {
        self.house.set_waiting(self.id, None);
    }

    fn counts_for(&self, source: IpAddr) -> bool {
        self.house.move_to(self.id, source)
    }
}

impl Drop for Chair {
    fn drop(&mut self) {
        self.house.leave(self.id);
    }
}

/// Counts a connection that is being turned away.
struct Refused(Rc<House>);

impl Refused {
    fn new(house: &Rc<House>) -> Refused {
        house.refusing.set(house.refusing.get() + 1);
        Refused(Rc::clone(house))
    }
}

impl Drop for Refused {
    fn drop(&mut self) {
        self.0.refusing.set(self.0.refusing.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::events::Newsroom;
    use crate::control::firmware::Appliance;
    use crate::control::http::job;
    use crate::library::clerk::Clerk;
    use crate::library::Library;
    use crate::operator::snapshot::Board;
    use crate::system::logs::LogBook;
    use smol::channel::bounded;
    use std::net;
    use std::path::Path;
    use std::thread::JoinHandle;

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

    fn sources() -> Sources {
        let folder = std::env::temp_dir().join(format!("streamcaster-gate-{}", std::process::id()));
        let news = Newsroom::new(
            Board::default(),
            Library::start(folder).unwrap(),
            LogBook::default(),
            std::sync::Arc::new(String::new),
            Box::new(|| crate::control::sample::MOMENT),
        );
        let (previews, _) = crate::outputs::preview::channel();
        let auth = std::sync::Arc::new(crate::control::auth::Auth::new(None, None).unwrap());
        let (meter, clerk) = (std::sync::Arc::default(), Clerk::absent());
        let appliance = Appliance::new(Path::new("/dev/null/none"));
        Sources { meter, auth, news, previews, clerk, appliance }
    }

    /// A gate before workers that take nothing.
    fn gate_before_silence() -> (SocketAddr, Receiver<Job>, Sender<()>, JoinHandle<()>) {
        let any = || net::TcpListener::bind((net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listener = |any: net::TcpListener| TcpListener::try_from(any).unwrap();
        let (http, stat) = (any(), any());
        let at = http.local_addr().unwrap();
        let (jobs, to_do) = job::channel();
        let (open, stop) = bounded(1);
        let gate = std::thread::spawn(move || {
            let who = (None, Proxies::default(), Allowed::default());
            run(listener(http), listener(stat), jobs, sources(), who, stop);
        });
        (at, to_do, open, gate)
    }

    #[test]
    fn workers_that_hang_are_given_a_bounded_number_of_jobs_and_clients_are_told() {
        use std::io::{Read, Write};
        let (at, to_do, open, gate) = gate_before_silence();
        assert_eq!(to_do.capacity(), Some(HTTP_CONNECTIONS_MAX));
        let mut clients: Vec<_> = (0..6).map(|_| net::TcpStream::connect(at).unwrap()).collect();
        for client in &mut clients {
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        for client in &mut clients {
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        }
        // A worker that works again passes over them: nobody waits for their answers.
        let left = std::iter::from_fn(|| to_do.try_recv().ok());
        assert_eq!(left.filter(|job| job.reply.is_closed()).count(), 6);
        drop(open);
        gate.join().unwrap();
        assert!(to_do.is_closed(), "the workers end with the gate");
    }
}

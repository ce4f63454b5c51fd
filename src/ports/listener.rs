//! The listener and who stands before it. Purpose: hands over connections in the order of
//! [`admission`](super::admission), and closes those that have to make room. Non-goal: a word with
//! anybody. Bounds: that module's, [`BACKLOG`] connections in the kernel's queue until the next
//! look, and [`RTMP_ROOMY_MAX`] behind it with a receive buffer fit for a publisher.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};
use smol::future::{yield_now, FutureExt};
use smol::Task;
use socket2::{SockRef, Type};

use crate::base::events::Condition;
use crate::base::limits::{
    RTMP_ARRIVAL_BUFFER_BYTES, RTMP_LOBBY_MAX, RTMP_RECEIVE_BUFFER_BYTES, RTMP_ROOMY_MAX,
};
use crate::base::time::Mono;
use crate::config::RtmpConfig;
use crate::net::network::Network;
use crate::net::proxy::{Proxies, RemotePeer};
use crate::net::reactor::{Sleep, Watched};
use crate::net::sockets::{self, canonical, descriptors_max};
use crate::program::bell::{Bell, Listener};
use crate::system::clock;

use super::admission::{Admission, SeatTurn, Ticket};
use super::proxied::{named, named_already, Unnamed};

/// Connections the kernel keeps for us until we accept them, which we do at every wake-up.
const BACKLOG: i32 = 1024;
/// Pause after an error of the listener itself, such as no file descriptors left.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked whether one who waits may take the place of another.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Connections accepted before others get their turn.
const ACCEPTS_MAX: usize = 16;

/// The port.
pub(super) struct RtmpListener {
    listener: Watched<TcpListener>,
    listen: SocketAddr,
    admission: RefCell<Admission<WaitingConnection>>,
    proxies: Proxies,
    /// What those who are seated run in; dropped, it ends the connection.
    tasks: RefCell<BTreeMap<Ticket, Task<()>>>,
    left: Rc<Bell>,
    accepted: Cell<u64>,
    crowded_out: Cell<u64>,
    crowding: RefCell<Condition>,
    /// Networks that may connect, beside this machine itself.
    allow: Vec<Network>,
    turned_away: Cell<u64>,
    strangers: RefCell<Condition>,
    errors: RefCell<Condition>,
}

/// A connection that waits for a seat.
struct WaitingConnection {
    socket: TcpStream,
    peer: SocketAddr,
    /// Whom it is for; not known yet of one that a proxy has made.
    client: Option<RemotePeer>,
}

/// A connection that has just been seated.
pub(super) struct Newcomer {
    /// The connection.
    pub(super) socket: Watched<TcpStream>,
    /// Where it comes from.
    pub(super) peer: SocketAddr,
    /// Whom it is for, if that is known already.
    client: Option<RemotePeer>,
    /// Its number, counted from 1 in the order of arrival.
    pub(super) id: Ticket,
    /// Its seat.
    pub(super) undecided: Undecided,
}

/// A seat; it is free again when this is dropped: its holder has decided, or left.
pub(super) struct Undecided {
    listener: Rc<RtmpListener>,
    ticket: Ticket,
}

impl Newcomer {
    /// Finds out whom it is for; its seat counts for that one from then on.
    pub(super) async fn client(&self) -> Result<RemotePeer, Unnamed> {
        if let Some(client) = self.client {
            return Ok(client);
        }
        let client = named(&self.socket, self.peer).await?;
        let Undecided { listener, ticket } = &self.undecided;
        listener.admission.borrow_mut().counts_for(*ticket, client.source());
        Ok(client)
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        self.listener.admission.borrow_mut().leave(self.ticket);
        if let Some(task) = self.listener.tasks.borrow_mut().remove(&self.ticket) {
            // Nobody but itself ends it any more.
            task.detach();
        }
        self.listener.left.ring();
    }
}

impl RtmpListener {
    /// Binds the port.
    pub(super) fn bind(config: &RtmpConfig, proxies: Proxies) -> io::Result<RtmpListener> {
        let listen = config.listen;
        let socket = sockets::bind(listen, Type::STREAM, |socket| {
            socket.set_reuse_address(true)?;
            // What is accepted inherits it, and the window scale that comes of it.
            socket.set_recv_buffer_size(RTMP_ARRIVAL_BUFFER_BYTES)
        })?;
        socket.listen(BACKLOG)?;
        let listener = Watched::new(TcpListener::from(socket))?;
        let listen = listener.get_ref().local_addr()?;
        // Viewers, files and the control plane need descriptors too.
        let lobby_max = (descriptors_max() / 4).min(RTMP_LOBBY_MAX);
        Ok(RtmpListener {
            listener,
            listen,
            admission: RefCell::new(Admission::new(lobby_max)),
            proxies,
            tasks: RefCell::default(),
            left: Rc::default(),
            accepted: Cell::new(0),
            crowded_out: Cell::new(0),
            crowding: RefCell::default(),
            allow: config.allow.clone(),
            turned_away: Cell::new(0),
            strangers: RefCell::default(),
            errors: RefCell::default(),
        })
    }

    /// The address it listens on.
    pub(super) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Connections accepted since the start.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// Those of them that had to make room for others.
    pub(super) fn crowded_out(&self) -> u64 {
        self.crowded_out.get()
    }

    /// Those of them that came from a network that may not connect.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.get()
    }

    /// Whether a client's network may connect; one that may not is counted.
    pub(super) fn lets_in(&self, client: &RemotePeer) -> bool {
        let address = client.address.ip();
        let is_here = !client.is_proxied && address.to_canonical().is_loopback();
        if is_here || self.allow.iter().any(|network| network.contains(address)) {
            return true;
        }
        self.turned_away.set(self.turned_away.get() + 1);
        if self.strangers.borrow_mut().occurs(clock::mono()) {
            info!("rtmp: refused {address}: its network is not in [rtmp] allow");
        }
        false
    }

    /// Tells what is over.
    pub(super) fn look(&self, now: Mono) {
        if let Some(over) = self.crowding.borrow_mut().over(now) {
            info!("rtmp: connections no longer have to make room for others ({over})");
        }
        if let Some(over) = self.strangers.borrow_mut().over(now) {
            info!("rtmp: connections are no longer refused for their network ({over})");
        }
        if let Some(over) = self.errors.borrow_mut().over(now) {
            info!("rtmp: connections are accepted again without errors ({over})");
        }
    }

    /// Waits for the next whose turn it is. Anybody who calls this hands the connection's task to
    /// [`keep`](RtmpListener::keep) before calling it again.
    pub(super) async fn next(self: &Rc<Self>) -> Newcomer {
        let mut left = self.left.listen();
        loop {
            self.learn();
            let turn = self.admission.borrow_mut().next(clock::mono());
            if let Some(newcomer) = turn.and_then(|turn| self.seat(turn)) {
                return newcomer;
            }
            if !self.make_room() {
                self.change(&mut left).await;
            } else if let Err(error) = self.arrivals(&mut left).await {
                if self.errors.borrow_mut().occurs(clock::mono()) {
                    warn!("rtmp: accepting connections failed: {error}");
                }
                Sleep::after(ERROR_PAUSE).await;
            }
            // A flood of connections must not keep those inside from their turn.
            yield_now().await;
        }
    }

    /// Keeps the task a newcomer lives in, to end it should it have to make room.
    pub(super) fn keep(&self, ticket: Ticket, task: Task<()>) {
        self.tasks.borrow_mut().insert(ticket, task);
    }

    /// Looks whom those who wait are for, of whom a proxy has not said it before: among many
    /// connections of one proxy, who came first says nothing of who holds most.
    fn learn(&self) {
        if self.proxies.is_empty() {
            return;
        }
        self.admission.borrow_mut().learn(|arrival| {
            if arrival.client.is_some() {
                return None;
            }
            arrival.client = named_already(&arrival.socket, arrival.peer);
            arrival.client.map(|client| client.source())
        });
    }

    fn arrive(&self, socket: TcpStream, peer: SocketAddr) {
        let client = RemotePeer::direct(peer);
        let source = client.source();
        let is_proxy = self.proxies.have(peer.ip());
        // Closed without a word: nothing of such a client is read.
        if !is_proxy && !self.lets_in(&client) {
            return;
        }
        // One that may not be looked at without waiting is dropped, and closed thereby.
        if is_proxy && socket.set_nonblocking(true).is_err() {
            return;
        }
        let arrival = WaitingConnection { socket, peer, client: (!is_proxy).then_some(client) };
        self.admission.borrow_mut().arrive(source, clock::mono(), arrival);
    }

    fn seat(self: &Rc<Self>, turn: SeatTurn<WaitingConnection>) -> Option<Newcomer> {
        let SeatTurn { ticket, item: WaitingConnection { socket, peer, client }, evicted } = turn;
        if let Some((evicted, source)) = evicted {
            self.tasks.borrow_mut().remove(&evicted);
            self.say_crowded_out(source);
        }
        let undecided = Undecided { listener: Rc::clone(self), ticket };
        // A socket that cannot be watched is given up.
        let socket = Watched::new(socket).ok()?;
        Some(Newcomer { socket, peer, client, id: ticket, undecided })
    }

    fn make_room(&self) -> bool {
        let now = clock::mono();
        let closed = |source, _arrival| self.say_crowded_out(source);
        self.admission.borrow_mut().make_room(now, closed)
    }

    fn say_crowded_out(&self, source: IpAddr) {
        self.crowded_out.set(self.crowded_out.get() + 1);
        if self.crowding.borrow_mut().occurs(clock::mono()) {
            warn!(
                "rtmp: closed a connection from {source} to make room: it had not asked to play \
                 or publish"
            );
        }
    }

    /// Waits for arrivals, or for a change that may seat one who waits.
    async fn arrivals(&self, left: &mut Listener) -> io::Result<()> {
        let arrived = async {
            self.listener.readable().await;
            true
        };
        let changed = async {
            self.change(left).await;
            false
        };
        if arrived.or(changed).await {
            for _ in 0..ACCEPTS_MAX {
                if !self.make_room() {
                    break;
                }
                match self.listener.try_read(TcpListener::accept) {
                    Ok((socket, peer)) => {
                        self.accepted.set(self.accepted.get() + 1);
                        let undecided = self.admission.borrow().undecided();
                        // One that cannot be confined is dropped, and closed thereby.
                        if undecided < RTMP_ROOMY_MAX || confine(&socket).is_ok() {
                            self.arrive(socket, canonical(peer));
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // Its peer was gone before it was accepted.
                    Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Waits until a seat is free, or, if somebody waits for one, until it is time to look again.
    async fn change(&self, left: &mut Listener) {
        let waited_for = self.admission.borrow().is_waited_for();
        let look = async {
            match waited_for {
                true => Sleep::after(LOOK_PAUSE).await,
                false => std::future::pending().await,
            }
        };
        left.heard().or(look).await;
    }
}

/// Takes back the receive buffer of one who comes in a crowd. What lies in it already stays, so
/// that anybody who has said more than a handshake unheard is refused.
fn confine(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(RTMP_RECEIVE_BUFFER_BYTES)?;
    socket.set_nonblocking(true)?;
    let mut said = [0; RTMP_RECEIVE_BUFFER_BYTES];
    match socket.peek(&mut said) {
        Ok(RTMP_RECEIVE_BUFFER_BYTES) => Err(ErrorKind::InvalidData.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

//! MPEG-TS over UDP. Purpose: receives datagrams in batches, lets in whom the configuration
//! allows, keeps to one sender at a time, and feeds the programme. Non-goals: what the bytes mean
//! (ts), what is on air (program). Bounds: one datagram's buffer, the kernel's receive buffer,
//! [`UDP_BATCH_DATAGRAMS_MAX`] datagrams before others get their turn.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::base::events::Repeat;
use crate::base::limits::{
    DATAGRAM_BYTES_MAX, TELL_STREAMS_MS_MIN, UDP_BATCH_DATAGRAMS_MAX, UDP_BPS_MAX,
    UDP_BURST_BYTES_MAX,
};
use crate::base::rate::{Allowance, Rate};
use crate::base::time::Mono;
use crate::program::switcher::{Source, SourceSink};
use crate::program::Programme;
use crate::system::clock;
use crate::system::config::{Interface, UdpConfig};
use crate::system::reactor::{Sleep, Watched};
use crate::system::snapshot::{text, UdpStatus};
use crate::system::sockets::udp_drops;
use crate::ts::demux::{Demux, StreamInfo};
use crate::ts::plausible::is_plausible;

use super::lock::{SourceLock, Verdict};
use super::log_cut;
use super::pace::{Pace, Paced};

/// Pause after an error of the socket itself, so that a broken one does not take the processor.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// Pause before a socket that could not be opened anew is tried again.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);
/// How often the kernel is asked what it dropped: at one viewer the asking would else be a part of
/// the processor time one can measure.
const KERNEL_DROPS_PERIOD: Duration = Duration::from_secs(5);

/// The UDP input.
pub struct UdpInput {
    /// Nothing while it could not be opened again.
    socket: RefCell<Option<Rc<Watched<UdpSocket>>>>,
    listen: SocketAddr,
    granted_bytes: usize,
    config: UdpConfig,
    state: RefCell<State>,
    /// The socket that was bound at the start has been received from.
    is_used: Cell<bool>,
    kernel_drops: Cell<(Mono, u64)>,
}

struct State {
    /// In a box: by value it would leave touched stack behind wherever it is moved.
    demux: Box<Demux>,
    lock: SourceLock,
    rate: Rate,
    datagrams: u64,
    bytes: u64,
    refused_network: u64,
    ignored_sender: u64,
    over_rate: u64,
    allowance: Allowance,
    pace: Pace,
    refused: Repeat,
    ignored: Repeat,
    flooded: Repeat,
    hasty: Repeat,
    /// The streams as the log last told them.
    told: Vec<StreamInfo>,
    told_at: Option<Mono>,
}

impl UdpInput {
    /// Binds the port, joins the group if the address is a multicast one, and asks for the
    /// receive buffer; what the kernel granted is in the status (MediaMTX #3308).
    pub fn bind(config: &UdpConfig, silence: Duration) -> io::Result<UdpInput> {
        let socket = open(config)?;
        let granted_bytes = socket.recv_buffer_size()?;
        let socket = Watched::new(UdpSocket::from(socket))?;
        let listen = socket.get_ref().local_addr()?;
        // Opened anew it has the port it has now, whatever the configuration leaves open.
        let config = &UdpConfig { listen, ..config.clone() };
        let state = State {
            demux: Box::new(Demux::new(config.programme)),
            lock: SourceLock::new(silence),
            rate: Rate::default(),
            datagrams: 0,
            bytes: 0,
            refused_network: 0,
            ignored_sender: 0,
            over_rate: 0,
            pace: Pace::default(),
            allowance: Allowance::new(UDP_BPS_MAX, UDP_BURST_BYTES_MAX),
            refused: Repeat::default(),
            ignored: Repeat::default(),
            flooded: Repeat::default(),
            hasty: Repeat::default(),
            told: Vec::new(),
            told_at: None,
        };
        let state = RefCell::new(state);
        Ok(UdpInput {
            socket: RefCell::new(Some(Rc::new(socket))),
            listen,
            granted_bytes,
            config: config.clone(),
            state,
            is_used: Cell::default(),
            kernel_drops: Cell::default(),
        })
    }

    /// A sender silent for `silence` loses the input from now on.
    pub fn set_silence(&self, silence: Duration) {
        self.state.borrow_mut().lock.set_release(silence);
    }

    /// The address it listens on.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The receive buffer asked for, bytes.
    pub fn asked_bytes(&self) -> usize {
        self.config.receive_buffer_bytes
    }

    /// The receive buffer the kernel granted, bytes.
    pub fn granted_bytes(&self) -> usize {
        self.granted_bytes
    }

    /// Receives for ever. Begun again, it closes its socket and opens another one: that mends a
    /// lost membership of a multicast group, or an interface that was not there.
    pub async fn run(&self, programme: &Programme) {
        let socket = self.opened().await;
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice();
        let mut errors = Repeat::default();
        loop {
            socket.readable().await;
            match self.receive(&socket, programme, &mut buffer) {
                // More may be waiting; the readers go first.
                Ok(()) => smol::future::yield_now().await,
                Err(error) => {
                    if let Some(more) = errors.say(clock::mono()) {
                        warn!("udp {}: receiving: {error} ({more} more)", self.listen);
                    }
                    Sleep::after(ERROR_PAUSE).await;
                }
            }
        }
    }

    /// The socket: the one that was bound, or the next one.
    async fn opened(&self) -> Rc<Watched<UdpSocket>> {
        if !self.is_used.replace(true) {
            if let Some(bound) = self.socket.borrow().clone() {
                return bound;
            }
        }
        // Two sockets cannot have the port: the old one is closed first.
        *self.socket.borrow_mut() = None;
        let mut errors = Repeat::default();
        loop {
            let opened = open(&self.config).and_then(|fresh| Watched::new(UdpSocket::from(fresh)));
            match opened.map(Rc::new) {
                Ok(fresh) => {
                    info!("udp {}: opened anew", self.listen);
                    *self.socket.borrow_mut() = Some(Rc::clone(&fresh));
                    return fresh;
                }
                Err(error) => {
                    if let Some(more) = errors.say(clock::mono()) {
                        warn!("udp {}: cannot be opened anew: {error} ({more} more)", self.listen);
                    }
                    Sleep::after(REOPEN_PAUSE).await;
                }
            }
        }
    }

    /// Takes what is there, at most one batch.
    fn receive(
        &self,
        socket: &Watched<UdpSocket>,
        programme: &Programme,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let now = clock::mono();
        let mut state = self.state.borrow_mut();
        let mut outcome = Ok(());
        let cut = programme.feed(Source::Udp, now, |sink| {
            for _ in 0..UDP_BATCH_DATAGRAMS_MAX {
                match socket.try_read(|socket| socket.recv_from(buffer)) {
                    Ok((len, from)) => {
                        let datagram = buffer.get(..len).unwrap_or_default();
                        self.datagram(&mut state, datagram, from, now, sink);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        outcome = Err(error);
                        return;
                    }
                }
            }
        });
        log_cut(cut);
        state.tell_streams(now);
        outcome
    }

    fn datagram(
        &self,
        state: &mut State,
        bytes: &[u8],
        from: SocketAddr,
        now: Mono,
        sink: &mut SourceSink<'_>,
    ) {
        let address = canonical(from.ip());
        if !self.config.allow.iter().any(|network| network.contains(address)) {
            state.refused_network += 1;
            if let Some(more) = state.refused.say(now) {
                warn!("udp: refused {from}: not in [input.udp] allow ({more} more datagrams)");
            }
            return;
        }
        match state.lock.datagram(from, is_plausible(bytes), now) {
            Verdict::Ignored => {
                state.ignored_sender += 1;
                if let Some(more) = state.ignored.say(now) {
                    warn!("udp: ignored {from}: another sender is live or this is no MPEG-TS ({more} more datagrams)");
                }
                return;
            }
            Verdict::NewHolder => {
                info!("udp: {from} sends");
                state.demux.reset(&mut Paced { pace: &mut state.pace, sink, now });
                sink.restart();
            }
            Verdict::Holder => {}
        }
        if !state.allowance.take(now, bytes.len() as u64) {
            state.over_rate += 1;
            if let Some(more) = state.flooded.say(now) {
                warn!("udp: {from} sends more than {UDP_BPS_MAX} bit/s, the rest is left out ({more} more datagrams)");
            }
            return;
        }
        state.datagrams += 1;
        state.bytes += bytes.len() as u64;
        state.rate.add(now, bytes.len() as u64);
        state.demux.datagram(bytes, &mut Paced { pace: &mut state.pace, sink, now });
        if state.pace.runs_away() {
            if let Some(more) = state.hasty.say(now) {
                warn!("udp: {from} sends media faster than it plays and is left out until it does not ({more} more datagrams)");
            }
        }
    }

    /// What the kernel dropped, asked for now and then: the answer is a file to read.
    fn kernel_drops(&self, now: Mono) -> u64 {
        let (asked, mut drops) = self.kernel_drops.get();
        if now.since(asked) >= KERNEL_DROPS_PERIOD {
            drops = udp_drops(self.listen);
            self.kernel_drops.set((now, drops));
        }
        drops
    }

    /// Its state.
    pub fn status(&self, now: Mono) -> UdpStatus {
        let state = self.state.borrow();
        UdpStatus {
            listen: text(self.listen),
            receiving: state.lock.holder(now).is_some(),
            sender: state.lock.holder(now).map(text),
            receive_buffer_bytes: self.granted_bytes as u64,
            datagrams: state.datagrams,
            bytes: state.bytes,
            bps: state.rate.bps(now),
            kernel_drops: self.kernel_drops(now),
            refused_network: state.refused_network,
            ignored_sender: state.ignored_sender,
            over_rate: state.over_rate,
            ahead_units: state.pace.left_out(),
            counters: *state.demux.counters(),
            programme: state.demux.programme_state(),
            programmes: state.demux.programmes() as u64,
            streams: state.demux.streams().collect(),
        }
    }
}

impl State {
    /// Logs what the programme holds, when that has changed; a table that changes all the time
    /// is told as it then is, now and again.
    fn tell_streams(&mut self, now: Mono) {
        let pause = Duration::from_millis(TELL_STREAMS_MS_MIN);
        let early = self.told_at.is_some_and(|told| now.since(told) < pause);
        if early || self.demux.streams().eq(self.told.iter().copied()) {
            return;
        }
        if self.demux.streams().next().is_some() {
            self.told_at = Some(now);
        }
        self.told = self.demux.streams().collect();
        let programme = self.demux.programme_number().unwrap_or(0);
        for StreamInfo { pid, codec, carried, reason } in &self.told {
            match carried {
                true => info!("udp: programme {programme}: PID {pid} is {codec}"),
                false => {
                    warn!("udp: programme {programme}: PID {pid} is left out: {codec}; {reason}")
                }
            }
        }
    }
}

/// The address itself when an IPv4 sender reaches a dual-stack socket.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn open(config: &UdpConfig) -> io::Result<Socket> {
    let listen = config.listen;
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(config.receive_buffer_bytes)?;
    if listen.ip().is_multicast() {
        // Several receivers of one group may live on a host; a unicast port belongs to one.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&listen.into())?;
    if listen.ip().is_multicast() {
        join(&socket, listen.ip(), config.interface.as_ref())?;
    }
    Ok(socket)
}

/// Joins a multicast group on the interface, or the one the routes say.
fn join(socket: &Socket, group: IpAddr, interface: Option<&Interface>) -> io::Result<()> {
    let index = match interface {
        Some(Interface::Name(name)) => interface_index(name)?,
        Some(Interface::Address(IpAddr::V4(address))) => {
            if let IpAddr::V4(group) = group {
                return socket.join_multicast_v4(&group, address);
            }
            return Err(io::Error::other("an IPv6 group needs the interface by name"));
        }
        Some(Interface::Address(IpAddr::V6(_))) => {
            return Err(io::Error::other("give the interface of a multicast group by name"));
        }
        None => 0,
    };
    match group {
        IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
    }
}

/// A network interface's index by its name.
fn interface_index(name: &str) -> io::Result<u32> {
    let path = format!("/sys/class/net/{name}/ifindex");
    let unknown = || io::Error::other(format!("no network interface is called {name}"));
    let index = std::fs::read_to_string(path).map_err(|_| unknown())?;
    index.trim().parse().map_err(|_| unknown())
}

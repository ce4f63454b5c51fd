//! MPEG-TS over UDP. Purpose: receives datagrams in batches, lets in whom the configuration
//! allows, keeps to one sender at a time, and feeds the programme. Non-goals: what the bytes mean
//! (ts), what is on air (program). Bounds: one datagram's buffer, the kernel's receive buffer,
//! [`UDP_BATCH_DATAGRAMS_MAX`] datagrams before others get their turn.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};

use crate::base::events::Condition;
use crate::base::limits::{
    DATAGRAM_BYTES_MAX, UDP_BATCH_DATAGRAMS_MAX, UDP_BPS_MAX, UDP_BURST_BYTES_MAX,
};
use crate::base::rate::{Allowance, Rate};
use crate::base::time::Mono;
use crate::codec::access_unit::Track;
use crate::config::UdpConfig;
use crate::net::reactor::{Sleep, Watched};
use crate::net::sockets::{canonical, udp_drops};
use crate::operator::reason::{ReasonWatch, Why};
use crate::operator::snapshot::{text, TsStream, UdpStatus};
use crate::program::source::Source;
use crate::program::switcher::SourceSink;
use crate::program::Programme;
use crate::system::clock;
use crate::ts::demux::{Demux, StreamInfo};
use crate::ts::plausible::is_plausible;

use super::diagnosis::{self, Air, TsFacts};
use super::lock::{LockVerdict, SourceLock};
use super::pace::{Pace, Paced};
use super::udp_socket::open;
use super::watch::{Watch, Watching};
use super::{log_cut, log_reason};

/// The streams of an input that change all the time are told at most this often.
const TELL_STREAMS_MS_MIN: u64 = 10_000;
/// Pause after an error of the socket itself, so that a broken one does not take the processor.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// Pause before a socket that could not be opened again is tried again.
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
    refused: Condition,
    ignored: Condition,
    /// Something that is no transport stream comes while nobody sends one.
    alien: Condition,
    flooded: Condition,
    /// Who was last refused, or sent what is no transport stream.
    stranger: Option<SocketAddr>,
    watch: Watch,
    /// PIDs of the picture and the sound watched.
    pids: [Option<u16>; 2],
    /// Scrambled packets, and when their number last grew.
    scrambled: (u64, Option<Mono>),
    on_air: ReasonWatch,
    heard: ReasonWatch,
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
        // Opened again it has the port it has now, whatever the configuration leaves open.
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
            refused: Condition::default(),
            ignored: Condition::default(),
            alien: Condition::default(),
            flooded: Condition::default(),
            stranger: None,
            watch: Watch::default(),
            pids: [None; 2],
            scrambled: (0, None),
            on_air: ReasonWatch::default(),
            heard: ReasonWatch::default(),
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
        let mut errors = Condition::default();
        loop {
            socket.readable().await;
            match self.receive(&socket, programme, &mut buffer) {
                Ok(()) => {
                    if errors.since().is_some() {
                        if let Some(over) = errors.over(clock::mono()) {
                            info!("udp {}: receiving again (failed {over})", self.listen);
                        }
                    }
                    // More may be waiting; the readers go first.
                    smol::future::yield_now().await;
                }
                Err(error) => {
                    if errors.occurs(clock::mono()) {
                        warn!("udp {}: receiving failed: {error}", self.listen);
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
        let mut errors = Condition::default();
        loop {
            let opened = open(&self.config).and_then(|fresh| Watched::new(UdpSocket::from(fresh)));
            match opened.map(Rc::new) {
                Ok(fresh) => {
                    info!("udp {}: reopened", self.listen);
                    *self.socket.borrow_mut() = Some(Rc::clone(&fresh));
                    return fresh;
                }
                Err(error) => {
                    if errors.occurs(clock::mono()) {
                        warn!("udp {}: cannot be opened again: {error}", self.listen);
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
                        self.datagram(&mut state, datagram, canonical(from), now, sink);
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
        let address = from.ip();
        if !self.config.allow.iter().any(|network| network.contains(address)) {
            state.refused_network += 1;
            state.stranger = Some(from);
            if state.refused.occurs(now) {
                warn!("udp: refused {from}: not in [input.udp] allow");
            }
            return;
        }
        let plausible = is_plausible(bytes);
        match state.lock.datagram(from, plausible, now) {
            LockVerdict::Ignored => {
                state.ignored_sender += 1;
                if !plausible {
                    state.alien.occurs(now);
                    state.stranger = Some(from);
                } else if state.ignored.occurs(now) {
                    warn!("udp: ignored {from}: another sender is live");
                }
                return;
            }
            LockVerdict::NewHolder => {
                info!("udp: {from} sends");
                state.demux.reset(&mut Paced { pace: &mut state.pace, sink, now });
                (state.watch, state.pids) = (Watch::default(), [None; 2]);
                sink.restart();
            }
            LockVerdict::Holder => {}
        }
        if !state.allowance.take(now, bytes.len() as u64) {
            state.over_rate += 1;
            if state.flooded.occurs(now) {
                warn!("udp: {from} sends more than {UDP_BPS_MAX} bit/s, the rest is left out");
            }
            return;
        }
        state.datagrams += 1;
        state.bytes += bytes.len() as u64;
        state.rate.add(now, bytes.len() as u64);
        let paced = Paced { pace: &mut state.pace, sink: &mut *sink, now };
        let had_units = state.watch.units();
        state.demux.datagram(bytes, &mut Watching { watch: &mut state.watch, sink: paced, now });
        if state.watch.units() > had_units {
            state.lock.proved(now);
        }
        if state.follow_pids() {
            sink.lose_picture();
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

    /// Finds out why what comes is not on air, and logs what begins and what is over.
    pub fn look(&self, air: Air, now: Mono) {
        self.state.borrow_mut().look(air, now);
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
            streams: state.streams().collect(),
            reason: state.on_air.standing().cloned(),
            sound_reason: state.heard.standing().cloned(),
        }
    }
}

impl State {
    /// What was seen of a stream that is no longer carried is forgotten; whether the picture's is one.
    fn follow_pids(&mut self) -> bool {
        let pids = [self.demux.video_pid(), self.demux.audio_pid()];
        let mut lost_picture = false;
        for ((track, before), after) in Track::ALL.into_iter().zip(self.pids).zip(pids) {
            if before != after && before.is_some() {
                self.watch.forget(track);
                lost_picture |= track == Track::Video;
            }
        }
        self.pids = pids;
        lost_picture
    }

    /// The programme's streams, and whether units of each have come.
    fn streams(&self) -> impl Iterator<Item = TsStream> + '_ {
        let came = |info: &StreamInfo| {
            let mut watched = Track::ALL.into_iter().zip(self.pids);
            watched.any(|(track, pid)| pid == Some(info.pid) && self.watch.seen(track).units > 0)
        };
        self.demux.streams().map(move |info| TsStream::of(info, came(&info)))
    }

    fn look(&mut self, air: Air, now: Mono) {
        let scrambled = self.demux.counters().scrambled_packets;
        if scrambled > self.scrambled.0 {
            self.scrambled = (scrambled, Some(now));
        }
        let (picture, sound) = match (self.lock.holder(now), self.stranger) {
            (Some(_), _) => self.judged(air, now),
            (None, Some(from)) if self.alien.since().is_some() => {
                (Some(Why::NotMpegTs(text(from))), None)
            }
            (None, Some(from)) if self.refused.since().is_some() => {
                (Some(Why::NotAllowed(text(from))), None)
            }
            _ => (None, None),
        };
        log_reason("udp", "cannot be put on air", self.on_air.look(now, picture));
        log_reason("udp", "its sound is left out", self.heard.look(now, sound));
        let conditions = [
            (&mut self.refused, "datagrams are no longer refused"),
            (&mut self.ignored, "no second sender is ignored any longer"),
            (&mut self.flooded, "the bit rate is within its limit again"),
        ];
        for (condition, words) in conditions {
            if let Some(over) = condition.over(now) {
                info!("udp: {words} ({over})");
            }
        }
        // Logged as the input's reason.
        self.alien.over(now);
    }

    /// Why what the sender sends is not on air, and why its sound is not.
    fn judged(&self, air: Air, now: Mono) -> (Option<Why>, Option<Why>) {
        let streams: Vec<StreamInfo> = self.demux.streams().collect();
        let numbers: Vec<String> =
            self.demux.programme_numbers().map(|number| number.to_string()).collect();
        let recent = Duration::from_secs(3);
        let facts = TsFacts {
            programme: self.demux.programme_state(),
            present: text(numbers.join(", ")),
            streams: &streams,
            video: self.demux.video_counters(),
            audio: self.demux.audio_counters(),
            is_scrambled: self.scrambled.1.is_some_and(|grew| now.since(grew) < recent),
            runs_away: self.pace.runs_away(),
            over_rate: self.flooded.since().is_some(),
            watch: &self.watch,
        };
        (diagnosis::ts(&facts, air, now), diagnosis::ts_sound(&facts, now))
    }

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

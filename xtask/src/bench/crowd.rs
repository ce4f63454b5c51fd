//! A crowd of players on one thread. Purpose: reads what a thousand connections get fast enough
//! that the server is what is measured, and says of each frame how late it was. Bound: one large
//! receive buffer for all, and the state of each player.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::time::Timespec;

use super::clip::Tail;
use super::player::Player;
use super::sender::Stamps;

const READ_BYTES: usize = 1 << 20;
const EVENTS_MAX: usize = 256;
/// Players that connect at once; real ones come one by one too, and no queue is ever full.
const BATCH: usize = 16;
/// Time to look at other things at the latest.
const TURN: Duration = Duration::from_millis(20);

/// What they are served by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A server that speaks RTMP.
    Rtmp,
    /// The floor, which only sends.
    Bare,
}

struct Connection {
    socket: TcpStream,
    player: Player,
    /// Video frames of the window it has got.
    frames: u32,
}

/// The crowd.
pub struct Crowd {
    epoll: OwnedFd,
    connections: HashMap<u64, Connection>,
    next_id: u64,
    server: SocketAddr,
    language: Language,
    buffer: Vec<u8>,
    tails: Arc<HashMap<Tail, u32>>,
    stamps: Arc<Stamps>,
    window: Range<u32>,
    latencies: Vec<Duration>,
    known_frames: u64,
    bytes: u64,
    closed: u64,
}

/// What a window of time brought.
pub struct Seen {
    /// How late each frame was at each player, in no order.
    pub latencies: Vec<Duration>,
    /// Players there are.
    pub players: usize,
    /// Frames of the window that players did not get.
    pub missed: u64,
    /// Timestamps that did not grow, since each player began.
    pub backwards: u64,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(
        server: SocketAddr,
        language: Language,
        tails: Arc<HashMap<Tail, u32>>,
        stamps: Arc<Stamps>,
    ) -> Result<Crowd, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| e.to_string())?;
        Ok(Crowd {
            epoll,
            connections: HashMap::new(),
            next_id: 0,
            server,
            language,
            buffer: vec![0; READ_BYTES],
            tails,
            stamps,
            window: 0..0,
            latencies: Vec::new(),
            known_frames: 0,
            bytes: 0,
            closed: 0,
        })
    }

    /// Lets players come until there are so many.
    pub fn grow_to(&mut self, players: usize) -> Result<(), String> {
        let refused_before = self.closed;
        while self.connections.len() < players {
            let missing = players - self.connections.len();
            for _ in 0..missing.min(BATCH) {
                self.connect()?;
            }
            self.run_for(TURN)?;
            if self.closed > refused_before + players as u64 {
                return Err(format!("players are closed as fast as they come: {}", self.closed));
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<u64, String> {
        let opened = Instant::now();
        let problem = |error: std::io::Error| format!("a player cannot connect: {error}");
        let socket = TcpStream::connect(self.server).map_err(problem)?;
        socket.set_nonblocking(true).map_err(problem)?;
        socket.set_nodelay(true).map_err(problem)?;
        let id = self.next_id;
        self.next_id += 1;
        let data = epoll::EventData::new_u64(id);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)
            .map_err(|error| problem(error.into()))?;
        let player = match self.language {
            Language::Rtmp => Player::new(format!("rtmp://{}/live", self.server), opened),
            Language::Bare => Player::of_the_floor(opened),
        };
        let mut connection = Connection { socket, player, frames: 0 };
        connection.flush().map_err(problem)?;
        self.connections.insert(id, connection);
        Ok(id)
    }

    /// One more player, for as long as it takes it to get a picture; how long that was.
    pub fn first_picture(&mut self, patience: Duration) -> Result<Option<Duration>, String> {
        let id = self.connect()?;
        let until = Instant::now() + patience;
        while Instant::now() < until {
            self.turn(until)?;
            let Some(connection) = self.connections.get(&id) else { return Ok(None) };
            if let Some(first) = connection.player.first_picture {
                self.connections.remove(&id);
                return Ok(Some(first));
            }
        }
        self.connections.remove(&id);
        Ok(None)
    }

    /// Reads until a known frame arrives; whether one has.
    pub fn wait_for_frames(&mut self, patience: Duration) -> Result<bool, String> {
        let (before, until) = (self.known_frames, Instant::now() + patience);
        while Instant::now() < until && self.known_frames == before {
            self.turn(until)?;
        }
        Ok(self.known_frames > before)
    }

    /// Reads for a while.
    pub fn run_for(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn(until)?;
        }
        Ok(())
    }

    /// From now on frames of this window count.
    pub fn open_window(&mut self, window: Range<u32>) {
        let players = self.connections.len();
        self.latencies = Vec::with_capacity(players * window.len());
        self.window = window;
        for connection in self.connections.values_mut() {
            connection.frames = 0;
        }
    }

    /// What the window brought.
    pub fn close_window(&mut self) -> Seen {
        let wanted = self.window.len() as u64;
        let connections = self.connections.values();
        let missed = connections.map(|each| wanted.saturating_sub(u64::from(each.frames))).sum();
        self.window = 0..0;
        Seen {
            latencies: std::mem::take(&mut self.latencies),
            players: self.connections.len(),
            missed,
            backwards: self.connections.values().map(|each| each.player.backwards).sum(),
        }
    }

    /// Bytes received by all players that ever were.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits for some of them to have something to read, and reads it.
    fn turn(&mut self, until: Instant) -> Result<(), String> {
        let left = until.saturating_duration_since(Instant::now()).min(TURN);
        let timeout = Timespec { tv_sec: 0, tv_nsec: left.as_nanos() as i64 };
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let space = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.epoll, space, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(format!("the crowd cannot wait: {error}")),
        }
        for event in events {
            self.read(event.data.u64());
        }
        Ok(())
    }

    fn read(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let bytes = match connection.socket.read(&mut self.buffer) {
            Ok(0) => &[][..],
            Ok(count) => self.buffer.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => &[][..],
        };
        let now = Instant::now();
        self.bytes += bytes.len() as u64;
        let frames = &mut connection.frames;
        connection.player.input(bytes, now, |tail| {
            let Some(&frame) = self.tails.get(tail) else { return };
            self.known_frames += 1;
            if !self.window.contains(&frame) {
                return;
            }
            *frames += 1;
            self.latencies.extend(self.stamps.age(frame, now));
        });
        if bytes.is_empty() || connection.flush().is_err() {
            self.connections.remove(&id);
            self.closed += 1;
        }
    }
}

impl Connection {
    /// Sends the few bytes a player has to say, for which there is always room.
    fn flush(&mut self) -> std::io::Result<()> {
        let outbox = std::mem::take(&mut self.player.outbox);
        if outbox.is_empty() {
            return Ok(());
        }
        self.socket.write_all(&outbox)
    }
}

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
    awaited: Range<u32>,
    arrived: Option<Instant>,
    known_frames: u64,
    bytes: u64,
    closed: u64,
}

/// What a window of time brought.
pub struct CrowdSeen {
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
            awaited: 0..0,
            arrived: None,
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

    /// Reads until one of these frames arrives; when its last byte did.
    pub fn wait_for(
        &mut self,
        frames: Range<u32>,
        patience: Duration,
    ) -> Result<Option<Instant>, String> {
        let until = Instant::now() + patience;
        (self.awaited, self.arrived) = (frames, None);
        while Instant::now() < until && self.arrived.is_none() {
            self.turn(until)?;
        }
        self.awaited = 0..0;
        Ok(self.arrived)
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
    pub fn close_window(&mut self) -> CrowdSeen {
        let wanted = self.window.len() as u64;
        let connections = self.connections.values();
        let missed = connections.map(|each| wanted.saturating_sub(u64::from(each.frames))).sum();
        self.window = 0..0;
        CrowdSeen {
            latencies: std::mem::take(&mut self.latencies),
            players: self.connections.len(),
            missed,
            backwards: self.connections.values().map(|each| each.player.backwards).sum(),
        }
    }

    /// Known frames received by all players that ever were.
    pub fn known_frames(&self) -> u64 {
        self.known_frames
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
            if self.arrived.is_none() && self.awaited.contains(&frame) {
                self.arrived = Some(now);
            }
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::super::clip::{Clip, Unit, TAIL_BYTES};
    use super::super::sender::Sender;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn each_frame_is_known_again_at_each_player_that_gets_it() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let payload = vec![7; TAIL_BYTES];
        let unit = Unit { video: true, dts: 0, pts: 0, completed_by: 0, payload };
        let datagrams = vec![(Duration::ZERO, vec![1])];
        let clip = Arc::new(Clip { datagrams, units: vec![unit], frames: vec![0] });
        let sender = Sender::start(&clip, receiver.local_addr().unwrap()).unwrap();
        receiver.recv(&mut [0; 9]).unwrap();
        assert_eq!(sender.stamps().sent(), 1);

        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let (tails, stamps) = (Arc::new(clip.tails().unwrap()), Arc::clone(sender.stamps()));
        let mut crowd = Crowd::new(address, Language::Bare, tails, stamps).unwrap();
        crowd.grow_to(2).unwrap();
        let (mut served, _) = server.accept().unwrap();
        let (_neglected, _) = server.accept().unwrap();
        crowd.open_window(0..1);
        let mut message = vec![6, 0, 0, 0, 0, 0, 2 + TAIL_BYTES as u8, 9, 1, 0, 0, 0, 0x17, 1];
        message.extend([7; TAIL_BYTES]);
        served.write_all(&message).unwrap();
        let begun = Instant::now();
        assert!(crowd.wait_for(0..1, PATIENCE).unwrap().unwrap() >= begun);
        assert_eq!(crowd.known_frames(), 1);
        assert_eq!(crowd.wait_for(0..1, TURN), Ok(None));
        let seen = crowd.close_window();
        assert_eq!((seen.latencies.len(), seen.players, seen.missed), (1, 2, 1));
        assert!(seen.latencies[0] > Duration::ZERO);
        assert_eq!((seen.backwards, crowd.bytes()), (0, message.len() as u64));
    }

    #[test]
    fn a_player_the_server_closes_is_no_longer_served() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let clip = Clip { datagrams: Vec::new(), units: Vec::new(), frames: Vec::new() };
        let sender = Sender::start(&Arc::new(clip), receiver.local_addr().unwrap()).unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let (tails, stamps) = (Arc::default(), Arc::clone(sender.stamps()));
        let address = server.local_addr().unwrap();
        let mut crowd = Crowd::new(address, Language::Bare, tails, stamps).unwrap();
        crowd.grow_to(1).unwrap();
        drop(server.accept().unwrap());
        assert_eq!(crowd.first_picture(TURN), Ok(None));
        let until = Instant::now() + PATIENCE;
        while !crowd.connections.is_empty() && Instant::now() < until {
            crowd.turn(until).unwrap();
        }
        assert_eq!(crowd.close_window().players, 0);
    }
}

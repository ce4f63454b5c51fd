//! An RTMP player that is not ours: rml_rtmp's client session over a blocking socket, one thread
//! each. Light enough for hundreds at once, and it knows when each frame arrived.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent as Event, ClientSessionResult,
};
use socket2::{Domain, Socket, Type};

use super::flv;
use super::frames::Recording;
use super::heard::Heard;

/// Enough for the session; hundreds of players must fit.
const STACK_BYTES: usize = 512 << 10;

/// Message types up to this one are the protocol's own affair (RTMP 1.0, 5.4).
const PROTOCOL_CONTROL_MAX: u8 = 6;

/// What a player has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The frames.
    pub frames: Recording,
    /// When each video frame came.
    pub video_arrivals: Vec<Instant>,
    /// Every message, when that was asked for.
    pub heard: Vec<Heard>,
    /// Bytes from the server.
    pub bytes: u64,
    /// Why it ended, when it has.
    pub end: Option<String>,
}

/// A running player.
pub struct Player {
    seen: Arc<Mutex<Seen>>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    /// Connects and begins to play `name` of the app `live`.
    pub fn start(server: SocketAddr, name: &str) -> Player {
        Player::begin(server, name, false)
    }

    /// The same, from this address of the loopback network.
    pub fn start_from(from: [u8; 4], server: SocketAddr, name: &str) -> Player {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("descriptors are left");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("a loopback address");
        socket.connect(&server.into()).expect("the RTMP port accepts");
        Player::on(socket.into(), name, false)
    }

    /// The same, and keeps every message as it came.
    pub fn listening(server: SocketAddr, name: &str) -> Player {
        Player::begin(server, name, true)
    }

    fn begin(server: SocketAddr, name: &str, keeps: bool) -> Player {
        let stream = TcpStream::connect(server).expect("the RTMP port accepts");
        Player::on(stream, name, keeps)
    }

    fn on(stream: TcpStream, name: &str, keeps: bool) -> Player {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (theirs, socket) = (Arc::clone(&seen), stream.try_clone().expect("a socket twice"));
        let name = name.to_owned();
        let thread = Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let end =
                play(socket, name, &theirs, keeps).err().unwrap_or_else(|| "closed".to_owned());
            theirs.lock().expect("no panic").end = Some(end);
        });
        Player { seen, stream, thread: Some(thread.expect("a thread")) }
    }

    /// Looks at what it has seen.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().expect("the player does not panic"))
    }

    /// Video frames it has received.
    pub fn video_frames(&self) -> usize {
        self.look(|seen| seen.frames.video.len())
    }

    /// Leaves, and hands over what it has seen.
    pub fn stop(mut self) -> Seen {
        // The server may have closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        let thread = self.thread.take().expect("joined once");
        thread.join().expect("the player does not panic");
        self.look(Seen::clone)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn play(
    mut stream: TcpStream,
    name: String,
    seen: &Mutex<Seen>,
    keeps: bool,
) -> Result<(), String> {
    let mut buffer = vec![0; 64 << 10];
    let early = shake_hands(&mut stream, &mut buffer)?;
    let words = |error: &dyn std::fmt::Debug| format!("{error:?}");
    let config = ClientSessionConfig::new();
    let (mut session, first) = ClientSession::new(config).map_err(|e| words(&e))?;
    let connect = session.request_connection("live".to_owned()).map_err(|e| words(&e))?;
    let mut results = first;
    results.push(connect);
    results.extend(session.handle_input(&early).map_err(|e| words(&e))?);
    loop {
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => {
                    stream.write_all(&packet.bytes).map_err(|e| words(&e))?;
                }
                ClientSessionResult::RaisedEvent(Event::ConnectionRequestAccepted) => {
                    let request = session.request_playback(name.clone());
                    let ClientSessionResult::OutboundResponse(packet) =
                        request.map_err(|e| words(&e))?
                    else {
                        return Err("asking to play sends nothing".to_owned());
                    };
                    stream.write_all(&packet.bytes).map_err(|e| words(&e))?;
                }
                ClientSessionResult::RaisedEvent(event) => note(event, seen, keeps)?,
                ClientSessionResult::UnhandleableMessageReceived(message)
                    if keeps && message.type_id > PROTOCOL_CONTROL_MAX =>
                {
                    let (kind, time_ms) = (message.type_id, message.timestamp.value);
                    let heard = Heard { kind, time_ms, body: message.data, at: Instant::now() };
                    seen.lock().expect("no panic").heard.push(heard);
                }
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        let count = stream.read(&mut buffer).map_err(|e| words(&e))?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        seen.lock().expect("no panic").bytes += count as u64;
        results = session.handle_input(bytes).map_err(|e| words(&e))?;
    }
}

/// Keeps what an event brings; an error is the server's refusal.
fn note(event: Event, seen: &Mutex<Seen>, keeps: bool) -> Result<(), String> {
    let mut seen = seen.lock().expect("no panic");
    let at = Instant::now();
    if let (true, Some((kind, time_ms, body))) = (keeps, content(&event)) {
        seen.heard.push(Heard { kind, time_ms, body, at });
    }
    match event {
        Event::VideoDataReceived { timestamp, data } => {
            let before = seen.frames.video.len();
            flv::message(&mut seen.frames, flv::VIDEO, timestamp.value, &data);
            if seen.frames.video.len() > before {
                seen.video_arrivals.push(at);
            }
        }
        Event::AudioDataReceived { timestamp, data } => {
            flv::message(&mut seen.frames, flv::AUDIO, timestamp.value, &data);
        }
        Event::ConnectionRequestRejected { description } => return Err(description),
        _ => {}
    }
    Ok(())
}

/// The audio or video that an event brings.
fn content(event: &Event) -> Option<(u8, u32, Bytes)> {
    match event {
        Event::VideoDataReceived { timestamp, data } => {
            Some((flv::VIDEO, timestamp.value, data.clone()))
        }
        Event::AudioDataReceived { timestamp, data } => {
            Some((flv::AUDIO, timestamp.value, data.clone()))
        }
        _ => None,
    }
}

/// The handshake; returns bytes that came behind it.
pub fn shake_hands(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<Vec<u8>, String> {
    let mut handshake = Handshake::new(PeerType::Client);
    let hello = handshake.generate_outbound_p0_and_p1().map_err(|e| format!("{e:?}"))?;
    stream.write_all(&hello).map_err(|e| e.to_string())?;
    loop {
        let count = stream.read(buffer).map_err(|e| e.to_string())?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Err("closed within the handshake".to_owned());
        }
        let (reply, rest) = match handshake.process_bytes(bytes).map_err(|e| format!("{e:?}"))? {
            HandshakeProcessResult::InProgress { response_bytes } => (response_bytes, None),
            HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                (response_bytes, Some(remaining_bytes))
            }
        };
        stream.write_all(&reply).map_err(|e| e.to_string())?;
        if let Some(rest) = rest {
            return Ok(rest);
        }
    }
}

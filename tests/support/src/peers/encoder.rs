//! An RTMP publisher that is not ours: rml_rtmp's client session over a blocking socket. It sends
//! the tags of an FLV file untouched, in the file's order, at the pace of the picture's timestamps,
//! evenly or in pulses as a relay does; then it says nothing more, or goodbye.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent as Event, ClientSessionResult,
    PublishRequestType,
};
use rml_rtmp::time::RtmpTimestamp;
use socket2::{Domain, Socket, Type};

use super::flv;
use super::player::shake_hands;

/// What has become of it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The server has agreed.
    pub accepted: bool,
    /// When each tag left, in their order.
    pub left: Vec<Instant>,
    /// Everything was sent: when the last tag left.
    pub sent: Option<Instant>,
    /// Codes of the server's other words.
    pub codes: Vec<String>,
    /// Why it ended, when it has.
    pub end: Option<String>,
}

/// How it sends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Delivers what has gathered only so often, as a relay does (SRS: 350 to 500 ms).
    pub pulse: Option<Duration>,
    /// Ends its publishing behind the last tag, as OBS does when its operator stops.
    pub says_goodbye: bool,
}

/// A running publisher.
pub struct Encoder {
    told: Arc<Mutex<Told>>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Encoder {
    /// Connects from an address of this machine and publishes `name` with the tags of `file`.
    pub fn start(server: SocketAddr, from: [u8; 4], name: &str, file: Option<&Path>) -> Encoder {
        let tags = file.map(|file| flv::tags(&std::fs::read(file).expect("a readable file")));
        Encoder::begin(server, from, name, tags.unwrap_or_default(), Manner::default())
    }

    /// Publishes these tags in a manner of its own.
    pub fn publish(server: SocketAddr, tags: Vec<flv::Tag>, manner: Manner) -> Encoder {
        Encoder::begin(server, [127, 0, 0, 1], "stream", tags, manner)
    }

    fn begin(
        server: SocketAddr,
        from: [u8; 4],
        name: &str,
        tags: Vec<flv::Tag>,
        manner: Manner,
    ) -> Encoder {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
        socket.connect(&server.into()).expect("the RTMP port accepts");
        let stream = TcpStream::from(socket);
        let told = Arc::new(Mutex::new(Told::default()));
        let (theirs, socket) = (Arc::clone(&told), stream.try_clone().expect("a socket twice"));
        let name = name.to_owned();
        let thread = std::thread::spawn(move || {
            let end = publish(socket, name, &tags, manner, &theirs);
            let end = end.err().unwrap_or_else(|| "closed".to_owned());
            theirs.lock().expect("no panic").end = Some(end);
        });
        Encoder { told, stream, thread: Some(thread) }
    }

    /// What has become of it so far.
    pub fn told(&self) -> Told {
        self.told.lock().expect("the encoder does not panic").clone()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // The server may have closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn publish(
    mut stream: TcpStream,
    name: String,
    tags: &[flv::Tag],
    manner: Manner,
    told: &Mutex<Told>,
) -> Result<(), String> {
    let mut buffer = vec![0; 64 << 10];
    let early = shake_hands(&mut stream, &mut buffer)?;
    let words = |error: &dyn std::fmt::Debug| format!("{error:?}");
    let (mut session, mut results) =
        ClientSession::new(ClientSessionConfig::new()).map_err(|e| words(&e))?;
    results.push(session.request_connection("live".to_owned()).map_err(|e| words(&e))?);
    results.extend(session.handle_input(&early).map_err(|e| words(&e))?);
    stream.set_read_timeout(Some(Duration::from_millis(5))).map_err(|e| e.to_string())?;
    let mut due = due_times(tags).into_iter().zip(tags).peekable();
    let mut begun = None;
    loop {
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => {
                    stream.write_all(&packet.bytes).map_err(|e| e.to_string())?;
                }
                ClientSessionResult::RaisedEvent(Event::ConnectionRequestAccepted) => {
                    let live = PublishRequestType::Live;
                    let request = session.request_publishing(name.clone(), live);
                    send(&mut stream, request.map_err(|e| words(&e))?)?;
                }
                ClientSessionResult::RaisedEvent(Event::PublishRequestAccepted) => {
                    told.lock().expect("no panic").accepted = true;
                    begun = Some(Instant::now());
                }
                ClientSessionResult::RaisedEvent(Event::UnhandleableOnStatusCode { code }) => {
                    told.lock().expect("no panic").codes.push(code);
                }
                _ => {}
            }
        }
        let now = begun.map(|begun| in_pulses(begun.elapsed(), manner.pulse));
        while let Some((_, tag)) = due.next_if(|(due, _)| now.is_some_and(|now| *due <= now)) {
            let (kind, time, body) = (tag.0, RtmpTimestamp::new(tag.1), tag.2.clone().into());
            let message = match kind {
                flv::VIDEO => session.publish_video_data(body, time, false),
                _ => session.publish_audio_data(body, time, false),
            };
            told.lock().expect("no panic").left.push(Instant::now());
            send(&mut stream, message.map_err(|e| words(&e))?)?;
        }
        if begun.is_some() && due.peek().is_none() && told.lock().expect("no panic").sent.is_none()
        {
            if manner.says_goodbye {
                for result in session.stop_publishing().map_err(|e| words(&e))? {
                    send(&mut stream, result)?;
                }
            }
            told.lock().expect("no panic").sent = Some(Instant::now());
        }
        results = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                session.handle_input(bytes).map_err(|e| words(&e))?
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Vec::new(),
            Err(error) => return Err(error.to_string()),
        };
    }
}

/// When each tag is due, counted from the first: the picture's times pace it, and sound goes along
/// with what stands before it, whatever its own clock says.
fn due_times(tags: &[flv::Tag]) -> Vec<Duration> {
    let has_picture = tags.iter().any(|(kind, ..)| *kind == flv::VIDEO);
    let mut first = None;
    let mut now = 0;
    let mut due = |(kind, time_ms, _): &flv::Tag| {
        if *kind == flv::VIDEO || !has_picture {
            now = (*time_ms).saturating_sub(*first.get_or_insert(*time_ms)).max(now);
        }
        Duration::from_millis(u64::from(now))
    };
    tags.iter().map(&mut due).collect()
}

/// A time, rounded down to the last pulse.
fn in_pulses(time: Duration, pulse: Option<Duration>) -> Duration {
    let Some(pulse) = pulse else { return time };
    let pulses = time.as_millis() / pulse.as_millis().max(1);
    pulse * u32::try_from(pulses).unwrap_or(u32::MAX)
}

fn send(stream: &mut TcpStream, result: ClientSessionResult) -> Result<(), String> {
    match result {
        ClientSessionResult::OutboundResponse(packet) => {
            stream.write_all(&packet.bytes).map_err(|e| e.to_string())
        }
        _ => Err("nothing to send".to_owned()),
    }
}

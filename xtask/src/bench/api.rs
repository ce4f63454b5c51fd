//! How long the API takes to answer while an audience plays. Purpose: a page that is open shall
//! not notice the viewers, nor they the page: each path's waiting times, beside the frames players
//! missed meanwhile. Non-goals: as many requests as it can take. Bound: two kept connections and
//! [`EVENT_CLIENTS`] clients of the events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ground::{circumstances, on_air, typed, Ground, PAUSE};
use super::servers::{Feed, Server, ServerKind};
use super::table::percentile;

/// What is asked for, in turn; the last one on the port for tools.
const PATHS: [&str; 4] = ["/api/status", "/api/videos", "/api/destinations", "/metrics"];
const EVENT_CLIENTS: usize = 4;
/// Files of the library, so that its list is one. They are no videos: the list says of each why.
const FILES: usize = 200;
const PATIENCE: Duration = Duration::from_secs(10);
/// A client of the events looks so often whether it is to end.
const TURN: Duration = Duration::from_millis(200);
const HEAD_BYTES_MAX: usize = 8 << 10;

/// One path's waiting times, in milliseconds, and its answer's length with its head, in bytes.
#[derive(Default)]
struct Waits {
    ms: Vec<f64>,
    bytes: usize,
}

/// Measures, one number of players after the other.
pub fn measure(ground: &Ground<'_>) -> Result<String, String> {
    let videos = ground.places.videos();
    let made = fs::create_dir_all(&videos).and_then(|()| {
        (0..FILES).try_for_each(|n| fs::write(videos.join(format!("{n:03}.mp4")), "no video"))
    });
    made.map_err(|error| format!("{}: {error}", videos.display()))?;
    let begun = Instant::now();
    let server = Server::start(ServerKind::Ours, &ground.places, Feed::Udp)?;
    let (sender, mut crowd) = on_air(&server, ServerKind::Ours, &ground.clip, &ground.tails)?;
    crowd.run_for(ServerKind::Ours.settling().saturating_sub(begun.elapsed()))?;
    let rate = ground.bench.rate;
    let mut report = format!(
        "{}\n\n3 Mbit/s 720p30 with audio to each player; {rate} requests a second in turn over two \
         kept connections, {EVENT_CLIENTS} clients of the events, {FILES} files in the library; \
         times from a request's first byte to its answer's last, for {} s; {}\n",
        typed(),
        ground.bench.seconds,
        circumstances(&ground.places)
    );
    for &players in ground.players {
        crowd.grow_to(players)?;
        crowd.run_for(PAUSE)?;
        let askers = Askers::start(&server, rate)?;
        let cell = ground.window(&server, &sender, &mut crowd, ServerKind::Ours)?;
        let (waits, events) = askers.stop()?;
        // Writing to a string cannot fail.
        let _ = write!(
            report,
            "\n{players} players: {} served, {} frames missed, {} times not growing, {:.1} % CPU, \
             {events} events\n\n{}",
            cell.served,
            cell.missed,
            cell.backwards,
            cell.cpu_percent,
            render(waits)
        );
    }
    Ok(report)
}

fn render(waits: BTreeMap<&'static str, Waits>) -> String {
    let mut text = String::from(
        "| path | requests | p50 | p95 | p99 | longest | bytes |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (path, Waits { mut ms, bytes }) in waits {
        let count = ms.len();
        let [p50, p95, p99, longest] = [0.5, 0.95, 0.99, 1.0].map(|at| percentile(&mut ms, at));
        // As above.
        let _ = writeln!(
            text,
            "| {path} | {count} | {p50:.2} ms | {p95:.2} ms | {p99:.2} ms | {longest:.2} ms | \
             {bytes} |"
        );
    }
    text
}

/// Who asks, each on a thread of its own.
struct Askers {
    stop: Arc<AtomicBool>,
    asker: JoinHandle<Result<BTreeMap<&'static str, Waits>, String>>,
    listeners: Vec<JoinHandle<Result<(), String>>>,
    events: Arc<AtomicUsize>,
}

impl Askers {
    fn start(server: &Server, rate: u32) -> Result<Askers, String> {
        let (stop, events) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut listeners = Vec::new();
        for _ in 0..EVENT_CLIENTS {
            let (mut line, stop) = (Line::open(server.http)?, Arc::clone(&stop));
            let events = Arc::clone(&events);
            listeners.push(std::thread::spawn(move || line.listen(&stop, &events)));
        }
        let (api, tools) = (Line::open(server.http)?, Line::open(server.stat)?);
        let theirs = Arc::clone(&stop);
        let asker = std::thread::spawn(move || ask_in_turn(api, tools, rate, &theirs));
        Ok(Askers { stop, asker, listeners, events })
    }

    /// Ends them; the waiting times, and the events that came.
    fn stop(self) -> Result<(BTreeMap<&'static str, Waits>, usize), String> {
        self.stop.store(true, Ordering::Relaxed);
        for listener in self.listeners {
            listener.join().map_err(|_| "a client of the events panicked")??;
        }
        let waits = self.asker.join().map_err(|_| "who asks the API panicked")??;
        Ok((waits, self.events.load(Ordering::Relaxed)))
    }
}

/// Asks at a steady pace, whatever the answers take: who waited before is not asked less.
fn ask_in_turn(
    mut api: Line,
    mut tools: Line,
    rate: u32,
    stop: &AtomicBool,
) -> Result<BTreeMap<&'static str, Waits>, String> {
    let mut waits = BTreeMap::<_, Waits>::new();
    let begun = Instant::now();
    for (number, path) in (0..).zip(PATHS.into_iter().cycle()) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let due = begun + Duration::from_secs(1) * number / rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let line = if path.starts_with("/api/") { &mut api } else { &mut tools };
        let (took, bytes) = line.ask(path)?;
        let known = waits.entry(path).or_default();
        known.ms.push(took.as_secs_f64() * 1e3);
        known.bytes = bytes;
    }
    Ok(waits)
}

/// A connection that is kept.
struct Line {
    socket: TcpStream,
    to: SocketAddr,
    buffer: Vec<u8>,
}

impl Line {
    fn open(to: SocketAddr) -> Result<Line, String> {
        let socket = TcpStream::connect(to).and_then(|socket| {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| format!("{to}: {error}"))?;
        Ok(Line { socket, to, buffer: vec![0; 1 << 20] })
    }

    fn send(&mut self, path: &str) -> Result<(), String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.to);
        self.socket.write_all(request.as_bytes()).map_err(|error| format!("{path}: {error}"))
    }

    /// Asks for `path`; how long the answer took, and its body's length.
    fn ask(&mut self, path: &str) -> Result<(Duration, usize), String> {
        let begun = Instant::now();
        self.send(path)?;
        let (mut filled, mut whole) = (0, None);
        while whole.is_none_or(|whole| filled < whole) {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.socket.read(room).map_err(|error| format!("{path}: {error}"))?;
            if read == 0 {
                return Err(format!("{path}: the answer ends after {filled} bytes"));
            }
            filled += read;
            if whole.is_none() {
                whole = length(self.buffer.get(..filled).unwrap_or_default())?;
            }
        }
        Ok((begun.elapsed(), filled))
    }

    /// Counts events until it is to end.
    fn listen(&mut self, stop: &AtomicBool, events: &AtomicUsize) -> Result<(), String> {
        self.socket.set_read_timeout(Some(TURN)).map_err(|error| error.to_string())?;
        self.send("/api/events")?;
        while !stop.load(Ordering::Relaxed) {
            match self.socket.read(&mut self.buffer) {
                Ok(0) => return Err("the events end".to_owned()),
                Ok(read) => {
                    let came = self.buffer.get(..read).unwrap_or_default();
                    let begun = came.windows(7).filter(|bytes| *bytes == b"event: ").count();
                    events.fetch_add(begun, Ordering::Relaxed);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(format!("the events: {error}")),
            }
        }
        Ok(())
    }
}

/// The length of an answer with its head, once that is there.
fn length(answer: &[u8]) -> Result<Option<usize>, String> {
    let Some(head) = answer.windows(4).take(HEAD_BYTES_MAX).position(|w| w == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(answer.get(..head).unwrap_or_default());
    if !text.starts_with("HTTP/1.1 200 ") {
        return Err(format!("not answered with 200: {text}"));
    }
    let declared = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let declared: usize = declared.and_then(|digits| digits.parse().ok()).ok_or("no length")?;
    Ok(Some(head + 4 + declared))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_is_whole_when_all_its_bytes_are_there() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n"), Ok(None));
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        assert_eq!(length(head.as_bytes()), Ok(Some(head.len() + 7)));
        assert!(length(b"HTTP/1.1 503 Busy\r\nContent-Length: 7\r\n\r\n").is_err());
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_that_comes_in_pieces_is_waited_for() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut line = Line::open(server.local_addr().unwrap()).unwrap();
        let (mut served, _) = server.accept().unwrap();
        let answering = std::thread::spawn(move || {
            let count = served.read(&mut [0; 256]).unwrap();
            for piece in ["HTTP/1.1 200 OK\r\nContent-", "Length: 4\r\n\r\nab", "cd"] {
                served.write_all(piece.as_bytes()).unwrap();
                served.flush().unwrap();
            }
            count
        });
        let (_, bytes) = line.ask("/x").unwrap();
        assert!(answering.join().unwrap() > 0);
        assert_eq!(bytes, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd".len());
        assert!(line.ask("/x").is_err(), "the server is gone");
    }

    #[test]
    fn the_table_has_a_row_for_each_path() {
        let waits = Waits { ms: (1..=100).map(f64::from).collect(), bytes: 9 };
        let text = render(BTreeMap::from([("/a", waits)]));
        let row = "| /a | 100 | 50.00 ms | 95.00 ms | 99.00 ms | 100.00 ms | 9 |\n";
        assert!(text.ends_with(row), "{text}");
    }
}

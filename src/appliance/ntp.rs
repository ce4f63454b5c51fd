//! The machine's clock by a time server (SNTP: RFC 4330; the packet: RFC 5905, 7.3). Purpose: TLS
//! needs to know the day. One question, one answer, and the clock is set. Non-goals: a clock that
//! is right to the millisecond, steering its pace, serving time, authentication. Bound: one datagram
//! of 48 bytes each way; [`CLOCK_ASK_MS_MAX`] for everything.
//!
//! The programme runs by the monotonic clock and does not notice.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{clock_settime, ClockId, Timespec};

use crate::system::random;

/// Time to set the clock in, the look-up of the server's name included.
const CLOCK_ASK_MS_MAX: u64 = 3_000;
/// The longest round trip whose answer is believed.
const CLOCK_ROUND_TRIP_MS_MAX: u64 = 2_000;
/// A clock that is off by no more is left as it is.
const CLOCK_STEP_MS_MIN: u64 = 100;

const PACKET_BYTES: usize = 48;
/// No leap warning, version 4, mode 3: a client.
const QUESTION: u8 = 4 << 3 | 3;
const SERVER: u8 = 4;
/// The leap indicator of a server that does not know the time.
const UNSYNCHRONISED: u8 = 3;
/// RFC 5905, figure 11: 16 and more are no server's.
const STRATUM_MAX: u8 = 15;
/// The port of time servers.
const PORT: u16 = 123;
/// From 1900 to 1970.
const EPOCH_S: i128 = 2_208_988_800;
/// From one era to the next: the seconds' 32 bits begin again in 2036.
const ERA_S: i128 = 1 << 32;
const NS_PER_S: i128 = 1_000_000_000;
const NS_PER_MS: i128 = 1_000_000;

/// Why an answer is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BadAnswer {
    /// Shorter than a packet.
    Short,
    /// Not of a server, or of a version nobody speaks.
    NotAServer,
    /// An answer to another question.
    NotOurs,
    /// The server asks to be left alone, and why (RFC 5905, 7.4).
    Refused([u8; 4]),
    /// The server does not know the time itself.
    Unsynchronised,
    /// It holds no time, or times that contradict each other.
    NoTime,
    /// It took too long to be worth anything.
    TooSlow,
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadAnswer::Short => write!(f, "the answer is too short"),
            BadAnswer::NotAServer => write!(f, "the answer is not a time server's"),
            BadAnswer::NotOurs => write!(f, "the answer belongs to another request"),
            BadAnswer::Refused(code) => {
                write!(f, "the server refuses: {}", code.escape_ascii())
            }
            BadAnswer::Unsynchronised => write!(f, "the server does not know the time"),
            BadAnswer::NoTime => write!(f, "the answer contains no time"),
            BadAnswer::TooSlow => {
                write!(f, "the answer took longer than {CLOCK_ROUND_TRIP_MS_MAX} ms")
            }
        }
    }
}

/// A question: all zero but for what it is and a number that the answer has to repeat. The real
/// time would tell the server, and anybody who listens, how wrong this clock is.
fn question(nonce: [u8; 8]) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    let [first, .., a, b, c, d, e, f, g, h] = &mut packet;
    *first = QUESTION;
    [*a, *b, *c, *d, *e, *f, *g, *h] = nonce;
    packet
}

/// What has to be added to this clock, ns. `sent` is what it showed when the question left, ns since
/// 1970; `trip` is how long the answer took, by a clock that does not jump.
fn offset(answer: &[u8], nonce: [u8; 8], sent: i128, trip: Duration) -> Result<i128, BadAnswer> {
    let Some((packet, _)) = answer.split_first_chunk::<PACKET_BYTES>() else {
        return Err(BadAnswer::Short);
    };
    let [first, stratum, _, _, rest @ ..] = packet;
    let (leap, version, mode) = (first >> 6, first >> 3 & 7, first & 7);
    let field = |at: usize| rest.get(at..).and_then(|from| from.first_chunk::<8>());
    if mode != SERVER || !(3..=4).contains(&version) {
        return Err(BadAnswer::NotAServer);
    }
    // Before anything it says: a stranger's kiss of death must not count (RFC 8633, 5.4).
    if field(20) != Some(&nonce) {
        return Err(BadAnswer::NotOurs);
    }
    if *stratum == 0 {
        let code = rest.get(8..).and_then(|from| from.first_chunk::<4>());
        return Err(BadAnswer::Refused(code.copied().unwrap_or_default()));
    }
    if leap == UNSYNCHRONISED || *stratum > STRATUM_MAX {
        return Err(BadAnswer::Unsynchronised);
    }
    let time = |at| field(at).and_then(|bytes| since_1970(*bytes)).ok_or(BadAnswer::NoTime);
    let (received, transmitted) = (time(28)?, time(36)?);
    let trip = i128::try_from(trip.as_nanos()).unwrap_or(i128::MAX);
    if trip >= i128::from(CLOCK_ROUND_TRIP_MS_MAX) * NS_PER_MS {
        return Err(BadAnswer::TooSlow);
    }
    // The server cannot have had it for longer than the answer took, but for its clock's grain.
    let held = transmitted - received;
    if held < 0 || held > trip + NS_PER_MS {
        return Err(BadAnswer::NoTime);
    }
    // RFC 4330, 5: ((T2 - T1) + (T3 - T4)) / 2.
    Ok(((received - sent) + (transmitted - (sent + trip))) / 2)
}

/// An NTP timestamp, 32 bits of seconds and 32 of their fraction, in ns since 1970; zero is no time.
/// With the highest bit it is of the era from 1900, without of the one from 2036 (RFC 4330, 3).
fn since_1970(stamp: [u8; 8]) -> Option<i128> {
    let stamp = u64::from_be_bytes(stamp);
    if stamp == 0 {
        return None;
    }
    let (s, fraction) = (i128::from(stamp >> 32), i128::from(stamp & 0xffff_ffff));
    let era = if stamp >> 63 == 1 { 0 } else { ERA_S };
    Some((s + era - EPOCH_S) * NS_PER_S + ((fraction * NS_PER_S) >> 32))
}

/// Asks `server` (HOST or HOST:PORT) and sets the clock when it is off by more than
/// [`CLOCK_STEP_MS_MIN`]; with `dry_run` it only says so. One line for a person, which begins with
/// `set` when the clock was set.
///
/// # Errors
/// Why the clock is as it was, for a person: nobody answered in time, the answer is not believed, or
/// this process may not set it.
pub fn set(server: &str, dry_run: bool) -> Result<String, String> {
    let limit = Duration::from_millis(CLOCK_ASK_MS_MAX);
    let (sender, answered) = mpsc::sync_channel(1);
    let name = server.to_owned();
    // A name's look-up has no deadline of its own: past ours it is left behind, and ends with the
    // process.
    std::thread::spawn(move || {
        // Nobody listens any longer when the time is over.
        let _ = sender.send(ask(&name, Instant::now() + limit));
    });
    let late = |_| format!("{server}: no answer within {} s", limit.as_secs());
    let off = answered.recv_timeout(limit).map_err(late)?;
    let off = off.map_err(|why| format!("{server}: {why}"))?;
    let words = in_words(off);
    if off.abs() <= i128::from(CLOCK_STEP_MS_MIN) * NS_PER_MS {
        return Ok(format!("right: {words} by {server}"));
    }
    if dry_run {
        return Ok(format!("not set: {words} by {server}"));
    }
    step(off).map_err(|why| format!("the clock cannot be set: {why}"))?;
    Ok(format!("set: it was {words} by {server}"))
}

/// What the clock is off, ns, by one question to a server.
fn ask(server: &str, deadline: Instant) -> Result<i128, String> {
    let addresses = addresses(server).map_err(|error| error.to_string())?;
    let mut why = "the name has no address".to_owned();
    // Several addresses, for where one kind of them has no route; the first that has is asked.
    for address in addresses {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            // Only that address's datagrams are received, and its refusal comes as an error.
            socket.connect(address)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => return exchange(&socket, deadline),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// The addresses of HOST, HOST:PORT, an address, or [ADDRESS]:PORT.
fn addresses(server: &str) -> io::Result<Vec<SocketAddr>> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    let colons = bare.matches(':').count();
    let with_port = colons == 1 || (colons > 1 && bare.contains("]:"));
    let found = if with_port { bare.to_socket_addrs()? } else { (bare, PORT).to_socket_addrs()? };
    Ok(found.collect())
}

fn exchange(socket: &UdpSocket, deadline: Instant) -> Result<i128, String> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => "no answer".to_owned(),
        _ => error.to_string(),
    };
    let nonce = random::bytes().map_err(failed)?;
    let (sent, since) = (now(), Instant::now());
    socket.send(&question(nonce)).map_err(failed)?;
    // A stranger's datagram, or one of an earlier question, does not end the wait.
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("no answer".to_owned());
        }
        socket.set_read_timeout(Some(left)).map_err(failed)?;
        let mut answer = [0; 2 * PACKET_BYTES];
        let bytes = socket.recv(&mut answer).map_err(failed)?;
        let trip = since.elapsed();
        match offset(answer.get(..bytes).unwrap_or_default(), nonce, sent, trip) {
            Err(BadAnswer::NotOurs) => {}
            outcome => return outcome.map_err(|bad| bad.to_string()),
        }
    }
}

/// This machine's clock, ns since 1970.
fn now() -> i128 {
    let ns = |span: Duration| i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => ns(since),
        Err(before) => -ns(before.duration()),
    }
}

fn step(off: i128) -> Result<(), String> {
    let (s, ns) = {
        let then = now() + off;
        (then.div_euclid(NS_PER_S), then.rem_euclid(NS_PER_S))
    };
    let tv_sec = i64::try_from(s).map_err(|_| "the time is out of range".to_owned())?;
    let tv_nsec = i64::try_from(ns).unwrap_or_default();
    clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec }).map_err(|why| why.to_string())
}

/// How far the clock is off, in the largest unit that says something.
fn in_words(off: i128) -> String {
    const DAY_MS: u128 = 86_400_000;
    let ms = (off.unsigned_abs() + 500_000) / 1_000_000;
    let far = match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..172_800_000 => format!("{} s", (ms + 500) / 1000),
        _ => format!("{} days", ms / DAY_MS),
    };
    format!("{far} {}", if off < 0 { "fast" } else { "slow" })
}

#[cfg(test)]
#[path = "ntp_tests.rs"]
mod tests;

//! Sends a transport stream over UDP as an encoder would: seven packets to a datagram, at the
//! pace its PCR gives, losing, repeating and swapping datagrams when told to.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PACKET_BYTES: usize = 188;
const PACKETS_IN_DATAGRAM: usize = 7;
/// A datagram, but for the last of a stream.
pub const DATAGRAM_BYTES: usize = PACKET_BYTES * PACKETS_IN_DATAGRAM;
/// 27 MHz ticks in a second.
const PCR_HZ: u64 = 27_000_000;

/// What goes wrong on the way, each in thousandths of the datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Never arrives.
    pub lost: u64,
    /// Arrives twice.
    pub repeated: u64,
    /// Arrives behind its successor.
    pub swapped: u64,
}

/// Datagrams and when each leaves, counted from the first.
#[derive(Clone)]
pub struct Schedule(Vec<(Duration, Vec<u8>)>);

impl Schedule {
    /// A whole file.
    pub fn of(path: &Path) -> Schedule {
        let stream = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Schedule::of_bytes(&stream)
    }

    /// A transport stream.
    pub fn of_bytes(stream: &[u8]) -> Schedule {
        let times = packet_times(stream);
        let datagrams = stream.chunks(DATAGRAM_BYTES);
        let leaves = times.into_iter().step_by(PACKETS_IN_DATAGRAM);
        Schedule(leaves.zip(datagrams.map(<[u8]>::to_vec)).collect())
    }

    /// Any bytes, spread over so much time.
    pub fn evenly(bytes: &[u8], span: Duration) -> Schedule {
        let datagrams = bytes.chunks(DATAGRAM_BYTES);
        let count = u32::try_from(datagrams.len()).expect("a file of few packets");
        let each = (0..).map(|at: u32| span * at / count);
        Schedule(each.zip(datagrams.map(<[u8]>::to_vec)).collect())
    }

    /// What leaves before `end`.
    pub fn until(mut self, end: Duration) -> Schedule {
        self.0.retain(|(at, _)| *at < end);
        self
    }

    /// What leaves from `start` on, sent at once.
    pub fn from(mut self, start: Duration) -> Schedule {
        self.0.retain(|(at, _)| *at >= start);
        for (at, _) in &mut self.0 {
            *at -= start;
        }
        self
    }

    /// The same in so many times less.
    pub fn faster(mut self, times: u32) -> Schedule {
        self.0.iter_mut().for_each(|(at, _)| *at /= times);
        self
    }

    /// The bytes, for finding out what they hold.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(_, datagram)| datagram).copied().collect()
    }

    /// The datagrams, in the order in which they leave.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|(_, datagram)| datagram.as_slice())
    }

    /// The same with faults, the same ones for the same seed.
    pub fn with(self, faults: Faults, seed: u64) -> Schedule {
        let mut dice = Dice(seed);
        let mut sent: Vec<(Duration, Vec<u8>)> = Vec::new();
        let mut held: Option<Vec<u8>> = None;
        for (at, datagram) in self.0 {
            if dice.hits(faults.lost) {
                continue;
            }
            if held.is_none() && dice.hits(faults.swapped) {
                held = Some(datagram);
                continue;
            }
            if dice.hits(faults.repeated) {
                sent.push((at, datagram.clone()));
            }
            sent.push((at, datagram));
            sent.extend(held.take().map(|late| (at, late)));
        }
        Schedule(sent)
    }
}

/// Xorshift (Marsaglia, 2003): the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn hits(&mut self, thousandths: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % 1000 < thousandths
    }
}

/// When each packet is due: between two PCR of the first PID that has any, by even steps. A
/// jump of the clock takes no time.
fn packet_times(stream: &[u8]) -> Vec<Duration> {
    let mut clock_pid = None;
    let mut last: Option<(usize, u64)> = None;
    let mut now = Duration::ZERO;
    let mut times: Vec<Duration> = Vec::new();
    for (index, packet) in stream.chunks(PACKET_BYTES).enumerate() {
        times.push(now);
        let Some((pid, pcr)) = pcr(packet) else { continue };
        if *clock_pid.get_or_insert(pid) != pid {
            continue;
        }
        if let Some((from, before)) = last {
            let ticks = pcr.checked_sub(before).filter(|ticks| *ticks <= PCR_HZ).unwrap_or(0);
            let span = Duration::from_micros(ticks / 27);
            let packets = u32::try_from(index - from).expect("a file of few packets");
            for (step, time) in (0..=packets).zip(times.iter_mut().skip(from)) {
                *time = now + span * step / packets;
            }
            now += span;
        }
        last = Some((index, pcr));
    }
    times
}

/// PID and PCR of a packet that has one, in 27 MHz ticks (ISO/IEC 13818-1, 2.4.3.5).
fn pcr(packet: &[u8]) -> Option<(u16, u64)> {
    let [0x47, p1, p0, control, length, flags, a, b, c, d, e, f, ..] = packet else { return None };
    let present = control & 0x20 != 0 && *length >= 7 && flags & 0x10 != 0;
    let base = u64::from(u32::from_be_bytes([*a, *b, *c, *d])) << 1 | u64::from(e >> 7);
    let extension = u64::from(u16::from_be_bytes([e & 1, *f]));
    present.then(|| (u16::from_be_bytes([p1 & 0x1F, *p0]), base * 300 + extension))
}

/// A thread that sends a schedule.
pub struct Sender {
    thread: Option<JoinHandle<Instant>>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    /// Begins to send from a port of the kernel's choice.
    pub fn start(schedule: Schedule, to: SocketAddr) -> Sender {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        Sender::start_from(socket, schedule, to)
    }

    /// Begins to send from this socket.
    pub fn start_from(socket: UdpSocket, schedule: Schedule, to: SocketAddr) -> Sender {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let start = Instant::now();
            for (at, datagram) in schedule.0 {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep((start + at).saturating_duration_since(Instant::now()));
                // Nobody listening is the receiver's affair, as it is with a real encoder.
                let _ = socket.send_to(&datagram, to);
            }
            Instant::now()
        });
        Sender { thread: Some(thread), stop }
    }

    /// Waits until all is sent; the time of the last datagram.
    pub fn finish(mut self) -> Instant {
        let thread = self.thread.take().expect("joined once");
        thread.join().expect("the sender does not panic")
    }

    /// Falls silent at once; the time of the last datagram.
    pub fn stop(self) -> Instant {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pcr_ms: Option<u64>) -> Vec<u8> {
        let mut packet = vec![0xFF; PACKET_BYTES];
        packet[..4].copy_from_slice(&[0x47, 0x01, 0x00, 0x10]);
        if let Some(ms) = pcr_ms {
            let base = ms * 90;
            let [_, _, _, b4, b3, b2, b1, b0] = (base << 7).to_be_bytes();
            packet[3..12].copy_from_slice(&[0x30, 183, 0x10, b4, b3, b2, b1, b0 | 0x7E, 0]);
        }
        packet
    }

    #[test]
    fn packets_are_spread_between_clock_references() {
        let packets = [Some(1000), None, None, None, Some(1040), None, Some(20), None, Some(30)];
        let stream: Vec<u8> = packets.into_iter().flat_map(packet).collect();
        let times: Vec<u128> = packet_times(&stream).iter().map(Duration::as_millis).collect();
        assert_eq!(times, [0, 10, 20, 30, 40, 40, 40, 45, 50]);
    }

    #[test]
    fn faults_are_those_asked_for_and_the_same_each_time() {
        let ms = |n: u64| (Duration::from_millis(n), n.to_be_bytes().to_vec());
        let schedule = || Schedule((0..10_000).map(ms).collect());
        let lost = schedule().with(Faults { lost: 50, ..Faults::default() }, 7);
        assert!((9_300..9_700).contains(&lost.0.len()), "{}", lost.0.len());
        let again = schedule().with(Faults { lost: 50, ..Faults::default() }, 7);
        assert_eq!(lost.0, again.0);
        let swapped = schedule().with(Faults { swapped: 50, ..Faults::default() }, 7);
        let back = swapped.0.windows(2).filter(|pair| pair[0].1 > pair[1].1).count();
        assert!((300..700).contains(&back), "{back}");
        let repeated = schedule().with(Faults { repeated: 50, ..Faults::default() }, 7);
        assert!((10_300..10_700).contains(&repeated.0.len()), "{}", repeated.0.len());
    }

    #[test]
    fn a_schedule_can_begin_and_end_anywhere() {
        let ms = |n: u64| (Duration::from_millis(n), vec![u8::try_from(n).expect("small")]);
        let schedule = Schedule((0..9).map(ms).collect());
        let part = schedule.until(Duration::from_millis(5)).from(Duration::from_millis(3));
        assert_eq!(part.0, [(Duration::ZERO, vec![3]), (Duration::from_millis(1), vec![4])]);
        assert_eq!(part.bytes(), [3, 4]);
        assert_eq!(part.faster(2).0[1].0, Duration::from_micros(500));
    }
}

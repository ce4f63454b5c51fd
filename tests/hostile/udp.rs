//! Hostile UDP: floods, garbage, other senders, and transport streams with every field mutated.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::footing::Footing;
use crate::frames::runs;
use crate::machine;
use crate::media::{Media, SMALL};
use crate::scene::Scene;
use crate::sender::{Schedule, Sender};
use crate::wait::seconds;
use crate::wire::Dice;

/// Datagrams cost no memory but the kernel's; the first ones fill the ring.
const FLOOD: Footing = Footing { rss_kib: 12 << 10, threads: 0, descriptors: 10 };
/// The ring's memory counts once it has been filled: it is to be small beside what may stay.
const SMALL_RING: &str = "[programme]\nring_mib = 2\n";
const PACKET_BYTES: usize = 188;

/// Sends as fast as the machine can.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Flood {
    fn start(to: SocketAddr, datagrams: Vec<Vec<u8>>) -> Flood {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let socket = UdpSocket::bind("127.0.0.3:0").expect("a UDP socket");
        let thread = std::thread::spawn(move || {
            for datagram in datagrams.iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if socket.send_to(datagram, to).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Flood { stop, sent, thread }
    }

    /// Goes on until so much time has passed; how many datagrams were sent.
    fn stop_after(self, time: Duration) -> u64 {
        std::thread::sleep(time);
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the flood does not panic");
        self.sent.load(Ordering::Relaxed)
    }
}

fn noise(dice: &mut Dice, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| dice.byte()).collect()
}

#[test]
fn floods_and_other_senders_do_not_stop_the_programme() {
    let media = Media::of(SMALL);
    let _machine = machine::alone();
    let scene = Scene::start(SMALL_RING);
    let to = scene.program.udp;
    let mut dice = Dice(0xF100D);
    let sender = Sender::start(Schedule::of(&media.path), to);
    scene.program.wait_on_air("udp", seconds(5));
    let garbage = [1, 187, 188, 1316, 9000, 65_507].map(|bytes| noise(&mut dice, bytes)).to_vec();
    let sent = Flood::start(to, garbage).stop_after(seconds(2));
    assert!(sent > 10_000, "{sent} datagrams are no flood");
    scene.wait_counted("/udp/ignored_sender", 1_000);
    let stream = fs::read(&media.path).expect("the media");
    let other = stream.chunks(7 * PACKET_BYTES).map(<[u8]>::to_vec).collect();
    let sent = Flood::start(to, other).stop_after(seconds(2));
    assert!(sent > 10_000, "{sent} datagrams are no flood");
    sender.finish();
    scene.program.wait_on_air("standby", seconds(6));
    // The input is not broken by what it went through.
    let again = Sender::start(Schedule::of(&media.path).until(seconds(4)), to);
    scene.program.wait_on_air("udp", seconds(5));
    again.finish();
    scene.program.wait_on_air("standby", seconds(6));
    let seen = scene.end(FLOOD).frames.video;
    let shown: usize = runs(&seen, &media.frames.video).iter().map(|run| run.frames).sum();
    assert!(shown > 100, "{shown} frames of the honest sender");
}

#[test]
fn a_film_sent_in_no_time_is_no_live_source() {
    let media = Media::of(SMALL);
    let _machine = machine::alone();
    let scene = Scene::start(SMALL_RING);
    let stream = fs::read(&media.path).expect("the media");
    let film = stream.chunks(7 * PACKET_BYTES).map(<[u8]>::to_vec).collect();
    Flood::start(scene.program.udp, film).stop_after(seconds(3));
    assert!(scene.counted("/udp/over_rate") > 1_000, "{}", scene.told());
    assert!(scene.counted("/udp/ahead_units") > 100, "{}", scene.told());
    scene.program.wait_on_air("standby", seconds(6));
    // Sent as it plays, it is one again.
    let sender = Sender::start(Schedule::of(&media.path), scene.program.udp);
    scene.program.wait_on_air("udp", seconds(6));
    sender.stop();
    scene.program.wait_on_air("standby", seconds(6));
    assert_eq!(scene.counted("/viewer_count"), 1, "the viewer was lost: {}", scene.told());
    scene.end(FLOOD);
}

/// Which bytes of a stream are changed.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// Packet headers and adaptation fields (ISO/IEC 13818-1, 2.4.3).
    Packet,
    /// PAT and PMT (2.4.4), their checksums made right again.
    Tables,
    /// PES headers (2.4.3.6), and the first bytes behind them: parameter sets, ADTS headers.
    Pes,
    /// Anything.
    All,
}

/// Mutates about one packet of `rarity` of those that hold a target.
fn mutate(stream: &mut [u8], target: Target, rarity: usize, dice: &mut Dice) -> usize {
    let mut mutated = 0;
    for packet in stream.chunks_exact_mut(PACKET_BYTES) {
        let [_, high, low, control, length, ..] = *packet else { continue };
        let pid = u16::from_be_bytes([high & 0x1F, low]);
        let starts = high & 0x40 != 0;
        let payload_at = if control & 0x20 != 0 { 5 + usize::from(length) } else { 4 };
        let (from, len) = match target {
            Target::Packet => (1, 11),
            Target::Tables if pid == 0 || pid == 0x1000 => (5, 40),
            Target::Pes if starts && pid >= 0x100 => (payload_at, 48),
            Target::All => (0, PACKET_BYTES),
            Target::Tables | Target::Pes => continue,
        };
        if dice.below(rarity) != 0 {
            continue;
        }
        for _ in 0..=dice.below(3) {
            let at = from + dice.below(len);
            let value = dice.byte();
            if let Some(byte) = packet.get_mut(at) {
                *byte = value;
                mutated += 1;
            }
        }
        if matches!(target, Target::Tables) {
            make_checksum_right(packet);
        }
    }
    mutated
}

/// Puts the right CRC_32 (annex A) behind the section that begins in a packet, if it still fits.
fn make_checksum_right(packet: &mut [u8]) {
    let Some(&[b1, b2]) = packet.get(6..8) else { return };
    let length = usize::from(u16::from_be_bytes([b1 & 0x0F, b2]));
    let end = 8 + length;
    let Some((section, rest)) = packet.split_at_mut_checked(end.saturating_sub(4)) else { return };
    let Some(body) = section.get(5..) else { return };
    let crc = body.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            let top = crc & 0x8000_0000 != 0;
            crc << 1 ^ if top { 0x04C1_1DB7 } else { 0 }
        })
    });
    for (into, byte) in rest.iter_mut().zip(crc.to_be_bytes()) {
        *into = byte;
    }
}

#[test]
fn a_checksum_made_right_is_that_of_the_original() {
    let stream = fs::read(Media::of(SMALL).path).expect("the media");
    let tables = stream
        .chunks_exact(PACKET_BYTES)
        .filter(|packet| matches!(packet, [_, 0x40, 0, ..] | [_, 0x50, 0, ..]));
    let mut count = 0;
    for table in tables.take(20) {
        let mut packet = table.to_vec();
        make_checksum_right(&mut packet);
        assert_eq!(packet, table);
        count += 1;
    }
    assert_eq!(count, 20);
}

/// Sends a stream within twelve seconds: its own clock may be one of the fields mutated.
fn send_evenly(stream: Vec<u8>, to: SocketAddr) -> JoinHandle<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    std::thread::spawn(move || {
        let datagrams = stream.chunks(7 * PACKET_BYTES);
        let pause = seconds(12).div_f64(datagrams.len() as f64);
        let mut due = Instant::now();
        for datagram in datagrams {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let _ = socket.send_to(datagram, to);
            due += pause;
        }
    })
}

#[test]
fn streams_with_every_field_mutated_do_no_harm() {
    let media = Media::of(SMALL);
    let _machine = machine::alone();
    let original = fs::read(&media.path).expect("the media");
    let targets = [(Target::Packet, 40), (Target::Tables, 2), (Target::Pes, 4), (Target::All, 10)];
    let attacks: Vec<_> = targets
        .into_iter()
        .enumerate()
        .map(|(at, (target, rarity))| {
            let scene = Scene::start(SMALL_RING);
            let mut stream = original.clone();
            let mut dice = Dice(0xBAD + at as u64);
            let mutated = mutate(&mut stream, target, rarity, &mut dice);
            assert!(mutated > 50, "{target:?}: {mutated} bytes");
            let sender = send_evenly(stream, scene.program.udp);
            (target, scene, sender)
        })
        .collect();
    for (target, scene, sender) in attacks {
        sender.join().expect("the sender does not panic");
        assert!(scene.counted("/udp/datagrams") > 100, "{target:?}: {}", scene.told());
        println!("{target:?}");
        scene.end(FLOOD);
    }
}

#[test]
fn garbage_of_the_sender_on_air_is_covered_and_it_comes_back() {
    let media = Media::of(SMALL);
    let _machine = machine::alone();
    let scene = Scene::start(SMALL_RING);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    let twin = socket.try_clone().expect("a socket twice");
    // No sound: where that gets through between the noise, it keeps the source on air for as long as the
    // picture stands still.
    let schedule = Schedule::of(&media.without_sound());
    let sender = Sender::start_from(socket, schedule, scene.program.udp);
    scene.program.wait_on_air("udp", seconds(5));
    let mut dice = Dice(0x6A12);
    let until = Instant::now() + seconds(3);
    while Instant::now() < until {
        let bytes = 1 + dice.below(1316);
        let _ = twin.send_to(&noise(&mut dice, bytes), scene.program.udp);
    }
    scene.wait_counted("/udp/sync_lost_bytes", 1_000);
    let clean = sender.finish();
    println!("ended {:?} ago", clean.elapsed());
    scene.program.wait_on_air("standby", seconds(6));
    scene.end(FLOOD);
}

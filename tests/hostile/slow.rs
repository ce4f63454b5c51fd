//! Slow readers among others: who does not keep up is skipped or closed, and nobody else notices.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::footing::Footing;
use crate::frames::one_run;
use crate::machine;
use crate::media::{Media, PLAIN};
use crate::player::{Player, Seen};
use crate::scene::Scene;
use crate::sender::{Schedule, Sender};
use crate::sockets::{connect_with, push, ENEMY};
use crate::wait::{self, seconds};
use crate::wire::{shake, FFMPEG_PLAY};

const GOOD: usize = 160;
const DEAF: usize = 20;
const HALF: usize = 20;
/// Half of what the medium has on average, bytes a second.
const HALF_RATE: u64 = 100_000;
/// A player's receive buffer, where it shall not hide for long that it does not read.
const RECEIVE_BYTES: usize = 16 << 10;
/// Two hundred viewers, each with its session.
const CROWD: Footing = Footing { rss_kib: 12 << 10, threads: 0, descriptors: 210 };

/// A player that does not read, or one that reads at a rate.
fn slow_player(scene: &Scene) -> TcpStream {
    let stream = connect_with(ENEMY, scene.program.rtmp, Some(RECEIVE_BYTES));
    let mut stream = shake(stream.expect("the kernel takes it")).expect("a handshake");
    // Without the deleteStream at its end.
    push(&mut stream, FFMPEG_PLAY.get(..0x177).unwrap_or_default());
    stream
}

/// Reads `rate` bytes a second until told to stop or closed.
fn read_slowly(mut stream: TcpStream, rate: u64, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    const PIECE: usize = 4096;
    let body = move || {
        let (mut taken, began) = (0, Instant::now());
        let mut piece = [0; PIECE];
        while !stop.load(Ordering::Relaxed) {
            match stream.read(&mut piece) {
                Ok(count @ 1..) => taken += count as u64,
                _ => return taken,
            }
            let due = began + Duration::from_secs_f64(taken as f64 / rate as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        taken
    };
    Builder::new().stack_size(256 << 10).spawn(body).expect("a thread")
}

/// How long the frames took from the one that came first to a player, at the worst.
fn spread(players: &[Seen], runs: &[usize], frames: usize) -> Vec<Duration> {
    (0..frames)
        .filter_map(|at| {
            let times = players
                .iter()
                .zip(runs)
                .filter_map(|(seen, from)| seen.video_arrivals.get(from + at));
            let (first, last) = (times.clone().min()?, times.max()?);
            Some(last.duration_since(*first))
        })
        .collect()
}

#[test]
fn twenty_that_never_read_and_twenty_that_read_half_are_dealt_with_alone() {
    let media = Media::of(PLAIN);
    let _machine = machine::alone();
    let scene = Scene::start("[programme]\nring_mib = 2\n");
    let good: Vec<Player> =
        (0..GOOD).map(|_| Player::start(scene.program.rtmp, "stream")).collect();
    let all_play = || good.iter().all(|player| player.video_frames() > 0);
    assert!(wait::holds(seconds(20), all_play), "{}", scene.told());
    let deaf: Vec<TcpStream> = (0..DEAF).map(|_| slow_player(&scene)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let half: Vec<_> =
        (0..HALF).map(|_| read_slowly(slow_player(&scene), HALF_RATE, Arc::clone(&stop))).collect();
    scene.wait_counted("/viewer_count", (GOOD + DEAF + HALF + 1) as u64);
    let sender = Sender::start(Schedule::of(&media.path), scene.program.udp);
    scene.program.wait_on_air("udp", seconds(5));
    sender.finish();
    let closed = AtomicU64::new(0);
    let all_closed = || {
        closed.store(scene.counted("/rtmp/closed_slow"), Ordering::Relaxed);
        closed.load(Ordering::Relaxed) >= DEAF as u64
    };
    assert!(wait::holds(seconds(10), all_closed), "{closed:?} closed: {}", scene.told());
    // Its last frames may wait for others to leave with them.
    scene.program.wait_on_air("standby", seconds(6));
    let skips = scene.counted("/rtmp/skips");
    assert!(skips >= HALF as u64 / 2, "{skips} skips: {}", scene.told());
    let named = |words: &str, least: usize| {
        let there = || {
            let printed = scene.program.printed();
            let lines = printed.lines().filter(|line| line.contains("127.0.0.2"));
            lines.filter(|line| line.contains(words)).count() >= least
        };
        assert!(wait::holds(seconds(10), there), "{words}: {}", scene.program.printed());
    };
    named("too slow: accepted no data", DEAF);
    named("too slow: skipped to the newest keyframe", 1);
    let printed = scene.program.printed();
    let honest = printed.lines().filter(|line| line.contains("too slow"));
    assert_eq!(honest.filter(|line| line.contains("127.0.0.1")).count(), 0, "{printed}");
    stop.store(true, Ordering::Relaxed);
    drop(deaf);
    for reader in half {
        assert!(reader.join().expect("a reader does not panic") > 0);
    }
    let seen: Vec<Seen> = good.into_iter().map(Player::stop).collect();
    let sent = &media.frames.video;
    let starts: Vec<usize> = seen
        .iter()
        .enumerate()
        .map(|(at, seen)| {
            let what = format!("player {at}");
            one_run(&what, &seen.frames.audio, &media.frames.audio, media.frames.audio.len() - 20);
            let run = one_run(&what, &seen.frames.video, sent, sent.len() - 1);
            // Where the second frame of the source came: the first may be missing.
            run.received_at + 1 - run.source_at
        })
        .collect();
    let mut spread = spread(&seen, &starts, 1100);
    spread.sort_unstable();
    let (half, most) = (spread.get(550).copied(), spread.last().copied());
    println!("from the first player to the last: {half:?} in the middle, {most:?} at most");
    assert!(half.is_some_and(|half| half < Duration::from_millis(60)), "{half:?}");
    assert!(most.is_some_and(|most| most < Duration::from_millis(1_500)), "{most:?}");
    scene.end(CROWD);
}

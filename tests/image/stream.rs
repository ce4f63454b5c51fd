//! MPEG-TS over UDP into the machine comes out of it unchanged, to ten viewers, in little memory.

use std::path::Path;
use std::process::Command;

use crate::child::Tool;
use crate::machine::{Disk, Machine, Parts, USUAL};
use crate::media::{Media, PLAIN};
use crate::player::Player;
use crate::sender::{Schedule, Sender};
use crate::service::change;
use crate::shell::Shell;
use crate::wait::{holds, seconds};
use crate::whole::whole_run;
use crate::PATIENCE;

const VIEWERS: usize = 10;
/// What the whole machine may use of its memory meanwhile, the system in it too.
const USED_KIB_MAX: u64 = 96 << 10;
/// The same before anybody comes, once the start is over.
const IDLE_KIB_MAX: u64 = 70 << 10;
/// An emulator stands still for a second at times, beside others, and what is sent to it meanwhile
/// waits outside: no silence of the source, which other tests are about.
const SILENCE_MS: u32 = 5_000;
/// Of 1200: the first group of pictures is past when the players come.
const FRAMES_MIN: usize = 900;

#[test]
fn what_ffmpeg_sends_comes_out_unchanged_to_ten_viewers_in_little_memory() {
    let media = Media::of(PLAIN);
    let disk = Disk::open("stream");
    let machine = Machine::start(&disk, USUAL);
    let shell = Shell::of(&machine, 0);
    machine.is_healthy(PATIENCE);
    assert_eq!(change(&machine, SILENCE_MS), Some(200));
    let idle = comes_to_rest(&machine, &shell);
    let url = format!("udp://{}?pkt_size=1316", machine.udp);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(&media.path);
    ffmpeg.args(["-c", "copy", "-f", "mpegts", &url]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut ffmpeg = Tool::start(&mut ffmpeg, folder, "image-ffmpeg");
    let players = watch(&machine, &media, VIEWERS);
    let halfway = || players.iter().all(|player| player.video_frames() > 600);
    assert!(holds(PATIENCE, halfway), "{}", machine.console());
    let used = used_kib(&shell);
    println!("memory in use: {idle} KiB idle, {used} KiB with {VIEWERS} viewers");
    assert!(used <= USED_KIB_MAX, "{used} KiB are in use");
    assert!(ffmpeg.ended(PATIENCE).is_some_and(|s| s.success()), "{}", ffmpeg.output());
    came_out_whole(&media, players);
}

#[test]
fn a_small_machine_boots_and_streams() {
    let media = Media::of(PLAIN);
    let disk = Disk::open("small");
    let machine = Machine::start(&disk, Parts { memory_mb: 192, ..USUAL });
    let healthy = machine.is_healthy(PATIENCE);
    println!("192 MB: healthy {healthy:.1?} after power-on");
    assert_eq!(change(&machine, SILENCE_MS), Some(200));
    let sender = Sender::start(Schedule::of(&media.path), machine.udp);
    let players = watch(&machine, &media, 2);
    sender.finish();
    came_out_whole(&media, players);
}

/// Viewers that came when the source was on air.
fn watch(machine: &Machine, media: &Media, viewers: usize) -> Vec<Player> {
    let source = media.frames.video.first().map(|frame| frame.bytes);
    assert!(source.is_some_and(|bytes| bytes > 0), "the source holds pictures");
    let first = Player::start(machine.rtmp, "stream");
    let is_of_source = || {
        first.look(|seen| {
            let last = seen.frames.video.last();
            last.is_some_and(|last| media.frames.video.iter().any(|own| own.digest == last.digest))
        })
    };
    assert!(holds(PATIENCE, is_of_source), "the source is not on air:\n{}", machine.console());
    (0..viewers).map(|_| Player::start(machine.rtmp, "stream")).collect()
}

/// Asserts that each got the source whole, from where it came in to the end.
fn came_out_whole(media: &Media, players: Vec<Player>) {
    // A second of standby behind the last frame: everyone has got that by then.
    let last = media.frames.video.last().expect("a picture").digest;
    for (at, player) in players.into_iter().enumerate() {
        let behind = || {
            player.look(|seen| {
                let end = seen.frames.video.iter().rposition(|frame| frame.digest == last);
                end.is_some_and(|end| seen.frames.video.len() > end + 25)
            })
        };
        holds(seconds(30), behind);
        let seen = player.stop();
        assert_eq!(seen.end.as_deref().unwrap_or("closed"), "closed");
        let (video, _) =
            whole_run(&format!("viewer {at}"), &seen.frames, &media.frames, FRAMES_MIN);
        assert_eq!(video, 0, "viewer {at}: the first frame is not of the source");
    }
}

/// What is in use once the start is over: drivers are in, and the kernel has taken back, which it does
/// when it comes to that, what held their files.
fn comes_to_rest(machine: &Machine, shell: &Shell<'_>) -> u64 {
    let sealed = || shell.run("cat /proc/sys/kernel/modules_disabled") == "1";
    assert!(holds(PATIENCE, sealed), "the start is not over:\n{}", machine.console());
    let mut used = used_kib(shell);
    let first = used;
    let is_idle = holds(PATIENCE, || {
        used = used_kib(shell);
        used <= IDLE_KIB_MAX
    });
    println!("memory in use: {first} KiB when the kernel was sealed");
    assert!(is_idle, "{used} KiB are in use, and nobody there");
    used
}

/// What `free` calls used, the caches that can be dropped not counted.
fn used_kib(shell: &Shell<'_>) -> u64 {
    shell
        .number("awk '/^MemTotal:/ { all = $2 } /^MemAvailable:/ { print all - $2 }' /proc/meminfo")
}

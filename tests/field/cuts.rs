//! Two hundred cuts among sources with B-frames, files, a bursting sender and a publisher, at
//! random moments, often after a single picture: whatever comes on air is shown behind what was.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use test_support::peers::clips::{Clip, Recipe, PLAIN};
use test_support::tools::ffmpeg_9;

use crate::case::Stage;
use crate::child::Tool;
use crate::compare::parsed;
use crate::pool;
use crate::program::Folder;
use crate::scene::{put, switch};
use crate::wait::{self, seconds};

/// Programmes side by side, and the cuts of each.
const PROGRAMMES: [u64; 4] = [1, 2, 3, 4];
const CUTS: usize = 50;
/// A cut may wait for the next picture: no longer than this many milliseconds more.
const PAUSE_MS_MAX: u64 = 200;

const WITH_B: Recipe = Recipe { gop_frames: 10, b_frames: 2, seconds: 6, ..PLAIN };
const FILES: [Recipe; 4] = [
    Recipe { name: "cut-b.mp4", audio_hz: 44_100, ..WITH_B },
    Recipe { name: "cut-b.ts", picture: ("426x240", 30), ..WITH_B },
    Recipe { name: "cut-b.mkv", b_frames: 3, ..WITH_B },
    Recipe { name: "cut-b.flv", ..WITH_B },
];
/// Longer than the cuts take: each waits for an IDR of a live source at most, 400 ms, its answer
/// and its pause.
const LIVE_S: u32 = 60;
const UDP: Recipe = Recipe { name: "cut-live.ts", seconds: LIVE_S, ..WITH_B };
const PUBLISHED: Recipe =
    Recipe { name: "cut-live.flv", seconds: LIVE_S, picture: ("426x240", 25), ..WITH_B };

const COMMANDS: [&str; 6] = [
    r#"{"video":"cut-b.mp4"}"#,
    r#"{"video":"cut-b.ts"}"#,
    r#"{"video":"cut-b.mkv"}"#,
    r#"{"video":"cut-b.flv"}"#,
    r#"{"source":"udp"}"#,
    r#"{"source":"rtmp"}"#,
];

#[test]
fn two_hundred_cuts_among_sources_with_b_frames() {
    let clips: Vec<Clip> = FILES.into_iter().chain([UDP, PUBLISHED]).map(Clip::of).collect();
    pool::run(&PROGRAMMES, |seed| format!("programme {seed}"), |seed| cut(&clips, *seed));
}

fn cut(clips: &[Clip], seed: u64) {
    let folder = Arc::<Folder>::default();
    for clip in clips.iter().take(FILES.len()) {
        put(&folder, &clip.path, clip.name);
    }
    let stage = Stage::over(&folder);
    let udp = format!("udp://{}?pkt_size=1316", stage.program.udp);
    let senders = [
        bursting(clips.get(4), &["-f", "mpegts", &udp], &folder, "udp"),
        bursting(clips.get(5), &["-f", "flv", &stage.program.play_url()], &folder, "publisher"),
    ];
    let both = || {
        let status = stage.program.status();
        let is = |pointer| status.pointer(pointer).and_then(serde_json::Value::as_bool);
        is("/publisher/present") == Some(true) && is("/udp/receiving") == Some(true)
    };
    assert!(wait::holds(seconds(10), both), "{}", stage.program.told());
    let mut owner = HashMap::new();
    for (number, clip) in clips.iter().enumerate() {
        owner.extend(clip.frames.video.iter().map(|frame| (frame.picture, number)));
    }
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut before = COMMANDS.len();
    for number in 0..CUTS {
        // A file may begin again; to be cut to a live source that is on air already is no cut.
        let target = std::iter::repeat_with(|| dice.usize(..COMMANDS.len()))
            .find(|target| *target != before || *target < FILES.len())
            .expect("one of six");
        let seen = stage.player.video_frames();
        switch(&stage.program, COMMANDS.get(target).expect("a command"));
        let shows = || {
            stage.player.look(|all| {
                let since = all.frames.video.get(seen..).unwrap_or_default();
                since.iter().any(|frame| owner.get(&frame.picture) == Some(&target))
            })
        };
        let shown = wait::holds(seconds(10), shows);
        assert!(shown, "seed {seed}, cut {number} to {target}:\n{}", stage.program.told());
        before = target;
        if dice.bool() {
            std::thread::sleep(Duration::from_millis(dice.u64(..PAUSE_MS_MAX)));
        }
    }
    switch(&stage.program, r#"{"source":"standby"}"#);
    stage.program.wait_on_air("standby", seconds(10));
    let outcome = stage.end();
    drop(senders);
    let sources: Vec<_> = clips
        .iter()
        .map(|clip| test_support::oracle::Source {
            name: clip.name.to_owned(),
            ..parsed(&clip.path, &Folder::new())
        })
        .collect();
    for (peer, report) in
        [("viewer", outcome.viewer(&sources)), ("nginx", outcome.destination(&sources))]
    {
        let cuts = report.video.windows(2).count();
        assert!(cuts >= CUTS, "seed {seed}, {peer}: {cuts} cuts only: {report}");
        report.assert_clean(&format!("seed {seed}, {peer}"));
    }
}

/// The ffmpeg of today, which begins with half a second at once.
fn bursting(clip: Option<&Clip>, to: &[&str], folder: &Folder, name: &str) -> Tool {
    let mut command = Command::new(ffmpeg_9());
    command.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(&clip.expect("a clip").path);
    command.args(["-c", "copy"]).args(to);
    Tool::start(&mut command, folder.path(), name)
}

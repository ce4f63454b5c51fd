//! A storm of switches: files of every container, UDP, a publisher, standby and a playlist, one
//! after the other as fast as they come on air, while viewers and a real nginx-rtmp stay.

use std::process::Command;
use std::sync::Arc;

use crate::child::Tool;
use crate::clips::{Clip, Recipe, PLAIN};
use crate::frames::only_grows;
use crate::media::standby;
use crate::nginx::Nginx;
use crate::passages::{Atlas, Known, Place};
use crate::program::{number, text, Folder};
use crate::scene::{ask, put, switch, Scene};
use crate::sender::{Schedule, Sender};
use crate::viewer::{decodes_without_a_word, Viewer};
use crate::wait::{self, seconds};

const SWITCHES: usize = 500;
const SEED: u64 = 20_260;

const FILES: [Recipe; 5] = [
    Recipe { name: "storm.mp4", b_frames: 2, ..SHORT_GOP },
    Recipe { name: "storm.mov", audio_hz: 44_100, ..SHORT_GOP },
    Recipe { name: "storm.ts", picture: ("480x270", 30), ..SHORT_GOP },
    Recipe { name: "storm.flv", ..SHORT_GOP },
    Recipe { name: "storm.mkv", picture: ("426x240", 30), b_frames: 2, ..SHORT_GOP },
];
/// The playlist's, short enough to be seen to their ends.
const LISTED: [Recipe; 2] = [
    Recipe { name: "listed.mp4", seconds: 1, ..SHORT_GOP },
    Recipe { name: "listed.ts", seconds: 1, audio_hz: 44_100, ..SHORT_GOP },
];
const SHORT_GOP: Recipe = Recipe { gop_frames: 10, seconds: 6, ..PLAIN };
/// Longer than the storm.
const LIVE_S: u32 = 170;
const UDP: Recipe = Recipe { name: "live-udp.ts", seconds: LIVE_S, ..SHORT_GOP };
const PUBLISHED: Recipe =
    Recipe { name: "live-rtmp.flv", picture: ("426x240", 25), seconds: LIVE_S, ..SHORT_GOP };
/// From IDR to IDR of the live inputs.
const LIVE_GOP_MS: i64 = 400;

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    File(usize),
    Udp,
    Rtmp,
    Standby,
    Playlist,
}

/// Sources by their number: the files, then these.
const LISTED_AT: usize = FILES.len();
const UDP_AT: usize = LISTED_AT + LISTED.len();
const RTMP_AT: usize = UDP_AT + 1;
const CARD_AT: usize = RTMP_AT + 1;

impl Target {
    fn draw(dice: &mut fastrand::Rng) -> Target {
        match dice.usize(..20) {
            0..3 => Target::Udp,
            3..6 => Target::Rtmp,
            6..8 => Target::Standby,
            8..10 => Target::Playlist,
            _ => Target::File(dice.usize(..FILES.len())),
        }
    }

    /// Whether a frame shows that it is on air; a file is seen from its beginning.
    fn is_shown_by(self, (source, number): Place) -> bool {
        match self {
            Target::File(file) => source == file && number == 0,
            Target::Playlist => source == LISTED_AT && number == 0,
            Target::Udp => source == UDP_AT,
            Target::Rtmp => source == RTMP_AT,
            Target::Standby => source == CARD_AT,
        }
    }

    fn order(self) -> String {
        match self {
            Target::File(file) => {
                let name = FILES.get(file).map_or("", |file| file.name);
                format!("{{\"video\":\"{name}\"}}")
            }
            Target::Playlist => r#"{"source":"playlist","video":"list"}"#.to_owned(),
            Target::Udp => r#"{"source":"udp"}"#.to_owned(),
            Target::Rtmp => r#"{"source":"rtmp"}"#.to_owned(),
            Target::Standby => r#"{"source":"standby"}"#.to_owned(),
        }
    }
}

#[test]
fn five_hundred_switches() {
    let clips: Vec<Clip> = FILES.into_iter().chain(LISTED).map(Clip::of).collect();
    let (udp, published) = (Clip::of(UDP), Clip::of(PUBLISHED));
    let known = |clip: &Clip, late_ms| Known {
        name: clip.name,
        frames: clip.frames.clone(),
        repeats: false,
        late_ms,
    };
    let mut sources: Vec<Known> = clips.iter().map(|clip| known(clip, 0)).collect();
    sources.push(known(&udp, LIVE_GOP_MS));
    sources.push(known(&published, LIVE_GOP_MS));
    sources.push(Known { name: "card", frames: standby(), repeats: true, late_ms: 0 });
    let atlas = Atlas::of(sources);

    let nginx = Nginx::start();
    let folder = Arc::<Folder>::default();
    for clip in &clips {
        put(&folder, &clip.path, clip.name);
    }
    let scene = Scene::over(
        folder,
        &format!(
            "[[destination]]\nname = \"nginx\"\nurl = \"{}\"\nkey = \"pushed\"\n",
            nginx.url()
        ),
    );
    scene.program.wait_destination("live", seconds(10));
    let dump = Viewer::rtmpdump(&scene.program);
    let list = r#"{"files":["listed.mp4","listed.ts"],"repeat":true}"#;
    let (status, told) = ask(&scene.program, "PUT", "/api/playlists/list", list);
    assert_eq!(status, 200, "{told}");
    let sender = Sender::start(Schedule::of(&udp.path), scene.program.udp);
    let mut publisher = Command::new("ffmpeg");
    publisher.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(&published.path);
    publisher.args(["-c", "copy", "-f", "flv", &scene.program.play_url()]);
    let mut publisher = Tool::start(&mut publisher, scene.folder.path(), "publisher");
    let both = || {
        let status = scene.program.status();
        let is = |pointer| status.pointer(pointer).and_then(serde_json::Value::as_bool);
        is("/publisher/present") == Some(true) && is("/udp/receiving") == Some(true)
    };
    assert!(wait::holds(seconds(10), both), "{}", scene.program.told());

    rage(&scene, &atlas);

    assert!(publisher.ended(seconds(0)).is_none(), "{}", publisher.output());
    let status = scene.program.status();
    let destination =
        (text(&status, "/destinations/0/state"), number(&status, "/destinations/0/sessions"));
    assert_eq!(destination, ("live".to_owned(), 1), "{status:#}");
    assert_eq!(number(&status, "/rtmp/closed_slow"), 0, "{status:#}");
    let (dumped, file) = dump.stop();
    sender.stop();
    publisher.kill();
    let folder = Arc::clone(&scene.folder);
    let seen = scene.end();
    let pushed = nginx.recordings();
    let [pushed] = pushed.as_slice() else { panic!("{} pushes reached nginx", pushed.len()) };
    for (what, received) in [("viewer", &seen.frames), ("rtmpdump", &dumped), ("nginx", pushed)] {
        only_grows(&format!("{what} video"), &received.video);
        only_grows(&format!("{what} audio"), &received.audio);
        atlas.check(what, received);
    }
    decodes_without_a_word(&file);
    drop(folder);
}

/// Switches, each time as soon as what was chosen before is seen.
fn rage(scene: &Scene, atlas: &Atlas) {
    let mut dice = fastrand::Rng::with_seed(SEED);
    let mut last = None;
    for switched in 0..SWITCHES {
        let target = Target::draw(&mut dice);
        let before = scene.player.video_frames();
        switch(&scene.program, &target.order());
        let is_shown = || {
            scene.player.look(|seen| {
                let since = seen.frames.video.get(before..).unwrap_or_default();
                let shows = |frame| atlas.picture(frame).is_some_and(|p| target.is_shown_by(p));
                // Two pictures: behind the first, what B-frames put it ahead is made up for.
                since.iter().position(shows).is_some_and(|at| since.len() >= at + 2)
            })
        };
        let shown = wait::holds(seconds(5), is_shown);
        assert!(shown, "switch {switched}, {last:?} to {target:?}:\n{}", scene.program.told());
        if target == Target::Playlist && dice.u8(..4) == 0 {
            let follows = || {
                scene.player.look(|seen| {
                    let newest = seen.frames.video.last().and_then(|frame| atlas.picture(frame));
                    newest.is_some_and(|(source, _)| source == LISTED_AT + 1)
                })
            };
            assert!(wait::holds(seconds(5), follows), "{}", scene.program.told());
        }
        last = Some(target);
    }
}

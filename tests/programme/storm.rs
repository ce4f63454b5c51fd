//! A storm of switches: files of every container, UDP, a publisher, standby and a playlist, one
//! after the other, at random moments and often after a single picture, while two threads keep the
//! processors busy and viewers and a real nginx-rtmp stay. What virtual time cannot show is shown
//! here; its own storm has the thousands of seeds.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use test_support::oracle::{Oracle, Rules, Source};
use test_support::seed::is_long_form;

use crate::child::Tool;
use crate::clips::{Clip, Recipe, PLAIN};
use crate::frames::Frame;
use crate::heard::{card, messages};
use crate::media::standby;
use crate::nginx::Nginx;
use crate::program::{number, text, Folder};
use crate::scene::{ask, put, switch, Scene};
use crate::sender::{Schedule, Sender};
use crate::viewer::{decodes_without_a_word, Viewer};
use crate::wait::{self, seconds};

/// Switches, and the seconds the live inputs last: each switch waits for an IDR of a live input,
/// 400 ms at most, and for its pause.
const USUAL: (usize, u32) = (50, 60);
/// The same in the long form.
const LONG: (usize, u32) = (500, 300);
const SEED: u64 = 20_260;
/// Behind every other switch a pause of at most so long.
const PAUSE_MS_MAX: u64 = 200;
/// What a switch may take, and so the longest a viewer may see one picture.
const STEP_MS_MAX: i64 = 1000;

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
const UDP: Recipe = Recipe { name: "live-udp.ts", b_frames: 2, ..SHORT_GOP };
const PUBLISHED: Recipe = Recipe { name: "live-rtmp.flv", picture: ("426x240", 25), ..SHORT_GOP };

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

/// Where a picture is from: source and number.
type Place = (usize, usize);

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

    /// Whether a picture shows that it is on air; a file is seen from its beginning.
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

/// Keeps the processors busy until it is dropped.
struct Load(Arc<AtomicBool>);

impl Load {
    fn start() -> Load {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..2 {
            let over = Arc::clone(&over);
            std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
        }
        Load(over)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_storm_of_switches_at_random_moments() {
    let (switches, live_s) = if is_long_form() { LONG } else { USUAL };
    let clips: Vec<Clip> = FILES.into_iter().chain(LISTED).map(Clip::of).collect();
    let [udp, published] = [UDP, PUBLISHED].map(|it| Clip::of(Recipe { seconds: live_s, ..it }));
    let all = || clips.iter().chain([&udp, &published]);
    let sources: Vec<Source> = all().map(Clip::source).chain([card()]).collect();
    let pictures = all().map(|clip| clip.frames.video.clone()).chain([standby().video]);
    let places = places(pictures);

    let nginx = Nginx::start();
    let folder = Arc::<Folder>::default();
    for clip in &clips {
        put(&folder, &clip.path, clip.name);
    }
    let scene = Scene::listening(folder, &nginx.as_destination());
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

    let load = Load::start();
    let cuts = rage(&scene, &places, switches);
    drop(load);

    assert!(publisher.ended(seconds(0)).is_none(), "{}", publisher.output());
    let status = scene.program.status();
    let destination =
        (text(&status, "/destinations/0/state"), number(&status, "/destinations/0/sessions"));
    assert_eq!(destination, ("live".to_owned(), 1), "{status:#}");
    assert_eq!(number(&status, "/rtmp/closed_slow"), 0, "{status:#}");
    let (_, file) = dump.stop();
    let dumped = crate::flv::tags(&std::fs::read(&file).expect("what rtmpdump wrote"));
    sender.stop();
    publisher.kill();
    // What the viewers' files lie in.
    let folder = Arc::clone(&scene.folder);
    let seen = scene.leave();
    let pushed = nginx.recorded_tags();
    let [pushed] = pushed.as_slice() else { panic!("{} pushes reached nginx", pushed.len()) };
    let viewer = Rules { step_ms_max: Some(STEP_MS_MAX), ..Rules::VIEWER };
    let origin = seen.heard.first().expect("a message").at;
    let heard = seen.heard.iter().map(|heard| heard.message(origin));
    let report = Oracle::judge(viewer, sources.clone(), heard);
    assert!(report.video.len() > cuts, "{cuts} cuts, {} passages: {report}", report.video.len());
    report.assert_clean("viewer");
    Oracle::judge(viewer, sources.clone(), messages(&dumped)).assert_clean("rtmpdump");
    Oracle::judge(
        Rules { step_ms_max: Some(STEP_MS_MAX), ..Rules::DESTINATION },
        sources,
        messages(pushed),
    )
    .assert_clean("nginx");
    decodes_without_a_word(&file);
    drop(folder);
}

/// Where each picture is from; of the card, whose pictures come again, the first place.
fn places(sources: impl Iterator<Item = Vec<Frame>>) -> HashMap<u64, Place> {
    let mut places = HashMap::new();
    for (source, frames) in sources.enumerate() {
        for (number, frame) in frames.iter().enumerate() {
            places.entry(frame.picture).or_insert((source, number));
        }
    }
    places
}

/// Switches, each time when a picture of what was chosen before is seen, or some time after. The
/// number of cuts that were certain: files begin again, and what is chosen twice stays.
fn rage(scene: &Scene, places: &HashMap<u64, Place>, switches: usize) -> usize {
    let mut cuts = 0;
    let mut dice = fastrand::Rng::with_seed(SEED);
    let mut last = None;
    for switched in 0..switches {
        let target = Target::draw(&mut dice);
        let before = scene.player.video_frames();
        cuts += usize::from(switched > 0 && last != Some(target));
        switch(&scene.program, &target.order());
        let is_shown = || {
            scene.player.look(|seen| {
                let since = seen.frames.video.get(before..).unwrap_or_default();
                let place = |frame: &Frame| places.get(&frame.picture).copied();
                since.iter().filter_map(place).any(|place| target.is_shown_by(place))
            })
        };
        let shown = wait::holds(seconds(10), is_shown);
        assert!(shown, "switch {switched}, {last:?} to {target:?}:\n{}", scene.program.told());
        if target == Target::Playlist && dice.u8(..4) == 0 {
            let follows = || {
                scene.player.look(|seen| {
                    let newest = seen.frames.video.last();
                    let place = newest.and_then(|frame| places.get(&frame.picture));
                    place.is_some_and(|(source, _)| *source == LISTED_AT + 1)
                })
            };
            assert!(wait::holds(seconds(10), follows), "{}", scene.program.told());
        }
        last = Some(target);
        if dice.bool() {
            std::thread::sleep(Duration::from_millis(dice.u64(..PAUSE_MS_MAX)));
        }
    }
    cuts
}

//! What cannot come on air says why, specifically.

use std::path::PathBuf;
use std::sync::Arc;

use test_support::peers::clips::{Clip, Recipe, PLAIN};

use crate::case::{Stage, Way};
use crate::encoder::{Encoder, Manner};
use crate::files::folder;
use crate::flv;
use crate::media::make;
use crate::pool;
use crate::program::{text, Folder};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

/// An input and the reason that the status must give.
#[derive(Clone, Debug)]
struct Why {
    name: String,
    path: PathBuf,
    way: Way,
    pointer: &'static str,
    code: &'static str,
}

impl Why {
    fn new(path: PathBuf, way: Way, pointer: &'static str, code: &'static str) -> Why {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Why { name, path, way, pointer, code }
    }
}

const STREAM: Recipe = Recipe { name: "why.ts", seconds: 8, ..PLAIN };
const PUBLISHED: Recipe = Recipe { name: "why.flv", seconds: 8, ..PLAIN };
#[test]
fn what_is_not_on_air_says_why() {
    let made = Folder::new();
    let mut cases = made_here(&made);
    if let Some(folder) = folder() {
        cases.extend([
            Why::new(folder.join("nosets.ts"), Way::Udp, "/udp/reason", "no_parameter_sets"),
            Why::new(folder.join("audio_only.ts"), Way::Udp, "/udp/reason", "audio_only"),
            Why::new(
                folder.join("audiobase.flv"),
                Way::Publish,
                "/publisher/sound_reason",
                "sound_times",
            ),
        ]);
    }
    pool::run(&cases, |why| why.name.clone(), says_why);
}

fn made_here(folder: &Folder) -> Vec<Why> {
    let clip = Clip::of(STREAM);
    let stream = clip.path.to_str().expect("a path in UTF-8");
    let copy = |name: &str, arguments: &[&str]| {
        let path = folder.file(name);
        make(&[&["-i", stream], arguments, &["-f", "mpegts"]].concat(), &path);
        path
    };
    let no_sets = copy("no-sets.ts", &["-c", "copy", "-bsf:v", "filter_units=remove_types=7-8"]);
    let alone = copy("audio-only.ts", &["-vn", "-c", "copy"]);
    let hevc = copy("hevc.ts", &["-c:v", "libx265", "-preset", "ultrafast", "-c:a", "copy"]);
    let published = Clip::of(PUBLISHED);
    let mut tags = flv::tags(&std::fs::read(&published.path).expect("a clip"));
    for tag in tags.iter_mut().filter(|tag| tag.0 == flv::AUDIO) {
        tag.1 += 10_000;
    }
    let apart = folder.file("sound-apart.flv");
    flv::write(tags.iter().map(|(kind, time, body)| (*kind, *time, body.as_slice())), &apart);
    vec![
        Why::new(no_sets, Way::Udp, "/udp/reason", "no_parameter_sets"),
        Why::new(alone, Way::Udp, "/udp/reason", "audio_only"),
        Why::new(hevc, Way::Udp, "/udp/reason", "video_codec"),
        Why::new(apart, Way::Publish, "/publisher/sound_reason", "sound_times"),
    ]
}

/// Asserts that the status gives the reason while the input plays.
fn says_why(why: &Why) {
    let stage = Stage::over(&Arc::<Folder>::default());
    let is_said = || {
        let status = stage.program.status();
        text(&status, &format!("{}/code", why.pointer)) == why.code
            && !text(&status, &format!("{}/text", why.pointer)).is_empty()
    };
    let (_sender, _encoder);
    if why.way == Way::Udp {
        _sender = Sender::start(Schedule::of(&why.path), stage.program.udp);
    } else {
        let tags = flv::tags(&std::fs::read(&why.path).expect("an FLV file"));
        _encoder = Encoder::publish(stage.program.rtmp, tags, Manner::default());
    }
    let said = wait::holds(seconds(8), is_said);
    assert!(said, "{:?} is not {}:\n{}", why.pointer, why.code, stage.program.told());
}

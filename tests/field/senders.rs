//! Real senders and real rhythms: GStreamer with one PES per NAL unit, a relay that delivers twice
//! a second, a publisher that says goodbye.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use test_support::oracle::{Message, Oracle, Rules, Source};
use test_support::peers::clips::{Clip, Recipe, PLAIN};

use crate::case::{Outcome, Stage};
use crate::child::Tool;
use crate::compare::{compare, Expected, Sound};
use crate::encoder::{Encoder, Manner};
use crate::flv;
use crate::heard::card;
use crate::program::Folder;
use crate::wait::{self, seconds};

/// What `programme.silence_ms` is where nobody sets it: a source that just stays away is missed no
/// sooner.
const SILENCE_MS: i64 = 500;
const RELAYED: Recipe =
    Recipe { name: "relayed.flv", seconds: 15, gop_frames: 50, b_frames: 2, ..PLAIN };
const SAYS_GOODBYE: Recipe = Recipe { name: "goodbye.flv", seconds: 4, ..PLAIN };

fn tags(clip: &Clip) -> Vec<flv::Tag> {
    flv::tags(&std::fs::read(&clip.path).expect("a clip"))
}

/// What came of a publisher, and when each of its tags left.
fn published(clip: &Clip, manner: Manner) -> (Outcome, Vec<Instant>) {
    let stage = Stage::over(&Arc::<Folder>::default());
    let encoder = Encoder::publish(stage.program.rtmp, tags(clip), manner);
    stage.program.wait_on_air("rtmp", seconds(10));
    let sent = wait::holds(seconds(40), || encoder.told().sent.is_some());
    assert!(sent, "{:?}", encoder.told());
    stage.program.wait_on_air("standby", seconds(10));
    (stage.end(), encoder.told().left)
}

#[test]
fn a_publisher_that_delivers_twice_a_second_is_never_cut_off() {
    let clip = Clip::of(RELAYED);
    let pulse = Some(Duration::from_millis(500));
    let (outcome, _) = published(&clip, Manner { pulse, says_goodbye: true });
    let expected = Expected { tail: 0, sound: Sound::Beside };
    compare("relay", &clip.path, &outcome, expected);
}

#[test]
fn a_goodbye_is_followed_by_standby_at_once() {
    let clip = Clip::of(SAYS_GOODBYE);
    let (outcome, left) = published(&clip, Manner { pulse: None, says_goodbye: true });
    let tags = tags(&clip);
    let sent = tags.iter().zip(&left).map(|((kind, time_ms, body), left)| Message {
        kind: *kind,
        time_ms: *time_ms,
        body,
        arrived: left.checked_duration_since(outcome.origin),
    });
    let source = Source::of_messages("publisher", sent).expect("a clip's tags");
    // In programme time no picture is missing for as long as it takes to miss a silent source.
    let rules = Rules { step_ms_max: Some(SILENCE_MS - 1), ..Rules::VIEWER };
    let heard = outcome.heard.iter().map(|heard| heard.message(outcome.origin));
    let mut report = Oracle::judge(rules, vec![source, card()], heard);
    report.assert_clean("goodbye");
    // From the publisher's socket to the viewer's, of each unit.
    let passages = report.video.iter().chain(&report.audio).filter(|passage| passage.source == 0);
    assert_eq!(report.latencies.len(), passages.map(|passage| passage.units).sum::<usize>());
    report.latencies.sort();
    let at = |part: usize| report.latencies.get(report.latencies.len() * part / 100);
    println!("from publisher to viewer: median {:.1?}, 99 of 100 {:.1?}", at(50), at(99));
}

/// Six seconds of GStreamer's own encoder, muxer and sender, kept in a file as well.
fn gstreamer(to: std::net::SocketAddr, keeps: &Path, folder: &Folder) -> Tool {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let pipeline = format!(
        "videotestsrc is-live=true pattern=ball num-buffers=150 ! \
         video/x-raw,width=320,height=180,framerate=25/1 ! timeoverlay ! \
         x264enc tune=zerolatency sliced-threads=true threads=4 key-int-max=25 bitrate=400 ! \
         h264parse ! video/x-h264,alignment=nal ! queue ! mux. \
         audiotestsrc is-live=true wave=pink-noise num-buffers=280 samplesperbuffer=1024 ! \
         audio/x-raw,rate=48000,channels=2 ! voaacenc bitrate=96000 ! aacparse ! queue ! mux. \
         mpegtsmux name=mux alignment=7 ! tee name=both ! \
         queue ! udpsink host={host} port={port} \
         both. ! queue ! filesink location={}",
        keeps.display()
    );
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "-e"]).args(pipeline.split_whitespace());
    Tool::start(&mut command, folder.path(), "gstreamer")
}

#[test]
fn gstreamer_with_a_pes_per_nal_unit_comes_out_picture_by_picture() {
    let folder = Arc::<Folder>::default();
    let stage = Stage::over(&folder);
    let kept = folder.file("gstreamer.ts");
    let mut sender = gstreamer(stage.program.udp, &kept, &folder);
    stage.program.wait_on_air("udp", seconds(20));
    let ended = sender.ended(seconds(30));
    assert!(ended.is_some_and(|ended| ended.success()), "{}", sender.output());
    stage.program.wait_on_air("standby", seconds(10));
    compare("GStreamer", &kept, &stage.end(), Expected { tail: 1, sound: Sound::Beside });
}

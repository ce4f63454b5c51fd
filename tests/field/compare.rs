//! What came out, held against what ffmpeg makes of the input: each unit of both tracks, their
//! times, and each decoded picture.

use std::path::Path;
use std::process::Command;

use test_support::oracle::{Passage, Report, Source, TICKS_IN_MS};

use crate::case::Outcome;
use crate::child::output_of;
use crate::flv::{self, Tag};
use crate::heard::source;
use crate::media::make;
use crate::program::Folder;

/// Sound this near to either end of its picture may give way to the sound beyond the cut: an AAC
/// frame at 44.1 kHz and a millisecond of rounding.
const JOIN_MS: i64 = 25;

/// What must come out.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Units at the end of the input that may stay away: of a live stream the last one, whose end
    /// nothing says.
    pub tail: usize,
    /// What must come out of its sound.
    pub sound: Sound,
}

/// What must come out of the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// The input has none, or none that can be carried: none may come.
    Silence,
    /// Live, it is too late for its picture: whatever comes stands in its place.
    Any,
    /// What lies beside its picture.
    Beside,
    /// All of it, however long the last picture stands.
    All,
}

/// The input as ffmpeg parses it, as a source for the oracle; `folder` takes the copy.
pub fn parsed(path: &Path, folder: &Folder) -> Source {
    parsed_tracks(path, folder, &["-map", "0:v:0", "-map", "0:a:0?"])
}

fn parsed_tracks(path: &Path, folder: &Folder, tracks: &[&str]) -> Source {
    let copy = folder.file("parsed.flv");
    let input = path.to_str().expect("a path in UTF-8");
    make(&[&["-i", input], tracks, &["-c", "copy", "-f", "flv"]].concat(), &copy);
    source("input", &flv::tags(&std::fs::read(copy).expect("the copy")))
}

/// Asserts that all of the input came out, at the viewer and behind nginx.
/// `reference` holds the same units in a shape that ffmpeg reads without mistakes.
pub fn compare(what: &str, reference: &Path, outcome: &Outcome, expected: Expected) {
    let folder = Folder::new();
    // Sound that cannot be carried is no source's: none of it may come.
    let source = match expected.sound {
        Sound::Silence => parsed_tracks(reference, &folder, &["-map", "0:v:0"]),
        Sound::Any | Sound::Beside | Sound::All => parsed(reference, &folder),
    };
    let decoded = decoded(reference);
    let sources = [source];
    for (peer, report, tags) in [
        ("viewer", outcome.viewer(&sources), outcome.heard_tags()),
        ("nginx", outcome.destination(&sources), outcome.pushed.clone()),
    ] {
        let what = format!("{what} at {peer}");
        let [source] = &sources;
        let passage = whole(&what, &report, source, expected);
        same_pictures(&what, &decoded, &tags, &passage, &folder, expected.tail);
    }
}

/// Asserts that nothing is wrong and that all units came; answers with the picture's passage.
pub fn whole(what: &str, report: &Report, source: &Source, expected: Expected) -> Passage {
    report.assert_clean(what);
    let passage = whole_picture(what, report, source, expected.tail);
    if matches!(expected.sound, Sound::Beside | Sound::All) {
        whole_sound(what, report, source, &passage, expected.sound == Sound::All);
    }
    passage
}

/// Asserts that the picture is one passage, from the first key frame to the end.
fn whole_picture(what: &str, report: &Report, source: &Source, tail: usize) -> Passage {
    let of_source: Vec<&Passage> = report.video.iter().filter(|p| p.source == 0).collect();
    let [passage] = of_source.as_slice() else {
        panic!("{what}: on air in {} passages: {report}", of_source.len());
    };
    let first = source.video.iter().position(|unit| unit.key).expect("a key frame");
    let all = source.video.len();
    assert!(passage.first == first, "{what}: of pictures {first} to {all} came {passage:?}");
    assert!(
        passage.last + 1 + tail >= all,
        "{what}: of pictures {first} to {all} came {passage:?}"
    );
    assert!(passage.is_whole(), "{what}: of pictures {first} to {all} came {passage:?}");
    **passage
}

/// Asserts that the sound beside the picture came without a hole.
fn whole_sound(what: &str, report: &Report, source: &Source, picture: &Passage, all: bool) {
    let [first, last] = [picture.first, picture.last].map(|at| source.video.get(at));
    let (Some(first), Some(last)) = (first, last) else { panic!("{what}: {picture:?}") };
    let end = if all { source.audio.last().map_or(0, |unit| unit.dts) } else { last.dts };
    let (from, to) = (first.dts + JOIN_MS * TICKS_IN_MS, end - JOIN_MS * TICKS_IN_MS);
    let beside = |at: &usize| source.audio.get(*at).is_some_and(|u| (from..to).contains(&u.dts));
    let inside: Vec<usize> = (0..source.audio.len()).filter(beside).collect();
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
        panic!("{what}: no sound in the input beside its picture");
    };
    // Silence stands before sound that begins behind its picture, in frames of its own: the last of
    // them may reach into the first frame, which gives way.
    let joins_silence = *first == 0;
    let longest = report.audio.iter().filter(|p| p.source == 0).max_by_key(|p| p.units);
    let covers = longest.is_some_and(|p| {
        p.first <= *first + usize::from(joins_silence) && p.last >= *last && p.is_whole()
    });
    let all: Vec<_> = report.audio.iter().filter(|p| p.source == 0).collect();
    assert!(covers, "{what}: of sound {first} to {last} came {all:?}");
}

/// Asserts that what came decodes to the input's pictures.
fn same_pictures(
    what: &str,
    decoded: &[String],
    tags: &[Tag],
    passage: &Passage,
    folder: &Folder,
    tail: usize,
) {
    let file = folder.file("passage.flv");
    write_passage(tags, passage, &file);
    let came = self::decoded(&file);
    let mut behind = decoded.iter().skip_while(|picture| Some(*picture) != came.first());
    let missing = came.iter().find(|picture| !behind.any(|known| known == *picture));
    assert!(missing.is_none(), "{what}: a picture that the input does not decode to");
    let least = decoded.len() - tail;
    // Pictures before the first key frame decode to something, or not, as ffmpeg likes.
    assert!(
        came.len() + passage.first >= least,
        "{what}: {} of {} decoded pictures came",
        came.len(),
        decoded.len()
    );
    assert!(!came.is_empty(), "{what}: {} of {} decoded pictures came", came.len(), decoded.len());
}

/// The video messages of a passage with the sequence header before them, as a file.
fn write_passage(tags: &[Tag], passage: &Passage, into: &Path) {
    let is_video = |tag: &&Tag| tag.0 == flv::VIDEO;
    let header = |tag: &&Tag| is_video(tag) && tag.2.get(1) == Some(&0);
    let before = tags.get(..passage.at).unwrap_or_default();
    let config = before.iter().rev().find(header);
    let units = tags.get(passage.at..).unwrap_or_default().iter().filter(is_video);
    let mut left = passage.units;
    let units = units.take_while(|tag| {
        let takes = left > 0;
        left -= usize::from(takes && tag.2.get(1) == Some(&1));
        takes
    });
    let all = config.into_iter().chain(units);
    flv::write(all.map(|(kind, time_ms, body)| (*kind, *time_ms, body.as_slice())), into);
}

/// Digests of the pictures that ffmpeg decodes, in the order in which they are shown.
fn decoded(file: &Path) -> Vec<String> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "quiet"]);
    if file.extension().is_some_and(|extension| extension == "mp4") {
        // What an edit list leaves out is decoded all the same: the program sends it.
        ffmpeg.args(["-ignore_editlist", "1"]);
    }
    ffmpeg.arg("-i").arg(file);
    ffmpeg.args(["-map", "0:v:0", "-vsync", "0", "-enc_time_base", "-1", "-f", "framemd5", "-"]);
    let (_, text) = output_of(&mut ffmpeg);
    let digest = |line: &str| line.rsplit(',').next().map(|digest| digest.trim().to_owned());
    text.lines().filter(|line| !line.starts_with('#')).filter_map(digest).collect()
}

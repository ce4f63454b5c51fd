//! The command that the listing suggests for a file that is refused really helps: it is run, and
//! what it makes is played. What is refused without one, nothing can mend.

use std::fs;
use std::path::PathBuf;

use fastrand::Rng;
use streamcaster::codec::access_unit::Track;
use streamcaster::codec::container::{FileError, Remedy};
use test_support::mp4;
use test_support::packing::Marks;

use super::media::media;
use super::reading::{open, read_on};
use crate::ffmpeg::{ffmpeg, made, text};
use crate::recorder::Recorder;

fn folder() -> PathBuf {
    let name = format!("containers-{}", std::process::id());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// A clip of two seconds with these codecs and options.
fn clip(name: &str, arguments: &[&str]) -> Vec<u8> {
    let mut all = vec!["-f", "lavfi", "-i", "testsrc2=size=128x72:rate=25"];
    all.extend(["-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "2"]);
    all.extend(arguments);
    fs::read(made(name, &all)).expect("the file made")
}

const PLAIN: [&str; 8] =
    ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"];

fn refused(bytes: Vec<u8>) -> FileError {
    open(&mut bytes.as_slice()).err().expect("a refusal")
}

/// Follows the suggestion for a file.
fn mended(name: &str, bytes: &[u8]) -> (Recorder, Remedy) {
    let error = refused(bytes.to_vec());
    let remedy = error.remedy().unwrap_or_else(|| panic!("{name}: {error}: no way out"));
    let (bad, good) = (folder().join(name), folder().join(format!("{name}-mended.mp4")));
    fs::write(&bad, bytes).expect("room");
    let mut all = vec!["-i", text(&bad)];
    all.extend(remedy.arguments().split(' '));
    all.push(text(&good));
    ffmpeg(&all);
    let mended = fs::read(good).expect("the file made");
    let mut bytes = mended.as_slice();
    let mut reader = open(&mut bytes).unwrap_or_else(|error| panic!("{name}, mended: {error}"));
    (read_on(reader.as_mut(), &mut bytes), remedy)
}

#[test]
fn what_is_of_another_codec_is_encoded() {
    let hevc = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"];
    let deep = [&hevc[..], &["-pix_fmt", "yuv420p10le", "-c:a", "aac"]].concat();
    let vp9 = ["-c:v", "libvpx-vp9", "-cpu-used", "8", "-c:a", "libopus"];
    for (name, arguments, remedy) in [
        ("hevc.mp4", deep.as_slice(), Remedy::Video),
        ("hevc.mkv", deep.as_slice(), Remedy::Video),
        ("vp9.webm", vp9.as_slice(), Remedy::Both),
    ] {
        let (played, said) = mended(name, &clip(name, arguments));
        assert_eq!(said, remedy, "{name}");
        // Two seconds of either.
        // Matroska's milliseconds may cost or bring one.
        assert!((49..=51).contains(&played.count(Track::Video)), "{name}");
        assert!(played.count(Track::Audio) >= 90, "{name}");
    }
}

#[test]
fn sound_alone_gets_a_picture() {
    for name in ["alone.m4a", "alone.mka", "alone.flv"] {
        let bytes = clip(name, &["-vn", "-c:a", "aac"]);
        assert!(matches!(refused(bytes.clone()), FileError::AudioOnly), "{name}");
        let (played, said) = mended(name, &bytes);
        assert_eq!(said, Remedy::Picture);
        assert!(played.count(Track::Video) >= 48, "{name}");
        assert!(played.count(Track::Audio) >= 90, "{name}");
    }
}

#[test]
fn what_is_cut_or_cut_up_is_packed_again() {
    let fast = [&PLAIN[..], &["-movflags", "+faststart"]].concat();
    let mut cut = clip("cut.mp4", &fast);
    cut.truncate(cut.len() / 2);
    let (played, said) = mended("cut.mp4", &cut);
    assert_eq!(said, Remedy::Remux);
    assert!((10..50).contains(&played.count(Track::Video)));

    let muxer = mp4::Muxer {
        header_first: true,
        fragment_units: 0,
        starts_at: 0,
        uuids: false,
        offsets_version: 0,
        offsets_less: 0,
        length_bytes: 4,
        chunk_samples: 3,
        marks: Marks::True,
        without_stss: false,
        sets: true,
        second_entry: false,
    };
    let mut pieces = muxer.file(&media(&mut Rng::with_seed(4), false, 300));
    let edits = pieces.windows(4).position(|four| four == b"elst").expect("an edit list") + 12;
    // A second of the media, and another from a second later on.
    for (n, word) in [90_000, 0, 0x1_0000, 90_000, 180_000, 0x1_0000_u32].iter().enumerate() {
        pieces[edits + 4 * n..edits + 4 * n + 4].copy_from_slice(&word.to_be_bytes());
    }
    let (played, said) = mended("pieces.mp4", &pieces);
    assert_eq!(said, Remedy::Remux);
    assert!(played.count(Track::Video) >= 25);
}

#[test]
fn what_nothing_can_mend_has_no_command() {
    let fragments = "frag_keyframe+empty_moov+default_base_moof";
    let whole = clip("fragments.mp4", &[&PLAIN[..], &["-movflags", fragments]].concat());
    let moof = whole.windows(4).position(|four| four == b"moof").expect("a fragment") - 4;
    let error = refused(whole[moof..].to_vec());
    assert!(matches!(error, FileError::NoBeginning), "{error}");
    assert!(error.remedy().is_none(), "{error}");
    let mut unfinished = clip("unfinished.mp4", &PLAIN);
    unfinished.truncate(unfinished.len() * 9 / 10);
    let error = refused(unfinished);
    assert!(matches!(error, FileError::Unfinished), "{error}");
    assert!(error.remedy().is_none(), "{error}");
    // Parameter sets neither in the header nor among the pictures.
    let mut blind = clip("blind.flv", &PLAIN);
    let header = blind.windows(5).position(|five| five == [0x17, 0, 0, 0, 0]).expect("a header");
    blind[header + 5] = 9;
    let error = refused(blind);
    assert!(matches!(error, FileError::NoParameterSets), "{error}");
    assert!(error.remedy().is_none(), "{error}");
}

/// Smooth Streaming, and what its encoders put into other files: a `uuid` box before the header,
/// one in each fragment, a fragment per track without a time of its own.
#[test]
fn fragments_with_uuid_boxes_play() {
    for (name, more) in [
        ("smooth.ismv", &["-f", "ismv"][..]),
        ("smooth-live.ismv", &["-f", "ismv", "-movflags", "isml+frag_keyframe"]),
        ("smooth.mp4", &["-movflags", "isml+frag_keyframe"]),
        ("smooth-empty.mp4", &["-movflags", "isml+frag_keyframe+empty_moov"]),
    ] {
        let file = clip(name, &[&PLAIN[..], &["-g", "10", "-bf", "2"], more].concat());
        let mut bytes = file.as_slice();
        let mut reader = open(&mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let played = read_on(reader.as_mut(), &mut bytes);
        assert_eq!((played.count(Track::Video), played.keys()), (50, 5), "{name}");
        assert!(played.count(Track::Audio) >= 93, "{name}");
        assert!(played.aborted == 0, "{name}");
    }
}

//! FLV and Matroska files that ffmpeg wrote: every packet that ffprobe finds in them must come out
//! of the readers, with its bytes and times, from the beginning and from wherever a seek goes.

use std::fs;
use std::path::PathBuf;

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{Track, UnitStart};
use streamcaster::codec::container::{ContainerReader, FileError, Progress};
use streamcaster::flv::file::{is_flv, FlvFile};
use streamcaster::mkv::file::{is_mkv, MkvFile};

use crate::ffmpeg::{made, probed};
use crate::recorder::{Recorder, Unit};

const VIDEO: [&str; 8] =
    ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "30"];
const AUDIO: [&str; 4] = ["-c:a", "aac", "-b:a", "64k"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"];

/// A file that ffmpeg made.
struct Sample {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn make(name: &str, arguments: &[&str]) -> Sample {
    let path = made(name, arguments);
    Sample { bytes: fs::read(&path).expect("the file made"), path }
}

/// A clip with these video arguments, with or without sound, and these arguments for its muxer.
fn clip(name: &str, size: &str, video: &[&str], sound: bool, muxer: &[&str]) -> Sample {
    let picture = format!("testsrc2=size={size}:rate=30");
    let mut all = vec!["-f", "lavfi", "-i", &picture];
    if sound {
        all.extend(SOUND);
    }
    all.extend(["-t", "5"]);
    all.extend(VIDEO);
    all.extend(video);
    if sound {
        all.extend(AUDIO);
    }
    all.extend(muxer);
    make(name, &all)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    pts_ms: i64,
    key: bool,
    size: usize,
    hash: String,
}

/// What ffprobe finds on a track.
fn probe(sample: &Sample, track: Track) -> Vec<Packet> {
    let stream = if track == Track::Video { "v" } else { "a" };
    let entries = "packet=pts_time,size,flags,data_hash";
    let said = probed(
        &sample.path,
        &[
            "-show_packets",
            "-show_data_hash",
            "adler32",
            "-select_streams",
            stream,
            "-show_entries",
            entries,
            "-of",
            "compact=nk=0:p=0",
        ],
    );
    let packet = |line: &str| {
        let field = |name: &str| {
            let found = line.split('|').find_map(|field| field.strip_prefix(name));
            found.unwrap_or_else(|| panic!("{name} in {line}")).to_owned()
        };
        let seconds: f64 = field("pts_time=").parse().expect("a time");
        Packet {
            pts_ms: (seconds * 1000.0).round() as i64,
            key: track == Track::Video && field("flags=").starts_with('K'),
            size: field("size=").parse().expect("a size"),
            hash: field("data_hash=adler32:"),
        }
    };
    said.lines().filter(|line| line.contains("pts_time")).map(packet).collect()
}

fn adler32(bytes: &[u8]) -> String {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    format!("{:08x}", b << 16 | a)
}

fn packet((start, bytes): &Unit) -> Packet {
    let (pts_ms, key, size) = (start.pts.to_ms(), start.key, bytes.len());
    Packet { pts_ms, key, size, hash: adler32(bytes) }
}

fn packets(recorder: &Recorder, track: Track) -> Vec<Packet> {
    recorder.units_of(track).map(packet).collect()
}

fn open(file: &mut &[u8]) -> Result<Box<dyn ContainerReader>, FileError> {
    if is_flv(file) {
        return FlvFile::open(file).map(|reader| Box::new(reader) as _);
    }
    assert!(is_mkv(file));
    MkvFile::open(file).map(|reader| Box::new(reader) as _)
}

/// Plays on to the end, or to an error.
fn play(reader: &mut dyn ContainerReader, file: &mut &[u8]) -> (Recorder, Option<FileError>) {
    let mut recorder = Recorder::default();
    let error = loop {
        match reader.next(file, &mut recorder) {
            Ok(Progress::More) => {}
            Ok(Progress::End) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(recorder.is_closed(), "nothing is left open");
    assert_eq!(recorder.patched, 0, "what has lengths needs no patch");
    let mut last = None;
    for (start, _) in recorder.units_of(Track::Video) {
        assert!(last.replace(start.dts).is_none_or(|last| last < start.dts), "{start:?}");
    }
    (recorder, error)
}

/// Everything that ffprobe finds comes out, from the beginning and from every seek.
fn assert_like_ffprobe(sample: &Sample) -> (Box<dyn ContainerReader>, Recorder) {
    let mut file = sample.bytes.as_slice();
    let mut reader = open(&mut file).unwrap_or_else(|error| panic!("{:?}: {error}", sample.path));
    let wanted = Track::ALL.map(|track| probe(sample, track));
    let base_ms = wanted.iter().filter_map(|all| all.first()).map(|p| p.pts_ms).min().unwrap();
    let wanted = wanted.map(|mut all| {
        all.iter_mut().for_each(|packet| packet.pts_ms -= base_ms);
        all
    });
    let (whole, error) = play(reader.as_mut(), &mut file);
    assert!(error.is_none(), "{error:?}");
    for track in Track::ALL {
        let (got, wanted) = (packets(&whole, track), &wanted[track as usize]);
        assert_eq!(got.len(), wanted.len(), "{track:?} of {:?}", sample.path);
        for (n, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            assert_eq!(got, wanted, "{track:?} {n} of {:?}", sample.path);
        }
    }
    assert_eq!(reader.contents().audio.is_some(), !wanted[1].is_empty());
    assert_eq!(whole.configs.len(), wanted.iter().filter(|all| !all.is_empty()).count());
    assert_seeks(reader.as_mut(), &mut file, &whole);
    (reader, whole)
}

fn assert_seeks(reader: &mut dyn ContainerReader, file: &mut &[u8], whole: &Recorder) {
    let keys: Vec<UnitStart> =
        whole.units_of(Track::Video).map(|(start, _)| *start).filter(|start| start.key).collect();
    assert!(keys.len() >= 2);
    for to_ms in (0..16).rev().map(|n| n * 370 - 100) {
        let to = Ticks::from_ms(to_ms);
        let key = keys.iter().rev().find(|key| key.dts <= to).unwrap_or(&keys[0]);
        let mut sink = Recorder::default();
        let dts = reader.seek(file, to, &mut sink).expect("a place");
        // The first frames' decoding times are set again: within two frames of what they were.
        assert!((dts.0 - key.dts.0).abs() <= 2 * 3000, "to {to_ms}: {dts:?} for {key:?}");
        let (rest, error) = play(reader, file);
        assert!(error.is_none());
        let video = packets(&rest, Track::Video);
        let count = whole.units_of(Track::Video).filter(|(start, _)| start.dts >= key.dts).count();
        let all = packets(whole, Track::Video);
        assert_eq!(video, all[all.len() - count..], "to {to_ms}");
        assert_eq!(rest.units_of(Track::Video).next().expect("the key unit").0.dts, dts);
    }
    reader.seek(file, Ticks(0), &mut Recorder::default()).expect("the first");
}

fn assert_duration(reader: &dyn ContainerReader) {
    let duration = reader.contents().duration.expect("a duration");
    assert!((4_900..5_200).contains(&duration.to_ms()), "{duration:?}");
}

#[test]
fn flv_files_come_out_as_they_went_in() {
    for (name, size, video, sound) in [
        ("plain.flv", "160x90", &["-bf", "0"][..], true),
        ("b-frames.flv", "160x90", &["-bf", "3", "-b_strategy", "0"], true),
        ("silent.flv", "98x54", &["-bf", "2"], false),
        ("large.flv", "640x360", &["-qp", "10"], true),
    ] {
        let sample = clip(name, size, video, sound, &[]);
        let (reader, _) = assert_like_ffprobe(&sample);
        assert_duration(reader.as_ref());
    }
}

#[test]
fn mkv_files_come_out_as_they_went_in() {
    for (name, size, video, sound, muxer) in [
        ("plain.mkv", "160x90", &["-bf", "0"][..], true, &[][..]),
        ("b-frames.mkv", "160x90", &["-bf", "3", "-b_strategy", "0"], true, &[]),
        ("pyramid.mkv", "160x90", &["-bf", "5", "-x264-params", "b-pyramid=2:ref=4"], true, &[]),
        ("silent.mkv", "98x54", &["-bf", "2"], false, &[]),
        ("short-clusters.mkv", "160x90", &["-bf", "2"], true, &["-cluster_time_limit", "200"]),
        ("front-cues.mkv", "160x90", &["-bf", "2"], true, &["-reserve_index_space", "2000"]),
        ("large.mkv", "640x360", &["-qp", "10", "-bf", "2"], true, &[]),
    ] {
        let sample = clip(name, size, video, sound, muxer);
        let (reader, _) = assert_like_ffprobe(&sample);
        assert_duration(reader.as_ref());
    }
}

#[test]
fn a_live_recording_has_no_sizes_and_no_index() {
    let sample = clip("live.mkv", "160x90", &["-bf", "2"], true, &["-live", "1"]);
    let (reader, _) = assert_like_ffprobe(&sample);
    assert_eq!(reader.contents().duration, None);
    // Into a pipe: clusters have sizes, the segment has none, and nothing is written behind.
    let sample = clip("pipe.mkv", "160x90", &["-bf", "2"], true, &["-seekable", "0"]);
    let cues = [0x1c, 0x53, 0xbb, 0x6b];
    let bytes = fs::read(&sample.path).expect("the file made");
    assert!(!bytes.windows(4).any(|four| four == cues), "no Cues");
    assert_like_ffprobe(&sample);
    let short = ["-live", "1", "-cluster_time_limit", "300"];
    assert_like_ffprobe(&clip("live-short.mkv", "160x90", &["-bf", "0"], false, &short));
}

#[test]
fn uneven_frame_rates_come_out_too() {
    for name in ["vfr.mkv", "vfr.flv"] {
        let drop = "select='mod(n,5)*mod(n,7)'";
        let video = ["-vf", drop, "-vsync", "vfr", "-bf", "2", "-g", "20"];
        assert_like_ffprobe(&clip(name, "160x90", &video, true, &[]));
    }
}

#[test]
fn times_that_begin_late_begin_at_0() {
    for name in ["late.mkv", "late.flv"] {
        let sample = clip(name, "160x90", &["-bf", "2"], true, &["-output_ts_offset", "3600"]);
        let (_, whole) = assert_like_ffprobe(&sample);
        assert!(whole.units.iter().all(|(start, _)| start.pts < Ticks::from_ms(6_000)));
    }
}

#[test]
fn other_codecs_are_named() {
    let base = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10", "-t", "1"];
    let refused = |name: &str, arguments: &[&str]| {
        let sample = make(name, &[&base[..], arguments].concat());
        open(&mut sample.bytes.as_slice()).err().expect("a refusal").to_string()
    };
    for (name, arguments, what) in [
        ("vp9.webm", &["-c:v", "libvpx-vp9", "-cpu-used", "8"][..], "VP9 video"),
        ("asp.mkv", &["-c:v", "mpeg4"], "MPEG-4 Part 2 video"),
        ("hevc.mkv", &["-c:v", "libx265", "-preset", "ultrafast"], "HEVC video"),
        ("sorenson.flv", &["-c:v", "flv1"], "Sorenson H.263 video"),
    ] {
        let said = refused(name, arguments);
        assert_eq!(said, format!("it contains {what}, which is not supported"));
    }
    for (name, codec, what) in [
        ("mp3.flv", "libmp3lame", "MP3 audio"),
        ("mp3.mkv", "libmp3lame", "MP3 audio"),
        ("opus.mkv", "libopus", "Opus audio"),
        ("ac3.mkv", "ac3", "AC-3 audio"),
    ] {
        let sample = clip(name, "64x48", &[], true, &["-c:a", codec, "-strict", "-2"]);
        let reader =
            open(&mut sample.bytes.as_slice()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reader.contents().left_out, Some(what));
        assert!(reader.contents().audio.is_none());
    }
}

#[test]
fn what_is_cut_short_says_so() {
    let sample = clip("cut.flv", "160x90", &["-bf", "2"], true, &[]);
    let all = probe(&sample, Track::Video).len();
    let half = sample.bytes.len() / 2;
    let mut file = &sample.bytes[..half];
    let mut reader = open(&mut file).expect("a beginning");
    let (recorder, error) = play(reader.as_mut(), &mut file);
    assert!(matches!(error, Some(FileError::Truncated { at }) if at == half as u64), "{error:?}");
    let count = recorder.units_of(Track::Video).count();
    assert!((all / 4..all).contains(&count), "{count} of {all}");

    // A recording that crashed plays as far as it goes, whatever sizes it says.
    for (name, muxer) in [("cut.mkv", &[][..]), ("cut-live.mkv", &["-live", "1"])] {
        let sample = clip(name, "160x90", &["-bf", "2"], true, muxer);
        let mut file = sample.bytes.as_slice();
        let whole = play(open(&mut file).expect("a whole file").as_mut(), &mut file).0;
        let mut file = &sample.bytes[..sample.bytes.len() / 2];
        let mut reader = open(&mut file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (recorder, error) = play(reader.as_mut(), &mut file);
        assert!(error.is_none(), "{error:?}");
        for track in Track::ALL {
            let (came, all) = (packets(&recorder, track), packets(&whole, track));
            assert!((all.len() / 4..all.len()).contains(&came.len()), "{} packets", came.len());
            assert_eq!(came, all[..came.len()]);
        }
        assert_eq!(reader.contents().duration, None);
        assert_seeks(reader.as_mut(), &mut file, &recorder);
    }
}

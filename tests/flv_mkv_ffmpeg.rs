//! FLV and Matroska files that ffmpeg wrote: every packet that ffprobe finds in them must come out
//! of the readers, with its bytes and times, from the beginning and from wherever a seek goes.
#![cfg(test)]

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::container::{ContainerReader, FileError, Progress, ReadAt};
use streamcaster::flv::file::{is_flv, FlvFile};
use streamcaster::mkv::file::{is_mkv, MkvFile};

const VIDEO: [&str; 8] =
    ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "30"];
const AUDIO: [&str; 4] = ["-c:a", "aac", "-b:a", "64k"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"];

/// A file of a test's own, removed with it.
struct Sample(PathBuf);

impl Drop for Sample {
    fn drop(&mut self) {
        fs::remove_file(&self.0).expect("the file that was made");
    }
}

struct Disk(File);

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match FileExt::read_at(&self.0, &mut into[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// Has ffmpeg make `name` from these arguments.
fn make(name: &str, arguments: &[&str]) -> Sample {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}-{name}", std::process::id()));
    let mut all = vec!["-hide_banner", "-loglevel", "error", "-nostdin", "-y"];
    all.extend(arguments);
    all.push(path.to_str().expect("a path in UTF-8"));
    run("ffmpeg", &all);
    Sample(path)
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
    let path = sample.0.to_str().expect("a path in UTF-8");
    let entries = "packet=pts_time,size,flags,data_hash";
    let said = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_packets",
            "-show_data_hash",
            "adler32",
            "-select_streams",
            stream,
            "-show_entries",
            entries,
            "-of",
            "compact=nk=0:p=0",
            path,
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

#[derive(Default)]
struct Recorder {
    open: [Option<(UnitStart, Vec<u8>)>; 2],
    units: Vec<(UnitStart, Packet)>,
    configs: Vec<TrackConfig>,
}

impl Recorder {
    fn packets(&self, track: Track) -> Vec<Packet> {
        self.of(track).map(|(_, packet)| packet.clone()).collect()
    }

    fn of(&self, track: Track) -> impl Iterator<Item = &(UnitStart, Packet)> {
        self.units.iter().filter(move |(start, _)| start.track == track)
    }
}

impl UnitSink for Recorder {
    fn config(&mut self, config: &TrackConfig) {
        assert!(self.open[config.track().index()].is_none());
        self.configs.push(config.clone());
    }

    fn begin(&mut self, start: UnitStart) {
        assert!(start.pts >= start.dts);
        let open = self.open[start.track.index()].replace((start, Vec::new()));
        assert!(open.is_none(), "a unit within a unit");
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.open[track.index()].as_mut().expect("an open unit").1.extend_from_slice(bytes);
    }

    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {
        panic!("what has lengths needs none");
    }

    fn commit(&mut self, track: Track) {
        let (start, bytes) = self.open[track.index()].take().expect("an open unit");
        let (pts_ms, key, size) = (start.pts.to_ms(), start.key, bytes.len());
        self.units.push((start, Packet { pts_ms, key, size, hash: adler32(&bytes) }));
    }

    fn abort(&mut self, track: Track) {
        self.open[track.index()].take().expect("an open unit");
    }
}

fn open(sample: &Sample) -> (Disk, Result<Box<dyn ContainerReader>, FileError>) {
    let mut disk = Disk(File::open(&sample.0).expect("the file just made"));
    let mut head = [0; 16];
    disk.read_at(0, &mut head).expect("its beginning");
    let reader: Result<Box<dyn ContainerReader>, FileError> = if is_flv(&head) {
        FlvFile::open(&mut disk).map(|reader| Box::new(reader) as _)
    } else {
        assert!(is_mkv(&head));
        MkvFile::open(&mut disk).map(|reader| Box::new(reader) as _)
    };
    (disk, reader)
}

/// Plays on to the end, or to an error.
fn play(reader: &mut dyn ContainerReader, disk: &mut Disk) -> (Recorder, Option<FileError>) {
    let mut recorder = Recorder::default();
    let error = loop {
        match reader.next(disk, &mut recorder) {
            Ok(Progress::More) => {}
            Ok(Progress::End) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(recorder.open.iter().all(Option::is_none), "nothing is left open");
    let mut last = None;
    for (start, _) in recorder.of(Track::Video) {
        assert!(last.replace(start.dts).is_none_or(|last| last < start.dts), "{start:?}");
    }
    (recorder, error)
}

/// Everything that ffprobe finds comes out, from the beginning and from every seek.
fn assert_like_ffprobe(sample: &Sample) -> (Box<dyn ContainerReader>, Recorder) {
    let (mut disk, reader) = open(sample);
    let mut reader = reader.unwrap_or_else(|error| panic!("{:?}: {error}", sample.0));
    let wanted = Track::ALL.map(|track| probe(sample, track));
    let base_ms = wanted.iter().filter_map(|all| all.first()).map(|p| p.pts_ms).min().unwrap();
    let wanted = wanted.map(|mut all| {
        all.iter_mut().for_each(|packet| packet.pts_ms -= base_ms);
        all
    });
    let (whole, error) = play(reader.as_mut(), &mut disk);
    assert!(error.is_none(), "{error:?}");
    for track in Track::ALL {
        let (got, wanted) = (whole.packets(track), &wanted[track.index()]);
        assert_eq!(got.len(), wanted.len(), "{track:?} of {:?}", sample.0);
        for (n, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            assert_eq!(got, wanted, "{track:?} {n} of {:?}", sample.0);
        }
    }
    assert_eq!(reader.contents().audio.is_some(), !wanted[1].is_empty());
    assert_eq!(whole.configs.len(), wanted.iter().filter(|all| !all.is_empty()).count());
    assert_seeks(reader.as_mut(), &mut disk, &whole);
    (reader, whole)
}

fn assert_seeks(reader: &mut dyn ContainerReader, disk: &mut Disk, whole: &Recorder) {
    let keys: Vec<UnitStart> =
        whole.of(Track::Video).map(|(start, _)| *start).filter(|start| start.key).collect();
    assert!(keys.len() >= 2);
    for to_ms in (0..16).rev().map(|n| n * 370 - 100) {
        let to = Ticks::from_ms(to_ms);
        let key = keys.iter().rev().find(|key| key.dts <= to).unwrap_or(&keys[0]);
        let mut sink = Recorder::default();
        let dts = reader.seek(disk, to, &mut sink).expect("a place");
        // The first frames' decoding times are set anew: within two frames of what they were.
        assert!((dts.0 - key.dts.0).abs() <= 2 * 3000, "to {to_ms}: {dts:?} for {key:?}");
        let (rest, error) = play(reader, disk);
        assert!(error.is_none());
        let video = rest.packets(Track::Video);
        let count = whole.of(Track::Video).filter(|(start, _)| start.dts >= key.dts).count();
        let all = whole.packets(Track::Video);
        assert_eq!(video, all[all.len() - count..], "to {to_ms}");
        assert_eq!(rest.of(Track::Video).next().expect("the key unit").0.dts, dts);
    }
    reader.seek(disk, Ticks(0), &mut Recorder::default()).expect("the first");
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
    let bytes = fs::read(&sample.0).expect("the file made");
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
        open(&sample).1.err().expect("a refusal").to_string()
    };
    for (name, arguments, what) in [
        ("vp9.webm", &["-c:v", "libvpx-vp9", "-cpu-used", "8"][..], "VP9 video"),
        ("asp.mkv", &["-c:v", "mpeg4"], "MPEG-4 Part 2 video"),
        ("hevc.mkv", &["-c:v", "libx265", "-preset", "ultrafast"], "HEVC video"),
        ("sorenson.flv", &["-c:v", "flv1"], "Sorenson H.263 video"),
    ] {
        let said = refused(name, arguments);
        assert_eq!(said, format!("it holds {what}, which cannot be carried"));
    }
    for (name, codec, what) in [
        ("mp3.flv", "libmp3lame", "MP3 audio"),
        ("mp3.mkv", "libmp3lame", "MP3 audio"),
        ("opus.mkv", "libopus", "Opus audio"),
        ("ac3.mkv", "ac3", "AC-3 audio"),
    ] {
        let sample = clip(name, "64x48", &[], true, &["-c:a", codec, "-strict", "-2"]);
        let (_, reader) = open(&sample);
        let reader = reader.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reader.contents().left_out, Some(what));
        assert!(reader.contents().audio.is_none());
    }
}

#[test]
fn what_is_cut_short_says_so() {
    let sample = clip("cut.flv", "160x90", &["-bf", "2"], true, &[]);
    let all = probe(&sample, Track::Video).len();
    let file = File::options().write(true).open(&sample.0).expect("the file just made");
    let half = file.metadata().expect("its size").len() / 2;
    file.set_len(half).expect("a shorter file");
    let (mut disk, reader) = open(&sample);
    let (recorder, error) = play(reader.expect("a beginning").as_mut(), &mut disk);
    assert!(matches!(error, Some(FileError::Truncated { at }) if at == half), "{error:?}");
    let count = recorder.of(Track::Video).count();
    assert!((all / 4..all).contains(&count), "{count} of {all}");

    // A recording that crashed plays as far as it goes, whatever sizes it says.
    for (name, muxer) in [("cut.mkv", &[][..]), ("cut-live.mkv", &["-live", "1"])] {
        let sample = clip(name, "160x90", &["-bf", "2"], true, muxer);
        let whole = {
            let (mut disk, reader) = open(&sample);
            play(reader.expect("a whole file").as_mut(), &mut disk).0
        };
        let file = File::options().write(true).open(&sample.0).expect("the file just made");
        let half = file.metadata().expect("its size").len() / 2;
        file.set_len(half).expect("a shorter file");
        let (mut disk, reader) = open(&sample);
        let mut reader = reader.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (recorder, error) = play(reader.as_mut(), &mut disk);
        assert!(error.is_none(), "{error:?}");
        for track in Track::ALL {
            let (came, all) = (recorder.packets(track), whole.packets(track));
            assert!((all.len() / 4..all.len()).contains(&came.len()), "{} packets", came.len());
            assert_eq!(came, all[..came.len()]);
        }
        assert_eq!(reader.contents().duration, None);
        assert_seeks(reader.as_mut(), &mut disk, &recorder);
    }
}

//! The MP4 reader against ffmpeg: every packet that ffprobe takes out of a file must come out of
//! the reader with the same bytes, the same times and the same key flag, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flate2::Crc;
use streamcaster::base::time::Ticks;
use streamcaster::codec::container::{ContainerReader, FileError, Progress, ReadAt};
use streamcaster::mp4::file::Mp4File;

use crate::ffmpeg::{made, probed, text};
use crate::recorder::{Recorder, Unit};

/// A file in memory that remembers how it was read.
struct Bytes {
    bytes: Vec<u8>,
    largest_read: usize,
}

impl ReadAt for Bytes {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> std::io::Result<usize> {
        self.largest_read = self.largest_read.max(into.len());
        self.bytes.as_slice().read_at(offset, into)
    }
}

/// A packet as the reader or ffprobe tells of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    track: u8,
    dts: i64,
    pts: i64,
    bytes: usize,
    crc: u32,
    key: bool,
}

fn packet((start, bytes): &Unit) -> Packet {
    Packet {
        track: start.track as u8,
        dts: start.dts.0,
        pts: start.pts.0,
        bytes: bytes.len(),
        crc: crc32(bytes),
        key: start.key,
    }
}

fn packets(recorder: &Recorder) -> Vec<Packet> {
    recorder.units.iter().map(packet).collect()
}

/// As ffprobe computes it (ISO/IEC 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Lets ffmpeg make a file of three seconds: test picture, sine tone, and what `arguments` say.
fn make(name: &str, picture: &str, rate_hz: u32, arguments: &[&str]) -> PathBuf {
    let (picture, tone) = (format!("testsrc2={picture}"), format!("sine=sample_rate={rate_hz}"));
    let mut all = vec!["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone];
    all.extend(["-t", "3", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]);
    all.extend(["-g", "25", "-c:a", "aac", "-b:a", "64k"]);
    all.extend(arguments);
    made(name, &all)
}

fn remux(from: &Path, name: &str, before: &[&str], arguments: &[&str]) -> PathBuf {
    made(name, &[before, &["-i", text(from), "-c", "copy"], arguments].concat())
}

/// What ffprobe takes out, its first video and first audio stream, times in 90 kHz.
fn probe(path: &Path) -> Vec<Packet> {
    let fields = "stream=codec_type,time_base:packet=codec_type,pts,dts,size,flags,data_hash";
    let said = probed(
        path,
        &[
            "-show_packets",
            "-show_streams",
            "-show_data_hash",
            "crc32",
            "-show_entries",
            fields,
            "-of",
            "compact",
        ],
    );
    // Side data breaks a packet's line in two.
    let said = said.replace("\n|", "|");
    let mut scales = BTreeMap::new();
    let lines = said.lines().map(|line| {
        let (section, rest) = line.split_once('|').expect("a section");
        let values = rest.split('|').filter_map(|field| field.split_once('='));
        (section, values.collect::<BTreeMap<&str, &str>>())
    });
    let lines: Vec<_> = lines.collect();
    for (_, values) in lines.iter().filter(|(section, _)| *section == "stream") {
        let (_, scale) = values["time_base"].split_once('/').expect("a fraction");
        scales.insert(values["codec_type"], scale.parse::<i128>().expect("a number"));
    }
    let packets = lines.iter().filter(|(section, _)| *section == "packet");
    packets
        .map(|(_, values)| {
            let time = |name: &str| {
                let time: i128 = values[name].parse().expect("a time");
                (time * 90_000).div_euclid(scales[values["codec_type"]]) as i64
            };
            let is_video = values["codec_type"] == "video";
            let hash = values["data_hash"].strip_prefix("CRC32:").expect("a checksum");
            Packet {
                track: u8::from(!is_video),
                dts: time("dts"),
                pts: time("pts"),
                bytes: values["size"].parse().expect("a size"),
                crc: u32::from_str_radix(hash, 16).expect("hexadecimal"),
                key: is_video && values["flags"].starts_with('K'),
            }
        })
        .collect()
}

fn open(path: &Path) -> (Bytes, Mp4File) {
    let mut file = Bytes { bytes: fs::read(path).expect("the file made"), largest_read: 0 };
    let reader = Mp4File::open(&mut file).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    (file, reader)
}

fn read_on(file: &mut Bytes, reader: &mut Mp4File) -> Recorder {
    let mut recorder = Recorder::default();
    while reader.next(file, &mut recorder).expect("a whole file") == Progress::More {}
    assert!(recorder.is_closed(), "nothing is left open");
    assert_eq!(recorder.patched, 0, "lengths are known beforehand");
    recorder
}

fn of(packets: &[Packet], track: u8) -> Vec<Packet> {
    packets.iter().filter(|packet| packet.track == track).cloned().collect()
}

/// The reader takes out what ffprobe does, in order of decoding.
fn assert_like_ffprobe(path: &Path) -> Recorder {
    assert_like(path, false)
}

fn assert_like(path: &Path, reaches_back: bool) -> Recorder {
    let (mut file, mut reader) = open(path);
    let recorder = read_on(&mut file, &mut reader);
    let mut expected = probe(path);
    if reaches_back {
        // Where composition offsets are negative, ffprobe lets presentation happen later. The
        // file says that decoding happens earlier (ISO/IEC 14496-12, 8.6.1.4).
        let late = of(&expected, 0).first().map_or(0, |first| first.pts);
        assert!(late > 0, "{path:?}: no negative offsets");
        for packet in expected.iter_mut().filter(|packet| packet.track == 0) {
            (packet.dts, packet.pts) = (packet.dts - late, packet.pts - late);
        }
    }
    let came = packets(&recorder);
    for track in [0, 1] {
        let (came, wanted) = (of(&came, track), of(&expected, track));
        assert_eq!(came.len(), wanted.len(), "{path:?}: packets of track {track}");
        for (n, (came, wanted)) in came.iter().zip(&wanted).enumerate() {
            assert_eq!(came, wanted, "{path:?}: packet {n}");
        }
    }
    assert!(came.windows(2).all(|two| two[0].dts <= two[1].dts), "{path:?}: order");
    assert_eq!((recorder.aborted, reader.broken()), (0, 0), "{path:?}");
    assert!(file.largest_read <= 64 << 10, "{path:?}: a read of {}", file.largest_read);
    let stated = probed(path, &["-show_entries", "format=duration", "-of", "csv=p=0"]);
    let stated: f64 = stated.trim().parse().expect("a duration");
    let told = reader.contents().duration.expect("a duration").0 as f64 / 90_000.0;
    assert!((told - stated).abs() < 0.15, "{path:?}: {told} s, ffprobe says {stated}");
    recorder
}

const PLAIN: &str = "size=128x72:rate=25";

#[test]
fn whole_files_come_out_as_ffprobe_reads_them() {
    let b_frames = make("b.mp4", PLAIN, 48_000, &["-bf", "3", "-b_strategy", "0"]);
    let recorder = assert_like_ffprobe(&b_frames);
    assert_eq!(recorder.configs.len(), 2);
    assert!(packets(&recorder).iter().any(|packet| packet.pts > packet.dts), "B-frames");
    assert!(packets(&recorder).iter().any(|packet| packet.dts < 0), "an edit list");
    assert_like_ffprobe(&make("plain.mp4", PLAIN, 44_100, &["-bf", "0"]));
    assert_like_ffprobe(&make("odd.mp4", "size=130x98:rate=30000/1001", 22_050, &["-bf", "2"]));
    assert_like_ffprobe(&make("silent.mp4", PLAIN, 48_000, &["-an"]));
    let fast = ["-movflags", "+faststart"];
    assert_like_ffprobe(&remux(&b_frames, "fast.mp4", &[], &fast));
    assert_like_ffprobe(&remux(&b_frames, "b.mov", &[], &[]));
    assert_like_ffprobe(&remux(&b_frames, "b.m4v", &[], &["-f", "mp4"]));
    let negative = ["-movflags", "+negative_cts_offsets"];
    assert_like_ffprobe(&remux(&b_frames, "negative.mp4", &[], &negative));
    assert_like_ffprobe(&make("mono.mov", PLAIN, 44_100, &["-ac", "1", "-bf", "1"]));
    let in_band = ["-tag:v", "avc3", "-x264-params", "repeat-headers=1"];
    let path = make("avc3.mp4", PLAIN, 48_000, &in_band);
    let told = assert_like_ffprobe(&path);
    // The same without the sets in its header: a record that counts no SPS and no PPS.
    let mut bytes = fs::read(&path).expect("the file made");
    let record = bytes.windows(4).position(|four| four == b"avcC").expect("a record") + 4;
    assert_eq!(bytes[record + 5..record + 7], [0xe1, 0], "one SPS of less than 256 bytes");
    bytes[record + 5] = 0xe0;
    let mut file = Bytes { bytes, largest_read: 0 };
    let mut reader = Mp4File::open(&mut file).expect("sets among the pictures");
    let learnt = read_on(&mut file, &mut reader);
    assert_eq!((&learnt.configs, &learnt.units), (&told.configs, &told.units));
    // QuickTime's sound descriptions: version 1, and 2 for rates that 16 bits do not hold.
    for (name, rate_hz, version) in [("v1.mov", 48_000, 1), ("v2.mov", 96_000, 2)] {
        let path = make(name, PLAIN, rate_hz, &[]);
        let bytes = fs::read(&path).expect("the file made");
        let entry = bytes.windows(4).position(|four| four == b"mp4a").expect("an entry");
        assert_eq!(bytes[entry + 13], version, "{name}");
        assert!(bytes.windows(4).any(|four| four == b"wave"), "{name}");
        assert_like_ffprobe(&path);
    }
    let vary = ["-vf", "select='not(mod(n,3))+lt(n,20)'", "-vsync", "vfr", "-bf", "2"];
    assert_like_ffprobe(&make("vfr.mp4", PLAIN, 48_000, &vary));
}

#[test]
fn fragmented_files_come_out_as_ffprobe_reads_them() {
    let whole = make("f.mp4", PLAIN, 48_000, &["-bf", "2", "-b_strategy", "0"]);
    for (n, flags) in [
        "frag_keyframe+empty_moov",
        "frag_keyframe+empty_moov+default_base_moof",
        "frag_keyframe+empty_moov+default_base_moof+skip_trailer",
        "frag_keyframe+empty_moov+separate_moof",
        "frag_keyframe+delay_moov",
        "frag_every_frame+empty_moov+default_base_moof",
        "frag_keyframe",
        "dash",
        "cmaf",
        "frag_keyframe+empty_moov+negative_cts_offsets",
        "frag_keyframe+empty_moov+default_base_moof+global_sidx+skip_trailer",
        "frag_keyframe+empty_moov+omit_tfhd_offset",
    ]
    .into_iter()
    .enumerate()
    {
        let path = remux(&whole, &format!("f{n}.mp4"), &[], &["-movflags", flags]);
        assert_like(&path, flags.contains("negative") || flags == "cmaf");
    }
}

#[test]
fn a_cut_without_encoding_begins_at_the_key_before() {
    let whole = make("c.mp4", PLAIN, 48_000, &["-bf", "2", "-b_strategy", "0"]);
    let cut = remux(&whole, "cut.mp4", &["-ss", "1.4"], &[]);
    let (mut file, mut reader) = open(&cut);
    let recorder = read_on(&mut file, &mut reader);
    let expected = probe(&cut);
    assert_eq!(of(&packets(&recorder), 0), of(&expected, 0));
    let first = &expected[expected.iter().position(|packet| packet.track == 0).expect("video")];
    assert!(first.key, "a key before what is shown");
    assert!(first.pts < 0, "a key before what is shown");
    // ffprobe passes over audio that is not shown; what comes is the same from there on.
    let (came, wanted) = (of(&packets(&recorder), 1), of(&expected, 1));
    assert!(came.ends_with(&wanted) || wanted.ends_with(&came), "the same audio");
}

#[test]
fn a_seek_goes_on_as_reading_does() {
    let whole = make("s.mp4", PLAIN, 48_000, &["-bf", "2", "-b_strategy", "0"]);
    let fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    let every = ["-movflags", "frag_every_frame+empty_moov+skip_trailer"];
    let files = [
        whole.clone(),
        remux(&whole, "s-f.mp4", &[], &fragments),
        remux(&whole, "s-e.mp4", &[], &every),
        remux(&whole, "s-d.mp4", &[], &["-movflags", "dash"]),
        // The first group of pictures in tables, the others in fragments.
        remux(&whole, "s-k.mp4", &[], &["-movflags", "frag_keyframe"]),
    ];
    for path in files {
        let (mut file, mut reader) = open(&path);
        let all = packets(&read_on(&mut file, &mut reader));
        let keys: Vec<i64> = all.iter().filter(|packet| packet.key).map(|p| p.dts).collect();
        assert_eq!(keys.len(), 3, "{path:?}");
        for to in [-9000, 0, 45_000, keys[1] - 1, keys[1], 120_000, keys[2], 400_000] {
            let key = keys.iter().rev().find(|key| **key <= to).unwrap_or(&keys[0]);
            let mut sink = Recorder::default();
            let went = reader.seek(&mut file, Ticks(to), &mut sink).expect("a key");
            assert_eq!(went.0, *key, "{path:?}: seek to {to}");
            let rest = packets(&read_on(&mut file, &mut reader));
            let wanted: Vec<Packet> = all.iter().filter(|p| p.dts >= *key).cloned().collect();
            assert_eq!(rest, wanted, "{path:?}: from {to}");
        }
    }
}

#[test]
fn what_is_not_whole_is_told_or_played_as_far_as_it_goes() {
    let whole = make("t.mp4", PLAIN, 48_000, &[]);
    let fast = remux(&whole, "t-fast.mp4", &[], &["-movflags", "+faststart"]);
    // One has its header at the end, the other at the beginning.
    for (path, is_unfinished) in [(&whole, true), (&fast, false)] {
        let mut bytes = fs::read(path).expect("the file made");
        bytes.truncate(bytes.len() * 9 / 10);
        let error = Mp4File::open(&mut Bytes { bytes, largest_read: 0 }).err().expect("cut");
        match error {
            FileError::Unfinished => assert!(is_unfinished && error.remedy().is_none()),
            FileError::Truncated { .. } => assert!(!is_unfinished && error.remedy().is_some()),
            _ => panic!("{path:?}: {error}"),
        }
    }
    let flags = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    let path = remux(&whole, "t-f.mp4", &[], &flags);
    let mut bytes = fs::read(&path).expect("the file made");
    let expected = probe(&path);
    bytes.truncate(bytes.len() * 8 / 10);
    let mut file = Bytes { bytes, largest_read: 0 };
    let mut reader = Mp4File::open(&mut file).expect("a recording that was broken off");
    let recorder = read_on(&mut file, &mut reader);
    let came = of(&packets(&recorder), 0);
    assert!((50..75).contains(&came.len()), "{} pictures", came.len());
    assert!(of(&expected, 0).starts_with(&came));
}

#[test]
fn what_is_not_carried_is_named() {
    let other = make("alac.m4a.mov", PLAIN, 48_000, &["-c:a", "alac"]);
    let (_, reader) = open(&other);
    assert_eq!(reader.contents().left_out, Some("ALAC audio"));
    assert!(reader.contents().audio.is_none());
    let encrypted = [
        "-encryption_scheme",
        "cenc-aes-ctr",
        "-encryption_key",
        "000102030405060708090a0b0c0d0e0f",
        "-encryption_kid",
        "101112131415161718191a1b1c1d1e1f",
    ];
    for (name, arguments, said) in [
        ("mp4v.mp4", &["-c:v", "mpeg4"][..], "MPEG-4 Part 2 video"),
        ("mjpeg.mov", &["-c:v", "mjpeg"], "Motion JPEG video"),
        ("cenc.mp4", &encrypted, "encrypted video"),
    ] {
        let path = make(name, PLAIN, 48_000, arguments);
        let bytes = fs::read(path).expect("the file made");
        let error = Mp4File::open(&mut Bytes { bytes, largest_read: 0 }).err().expect("refused");
        assert!(error.to_string().contains(said), "{error}");
    }
}

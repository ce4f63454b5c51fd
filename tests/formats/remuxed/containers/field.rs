//! Files of the field, when they are there: in a folder named by `STREAMCASTER_MEDIA`, or in
//! `../shared/media`. Every packet that ffprobe finds must come out, with its bytes and times;
//! key units are what their slices say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Crc;
use streamcaster::codec::access_unit::Track;

use super::reading::{is_idr, open, read_on, seek};
use crate::recorder::{Recorder, Unit};

/// A file; `None`, said aloud, when it is not there.
fn file(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STREAMCASTER_MEDIA").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media"));
    let path = folder.join("field").join(name);
    if !path.exists() {
        println!("{} is absent: not tested", path.display());
        return None;
    }
    Some(path)
}

/// A packet that ffprobe finds: PTS in ticks, bytes, checksum.
type Packet = (i64, usize, u32);

fn probe(path: &Path, stream: &str) -> Vec<Packet> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_packets", "-show_data_hash", "crc32"])
        .args(["-select_streams", stream, "-of", "compact"])
        .args(["-show_entries", "packet=pts_time,size,data_hash"])
        .arg(path)
        .output()
        .expect("ffprobe is needed: apt-get install ffmpeg");
    // Side data breaks a packet's line in two.
    let said = String::from_utf8(output.stdout).expect("ffprobe's lines").replace("\n|", "|");
    let packet = |line: &str| {
        let field = |name: &str| {
            let value = line.split('|').find_map(|field| field.strip_prefix(name));
            value.unwrap_or_else(|| panic!("{name} in {line}")).to_owned()
        };
        let seconds: f64 = field("pts_time=").parse().expect("a time");
        let crc = u32::from_str_radix(&field("data_hash=CRC32:"), 16).expect("a checksum");
        ((seconds * 90_000.0).round() as i64, field("size=").parse().expect("a size"), crc)
    };
    said.lines().filter(|line| line.contains("pts_time=")).map(packet).collect()
}

fn packet((start, payload): &Unit) -> Packet {
    let mut crc = Crc::new();
    crc.update(payload);
    (start.pts.0, payload.len(), crc.sum())
}

/// Reads a file and compares it with ffprobe's packets; `sound`: whether there is any.
fn assert_like_ffprobe(name: &str, sound: bool) -> Option<(Recorder, Option<&'static str>)> {
    Some(assert_path_like_ffprobe(&file(name)?, sound))
}

/// The same for a file wherever it is.
fn assert_path_like_ffprobe(path: &Path, sound: bool) -> (Recorder, Option<&'static str>) {
    let name = path.display();
    let file = fs::read(path).expect("a file that can be read");
    let mut bytes = file.as_slice();
    let mut reader = open(&mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let whole = read_on(reader.as_mut(), &mut bytes);
    assert_eq!(whole.aborted, 0, "{name}");
    assert_eq!(reader.contents().audio.is_some(), sound, "{name}");
    let mut shift = None;
    for (track, stream) in [(Track::Video, "v:0"), (Track::Audio, "a:0")] {
        let came: Vec<Packet> = whole.units_of(track).map(packet).collect();
        if track == Track::Audio && !sound {
            assert!(came.is_empty(), "{name}");
            continue;
        }
        let wanted = probe(path, stream);
        assert_eq!(came.len(), wanted.len(), "{name}: packets of {stream}");
        let shift = *shift.get_or_insert(came[0].0 - wanted[0].0);
        for (n, (came, wanted)) in came.iter().zip(&wanted).enumerate() {
            assert_eq!((came.1, came.2), (wanted.1, wanted.2), "{name}: {stream} {n}");
            // Six decimals of a second are a tick at most.
            let apart = came.0 - wanted.0 - shift;
            assert!(apart.abs() <= 1, "{name}: {stream} {n} stands {apart} ticks apart");
        }
    }
    let video = whole.video();
    assert!(video.iter().all(|unit| unit.0.key == is_idr(unit)), "{name}: keys");
    let dts = |unit: &Unit| unit.0.dts.0;
    let end = dts(video.last().expect("a picture"));
    for step in 0..12 {
        let to = end * step / 10;
        let at = seek(reader.as_mut(), &mut bytes, to, &whole);
        let best = video.iter().rposition(|unit| is_idr(unit) && dts(unit) <= to).unwrap_or(0);
        // An I picture with a recovery point behind the last IDR will do as well.
        assert!(at == best || at > best && dts(video[at]) <= to, "{name}: to {to}: {at}");
    }
    (whole, reader.contents().left_out)
}

#[test]
fn key_flags_that_lie_do_no_harm() {
    for name in ["nokey.flv", "allkey.flv", "nokey.mkv", "stss_empty.mp4"] {
        assert_like_ffprobe(name, true);
    }
    assert_like_ffprobe("real-media3-sample_without_stss.mp4", false);
}

#[test]
fn sound_comes_out_where_it_belongs() {
    for name in ["audiobase.flv", "ilv5.flv", "real-media3-sample_with_chapters.mkv"] {
        assert_like_ffprobe(name, true);
    }
    assert_like_ffprobe("mp4a_second_noesds.mp4", true);
}

#[test]
fn slow_and_uneven_pictures_keep_their_times() {
    for (name, sound) in [
        ("slides_aud.mp4", true),
        ("slides_noaud.mp4", false),
        ("vfr_noaud.mp4", false),
        ("still_audio.mp4", true),
        ("real-mediabunny-cursed-vfr.mp4", false),
        ("real-media3-iibbibb_editlist_videoonly.mp4", false),
    ] {
        assert_like_ffprobe(name, sound);
    }
}

#[test]
fn a_broken_audio_track_does_not_take_the_picture_with_it() {
    let seen = assert_like_ffprobe("real-media3-sample_missing_stsd.mp4", false);
    if let Some((_, left_out)) = seen {
        assert_eq!(left_out, Some("a broken audio track"));
    }
}

//! The same access units, packed in every way by writers of the tests' own: what comes out of the
//! readers is what went in, with its times, whatever key flags say; a seek lands on a key unit.

use fastrand::Rng;
use streamcaster::codec::access_unit::{self, TrackConfig};
use streamcaster::flv::reader::TagKind;
use streamcaster::flv::units::TagUnits;
use test_support::packing::Marks;
use test_support::units::{Media, Track};
use test_support::{flv, mkv, mp4};

use super::media::media;
use super::reading::{open, read_on, seek};
use crate::recorder::Recorder;

const SEEDS: u64 = 150;

/// What is compared of a unit's times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Both,
    /// Matroska stores no decoding times.
    Shown,
}

fn assert_same(what: &str, whole: &Recorder, media: &Media, times: Times) {
    assert_eq!(whole.aborted, 0, "{what}");
    let mut shift = None;
    for (track, own) in
        [(Track::Video, access_unit::Track::Video), (Track::Audio, access_unit::Track::Audio)]
    {
        let came: Vec<_> = whole.units_of(own).collect();
        let wanted: Vec<_> = media.of(track).collect();
        assert_eq!(came.len(), wanted.len(), "{what}: units of {track:?}");
        let mut last = i64::MIN;
        for (n, ((start, payload), wanted)) in came.into_iter().zip(&wanted).enumerate() {
            let (dts, pts) = (start.dts.0, start.pts.0);
            let shift = *shift.get_or_insert(pts - wanted.pts);
            assert_eq!(pts - shift, wanted.pts, "{what}: PTS of {track:?} {n}");
            assert_eq!(start.key, wanted.key, "{what}: key unit {n}");
            assert!(*payload == wanted.payload(), "{what}: bytes of {track:?} {n}");
            assert!(dts > last, "{what}: DTS of {track:?} {n}");
            last = dts;
            if times == Times::Both {
                assert_eq!(dts - shift, wanted.dts, "{what}: DTS of {track:?} {n}");
            }
        }
    }
    let records: Vec<&[u8]> = whole.configs.iter().map(TrackConfig::record).collect();
    let sounds = usize::from(!media.audio_config.is_empty());
    assert_eq!(records.len(), 1 + sounds, "{what}: configurations");
}

/// Opens a file, compares it, and seeks about in it. A seek goes to the last key unit before, where
/// the time is not within a reordered group of pictures, or else to an earlier one.
fn assert_file(what: &str, file: Vec<u8>, media: &Media, times: Times, rng: &mut Rng) {
    let mut bytes = file.as_slice();
    let mut reader = open(&mut bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let contents = reader.contents();
    assert!(contents.video.is_some(), "{what}");
    assert!(contents.left_out.is_none(), "{what}");
    assert_eq!(contents.audio.is_some(), !media.audio_config.is_empty(), "{what}");
    let whole = read_on(reader.as_mut(), &mut bytes);
    assert_same(what, &whole, media, times);
    let video: Vec<_> = whole.video().into_iter().map(|(start, _)| start).collect();
    let end = video.last().expect("a picture").dts.0;
    for _ in 0..4 {
        let to = rng.i64(-9000..end + 90_000);
        let at = seek(reader.as_mut(), &mut bytes, to, &whole);
        let best = video.iter().rposition(|unit| unit.key && unit.dts.0 <= to).unwrap_or(0);
        assert_eq!(at, best, "{what}: to {to}");
    }
}

fn length_bytes(rng: &mut Rng) -> (usize, usize) {
    let length_bytes = [1, 2, 4][rng.usize(..3)];
    (length_bytes, if length_bytes == 1 { 250 } else { 900 })
}

fn flv_muxer(rng: &mut Rng) -> (flv::Muxer, usize) {
    let (mut length_bytes, bytes_max) = length_bytes(rng);
    let headers = flv::Headers::ALL[rng.usize(..5)];
    if matches!(headers, flv::Headers::None | flv::Headers::Broken) {
        length_bytes = 4;
    }
    let muxer = flv::Muxer {
        headers,
        marks: Marks::ALL[rng.usize(..3)],
        length_bytes,
        base_ms: [0, 5000, u32::MAX - 1000][rng.usize(..3)],
        sizes: rng.u8(..4) > 0,
        flags: rng.bool(),
    };
    (muxer, bytes_max)
}

#[test]
fn flv_files() {
    for seed in 0..SEEDS {
        let rng = &mut Rng::with_seed(seed);
        let (muxer, bytes_max) = flv_muxer(rng);
        let sets = muxer.headers.need_sets_in_band() || rng.bool();
        let media = media(rng, sets, bytes_max);
        let file = muxer.file(&muxer.tags(&media));
        assert_file(&format!("seed {seed}: {muxer:?}"), file, &media, Times::Both, rng);
    }
}

/// As a publisher's messages: in pieces of any size, those of a picture and a sound in turn.
#[test]
fn rtmp_messages() {
    for seed in 0..SEEDS {
        let rng = &mut Rng::with_seed(seed);
        let (muxer, bytes_max) = flv_muxer(rng);
        let sets = muxer.headers.need_sets_in_band() || rng.bool();
        let media = media(rng, sets, bytes_max);
        let mut tags = std::collections::VecDeque::from(muxer.tags(&media));
        let (mut units, mut sink) = (TagUnits::new(), Recorder::default());
        let mut open: Vec<(TagKind, Vec<u8>)> = Vec::new();
        while !tags.is_empty() || !open.is_empty() {
            let kind = tags.front().map(|tag| match tag.kind {
                8 => TagKind::Audio,
                _ => TagKind::Video,
            });
            let is_free = kind.is_some_and(|kind| open.iter().all(|(other, _)| *other != kind));
            // Messages are committed in order: another begins while at most one is open.
            if is_free && open.len() < 2 && (open.is_empty() || rng.bool()) {
                let tag = tags.pop_front().expect("there is one");
                let kind = kind.expect("it is of a kind");
                units.begin(kind, tag.ms, tag.body.len(), &mut sink);
                open.push((kind, tag.body));
                continue;
            }
            let n = rng.usize(..open.len());
            let (kind, body) = &mut open[n];
            let piece: Vec<u8> = body.drain(..rng.usize(..=body.len().min(300))).collect();
            units.data(*kind, &piece, &mut sink);
            if body.is_empty() {
                units.end(*kind, &mut sink);
                open.remove(n);
            }
        }
        let what = format!("seed {seed}: {muxer:?}");
        assert_same(&what, &sink, &media, Times::Both);
        assert_eq!(units.counters().units as usize, media.units.len(), "{what}");
        assert_eq!(units.complaint(access_unit::Track::Video), None, "{what}");
    }
}

#[test]
fn mp4_files() {
    for seed in 0..SEEDS {
        let rng = &mut Rng::with_seed(seed);
        let (length_bytes, bytes_max) = length_bytes(rng);
        let offsets_version = rng.u8(..2);
        let mut muxer = mp4::Muxer {
            header_first: rng.bool(),
            fragment_units: [0, 0, 1, 7, 60][rng.usize(..5)],
            starts_at: [0, 90_000 * 5000][rng.usize(..2)],
            uuids: rng.bool(),
            offsets_version,
            offsets_less: if offsets_version == 1 { rng.i64(0..3) * 3600 } else { 0 },
            length_bytes,
            chunk_samples: rng.usize(1..9),
            marks: Marks::ALL[rng.usize(..3)],
            without_stss: rng.u8(..3) == 0,
            sets: rng.bool(),
            second_entry: rng.u8(..4) == 0,
        };
        let sets = !muxer.sets || rng.bool();
        let media = media(rng, sets, bytes_max);
        // An edit cannot begin before its media.
        let first = media.of(Track::Video).next().expect("a picture");
        muxer.offsets_less = muxer.offsets_less.min(first.pts - first.dts);
        let file = muxer.file(&media);
        assert_file(&format!("seed {seed}: {muxer:?}"), file, &media, Times::Both, rng);
    }
}

fn mkv_muxer(rng: &mut Rng, length_bytes: usize) -> mkv::Muxer {
    mkv::Muxer {
        groups: rng.bool(),
        lacing: [mkv::Lacing::None, mkv::Lacing::Xiph, mkv::Lacing::Ebml][rng.usize(..3)],
        laced: rng.usize(2..6),
        size_bytes: rng.usize(1..9),
        unsized_clusters: rng.bool(),
        cues: rng.bool(),
        private: rng.bool(),
        marks: Marks::ALL[rng.usize(..3)],
        length_bytes,
        cluster_ms: rng.i64(200..3000),
        delay_ms: [0, 23][rng.usize(..2)],
    }
}

#[test]
fn matroska_files() {
    for seed in 0..SEEDS {
        let rng = &mut Rng::with_seed(seed);
        let (length_bytes, bytes_max) = length_bytes(rng);
        let muxer = mkv_muxer(rng, length_bytes);
        let sets = !muxer.private || rng.bool();
        let media = media(rng, sets, bytes_max);
        let (file, _) = muxer.file(&media);
        assert_file(&format!("seed {seed}: {muxer:?}"), file, &media, Times::Shown, rng);
    }
}

/// A recording of OBS that crashed: cut anywhere, it plays as far as it goes.
#[test]
fn matroska_files_cut_short() {
    for seed in 0..SEEDS {
        let rng = &mut Rng::with_seed(seed);
        let muxer = mkv_muxer(rng, 4);
        let media = media(rng, true, 900);
        let (file, clusters) = muxer.file(&media);
        let second = clusters.get(1).copied().unwrap_or(file.len());
        let length = rng.usize(second..=file.len());
        let what = format!("seed {seed}: {muxer:?} cut at {length} of {}", file.len());
        let mut whole_bytes = file.as_slice();
        let mut reader = open(&mut whole_bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let whole = read_on(reader.as_mut(), &mut whole_bytes);
        let mut bytes = &file[..length];
        let mut reader = open(&mut bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let came = read_on(reader.as_mut(), &mut bytes);
        for track in access_unit::Track::ALL {
            let payloads = |units: &Recorder| -> Vec<Vec<u8>> {
                units.units_of(track).map(|(_, payload)| payload.clone()).collect()
            };
            assert!(payloads(&whole).starts_with(&payloads(&came)), "{what}: {track:?}");
        }
        // Everything before the cluster it was cut in is there.
        let before = clusters.iter().filter(|at| **at <= length).count();
        assert!(!came.units.is_empty(), "{what}");
        assert!(before >= 1, "{what}");
        if length == file.len() {
            assert_eq!(came.units.len(), whole.units.len(), "{what}");
        }
    }
}

use super::*;
use crate::base::time::Ticks;
use crate::codec::access_unit::{AacConfig, AvcConfig};
use crate::codec::collector::{Collector, Random};
use crate::codec::container::{ContainerReader, Progress};
use crate::codec::window::InMemory;
use crate::mp4::file::Mp4File;
use crate::mp4::init::{codecs, init_segment};
use crate::mp4::testing::{avcc, SPS};

fn avc() -> AvcConfig {
    // Behind the box's head.
    AvcConfig::from_record(&avcc(SPS, 4)[8..]).unwrap()
}

fn aac(record: &[u8]) -> AacConfig {
    AacConfig::from_record(record).unwrap()
}

/// A picture of one NAL unit.
fn picture(random: &mut Random, key: bool) -> Vec<u8> {
    let nal: Vec<u8> = std::iter::once(if key { 0x65 } else { 0x41 })
        .chain((0..random.below(400)).map(|_| random.byte()))
        .collect();
    [&u32::try_from(nal.len()).unwrap().to_be_bytes()[..], &nal].concat()
}

fn bytes_of(unit: &[u8]) -> u32 {
    u32::try_from(unit.len()).unwrap()
}

fn read_back(movie: &[u8]) -> (Mp4File, Collector) {
    let mut file = InMemory { bytes: movie, reads: 0 };
    let mut reader = Mp4File::open(&mut file).unwrap();
    let mut collector = Collector::default();
    while reader.next(&mut file, &mut collector).unwrap() != Progress::End {}
    (reader, collector)
}

/// A picture in a movie: units of 90 kHz, relative to the movie's beginning.
struct Shown {
    dts: i64,
    composition: i32,
    bytes: Vec<u8>,
}

/// Writes pictures in fragments of `per_fragment`, each lasting until the next.
fn movie(shown: &[Shown], per_fragment: usize) -> Vec<u8> {
    let mut movie = init_segment(&avc(), None);
    for (number, piece) in shown.chunks(per_fragment).enumerate() {
        let sample = |(at, shown): (usize, &Shown)| {
            let next = shown_dts(shown, piece, at);
            RunSample {
                bytes: bytes_of(&shown.bytes),
                duration: u32::try_from(next).unwrap(),
                composition: shown.composition,
                key: shown.bytes[4] == 0x65,
            }
        };
        let samples: Vec<RunSample> = piece.iter().enumerate().map(sample).collect();
        let start = u64::try_from(piece[0].dts).unwrap();
        let run = SampleRun { track: Track::Video, start, samples: &samples };
        movie.extend(head(u32::try_from(number).unwrap(), &[run]).unwrap());
        piece.iter().for_each(|shown| movie.extend(&shown.bytes));
    }
    movie
}

fn shown_dts(shown: &Shown, piece: &[Shown], at: usize) -> i64 {
    piece.get(at + 1).map_or(3003, |next| next.dts - shown.dts)
}

#[test]
fn both_tracks_come_back_as_they_were_written() {
    let (mut random, aac) = (Random(7), aac(&[0x12, 0x10]));
    let mut movie = init_segment(&avc(), Some(&aac));
    let (mut wanted, mut frames, mut sounds) = (Vec::new(), 0i64, 0i64);
    for sequence in 0..40u32 {
        let pictures: Vec<Vec<u8>> =
            (0..1 + random.below(7)).map(|n| picture(&mut random, n == 0)).collect();
        let noises: Vec<Vec<u8>> = (0..random.below(12))
            .map(|_| (0..1 + random.below(300)).map(|_| random.byte()).collect())
            .collect();
        let video: Vec<RunSample> = (pictures.iter().enumerate())
            .map(|(n, unit)| RunSample {
                bytes: bytes_of(unit),
                duration: 3003,
                composition: 6006,
                key: n == 0,
            })
            .collect();
        let audio: Vec<RunSample> = (noises.iter())
            .map(|unit| RunSample { bytes: bytes_of(unit), duration: 1024, ..RunSample::default() })
            .collect();
        let runs = [
            SampleRun {
                track: Track::Video,
                start: frames.cast_unsigned() * 3003,
                samples: &video,
            },
            SampleRun {
                track: Track::Audio,
                start: sounds.cast_unsigned() * 1024,
                samples: &audio,
            },
        ];
        movie.extend(head(sequence, &runs).unwrap());
        for (n, unit) in pictures.into_iter().enumerate() {
            movie.extend(&unit);
            wanted.push((Track::Video, frames * 3003, n == 0, unit));
            frames += 1;
        }
        for unit in noises {
            movie.extend(&unit);
            wanted.push((Track::Audio, sounds * 1024 * 90_000 / 44_100, false, unit));
            sounds += 1;
        }
    }
    let (reader, collector) = read_back(&movie);
    assert_eq!(reader.contents().video.as_ref(), Some(&avc()));
    assert_eq!(reader.contents().audio.as_ref(), Some(&aac));
    for track in Track::ALL {
        let got: Vec<_> = (collector.units().into_iter())
            .filter(|(start, _)| start.track == track)
            .map(|(start, bytes)| (start.track, start.dts.0, start.key, bytes))
            .collect();
        let wanted: Vec<_> = wanted.iter().filter(|unit| unit.0 == track).cloned().collect();
        assert_eq!(got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(&wanted) {
            // The reader moves the picture's time so that it is shown from 0 on.
            let by = if track == Track::Video { 0 } else { 1 };
            assert!((got.1 - wanted.1).abs() <= by, "{track:?}: {} for {}", got.1, wanted.1);
            assert_eq!((got.2, &got.3), (wanted.2, &wanted.3));
        }
    }
}

#[test]
fn reordered_pictures_keep_their_order_of_presentation() {
    let mut random = Random(11);
    // I P B B, shown as I B B P: offsets in frames that are as small as can be, and negative.
    for offsets in [[0, 2, -1, -1], [1, 3, 0, 0]] {
        let shown: Vec<Shown> = (0..64i64)
            .map(|n| Shown {
                dts: n * 3600,
                composition: offsets[usize::try_from(n).unwrap() % 4] * 3600,
                bytes: picture(&mut random, n % 4 == 0),
            })
            .collect();
        let (_, collector) = read_back(&movie(&shown, 6));
        let units = collector.units();
        let first = units[0].0.pts.0 - i64::from(offsets[0]) * 3600;
        assert_eq!(units.len(), shown.len());
        for ((start, bytes), shown) in units.iter().zip(&shown) {
            assert_eq!(start.pts.0 - first, shown.dts + i64::from(shown.composition));
            assert_eq!(bytes, &shown.bytes);
        }
    }
}

#[test]
fn a_movie_of_days_keeps_its_time() {
    let mut random = Random(13);
    // Across 32 bits of 90 kHz (13 h), 33 bits (26.5 h), and far beyond.
    let mut shown = Vec::new();
    for begin in [0, (1i64 << 32) - 7200, (1 << 33) - 7200, 90_000 * 86_400 * 400] {
        shown.extend((0..4).map(|n| Shown {
            dts: begin + n * 3600,
            composition: 0,
            bytes: picture(&mut random, n == 0),
        }));
    }
    let (_, collector) = read_back(&movie(&shown, 4));
    let times: Vec<i64> = collector.units().iter().map(|(start, _)| start.dts.0).collect();
    let wanted: Vec<i64> = shown.iter().map(|shown| shown.dts).collect();
    assert_eq!(times, wanted);
    assert!(Ticks(*times.last().unwrap()).to_ms() > 27 * 3_600_000);
}

#[test]
fn an_empty_run_is_not_told() {
    let runs = [
        SampleRun { track: Track::Video, start: 0, samples: &[] },
        SampleRun { track: Track::Audio, start: 5, samples: &[RunSample::default()] },
    ];
    let bytes = head(1, &runs).unwrap();
    assert_eq!(bytes.windows(4).filter(|four| four == b"traf").count(), 1);
    assert!(bytes.ends_with(b"\0\0\0\x08mdat"));
}

#[test]
fn more_than_32_bits_of_media_are_refused() {
    let samples = [RunSample { bytes: u32::MAX / 2, ..RunSample::default() }; 3];
    let run = |samples| SampleRun { track: Track::Video, start: 0, samples };
    assert!(head(1, &[run(&samples[..1])]).is_some());
    assert!(head(1, &[run(&samples)]).is_none());
}

#[test]
fn codecs_are_named_as_browsers_want_them() {
    assert_eq!(codecs(&avc(), None), "avc1.42c00a");
    assert_eq!(codecs(&avc(), Some(&aac(&[0x12, 0x10]))), "avc1.42c00a,mp4a.40.2");
    // Explicit SBR.
    assert_eq!(codecs(&avc(), Some(&aac(&[0x2b, 0x11, 0x88, 0]))), "avc1.42c00a,mp4a.40.5");
}

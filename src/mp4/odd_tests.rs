//! The reader on files of kinds that are rare, and that ffmpeg does not make.

use super::testing::*;
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig};
use crate::codec::collector::{hex, Collector};
use crate::codec::container::{ContainerReader, FileError, Progress, Remedy};
use crate::codec::window::InMemory;

use super::file::Mp4File;

fn avc1() -> Vec<u8> {
    picture(b"avc1", &avcc(SPS, 4))
}

fn mp4a() -> Vec<u8> {
    sound(b"mp4a", 0, 0, &esds())
}

fn of(sink: &Collector, track: Track) -> Vec<Vec<u8>> {
    let units = sink.units().into_iter();
    units.filter(|(start, _)| start.track == track).map(|(_, bytes)| bytes).collect()
}

fn refused(bytes: &[u8]) -> FileError {
    play(bytes).err().expect("refused")
}

#[test]
fn sizes_are_read_in_every_width() {
    // 6 to 15 bytes: all fit four bits.
    let unit = |n: u8| nals(&[&[vec![0x65], vec![n; usize::from(1 + n)]].concat()]);
    let units: Vec<Vec<u8>> = (0..9).chain([3, 0]).map(unit).collect();
    let (sizes, count) = (units.iter().map(Vec::len), u8::try_from(units.len()).unwrap());
    let sizes: Vec<u8> = sizes.map(|size| u8::try_from(size).unwrap()).collect();
    let pair = |pair: &[u8]| pair[0] << 4 | pair.get(1).unwrap_or(&0);
    let widths: [(u8, Vec<u8>); 3] = [
        (4, sizes.chunks(2).map(pair).collect()),
        (8, sizes.clone()),
        (16, sizes.iter().flat_map(|size| [0, *size]).collect()),
    ];
    for (bits, listed) in widths {
        let mut part = Part::video(vec![avc1()], vec![(1, units.clone())]);
        let head = [0, 0, 0, 0, 0, 0, 0, bits, 0, 0, 0, count];
        part.sizes = Some(boxed(b"stz2", &[head.as_slice(), &listed].concat()));
        let bytes = film(&[part.clone()], &[]);
        let (mut reader, sink) = play(&bytes).unwrap();
        assert_eq!(of(&sink, Track::Video), units, "{bits} bits");
        // In the middle of a chunk: what stands before is counted together.
        let (mut file, mut sink) = (InMemory { bytes: &bytes, reads: 0 }, Collector::default());
        assert_eq!(reader.seek(&mut file, Ticks(5 * 3600), &mut sink).unwrap(), Ticks(5 * 3600));
        while reader.next(&mut file, &mut sink).unwrap() == Progress::More {}
        assert_eq!(of(&sink, Track::Video), units[5..], "{bits} bits");
        part.sizes = Some(boxed(b"stz2", &[&head[..11], &[count + 1], &*listed].concat()));
        let lies = refused(&film(&[part.clone()], &[]));
        let is_broken = matches!(lies, FileError::Broken { .. });
        assert!(is_broken || bits == 4, "{bits} bits, one more than listed: {lies}");
        part.sizes = Some(boxed(b"stz2", &[&head[..7], &[5], &head[8..], &listed].concat()));
        assert!(matches!(refused(&film(&[part], &[])), FileError::Broken { .. }));
    }
}

#[test]
fn lengths_of_one_and_three_bytes_become_four() {
    let one = [&[3, 0x65, 1, 2, 0, 1, 0x06], &[200][..], &[7; 200]].concat();
    let three = [&[0, 0, 3, 0x65, 1, 2, 0, 0, 0, 0, 0, 1, 6, 0, 0, 200][..], &[7; 200]].concat();
    for (length_bytes, unit) in [(1, one), (3, three)] {
        let entry = picture(b"avc1", &avcc(SPS, length_bytes));
        let bytes = film(&[Part::video(vec![entry], vec![(1, vec![unit])])], &[]);
        let (_, sink) = play(&bytes).unwrap();
        assert_eq!(sink.nals(), [vec![0x65, 1, 2], vec![6], vec![7; 200]]);
        assert_eq!(sink.configs()[0].record()[4], 0xff);
    }
}

#[test]
fn every_sample_has_the_configuration_of_its_description() {
    let (first, other) = (avc1(), picture(b"avc1", &avcc(OTHER_SPS, 1)));
    let chunks = vec![
        (1, vec![nals(&[&[0x65, 1]])]),
        (2, vec![vec![2, 0x65, 2], vec![2, 0x65, 3]]),
        (1, vec![nals(&[&[0x65, 4]])]),
        // The same once more: nothing new is told.
        (3, vec![nals(&[&[0x65, 5]])]),
    ];
    let bytes = film(&[Part::video(vec![first.clone(), other, first], chunks)], &[]);
    let (mut reader, sink) = play(&bytes).unwrap();
    let widths = |sink: &Collector| -> Vec<u32> {
        let avc = |config: &TrackConfig| match config {
            TrackConfig::Avc(avc) => avc.width,
            TrackConfig::Aac(_) => 0,
        };
        sink.configs().iter().map(avc).collect()
    };
    let told = widths(&sink);
    assert!(told.len() == 3, "{told:?}");
    assert!(told[0] == 64, "{told:?}");
    assert!(told[1] != 64, "{told:?}");
    assert!(told[2] == 64, "{told:?}");
    assert_eq!(sink.nals(), (1..6).map(|n| vec![0x65, n]).collect::<Vec<_>>());
    let (mut file, mut sink) = (InMemory { bytes: &bytes, reads: 0 }, Collector::default());
    reader.seek(&mut file, Ticks(2 * 3600), &mut sink).unwrap();
    while reader.next(&mut file, &mut sink).unwrap() == Progress::More {}
    assert_eq!(widths(&sink), [told[1], told[2]]);
    // More of them than are kept.
    let many = film(&[Part::pictures(vec![avc1(); 5])], &[]);
    assert!(refused(&many).to_string().contains("too many sample descriptions"));
    // One that is not carried names the track, wherever it stands.
    let mixed = film(&[Part::pictures(vec![avc1(), picture(b"hvc1", &[])])], &[]);
    assert!(refused(&mixed).to_string().contains("HEVC video"));
}

#[test]
fn the_first_enabled_track_is_played_or_else_the_first() {
    let track = |id: u32, enabled| {
        let chunks = vec![(1, vec![nals(&[&[0x65, u8::try_from(id).unwrap()]])])];
        Part { id, enabled, ..Part::video(vec![avc1()], chunks) }
    };
    for (enabled, played) in [
        ([false, true, true], 2),
        ([true, false, true], 1),
        ([false; 3], 1),
        ([false, false, true], 3),
    ] {
        let parts = [track(1, enabled[0]), track(2, enabled[1]), track(3, enabled[2])];
        let (_, sink) = play(&film(&parts, &[])).unwrap();
        assert_eq!(sink.nals(), [vec![0x65, played]], "{enabled:?}");
    }
    let mut quiet = Part::sounds(vec![mp4a()]);
    quiet.enabled = false;
    let other = Part { id: 3, chunks: vec![(1, vec![vec![7; 9]])], ..Part::sounds(vec![mp4a()]) };
    let (_, sink) = play(&film(&[Part::pictures(vec![avc1()]), quiet, other], &[])).unwrap();
    assert_eq!(of(&sink, Track::Audio), [vec![7; 9]]);
}

#[test]
fn sound_descriptions_of_all_versions_are_read() {
    let wave = boxed(b"wave", &[boxed(b"frma", b"mp4a"), esds()].concat());
    let entries = [
        (0, sound(b"mp4a", 0, 0, &esds())),
        (0, sound(b"mp4a", 1, 16, &wave)),
        (0, sound(b"mp4a", 1, 16, &esds())),
        (0, sound(b"mp4a", 2, 36, &wave)),
        // An AudioSampleEntryV1 of ISO files has no more than one of version 0.
        (1, sound(b"mp4a", 1, 0, &esds())),
    ];
    for (stsd_version, entry) in entries {
        let sounds = Part { stsd_version, ..Part::sounds(vec![entry.clone()]) };
        let (reader, sink) = play(&film(&[Part::pictures(vec![avc1()]), sounds], &[])).unwrap();
        let audio = reader.contents().audio.as_ref().expect("AAC");
        assert_eq!((audio.sample_rate_hz, audio.channels), (48_000, 2), "{entry:x?}");
        assert_eq!(of(&sink, Track::Audio), [[0xa0, 1], [0xa0, 2], [0xa0, 3]]);
        assert_eq!(reader.contents().left_out, None);
    }
    for boxes in [boxed(b"wave", &[]), Vec::new()] {
        let sounds = Part::sounds(vec![sound(b"mp4a", 1, 16, &boxes)]);
        let (reader, _) = play(&film(&[Part::pictures(vec![avc1()]), sounds], &[])).unwrap();
        assert_eq!(reader.contents().left_out, Some("AAC audio without a configuration"));
    }
}

#[test]
fn what_is_encrypted_or_compressed_is_named() {
    let pictures = || Part::pictures(vec![avc1()]);
    let hidden = film(&[Part::pictures(vec![picture(b"encv", &avcc(SPS, 4))])], &[]);
    let error = refused(&hidden);
    assert!(error.to_string().contains("encrypted video"), "{error}");
    assert_eq!(error.remedy(), None, "ffmpeg has no key either");
    let both = [pictures(), Part::sounds(vec![sound(b"enca", 0, 0, &esds())])];
    let (reader, sink) = play(&film(&both, &[])).unwrap();
    assert_eq!(reader.contents().left_out, Some("encrypted audio"));
    assert_eq!(sink.units().len(), 3);
    let mut file = boxed(b"ftyp", b"qt  \0\0\0\0qt  ");
    file.extend(boxed(b"moov", &boxed(b"cmov", &boxed(b"dcom", b"zlib"))));
    let error = refused(&file);
    assert!(error.to_string().contains("a compressed header"), "{error}");
    assert_eq!(error.remedy(), Some(Remedy::Remux));
}

#[test]
fn parameter_sets_may_stand_only_among_the_pictures() {
    let (sps, pps) = (hex(SPS), hex(PPS));
    let key = nals(&[&[9, 0x10], &sps, &pps, &[0x65, 1]]);
    let chunks = vec![(1, vec![key.clone(), nals(&[&[0x65, 2]])])];
    for (entry, chunks) in [
        (picture(b"avc3", &avcc("", 4)), chunks.clone()),
        (picture(b"avc1", &avcc("", 4)), chunks.clone()),
        (picture(b"avc3", &avcc(SPS, 4)), chunks),
    ] {
        let (reader, sink) = play(&film(&[Part::video(vec![entry], chunks)], &[])).unwrap();
        let video = reader.contents().video.as_ref().expect("H.264");
        assert_eq!((video.width, video.height, video.record[4]), (64, 48, 0xff));
        assert_eq!(sink.configs(), [TrackConfig::Avc(video.clone())]);
        assert_eq!(of(&sink, Track::Video)[0], key);
    }
    // Short lengths, and no slice within what is looked at.
    let large = [&[0, 21], &*sps, &[0, 4], &*pps, &[0xff, 0xff], &[0x65; 0xffff]].concat();
    let entry = picture(b"avc3", &avcc("", 2));
    let (_, sink) = play(&film(&[Part::video(vec![entry], vec![(1, vec![large])])], &[])).unwrap();
    assert_eq!(sink.nals()[2].len(), 0xffff);
    // Behind the first slice, half of them, none: no decoder could begin.
    for sets in [vec![&[0x65, 1][..], &sps, &pps], vec![&sps, &[0x65, 1]], vec![&[0x65, 1]]] {
        let entry = picture(b"avc3", &avcc("", 4));
        let part = Part::video(vec![entry], vec![(1, vec![nals(&sets)])]);
        let error = refused(&film(&[part], &[]));
        assert!(error.to_string().contains("has no parameter sets"), "{error}");
        assert_eq!(error.remedy(), None, "nothing can decode it");
    }
}

/// Flags of `tfhd` and `trun`.
const DEFAULT_SIZE: u32 = 0x10;
const BASE_IS_MOOF: u32 = 0x2_0000;
const DATA_OFFSET: u32 = 0x1;
const SIZE: u32 = 0x200;

/// A fragment: track fragments of which each is built for an offset of its data from the box's
/// beginning, and the media.
fn fragment(trafs: impl Fn(u32) -> Vec<Vec<u8>>, media: &[u8]) -> Vec<u8> {
    let moof = |offset| {
        let trafs: Vec<u8> = trafs(offset).iter().flat_map(|traf| boxed(b"traf", traf)).collect();
        boxed(b"moof", &[numbers(b"mfhd", &[1]), trafs].concat())
    };
    let data = u32::try_from(moof(0).len() + 8).unwrap();
    [moof(data), boxed(b"mdat", media)].concat()
}

fn empty(part: Part) -> Part {
    Part { chunks: Vec::new(), ..part }
}

#[test]
fn data_without_an_offset_follow_those_of_the_track_fragment_before() {
    let parts = [empty(Part::pictures(vec![avc1()])), empty(Part::sounds(vec![mp4a()]))];
    let pictures = [nals(&[&[0x65, 1]]), nals(&[&[0x61, 2, 2]])];
    let more = nals(&[&[0x65, 3]]);
    let sounds = [vec![0xa1; 5], vec![0xa2; 5], vec![0xa3; 3], vec![0xa4; 4]];
    let media = [sounds.concat(), pictures.concat(), more.clone()].concat();
    let trafs = |offset: u32| {
        let run = |count, sizes: &[u32]| flagged(b"trun", SIZE, &[&[count], sizes].concat());
        let audio = [
            // Two sounds of the size that `tfhd` tells, two of sizes of their own.
            flagged(b"tfhd", DEFAULT_SIZE, &[2, 5]),
            flagged(b"trun", DATA_OFFSET, &[2, offset]),
            run(2, &[3, 4]),
        ];
        let video = [numbers(b"tfhd", &[1]), run(2, &[6, 7])];
        // Once more the first track, behind the others.
        let rest = [numbers(b"tfhd", &[1]), run(1, &[6])];
        vec![audio.concat(), video.concat(), rest.concat()]
    };
    let one = fragment(trafs, &media);
    let (_, sink) = play(&film(&parts, &[one.clone(), one].concat())).unwrap();
    let video = [pictures.as_slice(), &[more]].concat();
    assert_eq!(of(&sink, Track::Video), [video.clone(), video].concat());
    assert_eq!(of(&sink, Track::Audio), [sounds.clone(), sounds].concat());
}

#[test]
fn a_file_may_begin_with_tables_and_go_on_in_fragments() {
    let pictures = Part::pictures(vec![avc1()]);
    let part = |first: u8| {
        let units: Vec<Vec<u8>> = (first..first + 3).map(|n| nals(&[&[0x65, n]])).collect();
        let traf = |offset| {
            let tfdt = numbers(b"tfdt", &[u32::from(first) - 1]);
            let tfhd = flagged(b"tfhd", BASE_IS_MOOF, &[1]);
            vec![[tfhd, tfdt, flagged(b"trun", DATA_OFFSET, &[3, offset])].concat()]
        };
        fragment(traf, &units.concat())
    };
    let bytes = film(&[pictures], &[part(4), part(7)].concat());
    let (mut reader, sink) = play(&bytes).unwrap();
    assert_eq!(sink.nals(), (1..10).map(|n| vec![0x65, n]).collect::<Vec<_>>());
    let times: Vec<i64> = sink.units().iter().map(|(start, _)| start.dts.0).collect();
    assert_eq!(times, (0..9).map(|n| n * 3600).collect::<Vec<_>>());
    assert_eq!(reader.contents().duration, Some(Ticks(9 * 3600)));
    for to in [0, 2, 3, 5, 6, 8, 1, 20] {
        let (mut file, mut sink) = (InMemory { bytes: &bytes, reads: 0 }, Collector::default());
        let went = reader.seek(&mut file, Ticks(to * 3600), &mut sink).unwrap();
        assert_eq!(went, Ticks(to.min(8) * 3600));
        while reader.next(&mut file, &mut sink).unwrap() == Progress::More {}
        let rest = (to.min(8)..9).map(|n| vec![0x65, u8::try_from(n).unwrap() + 1]);
        assert_eq!(sink.nals(), rest.collect::<Vec<_>>(), "from {to}");
    }
}

#[test]
fn twenty_thousand_fragments_cost_a_bounded_number_of_reads() {
    const COUNT: u32 = 20_000;
    let one = |n: u32, media_bytes: usize| {
        let mut media = nals(&[&[if n.is_multiple_of(50) { 0x65 } else { 0x61 }, 1]]);
        media.resize(media_bytes, 0);
        let key = if n.is_multiple_of(50) { 0 } else { 0x1_0000 };
        let traf = |offset| {
            let tfhd = flagged(b"tfhd", BASE_IS_MOOF | 0x20, &[1, key]);
            let trun = flagged(b"trun", DATA_OFFSET, &[1, offset]);
            vec![[tfhd, numbers(b"tfdt", &[n]), trun].concat()]
        };
        fragment(traf, &media)
    };
    // Close together, and each beyond a window's reach of the one before.
    for (media_bytes, opening, seeking) in [(6, 1500, 20), (5000, 21_000, 250)] {
        let parts = [empty(Part::pictures(vec![avc1()]))];
        let more: Vec<u8> = (0..COUNT).flat_map(|n| one(n, media_bytes)).collect();
        let bytes = film(&parts, &more);
        let mut file = InMemory { bytes: &bytes, reads: 0 };
        let mut reader = Mp4File::open(&mut file).unwrap();
        assert_eq!(reader.contents().duration, Some(Ticks(i64::from(COUNT) * 3600)));
        assert!(file.reads < opening, "{} reads to open", file.reads);
        for to in [19_990, 7, 10_049, 19_999, 0, 12_345] {
            file.reads = 0;
            let mut sink = Collector::default();
            let went = reader.seek(&mut file, Ticks(to * 3600), &mut sink).unwrap();
            assert_eq!(went, Ticks(to / 50 * 50 * 3600));
            assert!(file.reads < seeking, "{} reads to go to {to}", file.reads);
            let before = file.reads;
            reader.next(&mut file, &mut sink).unwrap();
            assert!(file.reads - before < 5);
            assert!(sink.units()[0].0.key);
        }
    }
}

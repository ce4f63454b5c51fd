use super::*;
use crate::codec::collector::{hex, play, Collector, Random};
use crate::codec::container::Remedy;
use crate::codec::window::InMemory;

const AVC: &str = "0142c00affe100156742c00ada11ec0440000003004000000f03c489a801000468ce0fc8";
const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// An element with a size of eight bytes.
fn element(id: &str, bytes: &[u8]) -> Vec<u8> {
    let mut all = hex(id);
    all.extend((bytes.len() as u64 | 1 << 56).to_be_bytes());
    all.extend(bytes);
    all
}

fn number(id: &str, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

fn video_entry(more: &[u8]) -> Vec<u8> {
    let parts = [
        number("d7", 1),
        number("83", 1),
        element("86", b"V_MPEG4/ISO/AVC"),
        element("63a2", &hex(AVC)),
        more.to_vec(),
    ];
    element("ae", &parts.concat())
}

fn audio_entry(codec: &str, private: &[u8]) -> Vec<u8> {
    let audio = [element("b5", &48_000f64.to_be_bytes()), number("9f", 2)].concat();
    let mut parts = [number("d7", 2), number("83", 2), element("86", codec.as_bytes())].concat();
    parts.extend(element("e1", &audio));
    if !private.is_empty() {
        parts.extend(element("63a2", private));
    }
    element("ae", &parts)
}

fn block(track: u8, time: i16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = time.to_be_bytes();
    [&[0x80 | track, high, low, flags], payload].concat()
}

fn simple(track: u8, time: i16, flags: u8, payload: &[u8]) -> Vec<u8> {
    element("a3", &block(track, time, flags, payload))
}

fn cluster(time: u64, children: &[Vec<u8>]) -> Vec<u8> {
    element("1f43b675", &[number("e7", time), children.concat()].concat())
}

fn ebml(kind: &str) -> Vec<u8> {
    element("1a45dfa3", &element("4282", kind.as_bytes()))
}

fn whole(parts: &[Vec<u8>]) -> Vec<u8> {
    [ebml("matroska"), element("18538067", &parts.concat())].concat()
}

fn tracks() -> Vec<u8> {
    element("1654ae6b", &[video_entry(&[]), audio_entry("A_AAC", &hex("1190"))].concat())
}

/// A slice of so many bytes behind its length, of an IDR.
fn picture(bytes: u32) -> Vec<u8> {
    let mut unit = bytes.to_be_bytes().to_vec();
    unit.resize(4 + bytes as usize, 0x65);
    unit
}

/// Of a picture that refers to others.
fn other(bytes: u32) -> Vec<u8> {
    let mut unit = picture(bytes);
    unit[4] = 0x41;
    unit
}

/// A cluster a second: a key frame and four others in the order I P b, 200 ms apart, and sound.
fn second(n: u64, bytes: u32) -> Vec<u8> {
    let mut blocks = Vec::new();
    for (time, flags) in [(0, 0x80), (400, 0), (200, 0), (800, 0), (600, 0)] {
        let picture = if flags == 0 { other(bytes) } else { picture(bytes) };
        blocks.push(simple(1, time, flags, &picture));
        blocks.push(simple(2, time + 3, 0x80, b"sound"));
    }
    cluster(n * 1000, &blocks)
}

fn clip(seconds: u64, bytes: u32) -> Vec<u8> {
    let mut parts = vec![tracks()];
    parts.extend((0..seconds).map(|n| second(n, bytes)));
    whole(&parts)
}

fn open(bytes: &[u8]) -> Result<MkvFile, FileError> {
    MkvFile::open(&mut InMemory { bytes, reads: 0 })
}

fn played(bytes: &[u8]) -> Collector {
    let (sink, error) = play(&mut open(bytes).unwrap(), bytes);
    assert!(error.is_none(), "{error:?}");
    sink
}

fn times(sink: &Collector, track: Track) -> Vec<(i64, i64, bool)> {
    let units = sink.units();
    let units = units.iter().filter(|(start, _)| start.track == track);
    units.map(|(start, _)| (start.dts.to_ms(), start.pts.to_ms(), start.key)).collect()
}

fn sounds(sink: &Collector) -> Vec<(i64, Vec<u8>)> {
    let units = sink.units().into_iter().filter(|(start, _)| start.track == Track::Audio);
    units.map(|(start, bytes)| (start.dts.to_ms(), bytes)).collect()
}

#[test]
fn decoding_times_are_made_of_presentation_times() {
    let bytes = clip(2, 100_000);
    assert!(is_mkv(&bytes));
    let sink = played(&bytes);
    let wanted = [0, 400, 200, 800, 600, 1000, 1400, 1200, 1800, 1600];
    for (n, (dts, pts, key)) in times(&sink, Track::Video).into_iter().enumerate() {
        assert_eq!((dts, pts, key), (n as i64 * 200 - 200, wanted[n], n % 5 == 0));
    }
    assert_eq!(sounds(&sink).len(), 10);
    assert_eq!(sink.configs().len(), 2);
    assert_eq!(open(&bytes).unwrap().contents().duration, None);
}

#[test]
fn sizes_need_not_be_said() {
    let mut bytes = [ebml("webm"), hex("18538067"), UNKNOWN.to_vec(), tracks()].concat();
    for n in 0..3 {
        bytes.extend([hex("1f43b675"), UNKNOWN.to_vec(), number("e7", n * 1000)].concat());
        bytes.extend(simple(1, 0, 0x80, &picture(10)));
        bytes.extend(element("ec", b"a void"));
    }
    bytes.extend(element("1254c367", b"tags"));
    let sink = played(&bytes);
    assert_eq!(times(&sink, Track::Video).len(), 3);
    let mut reader = open(&bytes).unwrap();
    let mut disk = InMemory { bytes: &bytes, reads: 0 };
    let dts = reader.seek(&mut disk, Ticks::from_ms(1500), &mut Collector::default()).unwrap();
    assert_eq!(dts, Ticks::from_ms(1000));
    assert_eq!(times(&play(&mut reader, &bytes).0, Track::Video).len(), 2);
}

#[test]
fn a_seek_finds_the_key_frame_before_with_cues_and_without() {
    let clusters: Vec<Vec<u8>> = (0..100).map(|n| second(n, 2_000)).collect();
    let cues = |places: &[u64]| {
        let point = |(n, place): (usize, &u64)| {
            let position = [number("f7", 1), number("f1", *place)].concat();
            let time = number("b3", n as u64 * 1000);
            element("bb", &[time, element("b7", &position)].concat())
        };
        element("1c53bb6b", &places.iter().enumerate().map(point).collect::<Vec<_>>().concat())
    };
    let mut head = [tracks(), cues(&[0; 100])].concat().len() as u64;
    let mut places = Vec::new();
    for cluster in &clusters {
        places.push(head);
        head += cluster.len() as u64;
    }
    let wrong: Vec<u64> = places.iter().map(|place| place + 3).collect();
    for (index, reads_max) in [(cues(&places), 12), (cues(&wrong), 400), (Vec::new(), 400)] {
        let bytes = whole(&[vec![tracks(), index], clusters.clone()].concat());
        let mut reader = open(&bytes).unwrap();
        // Decoded 200 ms before they are shown.
        for (to_ms, wanted) in
            [(0, -200), (-900, -200), (799, -200), (800, 800), (50_500, 49_800), (1 << 40, 98_800)]
        {
            let mut disk = InMemory { bytes: &bytes, reads: 0 };
            let mut sink = Collector::default();
            let dts = reader.seek(&mut disk, Ticks::from_ms(to_ms), &mut sink).unwrap();
            assert_eq!(dts.to_ms(), wanted, "to {to_ms}");
            assert!(disk.reads <= reads_max, "{} reads", disk.reads);
            let (sink, error) = play(&mut reader, &bytes);
            assert!(error.is_none());
            let (first, _) = sink.units()[0];
            assert_eq!((first.dts, first.key, sink.configs().len()), (dts, true, 2));
        }
    }
}

#[test]
fn groups_laces_and_stripped_beginnings_are_undone() {
    let group = |reference: bool, time, payload: &[u8]| {
        let mut parts = element("a1", &block(1, time, 0, payload));
        if reference {
            parts.extend(element("fb", &[0xff]));
        }
        element("a0", &parts)
    };
    let stripping = [number("4254", 3), element("4255", &[0, 0, 0])].concat();
    let encodings = element("6d80", &element("6240", &element("5034", &stripping)));
    let tracks = element(
        "1654ae6b",
        &[video_entry(&encodings), audio_entry("A_AAC", &hex("1190"))].concat(),
    );
    let cluster = cluster(
        0,
        &[
            group(false, 0, &hex("0265aa")),
            group(true, 40, &hex("0241bb")),
            simple(2, 0, 0x02, b"\x02\x01\x02abbccc"),
            simple(2, 64, 0x04, b"\x01ddee"),
            simple(2, 107, 0x06, b"\x02\x81\xc0fgghhh"),
            simple(3, 0, 0, b"of another track"),
        ],
    );
    let sink = played(&whole(&[tracks, cluster]));
    assert_eq!(sink.nals(), [hex("65aa"), hex("41bb")]);
    assert_eq!(times(&sink, Track::Video), [(0, 0, true), (40, 40, false)]);
    let wanted = [
        (0, "a"),
        (21, "bb"),
        (42, "ccc"),
        (64, "dd"),
        (85, "ee"),
        (107, "f"),
        (128, "gg"),
        (149, "hhh"),
    ];
    let wanted = wanted.map(|(ms, bytes)| (ms, bytes.as_bytes().to_vec()));
    assert_eq!(sounds(&sink), wanted);
}

#[test]
fn old_names_of_aac_are_understood() {
    for (codec, record) in [("A_AAC/MPEG4/LC", "1190"), ("A_AAC/MPEG2/MAIN", "0990")] {
        let tracks = element("1654ae6b", &[video_entry(&[]), audio_entry(codec, b"")].concat());
        let bytes = whole(&[tracks, second(0, 10)]);
        let audio = open(&bytes).unwrap().contents().audio.clone().unwrap();
        assert_eq!(audio.record, hex(record)[..]);
    }
}

#[test]
fn frames_shown_before_the_first_key_frame_are_left_out() {
    let blocks = [(-40, 0), (100, 0x80), (40, 0), (80, 0), (200, 0), (140, 0), (180, 0)];
    let blocks = blocks.map(|(time, flags)| {
        simple(1, time, flags, &if flags == 0 { other(9) } else { picture(9) })
    });
    let sink = played(&whole(&[tracks(), cluster(1000, &blocks)]));
    let shown: Vec<i64> = times(&sink, Track::Video).iter().map(|(_, pts, _)| *pts).collect();
    assert_eq!(shown, [0, 100, 40, 80]);
}

#[test]
fn what_cannot_be_played_is_named() {
    let said = |entries: &[Vec<u8>]| {
        let bytes = whole(&[element("1654ae6b", &entries.concat()), second(0, 10)]);
        let error = open(&bytes).expect_err("an error");
        (error.to_string(), error.remedy())
    };
    let foreign = |codec: &str| {
        element("ae", &[number("d7", 1), number("83", 1), element("86", codec.as_bytes())].concat())
    };
    let (vp9, remedy) = said(&[foreign("V_VP9"), audio_entry("A_OPUS", b"")]);
    assert_eq!(
        (vp9.as_str(), remedy),
        ("it contains VP9 video, which is not supported", Some(Remedy::Both))
    );
    let (hevc, remedy) = said(&[foreign("V_MPEGH/ISO/HEVC"), audio_entry("A_AAC", b"")]);
    assert!(hevc.contains("HEVC video"));
    assert!(remedy == Some(Remedy::Video));
    let encoding = |parts: &[u8]| video_entry(&element("6d80", &element("6240", parts)));
    let (zlib, remedy) = said(&[encoding(&element("5034", &number("4254", 0)))]);
    assert!(zlib.contains("compressed tracks"));
    assert!(remedy == Some(Remedy::Remux));
    let (hidden, remedy) = said(&[encoding(&number("5033", 1))]);
    assert!(hidden.contains("encrypted tracks"), "{hidden}");
    assert!(remedy.is_none(), "{hidden}");
    assert!(said(&[]).0.contains("no H.264 key frame"));

    let entries = [video_entry(&[]), audio_entry("A_DTS/EXPRESS", b"")].concat();
    let bytes = whole(&[element("1654ae6b", &entries), second(0, 10)]);
    assert_eq!(open(&bytes).unwrap().contents().left_out, Some("DTS audio"));
    assert!(matches!(open(&[ebml("mp4"), vec![0; 99]].concat()), Err(FileError::NotRecognised)));
    let late = whole(&[tracks(), cluster(0, &[simple(1, 0, 0x80, &other(5))])]);
    assert!(matches!(open(&late), Err(FileError::NoVideo)));
}

#[test]
fn tracks_behind_the_clusters_are_found_by_the_seek_head() {
    let clusters = second(0, 20);
    let seek = |position: u64| {
        let entry = [element("53ab", &hex("1654ae6b")), number("53ac", position)].concat();
        element("114d9b74", &element("4dbb", &entry))
    };
    let position = seek(0).len() + clusters.len();
    let sink = played(&whole(&[seek(position as u64), clusters, tracks()]));
    assert_eq!(times(&sink, Track::Video).len(), 5);
}

#[test]
fn duration_and_unit_of_time_are_read() {
    let info = [number("2ad7b1", 100_000), element("4489", &125_000f32.to_be_bytes())].concat();
    let cluster = cluster(20, &[simple(1, 0, 0x80, &picture(5)), simple(1, 400, 0, &picture(5))]);
    let bytes = whole(&[element("1549a966", &info), tracks(), cluster]);
    assert_eq!(open(&bytes).unwrap().contents().duration, Some(Ticks::from_ms(12_500)));
    assert_eq!(times(&played(&bytes), Track::Video)[1].1, 40);
}

/// A recording whose program crashed says no sizes; one that was not copied whole says that of all.
#[test]
fn a_file_cut_anywhere_plays_as_far_as_it_goes() {
    let said = clip(2, 30);
    let mut unsaid = [ebml("matroska"), hex("18538067"), UNKNOWN.to_vec(), tracks()].concat();
    let head = unsaid.len();
    for n in 0..2 {
        unsaid.extend([hex("1f43b675"), UNKNOWN.to_vec()].concat());
        unsaid.extend(&second(n, 30)[12..]);
    }
    for bytes in [said, unsaid] {
        let whole = played(&bytes).units();
        let first_picture = head + 12 + 17 + 12 + 4 + 34;
        let mut came = 0;
        for length in 1..bytes.len() {
            match open(&bytes[..length]) {
                Ok(mut reader) => {
                    assert_eq!(reader.contents().duration, None);
                    let (sink, error) = play(&mut reader, &bytes[..length]);
                    assert!(error.is_none(), "{length}: {error:?}");
                    let units = sink.units();
                    // What was whole is there, and nothing else.
                    assert!(units.len() >= came, "{length}");
                    assert!(units.len() <= came + 1, "{length}");
                    came = units.len();
                    let payloads = units.iter().map(|(start, bytes)| (start.track, bytes));
                    let all = whole.iter().map(|(start, bytes)| (start.track, bytes));
                    assert!(payloads.eq(all.take(came)), "{length}");
                }
                Err(FileError::Truncated { .. } | FileError::NoVideo) => {
                    assert!(length < first_picture, "{length}");
                }
                Err(FileError::NotRecognised) => assert!(length < 40),
                Err(error) => panic!("{length}: {error}"),
            }
        }
        assert_eq!(came, whole.len() - 1);
    }
}

#[test]
fn damage_is_told_where_it_is() {
    let bad = cluster(0, &[simple(1, 0, 0x80, &picture(5)), vec![0; 20]]);
    let bytes = whole(&[tracks(), bad]);
    let (sink, error) = play(&mut open(&bytes).unwrap(), &bytes);
    let at = bytes.len() as u64 - 20;
    assert!(matches!(error, Some(FileError::Broken { at: place, .. }) if place == at), "{error:?}");
    assert_eq!(sink.units().len(), 1);
    let lies = vec![simple(1, 0, 0, &hex("00000009aa")); 40];
    let bytes = whole(&[tracks(), second(0, 10), cluster(2000, &lies)]);
    let (sink, error) = play(&mut open(&bytes).unwrap(), &bytes);
    assert!(matches!(error, Some(FileError::Broken { .. })), "{error:?}");
    assert_eq!(sink.units().len(), 10);
}

#[test]
fn damaged_files_do_no_harm() {
    let whole = clip(2, 40);
    let mut random = Random(4711);
    for _ in 0..3_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(8) {
            let place = random.below(bytes.len());
            bytes[place] = random.byte();
        }
        let Ok(mut reader) = open(&bytes) else { continue };
        play(&mut reader, &bytes);
        let mut disk = InMemory { bytes: &bytes, reads: 0 };
        let to = Ticks::from_ms(random.below(3000) as i64);
        reader.seek(&mut disk, to, &mut Collector::default()).unwrap();
        play(&mut reader, &bytes);
    }
}

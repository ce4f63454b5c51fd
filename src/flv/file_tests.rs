use super::*;
use crate::codec::collector::{hex, play, Collector, Random};
use crate::codec::window::InMemory;

const AVC: &str = "0142c00affe100156742c00ada11ec0440000003004000000f03c489a801000468ce0fc8";

fn push(file: &mut Vec<u8>, kind: u8, ms: u32, body: &[u8]) {
    let [_, d0, d1, d2] = u32::try_from(body.len()).unwrap().to_be_bytes();
    let [extension, t0, t1, t2] = ms.to_be_bytes();
    file.extend([kind, d0, d1, d2, t0, t1, t2, extension, 0, 0, 0]);
    file.extend(body);
    file.extend(u32::try_from(body.len() + 11).unwrap().to_be_bytes());
}

fn head() -> Vec<u8> {
    hex("464c5601050000000900000000")
}

fn headers(file: &mut Vec<u8>, ms: u32) {
    push(file, 9, ms, &hex(&format!("1700000000{AVC}")));
    push(file, 8, ms, &hex("af001190"));
}

fn picture(key: bool, bytes: usize, random: &mut Random) -> Vec<u8> {
    let mut body = if key { hex("1701000000") } else { hex("2701000000") };
    body.extend(u32::try_from(bytes).unwrap().to_be_bytes());
    body.push(if key { 0x65 } else { 0x41 });
    body.extend((1..bytes).map(|_| random.byte()));
    body
}

/// A key frame a second and four others, with as many bytes as asked for, and audio between.
fn file(seconds: u32, bytes: usize, start_ms: u32) -> Vec<u8> {
    let mut random = Random(11);
    let mut file = head();
    headers(&mut file, start_ms);
    for n in 0..seconds * 5 {
        let ms = start_ms.wrapping_add(n * 200);
        push(&mut file, 9, ms, &picture(n % 5 == 0, bytes, &mut random));
        push(&mut file, 8, ms.wrapping_add(3), &hex("af010102"));
    }
    file
}

fn open(bytes: &[u8]) -> Result<FlvFile, FileError> {
    FlvFile::open(&mut InMemory { bytes, reads: 0 })
}

#[test]
fn a_file_is_read_from_its_first_unit_to_its_last() {
    // Wherever the timestamps begin, the beginning is 0.
    for start_ms in [0, 5_000, 0xffff_ff00] {
        let bytes = file(3, 70_000, start_ms);
        assert!(is_flv(&bytes));
        let mut reader = open(&bytes).unwrap();
        let contents = reader.contents().clone();
        assert_eq!(contents.duration, Some(Ticks::from_ms(2803)));
        assert_eq!(contents.video.unwrap().width, 64);
        assert_eq!((contents.audio.unwrap().sample_rate_hz, contents.left_out), (48_000, None));
        let (sink, error) = play(&mut reader, &bytes);
        assert!(error.is_none());
        let units = sink.units();
        assert_eq!((units.len(), sink.configs().len()), (30, 2));
        for (n, (start, unit)) in units.iter().enumerate() {
            let video = n % 2 == 0;
            let ms = n as i64 / 2 * 200 + if video { 0 } else { 3 };
            assert_eq!((start.dts, start.pts), (Ticks::from_ms(ms), Ticks::from_ms(ms)));
            assert_eq!(start.key, n % 10 == 0);
            assert_eq!(unit.len(), if video { 70_004 } else { 2 });
        }
    }
}

#[test]
fn what_is_shown_first_is_at_0() {
    let mut bytes = head();
    headers(&mut bytes, 0);
    push(&mut bytes, 9, 1000, &hex("17010000420000000165"));
    push(&mut bytes, 8, 1044, &hex("af010102"));
    let (sink, _) = play(&mut open(&bytes).unwrap(), &bytes);
    let times = sink.units().into_iter().map(|(unit, _)| (unit.dts.to_ms(), unit.pts.to_ms()));
    assert_eq!(sink.units().len(), 2);
    assert_eq!(times.collect::<Vec<_>>(), [(-44, 22), (0, 0)]);
}

#[test]
fn a_seek_goes_to_the_key_unit_before() {
    // Large enough to be divided, and small enough to be walked through.
    for (bytes, reads_max) in [(file(120, 20_000, 7_000), 60), (file(120, 50, 7_000), 10)] {
        let mut reader = open(&bytes).unwrap();
        for to_ms in [0, -5, 1, 999, 1000, 1001, 59_999, 60_000, 118_999, 119_000, 500_000, 400] {
            let mut disk = InMemory { bytes: &bytes, reads: 0 };
            let mut sink = Collector::default();
            let dts = reader.seek(&mut disk, Ticks::from_ms(to_ms), &mut sink).unwrap();
            let wanted = (to_ms.clamp(0, 119_999) / 1000) * 1000;
            assert_eq!(dts, Ticks::from_ms(wanted), "to {to_ms}");
            assert!(disk.reads < reads_max, "{} reads", disk.reads);
            let (sink, error) = play(&mut reader, &bytes);
            assert!(error.is_none());
            let (first, _) = sink.units()[0];
            assert_eq!((first.dts, first.key, sink.configs().len()), (dts, true, 2));
        }
    }
}

#[test]
fn a_seek_needs_no_sizes_behind_the_tags() {
    let mut bytes = file(20, 60_000, 0);
    let mut at = 13;
    while at < bytes.len() {
        let tag = TAG_HEADER_BYTES as usize
            + u32::from_be_bytes([0, bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        bytes[at + tag..at + tag + 4].fill(0);
        at += tag + 4;
    }
    let mut reader = open(&bytes).unwrap();
    assert_eq!(reader.contents().duration, None);
    let mut disk = InMemory { bytes: &bytes, reads: 0 };
    let dts = reader.seek(&mut disk, Ticks::from_ms(15_500), &mut Collector::default()).unwrap();
    assert_eq!(dts, Ticks::from_ms(15_000));
}

#[test]
fn a_changed_configuration_before_the_key_unit_is_found_with_it() {
    let mut random = Random(3);
    let mut bytes = file(2, 50, 0);
    push(&mut bytes, 8, 2000, &hex("af001210"));
    push(&mut bytes, 9, 2000, &picture(true, 50, &mut random));
    push(&mut bytes, 8, 2003, &hex("af010102"));
    let mut reader = open(&bytes).unwrap();
    let mut disk = InMemory { bytes: &bytes, reads: 0 };
    reader.seek(&mut disk, Ticks::from_ms(2000), &mut Collector::default()).unwrap();
    let (sink, _) = play(&mut reader, &bytes);
    let rate = |config: &TrackConfig| match config {
        TrackConfig::Aac(aac) => aac.sample_rate_hz,
        TrackConfig::Avc(_) => 0,
    };
    assert_eq!(sink.configs().iter().map(rate).collect::<Vec<_>>(), [44_100, 0]);
}

#[test]
fn a_file_cut_anywhere_plays_up_to_there() {
    let bytes = file(2, 300, 0);
    let mut whole = 0;
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        let Ok(mut reader) = open(cut) else {
            assert!(length < 500);
            continue;
        };
        let (sink, error) = play(&mut reader, cut);
        match error {
            None => whole += 1,
            Some(FileError::Truncated { at }) => assert_eq!(at, length as u64),
            Some(error) => panic!("{error}"),
        }
        let tags = sink.units().len();
        assert!(tags <= 20);
        assert!((tags == 20 || length < bytes.len() - 4));
    }
    // Between two tags, or within the size that stands there.
    assert!((60..=5 * 22).contains(&whole), "{whole}");
}

#[test]
fn the_stated_duration_helps_out() {
    let mut script = hex("02000a6f6e4d6574614461746108000000020008");
    script.extend(b"duration\0");
    script.extend(12.5f64.to_be_bytes());
    let mut bytes = head();
    push(&mut bytes, 18, 0, &script);
    bytes.extend(&file(1, 50, 0)[13..]);
    assert_eq!(open(&bytes).unwrap().contents().duration, Some(Ticks::from_ms(803)));
    bytes.truncate(bytes.len() - 1);
    assert_eq!(open(&bytes).unwrap().contents().duration, Some(Ticks::from_ms(12_500)));
}

#[test]
fn what_cannot_be_played_is_named() {
    let said = |tags: &[(u8, &str)]| {
        let mut bytes = head();
        for (kind, body) in tags {
            push(&mut bytes, *kind, 0, &hex(body));
        }
        let error = open(&bytes).expect_err("an error");
        (error.to_string(), error.remedy())
    };
    let vp6 = "it contains VP6 video, which is not supported".to_owned();
    assert_eq!(said(&[(9, "1400aabb")]), (vp6.clone(), Some(Remedy::Video)));
    assert_eq!(said(&[(9, "1400aabb"), (8, "2faa")]), (vp6, Some(Remedy::Both)));
    let hevc = "it contains HEVC video (Enhanced RTMP), which is not supported".to_owned();
    assert_eq!(said(&[(9, "9068766331aabb")]), (hevc, Some(Remedy::Video)));
    let none = "it has sound and no picture".to_owned();
    assert_eq!(said(&[(8, "af001190"), (8, "af010101")]), (none, Some(Remedy::Picture)));
    let useless = [(9, "170000000000"), (9, "17010000000000000165")];
    assert!(said(&useless).0.contains("has no parameter sets"));
    assert!(said(&useless[1..]).0.contains("has no parameter sets"));
    assert!(matches!(open(b"RIFF....AVI LIST"), Err(FileError::NotRecognised)));

    let mut bytes = head();
    push(&mut bytes, 9, 0, &hex(&format!("1700000000{AVC}")));
    push(&mut bytes, 8, 0, &hex("2faabb"));
    push(&mut bytes, 9, 0, &hex("17010000000000000165"));
    let mut reader = open(&bytes).unwrap();
    assert_eq!(reader.contents().left_out, Some("MP3 audio"));
    assert_eq!(play(&mut reader, &bytes).0.units().len(), 1);
    // Audio that never comes is not waited for beyond reason.
    let silent = &file(30, 50, 0);
    let mut bytes = head();
    for tag in crate::flv::reader::FlvReader::new(silent).unwrap().map(Result::unwrap) {
        if tag.kind == TagKind::Video {
            push(&mut bytes, 9, tag.timestamp_ms, tag.body);
        }
    }
    assert_eq!(open(&bytes).unwrap().contents().audio, None);
}

#[test]
fn what_is_no_tag_ends_the_file() {
    let mut bytes = file(1, 50, 0);
    let at = bytes.len() as u64;
    push(&mut bytes, 15, 0, b"a type yet to come");
    bytes.extend(b"\x01\0\0\x10 and nothing like it whatsoever");
    let (sink, error) = play(&mut open(&bytes).unwrap(), &bytes);
    let garbage = at + 11 + 18 + 4;
    assert!(matches!(error, Some(FileError::Broken { at, .. }) if at == garbage), "{error:?}");
    assert_eq!(sink.units().len(), 10);
}

#[test]
fn nothing_but_damaged_units_is_given_up() {
    let mut bytes = file(1, 50, 0);
    for n in 0..100 {
        push(&mut bytes, 9, 1000 + n, &hex("270100000000000009aa"));
    }
    let (sink, error) = play(&mut open(&bytes).unwrap(), &bytes);
    assert!(matches!(error, Some(FileError::Broken { .. })), "{error:?}");
    assert_eq!(sink.units().len(), 10);
}

#[test]
fn damaged_files_do_no_harm() {
    let whole = file(3, 200, 0);
    let mut random = Random(77);
    for _ in 0..3_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(8) {
            let place = random.below(bytes.len());
            bytes[place] = random.byte();
        }
        let Ok(mut reader) = open(&bytes) else { continue };
        play(&mut reader, &bytes);
        let mut disk = InMemory { bytes: &bytes, reads: 0 };
        let to = Ticks::from_ms(random.below(4000) as i64);
        reader.seek(&mut disk, to, &mut Collector::default()).unwrap();
        play(&mut reader, &bytes);
    }
}

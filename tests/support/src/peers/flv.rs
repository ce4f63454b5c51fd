//! FLV files as peers write them (Adobe FLV 10.1, annex E), read into frames. Written apart
//! from the program's own reader: a mistake there must not hide here.

use std::path::Path;

use super::frames::{Frame, Recording};

/// The kind of an audio tag or message.
pub const AUDIO: u8 = 8;
/// The kind of a video tag or message.
pub const VIDEO: u8 = 9;

/// Reads a file; one cut short ends with its last whole tag.
pub fn read(path: &Path) -> Recording {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&bytes)
}

/// Reads the frames of a file.
pub fn parse(bytes: &[u8]) -> Recording {
    let mut recording = Recording::default();
    for (kind, time, body) in tags(bytes) {
        message(&mut recording, kind, time, &body);
    }
    recording
}

/// A tag: its kind, timestamp and body.
pub type Tag = (u8, u32, Vec<u8>);

/// Reads the audio and video tags of a file.
pub fn tags(bytes: &[u8]) -> Vec<Tag> {
    let mut tags = Vec::new();
    let Some((header, mut rest)) = bytes.split_first_chunk::<9>() else { return tags };
    assert!(header.starts_with(b"FLV\x01"), "not an FLV file: {header:?}");
    // PreviousTagSize stands before each tag.
    while let Some((head, behind)) = rest.split_first_chunk::<15>() {
        let [_, _, _, _, kind, s2, s1, s0, t2, t1, t0, t3, _, _, _] = *head;
        let size = u32::from_be_bytes([0, s2, s1, s0]) as usize;
        let Some((body, after)) = behind.split_at_checked(size) else { break };
        if matches!(kind, AUDIO | VIDEO) {
            tags.push((kind, u32::from_be_bytes([t3, t2, t1, t0]), body.to_vec()));
        }
        rest = after;
    }
    tags
}

/// Writes tags into a file.
pub fn write<'a>(tags: impl IntoIterator<Item = (u8, u32, &'a [u8])>, into: &Path) {
    let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
    for (kind, time_ms, body) in tags {
        let size = u32::try_from(body.len()).expect("a tag's body");
        let [_, s2, s1, s0] = size.to_be_bytes();
        let [t3, t2, t1, t0] = time_ms.to_be_bytes();
        file.extend([kind, s2, s1, s0, t2, t1, t0, t3, 0, 0, 0]);
        file.extend(body);
        file.extend((size + 11).to_be_bytes());
    }
    std::fs::write(into, file).unwrap_or_else(|error| panic!("{}: {error}", into.display()));
}

/// Adds what one audio or video message of FLV or RTMP carries.
pub fn message(recording: &mut Recording, kind: u8, timestamp_ms: u32, body: &[u8]) {
    let dts_ms = i64::from(timestamp_ms);
    match (kind, body) {
        (VIDEO, [first, 1, c2, c1, c0, payload @ ..]) => {
            let composition_ms = i64::from(i32::from_be_bytes([*c2, *c1, *c0, 0]) >> 8);
            let key = first >> 4 == 1;
            recording.video.push(Frame::video(key, dts_ms, dts_ms + composition_ms, payload));
        }
        (VIDEO, [_, 0, ..]) => recording.video_configs += 1,
        (AUDIO, [_, 1, payload @ ..]) => {
            recording.audio.push(Frame::audio(dts_ms, payload));
        }
        (AUDIO, [_, 0, ..]) => recording.audio_configs += 1,
        _ => {}
    }
}

#[test]
fn tags_become_frames_and_a_cut_tail_is_left_out() {
    let mut file = b"FLV\x01\x05\0\0\0\x09".to_vec();
    let tag = |kind: u8, time: [u8; 4], body: &[u8]| {
        let [t3, t2, t1, t0] = time;
        let size = u8::try_from(body.len()).expect("a small body");
        [&[0, 0, 0, 0, kind, 0, 0, size, t2, t1, t0, t3, 0, 0, 0], body].concat()
    };
    file.extend(tag(VIDEO, [0, 0, 0, 0], &[0x17, 0, 0, 0, 0, 9]));
    file.extend(tag(VIDEO, [1, 0, 0, 2], &[0x17, 1, 0, 0, 5, 0, 0, 0, 1, 7]));
    file.extend(tag(AUDIO, [0, 0, 0, 3], &[0xAF, 1, 8]));
    file.extend(tag(VIDEO, [0, 0, 1, 0], &[0x27, 1, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 6]));
    let cut = tag(VIDEO, [0, 0, 2, 0], &[0x27, 1, 0, 0, 0, 6]);
    file.extend(cut.iter().take(18));
    let recording = parse(&file);
    assert_eq!(recording.video_configs, 1);
    let times: Vec<_> = recording.video.iter().map(|f| (f.key, f.dts_ms, f.pts_ms)).collect();
    assert_eq!(times, [(true, 0x0100_0002, 0x0100_0007), (false, 256, 255)]);
    assert_eq!(recording.audio, [Frame::audio(3, &[8])]);
}

//! Frames and what must hold between those sent and those received: unchanged, in order, none
//! left out, with the same distances in time.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Silence as the program fills it in where no sound was: AAC-LC, 48 kHz, stereo.
pub const SILENCE: [u8; 6] = [33, 0, 0, 0, 0, 28];

/// An access unit or an AAC frame: enough of it to tell whether two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// A video frame a decoder can start with.
    pub key: bool,
    /// Decoding time, milliseconds.
    pub dts_ms: i64,
    /// Presentation time, milliseconds.
    pub pts_ms: i64,
    /// Bytes of its payload.
    pub bytes: usize,
    /// Digest of its payload.
    pub digest: u64,
    /// Digest of its picture: the payload without delimiters and parameter sets, which may be
    /// added or left out where nothing else may.
    pub picture: u64,
}

impl Frame {
    /// A video frame with these NAL units, each behind its length.
    pub fn video(key: bool, dts_ms: i64, pts_ms: i64, unit: &[u8]) -> Frame {
        let nal_units = nal_units(unit).expect("an access unit of whole NAL units");
        let is_picture = |nal: &&&[u8]| !matches!(nal.first().map(|first| first & 31), Some(7..=9));
        let picture = digest(nal_units.iter().filter(is_picture).collect::<Vec<_>>());
        Frame { key, dts_ms, pts_ms, bytes: unit.len(), digest: digest(&nal_units), picture }
    }

    /// An audio frame.
    pub fn audio(dts_ms: i64, payload: &[u8]) -> Frame {
        let (bytes, digest) = (payload.len(), digest(payload));
        Frame { key: false, dts_ms, pts_ms: dts_ms, bytes, digest, picture: digest }
    }
}

fn digest(payload: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}

/// What a viewer got, or what a source holds.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Video frames in decoding order.
    pub video: Vec<Frame>,
    /// Audio frames.
    pub audio: Vec<Frame>,
    /// Video configurations seen.
    pub video_configs: usize,
    /// Audio configurations seen.
    pub audio_configs: usize,
}

/// The NAL units of an access unit in which each stands behind its length, without the zeros
/// that may trail a NAL unit in Annex B and are no part of it (ITU-T H.264, B.1.2); `None` when
/// the lengths do not add up.
fn nal_units(mut unit: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = unit.split_first_chunk() {
        let (nal, behind) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let end = nal.iter().rposition(|byte| *byte != 0)?;
        found.push(nal.split_at(end + 1).0);
        unit = behind;
    }
    unit.is_empty().then_some(found)
}

/// A run of received frames that follow each other in the source as they do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it begins among the received frames.
    pub received_at: usize,
    /// Where it begins in the source.
    pub source_at: usize,
    /// How many frames.
    pub frames: usize,
}

/// The longest runs of the source among the received frames, in order; whatever is not of the
/// source lies between them.
pub fn runs(received: &[Frame], source: &[Frame]) -> Vec<Run> {
    let mut places = HashMap::new();
    for (at, frame) in source.iter().enumerate() {
        places.entry(frame.digest).or_insert(at);
    }
    let mut runs: Vec<Run> = Vec::new();
    for (received_at, frame) in received.iter().enumerate() {
        if let Some(run) = runs.last_mut() {
            let follows = run.received_at + run.frames == received_at;
            let next = source.get(run.source_at + run.frames);
            if follows && next.is_some_and(|next| next.digest == frame.digest) {
                run.frames += 1;
                continue;
            }
        }
        if let Some(&source_at) = places.get(&frame.digest) {
            runs.push(Run { received_at, source_at, frames: 1 });
        }
    }
    runs
}

/// Asserts that a track was received as one run of at least `frames_min` frames, and returns it.
pub fn one_run(what: &str, received: &[Frame], source: &[Frame], frames_min: usize) -> Run {
    let found = runs(received, source);
    let whole = format!("{what}: {} received of {}", received.len(), source.len());
    let [run] = found.as_slice() else { panic!("{whole}: not one run but {found:?}") };
    assert!(run.frames >= frames_min, "{whole}: {run:?} is shorter than {frames_min}");
    *run
}

/// Asserts that the frames of a video and an audio run stand at the source's distances from each
/// other: one offset for both tracks, both times, to the millisecond each clock rounds by.
pub fn same_distances(what: &str, received: &Recording, source: &Recording, runs: [Run; 2]) {
    let [video, audio] = runs;
    let mut offsets = offsets(&received.video, &source.video, video);
    offsets.extend(self::offsets(&received.audio, &source.audio, audio));
    let smallest = offsets.iter().min().expect("the runs hold frames");
    let largest = offsets.iter().max().expect("the runs hold frames");
    assert!(largest - smallest <= 2, "{what}: offsets from {smallest} to {largest} ms");
}

fn offsets(received: &[Frame], source: &[Frame], run: Run) -> Vec<i64> {
    let received = received.iter().skip(run.received_at).take(run.frames);
    let pairs = received.zip(source.iter().skip(run.source_at));
    pairs.flat_map(|(r, s)| [r.dts_ms - s.dts_ms, r.pts_ms - s.pts_ms]).collect()
}

/// Asserts that decoding times only grow.
pub fn only_grows(what: &str, frames: &[Frame]) {
    for (at, pair) in frames.windows(2).enumerate() {
        let [before, after] = pair else { unreachable!("windows of two") };
        assert!(
            after.dts_ms > before.dts_ms,
            "{what}: frame {} at {} ms follows one at {} ms",
            at + 1,
            after.dts_ms,
            before.dts_ms
        );
    }
}

/// Asserts that every frame is one of the source, in its order, or of the card, or silence where
/// the one's sound ends before the other's begins; counts the source's.
pub fn in_order(track: &str, seen: &[Frame], source: &[Frame], standby: &[Frame]) -> usize {
    let silence = Frame::audio(0, &SILENCE).digest;
    let card: HashSet<u64> = standby.iter().map(|frame| frame.digest).chain([silence]).collect();
    let mut expected = source.iter();
    let mut from_source = 0;
    for (at, frame) in seen.iter().enumerate().filter(|(_, frame)| !card.contains(&frame.digest)) {
        let found = expected.any(|known| known.digest == frame.digest);
        assert!(found, "{track}: frame {at}, {frame:?}, is none of the source's, or out of order");
        from_source += 1;
    }
    from_source
}

/// The longest distance between two decoding times that follow each other, milliseconds.
pub fn longest_step_ms(frames: &[Frame]) -> i64 {
    let times = frames.iter().map(|frame| frame.dts_ms);
    times.clone().zip(times.skip(1)).map(|(before, after)| after - before).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payloads: &[u8]) -> Vec<Frame> {
        let at = |(n, payload): (i64, &u8)| Frame::audio(n * 40, &[*payload]);
        (0..).zip(payloads).map(at).collect()
    }

    #[test]
    fn a_hole_a_swap_and_a_change_each_break_a_run() {
        let source = frames(&[1, 2, 3, 4, 5]);
        let run = |received_at, source_at, frames| Run { received_at, source_at, frames };
        assert_eq!(runs(&frames(&[9, 9, 2, 3, 4, 9]), &source), [run(2, 1, 3)]);
        assert_eq!(runs(&frames(&[1, 2, 4, 5]), &source), [run(0, 0, 2), run(2, 3, 2)]);
        assert_eq!(runs(&frames(&[1, 2, 9, 4]), &source), [run(0, 0, 2), run(3, 3, 1)]);
        assert_eq!(runs(&frames(&[1, 3, 2, 4]), &source).len(), 4);
        assert_eq!(runs(&frames(&[1, 1, 2]), &source), [run(0, 0, 1), run(1, 0, 2)]);
    }

    #[test]
    #[should_panic(expected = "offsets from 0 to 3 ms")]
    fn a_drift_between_the_tracks_is_seen() {
        let source =
            Recording { video: frames(&[1, 2]), audio: frames(&[3, 4]), ..Default::default() };
        let mut received = source.clone();
        received.audio[1].pts_ms += 3;
        let run = Run { received_at: 0, source_at: 0, frames: 2 };
        same_distances("drift", &received, &source, [run, run]);
    }

    #[test]
    #[should_panic(expected = "frame 1 at 0 ms follows one at 0 ms")]
    fn a_time_that_repeats_is_seen() {
        let mut repeated = frames(&[1, 2]);
        repeated[1].dts_ms = 0;
        only_grows("repeat", &repeated);
    }

    #[test]
    fn zeros_behind_a_nal_unit_are_no_part_of_it() {
        let unit = |bytes: &[u8]| Frame::video(false, 0, 0, bytes).digest;
        let plain = unit(&[0, 0, 0, 2, 9, 16, 0, 0, 0, 1, 5]);
        assert_eq!(plain, unit(&[0, 0, 0, 2, 9, 16, 0, 0, 0, 3, 5, 0, 0]));
        assert_ne!(plain, unit(&[0, 0, 0, 1, 9, 0, 0, 0, 2, 16, 5]));
        assert_ne!(plain, unit(&[0, 0, 0, 2, 9, 16]));
        assert_eq!(nal_units(&[0, 0, 0, 2, 9]), None);
        assert_eq!(nal_units(&[0, 0, 0, 1, 9, 0, 0]), None);
    }

    #[test]
    fn the_longest_step_is_measured() {
        assert_eq!(longest_step_ms(&frames(&[1, 2, 3])), 40);
        assert_eq!(longest_step_ms(&[]), 0);
    }

    #[test]
    fn frames_of_the_card_do_not_count_as_the_sources() {
        let (source, card) = (frames(&[1, 2, 3, 4]), frames(&[8, 9]));
        assert_eq!(in_order("video", &frames(&[8, 9, 1, 3, 8, 4]), &source, &card), 3);
    }

    #[test]
    #[should_panic(expected = "frame 2")]
    fn a_frame_out_of_order_is_seen() {
        in_order("video", &frames(&[1, 3, 2]), &frames(&[1, 2, 3]), &[]);
    }

    #[test]
    #[should_panic(expected = "frame 1")]
    fn a_frame_of_nobody_is_seen() {
        in_order("video", &frames(&[1, 7]), &frames(&[1, 2, 3]), &frames(&[8]));
    }
}

//! What is measured of units that a reader hands over.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::*;
use crate::codec::access_unit::{AacConfig, ConfigRecord};
use crate::codec::container::{ContainerReader, Contents, ReadAt};
use crate::program::reading::FilePlace;

struct NoFile(u64);

impl ReadAt for NoFile {
    fn size(&self) -> u64 {
        self.0
    }

    fn read_at(&mut self, _: u64, into: &mut [u8]) -> io::Result<usize> {
        Ok(into.len())
    }
}

/// Hands over frames at a fixed distance, reading something for each.
#[derive(Clone)]
struct Frames {
    contents: Contents,
    distance: i64,
    gop: u64,
    frames: u64,
    read_bytes: usize,
    next: Arc<AtomicU64>,
    /// Where reading fails.
    breaks_at: u64,
    composition: i64,
}

fn avc(frame_rate: f64) -> AvcConfig {
    AvcConfig {
        record: ConfigRecord::new(),
        width: 640,
        height: 360,
        frame_rate,
        profile_idc: 100,
        constraints: 0,
        level_idc: 30,
    }
}

impl Frames {
    fn new(distance: i64, gop: u64, frames: u64) -> Frames {
        let contents = Contents { video: Some(avc(0.0)), ..Contents::default() };
        let (next, breaks_at) = (Arc::default(), u64::MAX);
        Frames { contents, distance, gop, frames, read_bytes: 0, next, breaks_at, composition: 0 }
    }

    fn try_survey(&self, size: u64) -> Result<FileDetails, FileError> {
        let place = FilePlace::new(Box::new(NoFile(size)), Box::new(self.clone()));
        survey(&mut FileReading::new(place, None))
    }

    fn survey(&self, size: u64) -> FileDetails {
        self.try_survey(size).unwrap()
    }

    fn handed(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

impl ContainerReader for Frames {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn step(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        let next = self.handed();
        if next == self.frames {
            return Ok(Progress::End);
        }
        if next == self.breaks_at {
            return Err(FileError::Truncated { at: 7 });
        }
        file.read_at(0, &mut vec![0; self.read_bytes])?;
        let dts = Ticks(self.distance * next as i64);
        let pts = dts + Ticks(self.composition);
        let key = next.is_multiple_of(self.gop);
        sink.begin(UnitStart { track: Track::Video, dts, pts, key });
        sink.write(Track::Video, &[0; 1000]);
        sink.commit(Track::Video);
        self.next.store(next + 1, Ordering::Relaxed);
        Ok(Progress::More)
    }

    fn give_up(&mut self, _: &mut dyn UnitSink) {}

    fn seek(
        &mut self,
        _: &mut dyn ReadAt,
        _: Ticks,
        _: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        unreachable!("a survey does not seek")
    }
}

#[test]
fn it_ends_after_twelve_seconds_of_media_or_as_much_as_may_be_read() {
    let long = Frames::new(3600, 50, 1_000_000);
    let details = long.survey(1);
    assert_eq!(long.handed(), 12 * 25 + 1);
    assert_eq!((details.duration_ms, details.keyframe_interval_ms), (None, Some(2_000)));
    let mut heavy = Frames::new(3600, 50, 1_000_000);
    heavy.read_bytes = 1 << 20;
    heavy.survey(1);
    assert_eq!(heavy.handed(), 8);
    let still = Frames::new(0, 50, u64::MAX);
    still.survey(1);
    assert_eq!(still.handed(), SURVEY_STEPS_MAX as u64);
}

#[test]
fn the_frame_rate_is_measured_where_the_sps_is_silent_or_wrong() {
    let rate = |distance, stated| {
        let mut frames = Frames::new(distance, 50, 100);
        frames.contents.video = Some(avc(stated));
        frames.survey(1).video.frame_rate
    };
    assert_eq!(rate(3600, 0.0), 25.0);
    assert_eq!(rate(3003, 0.0), 29.97);
    assert_eq!(rate(3003, 30_000.0 / 1001.0), (30_000.0_f64 / 1001.0) as f32);
    assert_eq!(rate(1800, 25.0), 50.0, "an SPS that counts fields");
    assert_eq!(Frames::new(3600, 1, 1).survey(1).video.frame_rate, 0.0, "one frame");
}

#[test]
fn a_group_whose_end_was_not_seen_is_at_least_so_long() {
    assert_eq!(Frames::new(3600, 1000, 5000).survey(1).keyframe_interval_ms, Some(12_000));
    let short = Frames::new(3600, 1000, 100).survey(1);
    assert_eq!(short.keyframe_interval_ms, None, "the whole file is one group");
    assert_eq!(short.duration_ms, Some(4_000), "it was read whole");
    let uneven = Frames::new(3600, 100, 130).survey(1);
    assert_eq!(uneven.keyframe_interval_ms, Some(4_000));
}

#[test]
fn bit_rates_come_from_the_size_unless_something_else_is_in_it() {
    let mut frames = Frames::new(3600, 50, 100);
    frames.contents.duration = Some(Ticks(4 * 90_000));
    let details = frames.survey(1_000_000);
    assert_eq!((details.bps, details.video.bps), (2_000_000, 2_000_000));
    let mut frames = Frames::new(3600, 50, 100);
    frames.contents.duration = Some(Ticks(4 * 90_000));
    frames.contents.left_out = Some("AC-3 audio");
    let details = frames.survey(1_000_000);
    assert_eq!((details.bps, details.video.bps), (2_000_000, 200_000));
    assert_eq!(Frames::new(3600, 50, 1000).survey(1 << 40).bps, 200_000, "as measured");
}

#[test]
fn b_frames_and_sound_are_seen() {
    let frames = Frames::new(3600, 50, 100);
    assert!(!frames.survey(1).b_frames);
    let mut frames = Frames { composition: 3600, ..Frames::new(3600, 50, 1000) };
    let record = ConfigRecord::from_slice(&[0x11, 0x90]).unwrap();
    let aac = AacConfig { record, object_type: 2, sample_rate_hz: 48_000, channels: 2 };
    frames.contents.audio = Some(aac);
    let details = frames.survey(1);
    assert!(details.b_frames);
    assert_eq!(details.audio.map(|audio| (audio.codec, audio.bps)), Some(("AAC-LC", 0)));
    assert_eq!(details.sound_delay_ms, 12_000, "none so far");
    frames.frames = 100;
    frames.next = Arc::default();
    assert_eq!(frames.survey(1).audio, None, "none at all");
}

#[test]
fn without_a_key_unit_there_is_no_video() {
    let frames = Frames::new(3600, 50, 0);
    assert!(matches!(frames.try_survey(1), Err(FileError::NoVideo)));
}

#[test]
fn what_breaks_off_is_played_so_far() {
    let broken = Frames { breaks_at: 30, ..Frames::new(3600, 50, 100) };
    let details = broken.survey(1);
    let words = details.breaks_off.expect("it breaks off");
    assert!(words.contains("cut off"), "{words}");
    let at_once = Frames { breaks_at: 0, ..Frames::new(3600, 50, 100) };
    assert!(matches!(at_once.try_survey(1), Err(FileError::Truncated { at: 7 })));
    assert_eq!(Frames::new(3600, 50, 100).survey(1).breaks_off, None);
}

#[test]
fn pauses_are_measured() {
    assert_eq!(Frames::new(3600, 50, 100).survey(1).pause_ms, 40);
    assert_eq!(Frames::new(270_000, 1, 100).survey(1).pause_ms, 3_000);
}

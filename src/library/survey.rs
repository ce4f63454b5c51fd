//! Measures a file by its beginning. Purpose: what containers do not say (the distance of key
//! frames, B-frames, the frame rate where the SPS is silent) or say wrongly; and whether it can be
//! played, for it is read in the way playing reads it. Non-goal: reading a file whole. Bound:
//! [`SURVEY_TICKS_MAX`] of media, [`SURVEY_BYTES_MAX`] of it read behind the tables,
//! [`SURVEY_STEPS_MAX`] steps; nothing is kept of a unit.

use crate::base::limits::{LIBRARY_WORDS_CHARS_MAX, SURVEY_BYTES_MAX, SURVEY_STEPS_MAX};
use crate::base::time::{Ticks, TICKS_PER_S};
use crate::codec::access_unit::{AvcConfig, Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::{FileError, Progress};
use crate::codec::per_track::PerTrack;
use crate::codec::profile::{aac_profile, h264_profile};
use crate::program::reading::FileReading;

/// How much media of a file is surveyed.
const SURVEY_TICKS_MAX: Ticks = Ticks(12 * TICKS_PER_S);

/// What is known of a file that can be played.
#[derive(Clone, Debug, PartialEq)]
pub struct FileDetails {
    /// How long it plays, milliseconds, when the file says.
    pub duration_ms: Option<u64>,
    /// The picture.
    pub video: VideoDetails,
    /// The sound, if it has any that can be carried.
    pub audio: Option<AudioDetails>,
    /// Bit rate of the whole: its size over its duration, or as measured, bit/s.
    pub bps: u64,
    /// The longest distance of key frames seen, milliseconds: at least so long where the end of
    /// a group of pictures was not seen. `None`: it is one group, and shorter than the survey.
    pub keyframe_interval_ms: Option<u32>,
    /// Frames are shown in another order than they are decoded in.
    pub b_frames: bool,
    /// A track that is there and is left out, named for a person.
    pub left_out: Option<&'static str>,
    /// The longest time from one picture to the next that was seen, milliseconds.
    pub pause_ms: u32,
    /// How long after its picture its sound begins, milliseconds, by the file's own times; as far
    /// as was looked where none had come.
    pub sound_delay_ms: u32,
    /// Some of its sound cannot be played.
    pub sound_fault: Option<SoundFault>,
    /// Why it can be played only so far, a sentence without its subject.
    pub breaks_off: Option<Box<str>>,
}

/// Why sound is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundFault {
    /// It stands further behind its picture in the file than is read ahead, or does not come.
    TooFarBehind,
    /// It cannot be read on; the picture can.
    BreaksOff,
}

/// The picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VideoDetails {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second; 0 when not even two came.
    pub frame_rate: f32,
    /// profile_idc of the SPS.
    pub profile_idc: u8,
    /// The constraint flags byte behind it.
    pub constraints: u8,
    /// level_idc: ten times the level.
    pub level_idc: u8,
    /// Bit rate, bit/s.
    pub bps: u32,
}

impl VideoDetails {
    /// The name of the codec.
    pub const CODEC: &'static str = "H.264";

    /// The profile's name (ISO/IEC 14496-10, A.2), "" when it has none.
    pub const fn profile(&self) -> &'static str {
        h264_profile(self.profile_idc, self.constraints)
    }
}

/// The sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioDetails {
    /// The name of the codec.
    pub codec: &'static str,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u8,
    /// Bit rate, bit/s.
    pub bps: u32,
}

/// Reads the beginning of a file and says what it is.
///
/// # Errors
/// The reader's before there is anything to play, or it has no key unit of video.
pub fn survey(reading: &mut FileReading) -> Result<FileDetails, FileError> {
    let mut survey = Survey::default();
    let mut sound_fault = None;
    for _ in 0..SURVEY_STEPS_MAX {
        let progress = reading.next(&mut survey);
        if reading.take_left_out() > 0 {
            sound_fault = Some(SoundFault::TooFarBehind);
        }
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::End) => survey.is_whole = true,
            // What is whole before it is played.
            Err(error) if survey.has_key => survey.breaks_off = Some(words(&error)),
            Err(error) => return Err(error),
        }
        let is_over = survey.is_whole || survey.breaks_off.is_some();
        if is_over || reading.bytes_read() >= SURVEY_BYTES_MAX || survey.span() >= SURVEY_TICKS_MAX
        {
            break;
        }
    }
    let breaks_off = reading.sound_error().map(|_| SoundFault::BreaksOff);
    survey.details(reading, sound_fault.or(breaks_off))
}

/// What one track came to.
#[derive(Clone, Copy, Default)]
struct Tally {
    units: u64,
    bytes: u64,
    first: Option<Ticks>,
    last: Ticks,
}

impl Tally {
    /// From the first unit's DTS to the last one's.
    fn span(&self) -> Ticks {
        self.first.map_or(Ticks(0), |first| self.last - first)
    }

    /// From the first unit's DTS to the last one's end, if units last equally long.
    fn duration(&self) -> Ticks {
        let distances = i64::try_from(self.units.saturating_sub(1)).unwrap_or(0).max(1);
        let span = self.span();
        Ticks(span.0.saturating_add(span.0 / distances))
    }

    fn bps(&self) -> u64 {
        let ticks = u64::try_from(self.duration().0).unwrap_or(0);
        per_second(self.bytes.saturating_mul(8), ticks).unwrap_or(0)
    }
}

/// So much in so many ticks, a second; `None` in no time.
fn per_second(amount: u64, ticks: u64) -> Option<u64> {
    let rate = u128::from(amount) * u128::from(TICKS_PER_S.unsigned_abs());
    u64::try_from(rate.checked_div(u128::from(ticks))?).ok()
}

/// Measures the units it is given.
#[derive(Default)]
struct Survey {
    avc: Option<AvcConfig>,
    audio: Option<AudioDetails>,
    tallies: PerTrack<Tally>,
    last_key: Option<Ticks>,
    keys: u64,
    longest_gop: Ticks,
    longest_pause: Ticks,
    b_frames: bool,
    /// The first key unit is there: nothing before it is played.
    plays: bool,
    key_is_open: bool,
    /// A key unit is whole.
    has_key: bool,
    is_whole: bool,
    breaks_off: Option<Box<str>>,
}

impl Survey {
    /// How much media it has seen.
    fn span(&self) -> Ticks {
        self.tallies.values().map(Tally::span).max().unwrap_or_default()
    }

    /// How long after the picture the sound begins.
    fn sound_delay(&self) -> Ticks {
        let PerTrack { video, audio } = self.tallies;
        let begins = audio.first.unwrap_or(video.last);
        video.first.map_or(Ticks(0), |first| (begins - first).max(Ticks(0)))
    }

    fn details(
        self,
        reading: &FileReading,
        sound_fault: Option<SoundFault>,
    ) -> Result<FileDetails, FileError> {
        let (contents, size, is_whole) = (reading.contents(), reading.size(), self.is_whole);
        let avc = contents.video.as_ref().or(self.avc.as_ref()).ok_or(FileError::NoVideo)?;
        let (Some(last_key), video) = (self.last_key.filter(|_| self.has_key), self.tallies.video)
        else {
            return Err(FileError::NoVideo);
        };
        let sound_delay = self.sound_delay();
        let audio_bps = self.tallies.audio.bps();
        let measured_bps = video.bps().saturating_add(audio_bps);
        let duration = contents.duration.or(is_whole.then(|| video.duration()));
        let ticks = duration.and_then(|duration| u64::try_from(duration.0).ok());
        let whole_bps = ticks.and_then(|ticks| per_second(size.saturating_mul(8), ticks));
        let bps = whole_bps.unwrap_or(measured_bps);
        // The whole file tells more than its beginning, unless something else is in it.
        let video_bps = match contents.left_out {
            None if whole_bps.is_some() => bps.saturating_sub(audio_bps),
            _ => video.bps(),
        };
        let announced = self.audio.or_else(|| contents.audio.as_ref().map(audio_details));
        // Sound that is announced is somewhere, unless the file has been read whole.
        let has_come = self.tallies.audio.units > 0;
        let audio = announced.filter(|_| has_come || !is_whole);
        let is_sought = reading.reads_apart() && self.breaks_off.is_none() && !has_come;
        let not_found = audio.filter(|_| is_sought).map(|_| SoundFault::TooFarBehind);
        let audio = audio.map(|audio| AudioDetails { bps: narrow(audio_bps), ..audio });
        let unfinished = if is_whole { Ticks(0) } else { video.last - last_key };
        let interval = self.longest_gop.max(unfinished);
        let is_known = self.keys > 1 || !is_whole;
        Ok(FileDetails {
            duration_ms: ticks.map(|ticks| ticks / 90),
            video: VideoDetails {
                width: avc.width,
                height: avc.height,
                frame_rate: frame_rate(avc.frame_rate, &video),
                profile_idc: avc.profile_idc,
                constraints: avc.constraints,
                level_idc: avc.level_idc,
                bps: narrow(video_bps),
            },
            audio,
            bps,
            keyframe_interval_ms: is_known.then(|| narrow(interval.to_ms().unsigned_abs())),
            b_frames: self.b_frames,
            left_out: contents.left_out,
            pause_ms: narrow(self.longest_pause.to_ms().unsigned_abs()),
            sound_delay_ms: narrow(sound_delay.to_ms().unsigned_abs()),
            sound_fault: sound_fault.or(not_found),
            breaks_off: self.breaks_off,
        })
    }
}

/// As the SPS says, unless the units say otherwise by more than rounding explains.
fn frame_rate(stated: f64, video: &Tally) -> f32 {
    let span = video.span().0;
    let distances = video.units.saturating_sub(1);
    if span <= 0 || distances == 0 {
        return stated as f32;
    }
    let measured = distances as f64 * TICKS_PER_S as f64 / span as f64;
    let is_near = (measured - stated).abs() <= stated * 0.01;
    if is_near {
        stated as f32
    } else {
        (measured * 1000.0).round() as f32 / 1000.0
    }
}

fn words(error: &FileError) -> Box<str> {
    error.to_string().chars().take(LIBRARY_WORDS_CHARS_MAX).collect::<String>().into_boxed_str()
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn audio_details(aac: &crate::codec::access_unit::AacConfig) -> AudioDetails {
    AudioDetails {
        codec: aac_profile(aac.object_type).1,
        sample_rate_hz: aac.sample_rate_hz,
        channels: aac.channels,
        bps: 0,
    }
}

impl UnitSink for Survey {
    fn config(&mut self, config: &TrackConfig) {
        match config {
            TrackConfig::Avc(avc) => {
                self.avc.get_or_insert_with(|| avc.clone());
            }
            TrackConfig::Aac(aac) => {
                self.audio.get_or_insert_with(|| audio_details(aac));
            }
        }
    }

    fn begin(&mut self, start: UnitStart) {
        self.plays |= start.key;
        if !self.plays {
            return;
        }
        let tally = &mut self.tallies[start.track];
        if start.track == Track::Video && tally.units > 0 {
            self.longest_pause = self.longest_pause.max(start.dts - tally.last);
        }
        tally.units += 1;
        tally.first.get_or_insert(start.dts);
        tally.last = tally.last.max(start.dts);
        if start.track == Track::Video {
            self.key_is_open = start.key;
            self.b_frames |= start.pts != start.dts;
            if start.key {
                if let Some(last) = self.last_key.replace(start.dts) {
                    self.longest_gop = self.longest_gop.max(start.dts - last);
                }
                self.keys += 1;
            }
        }
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        let tally = &mut self.tallies[track];
        tally.bytes = tally.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
    }

    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}

    fn commit(&mut self, track: Track) {
        if track == Track::Video {
            self.has_key |= self.key_is_open;
        }
    }

    fn abort(&mut self, track: Track) {
        self.key_is_open &= track != Track::Video;
    }
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;

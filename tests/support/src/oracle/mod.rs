//! One oracle for a viewer. Purpose: takes the messages a viewer or destination receives, in their
//! order of arrival, and says what is wrong with them, each time with the number of the message:
//!
//! - a message type or tag that this product never sends; a codec byte other than AVC's and AAC's;
//!   NAL units that do not add up; a key flag that the NAL units contradict;
//! - decoding times of a track that repeat or go back; a unit that comes too far behind the other
//!   track's newest ([`Rules::lag_ms_max`]; 0 demands the order of time across the tracks);
//! - a unit without the configuration that it was made with, at the beginning and on air;
//! - a cut to a picture that no decoder can start with, or that is shown before or with the last
//!   picture of what was on air;
//! - a unit of no source; sound apart from its picture; a unit that took too long.
//!
//! Pure data in, faults out: no I/O, no clock. Recognition is by digest of the payload, so sources
//! must be given ([`Source`]); without any, what needs them is left out. Bound: the number of
//! messages; a test's affair.

mod passage;
mod report;
mod source;
mod tag;

#[cfg(test)]
mod oracle_tests;

use std::collections::HashSet;
use std::time::Duration;

pub use passage::Passage;
pub use report::{Fault, Report, Violation};
pub use source::{Known, Place, Source, TICKS_IN_MS};
pub use tag::{
    nal_type, nal_units, picture_digest, sound_digest, AvcSets, Tag, AUDIO, DATA, VIDEO,
};

use crate::units::Track;
use passage::{Passages, Times};
use source::{has_sets, Places};
use tag::{can_start, same_sound};

/// A message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// [`AUDIO`], [`VIDEO`] or [`DATA`].
    pub kind: u8,
    /// RTMP timestamp: decoding time, modulo 2^32.
    pub time_ms: u32,
    /// FLV tag body.
    pub body: &'a [u8],
    /// When its last byte came, on a clock of the caller's.
    pub arrived: Option<Duration>,
}

/// What is demanded beside what always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How far a unit's decoding time may lie behind the newest of the other track that came
    /// before it, milliseconds. 0: order of time across the tracks.
    pub lag_ms_max: i64,
    /// A unit that came too late for the order of time may be moved forward by so much, to where
    /// the other track stands or a millisecond behind its own, milliseconds.
    pub moved_ms_max: i64,
    /// The longest step between two decoding times of a track, milliseconds.
    pub step_ms_max: Option<i64>,
    /// How far the offset of a source's sound may be from that of its picture, milliseconds.
    pub sync_ms_max: i64,
    /// How many different sounds of no source may come: filled silence is one for each
    /// configuration of the sound on air.
    pub unknown_sounds_max: usize,
    /// How many pictures of no source may come: none, unless what was sent is damaged on the way.
    pub unknown_pictures_max: usize,
    /// The longest way from a source that says when its units left, to the viewer.
    pub latency_max: Option<Duration>,
}

impl Rules {
    /// For a viewer. Sound may lie behind its picture by what the sender packs together: a PES of
    /// 2,930 bytes, as ffmpeg fills it, holds up to 380 ms at 64 kbit/s; its last frame ends 21 ms
    /// after it begins, and the picture sent before it may be decoded a frame of 40 ms later. Behind
    /// a cut, sound of the old source comes beside pictures of the new one: decoding time has then
    /// stepped over what B-frames held back in both, two frames each.
    pub const VIEWER: Rules = Rules {
        lag_ms_max: 380 + 21 + 40 + 4 * 40,
        moved_ms_max: 0,
        step_ms_max: None,
        sync_ms_max: AUDIO_FRAME_MS,
        unknown_sounds_max: 4,
        unknown_pictures_max: 0,
        latency_max: None,
    };

    /// For a destination, a recording, HLS: order of time across the tracks, always. What jitters by
    /// more than its source ever did is moved, by a tenth of a second at most.
    pub const DESTINATION: Rules = Rules { lag_ms_max: 0, moved_ms_max: 100, ..Rules::VIEWER };
}

/// An AAC frame at 44.1 kHz, rounded up, and a millisecond of rounding: by so much sound may be
/// moved where it joins another's.
const AUDIO_FRAME_MS: i64 = 25;

/// What is known of a track on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    newest_dts_ms: Option<i64>,
    units: usize,
    wrong_config: bool,
}

/// The oracle.
pub struct Oracle {
    rules: Rules,
    sources: Vec<Source>,
    places: Places,
    taken: usize,
    clock_ms: Option<i64>,
    lines: [Line; 2],
    video_config: Option<AvcSets>,
    audio_config: Option<Vec<u8>>,
    passages: [Passages; 2],
    unknown_sounds: HashSet<u64>,
    unknown_pictures: usize,
    report: Report,
}

/// A unit that was read.
struct Unit {
    track: Track,
    digest: u64,
    dts_ms: i64,
    pts_ms: i64,
    can_start: bool,
    arrived: Option<Duration>,
}

impl Oracle {
    /// An oracle that knows these sources.
    pub fn new(rules: Rules, sources: Vec<Source>) -> Oracle {
        Oracle {
            rules,
            places: Places::of(&sources),
            sources,
            taken: 0,
            clock_ms: None,
            lines: [Line::default(); 2],
            video_config: None,
            audio_config: None,
            passages: [Passages::default(), Passages::default()],
            unknown_sounds: HashSet::new(),
            unknown_pictures: 0,
            report: Report::default(),
        }
    }

    /// Holds a whole sequence of messages against the rules.
    pub fn judge<'a>(
        rules: Rules,
        sources: Vec<Source>,
        messages: impl IntoIterator<Item = Message<'a>>,
    ) -> Report {
        let mut oracle = Oracle::new(rules, sources);
        for message in messages {
            oracle.take(&message);
        }
        oracle.finish()
    }

    /// Takes the next message.
    pub fn take(&mut self, message: &Message<'_>) {
        match Tag::parse(message.kind, message.body) {
            Ok(tag) => self.tag(&tag, message),
            Err(fault) => self.fault(fault),
        }
        self.taken += 1;
    }

    /// Where the newest picture is from; `None` before the first and behind one of no source.
    pub fn on_air(&self) -> Option<Place> {
        let [video, _] = &self.passages;
        video.newest()
    }

    /// What was found so far.
    pub fn so_far(&self) -> &Report {
        &self.report
    }

    /// Everything that was found.
    pub fn finish(mut self) -> Report {
        let [video, audio] = std::mem::take(&mut self.passages).map(Passages::into_all);
        for sound in &audio {
            self.beside_its_picture(sound, &video);
        }
        self.report.violations.sort_by_key(|violation| violation.at);
        Report { video, audio, messages: self.taken, ..self.report }
    }

    fn fault(&mut self, fault: Fault) {
        self.report.violations.push(Violation { at: self.taken, fault });
    }

    fn tag(&mut self, tag: &Tag<'_>, message: &Message<'_>) {
        let arrived = message.arrived;
        match tag {
            Tag::Data => {}
            Tag::VideoConfig(sets) => {
                self.report.video_configs += 1;
                self.video_config = Some(sets.clone());
            }
            Tag::AudioConfig(config) => {
                self.report.audio_configs += 1;
                self.audio_config = Some(config.to_vec());
            }
            Tag::VideoUnit { key, composition_ms, nals } => {
                let dts_ms = self.unwrapped(message.time_ms);
                let can_start = can_start(nals);
                if *composition_ms < 0 {
                    self.fault(Fault::CompositionNegative(*composition_ms));
                }
                // At a recovery point a decoder can start; that it should, nobody says.
                let is_idr = nals.iter().any(|nal| nal_type(nal) == 5);
                if (*key && !can_start) || (is_idr && !*key) {
                    self.fault(Fault::KeyFlag { flag: *key });
                }
                self.in_band(nals);
                let (digest, pts_ms) = (picture_digest(nals), dts_ms + composition_ms);
                let track = Track::Video;
                self.unit(&Unit { track, digest, dts_ms, pts_ms, can_start, arrived });
            }
            Tag::AudioUnit(frame) => {
                let dts_ms = self.unwrapped(message.time_ms);
                let (track, digest) = (Track::Audio, sound_digest(frame));
                let unit = Unit { track, digest, dts_ms, pts_ms: dts_ms, can_start: true, arrived };
                self.unit(&unit);
            }
        }
    }

    /// RTMP's 32 bits, which wrap after 49.7 days, continued from the unit before.
    fn unwrapped(&mut self, time_ms: u32) -> i64 {
        let unwrapped = match self.clock_ms {
            None => i64::from(time_ms),
            Some(before) => {
                let low = u32::try_from(before & i64::from(u32::MAX)).unwrap_or_default();
                let step = i32::from_ne_bytes(time_ms.wrapping_sub(low).to_ne_bytes());
                before + i64::from(step)
            }
        };
        self.clock_ms = Some(unwrapped);
        unwrapped
    }

    /// Parameter sets within a unit must be those of the sequence header.
    fn in_band(&mut self, nals: &[&[u8]]) {
        if !has_sets(nals) {
            return;
        }
        let sets = AvcSets::of_nals(nals.iter().copied());
        if self.video_config.as_ref().is_some_and(|held| !held.holds(&sets)) {
            self.fault(Fault::ConfigInBandOnly);
        }
    }

    fn unit(&mut self, unit: &Unit) {
        let moved_ms = self.moved_ms(unit);
        self.times(unit);
        let has_config = match unit.track {
            Track::Video => self.video_config.is_some(),
            Track::Audio => self.audio_config.is_some(),
        };
        if !has_config {
            self.fault(Fault::NoConfig(unit.track));
        }
        if self.sources.is_empty() {
            let [video, _] = &self.lines;
            if unit.track == Track::Video && video.units == 1 && !unit.can_start {
                self.fault(Fault::CutToNoKey);
            }
        } else {
            self.recognise(unit, has_config, moved_ms);
        }
    }

    /// By how much a unit may have been moved: only one that stands right where its time could not
    /// go on otherwise.
    fn moved_ms(&self, unit: &Unit) -> i64 {
        let [video, audio] = &self.lines;
        let (own, other) = match unit.track {
            Track::Video => (video, audio),
            Track::Audio => (audio, video),
        };
        let is_at_other = other.newest_dts_ms == Some(unit.dts_ms);
        let is_behind_own = own.newest_dts_ms == Some(unit.dts_ms - 1);
        if is_at_other || is_behind_own {
            self.rules.moved_ms_max
        } else {
            0
        }
    }

    /// Order of arrival within the track, and how far it comes behind the other.
    fn times(&mut self, unit: &Unit) {
        let [video, audio] = &mut self.lines;
        let (own, other) = match unit.track {
            Track::Video => (video, *audio),
            Track::Audio => (audio, *video),
        };
        let before = own.newest_dts_ms;
        own.newest_dts_ms = Some(before.map_or(unit.dts_ms, |before| before.max(unit.dts_ms)));
        own.units += 1;
        let (track, dts_ms) = (unit.track, unit.dts_ms);
        if let Some(before_ms) = before {
            if dts_ms <= before_ms {
                self.fault(Fault::DtsNotGrowing { track, before_ms, dts_ms });
            }
            let step_ms = dts_ms - before_ms;
            if self.rules.step_ms_max.is_some_and(|most| step_ms > most) {
                self.fault(Fault::Step { track, step_ms });
            }
        }
        let Some(lag_ms) = other.newest_dts_ms.map(|newest| newest - dts_ms) else { return };
        let most = self.report.lag_ms_max.get_or_insert(lag_ms);
        *most = (*most).max(lag_ms);
        if lag_ms > self.rules.lag_ms_max {
            self.fault(Fault::Lag { track, lag_ms });
        }
    }

    /// Finds the unit in its source, and what follows from that.
    fn recognise(&mut self, unit: &Unit, has_config: bool, moved_ms: i64) {
        let [video, audio] = &mut self.passages;
        let passages = match unit.track {
            Track::Video => video,
            Track::Audio => audio,
        };
        let found = self.places.find(unit.track, unit.digest);
        let times = Times { dts_ms: unit.dts_ms, pts_ms: unit.pts_ms, moved_ms };
        let Some(joined) = passages.join(&self.sources, unit.track, found, times, self.taken)
        else {
            passages.interrupt();
            return self.unknown(unit);
        };
        self.report.moved += usize::from(joined.is_moved);
        if unit.track == Track::Video {
            let begins = joined.begins;
            if begins && !unit.can_start {
                self.fault(Fault::CutToNoKey);
            }
            if let Some(gap_ms) = joined.seam_ms.filter(|gap_ms| *gap_ms <= 0) {
                let source = self.name(joined.place.source);
                self.fault(Fault::Seam { to: source, gap_ms });
            }
        }
        if has_config {
            self.configured(unit, joined.place);
        }
        self.latency(unit, joined.place);
    }

    fn name(&self, source: usize) -> String {
        self.sources.get(source).map(|source| source.name.clone()).unwrap_or_default()
    }

    fn unknown(&mut self, unit: &Unit) {
        match unit.track {
            Track::Audio => {
                let is_new = self.unknown_sounds.insert(unit.digest);
                if is_new && self.unknown_sounds.len() > self.rules.unknown_sounds_max {
                    self.fault(Fault::Unknown(Track::Audio));
                }
            }
            Track::Video => {
                self.unknown_pictures += 1;
                if self.unknown_pictures > self.rules.unknown_pictures_max {
                    self.fault(Fault::Unknown(Track::Video));
                }
            }
        }
    }

    /// The configuration that holds must be the one the unit was made with, wherever it may be
    /// from.
    fn configured(&mut self, unit: &Unit, place: Place) {
        let track = unit.track;
        let right = |place: &Place| {
            let Some(source) = self.sources.get(place.source) else { return true };
            let Some(known) = source.track(track).get(place.unit) else { return true };
            let Some(config) = known.config else { return true };
            match track {
                Track::Video => source.video_configs.get(config).is_none_or(|wanted| {
                    self.video_config.as_ref().is_some_and(|held| held.holds(wanted))
                }),
                Track::Audio => source.audio_configs.get(config).is_none_or(|wanted| {
                    self.audio_config.as_ref().is_some_and(|held| same_sound(held, wanted))
                }),
            }
        };
        let is_right = self.places.find(track, unit.digest).iter().any(right);
        let [video, audio] = &mut self.lines;
        let line = if track == Track::Video { video } else { audio };
        let was_wrong = std::mem::replace(&mut line.wrong_config, !is_right);
        // Said once, for the first unit of a row of them.
        if !is_right && !was_wrong {
            let source = self.name(place.source);
            self.fault(Fault::WrongConfig { track, source });
        }
    }

    fn latency(&mut self, unit: &Unit, place: Place) {
        let source = self.sources.get(place.source);
        let known = source.and_then(|source| source.track(unit.track).get(place.unit));
        let sent = known.and_then(|known| known.sent);
        let Some(latency) = unit.arrived.zip(sent).and_then(|(a, s)| a.checked_sub(s)) else {
            return;
        };
        self.report.latencies.push(latency);
        if self.rules.latency_max.is_some_and(|most| latency > most) {
            self.fault(Fault::Late { track: unit.track, latency });
        }
    }

    /// A passage of sound has the offset of the picture of the same source beside it.
    fn beside_its_picture(&mut self, sound: &Passage, video: &[Passage]) {
        let of_same = video.iter().filter(|picture| picture.source == sound.source);
        let near = of_same.filter(|picture| sound.is_near(picture));
        let Some(apart_ms) = near.map(|picture| sound.apart_ms(picture)).min() else { return };
        if apart_ms > self.rules.sync_ms_max {
            let fault = Fault::Sync { source: self.name(sound.source), apart_ms };
            self.report.violations.push(Violation { at: sound.at, fault });
        }
    }
}

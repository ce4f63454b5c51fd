//! RTMP's media messages into the programme. Purpose: what a publisher and a pull have in common:
//! messages taken apart (flv), their pace judged, bytes counted, and what is not carried named.
//! Non-goals: connections, who may send. Bound: two decoder configuration records and a few words.

use crate::base::rate::Rate;
use crate::base::time::Mono;
use crate::codec::access_unit::{AacConfig, AvcConfig, Track, UnitSink};
use crate::flv::reader::TagKind;
use crate::flv::units::TagUnits;
use crate::rtmp::media::{MediaKind, MediaSink};
use crate::system::snapshot::{text, Text};

use super::pace::{Pace, Paced};

/// A stream of media messages.
pub(super) struct Intake {
    units: TagUnits,
    pace: Pace,
    rate: Rate,
    bytes: u64,
    /// When a media message last came whole.
    flowed: Mono,
    /// What the streams before this one left out.
    left_out_before: u64,
    /// What is not carried, as it was last told, by [`Track::index`].
    told: [Text; 2],
}

impl Intake {
    /// Nothing has come.
    pub(super) fn new() -> Intake {
        Intake {
            units: TagUnits::new(),
            pace: Pace::default(),
            rate: Rate::default(),
            bytes: 0,
            flowed: Mono::default(),
            left_out_before: 0,
            told: [Text::new(), Text::new()],
        }
    }

    /// Another stream begins, or none for the time being: what is open is aborted, and nothing
    /// is remembered of the one before.
    pub(super) fn restart(&mut self, sink: &mut impl UnitSink, now: Mono) {
        self.units.restart(&mut Paced { pace: &mut self.pace, sink, now });
        self.left_out_before += self.units_left_out();
        self.units = TagUnits::new();
        self.pace.await_key();
        self.rate = Rate::default();
        self.bytes = 0;
        self.flowed = now;
        self.told = [Text::new(), Text::new()];
    }

    /// Where a session puts its media.
    pub(super) fn feed<'a, S>(&'a mut self, sink: &'a mut S, now: Mono) -> Feed<'a, S> {
        Feed { intake: self, sink, now }
    }

    /// Media bytes of this stream.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bit rate over the last 10 s, bit/s.
    pub(super) fn bps(&self, now: Mono) -> u64 {
        self.rate.bps(now)
    }

    /// When a media message last came whole, or was first expected.
    pub(super) fn flowed(&self) -> Mono {
        self.flowed
    }

    /// Media may come from now on.
    pub(super) fn expect(&mut self, now: Mono) {
        self.flowed = now;
    }

    /// Units left out since the start: broken, not carried, or media that came faster than it
    /// plays.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out_before + self.units_left_out() + self.pace.left_out()
    }

    fn units_left_out(&self) -> u64 {
        let counters = self.units.counters();
        counters.broken + counters.not_carried + counters.unconfigured
    }

    /// Whether media comes faster than it plays.
    pub(super) fn runs_away(&self) -> bool {
        self.pace.runs_away()
    }

    /// Video as it was announced.
    pub(super) fn video(&self) -> Option<&AvcConfig> {
        self.units.video()
    }

    /// Audio likewise.
    pub(super) fn audio(&self) -> Option<&AacConfig> {
        self.units.audio()
    }

    /// Why something is not carried, for a person; empty when all is.
    pub(super) fn detail(&self) -> Text {
        let complaint = |track| self.units.complaint(track);
        Track::ALL.into_iter().find_map(complaint).map(text).unwrap_or_default()
    }

    /// What is not carried and was not told yet.
    pub(super) fn news(&mut self) -> Option<Text> {
        Track::ALL.into_iter().find_map(|track| {
            let words = self.units.complaint(track).map(text).unwrap_or_default();
            let told = self.told.get_mut(track.index()).filter(|told| **told != words)?;
            told.clone_from(&words);
            (!words.is_empty()).then_some(words)
        })
    }
}

/// An intake with its sink before it.
pub(super) struct Feed<'a, S> {
    intake: &'a mut Intake,
    sink: &'a mut S,
    now: Mono,
}

impl<S: UnitSink> Feed<'_, S> {
    fn paced(&mut self) -> (&mut TagUnits, Paced<'_, S>) {
        let Intake { units, pace, .. } = &mut *self.intake;
        (units, Paced { pace, sink: self.sink, now: self.now })
    }
}

impl<S: UnitSink> MediaSink for Feed<'_, S> {
    fn begin(&mut self, kind: MediaKind, timestamp_ms: u32, bytes: usize) {
        let (units, mut sink) = self.paced();
        units.begin(tag_kind(kind), timestamp_ms, bytes, &mut sink);
    }

    fn data(&mut self, kind: MediaKind, bytes: &[u8]) {
        self.intake.bytes += bytes.len() as u64;
        self.intake.rate.add(self.now, bytes.len() as u64);
        let (units, mut sink) = self.paced();
        units.data(tag_kind(kind), bytes, &mut sink);
    }

    fn end(&mut self, kind: MediaKind) {
        self.intake.flowed = self.now;
        let (units, mut sink) = self.paced();
        units.end(tag_kind(kind), &mut sink);
    }

    fn abort(&mut self, kind: MediaKind) {
        let (units, mut sink) = self.paced();
        units.abort(tag_kind(kind), &mut sink);
    }
}

const fn tag_kind(kind: MediaKind) -> TagKind {
    match kind {
        MediaKind::Audio => TagKind::Audio,
        MediaKind::Video => TagKind::Video,
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;

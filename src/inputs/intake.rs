//! RTMP's media messages into the programme. Purpose: what a publisher and a pull have in common:
//! messages taken apart (flv), their pace judged, bytes counted, and what is not carried named.
//! Non-goals: connections, who may send. Bound: two decoder configuration records and a few words.

use crate::base::rate::Rate;
use crate::base::time::Mono;
use crate::codec::access_unit::{AacConfig, AvcConfig, Track, UnitSink};
use crate::codec::per_track::PerTrack;
use crate::flv::units::TagUnits;
use crate::operator::snapshot::{text, Text};
use crate::program::source::Source;
use crate::rtmp::media::MediaSink;

use super::diagnosis::RtmpFacts;
use super::pace::{Pace, Paced};
use super::watch::{Watch, Watching};

/// A stream of media messages.
pub(super) struct Intake {
    units: TagUnits,
    pace: Pace,
    rate: Rate,
    bytes: u64,
    /// When a media message last came whole.
    flowed: Mono,
    /// Media messages that came whole.
    messages: PerTrack<u64>,
    watch: Watch,
    /// What the pace had left out before this stream.
    paced_out_before: u64,
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
            messages: PerTrack::default(),
            watch: Watch::default(),
            paced_out_before: 0,
        }
    }

    /// Another stream begins, or none for the time being: what is open is aborted, and nothing
    /// is remembered of the one before.
    pub(super) fn restart(&mut self, sink: &mut impl UnitSink, now: Mono) {
        self.units.restart(&mut Paced { pace: &mut self.pace, sink, now });
        self.units = TagUnits::new();
        self.watch = Watch::default();
        self.messages = PerTrack::default();
        self.paced_out_before = self.pace.left_out();
        self.pace.await_key();
        self.rate = Rate::default();
        self.bytes = 0;
        self.flowed = now;
    }

    /// Where a session puts its media.
    pub(super) fn feed<'a, S>(&'a mut self, sink: &'a mut S, now: Mono) -> IntakeFeed<'a, S> {
        IntakeFeed { intake: self, sink, now }
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

    /// Units of this stream left out: broken, not carried, or media that came faster than it
    /// plays.
    pub(super) fn left_out(&self) -> u64 {
        self.units_left_out() + self.pace.left_out().saturating_sub(self.paced_out_before)
    }

    fn units_left_out(&self) -> u64 {
        let counters = self.units.counters();
        counters.broken + counters.not_carried + counters.unconfigured
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

    /// What has come, for a reason to be found in it.
    pub(super) fn facts(&self, source: Source) -> RtmpFacts<'_> {
        RtmpFacts {
            source,
            messages: self.messages,
            complaints: PerTrack::of(|track| self.units.complaint(track)),
            configured: PerTrack {
                video: self.units.video().is_some(),
                audio: self.units.audio().is_some(),
            },
            runs_away: self.pace.runs_away(),
            watch: &self.watch,
        }
    }
}

/// An intake with its sink before it.
pub(super) struct IntakeFeed<'a, S> {
    intake: &'a mut Intake,
    sink: &'a mut S,
    now: Mono,
}

impl<S: UnitSink> IntakeFeed<'_, S> {
    fn paced(&mut self) -> (&mut TagUnits, Watching<'_, Paced<'_, S>>) {
        let Intake { units, pace, watch, .. } = &mut *self.intake;
        let sink = Paced { pace, sink: self.sink, now: self.now };
        (units, Watching { watch, sink, now: self.now })
    }
}

impl<S: UnitSink> MediaSink for IntakeFeed<'_, S> {
    fn begin(&mut self, track: Track, timestamp_ms: u32, bytes: usize) {
        let (units, mut sink) = self.paced();
        units.begin(track.into(), timestamp_ms, bytes, &mut sink);
    }

    fn data(&mut self, track: Track, bytes: &[u8]) {
        self.intake.bytes += bytes.len() as u64;
        self.intake.rate.add(self.now, bytes.len() as u64);
        let (units, mut sink) = self.paced();
        units.data(track.into(), bytes, &mut sink);
    }

    fn end(&mut self, track: Track) {
        self.intake.flowed = self.now;
        self.intake.messages[track] += 1;
        let (units, mut sink) = self.paced();
        units.end(track.into(), &mut sink);
    }

    fn abort(&mut self, track: Track) {
        let (units, mut sink) = self.paced();
        units.abort(track.into(), &mut sink);
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;

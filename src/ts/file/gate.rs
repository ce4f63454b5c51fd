//! What stands between the demultiplexer and the sink of a file: the file's own times, and what is
//! left out around a seek. Bound: two configurations.

use super::super::clock::PERIOD;
use crate::base::time::{Ticks, TICKS_PER_S};
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::per_track::PerTrack;

/// How far a key unit's DTS may stand before where it was found.
const ROUNDING_MS_MAX: i64 = 10;

/// How far before the first key unit a time is believed to lie rather than 26 hours behind it.
const BEFORE_START: Ticks = Ticks(600 * TICKS_PER_S);

/// The state kept between two calls.
#[derive(Default)]
pub(super) struct Gate {
    /// The first key unit's DTS on the wire; until it is known times are handed on as they are.
    pub(super) origin: Option<Ticks>,
    /// What is taken off each time, learnt from the first unit behind a jump.
    shift: Option<Ticks>,
    configs: PerTrack<Option<TrackConfig>>,
    /// The sink has to be told the configuration before the next unit.
    untold: PerTrack<bool>,
    /// The open unit is left out.
    swallowed: PerTrack<bool>,
    /// Video is left out until a key unit comes that is not before this.
    awaits_key: bool,
    key_from: Option<Ticks>,
    /// Audio before this is left out.
    audio_from: Option<Ticks>,
    committed: bool,
}

impl Gate {
    /// The configuration last told of a track.
    pub(super) fn config(&self, track: Track) -> Option<&TrackConfig> {
        self.configs[track].as_ref()
    }

    /// The next units come from elsewhere in the file, the first of them is to be a key unit.
    pub(super) fn jump(&mut self) {
        self.shift = None;
        self.untold = PerTrack::both(true);
        self.swallowed = PerTrack::default();
        self.awaits_key = true;
        self.key_from = None;
        self.audio_from = None;
        self.committed = false;
    }

    /// Nothing is left out.
    pub(super) fn open(&mut self) {
        self.awaits_key = false;
    }

    /// What belongs before the key unit of this DTS is left out. Its own may be another by the
    /// rounding of an estimate.
    pub(super) fn leave_out_before(&mut self, key: Ticks) {
        self.key_from = Some(key - Ticks::from_ms(ROUNDING_MS_MAX));
        self.audio_from = Some(Ticks(i64::MAX));
    }

    /// Whether a unit was handed over since the last time.
    pub(super) fn take_committed(&mut self) -> bool {
        std::mem::take(&mut self.committed)
    }

    /// The way to the sink.
    pub(super) fn through<'a>(&'a mut self, sink: &'a mut dyn UnitSink) -> Through<'a> {
        Through { gate: self, sink }
    }

    /// The file's own time of a time on the wire.
    fn own(&mut self, wire: Ticks) -> Ticks {
        let origin = self.origin;
        let shift = *self
            .shift
            .get_or_insert_with(|| origin.map_or(Ticks(0), |origin| wire - since(origin, wire)));
        wire - shift
    }

    /// Whether a unit is left out.
    fn leaves_out(&mut self, start: &UnitStart) -> bool {
        match start.track {
            Track::Video if start.key && self.key_from.is_none_or(|from| start.dts >= from) => {
                self.key_from = None;
                self.awaits_key = false;
                self.audio_from = self.audio_from.map(|from| from.min(start.dts));
                false
            }
            Track::Video => self.awaits_key,
            Track::Audio => self.audio_from.is_some_and(|from| start.dts < from),
        }
    }
}

/// Hands units on.
pub(super) struct Through<'a> {
    gate: &'a mut Gate,
    sink: &'a mut dyn UnitSink,
}

impl Through<'_> {
    fn is_swallowed(&self, track: Track) -> bool {
        self.gate.swallowed[track]
    }
}

impl UnitSink for Through<'_> {
    fn config(&mut self, config: &TrackConfig) {
        self.gate.configs[config.track()] = Some(config.clone());
        self.gate.untold[config.track()] = true;
    }

    fn begin(&mut self, start: UnitStart) {
        let (dts, pts) = (self.gate.own(start.dts), self.gate.own(start.pts));
        let start = UnitStart { dts, pts, ..start };
        let left_out = self.gate.leaves_out(&start);
        self.gate.swallowed[start.track] = left_out;
        if left_out {
            return;
        }
        if std::mem::take(&mut self.gate.untold[start.track]) {
            if let Some(config) = self.gate.config(start.track) {
                self.sink.config(config);
            }
        }
        self.sink.begin(start);
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        if !self.is_swallowed(track) {
            self.sink.write(track, bytes);
        }
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        if !self.is_swallowed(track) {
            self.sink.patch(track, offset, bytes);
        }
    }

    fn commit(&mut self, track: Track) {
        if !self.is_swallowed(track) {
            self.sink.commit(track);
            self.gate.committed = true;
        }
    }

    fn abort(&mut self, track: Track) {
        if !self.is_swallowed(track) {
            self.sink.abort(track);
        }
    }
}

/// The time from one reading of the 33-bit clock to another, by the way that is not far before it.
pub(super) fn since(origin: Ticks, time: Ticks) -> Ticks {
    let ahead = (time - origin + BEFORE_START).0.rem_euclid(PERIOD);
    Ticks(ahead) - BEFORE_START
}

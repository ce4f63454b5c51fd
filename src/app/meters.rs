//! What is measured when the state is told: bit rates over counters, their past, the distance of
//! key frames. Bound: these structs.

use crate::base::history::History;
use crate::base::rate::Rate;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, TrackConfig};
use crate::operator::snapshot::ProgrammeStatus;
use crate::program::ring::{Lookup, Ring};
use crate::program::Programme;

/// Bit rates of what is only counted elsewhere.
#[derive(Default)]
pub struct Meters {
    video: RateMeter,
    history: History,
    keys: KeyFrames,
    audio: RateMeter,
    /// What came on the RTMP port's connections.
    pub received: RateMeter,
    /// What viewers were sent.
    pub sent: RateMeter,
}

/// The distance of key frames.
#[derive(Default)]
struct KeyFrames {
    newest: Option<Ticks>,
    interval: Option<Ticks>,
}

impl KeyFrames {
    /// Looks at the ring; a distance shorter than the time between two looks is told as that.
    fn look(&mut self, ring: &Ring) -> Option<u64> {
        let found = ring.newest_key().map(|seq| ring.get(seq));
        if let Some(Lookup::Unit(unit)) = found {
            let before = self.newest.replace(unit.dts).filter(|before| *before != unit.dts);
            self.interval = before.map(|before| unit.dts - before).or(self.interval);
        }
        let open = ring.newest()?.dts - self.newest?;
        u64::try_from(self.interval?.max(open).to_ms()).ok()
    }
}

/// A rate over a counter.
#[derive(Default)]
pub struct RateMeter {
    last: u64,
    rate: Rate,
}

impl RateMeter {
    /// The rate of a counter that stands there now, bit/s.
    pub fn at(&mut self, now: Mono, counter: u64) -> u64 {
        self.rate.add(now, counter.saturating_sub(self.last));
        self.last = counter;
        self.rate.bps(now)
    }
}

impl Meters {
    /// The state of the programme.
    pub fn programme(&mut self, programme: &Programme, now: Mono) -> ProgrammeStatus {
        let switcher = programme.switcher();
        let (ring, counters) = (switcher.ring(), switcher.counters());
        let video_bps = self.video.at(now, counters.bytes.video);
        self.history.take(now, video_bps);
        ProgrammeStatus {
            on_air: switcher.on_air(),
            on_air_since: switcher.on_air_since(),
            cuts: counters.cuts,
            time_ms: ring.newest().map_or(0, |unit| unit.dts.to_ms().unsigned_abs()),
            units: counters.units,
            bytes: counters.bytes.values().sum(),
            video_bps,
            bps_history: self.history.samples(),
            keyframe_interval_ms: self.keys.look(ring),
            audio_bps: self.audio.at(now, counters.bytes.audio),
            video: match ring.newest_config(Track::Video) {
                Some(TrackConfig::Avc(avc)) => Some(avc.clone()),
                _ => None,
            },
            audio: match ring.newest_config(Track::Audio) {
                Some(TrackConfig::Aac(aac)) => Some(aac.clone()),
                _ => None,
            },
            dropped_overlap: counters.dropped_overlap,
            dropped_oversize: ring.oversized(),
            dropped_time: counters.dropped_time,
            filled_audio: counters.filled_audio,
            is_filling: switcher.is_filling(),
            ring_bytes: ring.capacity_bytes() as u64,
            ring_ms: switcher.ring_span().to_ms().unsigned_abs(),
        }
    }
}

//! What is measured when the state is told: bit rates over counters, their past, the distance of
//! key frames. Bound: these structs.

use crate::base::history::History;
use crate::base::rate::Rate;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{AacConfig, AvcConfig, Track, TrackConfig};
use crate::operator::snapshot::ProgrammeStatus;
use crate::program::ring::{Lookup, Ring};
use crate::program::Programme;

/// Bit rates of what is only counted elsewhere.
#[derive(Default)]
pub struct Meters {
    video: RateMeter,
    history: History,
    keys: KeyFrames,
    parameters: Parameters,
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

/// Size of the picture, rate and channels of the sound.
#[derive(Default)]
struct Parameters {
    video: Option<(u32, u32)>,
    audio: Option<(u32, u8)>,
    changed: Option<Mono>,
}

impl Parameters {
    /// Looks at what is on air; what comes for the first time changes nothing.
    fn look(&mut self, video: Option<&AvcConfig>, audio: Option<&AacConfig>, now: Mono) {
        let video = video.map(|it| (it.width, it.height)).or(self.video);
        let audio = audio.map(|it| (it.sample_rate_hz, it.channels)).or(self.audio);
        let is_other = self.video.is_some_and(|before| Some(before) != video)
            || self.audio.is_some_and(|before| Some(before) != audio);
        (self.video, self.audio) = (video, audio);
        if is_other {
            self.changed = Some(now);
        }
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
        let video = match ring.newest_config(Track::Video) {
            Some(TrackConfig::Avc(avc)) => Some(avc.clone()),
            _ => None,
        };
        let audio = match ring.newest_config(Track::Audio) {
            Some(TrackConfig::Aac(aac)) => Some(aac.clone()),
            _ => None,
        };
        self.parameters.look(video.as_ref(), audio.as_ref(), now);
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
            parameters_changed: self.parameters.changed,
            audio_bps: self.audio.at(now, counters.bytes.audio),
            video,
            audio,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::access_unit::ConfigRecord;

    #[test]
    fn another_size_or_another_sound_is_a_change_and_a_beginning_is_none() {
        let avc = |width, height| AvcConfig {
            record: ConfigRecord::new(),
            width,
            height,
            frame_rate: 25.0,
            profile_idc: 77,
            constraints: 0,
            level_idc: 31,
        };
        let aac = |sample_rate_hz, channels| AacConfig {
            record: ConfigRecord::new(),
            object_type: 2,
            sample_rate_hz,
            channels,
        };
        let mut parameters = Parameters::default();
        let steps = [
            (None, None, false),
            (Some(avc(1280, 720)), None, false),
            (Some(avc(1280, 720)), Some(aac(48_000, 2)), false),
            (Some(avc(1280, 1080)), Some(aac(48_000, 2)), true),
            (None, Some(aac(48_000, 2)), false),
            (Some(avc(1280, 1080)), Some(aac(44_100, 2)), true),
            (Some(avc(1280, 1080)), Some(aac(44_100, 1)), true),
            (Some(avc(1280, 1080)), None, false),
            (Some(avc(1920, 1080)), None, true),
        ];
        let mut changed = None;
        for (number, (video, audio, is_change)) in steps.into_iter().enumerate() {
            let now = Mono::from_ms(1000 * (number as u64 + 1));
            parameters.look(video.as_ref(), audio.as_ref(), now);
            changed = if is_change { Some(now) } else { changed };
            assert_eq!(parameters.changed, changed, "{number}");
        }
    }
}

//! A sink that keeps every unit, and the comparison with what was packed.

use streamcaster::codec::access_unit::{self, TrackConfig, UnitSink, UnitStart};
use test_support::units::{AccessUnit, Track};

/// What came out.
#[derive(Default)]
pub struct Gathered {
    open: [Option<(UnitStart, Vec<u8>)>; 2],
    pub units: Vec<(UnitStart, Vec<u8>)>,
    pub configs: Vec<TrackConfig>,
    pub aborted: usize,
    pub bytes_max: usize,
}

impl Gathered {
    pub fn of(&self, track: access_unit::Track) -> Vec<&(UnitStart, Vec<u8>)> {
        self.units.iter().filter(|(start, _)| start.track == track).collect()
    }

    pub fn video(&self) -> Vec<&(UnitStart, Vec<u8>)> {
        self.of(access_unit::Track::Video)
    }

    pub fn audio(&self) -> Vec<&(UnitStart, Vec<u8>)> {
        self.of(access_unit::Track::Audio)
    }

    pub fn is_closed(&self) -> bool {
        self.open.iter().all(Option::is_none)
    }
}

impl UnitSink for Gathered {
    fn config(&mut self, config: &TrackConfig) {
        assert!(self.open[config.track().index()].is_none(), "a configuration within a unit");
        self.configs.push(config.clone());
    }

    fn begin(&mut self, start: UnitStart) {
        let open = self.open[start.track.index()].replace((start, Vec::new()));
        assert!(open.is_none(), "a unit within a unit");
    }

    fn write(&mut self, track: access_unit::Track, bytes: &[u8]) {
        let (_, unit) = self.open[track.index()].as_mut().expect("an open unit");
        unit.extend_from_slice(bytes);
        self.bytes_max = self.bytes_max.max(unit.len());
    }

    fn patch(&mut self, track: access_unit::Track, offset: usize, bytes: [u8; 4]) {
        let (_, unit) = self.open[track.index()].as_mut().expect("an open unit");
        unit[offset..offset + 4].copy_from_slice(&bytes);
    }

    fn commit(&mut self, track: access_unit::Track) {
        self.units.push(self.open[track.index()].take().expect("an open unit"));
    }

    fn abort(&mut self, track: access_unit::Track) {
        self.open[track.index()].take().expect("an open unit");
        self.aborted += 1;
    }
}

/// Units of one track, `shift` earlier than packed.
pub fn of_track(units: &[AccessUnit], track: Track, shift: i64) -> Vec<AccessUnit> {
    let own = units.iter().filter(|unit| unit.track == track).cloned();
    own.map(|unit| AccessUnit { dts: unit.dts - shift, pts: unit.pts - shift, ..unit }).collect()
}

/// What is wrong with the units that came, if something is. Times of the units before `timed_from`
/// are not looked at; others may differ by `ticks`.
pub fn difference(
    sent: &[AccessUnit],
    came: &[&(UnitStart, Vec<u8>)],
    timed_from: usize,
    ticks: i64,
) -> Option<String> {
    for (n, unit) in sent.iter().enumerate() {
        let Some((start, payload)) = came.get(n) else {
            return Some(format!("{} of {} units came", came.len(), sent.len()));
        };
        if *payload != unit.payload() {
            let (sent, came) = (kinds(&unit.payload()), kinds(payload));
            return Some(format!("unit {n} is not what was sent: {came:?} for {sent:?}"));
        }
        if start.key != unit.key {
            return Some(format!("unit {n}: key is {}", start.key));
        }
        let times = (start.dts.0, start.pts.0);
        let off = (times.0 - unit.dts).abs().max((times.1 - unit.pts).abs());
        if n >= timed_from && off > ticks {
            let sent = (unit.dts, unit.pts);
            return Some(format!("unit {n}: times {times:?}, and {sent:?} were sent"));
        }
    }
    (came.len() > sent.len()).then(|| format!("{} units for {}", came.len(), sent.len()))
}

/// Type and length of each NAL unit.
pub fn kinds(mut unit: &[u8]) -> Vec<(u8, usize)> {
    let mut kinds = Vec::new();
    while let Some((length, rest)) = unit.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (nal, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        kinds.push((nal.first().map_or(0, |header| header & 31), nal.len()));
        unit = rest;
    }
    kinds
}

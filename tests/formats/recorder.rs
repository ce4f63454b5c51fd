//! A sink that keeps everything, and holds the producer to the contract of
//! [`UnitSink`](streamcaster::codec::access_unit::UnitSink).

use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};

/// A unit that came whole: how it began, and its bytes.
pub type Unit = (UnitStart, Vec<u8>);

/// Keeps every unit whole.
#[derive(Default)]
pub struct Recorder {
    open: [Option<Unit>; 2],
    pub units: Vec<Unit>,
    pub configs: Vec<TrackConfig>,
    pub aborted: usize,
    /// Words that were written over.
    pub patched: usize,
    /// The most bytes of a unit, those of units that were aborted among them.
    pub bytes_max: usize,
}

impl Recorder {
    pub fn units_of(&self, track: Track) -> impl Iterator<Item = &Unit> {
        self.units.iter().filter(move |(start, _)| start.track == track)
    }

    pub fn video(&self) -> Vec<&Unit> {
        self.units_of(Track::Video).collect()
    }

    pub fn audio(&self) -> Vec<&Unit> {
        self.units_of(Track::Audio).collect()
    }

    pub fn count(&self, track: Track) -> usize {
        self.units_of(track).count()
    }

    pub fn keys(&self) -> usize {
        self.units.iter().filter(|(start, _)| start.key).count()
    }

    /// Whether nothing is open.
    pub fn is_closed(&self) -> bool {
        self.open.iter().all(Option::is_none)
    }

    /// The NAL units of all the pictures.
    pub fn nal_units(&self) -> Vec<Vec<u8>> {
        let of = |(_, unit): &Unit| nal_units(unit).into_iter().map(<[u8]>::to_vec).collect();
        self.units_of(Track::Video).flat_map::<Vec<_>, _>(of).collect()
    }
}

/// A picture's NAL units, each behind a length of four bytes.
pub fn nal_units(unit: &[u8]) -> Vec<&[u8]> {
    let (mut nal_units, mut rest) = (Vec::new(), unit);
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (nal, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        nal_units.push(nal);
        rest = behind;
    }
    assert!(rest.is_empty(), "a unit is a row of NAL units and nothing else");
    nal_units
}

impl UnitSink for Recorder {
    fn config(&mut self, config: &TrackConfig) {
        assert!(self.open[config.track() as usize].is_none(), "a configuration within a unit");
        self.configs.push(config.clone());
    }

    fn begin(&mut self, start: UnitStart) {
        assert!(start.pts >= start.dts, "{start:?}");
        let is_configured = self.configs.iter().any(|config| config.track() == start.track);
        assert!(is_configured, "a unit without configuration");
        let open = self.open[start.track as usize].replace((start, Vec::new()));
        assert!(open.is_none(), "a unit begins while another of its track is open");
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        let (_, unit) = self.open[track as usize].as_mut().expect("an open unit");
        unit.extend_from_slice(bytes);
        self.bytes_max = self.bytes_max.max(unit.len());
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        let (_, unit) = self.open[track as usize].as_mut().expect("an open unit");
        unit[offset..offset + 4].copy_from_slice(&bytes);
        self.patched += 1;
    }

    fn commit(&mut self, track: Track) {
        self.units.push(self.open[track as usize].take().expect("an open unit"));
    }

    fn abort(&mut self, track: Track) {
        self.open[track as usize].take().expect("an open unit");
        self.aborted += 1;
    }
}

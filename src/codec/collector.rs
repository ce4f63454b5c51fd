//! A sink for tests: keeps every unit whole and holds the producer to the rules of
//! [`UnitSink`].

use super::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use super::container::{ContainerReader, FileError, Progress};
use super::per_track::PerTrack;
use super::window::InMemory;

/// What a producer said, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Config(Box<TrackConfig>),
    Unit(UnitStart, Vec<u8>),
    Aborted(UnitStart),
}

#[derive(Default)]
pub(crate) struct Collector {
    pub(crate) said: Vec<Said>,
    open: PerTrack<Option<(UnitStart, Vec<u8>)>>,
    configured: PerTrack<Option<TrackConfig>>,
}

impl Collector {
    /// The units committed, with their bytes.
    pub(crate) fn units(&self) -> Vec<(UnitStart, Vec<u8>)> {
        let unit = |said: &Said| match said {
            Said::Unit(start, bytes) => Some((*start, bytes.clone())),
            _ => None,
        };
        self.said.iter().filter_map(unit).collect()
    }

    /// The configurations announced.
    pub(crate) fn configs(&self) -> Vec<TrackConfig> {
        let config = |said: &Said| match said {
            Said::Config(config) => Some(TrackConfig::clone(config)),
            _ => None,
        };
        self.said.iter().filter_map(config).collect()
    }

    /// The NAL units of every committed video unit, in order.
    pub(crate) fn nals(&self) -> Vec<Vec<u8>> {
        let video = |(start, bytes): (UnitStart, Vec<u8>)| {
            if start.track == Track::Video {
                split_lengths(&bytes)
            } else {
                Vec::new()
            }
        };
        self.units().into_iter().flat_map(video).collect()
    }
}

/// Reads a file on to its end or an error.
pub(crate) fn play(
    reader: &mut dyn ContainerReader,
    bytes: &[u8],
) -> (Collector, Option<FileError>) {
    let mut file = InMemory { bytes, reads: 0 };
    let mut sink = Collector::default();
    for _ in 0..bytes.len() + 1000 {
        match reader.next(&mut file, &mut sink) {
            Ok(Progress::More) => {}
            Ok(Progress::End) => return (sink, None),
            Err(error) => return (sink, Some(error)),
        }
    }
    panic!("it does not end");
}

/// The NAL units of an access unit, each behind its 4-byte length.
pub(crate) fn split_lengths(mut unit: &[u8]) -> Vec<Vec<u8>> {
    let mut nals = Vec::new();
    while !unit.is_empty() {
        let (length, rest) = unit.split_first_chunk::<4>().expect("a length word");
        let length = u32::from_be_bytes(*length) as usize;
        assert!(length > 0, "an empty NAL unit");
        let (nal, rest) = rest.split_at(length);
        nals.push(nal.to_vec());
        unit = rest;
    }
    nals
}

impl UnitSink for Collector {
    fn config(&mut self, config: &TrackConfig) {
        let track = config.track();
        assert!(self.open[track].is_none(), "configuration while a unit is open");
        assert_ne!(self.configured[track].as_ref(), Some(config), "configuration repeated");
        self.configured[track] = Some(config.clone());
        self.said.push(Said::Config(Box::new(config.clone())));
    }

    fn begin(&mut self, start: UnitStart) {
        let track = start.track;
        assert!(self.open[track].is_none(), "a unit is open");
        assert!(self.configured[track].is_some(), "a unit without configuration");
        assert!(start.pts >= start.dts);
        self.open[track] = Some((start, Vec::new()));
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.open[track].as_mut().expect("an open unit").1.extend_from_slice(bytes);
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        let unit = &mut self.open[track].as_mut().expect("an open unit").1;
        unit[offset..offset + 4].copy_from_slice(&bytes);
    }

    fn commit(&mut self, track: Track) {
        let (start, bytes) = self.open[track].take().expect("an open unit");
        self.said.push(Said::Unit(start, bytes));
    }

    fn abort(&mut self, track: Track) {
        let (start, _) = self.open[track].take().expect("an open unit");
        self.said.push(Said::Aborted(start));
    }
}

/// Bytes from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).expect("a digit")).unwrap();
    digits.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

/// Seeded random numbers (xorshift64*, Vigna 2016).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

//! What the tests of the whole demultiplexer share.

use super::demux::{Demux, TsCounters};
use super::testing::{access_unit, Pes, Writer, VIDEO};
use crate::codec::access_unit::{Track, UnitStart};
use crate::codec::collector::{Collector, Random};

pub(super) const FRAME: u64 = 3600;
pub(super) const WRAP: u64 = 1 << 33;

/// A writer, a demultiplexer and what came out of it.
pub(super) struct Bench {
    pub(super) writer: Writer,
    pub(super) demux: Demux,
    pub(super) sink: Collector,
    pub(super) random: Random,
    pub(super) frames: u64,
    /// Annex B of the units that must come out, delimiters included.
    pub(super) sent: Vec<Vec<u8>>,
}

impl Bench {
    pub(super) fn new() -> Bench {
        let mut bench = Bench::bare(None);
        bench.writer.tables();
        bench
    }

    pub(super) fn bare(programme: Option<u16>) -> Bench {
        Bench {
            writer: Writer::default(),
            demux: Demux::new(programme),
            sink: Collector::default(),
            random: Random(11),
            frames: 0,
            sent: Vec::new(),
        }
    }

    /// Sends what was written, a packet a datagram.
    pub(super) fn send(&mut self) {
        for packet in self.writer.take().chunks(188) {
            self.demux.datagram(packet, &mut self.sink);
        }
    }

    pub(super) fn next_unit(&mut self, slice_bytes: usize) -> Vec<u8> {
        let unit = access_unit(self.frames == 0, slice_bytes, &mut self.random);
        self.frames += 1;
        unit
    }

    pub(super) fn time(&self) -> u64 {
        900_000 + self.frames * FRAME
    }

    /// Writes a frame of no stated length that ends stuffed.
    pub(super) fn frame(&mut self) {
        let time = self.time();
        let unit = self.next_unit(500);
        self.writer.pes(&video(time, &unit));
        self.sent.push(unit);
    }

    pub(super) fn counters(&self) -> TsCounters {
        *self.demux.counters()
    }

    pub(super) fn starts(&self, track: Track) -> Vec<UnitStart> {
        let units = self.sink.units().into_iter().map(|(start, _)| start);
        units.filter(|start| start.track == track).collect()
    }

    pub(super) fn dts(&self) -> Vec<i64> {
        self.starts(Track::Video).iter().map(|start| start.dts.0).collect()
    }

    pub(super) fn video_units(&self) -> usize {
        self.starts(Track::Video).len()
    }

    /// The first of the units sent, and no others, came out, unchanged.
    pub(super) fn assert_came(&self, units: usize) {
        assert_eq!(self.video_units(), units, "{:?}", self.counters());
        let sent = self.sent.get(..units).expect("so many were sent");
        let nals = |unit: &Vec<u8>| split(unit);
        assert_eq!(self.sink.nals(), sent.iter().flat_map(nals).collect::<Vec<_>>());
    }

    /// The belief in stuffed ends is earned.
    pub(super) fn prove(&mut self) {
        for _ in 0..10 {
            self.frame();
        }
        self.send();
        assert_eq!((self.video_units(), self.counters().early_ends), (10, 2));
    }
}

pub(super) fn video(time: u64, body: &[u8]) -> Pes<'_> {
    Pes { pid: VIDEO, pts: Some(time % WRAP), dts: None, length_error: None, body }
}

pub(super) fn split(unit: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> =
        (0..unit.len()).filter(|n| unit[*n..].starts_with(&[0, 0, 1])).collect();
    let ends = starts.iter().skip(1).copied().chain([unit.len()]);
    let nal = |(start, end): (&usize, usize)| {
        let nal = &unit[start + 3..end];
        nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)].to_vec()
    };
    starts.iter().zip(ends).map(nal).collect()
}

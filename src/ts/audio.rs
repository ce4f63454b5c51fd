//! The audio stream of the programme: packets of its PID in, AAC frames out. Purpose: hand the
//! assembler what belongs together and tell it what was lost. A PES packet's end does not matter:
//! ADTS frames tell their own length, and may go on in the next. Bound: no payload is kept.

use super::clock::Clock;
use super::continuity::ContinuityCheck;
use super::counters::TsCounters;
use super::packet::Packet;
use super::pes::PesReader;
use crate::codec::aac::{AdtsAssembler, AdtsCounters};
use crate::codec::access_unit::UnitSink;

/// The audio stream.
pub(super) struct AudioStream {
    pub(super) pid: u16,
    /// It is AAC in ADTS: the PMT says so, or its content did.
    pub(super) is_adts: bool,
    continuity: ContinuityCheck,
    pes: PesReader,
    assembler: AdtsAssembler,
}

impl AudioStream {
    /// A stream that is ADTS, or that may be.
    pub(super) fn new(pid: u16, is_adts: bool) -> AudioStream {
        AudioStream {
            pid,
            is_adts,
            continuity: ContinuityCheck::new(),
            pes: PesReader::new(),
            assembler: AdtsAssembler::new(),
        }
    }

    /// What its frames came to.
    pub(super) fn frame_counters(&self) -> AdtsCounters {
        self.assembler.counters()
    }

    /// The next datagram begins.
    pub(super) fn datagram(&mut self) {
        self.continuity.datagram();
    }

    /// Takes a packet of the stream.
    pub(super) fn packet<S: UnitSink + ?Sized>(
        &mut self,
        packet: &Packet<'_>,
        clock: &mut Clock,
        counters: &mut TsCounters,
        sink: &mut S,
    ) {
        let arrival = self.continuity.arrival(packet, counters);
        if arrival.gap {
            self.give_up(counters, sink);
        }
        let Some(payload) = arrival.payload else { return };
        let broken = self.assembler.counters().broken;
        match self.pes.payload(packet.unit_start, payload) {
            Ok(part) => {
                if part.begun.is_some() && !self.is_adts {
                    self.is_adts = begins_with_adts(part.body);
                }
                if !self.is_adts {
                    return;
                }
                if let Some(header) = part.begun {
                    let pts = header.times.pts.map(|pts| clock.unwrap(pts));
                    counters.missing_times += u64::from(pts.is_none());
                    self.assembler.begin(pts);
                }
                self.assembler.data(part.body, sink);
            }
            Err(_) => self.assembler.lost(sink),
        }
        counters.broken_units += self.assembler.counters().broken.saturating_sub(broken);
    }

    /// What comes next stands elsewhere: nothing is missing between.
    pub(super) fn jump<S: UnitSink + ?Sized>(&mut self, counters: &mut TsCounters, sink: &mut S) {
        self.give_up(counters, sink);
        self.continuity = ContinuityCheck::new();
    }

    /// A part of the stream is lost. What comes before the next PES packet has no time and is not
    /// read.
    pub(super) fn give_up<S: UnitSink + ?Sized>(
        &mut self,
        counters: &mut TsCounters,
        sink: &mut S,
    ) {
        let broken = self.assembler.counters().broken;
        self.assembler.lost(sink);
        counters.broken_units += self.assembler.counters().broken.saturating_sub(broken);
        self.pes.close();
    }
}

/// ADTS has the syncword of MPEG audio and the layer that MPEG audio reserves, 0
/// (ISO/IEC 13818-3, 2.4.2.3; ISO/IEC 13818-7, 6.2.1).
fn begins_with_adts(body: &[u8]) -> bool {
    matches!(body, [0xff, second, ..] if second & 0xf6 == 0xf0)
}

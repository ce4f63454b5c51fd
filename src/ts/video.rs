//! The video stream of the programme: packets of its PID in, H.264 access units out. Purpose:
//! decide when a unit begins, when it is whole and when it is lost. Non-goals: what is in it (the
//! assembler's), several units in a PES packet (likewise). Bound: no payload is kept.

use super::clock::{Clock, Stated, VideoTimes};
use super::continuity::ContinuityCheck;
use super::counters::Counters;
use super::early_end::{LengthEnd, StatedBody, StuffingEnd};
use super::packet::Packet;
use super::pes::{PesHeader, PesReader};
use crate::codec::access_unit::UnitSink;
use crate::codec::h264::{H264Assembler, H264Counters};

/// The PES packet in hand, or the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// None, or it was given up.
    None,
    /// Its body comes; with the stated length if there is one.
    Open(Option<StatedBody>),
    /// It was ended where it had its stated length, before the next began.
    EndedAtLength,
    /// It was ended at a stuffed packet before the next began.
    EndedAtStuffing,
}

/// The video stream.
pub(super) struct VideoStream {
    pub(super) pid: u16,
    continuity: ContinuityCheck,
    pes: PesReader,
    unit: Unit,
    times: VideoTimes,
    by_length: LengthEnd,
    by_stuffing: StuffingEnd,
    assembler: H264Assembler,
}

impl VideoStream {
    pub(super) fn new(pid: u16) -> VideoStream {
        VideoStream {
            pid,
            continuity: ContinuityCheck::new(),
            pes: PesReader::new(),
            unit: Unit::None,
            times: VideoTimes::new(),
            by_length: LengthEnd::new(),
            by_stuffing: StuffingEnd::new(),
            assembler: H264Assembler::new(),
        }
    }

    /// What its units came to.
    pub(super) fn unit_counters(&self) -> H264Counters {
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
        counters: &mut Counters,
        sink: &mut S,
    ) {
        let arrival = self.continuity.arrival(packet, counters);
        if arrival.gap {
            self.give_up(counters, sink);
        }
        let Some(payload) = arrival.payload else { return };
        if packet.unit_start {
            self.end_at_start(counters, sink);
        } else if payload.iter().any(|byte| *byte != 0) {
            self.disprove(counters);
        }
        match self.pes.payload(packet.unit_start, payload) {
            Ok(part) => {
                if let Some(header) = part.begun {
                    self.begin(&header, clock, counters);
                }
                self.body(part.body, packet.stuffed, counters, sink);
            }
            Err(_) => counters.broken_units += 1,
        }
    }

    /// A part of the stream is lost: the unit in hand, if any, cannot become whole.
    pub(super) fn give_up<S: UnitSink + ?Sized>(&mut self, counters: &mut Counters, sink: &mut S) {
        if self.pes.is_open() {
            counters.broken_units += 1;
            self.assembler.abort(sink);
        }
        self.pes.close();
        self.unit = Unit::None;
    }

    /// What comes next stands elsewhere: nothing is missing between, and the times start anew.
    pub(super) fn jump<S: UnitSink + ?Sized>(&mut self, counters: &mut Counters, sink: &mut S) {
        self.give_up(counters, sink);
        self.continuity = ContinuityCheck::new();
        self.times.jump();
    }

    /// Nothing comes any more: the unit in hand is whole, unless its stated length says otherwise.
    pub(super) fn finish<S: UnitSink + ?Sized>(&mut self, counters: &mut Counters, sink: &mut S) {
        match self.unit {
            Unit::Open(stated) if stated.is_none_or(|body| body.fits()) => {
                self.assembler.end(sink);
                self.pes.close();
                self.unit = Unit::None;
            }
            _ => self.give_up(counters, sink),
        }
    }

    /// A PES packet begins and nothing was lost before: the one in hand is over.
    fn end_at_start<S: UnitSink + ?Sized>(&mut self, counters: &mut Counters, sink: &mut S) {
        match self.unit {
            Unit::Open(stated) => {
                let believed = self.by_length.holds();
                let fits = stated.is_none_or(|body| body.fits());
                if stated.is_some() {
                    self.by_length.ended(fits);
                }
                if believed && !fits {
                    // A hole that the continuity counter did not show, or a length that lies.
                    self.give_up(counters, sink);
                } else {
                    self.by_stuffing.ended();
                    self.assembler.end(sink);
                }
            }
            Unit::EndedAtLength => self.by_length.ended(true),
            Unit::EndedAtStuffing => self.by_stuffing.ended(),
            // A start inside a header that is not whole.
            Unit::None => self.give_up(counters, sink),
        }
        self.unit = Unit::None;
    }

    /// More comes of a PES packet that was taken as whole. It has left; what can be done is not
    /// to believe so again.
    fn disprove(&mut self, counters: &mut Counters) {
        match self.unit {
            Unit::EndedAtLength => self.by_length.wrong(),
            Unit::EndedAtStuffing => self.by_stuffing.wrong(),
            Unit::None | Unit::Open(_) => return,
        }
        counters.early_end_failures += 1;
        self.unit = Unit::None;
    }

    fn begin(&mut self, header: &PesHeader, clock: &mut Clock, counters: &mut Counters) {
        let (dts, pts, stated) = self.times.next(header.times, clock);
        match stated {
            Stated::Whole => {}
            Stated::Corrected => counters.corrected_times += 1,
            Stated::Missing => counters.missing_times += 1,
        }
        self.by_stuffing.begin();
        self.assembler.begin(dts, pts);
        self.unit = Unit::Open(header.body_bytes.map(StatedBody::new));
    }

    fn body<S: UnitSink + ?Sized>(
        &mut self,
        body: &[u8],
        stuffed: bool,
        counters: &mut Counters,
        sink: &mut S,
    ) {
        let Unit::Open(stated) = &mut self.unit else { return };
        if let Some(stated) = stated {
            stated.add(body);
        }
        let stated = stated.filter(|_| self.by_length.holds());
        self.assembler.data(body, sink);
        let believed_last = self.by_stuffing.packet(stuffed);
        // A PES packet ends with a transport packet, so where it has its length in an unstuffed
        // one both may be chance: the next start will tell.
        let ended = match stated {
            Some(stated) if stuffed && stated.fits() => Unit::EndedAtLength,
            None if believed_last => Unit::EndedAtStuffing,
            _ => return,
        };
        self.assembler.end(sink);
        self.pes.close();
        self.unit = ended;
        counters.early_ends += 1;
    }
}

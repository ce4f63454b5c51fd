//! The video stream of the programme: packets of its PID in, H.264 access units out. Purpose:
//! decide what is lost, and when a unit is whole before the next one begins. Non-goals: where units
//! begin and end, which NAL units say (the assembler's). Bound: no payload is kept.

use super::clock::{Clock, Stated};
use super::continuity::ContinuityCheck;
use super::counters::TsCounters;
use super::early_end::{LengthEnd, StatedBody, StuffingEnd, WholeUnits};
use super::packet::Packet;
use super::pes::{PesError, PesHeader, PesReader};
use crate::codec::access_unit::UnitSink;
use crate::codec::h264::{AccessUnitOrigin, Border, H264Assembler, H264Counters, PacketStart};

/// Stream id of PES packets that hold nothing (ISO/IEC 13818-1, table 2-22).
const PADDING_STREAM: u8 = 0xbe;

/// The PES packet in hand, or the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pes {
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
    state: Pes,
    /// The PES packet before the one in hand was ended before that one began.
    ended_before: bool,
    whole: WholeUnits,
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
            state: Pes::None,
            ended_before: false,
            whole: WholeUnits::new(),
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
        place: u64,
        clock: &mut Clock,
        counters: &mut TsCounters,
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
            self.disprove(counters, sink);
        }
        match self.pes.payload(packet.unit_start, payload) {
            Ok(part) => {
                if let Some(header) = part.begun {
                    self.begin(&header, place, clock, counters);
                }
                self.body(part.body, packet.stuffed, counters, sink);
            }
            // Padding holds nothing, so nothing is missing.
            Err(PesError::StreamId(PADDING_STREAM)) => {}
            Err(_) => {
                if self.whole.holds() {
                    self.assembler.end(sink);
                }
                self.assembler.lost(false, sink);
                counters.broken_units += 1;
            }
        }
    }

    /// A part of the stream is lost: the unit in hand, if any, cannot become whole.
    pub(super) fn give_up<S: UnitSink + ?Sized>(
        &mut self,
        counters: &mut TsCounters,
        sink: &mut S,
    ) {
        // A PES packet whose header is not whole is one of which nothing has begun.
        let is_in_header = self.pes.is_open() && self.state == Pes::None;
        let is_broken = self.assembler.lost(self.whole.holds(), sink);
        counters.broken_units += u64::from(is_broken || is_in_header);
        self.pes.close();
        self.state = Pes::None;
        self.ended_before = false;
    }

    /// What comes next stands elsewhere: nothing is missing between, and times are unknown. Units
    /// are left out until one states its own, if `needs_time`.
    pub(super) fn jump<S: UnitSink + ?Sized>(&mut self, needs_time: bool, sink: &mut S) {
        self.assembler.jump(needs_time, sink);
        self.pes.close();
        self.state = Pes::None;
        self.ended_before = false;
        self.continuity = ContinuityCheck::new();
    }

    /// The unit begun since the last time.
    pub(super) fn take_begun(&mut self) -> Option<AccessUnitOrigin> {
        self.assembler.take_begun()
    }

    /// Nothing comes any more: the unit in hand is whole, unless its stated length says otherwise.
    pub(super) fn finish<S: UnitSink + ?Sized>(&mut self, counters: &mut TsCounters, sink: &mut S) {
        match self.state {
            Pes::Open(stated) if stated.is_none_or(|body| body.fits()) => {
                self.assembler.end(sink);
                self.pes.close();
                self.state = Pes::None;
            }
            _ => self.give_up(counters, sink),
        }
    }

    /// A PES packet begins and nothing was lost before: the one in hand is over. What it brought
    /// last may go on in this one.
    fn end_at_start<S: UnitSink + ?Sized>(&mut self, counters: &mut TsCounters, sink: &mut S) {
        match self.state {
            Pes::Open(stated) => {
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
                }
            }
            Pes::EndedAtLength => self.by_length.ended(true),
            Pes::EndedAtStuffing => self.by_stuffing.ended(),
            // A start inside a header that is not whole.
            Pes::None if self.pes.is_open() => self.give_up(counters, sink),
            Pes::None => {}
        }
        self.ended_before = matches!(self.state, Pes::EndedAtLength | Pes::EndedAtStuffing);
        self.state = Pes::None;
    }

    /// More comes of a PES packet that was taken as whole. It has left; what can be done is not
    /// to believe so again.
    fn disprove<S: UnitSink + ?Sized>(&mut self, counters: &mut TsCounters, sink: &mut S) {
        match self.state {
            Pes::EndedAtLength => self.by_length.wrong(),
            Pes::EndedAtStuffing => self.by_stuffing.wrong(),
            Pes::None | Pes::Open(_) => return,
        }
        counters.early_end_failures += 1;
        self.state = Pes::None;
        self.assembler.lost(self.whole.holds(), sink);
    }

    /// How the PES packet in hand began tells how the one before ended.
    fn learn(&mut self, counters: &mut TsCounters) {
        let Some(border) = self.assembler.take_border() else { return };
        self.whole.border(border);
        if border == Border::Inside && self.ended_before {
            counters.early_end_failures += 1;
        }
        self.ended_before = false;
    }

    fn begin(
        &mut self,
        header: &PesHeader,
        place: u64,
        clock: &mut Clock,
        counters: &mut TsCounters,
    ) {
        let stated = Stated::of(header.times, clock);
        counters.corrected_times += u64::from(matches!(stated, Stated::Corrected(_)));
        counters.missing_times += u64::from(stated == Stated::Missing);
        self.by_stuffing.begin();
        self.whole.begin();
        let latest = clock.latest();
        self.assembler.begin(PacketStart { times: stated.times(), latest, place });
        self.state = Pes::Open(header.body_bytes.map(StatedBody::new));
    }

    fn body<S: UnitSink + ?Sized>(
        &mut self,
        body: &[u8],
        stuffed: bool,
        counters: &mut TsCounters,
        sink: &mut S,
    ) {
        let Pes::Open(stated) = &mut self.state else { return };
        if let Some(stated) = stated {
            stated.add(body);
        }
        let stated = stated.filter(|_| self.by_length.holds());
        self.whole.add(body);
        self.assembler.data(body, sink);
        self.learn(counters);
        let believed_last = self.by_stuffing.packet(stuffed);
        // A PES packet ends with a transport packet, so where it has its length in an unstuffed
        // one both may be chance: the next start will tell.
        let ended = match stated {
            Some(stated) if stuffed && stated.fits() => Pes::EndedAtLength,
            None if believed_last => Pes::EndedAtStuffing,
            _ => return,
        };
        if !self.whole.ends_here() || !self.assembler.is_in_picture() {
            return;
        }
        self.assembler.end(sink);
        self.pes.close();
        self.state = ended;
        counters.early_ends += 1;
    }
}

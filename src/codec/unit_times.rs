//! Which packet's times hold for which access unit. Purpose: a PTS belongs to the first access unit
//! that commences in its packet (ISO/IEC 13818-1, 2.14.2), wherever the packet begins; the units
//! that are left without are given theirs by the clock. Bound: a few packets' beginnings.

use super::slice_header::SliceHeader;
use super::unit_clock::{UnitClock, UnitTime};
use crate::base::time::Ticks;

/// A packet of the byte stream that begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketStart {
    /// DTS and PTS of the first access unit that commences in it (ISO/IEC 13818-1, 2.14.2).
    pub times: Option<(Ticks, Ticks)>,
    /// The time last seen on any track, for a stream that begins without times.
    pub latest: Option<Ticks>,
    /// Where it stands in a file; comes back in [`Begun`].
    pub place: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct TimedPacket {
    start: PacketStart,
    /// 0 where there is none.
    number: u64,
    /// It stated times, be they claimed by now.
    is_timed: bool,
}

/// The times of one track.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnitTimes {
    /// The packet in hand, and the one before.
    packet: TimedPacket,
    before: TimedPacket,
    /// The packets in which the NAL unit in hand, the access unit, and the one before commenced.
    nal: TimedPacket,
    unit: TimedPacket,
    unit_before: TimedPacket,
    needs_time: bool,
    place: u64,
    clock: UnitClock,
}

impl UnitTimes {
    /// A packet begins.
    pub(super) fn begin(&mut self, start: PacketStart) {
        self.before = self.packet;
        let number = self.packet.number.wrapping_add(1);
        self.packet = TimedPacket { start, number, is_timed: start.times.is_some() };
    }

    /// A NAL unit begins, in the packet before if its start code is split.
    pub(super) const fn nal(&mut self, is_split: bool) {
        self.nal = if is_split { self.before } else { self.packet };
    }

    /// The access unit that commences with the NAL unit in hand has the times of its packet, unless
    /// another one commenced there before.
    pub(super) fn claim(&mut self) {
        self.unit_before = self.unit;
        self.unit = self.nal;
        for packet in [&mut self.packet, &mut self.before] {
            if packet.number == self.nal.number {
                packet.start.times = None;
            }
        }
    }

    /// A packet begins within the head of an access unit that commenced in one without times: a
    /// muxer that packs by NAL unit, whose times are meant for it.
    pub(super) fn adopt(&mut self) {
        if !self.unit.is_timed {
            if let Some(times) = self.packet.start.times.take() {
                self.unit.start = PacketStart { times: Some(times), ..self.packet.start };
                self.unit.is_timed = true;
            }
        }
    }

    /// DTS and PTS of the access unit whose first slice this is.
    pub(super) fn unit(&mut self, frame_rate: f64, slice: Option<&SliceHeader>) -> (Ticks, Ticks) {
        let TimedPacket { start, number, .. } = self.unit;
        if start.times.is_some() {
            let before = self.unit_before;
            self.place = if before.number > 0 { before.start.place } else { start.place };
            self.needs_time = false;
        }
        self.clock.unit(&UnitTime {
            stated: start.times,
            shares_packet: number == self.unit_before.number,
            frame_rate,
            slice,
            latest: start.latest,
        })
    }

    /// Nothing has said what time it is.
    pub(super) const fn are_unknown(&self) -> bool {
        self.needs_time
    }

    /// The packet from which on the unit in hand comes once more with the same times: that of the
    /// unit before the one whose times hold for it, so that this one's beginning is certain.
    pub(super) const fn place(&self) -> u64 {
        self.place
    }

    /// Units may be missing.
    pub(super) fn lost(&mut self) {
        self.clock.lost();
        self.packet.start.times = None;
    }

    /// What comes next stands elsewhere; its times are unknown until one is stated, if
    /// `needs_time`.
    pub(super) fn jump(&mut self, needs_time: bool) {
        self.clock.jump();
        self.needs_time = needs_time;
        self.packet.start.times = None;
        // No unit is known that comes before the next one.
        self.unit = TimedPacket::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(times: &mut UnitTimes, dts: Option<i64>, place: u64) {
        let stated = dts.map(|dts| (Ticks(dts), Ticks(dts)));
        times.begin(PacketStart { times: stated, latest: None, place });
    }

    /// A unit commences with a NAL unit and is complete with its slice.
    fn unit(times: &mut UnitTimes, is_split: bool) -> i64 {
        times.nal(is_split);
        times.claim();
        times.unit(25.0, None).0 .0
    }

    #[test]
    fn a_packets_times_are_those_of_the_first_unit_that_commences_in_it() {
        let times = &mut UnitTimes::default();
        packet(times, Some(100_000), 1);
        assert_eq!((unit(times, false), unit(times, false)), (100_000, 103_600));
        packet(times, Some(150_000), 2);
        packet(times, Some(200_000), 3);
        assert_eq!(unit(times, false), 200_000, "none commenced in the one before");
    }

    #[test]
    fn a_start_code_split_over_packets_belongs_to_the_first() {
        let times = &mut UnitTimes::default();
        packet(times, Some(100_000), 1);
        packet(times, Some(200_000), 2);
        assert_eq!((unit(times, true), unit(times, false)), (100_000, 200_000));
        packet(times, Some(350_000), 3);
        assert_eq!(unit(times, true), 300_000, "another commenced in that packet before");
        assert_eq!(unit(times, false), 350_000);
    }

    #[test]
    fn a_head_without_times_takes_those_of_the_next_packet_within_it() {
        let times = &mut UnitTimes::default();
        packet(times, Some(100_000), 1);
        unit(times, false);
        packet(times, None, 2);
        times.nal(false);
        times.claim();
        packet(times, Some(200_000), 3);
        times.adopt();
        assert_eq!(times.unit(25.0, None).0, Ticks(200_000));
        packet(times, Some(300_000), 4);
        times.adopt();
        assert_eq!(unit(times, false), 300_000, "one that has times keeps them");
    }

    #[test]
    fn a_unit_is_found_again_from_the_one_before_the_last_that_stated_its_times() {
        let times = &mut UnitTimes::default();
        packet(times, Some(100_000), 10);
        unit(times, false);
        assert_eq!(times.place(), 10, "none is before it");
        packet(times, Some(110_000), 20);
        unit(times, false);
        packet(times, None, 30);
        unit(times, false);
        assert_eq!(times.place(), 10);
        packet(times, Some(130_000), 40);
        unit(times, false);
        assert_eq!(times.place(), 30);
        times.jump(true);
        assert!(times.are_unknown());
        packet(times, None, 70);
        unit(times, false);
        assert!(times.are_unknown());
        packet(times, Some(500_000), 80);
        unit(times, false);
        assert!(!times.are_unknown());
        assert_eq!(times.place(), 70);
    }
}

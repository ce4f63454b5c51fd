//! How the access units of an H.264 stream begin. Purpose: behind a loss, say which NAL unit is
//! certainly the first of its access unit. Non-goal: the rule within an unbroken stream, which is
//! the assembler's. Bound: a few numbers.
//!
//! Behind a loss the NAL units before the one that comes may be missing: an SPS may have lost its
//! delimiter, a slice its SEI. So where units have begun with delimiters, only a delimiter is
//! certain; elsewhere an SPS, which comes before all else; and what has begun units before, where
//! packets are known to begin with units.

use super::nal_type;

/// Units in a row that began with a delimiter, after which all are taken to.
const DELIMITED_UNITS: u8 = 3;

/// What was seen of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitStarts {
    /// Nothing was lost since a unit last began.
    is_certain: bool,
    /// The unit in hand has begun, and its first slice has not come.
    is_headed: bool,
    /// The types of NAL units that have begun units, a bit each.
    types: u32,
    delimited: u8,
    whole_packets: bool,
}

impl Default for UnitStarts {
    fn default() -> UnitStarts {
        UnitStarts {
            is_certain: true,
            is_headed: false,
            types: 0,
            delimited: 0,
            whole_packets: false,
        }
    }
}

impl UnitStarts {
    pub(super) const fn is_certain(&self) -> bool {
        self.is_certain
    }

    /// NAL units stand before the first slice of the unit in hand.
    pub(super) const fn is_headed(&self) -> bool {
        self.is_headed
    }

    /// A unit begins with a NAL unit of this type.
    pub(super) fn unit(&mut self, kind: u8) {
        self.delimited = match kind {
            nal_type::ACCESS_UNIT_DELIMITER => self.delimited.saturating_add(1),
            _ => 0,
        };
        self.types |= 1 << (kind & 0x1f);
        self.is_headed = !nal_type::SLICES.contains(&kind);
        self.is_certain = true;
    }

    /// Its first slice has come.
    pub(super) const fn opened(&mut self) {
        self.is_headed = false;
    }

    /// A part of the stream is missing. `whole_packets`: its packets begin with units.
    pub(super) const fn lost(&mut self, whole_packets: bool) {
        self.is_certain = false;
        self.is_headed = false;
        self.whole_packets = whole_packets;
    }

    /// What comes stands elsewhere, from the beginning of a packet on.
    pub(super) const fn jump(&mut self) {
        if self.types != 0 {
            self.lost(true);
        }
    }

    /// Behind a loss: whether a NAL unit of this type certainly begins a unit, though nothing is
    /// known of what came before it.
    pub(super) const fn may_be(&self, kind: u8, begins_packet: bool) -> bool {
        let is_usual = self.types >> (kind & 0x1f) & 1 == 1;
        let is_first = kind == nal_type::SPS || (begins_packet && self.whole_packets);
        !self.is_certain && self.delimited < DELIMITED_UNITS && is_usual && is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICE: u8 = 1;

    /// Behind a loss, in a stream whose units begin so.
    fn lost(kinds: &[u8], whole_packets: bool) -> UnitStarts {
        let mut starts = UnitStarts::default();
        for kind in kinds {
            starts.unit(*kind);
        }
        assert!(starts.is_certain(), "nothing is lost");
        assert!(!starts.may_be(SLICE, true), "nothing is lost");
        starts.lost(whole_packets);
        assert!(!starts.is_certain());
        assert!(!starts.is_headed());
        starts
    }

    #[test]
    fn where_units_have_delimiters_nothing_else_is_certain() {
        let starts = lost(&[9, 9, 9], true);
        for kind in [SLICE, nal_type::SPS, nal_type::SEI] {
            assert!(!starts.may_be(kind, true), "{kind}");
        }
        let starts = lost(&[9, 9, nal_type::SPS, 9, 9], true);
        assert!(starts.may_be(nal_type::SPS, false), "not three in a row");
    }

    #[test]
    fn elsewhere_what_has_begun_units_begins_them_at_the_beginning_of_a_packet() {
        let starts = lost(&[nal_type::SPS, SLICE], true);
        assert!(starts.may_be(SLICE, true));
        assert!(!starts.may_be(SLICE, false));
        assert!(!starts.may_be(nal_type::SEI, true), "its SPS may be missing");
        let starts = lost(&[nal_type::SPS, SLICE], false);
        assert!(!starts.may_be(SLICE, true));
        assert!(starts.may_be(nal_type::SPS, false));
    }

    #[test]
    fn a_unit_has_a_head_until_its_slice() {
        let mut starts = UnitStarts::default();
        starts.unit(nal_type::SPS);
        assert!(starts.is_headed());
        starts.opened();
        assert!(!starts.is_headed());
        starts.unit(SLICE);
        assert!(!starts.is_headed());
    }

    #[test]
    fn behind_a_jump_the_first_packet_begins_a_unit_or_not_as_behind_a_loss() {
        let mut starts = UnitStarts::default();
        starts.jump();
        assert!(starts.is_certain(), "a stream of which nothing is known");
        starts.unit(nal_type::SPS);
        starts.jump();
        assert!(!starts.is_certain());
        assert!(starts.may_be(nal_type::SPS, true));
    }
}

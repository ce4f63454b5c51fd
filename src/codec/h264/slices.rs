//! The assembler at a slice: whether it goes on with the access unit in hand or begins the next one
//! (ISO/IEC 14496-10, 7.4.1.2.4). Bound: the assembler's.

use super::{Border, H264Assembler, Nal, Relation, SliceHeader, Stage, UnitSink};
use crate::codec::nal_type;

impl H264Assembler {
    /// Looks at the slice header, as far as it has come. `all`: no more of it will.
    pub(super) fn look_at_slice<S: UnitSink + ?Sized>(&mut self, all: bool, sink: &mut S) {
        if self.nal != Nal::Slice {
            return;
        }
        let nal = self.writer.held_nal();
        let kind = nal.first().map_or(0, |header| nal_type::of(*header));
        let sets = &self.sets;
        let read = SliceHeader::parse(nal, |pps| sets.slice_facts(pps));
        let read = match read {
            None if all => SliceHeader::parse(nal, |_| None),
            read => read,
        };
        if read.is_some() || all {
            self.nal = Nal::Known;
            self.slice_is_known(kind, read, sink);
        }
    }

    fn slice_is_known<S: UnitSink + ?Sized>(
        &mut self,
        kind: u8,
        slice: Option<SliceHeader>,
        sink: &mut S,
    ) {
        let relation = match (slice, self.slice) {
            (Some(slice), Some((before, is_second))) => slice.relation_to(&before, is_second),
            (Some(slice), None) if slice.first_mb == 0 => Relation::New,
            _ => Relation::Same,
        };
        let is_headed = self.stage == Stage::Head && self.starts.is_headed();
        let is_first = match (self.stage, relation) {
            (Stage::Head, _) if is_headed => true,
            // The field before has left by itself.
            (Stage::Head, relation) => relation != Relation::Same,
            (Stage::Open, relation) => relation == Relation::New,
            (Stage::Idle | Stage::Dropped, relation) => match self.slice {
                Some(_) => relation == Relation::New,
                None => {
                    self.starts.may_be(kind, self.nal_begins_packet)
                        && slice.is_some_and(|slice| slice.may_begin_unit())
                }
            },
        };
        if self.nal_begins_packet {
            let begins = is_first && !is_headed && relation == Relation::New;
            self.note(if begins { Border::Unit } else { Border::Inside });
        }
        let before = self.slice;
        let was_second = before.is_some_and(|(_, is_second)| is_second);
        let is_second = match relation {
            Relation::New => false,
            Relation::SecondField => true,
            Relation::Same => was_second && !is_headed,
        };
        // Behind a loss: by which of the two comes first in this stream.
        let other_field = self.first_field.zip(slice.and_then(|slice| slice.bottom_field()));
        let is_second = match before {
            None if !is_first => other_field.is_some_and(|(first, this)| first != this),
            _ => is_second,
        };
        if is_first && !is_headed {
            self.finish_unit(sink);
            self.starts.unit(kind);
            self.times.claim();
        }
        if slice.is_some() {
            self.slice = slice.map(|slice| (slice, is_second));
        }
        if is_first {
            self.first_field = slice.and_then(|slice| slice.bottom_field()).or(self.first_field);
            self.open_unit(kind, slice.as_ref(), sink);
            return;
        }
        match self.stage {
            Stage::Open => self.writer.join(sink),
            Stage::Idle | Stage::Head | Stage::Dropped => {
                // It may be a unit's first slice all the same, whose times the packet states.
                if before.is_none() && slice.is_some_and(|slice| slice.first_mb == 0) {
                    self.times.claim();
                }
                self.drop_unit();
            }
        }
    }
}

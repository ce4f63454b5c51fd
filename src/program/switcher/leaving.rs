//! When what was stored may leave in the order of time. Purpose: gives each unit its place in that
//! order, and lets time pass for what is held back. Bound: borrows the switcher.

use crate::base::time::Mono;
use crate::codec::access_unit::Track;

use super::super::order::Stored;
use super::super::unit::Unit;
use super::Switcher;

impl Switcher {
    /// Counts a unit that was stored, and gives it its place in the order of time.
    pub(super) fn note(&mut self, unit: &Unit, now: Mono) {
        let (track, dts, duration) = (unit.track, unit.dts, self.duration(unit));
        let may_sound = !self.is_mute(now);
        let state = self.sources.get(self.on_air as usize).filter(|_| may_sound);
        let interleave = state.map(|state| &state.interleave);
        let due = self.timeline.due(now).unwrap_or(dts);
        let stored = Stored { track, dts, duration, due };
        let releases = self.order.stored(stored, interleave, now);
        self.ring.settle(self.order.settled());
        if self.moved != Some(Track::Video) {
            self.moved = Some(if releases { Track::Video } else { unit.track });
        }
        self.counters.units += 1;
        self.counters.bytes[unit.track] += unit.len as u64;
    }

    /// Lets leave what was held back long enough, behind silence where it has no sound.
    pub(super) fn let_leave(&mut self, now: Mono) {
        self.fill_beside_held(now);
        if self.order.tick(now) {
            self.moved = Some(Track::Video);
            self.ring.settle(self.order.settled());
        }
    }
}

//! What is remembered of a source, on air or not. Purpose: its configurations, and what its
//! silence is held against. Bound: this struct, one for each source.

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::TrackConfig;

use super::super::timeline::FRAME_MAX;

/// What is remembered of a source.
#[derive(Default)]
pub(super) struct SourceState {
    /// Its configurations, by [`Track::index`](crate::codec::access_unit::Track::index).
    pub(super) configs: [Option<TrackConfig>; 2],
    /// When its last video byte came.
    pub(super) flowed: Option<Mono>,
    /// When its next video unit is due, if it has said so.
    pub(super) due: Option<Mono>,
    last_dts: Option<Ticks>,
    /// Distance of its last two video units.
    pub(super) frame: Ticks,
}

impl SourceState {
    pub(super) fn video_begins(&mut self, dts: Ticks) {
        let step = self.last_dts.replace(dts).map_or(Ticks(0), |last| dts - last);
        if step.0 > 0 && step.0 <= FRAME_MAX.0 {
            self.frame = step;
        }
    }
}

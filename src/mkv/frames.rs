//! The frames of blocks, given to a sink as access units. Purpose: times, stripped beginnings and
//! NAL unit lengths are put right while the payload passes. Bound: a lace's sizes and the PTS that
//! wait for their place; payload is not kept.

use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, UnitSink, UnitStart};
use crate::codec::container::Damage;
use crate::codec::nal_lengths::NalLengths;

use super::reorder::Reorder;
use super::tracks::{Carried, Tracks};

/// Makes units out of frames, from a key frame on.
#[derive(Debug)]
pub(super) struct Frames {
    reorder: Reorder,
    nals: NalLengths,
    /// PTS of the key frame it began with. Frames shown before it refer to what is not there.
    begun: Option<Ticks>,
    told: [bool; 2],
    open: Option<Track>,
    damage: Damage,
}

impl Frames {
    pub(super) fn new(reorder: Reorder, length_bytes: u8) -> Frames {
        Frames {
            reorder,
            nals: NalLengths::new(length_bytes),
            begun: None,
            told: [false; 2],
            open: None,
            damage: Damage::default(),
        }
    }

    /// How damaged they were since the beginning, or the last restart.
    pub(super) fn damage(&self) -> Damage {
        self.damage
    }

    /// How long before its PTS a key frame that comes first is decoded.
    pub(super) fn lead(&self) -> Ticks {
        self.reorder.lead()
    }

    /// The frames go on at another place.
    pub(super) fn restart(&mut self, sink: &mut dyn UnitSink) {
        self.abort(sink);
        self.reorder.restart();
        self.begun = None;
        self.told = [false; 2];
        self.damage = Damage::default();
    }

    /// A frame begins, with so many bytes stored. Whether it is wanted.
    pub(super) fn begin(
        &mut self,
        tracks: &Tracks,
        track: Track,
        pts: Ticks,
        key: bool,
        bytes: usize,
        sink: &mut dyn UnitSink,
    ) -> bool {
        let Some(carried) = tracks.get(track).filter(|_| bytes > 0) else { return false };
        let (dts, pts) = match track {
            Track::Video => {
                if self.begun.is_none() && key {
                    self.begun = Some(pts);
                }
                if self.begun.is_none_or(|begun| pts < begun) {
                    return false;
                }
                self.reorder.next(pts)
            }
            Track::Audio => (pts, pts),
        };
        self.tell(track, carried, sink);
        sink.begin(UnitStart { track, dts, pts, key: key && track == Track::Video });
        self.open = Some(track);
        self.nals.begin(bytes + carried.stripped.len());
        if !carried.stripped.is_empty() {
            self.data(&carried.stripped, sink);
        }
        true
    }

    fn tell(&mut self, track: Track, carried: &Carried, sink: &mut dyn UnitSink) {
        if let Some(told) = self.told.get_mut(track.index()).filter(|told| !**told) {
            *told = true;
            sink.config(&carried.config);
        }
    }

    /// The next bytes of the frame. After one that is broken they are let pass.
    pub(super) fn data(&mut self, bytes: &[u8], sink: &mut dyn UnitSink) {
        match self.open {
            Some(Track::Audio) => sink.write(Track::Audio, bytes),
            Some(Track::Video) if self.nals.data(bytes, sink).is_err() => self.give_up(sink),
            _ => {}
        }
    }

    /// All bytes of the frame have come.
    pub(super) fn end(&mut self, sink: &mut dyn UnitSink) {
        match self.open {
            Some(Track::Video) if !self.nals.is_whole() => self.give_up(sink),
            Some(track) => {
                sink.commit(track);
                self.open = None;
                self.damage.count(1, 0);
            }
            None => {}
        }
    }

    fn give_up(&mut self, sink: &mut dyn UnitSink) {
        self.abort(sink);
        self.damage.count(0, 1);
    }

    /// The open unit will not be finished.
    pub(super) fn abort(&mut self, sink: &mut dyn UnitSink) {
        if let Some(track) = self.open.take() {
            sink.abort(track);
        }
    }
}

//! The frames of blocks, given to a sink as access units. Purpose: times, stripped beginnings and
//! NAL unit lengths are put right while the payload passes. Bound: a lace's sizes, the PTS that
//! wait for their place, and the head of an access unit; payload is not kept.

use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::Damage;
use crate::codec::length_units::{LengthUnits, UnitOutcome};

use super::reorder::Reorder;
use super::tracks::{Carried, Tracks};

/// Makes units out of frames, from a key frame on.
#[derive(Debug)]
pub(super) struct Frames {
    pictures: LengthUnits,
    gate: KeyFrameGate,
    /// The sink has heard what the sound is.
    announced: bool,
    open: Option<Track>,
    damage: Damage,
}

impl Frames {
    /// For the video track that is carried.
    pub(super) fn new(reorder: Reorder, video: &Carried) -> Frames {
        let mut pictures = LengthUnits::new();
        pictures.set_record(video.avc(), video.length_bytes);
        pictures.expect_entry();
        let gate = KeyFrameGate { reorder, begun: None, passes: false };
        Frames { pictures, gate, announced: false, open: None, damage: Damage::default() }
    }

    /// How damaged they were since the beginning, or the last restart.
    pub(super) fn damage(&self) -> Damage {
        self.damage
    }

    /// How long before its PTS a key frame that comes first is decoded.
    pub(super) fn lead(&self) -> Ticks {
        self.gate.reorder.lead()
    }

    /// The frames go on at another place.
    pub(super) fn restart(&mut self, sink: &mut dyn UnitSink) {
        self.abort(sink);
        self.pictures.restart(&mut Gated { gate: &mut self.gate, sink });
        self.gate.reorder.restart();
        self.gate.begun = None;
        self.announced = false;
        self.damage = Damage::default();
    }

    /// A frame begins, with so many bytes stored. Whether it is wanted.
    pub(super) fn begin(
        &mut self,
        tracks: &Tracks,
        track: Track,
        pts: Ticks,
        bytes: usize,
        sink: &mut dyn UnitSink,
    ) -> bool {
        let Some(carried) = tracks.get(track).filter(|_| bytes > 0) else { return false };
        match track {
            Track::Video => {
                let mut sink = Gated { gate: &mut self.gate, sink };
                self.pictures.begin(pts, pts, bytes + carried.stripped.len(), &mut sink);
            }
            Track::Audio => {
                if !std::mem::replace(&mut self.announced, true) {
                    carried.config.iter().for_each(|config| sink.config(config));
                }
                sink.begin(UnitStart { track, dts: pts, pts, key: false });
            }
        }
        self.open = Some(track);
        if !carried.stripped.is_empty() {
            self.data(&carried.stripped, sink);
        }
        true
    }

    /// The next bytes of the frame. After one that is broken they are let pass.
    pub(super) fn data(&mut self, bytes: &[u8], sink: &mut dyn UnitSink) {
        match self.open {
            Some(Track::Audio) => sink.write(Track::Audio, bytes),
            Some(Track::Video) => {
                self.pictures.data(bytes, &mut Gated { gate: &mut self.gate, sink });
            }
            None => {}
        }
    }

    /// All bytes of the frame have come.
    pub(super) fn end(&mut self, sink: &mut dyn UnitSink) {
        let outcome = match self.open.take() {
            Some(Track::Audio) => {
                sink.commit(Track::Audio);
                UnitOutcome::Whole
            }
            Some(Track::Video) => self.pictures.end(&mut Gated { gate: &mut self.gate, sink }),
            None => return,
        };
        match outcome {
            UnitOutcome::Whole => self.damage.count(1, 0),
            UnitOutcome::Held => {}
            UnitOutcome::Broken | UnitOutcome::Unconfigured { .. } => self.damage.count(0, 1),
        }
    }

    /// The open unit will not be finished.
    pub(super) fn abort(&mut self, sink: &mut dyn UnitSink) {
        match self.open.take() {
            Some(Track::Audio) => sink.abort(Track::Audio),
            Some(Track::Video) => {
                self.pictures.abort(&mut Gated { gate: &mut self.gate, sink });
            }
            None => {}
        }
    }
}

/// Lets pictures pass from a key frame on.
#[derive(Debug)]
struct KeyFrameGate {
    reorder: Reorder,
    /// PTS of the key frame it began with. Frames shown before it refer to what is not there.
    begun: Option<Ticks>,
    /// The open picture is let pass.
    passes: bool,
}

/// A sink behind the gate. What comes has its PTS only.
struct Gated<'a> {
    gate: &'a mut KeyFrameGate,
    sink: &'a mut dyn UnitSink,
}

impl UnitSink for Gated<'_> {
    fn config(&mut self, config: &TrackConfig) {
        self.sink.config(config);
    }

    fn begin(&mut self, start: UnitStart) {
        let UnitStart { track, pts, key, .. } = start;
        if self.gate.begun.is_none() && key {
            self.gate.begun = Some(pts);
        }
        self.gate.passes = self.gate.begun.is_some_and(|begun| pts >= begun);
        if self.gate.passes {
            let (dts, pts) = self.gate.reorder.next(pts);
            self.sink.begin(UnitStart { track, dts, pts, key });
        }
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        if self.gate.passes {
            self.sink.write(track, bytes);
        }
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        if self.gate.passes {
            self.sink.patch(track, offset, bytes);
        }
    }

    fn commit(&mut self, track: Track) {
        if self.gate.passes {
            self.sink.commit(track);
        }
    }

    fn abort(&mut self, track: Track) {
        if self.gate.passes {
            self.sink.abort(track);
        }
    }
}

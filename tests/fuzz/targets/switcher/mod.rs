//! The switcher beside a model of it: sources that begin, write, break off, change their
//! configuration, jump, start over and leave at any moment, and an operator who chooses, all as an
//! input says. What is stored must be what was handed over, whole, once and in order, behind the
//! configuration it was made with; a recording begins with a key unit, shown behind everything
//! that was shown before; and who is on air must be allowed to be.

mod model;
mod recording;
mod viewer;

use std::time::Duration;

use streamcaster::base::time::Mono;
use streamcaster::codec::access_unit::Track;
use streamcaster::program::ring::{Capacity, Ring};
use streamcaster::program::source::Source;
use streamcaster::program::switcher::{FillAudio, Switcher};

use super::take::Take;
use model::{Model, SILENCE_MIN};
use recording::{Recording, SOURCES};
use viewer::Viewer;

const SILENCE: Duration = Duration::from_millis(500);
const STEPS_MAX: usize = 600;
/// How much time passes behind a step, milliseconds.
const PASSES: [u64; 16] = [0, 0, 0, 1, 5, 10, 20, 33, 40, 40, 100, 250, 600, 1000, 3000, 9000];

/// Lets an input happen.
pub fn run(input: &[u8]) {
    let mut take = Take(input);
    let fill = if take.byte() & 1 == 0 { FillAudio::Yes } else { FillAudio::No };
    let mut world = World::new(fill);
    for _ in 0..STEPS_MAX {
        if take.is_empty() {
            break;
        }
        let which = take.below(SOURCES.len());
        world.step(which, &mut take);
        world.look();
        world.now = world.now + Duration::from_millis(PASSES[take.below(PASSES.len())]);
        world.switcher.tick(world.now);
        world.look();
        assert!(world.switcher.deadline().is_none_or(|at| at > world.now), "a deadline is over");
        world.model.assert_patience(&world.switcher, world.now);
    }
}

struct World {
    now: Mono,
    switcher: Switcher,
    recordings: [Recording; SOURCES.len()],
    model: Model,
    viewer: Viewer,
}

impl World {
    fn new(fill: FillAudio) -> World {
        let capacity = Capacity {
            video_bytes: 16 << 10,
            audio_bytes: 8 << 10,
            units: 1024,
            unit_bytes_max: 4 << 10,
        };
        World {
            now: Mono::from_ms(50),
            switcher: Switcher::new(Ring::new(capacity), SILENCE, fill),
            recordings: std::array::from_fn(Recording::new),
            model: Model::new(SILENCE),
            viewer: Viewer::default(),
        }
    }

    /// Something happens, mostly to this source.
    fn step(&mut self, which: usize, take: &mut Take<'_>) {
        let (source, now) = (SOURCES[which], self.now);
        // The card plays only while it is on air.
        if source == Source::Standby && self.switcher.on_air() != Source::Standby {
            return;
        }
        let recording = &mut self.recordings[which];
        match take.below(16) {
            kind @ 0..=5 => {
                let track = if kind < 4 { Track::Video } else { Track::Audio };
                self.begin(which, track, take);
                self.commit(which, track);
            }
            6 | 7 => {
                let track = Track::ALL[take.below(2)];
                match recording.is_open(track) {
                    true => self.commit(which, track),
                    false => self.begin(which, track, take),
                }
            }
            8 => {
                let track = Track::ALL[take.below(2)];
                recording.abort(track, &mut self.switcher.sink(source, now));
                if track == Track::Video {
                    self.model.breaks(source);
                }
            }
            9 => recording.changes(),
            10 => {
                recording.restart(take);
                self.switcher.sink(source, now).restart();
                self.model.restarts(&self.switcher, source, now);
            }
            11 if [Source::Rtmp, Source::Pull].contains(&source) => {
                recording.restart(take);
                self.switcher.sink(source, now).leave();
                self.model.restarts(&self.switcher, source, now);
                assert_ne!(self.switcher.on_air(), source, "a goodbye is certain");
            }
            12 | 13 => {
                let choice = SOURCES.get(take.below(SOURCES.len() + 1)).copied();
                self.switcher.choose(choice, now);
                self.model.chooses(choice, now);
            }
            14 => recording.jump(take),
            15 if source == Source::File => {
                let until = now + Duration::from_millis(u64::from(take.byte()) * 40);
                self.switcher.sink(source, now).expect(until);
                self.model.expects(until);
            }
            _ => {
                let silence = SILENCE_MIN + Duration::from_millis(u64::from(take.byte()) * 20);
                self.switcher.set_silence(silence);
                self.model.silence = silence;
            }
        }
    }

    /// A source's unit begins.
    fn begin(&mut self, which: usize, track: Track, take: &mut Take<'_>) {
        let (source, now) = (SOURCES[which], self.now);
        let mut sink = self.switcher.sink(source, now);
        let Some(key) = self.recordings[which].begin(track, take, &mut sink) else { return };
        if key {
            self.model.begins(source, now);
        }
        self.model.flows(&self.switcher, source, now);
    }

    /// A source's open unit is whole.
    fn commit(&mut self, which: usize, track: Track) {
        let (source, now) = (SOURCES[which], self.now);
        let before = self.switcher.on_air();
        let unit = self.recordings[which].commit(track, &mut self.switcher.sink(source, now));
        self.viewer.sent(unit);
        let on_air = self.switcher.on_air();
        if track == Track::Video {
            self.model.commits(source, [before, on_air], now);
        }
        // Who paces by the clock makes up for what a cut has run ahead by.
        let is_paced = [Source::File, Source::Standby].contains(&source);
        if is_paced && source == on_air && before != on_air {
            self.model.waits(self.switcher.take_ahead());
        }
    }

    /// Looks at what has come of it.
    fn look(&mut self) {
        let before = self.model.on_air;
        if let Some(cut) = self.switcher.take_cut() {
            self.model.cuts(cut, self.now);
        }
        let on_air = self.switcher.on_air();
        self.model.assert_allowed(&self.switcher, self.now);
        self.viewer.look(&self.switcher, [before, on_air]);
        assert_eq!(self.switcher.counters().units, self.switcher.ring().head());
    }
}

//! A storm in virtual time: a UDP sender, a publisher, a pull, files and the card, with B-frames,
//! times that begin anywhere, variable rates and pauses, jitter, bursts, pulses, configurations
//! that change on air, jumps, goodbyes and silence, and an operator who chooses at random. What a
//! viewer and a destination receive is held against the oracle. Bound: a quarter of a minute of
//! programme for each seed; `STORM_SEEDS` asks for more of them.

mod arrivals;
mod media;
mod receiver;
mod world;

use std::collections::BTreeMap;

use streamcaster::program::switcher::FillAudio;

use receiver::Findings;
use world::World;

/// Seeds of the normal run.
const SEEDS: u64 = 500;

/// What is found in how many seeds, and how often.
#[derive(Default)]
struct Tally {
    found: BTreeMap<&'static str, (u64, usize)>,
    /// The first of each kind, in words.
    first: Vec<String>,
}

impl Tally {
    fn add(&mut self, seed: u64, findings: &Findings) {
        let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
        for (kind, words) in findings {
            *kinds.entry(kind).or_default() += 1;
            let named = self.found.contains_key(kind) || kinds.get(kind) > Some(&1);
            if !named {
                self.first.push(format!("seed {seed}: {kind}: {words}"));
            }
        }
        for (kind, count) in kinds {
            let (seeds, total) = self.found.entry(kind).or_default();
            (*seeds, *total) = (*seeds + 1, *total + count);
        }
    }
}

fn storm(fill: FillAudio, from: u64) {
    let seeds = std::env::var("STORM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds = seeds.unwrap_or(SEEDS);

    let (mut tally, mut cuts) = (Tally::default(), 0);
    for seed in from..from + seeds {
        let mut world = World::new(seed, fill);
        world.rage();
        cuts += world.cuts();
        tally.add(seed, &world.findings());
    }
    println!("{seeds} seeds, {cuts} cuts");
    assert!(cuts > 3 * seeds, "{cuts} cuts in {seeds} seeds are no storm");
    for (kind, (seeds, total)) in &tally.found {
        println!("{kind}: {total} times in {seeds} seeds");
    }
    assert!(tally.found.is_empty(), "{}", tally.first.join("\n"));
}

#[test]
fn a_storm_with_silence_that_stands_in() {
    storm(FillAudio::Yes, 0);
}

#[test]
fn a_storm_without() {
    storm(FillAudio::No, 1 << 32);
}

/// The sender's picture jumps back by half a second, and three frames of its sound that had not
/// jumped yet come behind it: they stand far ahead, and nobody can learn from that how far its
/// pictures come behind its sound. Later one does so for the first time, by 12 ms.
#[test]
fn a_jump_says_nothing_of_how_tracks_are_interleaved() {
    let mut world = World::new((1 << 32) + 1489, FillAudio::No);
    world.rage();
    assert_eq!(world.findings(), []);
}

/// A sender shows four pictures and is left within half a second, before it is known whether sound
/// comes; standby, which makes up for a lead, shows a second later, and only then is the gap filled.
#[test]
fn a_source_that_left_before_its_sound_was_known_is_filled_in_front_of_the_next() {
    let mut world = World::new(550, FillAudio::Yes);
    world.rage();
    assert_eq!(world.findings(), []);
}

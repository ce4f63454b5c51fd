//! The fuzz targets as tests: each takes its seeds, its corpus (what a coverage-guided search found,
//! minimised), every input that ever broke it, and some thousand mutations of them. Purpose: a
//! crasher never comes back, and the targets' bodies compile in every build. The mutations differ
//! from run to run; a failure names the input and the seed, and `STREAMCASTER_SEED` repeats it.
//! Non-goal: searching, which `cargo xtask fuzz` does. Bound: some seconds.
#![cfg(test)]

mod targets;

use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;

use targets::{Target, TARGETS};

/// Mutations of all inputs of a target together.
const MUTATIONS: usize = 4000;
const INPUT_BYTES_MAX: usize = 8 << 10;

/// The files below `tests/fuzz/{kind}/{target}`, in the order of their names.
fn inputs(kind: &str, target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind);
    let Ok(entries) = fs::read_dir(folder.join(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn feed(name: &str, target: Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{name} breaks on this input; keep it in tests/fuzz/crashers/{name}: {hex}");
    }
}

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=input.len());
        match random.u8(..6) {
            0 => input.truncate(at.max(1)),
            1 => input.insert(at, random.u8(..)),
            2 => {
                let from = random.usize(..=other.len());
                input.splice(at..at, other[from..].iter().copied().take(64));
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte =
                        [*byte ^ 1 << random.u8(..8), 0, 0xff, random.u8(..)][random.usize(..4)];
                }
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

/// Every input kept for a target, and mutations of them.
fn replay(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target");
    let seeds = inputs("seeds", name);
    assert!(!seeds.is_empty(), "{name} has seeds");
    let inputs = [seeds, inputs("corpus", name), inputs("crashers", name)].concat();
    inputs.iter().for_each(|input| feed(name, target, input));
    let seed = test_support::seed::of_this_run();
    let mut random = fastrand::Rng::with_seed(seed);
    for n in 0..MUTATIONS {
        let mut input = inputs[n % inputs.len()].clone();
        let other = &inputs[random.usize(..inputs.len())];
        mutate(&mut input, other, &mut random);
        feed(name, target, &input);
    }
}

/// A test for each target, so that they run side by side and one hides no other.
macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($name)),*];
            assert_eq!(replayed, TARGETS.map(|(name, _)| name));
        }
    };
}

replays!(
    ts flv mkv programme chunks server publish client amf url config http api mp4 firmware rechunk
    preview playout partitions remux switcher proxy name_servers
);

//! The fuzz targets as tests: each takes its seeds, every input that ever broke it, and some
//! thousand seeded mutations of both. Purpose: a crasher never comes back, and the targets'
//! bodies compile in every build. Non-goal: searching, which `cargo xtask fuzz` does. Bound: some
//! seconds.
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

#[test]
fn seeds_crashers_and_their_mutations_do_no_harm() {
    for (name, target) in TARGETS {
        let seeds = inputs("seeds", name);
        assert!(!seeds.is_empty(), "{name} has seeds");
        let inputs = [seeds, inputs("crashers", name)].concat();
        inputs.iter().for_each(|input| feed(name, target, input));
        let mut random = fastrand::Rng::with_seed(7);
        for n in 0..MUTATIONS {
            let mut input = inputs[n % inputs.len()].clone();
            let other = &inputs[random.usize(..inputs.len())];
            mutate(&mut input, other, &mut random);
            feed(name, target, &input);
        }
    }
}

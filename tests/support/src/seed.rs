//! The seed of a run: another one each time, so that every run looks somewhere else, and always
//! said, so that what it found can be looked at again.

use std::sync::OnceLock;

/// The variable that gives a seed.
const VARIABLE: &str = "STREAMCASTER_SEED";

/// The seed of this run of the test program: what `STREAMCASTER_SEED` says, or a random one. It is
/// printed, which the output of a failed test shows.
///
/// # Panics
/// When the variable does not hold a number.
pub fn of_this_run() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(|| chosen(std::env::var(VARIABLE).ok().as_deref()));
    println!("{VARIABLE}={seed} repeats this run");
    seed
}

fn chosen(said: Option<&str>) -> u64 {
    said.map_or_else(|| fastrand::u64(..), |text| text.parse().expect("a seed is a number"))
}

/// Whether this is the long form (`cargo xtask test --long`), in which soaks and storms take the
/// time that finds rare faults.
pub fn is_long_form() -> bool {
    std::env::var_os("STREAMCASTER_LONG").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_is_given_is_taken() {
        assert_eq!(chosen(Some("7")), 7);
        assert_ne!(chosen(None), chosen(None));
    }
}

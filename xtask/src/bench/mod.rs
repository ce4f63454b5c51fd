//! `cargo xtask bench`: this program, the pair it replaces, and the floor, measured side by side.
//! Purpose: one table of what the audience waits for and what it costs, and others of files played
//! (see [`files`]). Non-goals: a verdict; a
//! machine is noisy, so numbers are medians over rounds, and nobody fails by them. Bounds: two
//! processors, one for what is measured and one for the sender and the players.

mod api;
mod chunks;
mod clip;
mod crowd;
mod files;
mod floor;
mod ground;
mod http;
mod long;
mod movie;
mod options;
mod player;
mod sender;
mod servers;
mod switches;
mod table;
mod usage;

use crate::step::step;

use clip::Clip;
use ground::{keep, Ground};
pub use options::Bench;
use options::{API_PLAYERS, PLAYERS};

/// `cargo xtask bench`.
pub fn bench(bench: &Bench) -> Result<(), String> {
    if let (Some(clip), Some(udp), Some(tcp)) = (&bench.floor, bench.udp, bench.tcp) {
        return floor::serve(&Clip::read(clip)?, udp, tcp);
    }
    if bench.files && (bench.players.is_some() || bench.burst) {
        return Err("--files has one player and no sender: not with --players or --burst".into());
    }
    if bench.api && (bench.files || bench.rate == 0) {
        return Err("--api asks at a rate of 1 at least, and plays no files".into());
    }
    let mut report = String::new();
    step("bench", || {
        report = if bench.files {
            files::FilesGround::prepare(bench)?.measure()?
        } else if bench.api {
            let ground = Ground::prepare(bench, "bench-api", &API_PLAYERS)?;
            let report = api::measure(&ground)?;
            keep(&ground.places, &report)?;
            report
        } else {
            Ground::prepare(bench, "bench", &PLAYERS)?.measure()?
        };
        Ok(())
    })?;
    println!("\n{report}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::*;

    #[test]
    fn files_are_played_to_one_player_and_without_a_sender() {
        for more in [["--burst"].as_slice(), &["--players", "3"], &["--seconds", "41"]] {
            let arguments = [&["--files", "--binary", "/none"], more].concat();
            let options = Bench::from_args(&["bench"], &arguments).unwrap();
            assert!(bench(&options).is_err(), "{more:?}");
        }
    }
}

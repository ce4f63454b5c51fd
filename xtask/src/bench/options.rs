//! What may be said of a measurement.

use std::net::SocketAddr;
use std::path::PathBuf;

use argh::FromArgs;

use super::servers::ServerKind;

/// Players, unless said otherwise.
pub(super) const PLAYERS: [usize; 4] = [1, 50, 200, 1000];
/// Players while the API is asked, likewise.
pub(super) const API_PLAYERS: [usize; 1] = [200];

/// measure this program beside ffmpeg + nginx-rtmp and the floor (takes ten minutes), or, with
/// --files, what playing files costs and how fast switches are (takes eight), or, with --api, how
/// fast the API answers while 200 players watch (takes one)
#[derive(FromArgs)]
#[argh(subcommand, name = "bench")]
pub struct Bench {
    /// play files, a short and a long one, beside `ffmpeg -re` + nginx-rtmp, then switch between
    /// two; goes with --seconds, --rounds, --binary and --only, not with --players and --burst
    #[argh(switch)]
    pub(super) files: bool,
    /// ask the API while players watch; goes with --players, --seconds, --rate and --binary
    #[argh(switch)]
    pub(super) api: bool,
    /// with --api: requests a second (default 50)
    #[argh(option, default = "50")]
    pub(super) rate: u32,
    /// how many players, one number after the other (default 1,50,200,1000)
    #[argh(option, from_str_fn(numbers))]
    pub(super) players: Option<NumberList>,
    /// seconds of each measurement (default 10)
    #[argh(option, default = "10")]
    pub(super) seconds: u32,
    /// rounds whose median is told (default 3)
    #[argh(option, default = "3")]
    pub(super) rounds: usize,
    /// send each frame's datagrams at once, not evenly by the PCR
    #[argh(switch)]
    pub(super) burst: bool,
    /// measure this binary instead of building one
    #[argh(option)]
    pub(super) binary: Option<PathBuf>,
    /// measure only these: ours, pair, floor (default all)
    #[argh(option, default = "Kinds(ServerKind::ALL.to_vec())", from_str_fn(kinds))]
    pub(super) only: Kinds,
    /// be the floor for this clip; the bench starts itself so
    #[argh(option)]
    pub(super) floor: Option<PathBuf>,
    /// where the floor takes its datagrams
    #[argh(option)]
    pub(super) udp: Option<SocketAddr>,
    /// where the floor's players connect
    #[argh(option)]
    pub(super) tcp: Option<SocketAddr>,
}

pub(super) struct NumberList(pub(super) Vec<usize>);

pub(super) struct Kinds(pub(super) Vec<ServerKind>);

fn numbers(text: &str) -> Result<NumberList, String> {
    let numbers = text.split(',').map(|word| match word.trim().parse() {
        Ok(0) | Err(_) => Err(format!("`{word}` is no number of players")),
        Ok(number) => Ok(number),
    });
    let mut numbers = numbers.collect::<Result<Vec<usize>, String>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(NumberList(numbers))
}

fn kinds(text: &str) -> Result<Kinds, String> {
    let kinds = text.split(',').map(|word| match word.trim() {
        "ours" => Ok(ServerKind::Ours),
        "pair" => Ok(ServerKind::Pair),
        "floor" => Ok(ServerKind::Floor),
        other => Err(format!("`{other}` is none of ours, pair, floor")),
    });
    kinds.collect::<Result<Vec<ServerKind>, String>>().map(Kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_players_are_in_order() {
        assert_eq!(numbers("200, 1,50,50").map(|numbers| numbers.0), Ok(vec![1, 50, 200]));
        assert!(numbers("1,0").is_err());
        assert!(numbers("many").is_err_and(|error| error.contains("many")));
    }

    #[test]
    fn servers_are_known_by_name() {
        assert_eq!(
            kinds("pair,ours").map(|kinds| kinds.0),
            Ok(vec![ServerKind::Pair, ServerKind::Ours])
        );
        assert!(kinds("theirs").is_err());
    }
}

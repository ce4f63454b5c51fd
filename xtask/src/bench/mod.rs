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
mod http;
mod long;
mod movie;
mod player;
mod sender;
mod servers;
mod switches;
mod table;
mod usage;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argh::FromArgs;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use rustix::thread::{sched_setaffinity, CpuSet};

use crate::step::{cargo, run, step, target_dir};

use clip::{Clip, Tail, FRAME_RATE};
use crowd::{Crowd, Seen};
use sender::Sender;
use servers::{Feed, Kind, Places, Server, FILES_MAX};
use table::{percentile, Cell};

/// Players, unless said otherwise.
const PLAYERS: [usize; 4] = [1, 50, 200, 1000];
/// Players while the API is asked, likewise.
const API_PLAYERS: [usize; 1] = [200];
/// Newcomers whose first picture is timed, for each cell.
const NEWCOMERS: usize = 5;
/// Longest wait for a picture: more than two GOP.
const PICTURE_PATIENCE: Duration = Duration::from_secs(8);
/// Longest wait for the first frame of all.
const LIVE_PATIENCE: Duration = Duration::from_secs(20);
const NO_FRAME: &str = "no frame arrives at the player; see its log in the bench's folder";
/// Between the last player's coming and the measurement.
const PAUSE: Duration = Duration::from_secs(2);
/// Time for a window's last frames to arrive.
const DRAIN: Duration = Duration::from_secs(1);
/// What a session takes beside its windows, at most: settling; then players and newcomers.
const SESSION_SECONDS: u32 = 40;
const CELL_SECONDS: u32 = 20;

/// measure this program beside ffmpeg + nginx-rtmp and the floor (takes ten minutes), or, with
/// --files, what playing files costs and how fast switches are (takes eight), or, with --api, how
/// fast the API answers while 200 players watch (takes one)
#[derive(FromArgs)]
#[argh(subcommand, name = "bench")]
pub struct Bench {
    /// play files, a short and a long one, beside `ffmpeg -re` + nginx-rtmp, then switch between
    /// two; goes with --seconds, --rounds, --binary and --only, not with --players and --burst
    #[argh(switch)]
    files: bool,
    /// ask the API while players watch; goes with --players, --seconds, --rate and --binary
    #[argh(switch)]
    api: bool,
    /// with --api: requests a second (default 50)
    #[argh(option, default = "50")]
    rate: u32,
    /// how many players, one number after the other (default 1,50,200,1000)
    #[argh(option, from_str_fn(numbers))]
    players: Option<Numbers>,
    /// seconds of each measurement (default 10)
    #[argh(option, default = "10")]
    seconds: u32,
    /// rounds whose median is told (default 3)
    #[argh(option, default = "3")]
    rounds: usize,
    /// send each frame's datagrams at once, not evenly by the PCR
    #[argh(switch)]
    burst: bool,
    /// measure this binary instead of building one
    #[argh(option)]
    binary: Option<PathBuf>,
    /// measure only these: ours, pair, floor (default all)
    #[argh(option, default = "Kinds(Kind::ALL.to_vec())", from_str_fn(kinds))]
    only: Kinds,
    /// be the floor for this clip; the bench starts itself so
    #[argh(option)]
    floor: Option<PathBuf>,
    /// where the floor takes its datagrams
    #[argh(option)]
    udp: Option<SocketAddr>,
    /// where the floor's players connect
    #[argh(option)]
    tcp: Option<SocketAddr>,
}

struct Numbers(Vec<usize>);

struct Kinds(Vec<Kind>);

fn numbers(text: &str) -> Result<Numbers, String> {
    let numbers = text.split(',').map(|word| match word.trim().parse() {
        Ok(0) | Err(_) => Err(format!("`{word}` is no number of players")),
        Ok(number) => Ok(number),
    });
    let mut numbers = numbers.collect::<Result<Vec<usize>, String>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Numbers(numbers))
}

fn kinds(text: &str) -> Result<Kinds, String> {
    let kinds = text.split(',').map(|word| match word.trim() {
        "ours" => Ok(Kind::Ours),
        "pair" => Ok(Kind::Pair),
        "floor" => Ok(Kind::Floor),
        other => Err(format!("`{other}` is none of ours, pair, floor")),
    });
    kinds.collect::<Result<Vec<Kind>, String>>().map(Kinds)
}

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
            files::Ground::prepare(bench)?.measure()?
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

/// All that is prepared once.
struct Ground<'b> {
    bench: &'b Bench,
    players: &'b [usize],
    places: Places,
    clip: Arc<Clip>,
    tails: Arc<HashMap<Tail, u32>>,
}

impl Ground<'_> {
    fn prepare<'b>(
        bench: &'b Bench,
        name: &str,
        players: &'static [usize],
    ) -> Result<Ground<'b>, String> {
        let (folder, binary) = folder_and_binary(bench, name)?;
        let players = bench.players.as_ref().map_or(players, |numbers| &numbers.0);
        let cells = players.len() as u32;
        let seconds = SESSION_SECONDS + cells * (bench.seconds + CELL_SECONDS);
        let path = clip::make(&folder, seconds)?;
        let clip = Clip::read(&path)?;
        let clip = Arc::new(if bench.burst { clip.in_bursts() } else { clip });
        let tails = Arc::new(clip.tails()?);
        let processor = keep_apart()?;
        let files = raise_files()?;
        Ok(Ground {
            bench,
            players,
            places: Places { binary, folder, clip: path, processor, files },
            clip,
            tails,
        })
    }

    /// All rounds, one server after the other in each, so that what else the machine does is
    /// spread over all of them.
    fn measure(&self) -> Result<String, String> {
        let mut cells = Vec::new();
        for round in 0..self.bench.rounds {
            for &kind in &self.bench.only.0 {
                println!("round {} of {}: {}", round + 1, self.bench.rounds, kind.name());
                self.session(round, kind, &mut cells)
                    .map_err(|problem| format!("{}: {problem}", kind.name()))?;
            }
        }
        let report = format!("{}\n{}", self.header(), table::render(&cells));
        keep(&self.places, &report)?;
        Ok(report)
    }

    /// One server from its start to its end, with a crowd that grows.
    fn session(&self, round: usize, kind: Kind, cells: &mut Vec<Cell>) -> Result<(), String> {
        let begun = Instant::now();
        let server = Server::start(kind, &self.places, Feed::Udp)?;
        let (sender, mut crowd) = on_air(&server, kind, &self.clip, &self.tails)?;
        crowd.run_for(kind.settling().saturating_sub(begun.elapsed()))?;
        for &players in self.players {
            crowd.grow_to(players)?;
            crowd.run_for(PAUSE)?;
            let first_picture_ms = match kind {
                Kind::Floor => None,
                Kind::Ours | Kind::Pair => first_picture_ms(&mut crowd)?,
            };
            let cell = self.window(&server, &sender, &mut crowd, kind)?;
            cells.push(Cell { round, players, first_picture_ms, ..cell });
            if let Some(cell) = cells.last() {
                println!("{}", told(cell));
            }
        }
        Ok(())
    }

    fn window(
        &self,
        server: &Server,
        sender: &Sender,
        crowd: &mut Crowd,
        kind: Kind,
    ) -> Result<Cell, String> {
        let stamps = sender.stamps();
        let first = stamps.sent() + 1;
        let end = first + (self.bench.seconds * FRAME_RATE) as usize;
        if end >= self.clip.frames.len() {
            return Err("the clip has ended: the machine is too slow for this many players".into());
        }
        let pids = server.pids();
        crowd.open_window(first as u32..end as u32);
        let own = [std::process::id()];
        let (begun, bytes) = (Instant::now(), crowd.bytes());
        let (cpu, load) = (usage::cpu_ns(&pids)?, usage::cpu_ns(&own)?);
        while stamps.sent() < end {
            crowd.run_for(Duration::from_millis(5))?;
        }
        let elapsed = begun.elapsed();
        let (cpu, load) = (usage::cpu_ns(&pids)? - cpu, usage::cpu_ns(&own)? - load);
        let bytes = crowd.bytes() - bytes;
        let percent = |nanos: u64| nanos as f64 / elapsed.as_nanos() as f64 * 100.0;
        crowd.run_for(DRAIN)?;
        let Seen { latencies, players, missed, backwards, .. } = crowd.close_window();
        let mut ms: Vec<f64> = latencies.iter().map(|late| late.as_secs_f64() * 1e3).collect();
        let pss_mb = match kind {
            Kind::Floor => None,
            Kind::Ours | Kind::Pair => Some(usage::pss_kb(&pids)? as f64 * 1024.0 / 1e6),
        };
        Ok(Cell {
            round: 0,
            kind,
            players,
            served: players,
            p50_ms: percentile(&mut ms, 0.5),
            p99_ms: percentile(&mut ms, 0.99),
            cpu_percent: percent(cpu),
            load_percent: percent(load),
            cpu_s_per_gb: cpu as f64 / bytes.max(1) as f64,
            pss_mb,
            first_picture_ms: None,
            missed,
            backwards,
        })
    }

    /// What has to be known to read the numbers.
    fn header(&self) -> String {
        let Bench { seconds, rounds, burst, .. } = self.bench;
        let pace =
            if *burst { "a frame's datagrams at once" } else { "datagrams paced evenly by PCR" };
        format!(
            "{}\n\n3 Mbit/s 720p30 with B-frames, AAC 128 kbit/s, {pace}; {seconds} s for each \
             cell, medians of {rounds} rounds, servers in turn; {}\n",
            typed(),
            circumstances(&self.places),
        )
    }
}

/// Begins to send, and waits until a first player gets it.
fn on_air(
    server: &Server,
    kind: Kind,
    clip: &Arc<Clip>,
    tails: &Arc<HashMap<Tail, u32>>,
) -> Result<(Sender, Crowd), String> {
    let sender = Sender::start(clip, server.udp)?;
    let (tails, stamps) = (Arc::clone(tails), Arc::clone(sender.stamps()));
    let mut crowd = Crowd::new(server.tcp, kind.language(), tails, stamps)?;
    crowd.grow_to(1)?;
    if crowd.wait_for(0..u32::MAX, LIVE_PATIENCE)?.is_none() {
        return Err(NO_FRAME.to_owned());
    }
    Ok((sender, crowd))
}

/// The command as it was typed.
fn typed() -> String {
    format!("`cargo xtask {}`", std::env::args().skip(1).collect::<Vec<_>>().join(" "))
}

/// The machine, and what counts as CPU.
fn circumstances(places: &Places) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let kept = match places.processor {
        Some(_) => "on one processor what is measured, on another the sender and all players",
        None => "one processor for all, so that the players' work disturbs what is measured",
    };
    format!(
        "{}, Linux {}; {kept}. CPU is the processes' own (schedstat); what the kernel does for \
         their sockets within their writes, the way through the loopback interface included, is \
         theirs too, the floor's as well.",
        model.unwrap_or("unknown processor"),
        kernel.trim(),
    )
}

/// A folder to work in, and the binary to measure.
fn folder_and_binary(bench: &Bench, name: &str) -> Result<(PathBuf, PathBuf), String> {
    let target = target_dir();
    let folder = target.join(name);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    if let Some(binary) = &bench.binary {
        return Ok((folder, binary.clone()));
    }
    let advice = "The program must build before it can be measured.";
    run(&mut cargo(&["build", "--release", "--locked"]), advice)?;
    Ok((folder, target.join("release/streamcaster")))
}

/// Leaves the report for whoever did not look.
fn keep(places: &Places, report: &str) -> Result<(), String> {
    let path = places.folder.join("last.txt");
    std::fs::write(&path, report).map_err(|error| format!("{}: {error}", path.display()))
}

/// Keeps this process to one processor and tells the one for what is measured.
fn keep_apart() -> Result<Option<usize>, String> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    if available < 2 {
        return Ok(None);
    }
    let mut second = CpuSet::new();
    second.set(1);
    sched_setaffinity(None, &second).map_err(|error| format!("keeping to processor 1: {error}"))?;
    Ok(Some(0))
}

/// Takes as many file descriptors as are wanted and allowed, and tells how many.
fn raise_files() -> Result<u64, String> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let files = maximum.map_or(FILES_MAX, |maximum| maximum.min(FILES_MAX));
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum })
        .map_err(|error| format!("asking for {files} file descriptors: {error}"))?;
    Ok(files)
}

fn first_picture_ms(crowd: &mut Crowd) -> Result<Option<f64>, String> {
    let mut times = Vec::new();
    for _ in 0..NEWCOMERS {
        let first = crowd.first_picture(PICTURE_PATIENCE)?;
        times.extend(first.map(|time| time.as_secs_f64() * 1e3));
        // Not a divisor of the GOP: newcomers come at different places of it.
        crowd.run_for(Duration::from_millis(310))?;
    }
    Ok((times.len() == NEWCOMERS).then(|| percentile(&mut times, 0.5)))
}

fn told(cell: &Cell) -> String {
    format!(
        "  {} players: {:.2} / {:.2} ms, {:.2} % CPU, {:.2} s/GB, {:.1} MB, first picture {:.1} ms, \
         {} served, {} frames missed, {} times not growing; sender and players {:.0} % CPU",
        cell.players,
        cell.p50_ms,
        cell.p99_ms,
        cell.cpu_percent,
        cell.cpu_s_per_gb,
        cell.pss_mb.unwrap_or(0.0),
        cell.first_picture_ms.unwrap_or(0.0),
        cell.served,
        cell.missed,
        cell.backwards,
        cell.load_percent,
    )
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
    fn files_are_played_to_one_player_and_without_a_sender() {
        for more in [["--burst"].as_slice(), &["--players", "3"], &["--seconds", "41"]] {
            let arguments = [&["--files", "--binary", "/none"], more].concat();
            let options = Bench::from_args(&["bench"], &arguments).unwrap();
            assert!(bench(&options).is_err(), "{more:?}");
        }
    }

    #[test]
    fn servers_are_known_by_name() {
        assert_eq!(kinds("pair,ours").map(|kinds| kinds.0), Ok(vec![Kind::Pair, Kind::Ours]));
        assert!(kinds("theirs").is_err());
    }
}

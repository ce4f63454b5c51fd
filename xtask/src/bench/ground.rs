//! Where it is measured, and how one session goes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use rustix::thread::{sched_setaffinity, CpuSet};

use crate::step::{cargo, run, target_dir};

use super::clip;
use super::clip::{Clip, Tail, FRAME_RATE};
use super::crowd::{Crowd, CrowdSeen};
use super::options::Bench;
use super::sender::Sender;
use super::servers::{Feed, Places, Server, ServerKind, FILES_MAX};
use super::table;
use super::table::{percentile, Cell};
use super::usage;

/// Newcomers whose first picture is timed, for each cell.
pub(super) const NEWCOMERS: usize = 5;
/// Longest wait for a picture: more than two GOP.
pub(super) const PICTURE_PATIENCE: Duration = Duration::from_secs(8);
/// Longest wait for the first frame of all.
pub(super) const LIVE_PATIENCE: Duration = Duration::from_secs(20);
pub(super) const NO_FRAME: &str =
    "no frame arrives at the player; see its log in the bench's folder";
/// Between the last player's coming and the measurement.
pub(super) const PAUSE: Duration = Duration::from_secs(2);
/// Time for a window's last frames to arrive.
pub(super) const DRAIN: Duration = Duration::from_secs(1);
/// What a session takes beside its windows, at most: settling; then players and newcomers.
pub(super) const SESSION_SECONDS: u32 = 40;
pub(super) const CELL_SECONDS: u32 = 20;

/// All that is prepared once.
pub(super) struct Ground<'b> {
    pub(super) bench: &'b Bench,
    pub(super) players: &'b [usize],
    pub(super) places: Places,
    pub(super) clip: Arc<Clip>,
    pub(super) tails: Arc<HashMap<Tail, u32>>,
}

impl Ground<'_> {
    pub(super) fn prepare<'b>(
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
    pub(super) fn measure(&self) -> Result<String, String> {
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
    pub(super) fn session(
        &self,
        round: usize,
        kind: ServerKind,
        cells: &mut Vec<Cell>,
    ) -> Result<(), String> {
        let begun = Instant::now();
        let server = Server::start(kind, &self.places, Feed::Udp)?;
        let (sender, mut crowd) = on_air(&server, kind, &self.clip, &self.tails)?;
        crowd.run_for(kind.settling().saturating_sub(begun.elapsed()))?;
        for &players in self.players {
            crowd.grow_to(players)?;
            crowd.run_for(PAUSE)?;
            let first_picture_ms = match kind {
                ServerKind::Floor => None,
                ServerKind::Ours | ServerKind::Pair => first_picture_ms(&mut crowd)?,
            };
            let cell = self.window(&server, &sender, &mut crowd, kind)?;
            cells.push(Cell { round, players, first_picture_ms, ..cell });
            if let Some(cell) = cells.last() {
                println!("{}", told(cell));
            }
        }
        Ok(())
    }

    pub(super) fn window(
        &self,
        server: &Server,
        sender: &Sender,
        crowd: &mut Crowd,
        kind: ServerKind,
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
        let CrowdSeen { latencies, players, missed, backwards, .. } = crowd.close_window();
        let mut ms: Vec<f64> = latencies.iter().map(|late| late.as_secs_f64() * 1e3).collect();
        let pss_mb = match kind {
            ServerKind::Floor => None,
            ServerKind::Ours | ServerKind::Pair => {
                Some(usage::pss_kb(&pids)? as f64 * 1024.0 / 1e6)
            }
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
    pub(super) fn header(&self) -> String {
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
pub(super) fn on_air(
    server: &Server,
    kind: ServerKind,
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
pub(super) fn typed() -> String {
    format!("`cargo xtask {}`", std::env::args().skip(1).collect::<Vec<_>>().join(" "))
}

/// The machine, and what counts as CPU.
pub(super) fn circumstances(places: &Places) -> String {
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
pub(super) fn folder_and_binary(bench: &Bench, name: &str) -> Result<(PathBuf, PathBuf), String> {
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

/// Leaves the report for anybody who did not look.
pub(super) fn keep(places: &Places, report: &str) -> Result<(), String> {
    let path = places.folder.join("last.txt");
    std::fs::write(&path, report).map_err(|error| format!("{}: {error}", path.display()))
}

/// Keeps this process to one processor and tells the one for what is measured.
pub(super) fn keep_apart() -> Result<Option<usize>, String> {
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
pub(super) fn raise_files() -> Result<u64, String> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let files = maximum.map_or(FILES_MAX, |maximum| maximum.min(FILES_MAX));
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum })
        .map_err(|error| format!("asking for {files} file descriptors: {error}"))?;
    Ok(files)
}

pub(super) fn first_picture_ms(crowd: &mut Crowd) -> Result<Option<f64>, String> {
    let mut times = Vec::new();
    for _ in 0..NEWCOMERS {
        let first = crowd.first_picture(PICTURE_PATIENCE)?;
        times.extend(first.map(|time| time.as_secs_f64() * 1e3));
        // Not a divisor of the GOP: newcomers come at different places of it.
        crowd.run_for(Duration::from_millis(310))?;
    }
    Ok((times.len() == NEWCOMERS).then(|| percentile(&mut times, 0.5)))
}

pub(super) fn told(cell: &Cell) -> String {
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

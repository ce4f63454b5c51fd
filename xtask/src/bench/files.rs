//! `cargo xtask bench --files`: what playing a file costs, however long it is, beside
//! `ffmpeg -re -c copy` with nginx-rtmp as its server, and how long a switch takes. Non-goals: the
//! crowd; a file's cost ends at the ring. Bounds: one player, two short files and a long one.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clip::{Tail, FRAME_RATE};
use super::crowd::Crowd;
use super::ground::{
    circumstances, folder_and_binary, keep, keep_apart, raise_files, typed, LIVE_PATIENCE, NO_FRAME,
};
use super::options::Bench;
use super::sender::Stamps;
use super::servers::{Feed, Places, Server, ServerKind};
use super::switches::play;
use super::table::median;
use super::{long, movie, switches, usage};

/// The two files that are switched between, and the long one made of the first.
const SHORT: [(&str, &str, u32); 2] =
    [("one.mp4", "testsrc2", 440), ("another.mp4", "testsrc", 660)];
const LONG: &str = "long.mp4";
/// Where the long file is begun: in its middle.
const LONG_FROM_S: u32 = 4 * 3600;
/// From the first frame until nothing fills up any more: this program's ring takes 11 s.
const SETTLING: Duration = Duration::from_secs(14);
/// A cell at its longest: it ends before the short file does.
const SECONDS_MAX: u32 = 40;

/// A file that is played.
struct Played {
    /// As the table calls it.
    title: &'static str,
    name: &'static str,
    from_s: u32,
}

const PLAYED: [Played; 2] = [
    Played { title: "60 s", name: SHORT[0].0, from_s: 0 },
    Played { title: "8 h, 20 GB", name: LONG, from_s: LONG_FROM_S },
];

/// Whose cost a row tells.
const ROWS: [&str; 3] = ["StreamCaster", "ffmpeg -re", "ffmpeg -re + nginx-rtmp"];

/// What one row did with one file in one round.
struct FileCell {
    file: usize,
    row: usize,
    /// Of one processor.
    cpu_percent: f64,
    /// Processor seconds for each 10^9 bytes the player received.
    cpu_s_per_gb: f64,
    /// 10^6 bytes.
    pss_mb: f64,
    /// Frames the player received.
    frames: u64,
    /// Timestamps that did not grow.
    backwards: u64,
}

/// All that is prepared once.
pub struct FilesGround<'b> {
    bench: &'b Bench,
    places: Places,
    tails: Arc<HashMap<Tail, u32>>,
}

impl FilesGround<'_> {
    /// Makes the files.
    pub fn prepare(bench: &Bench) -> Result<FilesGround<'_>, String> {
        if bench.seconds > SECONDS_MAX {
            return Err(format!("with --files a cell takes {SECONDS_MAX} s at most"));
        }
        let (folder, binary) = folder_and_binary(bench, "bench/files")?;
        let mut places = Places { binary, folder, clip: PathBuf::new(), processor: None, files: 0 };
        let videos = places.videos();
        std::fs::create_dir_all(&videos).map_err(|e| format!("{}: {e}", videos.display()))?;
        let tails = Arc::new(make(&videos)?);
        places.processor = keep_apart()?;
        places.files = raise_files()?;
        Ok(FilesGround { bench, places, tails })
    }

    /// All rounds, one server after the other in each; then the switches.
    pub fn measure(&self) -> Result<String, String> {
        let kinds = &self.bench.only.0;
        let mut cells = Vec::new();
        for round in 0..self.bench.rounds {
            for (file, played) in PLAYED.iter().enumerate() {
                for &kind in kinds.iter().filter(|kind| **kind != ServerKind::Floor) {
                    let (title, rounds) = (played.title, self.bench.rounds);
                    println!("round {} of {rounds}: {}, {title}", round + 1, kind.name());
                    let measured = self.session(kind, file, played, &mut cells);
                    measured.map_err(|problem| format!("{}: {problem}", kind.name()))?;
                }
            }
        }
        let mut report =
            format!("{}\n{}", self.header(), render(&cells, self.bench.seconds * FRAME_RATE));
        if kinds.contains(&ServerKind::Ours) {
            println!("{} switches", switches::SWITCHES);
            let server = Server::start(ServerKind::Ours, &self.places, Feed::Udp)?;
            let crowd = self.player(&server)?;
            let seen = switches::measure(&server, crowd, SHORT.map(|(name, ..)| name));
            let _ = write!(report, "\n{}", seen?.render());
        }
        keep(&self.places, &report)?;
        Ok(report)
    }

    fn player(&self, server: &Server) -> Result<Crowd, String> {
        let (tails, stamps) = (Arc::clone(&self.tails), Arc::new(Stamps::none()));
        let mut crowd = Crowd::new(server.tcp, ServerKind::Ours.language(), tails, stamps)?;
        crowd.grow_to(1)?;
        Ok(crowd)
    }

    /// One server from its start to its end, with one player and one file.
    fn session(
        &self,
        kind: ServerKind,
        file: usize,
        played: &Played,
        cells: &mut Vec<FileCell>,
    ) -> Result<(), String> {
        let path = self.places.videos().join(played.name);
        let server = Server::start(kind, &self.places, Feed::File(&path, played.from_s))?;
        let mut crowd = self.player(&server)?;
        if kind == ServerKind::Ours {
            play(&server, played.name, played.from_s)?.answer()?;
        }
        if crowd.wait_for(0..u32::MAX, LIVE_PATIENCE)?.is_none() {
            return Err(NO_FRAME.to_owned());
        }
        crowd.run_for(SETTLING)?;
        let pids = server.pids();
        // nginx is started first.
        let rows = match kind {
            ServerKind::Ours => vec![(0, pids)],
            _ => vec![(1, pids.iter().skip(1).copied().collect()), (2, pids)],
        };
        let spent = |(_, pids): &(usize, Vec<u32>)| usage::cpu_ns(pids);
        let (begun, bytes, frames) = (Instant::now(), crowd.bytes(), crowd.known_frames());
        let before: Vec<u64> = rows.iter().map(spent).collect::<Result<_, _>>()?;
        crowd.run_for(Duration::from_secs(u64::from(self.bench.seconds)))?;
        let after: Vec<u64> = rows.iter().map(spent).collect::<Result<_, _>>()?;
        let elapsed = begun.elapsed();
        let (bytes, frames) = (crowd.bytes() - bytes, crowd.known_frames() - frames);
        let backwards = crowd.close_window().backwards;
        for ((row, pids), (before, after)) in rows.iter().zip(before.into_iter().zip(after)) {
            let nanos = (after - before) as f64;
            let cell = FileCell {
                file,
                row: *row,
                cpu_percent: nanos / elapsed.as_nanos() as f64 * 100.0,
                cpu_s_per_gb: nanos / bytes.max(1) as f64,
                pss_mb: usage::pss_kb(pids)? as f64 * 1024.0 / 1e6,
                frames,
                backwards,
            };
            println!("  {}", told(&cell, ROWS.get(*row).unwrap_or(&"")));
            cells.push(cell);
        }
        Ok(())
    }

    /// What has to be known to read the numbers.
    fn header(&self) -> String {
        let Bench { seconds, rounds, .. } = self.bench;
        format!(
            "{}\n\nMP4 at 6 Mbit/s, 720p30 with B-frames, AAC 128 kbit/s, one player, the long \
             file from its middle on; {seconds} s for each cell, medians of {rounds} rounds, \
             servers in turn; {}\n",
            typed(),
            circumstances(&self.places),
        )
    }
}

/// The table, in Markdown; so many frames are expected of each cell.
fn render(cells: &[FileCell], expected: u32) -> String {
    let mut text = format!(
        "| file | | CPU | CPU per GB | PSS | frames, of {expected} | times not growing |\n\
         |---|---|--:|--:|--:|--:|--:|\n"
    );
    for (file, played) in PLAYED.iter().enumerate() {
        for (row, name) in ROWS.iter().enumerate() {
            let cells: Vec<&FileCell> =
                cells.iter().filter(|cell| (cell.file, cell.row) == (file, row)).collect();
            let shown = |value: fn(&FileCell) -> f64, digits, unit| {
                median(cells.iter().map(|cell| value(cell)), digits, unit)
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {name} | {} | {} | {} | {} | {} |",
                played.title,
                shown(|cell| cell.cpu_percent, 2, " %"),
                shown(|cell| cell.cpu_s_per_gb, 2, " s"),
                shown(|cell| cell.pss_mb, 1, " MB"),
                shown(|cell| cell.frames as f64, 0, ""),
                cells.iter().map(|cell| cell.backwards).sum::<u64>(),
            );
        }
    }
    text
}

/// Makes the files, and tells each frame's number by its last bytes: those of the second short
/// file are counted from [`switches::SECOND`] on; the long one has those of the first.
fn make(videos: &Path) -> Result<HashMap<Tail, u32>, String> {
    let mut tails = HashMap::new();
    for ((name, picture, hertz), first) in SHORT.into_iter().zip([0, switches::SECOND]) {
        let path = videos.join(name);
        movie::make(&path, picture, hertz)?;
        let problem = |problem: String| format!("{}: {problem}", path.display());
        let file = std::fs::read(&path).map_err(|error| problem(error.to_string()))?;
        for (number, tail) in (first..).zip(movie::tails(&file).map_err(problem)?) {
            if tails.insert(tail, number).is_some() {
                return Err(problem(format!("its frame {number} ends like another")));
            }
        }
        if first == 0 {
            long::make(&videos.join(LONG), &file, &long::EIGHT_HOURS)?;
        }
    }
    Ok(tails)
}

fn told(cell: &FileCell, name: &str) -> String {
    format!(
        "{name}: {:.2} % CPU, {:.2} s/GB, {:.1} MB, {} frames, {} times not growing",
        cell.cpu_percent, cell.cpu_s_per_gb, cell.pss_mb, cell.frames, cell.backwards,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(row: usize, pss_mb: f64, backwards: u64) -> FileCell {
        let (cpu_percent, cpu_s_per_gb) = (0.5, 8.0);
        FileCell { file: 1, row, cpu_percent, cpu_s_per_gb, pss_mb, frames: 299, backwards }
    }

    #[test]
    fn the_table_tells_each_row_of_each_file() {
        let cells = [cell(0, 9.0, 1), cell(2, 50.0, 0), cell(0, 8.0, 2), cell(0, 30.0, 0)];
        let table = render(&cells, 300);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(rows.len(), PLAYED.len() * ROWS.len());
        assert!(table.starts_with("| file | | CPU | CPU per GB | PSS | frames, of 300 |"));
        let ours = "| 8 h, 20 GB | StreamCaster | 0.50 % | 8.00 s | 9.0 MB | 299 | 3 |";
        assert_eq!((rows[0], rows[3]), ("| 60 s | StreamCaster | – | – | – | – | 0 |", ours));
    }
}

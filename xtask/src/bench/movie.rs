//! The video files that are played: made once by ffmpeg, and their sample tables (ISO/IEC
//! 14496-12, 8.6 and 8.7). Purpose: by which bytes a frame is known again at a player, and what a
//! longer file is made of. Non-goals: files of anybody else; the layout is that of ffmpeg's own
//! muxer. Bound: a file's bytes, once.

use std::path::Path;
use std::process::Command;

use super::clip::Tail;
use crate::step;

/// A file's length, seconds.
pub const SECONDS: u32 = 60;

/// Makes a file at 6 Mbit/s out of one of ffmpeg's test pictures, unless there is one already.
pub fn make(path: &Path, picture: &str, hertz: u32) -> Result<(), String> {
    if path.exists() {
        return Ok(());
    }
    println!("making {} of {SECONDS} s, once", path.display());
    let unfinished = path.with_extension("unfinished");
    let picture = format!("{picture}=size=1280x720:rate=30,noise=alls=12:allf=t");
    let sound = format!("sine=frequency={hertz}:sample_rate=48000");
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-y"]);
    command.args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound]);
    command.args(["-t", &SECONDS.to_string(), "-c:v", "libx264", "-preset", "superfast"]);
    command.args(["-pix_fmt", "yuv420p", "-bf", "2", "-b_strategy", "0", "-g", "60"]);
    command.args(["-keyint_min", "60", "-sc_threshold", "0", "-b:v", "6000k"]);
    command.args(["-maxrate", "6000k", "-bufsize", "3000k", "-c:a", "aac", "-b:a", "128k"]);
    command.args(["-f", "mp4"]).arg(&unfinished);
    step::run(&mut command, "`cargo xtask setup` installs ffmpeg.")?;
    std::fs::rename(&unfinished, path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A box's type.
pub type BoxKind = [u8; 4];

/// The boxes in `bytes` and their bodies, up to the first that is not whole (4.2).
pub fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = (BoxKind, &[u8])> {
    std::iter::from_fn(move || {
        let (size, rest) = bytes.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let (whole, rest) = bytes.split_at_checked(u32::from_be_bytes(*size) as usize)?;
        bytes = rest;
        Some((*kind, whole.get(8..)?))
    })
}

/// The body of the first box of this kind.
pub fn find<'b>(bytes: &'b [u8], kind: &BoxKind) -> Option<&'b [u8]> {
    boxes(bytes).find(|(each, _)| each == kind).map(|(_, body)| body)
}

/// The big-endian number at this place.
pub fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A track's samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Each one's bytes.
    pub sizes: Vec<u32>,
    /// Each one's time until the next is decoded.
    pub durations: Vec<u32>,
    /// What is added to each one's decoding time; empty: nothing.
    pub compositions: Vec<u32>,
    /// Numbers of key samples, counted from 1; empty: all are.
    pub keys: Vec<u32>,
    /// Where each chunk stands, and how many samples it holds.
    pub chunks: Vec<(u64, u32)>,
}

impl Samples {
    /// Reads a sample table box's body.
    ///
    /// # Errors
    /// A table is missing or cut off.
    pub fn read(stbl: &[u8]) -> Result<Samples, String> {
        Samples::parse(stbl).ok_or_else(|| "a sample table is missing or cut off".to_owned())
    }

    fn parse(stbl: &[u8]) -> Option<Samples> {
        let sizes = numbers(find(stbl, b"stsz")?, 2, 1)?.concat();
        let durations = runs(&numbers(find(stbl, b"stts")?, 1, 2)?);
        let compositions = find(stbl, b"ctts").and_then(|ctts| numbers(ctts, 1, 2));
        let keys = find(stbl, b"stss").and_then(|stss| numbers(stss, 1, 1));
        let offsets: Vec<u64> = match (find(stbl, b"stco"), find(stbl, b"co64")) {
            (Some(stco), _) => numbers(stco, 1, 1)?.concat().into_iter().map(u64::from).collect(),
            (None, co64) => {
                let halves = numbers(co64?, 1, 2)?;
                halves.iter().map(|half| half.iter().fold(0, wide)).collect()
            }
        };
        let mut held = numbers(find(stbl, b"stsc")?, 1, 3)?.into_iter().peekable();
        let mut count = 0;
        let chunks = (1..).zip(offsets).map(|(chunk, at)| {
            if let Some(run) = held.next_if(|run| run.first() == Some(&chunk)) {
                count = run.get(1).copied().unwrap_or(0);
            }
            (at, count)
        });
        Some(Samples {
            chunks: chunks.collect(),
            compositions: compositions.map_or_else(Vec::new, |table| runs(&table)),
            keys: keys.map_or_else(Vec::new, |table| table.concat()),
            sizes,
            durations,
        })
    }

    /// Where each sample stands, and its bytes.
    pub fn places(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let mut sizes = self.sizes.iter().copied();
        self.chunks.iter().flat_map(move |(at, count)| {
            let mut at = *at;
            let held: Vec<u32> = sizes.by_ref().take(*count as usize).collect();
            held.into_iter().map(move |bytes| {
                at += u64::from(bytes);
                (at - u64::from(bytes), bytes)
            })
        })
    }

    /// The first samples, as long as they last no longer than this together.
    pub fn within(mut self, duration: u64) -> Samples {
        let ends = self.durations.iter().scan(0, |end, duration| {
            *end += u64::from(*duration);
            Some(*end)
        });
        let count = ends.take_while(|end| *end <= duration).count();
        self.sizes.truncate(count);
        self.durations.truncate(count);
        self.compositions.truncate(count);
        self.keys.retain(|key| *key as usize <= count);
        let mut left = count as u32;
        self.chunks.retain_mut(|(_, held)| {
            *held = (*held).min(left);
            left -= *held;
            *held > 0
        });
        self
    }
}

fn wide(high: u64, low: &u32) -> u64 {
    high << 32 | u64::from(*low)
}

/// The entries, of so many numbers each, of a table whose count is its `counted`th number.
fn numbers(table: &[u8], counted: usize, each: usize) -> Option<Vec<Vec<u32>>> {
    let count = number(table, 4 * counted)? as usize;
    let entries = table.get(4 * (counted + 1)..)?.chunks_exact(4 * each).take(count);
    let entry = |bytes: &[u8]| (0..each).map_while(|index| number(bytes, 4 * index)).collect();
    let entries: Vec<Vec<u32>> = entries.map(entry).collect();
    (entries.len() == count).then_some(entries)
}

/// A value for each sample, out of entries of a count and a value.
fn runs(entries: &[Vec<u32>]) -> Vec<u32> {
    let mut values = Vec::new();
    for entry in entries {
        if let [count, value] = entry[..] {
            values.extend(std::iter::repeat_n(value, count as usize));
        }
    }
    values
}

/// The last bytes of each video frame of a file, in decoding order.
///
/// # Errors
/// It is no file of ours.
pub fn tails(file: &[u8]) -> Result<Vec<Tail>, String> {
    let moov = find(file, b"moov").ok_or("it has no header")?;
    let traks = boxes(moov).filter(|(kind, _)| kind == b"trak").map(|(_, body)| body);
    let minfs = traks.filter_map(|trak| find(find(trak, b"mdia")?, b"minf"));
    let video = minfs.into_iter().find(|minf| find(minf, b"vmhd").is_some());
    let stbl = video.and_then(|minf| find(minf, b"stbl")).ok_or("it has no video")?;
    let tail = |(at, bytes): (u64, u32)| {
        let sample = file.get(at as usize..)?.get(..bytes as usize)?;
        sample.last_chunk().copied()
    };
    let tails: Option<Vec<Tail>> = Samples::read(stbl)?.places().map(tail).collect();
    tails.ok_or_else(|| "a frame is cut off or too short to be known again".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::long::tests::{clip, stbl};
    use super::*;

    #[test]
    fn tables_are_read_as_they_are_written() {
        let samples = Samples {
            sizes: vec![5, 6, 7],
            durations: vec![10, 10, 20],
            compositions: vec![0, 20, 0],
            keys: vec![1, 3],
            chunks: vec![(100, 2), (1 << 33, 1)],
        };
        assert_eq!(Samples::read(&stbl(&samples)), Ok(samples.clone()));
        let places: Vec<(u64, u32)> = samples.places().collect();
        assert_eq!(places, [(100, 5), (105, 6), (1 << 33, 7)]);
        let first = samples.within(39);
        assert_eq!((first.sizes, first.keys, first.chunks), (vec![5, 6], vec![1], vec![(100, 2)]));
    }

    #[test]
    fn a_table_that_is_cut_off_is_no_table() {
        assert!(Samples::read(&[]).is_err());
        assert_eq!(numbers(&[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9], 1, 1), None);
    }

    #[test]
    fn the_tails_are_those_of_the_video_frames() {
        let (file, samples) = clip();
        let ends: Vec<usize> =
            samples.places().map(|(at, bytes)| at as usize + bytes as usize).collect();
        let tails = tails(&file).unwrap();
        assert_eq!(tails.len(), ends.len());
        for (tail, end) in tails.iter().zip(ends) {
            assert_eq!(Some(&tail[..]), file.get(end - tail.len()..end));
        }
        assert!(super::tails(&file[..200]).is_err());
    }
}

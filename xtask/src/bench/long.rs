//! A file of 8 hours and 20 GB on a disk that has no room for it. Purpose: what is real of it are
//! a few copies of a short file's media, spread over its length, with holes between them, and
//! tables for every picture and sound of the 8 hours (ISO/IEC 14496-12, 8.6 and 8.7), which point
//! only at what is real. So a reader reads real media out of real tables, wherever it begins.
//! Bound: the copies, and the tables once in memory.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::movie::{boxes, find, number, BoxKind, Samples};

/// How a long file is made of a short one.
pub struct Shape {
    /// So much of the short one is repeated, seconds: whole GOPs and whole AAC frames.
    pub part_s: u32,
    /// How often.
    pub parts: u32,
    /// Copies of the media there are.
    pub copies: u32,
    /// How long the file is, bytes, at least.
    pub bytes: u64,
}

/// Eight hours, twenty gigabytes: 32 s are 960 frames of video and 1500 of sound.
pub const EIGHT_HOURS: Shape = Shape { part_s: 32, parts: 900, copies: 5, bytes: 20_000_000_000 };

impl Shape {
    /// How long it plays, seconds.
    pub fn seconds(&self) -> u32 {
        self.part_s * self.parts
    }
}

/// Makes the long file out of the short one's bytes, unless there is one already.
pub fn make(path: &Path, short: &[u8], shape: &Shape) -> Result<(), String> {
    if path.exists() {
        return Ok(());
    }
    println!("making {} of {} s out of holes, once", path.display(), shape.seconds());
    let unfinished = path.with_extension("unfinished");
    let made = write(&unfinished, short, shape);
    let made = made.and_then(|()| std::fs::rename(&unfinished, path).map_err(|e| e.to_string()));
    made.map_err(|error| format!("{}: {error}", path.display()))
}

/// What a new header is made with.
struct Plan<'s> {
    shape: &'s Shape,
    /// Time units in a second, of the file and of the track at hand.
    movie_hz: u32,
    media_hz: u32,
    /// Where each copy begins.
    copies: Vec<u64>,
    /// Where what is copied begins and ends in the short file.
    begin: u64,
    end: u64,
}

fn write(path: &Path, short: &[u8], shape: &Shape) -> Result<(), String> {
    let ftyp = find(short, b"ftyp").ok_or("the short file has no type")?;
    let moov = find(short, b"moov").ok_or("the short file has no header")?;
    let mut plan = Plan::new(moov, shape)?;
    let mut head = Vec::new();
    put(&mut head, b"ftyp", |out| out.extend_from_slice(ftyp));
    let mdat_at = head.len() as u64;
    let media_at = mdat_at + 16;
    let copy_bytes = plan.end - plan.begin;
    let stride = (shape.bytes.saturating_sub(media_at + copy_bytes)) / u64::from(shape.copies - 1);
    if stride < copy_bytes {
        return Err("the copies do not fit into it".to_owned());
    }
    plan.copies = (0..u64::from(shape.copies)).map(|copy| media_at + copy * stride).collect();
    let moov_at = plan.copies.last().map_or(media_at, |last| last + copy_bytes);
    // The size of a box this large stands behind its type (4.2).
    head.extend(1u32.to_be_bytes());
    head.extend(b"mdat");
    head.extend((moov_at - mdat_at).to_be_bytes());
    let media = short.get(plan.begin as usize..plan.end as usize);
    let media = media.ok_or("the short file's media are cut off")?;
    let mut header = Vec::new();
    plan.rebuild(*b"moov", moov, &mut header)?;
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&head)?;
        for at in &plan.copies {
            file.write_all_at(media, *at)?;
        }
        file.write_all_at(&header, moov_at)
    });
    written.map_err(|error| error.to_string())
}

impl Plan<'_> {
    fn new<'s>(moov: &[u8], shape: &'s Shape) -> Result<Plan<'s>, String> {
        let movie_hz = find(moov, b"mvhd").and_then(|mvhd| number(mvhd, 12));
        let movie_hz = movie_hz.ok_or("the short file has no clock")?;
        let (mut begin, mut end) = (u64::MAX, 0);
        for (_, trak) in boxes(moov).filter(|(kind, _)| kind == b"trak") {
            let mdia = find(trak, b"mdia").unwrap_or_default();
            let media_hz = find(mdia, b"mdhd").and_then(|mdhd| number(mdhd, 12)).unwrap_or(0);
            let stbl = find(mdia, b"minf").and_then(|minf| find(minf, b"stbl"));
            let samples = part(stbl.unwrap_or_default(), media_hz, shape)?;
            for (at, bytes) in samples.places() {
                begin = begin.min(at);
                end = end.max(at + u64::from(bytes));
            }
        }
        if begin >= end {
            return Err("the short file has no media".to_owned());
        }
        Ok(Plan { shape, movie_hz, media_hz: 0, copies: Vec::new(), begin, end })
    }

    /// A box of the short file's header, as it stands in the long one's. Its depth is that of
    /// the kinds that hold others.
    fn rebuild(&mut self, kind: BoxKind, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let seconds = self.shape.seconds();
        if kind == *b"mdhd" {
            self.media_hz = number(body, 12).unwrap_or(0);
        }
        let (at, hz) = match &kind {
            b"mvhd" => (16, self.movie_hz),
            b"mdhd" => (16, self.media_hz),
            b"tkhd" => (20, self.movie_hz),
            // The only edit: it starts behind the encoder's delay and shows all.
            b"elst" => (8, self.movie_hz),
            b"moov" | b"trak" | b"mdia" | b"minf" | b"edts" => {
                let mut inner = Vec::new();
                for (kind, body) in boxes(body) {
                    self.rebuild(kind, body, &mut inner)?;
                }
                put(out, &kind, |out| out.append(&mut inner));
                return Ok(());
            }
            b"stbl" => {
                let samples = self.repeated(&part(body, self.media_hz, self.shape)?);
                put(out, &kind, |out| {
                    let stsd = find(body, b"stsd").unwrap_or_default();
                    put(out, b"stsd", |out| out.extend_from_slice(stsd));
                    tables(out, &samples);
                });
                return Ok(());
            }
            b"udta" => return Ok(()),
            _ => (0, 0),
        };
        let mut body = body.to_vec();
        if let Some(place) = body.get_mut(at..at + 4).filter(|_| hz > 0) {
            let duration = hz.checked_mul(seconds).ok_or("it is too long for its clock")?;
            place.copy_from_slice(&duration.to_be_bytes());
        }
        put(out, &kind, |out| out.append(&mut body));
        Ok(())
    }

    /// The part's samples again and again, each part out of one of the copies.
    fn repeated(&self, part: &Samples) -> Samples {
        let parts = self.shape.parts as usize;
        let mut all = Samples {
            sizes: part.sizes.repeat(parts),
            durations: part.durations.repeat(parts),
            compositions: part.compositions.repeat(parts),
            ..Samples::default()
        };
        for index in 0..parts {
            let copy = self.copies.get(index * self.copies.len() / parts).copied().unwrap_or(0);
            let before = (index * part.sizes.len()) as u32;
            all.keys.extend(part.keys.iter().map(|key| before + key));
            let moved = part.chunks.iter().map(|(at, held)| (copy + (at - self.begin), *held));
            all.chunks.extend(moved);
        }
        all
    }
}

/// The samples of the part that is repeated.
fn part(stbl: &[u8], media_hz: u32, shape: &Shape) -> Result<Samples, String> {
    let duration = u64::from(media_hz) * u64::from(shape.part_s);
    let part = Samples::read(stbl)?.within(duration);
    let lasts: u64 = part.durations.iter().copied().map(u64::from).sum();
    if lasts != duration {
        return Err(format!("no whole number of samples lasts {} s", shape.part_s));
    }
    Ok(part)
}

fn put(out: &mut Vec<u8>, kind: &BoxKind, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    body(out);
    let size = (out.len() - begin) as u32;
    if let Some(place) = out.get_mut(begin..begin + 4) {
        place.copy_from_slice(&size.to_be_bytes());
    }
}

/// A table: version and flags, numbers before the count, the count, and the entries.
fn table(out: &mut Vec<u8>, kind: &BoxKind, before: &[u32], entries: &[Vec<u32>]) {
    put(out, kind, |out| {
        let numbers = [0].iter().chain(before);
        let count = [entries.len() as u32];
        for number in numbers.chain(&count).chain(entries.iter().flatten()) {
            out.extend(number.to_be_bytes());
        }
    });
}

fn tables(out: &mut Vec<u8>, samples: &Samples) {
    table(out, b"stts", &[], &runs(&samples.durations));
    if !samples.compositions.is_empty() {
        table(out, b"ctts", &[], &runs(&samples.compositions));
    }
    let single = |values: &[u32]| values.iter().map(|value| vec![*value]).collect::<Vec<_>>();
    if !samples.keys.is_empty() {
        table(out, b"stss", &[], &single(&samples.keys));
    }
    table(out, b"stsz", &[0], &single(&samples.sizes));
    let held: Vec<u32> = samples.chunks.iter().map(|(_, held)| *held).collect();
    let mut first = 1;
    let runs = runs(&held).into_iter().filter_map(|run| {
        let [count, held] = run[..] else { return None };
        first += count;
        Some(vec![first - count, held, 1])
    });
    table(out, b"stsc", &[], &runs.collect::<Vec<_>>());
    let halves = |(at, _): &(u64, u32)| vec![(at >> 32) as u32, *at as u32];
    table(out, b"co64", &[], &samples.chunks.iter().map(halves).collect::<Vec<_>>());
}

/// Equal neighbours, counted.
fn runs(values: &[u32]) -> Vec<Vec<u32>> {
    let equal = values.chunk_by(|one, next| one == next);
    equal.filter_map(|run| Some(vec![run.len() as u32, *run.first()?])).collect()
}

#[cfg(test)]
pub mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// A sample table box's body.
    pub fn stbl(samples: &Samples) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, b"stsd", |out| out.extend([9; 12]));
        tables(&mut out, samples);
        out
    }

    /// A file with one video track of four frames, half a second each, and its samples.
    pub fn clip() -> (Vec<u8>, Samples) {
        let mut file = Vec::new();
        put(&mut file, b"ftyp", |out| out.extend(b"isom"));
        put(&mut file, b"mdat", |out| out.extend(0..=255));
        let samples = Samples {
            sizes: vec![40, 50, 60, 70],
            durations: vec![5; 4],
            compositions: vec![0, 10, 5, 0],
            keys: vec![1],
            chunks: vec![(20, 3), (190, 1)],
        };
        let clock = |duration: u32| {
            [[0; 12].as_slice(), &10u32.to_be_bytes(), &duration.to_be_bytes()].concat()
        };
        put(&mut file, b"moov", |out| {
            put(out, b"mvhd", |out| out.extend(clock(20)));
            put(out, b"trak", |out| {
                put(out, b"tkhd", |out| out.extend([0; 84]));
                put(out, b"mdia", |out| {
                    put(out, b"mdhd", |out| out.extend(clock(20)));
                    put(out, b"minf", |out| {
                        put(out, b"vmhd", |out| out.extend([0; 12]));
                        put(out, b"stbl", |out| out.extend(stbl(&samples)));
                    });
                });
            });
            put(out, b"udta", |out| out.extend([0; 9]));
        });
        (file, samples)
    }

    fn child<'b>(bytes: &'b [u8], path: &[&BoxKind]) -> &'b [u8] {
        path.iter().fold(bytes, |bytes, kind| find(bytes, kind).unwrap())
    }

    #[test]
    fn a_long_file_repeats_the_short_one_and_takes_little_room() {
        let (short, samples) = clip();
        let shape = Shape { part_s: 1, parts: 6, copies: 3, bytes: 20_000_000 };
        let path = std::env::temp_dir().join(format!("long-{}.mp4", std::process::id()));
        make(&path, &short, &shape).unwrap();
        let (room, len) = std::fs::metadata(&path).map(|m| (m.blocks() * 512, m.len())).unwrap();
        let file = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(len >= shape.bytes && room < 1_000_000, "{len} bytes in {room}");

        let mdat_at = 12;
        assert_eq!(file.get(mdat_at..mdat_at + 8), Some(&b"\0\0\0\x01mdat"[..]));
        let size = u64::from_be_bytes(*file[mdat_at + 8..].first_chunk().unwrap());
        let moov = child(&file[mdat_at + size as usize..], &[b"moov"]);
        assert_eq!(number(child(moov, &[b"mvhd"]), 16), Some(60));
        assert_eq!(number(child(moov, &[b"trak", b"tkhd"]), 20), Some(60));
        assert_eq!(number(child(moov, &[b"trak", b"mdia", b"mdhd"]), 16), Some(60));
        assert!(find(moov, b"udta").is_none());
        let stbl = child(moov, &[b"trak", b"mdia", b"minf", b"stbl"]);
        assert_eq!(find(stbl, b"stsd"), Some(&[9; 12][..]));
        let long = Samples::read(stbl).unwrap();
        assert_eq!(long.keys, [1, 3, 5, 7, 9, 11]);
        assert_eq!((long.durations.len(), &long.compositions[..4]), (12, &[0, 10, 0, 10][..]));
        let bytes =
            |file: &[u8], (at, bytes): (u64, u32)| file[at as usize..][..bytes as usize].to_vec();
        let first: Vec<Vec<u8>> = samples.places().map(|place| bytes(&short, place)).collect();
        let places: Vec<(u64, u32)> = long.places().collect();
        assert_eq!(places.len(), 12);
        for (index, place) in places.iter().enumerate() {
            assert_eq!(bytes(&file, *place), first[index % 2], "sample {index}");
        }
        assert!(places[11].0 > shape.bytes - 1000, "it reaches to the end");
    }

    #[test]
    fn a_part_is_made_of_whole_samples() {
        let (short, _) = clip();
        let moov = find(&short, b"moov").unwrap();
        let shape = Shape { part_s: 3, parts: 1, copies: 2, bytes: 0 };
        assert!(Plan::new(moov, &shape).is_err(), "it is longer than the file");
    }

    #[test]
    fn eight_hours_are_eight_hours() {
        assert_eq!(EIGHT_HOURS.seconds(), 8 * 3600);
    }
}

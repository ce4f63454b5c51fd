//! The reader on files built box by box: what no muxer writes on purpose.

use std::io;

use super::*;
use crate::codec::collector::{hex, Collector, Random};
use crate::codec::container::Remedy;
use crate::mp4::testing::{avcc, boxed, numbers, picture, SPS};

const SAMPLE_BYTES: u32 = 12;
const SPACING: u64 = 24_000;

/// A file of any size: its header, then a sample every `SPACING` bytes, zeros between them.
struct Sparse {
    head: Vec<u8>,
    size: u64,
    /// The number of the place at which the first sample stands; every fiftieth is an IDR.
    first: u64,
    reads: usize,
    largest: usize,
}

impl Sparse {
    fn new(head: Vec<u8>, size: u64, first: u64) -> Sparse {
        Sparse { head, size, first, reads: 0, largest: 0 }
    }
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        self.largest = self.largest.max(into.len());
        let mut count = 0;
        for (at, byte) in (offset..self.size).zip(into.iter_mut()) {
            let in_head = usize::try_from(at).ok().and_then(|at| self.head.get(at));
            // A NAL unit of eight bytes behind its length.
            *byte = in_head.copied().unwrap_or(match at % SPACING {
                3 => 8,
                4 if !(at / SPACING).saturating_sub(self.first).is_multiple_of(50) => 0x41,
                4..12 => 0x65,
                _ => 0,
            });
            count += 1;
        }
        Ok(count)
    }
}

/// The tables of a video track at 25 frames per second, `count` samples, one in a chunk.
#[derive(Clone)]
struct Plan {
    count: u32,
    scale: u32,
    stts: Vec<u32>,
    stss: Option<Vec<u32>>,
    stsc: Vec<u32>,
    stsz: Vec<u32>,
    ctts: Option<Vec<u32>>,
    elst: Option<Vec<u32>>,
    codec: [u8; 4],
    length_bytes: u8,
}

impl Plan {
    fn new(count: u32) -> Plan {
        let keys: Vec<u32> = (0..count.div_ceil(50)).map(|n| n * 50 + 1).collect();
        Plan {
            count,
            scale: 25,
            stts: vec![1, count, 1],
            stss: Some([vec![u32::try_from(keys.len()).unwrap()], keys].concat()),
            stsc: vec![1, 1, 1, 1],
            stsz: vec![SAMPLE_BYTES, count],
            ctts: None,
            elst: None,
            codec: *b"avc1",
            length_bytes: 4,
        }
    }

    fn entry(&self) -> Vec<u8> {
        picture(&self.codec, &avcc(SPS, self.length_bytes))
    }

    /// The file's header, and the whole file's size.
    fn build(&self) -> Sparse {
        let handler = [&[0; 8], b"vide".as_slice(), &[0; 13]].concat();
        let mut stsd = vec![0, 0, 0, 0, 0, 0, 0, 1];
        stsd.extend(self.entry());
        let mut stbl = boxed(b"stsd", &stsd);
        stbl.extend(numbers(b"stts", &self.stts));
        self.stss.iter().for_each(|stss| stbl.extend(numbers(b"stss", stss)));
        self.ctts.iter().for_each(|ctts| stbl.extend(numbers(b"ctts", ctts)));
        stbl.extend(numbers(b"stsc", &self.stsc));
        stbl.extend(numbers(b"stsz", &self.stsz));
        let first = 1 + u64::from(self.count) * 24 / SPACING;
        let mut co64 = [[0; 4], self.count.to_be_bytes()].concat();
        for n in 0..u64::from(self.count) {
            co64.extend(((first + n) * SPACING).to_be_bytes());
        }
        stbl.extend(boxed(b"co64", &co64));
        let minf = boxed(b"minf", &boxed(b"stbl", &stbl));
        let mdhd = numbers(b"mdhd", &[0, 0, self.scale, self.count, 0]);
        let mdia = boxed(b"mdia", &[mdhd, boxed(b"hdlr", &handler), minf].concat());
        let mut trak = numbers(b"tkhd", &[0, 0, 1, 0, 0]);
        if let Some(elst) = &self.elst {
            trak.extend(boxed(b"edts", &numbers(b"elst", elst)));
        }
        trak.extend(mdia);
        let moov = [numbers(b"mvhd", &[0, 0, 1000, 0, 0]), boxed(b"trak", &trak)].concat();
        let mut head = boxed(b"ftyp", b"isom\0\0\0\0isom");
        head.extend(boxed(b"moov", &moov));
        let size = (first + u64::from(self.count)) * SPACING;
        assert!(head.len() as u64 + 16 <= first * SPACING, "room for the header");
        head.extend(1u32.to_be_bytes());
        head.extend(b"mdat");
        head.extend((size - head.len() as u64 + 8).to_be_bytes());
        Sparse::new(head, size, first)
    }

    fn refused(&self) -> FileError {
        let mut file = self.build();
        let mut reader = match Mp4File::open(&mut file) {
            Ok(reader) => reader,
            Err(error) => return error,
        };
        let mut sink = Collector::default();
        for _ in 0..10_000 {
            match reader.next(&mut file, &mut sink) {
                Ok(Progress::More) => {}
                Ok(Progress::End) => panic!("nothing was wrong"),
                Err(error) => return error,
            }
        }
        panic!("still reading");
    }
}

fn read(plan: &Plan) -> (Mp4File, Collector) {
    let mut file = plan.build();
    let mut reader = Mp4File::open(&mut file).unwrap();
    let mut sink = Collector::default();
    while reader.next(&mut file, &mut sink).unwrap() == Progress::More {}
    (reader, sink)
}

fn ticks(frame: i64) -> Ticks {
    Ticks(frame * 3600)
}

#[test]
fn a_file_of_twenty_gigabytes_costs_no_more_than_a_short_one() {
    let mut costs = Vec::new();
    for count in [800, 864_000] {
        let mut file = Plan::new(count).build();
        let mut reader = Mp4File::open(&mut file).unwrap();
        assert_eq!(reader.contents().duration, Some(ticks(i64::from(count))));
        let opened = file.reads;
        let mut sink = Collector::default();
        let to = i64::from(count) - 60;
        let key = to / 50 * 50;
        assert_eq!(reader.seek(&mut file, ticks(to), &mut sink).unwrap(), ticks(key));
        for _ in 0..20 {
            reader.next(&mut file, &mut sink).unwrap();
        }
        let units = sink.units();
        assert_eq!(units[0].0.dts, ticks(key));
        assert!(units[0].0.key);
        assert!(!units[1].0.key);
        assert_eq!(units[0].1, hex("000000086565656565656565"));
        assert!(file.largest <= FILE_WINDOW_BYTES);
        costs.push((file.size, opened));
    }
    assert!(costs[1].0 > 20_000_000_000, "{costs:?}");
    assert!(costs[1].1 < costs[0].1 + 100, "reads to open: {costs:?}");
}

#[test]
fn every_key_can_be_gone_to() {
    let mut file = Plan::new(200).build();
    let mut reader = Mp4File::open(&mut file).unwrap();
    for to in [-100, 0, 1, 49, 50, 51, 99, 100, 149, 150, 199, 200, 100_000] {
        let mut sink = Collector::default();
        let key = (to / 50 * 50).clamp(0, 150);
        assert_eq!(reader.seek(&mut file, ticks(to), &mut sink).unwrap(), ticks(key), "{to}");
        let mut count = 0;
        while reader.next(&mut file, &mut sink).unwrap() == Progress::More {
            count += 1;
        }
        assert_eq!(count, 200 - key, "{to}");
        let units = sink.units();
        assert!(units.iter().zip(key..).all(|((start, _), n)| start.dts == ticks(n)));
        assert_eq!(sink.configs().len(), 1, "told again");
    }
}

#[test]
fn short_lengths_are_written_with_four_bytes() {
    // The sample's first bytes are 00 00 00 08: with two bytes an empty unit, then one of eight.
    let mut plan = Plan::new(2);
    plan.length_bytes = 2;
    let (reader, sink) = read(&plan);
    assert_eq!(sink.units()[1].1, hex("000000084165656565656565"));
    assert_eq!(sink.configs()[0].record()[4], 0xff);
    assert_eq!(reader.broken(), 0);
}

#[test]
fn lengths_that_do_not_add_up_cost_the_unit() {
    for bytes in [5, 11, 13] {
        let mut plan = Plan::new(4);
        plan.stsz = vec![0, 4, 12, bytes, 12, 12];
        let (reader, sink) = read(&plan);
        assert_eq!((reader.broken(), sink.units().len()), (1, 3), "{bytes} bytes");
    }
    // As many in a row as a scratch may cost; one more, and it is no file to play.
    for (count, is_scratch) in [(32, true), (33, false)] {
        let mut plan = Plan::new(40);
        plan.stsz = [vec![0, 40, 12], vec![11; count], vec![12; 39 - count]].concat();
        if is_scratch {
            assert_eq!(read(&plan).0.broken(), 32);
        } else {
            let error = plan.refused();
            assert!(error.to_string().contains("access units are damaged"), "{error}");
        }
    }
}

#[test]
fn edits_move_the_times_and_cuts_are_refused() {
    let mut plan = Plan::new(200);
    // Half a second of nothing, then the media from frame 60 on for two seconds.
    plan.elst = Some(vec![2, 500, u32::MAX, 0x1_0000, 2000, 60, 0x1_0000]);
    let (reader, sink) = read(&plan);
    let units = sink.units();
    assert_eq!(units[0].0.dts, ticks(50 - 60) + Ticks::from_ms(500));
    assert_eq!(units.len(), 60, "from the key before, to the end of what is shown");
    assert_eq!(reader.contents().duration, Some(Ticks::from_ms(2500)));
    // Two edits that are one.
    plan.elst = Some(vec![2, 1000, 0, 0x1_0000, 1000, 25, 0x1_0000]);
    assert_eq!(read(&plan).1.units().len(), 50);
    for elst in [vec![2, 1000, 0, 0x1_0000, 1000, 50, 0x1_0000], vec![1, 1000, 0, 0x2_0000]] {
        plan.elst = Some(elst);
        let error = plan.refused();
        assert!(matches!(error, FileError::Unsupported { remedy: Remedy::Remux, .. }), "{error}");
    }
}

#[test]
fn composition_offsets_keep_presentation_behind_decoding() {
    let mut plan = Plan::new(4);
    plan.ctts = Some(vec![4, 1, 0, 1, 1, 1, u32::MAX, 1, 0]);
    let (_, sink) = read(&plan);
    let times: Vec<_> = sink.units().iter().map(|(start, _)| (start.dts, start.pts)).collect();
    let frames = [(-1, 0), (0, 2), (1, 1), (2, 3)];
    assert_eq!(times, frames.map(|(dts, pts)| (ticks(dts), ticks(pts))));
}

#[test]
fn tables_that_lie_are_told() {
    let plan = Plan::new(600);
    let mut broken: Vec<(&str, Plan)> = Vec::new();
    let mut change = |what, change: fn(&mut Plan)| {
        let mut changed = plan.clone();
        change(&mut changed);
        broken.push((what, changed));
    };
    change("more entries than the box has", |plan| plan.stts = vec![1000, 600, 1]);
    change("a clock without unit", |plan| plan.scale = 0);
    change("time stands still", |plan| plan.stts = vec![1, 600, 0]);
    change("four gigabytes", |plan| plan.stsz = vec![u32::MAX, 600]);
    change("chunks that do not begin with 1", |plan| plan.stsc = vec![1, 2, 1, 1]);
    change("chunks not in order", |plan| plan.stsc = vec![2, 1, 1, 1, 1, 1, 1]);
    change("empty chunks", |plan| plan.stsc = vec![1, 1, 0, 1]);
    change("no such description", |plan| plan.stsc = vec![1, 1, 1, 7]);
    change("more samples than chunks", |plan| plan.stsz = vec![12, 601]);
    change("empty runs", |plan| {
        plan.stts = [vec![1001], [0, 1].repeat(1000), vec![600, 1]].concat();
    });
    for (what, plan) in broken {
        let error = plan.refused();
        assert!(matches!(error, FileError::Broken { .. }), "{what}: {error}");
    }
    let mut other = plan;
    other.codec = *b"hvc1";
    let error = other.refused();
    assert!(error.to_string().contains("HEVC video"), "{error}");
    assert_eq!(error.remedy(), Some(Remedy::Video));
}

#[test]
fn a_file_cut_anywhere_is_told_at_once() {
    let whole = Plan::new(20).build();
    // Behind it stands the head of a large box.
    let moov_end = whole.head.len() as u64 - 16;
    for size in
        (0..whole.head.len() as u64).chain([whole.size - SPACING, whole.size - SPACING + 11])
    {
        let mut cut = Sparse::new(whole.head.clone(), size, whole.first);
        cut.head.truncate(usize::try_from(size).unwrap());
        let error = Mp4File::open(&mut cut).err().expect("cut");
        let is_told = match error {
            FileError::Unfinished => size < moov_end,
            // Whether it was cut there or never had media, it does not tell.
            FileError::Broken { .. } => size == moov_end,
            FileError::Truncated { at } => size > moov_end && at >= size,
            _ => false,
        };
        assert!(is_told, "{size}: {error}");
    }
    let mut enough = Sparse::new(whole.head, whole.size - SPACING + 12, whole.first);
    assert!(Mp4File::open(&mut enough).is_ok());
}

#[test]
fn the_first_box_tells_the_format() {
    assert!(is_mp4(b"\0\0\0\x18ftypisom"));
    assert!(is_mp4(b"\0\0\0\x01mdat"));
    assert!(is_mp4(b"\0\0\0\x08wide"));
    assert!(!is_mp4(b"\0\0\0\x04ftyp"));
    assert!(!is_mp4(b"FLV\x01\x05\0\0\0\x09"));
    assert!(!is_mp4(b"\0\0\0\x18fty"));
}

#[test]
fn mutated_headers_do_no_harm() {
    let whole = Plan::new(30).build();
    let mut random = Random(23);
    for _ in 0..5_000 {
        let mut file = Sparse::new(whole.head.clone(), whole.size, whole.first);
        for _ in 0..=random.below(4) {
            let place = random.below(file.head.len());
            file.head[place] = [random.byte(), 0, 0xff][random.below(3)];
        }
        let Ok(mut reader) = Mp4File::open(&mut file) else { continue };
        let mut sink = Collector::default();
        for _ in 0..50 {
            let before = file.reads;
            let going_on = matches!(reader.next(&mut file, &mut sink), Ok(Progress::More));
            assert!(file.reads - before < 600, "the work of a call is bounded");
            if !going_on {
                break;
            }
        }
    }
}

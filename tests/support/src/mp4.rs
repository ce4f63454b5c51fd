//! Writes MP4 (ISO/IEC 14496-12, -14, -15): tables before or behind the media, fragments, edit
//! lists, and sync samples marked or not.

#![expect(clippy::indexing_slicing, reason = "what does not fit is a mistake of the test's own")]

use crate::packing::{avc_record, payload, Marks};
use crate::units::{AccessUnit, Media, Track};

/// How it is packed.
#[derive(Clone, Debug)]
pub struct Muxer {
    /// The header stands before the media.
    pub header_first: bool,
    /// Units of both tracks in a fragment; 0: no fragments, tables.
    pub fragment_units: usize,
    /// The decoding time, 90 kHz, that the first fragment says it begins with.
    pub starts_at: i64,
    /// A `uuid` box among the fragments, and in each (`tfxd` as Smooth Streaming has it).
    pub uuids: bool,
    /// Version of `ctts` and `trun`: 0 has no negative offsets.
    pub offsets_version: u8,
    /// What composition offsets are too small by, 90 kHz; version 1.
    pub offsets_less: i64,
    /// Bytes of the lengths before NAL units.
    pub length_bytes: usize,
    /// Samples in a chunk.
    pub chunk_samples: usize,
    /// `stss`: right, there and empty, or naming all.
    pub marks: Marks,
    /// There is no `stss`: all samples are sync samples.
    pub without_stss: bool,
    /// The parameter sets stand in the sample entry.
    pub sets: bool,
    /// A second sample entry of sound, without `esds`, that the second half of it has.
    pub second_entry: bool,
}

const SCALE: u32 = 90_000;
const BASE_IS_MOOF: u32 = 0x2_0000;
const FLAGS_NO_SYNC: u32 = 0x101_0000;

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("a short box");
    [&size.to_be_bytes(), kind.as_slice(), body].concat()
}

fn full(kind: &[u8; 4], version: u8, flags: u32, body: &[u8]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    boxed(kind, &[&head, body].concat())
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn count(count: usize) -> u32 {
    u32::try_from(count).expect("few")
}

/// A track on its way into tables or fragments.
struct Lane<'a> {
    id: u32,
    track: Track,
    units: Vec<&'a AccessUnit>,
    payloads: Vec<Vec<u8>>,
    /// First DTS and PTS.
    dts: i64,
    pts: i64,
}

impl Lane<'_> {
    /// How long each unit lasts: to the next; the last as long as the one before.
    fn durations(&self) -> Vec<u32> {
        let pairs = self.units.iter().zip(self.units.iter().skip(1));
        let mut all: Vec<u32> = pairs.map(|(a, b)| (b.dts - a.dts) as u32).collect();
        all.push(all.last().copied().unwrap_or(3600));
        all
    }

    fn description(&self, muxer: &Muxer, n: usize) -> u32 {
        let second = self.track == Track::Audio && muxer.second_entry && n >= self.units.len() / 2;
        if second {
            2
        } else {
            1
        }
    }
}

impl Muxer {
    fn lanes<'a>(&self, media: &'a Media) -> Vec<Lane<'a>> {
        let lane = |(id, track)| {
            let units: Vec<&AccessUnit> = media.of(track).collect();
            let payloads = units.iter().map(|unit| payload(unit, self.length_bytes)).collect();
            let (dts, pts) = units.first().map_or((0, 0), |unit| (unit.dts, unit.pts));
            Lane { id, track, units, payloads, dts, pts }
        };
        let lanes = [(1, Track::Video), (2, Track::Audio)].map(lane);
        lanes.into_iter().filter(|lane| !lane.units.is_empty()).collect()
    }

    fn entries(&self, media: &Media, track: Track) -> Vec<u8> {
        let (count, entries) = match track {
            Track::Video => {
                let sets = if self.sets { media.parameter_sets.as_slice() } else { &[] };
                let record = boxed(b"avcC", &avc_record(sets, self.length_bytes));
                let mut fields = vec![0; 78];
                fields[7] = 1;
                let kind = if self.sets { b"avc1" } else { b"avc3" };
                (1, boxed(kind, &[fields, record].concat()))
            }
            Track::Audio => {
                let mut fields = vec![0; 28];
                fields[7] = 1;
                let config = &media.audio_config;
                let specific = [&[5, config.len() as u8], config.as_slice()].concat();
                let decoder = [&[0x40, 0x15], [0; 11].as_slice(), &specific].concat();
                let decoder = [&[4, decoder.len() as u8], decoder.as_slice()].concat();
                let stream = [&[0, 0, 0], decoder.as_slice(), &[6, 1, 2]].concat();
                let stream = [&[3, stream.len() as u8], stream.as_slice()].concat();
                let first =
                    boxed(b"mp4a", &[fields.clone(), full(b"esds", 0, 0, &stream)].concat());
                match self.second_entry {
                    true => (2, [first, boxed(b"mp4a", &fields)].concat()),
                    false => (1, first),
                }
            }
        };
        full(b"stsd", 0, 0, &[words(&[count]), entries].concat())
    }

    /// The sample tables; the first payload stands at `at`, and each chunk where `places` says.
    fn tables(&self, media: &Media, lane: &Lane<'_>, places: &[u32]) -> Vec<u8> {
        let held = if self.fragment_units > 0 { 0 } else { lane.units.len() };
        let durations: Vec<u32> = lane.durations().into_iter().take(held).collect();
        let times: Vec<u32> = durations.iter().flat_map(|own| [1, *own]).collect();
        let mut tables = self.entries(media, lane.track);
        tables.extend(full(b"stts", 0, 0, &[words(&[count(held)]), words(&times)].concat()));
        let units = lane.units.iter().take(held);
        if lane.track == Track::Video && held > 0 {
            let offset = |unit: &&&AccessUnit| (unit.pts - unit.dts - self.offsets_less) as u32;
            let offsets: Vec<u32> = units.clone().flat_map(|unit| [1, offset(&unit)]).collect();
            let body = [words(&[count(held)]), words(&offsets)].concat();
            tables.extend(full(b"ctts", self.offsets_version, 0, &body));
            let numbered = units.clone().enumerate();
            let keys: Vec<u32> = numbered
                .filter(|(_, unit)| self.marks.marks(unit))
                .map(|(n, _)| count(n + 1))
                .collect();
            if !self.without_stss {
                let body = [words(&[count(keys.len())]), words(&keys)].concat();
                tables.extend(full(b"stss", 0, 0, &body));
            }
        }
        let sizes: Vec<u32> = lane.payloads.iter().take(held).map(|own| count(own.len())).collect();
        tables.extend(full(b"stsz", 0, 0, &[words(&[0, count(held)]), words(&sizes)].concat()));
        let chunks = self.chunks(lane).into_iter().take(if held > 0 { usize::MAX } else { 0 });
        let runs: Vec<u32> = chunks
            .enumerate()
            .flat_map(|(n, (first, length))| {
                [count(n + 1), count(length), lane.description(self, first)]
            })
            .collect();
        let body = [words(&[count(runs.len() / 3)]), words(&runs)].concat();
        tables.extend(full(b"stsc", 0, 0, &body));
        let places = if held > 0 { places } else { &[] };
        tables.extend(full(
            b"stco",
            0,
            0,
            &[words(&[count(places.len())]), words(places)].concat(),
        ));
        boxed(b"stbl", &tables)
    }

    /// First sample and length of each chunk; a chunk has one description.
    fn chunks(&self, lane: &Lane<'_>) -> Vec<(usize, usize)> {
        let mut chunks: Vec<(usize, usize)> = Vec::new();
        for n in 0..lane.units.len() {
            let goes_on = chunks.last().is_some_and(|(first, length)| {
                *length < self.chunk_samples
                    && lane.description(self, *first) == lane.description(self, n)
            });
            match chunks.last_mut().filter(|_| goes_on) {
                Some((_, length)) => *length += 1,
                None => chunks.push((n, 1)),
            }
        }
        chunks
    }

    fn header(&self, media: &Media, lanes: &[Lane<'_>], places: &[Vec<u32>]) -> Vec<u8> {
        let zero = lanes.iter().map(|lane| lane.pts).min().unwrap_or(0);
        let mut boxes = full(b"mvhd", 0, 0, &words(&[0, 0, SCALE, 0]));
        for (lane, places) in lanes.iter().zip(places) {
            let tkhd = full(b"tkhd", 0, 3, &words(&[0, 0, lane.id, 0, 0]));
            let mut trak = tkhd;
            if self.fragment_units == 0 {
                // Nothing until the track begins, then the media from its first picture on.
                let delay = (lane.pts - zero) as u32;
                let from = (lane.pts - lane.dts - self.less(lane)) as u32;
                let edits = words(&[2, delay, u32::MAX, 0x1_0000, 0, from, 0x1_0000]);
                trak.extend(boxed(b"edts", &full(b"elst", 0, 0, &edits)));
            }
            let handler: &[u8; 4] = if lane.track == Track::Video { b"vide" } else { b"soun" };
            let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], handler.as_slice(), &[0; 13]].concat());
            let total: u32 = lane.durations().iter().sum();
            let mdhd = full(b"mdhd", 0, 0, &words(&[0, 0, SCALE, total, 0]));
            let minf = boxed(b"minf", &self.tables(media, lane, places));
            trak.extend(boxed(b"mdia", &[mdhd, hdlr, minf].concat()));
            boxes.extend(boxed(b"trak", &trak));
        }
        if self.fragment_units > 0 {
            let trex = |lane: &Lane<'_>| full(b"trex", 0, 0, &words(&[lane.id, 1, 0, 0, 0]));
            boxes.extend(boxed(b"mvex", &lanes.iter().flat_map(trex).collect::<Vec<u8>>()));
        }
        boxed(b"moov", &boxes)
    }

    fn less(&self, lane: &Lane<'_>) -> i64 {
        if lane.track == Track::Video {
            self.offsets_less
        } else {
            0
        }
    }

    /// A file.
    ///
    /// # Panics
    /// Media that such a file cannot hold.
    pub fn file(&self, media: &Media) -> Vec<u8> {
        let lanes = self.lanes(media);
        let ftyp = boxed(b"ftyp", b"isom\0\0\0\0isom");
        if self.fragment_units > 0 {
            let header = self.header(media, &lanes, &[Vec::new(), Vec::new()]);
            return [ftyp, header, self.fragments(&lanes)].concat();
        }
        let (data, offsets) = self.data(&lanes);
        let places = |at: usize| -> Vec<Vec<u32>> {
            offsets.iter().map(|own| own.iter().map(|o| count(at + o)).collect()).collect()
        };
        let mdat = boxed(b"mdat", &data);
        if self.header_first {
            let length = self.header(media, &lanes, &places(0)).len();
            let header = self.header(media, &lanes, &places(ftyp.len() + length + 8));
            [ftyp, header, mdat].concat()
        } else {
            let header = self.header(media, &lanes, &places(ftyp.len() + 8));
            [ftyp, mdat, header].concat()
        }
    }

    /// The chunks of all tracks in the order of their first units, and where each track's begin.
    fn data(&self, lanes: &[Lane<'_>]) -> (Vec<u8>, Vec<Vec<usize>>) {
        let mut chunks: Vec<(i64, usize, usize, usize)> = Vec::new();
        for (n, lane) in lanes.iter().enumerate() {
            let own = self.chunks(lane).into_iter();
            chunks.extend(own.map(|(first, length)| (lane.units[first].dts, n, first, length)));
        }
        chunks.sort_unstable();
        let (mut data, mut offsets) = (Vec::new(), vec![Vec::new(); lanes.len()]);
        for (_, n, first, length) in chunks {
            offsets[n].push(data.len());
            data.extend(lanes[n].payloads[first..first + length].concat());
        }
        (data, offsets)
    }

    fn fragments(&self, lanes: &[Lane<'_>]) -> Vec<u8> {
        let zero = lanes.iter().map(|lane| lane.dts).min().unwrap_or(0) - self.starts_at;
        let mut order: Vec<(i64, usize, usize)> = Vec::new();
        for (n, lane) in lanes.iter().enumerate() {
            order.extend(lane.units.iter().enumerate().map(|(unit, own)| (own.dts, n, unit)));
        }
        order.sort_unstable();
        let mut out = Vec::new();
        for (number, part) in order.chunks(self.fragment_units).enumerate() {
            let moof = |data_at: u32| {
                let (mut moof, mut at) =
                    (full(b"mfhd", 0, 0, &words(&[count(number + 1)])), data_at);
                for (n, lane) in lanes.iter().enumerate() {
                    let units: Vec<usize> = part
                        .iter()
                        .filter(|(_, own, _)| *own == n)
                        .map(|(_, _, unit)| *unit)
                        .collect();
                    let Some(first) = units.first() else { continue };
                    moof.extend(self.fragment(
                        lane,
                        &units,
                        lane.units[*first].dts - zero + self.less(lane),
                        at,
                    ));
                    at += count(units.iter().map(|unit| lane.payloads[*unit].len()).sum());
                }
                boxed(b"moof", &moof)
            };
            let length = count(moof(0).len());
            if self.uuids {
                out.extend(boxed(b"uuid", &[0x5a; 40]));
            }
            out.extend(moof(length + 8));
            let mut data = Vec::new();
            for (n, lane) in lanes.iter().enumerate() {
                for (_, _, unit) in part.iter().filter(|(_, own, _)| *own == n) {
                    data.extend(&lane.payloads[*unit]);
                }
            }
            out.extend(boxed(b"mdat", &data));
        }
        out
    }

    fn fragment(&self, lane: &Lane<'_>, units: &[usize], time: i64, data_at: u32) -> Vec<u8> {
        let durations = lane.durations();
        let mut run = words(&[count(units.len()), data_at]);
        for unit in units {
            let own = lane.units[*unit];
            let flags =
                if self.marks.marks(own) || lane.track == Track::Audio { 0 } else { FLAGS_NO_SYNC };
            let offset = own.pts - own.dts - self.less(lane);
            run.extend(words(&[
                durations[*unit],
                count(lane.payloads[*unit].len()),
                flags,
                offset as u32,
            ]));
        }
        let mut traf = full(b"tfhd", 0, BASE_IS_MOOF, &words(&[lane.id]));
        traf.extend(full(b"tfdt", 1, 0, &(time as u64).to_be_bytes()));
        if self.uuids {
            traf.extend(boxed(b"uuid", &[0x6d; 44]));
        }
        traf.extend(full(b"trun", self.offsets_version, 0xf01, &run));
        boxed(b"traf", &traf)
    }
}

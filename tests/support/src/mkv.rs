//! Writes Matroska (RFC 9559): SimpleBlocks or groups, laces, sizes of every length or none.

#![expect(clippy::indexing_slicing, reason = "what does not fit is a mistake of the test's own")]

use crate::packing::{avc_record, payload, Marks};
use crate::units::{AccessUnit, Media, Track};

/// How several sounds share a block (RFC 9559, 10.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacing {
    /// They do not.
    None,
    /// Sizes in bytes of up to 255.
    Xiph,
    /// Sizes and differences.
    Ebml,
}

/// How it is packed.
#[derive(Clone, Debug)]
pub struct Muxer {
    /// Blocks stand in groups.
    pub groups: bool,
    /// How sounds are laced, so many to a block.
    pub lacing: Lacing,
    /// See `lacing`.
    pub laced: usize,
    /// Bytes of an element's size, at least.
    pub size_bytes: usize,
    /// Segment and clusters do not say how large they are.
    pub unsized_clusters: bool,
    /// There is a table of key frames.
    pub cues: bool,
    /// CodecPrivate says the parameter sets.
    pub private: bool,
    /// How key frames are marked.
    pub marks: Marks,
    /// Bytes of the lengths before NAL units.
    pub length_bytes: usize,
    /// Time from one cluster to the next, milliseconds.
    pub cluster_ms: i64,
    /// CodecDelay of the sound, milliseconds, which its blocks are later by.
    pub delay_ms: i64,
}

const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

struct Block {
    track: u8,
    ms: i64,
    marked: bool,
    lacing: u8,
    payload: Vec<u8>,
}

impl Muxer {
    /// An element.
    fn element(&self, id: &[u8], data: &[u8]) -> Vec<u8> {
        let needed = (1..=8).find(|n| (data.len() as u64) < (1 << (7 * n)) - 1).expect("it fits");
        let bytes = needed.max(self.size_bytes);
        let size = (data.len() as u64) | 1 << (7 * bytes);
        [id, &size.to_be_bytes()[8 - bytes..], data].concat()
    }

    fn number(&self, id: &[u8], value: u64) -> Vec<u8> {
        self.element(id, &value.to_be_bytes())
    }

    fn tracks(&self, media: &Media) -> Vec<u8> {
        let sets = if self.private { media.parameter_sets.as_slice() } else { &[] };
        let mut video = [
            self.number(&[0xd7], 1),
            self.number(&[0x83], 1),
            self.element(&[0x86], b"V_MPEG4/ISO/AVC"),
        ]
        .concat();
        if self.private || self.length_bytes != 4 {
            video.extend(self.element(&[0x63, 0xa2], &avc_record(sets, self.length_bytes)));
        }
        let mut tracks = self.element(&[0xae], &video);
        if !media.audio_config.is_empty() {
            let audio = [
                self.number(&[0xd7], 2),
                self.number(&[0x83], 2),
                self.element(&[0x86], b"A_AAC"),
                self.element(&[0x63, 0xa2], &media.audio_config),
                self.number(&[0x23, 0xe3, 0x83], 21_000_000),
                self.number(&[0x56, 0xaa], self.delay_ms as u64 * 1_000_000),
            ];
            tracks.extend(self.element(&[0xae], &audio.concat()));
        }
        self.element(&[0x16, 0x54, 0xae, 0x6b], &tracks)
    }

    /// The blocks in the order of the units; a lace begins where its first sound stood.
    fn blocks(&self, media: &Media) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut sounds: Vec<&AccessUnit> = Vec::new();
        let whole = if self.lacing == Lacing::None { 1 } else { self.laced };
        for unit in &media.units {
            match unit.track {
                Track::Video => blocks.push(Block {
                    track: 1,
                    ms: unit.pts / 90,
                    marked: self.marks.marks(unit),
                    lacing: 0,
                    payload: payload(unit, self.length_bytes),
                }),
                Track::Audio => {
                    sounds.push(unit);
                    if sounds.len() == whole {
                        blocks.push(self.lace(&std::mem::take(&mut sounds)));
                    }
                }
            }
        }
        if !sounds.is_empty() {
            blocks.push(self.lace(&sounds));
        }
        blocks
    }

    fn lace(&self, sounds: &[&AccessUnit]) -> Block {
        let frames: Vec<Vec<u8>> = sounds.iter().map(|unit| unit.payload()).collect();
        let ms = sounds.first().map_or(0, |unit| unit.pts / 90) + self.delay_ms;
        let (mut lacing, mut head) = (0, Vec::new());
        if frames.len() > 1 {
            head.push(u8::try_from(frames.len() - 1).expect("few frames"));
            let sizes: Vec<usize> = frames.iter().map(Vec::len).collect();
            let said = &sizes[..sizes.len() - 1];
            if self.lacing == Lacing::Xiph {
                lacing = 2;
                for size in said {
                    head.extend(vec![255; size / 255]);
                    head.push((size % 255) as u8);
                }
            } else {
                lacing = 6;
                let mut before = 0;
                for (n, size) in said.iter().enumerate() {
                    // Two bytes hold 14 bits; differences have half the range below 0.
                    let value = if n == 0 { *size as i64 } else { *size as i64 - before + 0x1fff };
                    head.extend((0x4000 | u16::try_from(value).expect("14 bits")).to_be_bytes());
                    before = *size as i64;
                }
            }
        }
        let payload = [head, frames.concat()].concat();
        Block { track: 2, ms, marked: true, lacing, payload }
    }

    fn block(&self, block: &Block, cluster_ms: i64) -> Vec<u8> {
        let [high, low] = i16::try_from(block.ms - cluster_ms).expect("near").to_be_bytes();
        let flags = block.lacing | if block.marked && !self.groups { 0x80 } else { 0 };
        let bytes = [&[0x80 | block.track, high, low, flags], block.payload.as_slice()].concat();
        if !self.groups {
            return self.element(&[0xa3], &bytes);
        }
        let mut group = self.element(&[0xa1], &bytes);
        if !block.marked {
            group.extend(self.element(&[0xfb], &[0xff]));
        }
        self.element(&[0xa0], &group)
    }

    /// A file, and where its clusters begin.
    ///
    /// # Panics
    /// Media that Matroska cannot hold.
    pub fn file(&self, media: &Media) -> (Vec<u8>, Vec<usize>) {
        let mut clusters: Vec<(i64, bool, Vec<u8>)> = Vec::new();
        for block in self.blocks(media) {
            let is_due = |(ms, _, _): &(i64, bool, Vec<u8>)| block.ms - ms >= self.cluster_ms;
            let starts = block.track == 1 && block.marked || clusters.last().is_none();
            if clusters.last().is_none_or(is_due) && starts {
                let ms = block.ms.max(0);
                clusters.push((ms, block.track == 1, self.number(&[0xe7], ms as u64)));
            }
            let (ms, _, cluster) = clusters.last_mut().expect("one was begun");
            let bytes = self.block(&block, *ms);
            cluster.extend(bytes);
        }
        let cluster = |cluster: &[u8]| {
            let id = [0x1f, 0x43, 0xb6, 0x75];
            match self.unsized_clusters {
                true => [&id, UNKNOWN.as_slice(), cluster].concat(),
                false => self.element(&id, cluster),
            }
        };
        let kind = self.element(&[0x42, 0x82], b"matroska");
        let ebml = self.element(&[0x1a, 0x45, 0xdf, 0xa3], &kind);
        let tracks = self.tracks(media);
        let bodies: Vec<Vec<u8>> = clusters.iter().map(|(_, _, bytes)| cluster(bytes)).collect();
        let cues = |positions: &[usize]| {
            let point = |(ms, position): (i64, usize)| {
                let place = [self.number(&[0xf7], 1), self.number(&[0xf1], position as u64)];
                let place = self.element(&[0xb7], &place.concat());
                self.element(&[0xbb], &[self.number(&[0xb3], ms as u64), place].concat())
            };
            let times = clusters.iter().zip(positions).filter(|((_, video, _), _)| *video);
            let points: Vec<_> = times.map(|((ms, _, _), at)| point((*ms, *at))).collect();
            self.element(&[0x1c, 0x53, 0xbb, 0x6b], &points.concat())
        };
        let places = |head: usize| {
            let sizes = bodies.iter().map(Vec::len);
            sizes.scan(head, |at, size| Some(std::mem::replace(at, *at + size))).collect::<Vec<_>>()
        };
        let index = match self.cues {
            true => {
                let length = tracks.len() + cues(&places(0)).len();
                cues(&places(length))
            }
            false => Vec::new(),
        };
        let head = [tracks, index].concat();
        let positions = places(head.len());
        let segment = [head, bodies.concat()].concat();
        let id = [0x18, 0x53, 0x80, 0x67];
        let segment = match self.unsized_clusters {
            true => [&id, UNKNOWN.as_slice(), &segment].concat(),
            false => self.element(&id, &segment),
        };
        let file = [ebml, segment].concat();
        let last = bodies.iter().map(Vec::len).sum::<usize>();
        let base = file.len() - last - positions.first().copied().unwrap_or(0);
        (file, positions.iter().map(|at| at + base).collect())
    }
}

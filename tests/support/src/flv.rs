//! Writes FLV (Adobe FLV specification 10.1, E): tags, which are RTMP's messages as well, and files
//! of them.

use crate::packing::{avc_record, payload, Marks};
use crate::units::{Media, Track};

/// What is said of the picture outside its units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// A sequence header at the beginning.
    Once,
    /// One before each key unit.
    EveryKey,
    /// None (SRS #2994).
    None,
    /// One that counts no sets.
    Empty,
    /// One that breaks off.
    Broken,
}

impl Headers {
    /// All of them.
    pub const ALL: [Headers; 5] =
        [Headers::Once, Headers::EveryKey, Headers::None, Headers::Empty, Headers::Broken];

    /// The sets have to stand in the key units.
    pub fn need_sets_in_band(self) -> bool {
        !matches!(self, Headers::Once | Headers::EveryKey)
    }
}

/// How it is packed.
#[derive(Clone, Debug)]
pub struct Muxer {
    /// What is said of the picture.
    pub headers: Headers,
    /// FrameType.
    pub marks: Marks,
    /// Bytes of the lengths before NAL units; 4 where no header says it.
    pub length_bytes: usize,
    /// The timestamp of time 0, milliseconds; they may wrap.
    pub base_ms: u32,
    /// The sizes behind the tags are right.
    pub sizes: bool,
    /// The file's header says that there is audio and video.
    pub flags: bool,
}

/// A tag, or an RTMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// TagType: 8 audio, 9 video.
    pub kind: u8,
    /// Timestamp.
    pub ms: u32,
    /// What it holds.
    pub body: Vec<u8>,
}

impl Muxer {
    /// The tags of a recording, whose times are whole milliseconds.
    ///
    /// # Panics
    /// Times that FLV cannot say.
    pub fn tags(&self, media: &Media) -> Vec<Tag> {
        let at = |ticks: i64| {
            assert_eq!(ticks % 90, 0, "no whole millisecond");
            self.base_ms.wrapping_add((ticks / 90) as u32)
        };
        let record = match self.headers {
            Headers::None => None,
            Headers::Empty => Some(avc_record(&[], self.length_bytes)),
            Headers::Broken => Some(vec![1, 0x42]),
            Headers::Once | Headers::EveryKey => {
                Some(avc_record(&media.parameter_sets, self.length_bytes))
            }
        };
        let header = |ms| {
            let body = |record: &Vec<u8>| [&[0x17, 0, 0, 0, 0], record.as_slice()].concat();
            record.as_ref().map(|record| Tag { kind: 9, ms, body: body(record) })
        };
        let start = media.units.first().map_or(0, |unit| at(unit.dts));
        let mut tags: Vec<Tag> = header(start).into_iter().collect();
        if !media.audio_config.is_empty() {
            let body = [&[0xaf, 0], media.audio_config.as_slice()].concat();
            tags.push(Tag { kind: 8, ms: start, body });
        }
        for unit in &media.units {
            let (ms, payload) = (at(unit.dts), payload(unit, self.length_bytes));
            if unit.track == Track::Audio {
                tags.push(Tag { kind: 8, ms, body: [&[0xaf, 1], payload.as_slice()].concat() });
                continue;
            }
            if unit.key && self.headers == Headers::EveryKey {
                tags.extend(header(ms));
            }
            let frame = if self.marks.marks(unit) { 0x17 } else { 0x27 };
            let composition = ((unit.pts - unit.dts) / 90) as i32;
            let [_, high, middle, low] = composition.to_be_bytes();
            let body = [&[frame, 1, high, middle, low], payload.as_slice()].concat();
            tags.push(Tag { kind: 9, ms, body });
        }
        tags
    }

    /// A file of tags.
    ///
    /// # Panics
    /// A tag that is too large.
    pub fn file(&self, tags: &[Tag]) -> Vec<u8> {
        let flags = if self.flags { 5 } else { 0 };
        let mut file = [b"FLV\x01".as_slice(), &[flags, 0, 0, 0, 9, 0, 0, 0, 0]].concat();
        for tag in tags {
            let bytes = u32::try_from(tag.body.len()).expect("a short tag");
            let [_, d0, d1, d2] = bytes.to_be_bytes();
            let [extension, t0, t1, t2] = tag.ms.to_be_bytes();
            file.extend([tag.kind, d0, d1, d2, t0, t1, t2, extension, 0, 0, 0]);
            file.extend(&tag.body);
            let size = if self.sizes { bytes + 11 } else { 0 };
            file.extend(size.to_be_bytes());
        }
        file
    }
}

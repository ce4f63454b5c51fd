//! Finding a place in an FLV file. Purpose: the last key unit at or before a time, in a file of
//! any length, with a few reads. Tags do not say where others are, and cannot be told from payload
//! by themselves; but each is followed by its own size (PreviousTagSize, Adobe FLV specification
//! 10.1, E.3), so a place where two tags in a row fit their sizes is taken for the beginning of a
//! tag. Where writers got the sizes wrong none is found, and the tags are walked from the first.
//! FrameType says where to look first: a decoder can start at a tag when its NAL units say so.
//! Non-goal: keyframe tables in onMetaData, which few writers make. Bound: `LOOK_BYTES` for the
//! time of a search; every search has its limit in `limits`.

use std::io;

use crate::base::limits::{
    FILE_WINDOW_BYTES, FLV_KEY_LOOKS_MAX, FLV_SEARCH_BYTES_MAX, FLV_SEEK_TAGS_MAX,
};
use crate::codec::container::ReadAt;
use crate::codec::entry::{self, EntryPoint, StoredUnit};
use crate::codec::window::FileWindow;

use super::reader::TagKind;
use super::tag::VIDEO_HEADER_BYTES;

/// Bytes in front of a tag's body.
pub(super) const TAG_HEADER_BYTES: u64 = 11;
/// Bytes of a PreviousTagSize field.
pub(super) const BACK_POINTER_BYTES: u64 = 4;

const HEADER: usize = TAG_HEADER_BYTES as usize;
/// A region this small is walked through instead of divided.
const REGION_BYTES_MIN: u64 = 1 << 20;
/// Divisions of a file, were it as large as files can be.
const DIVISIONS_MAX: usize = 64;
/// Places looked at more closely in one search for a tag.
const CANDIDATES_MAX: usize = 64;
/// Of an access unit so much is read at once to see what it is.
const LOOK_BYTES: usize = 512;
/// CodecID of H.264, in the lower half of a video tag's first byte.
const CODEC_AVC: u8 = 7;
/// Tags between a sequence header and its key unit: the other track's header, and metadata.
const HEADERS_MAX: usize = 4;

/// Where a tag begins and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagPlace {
    pub(super) at: u64,
    pub(super) timestamp_ms: u32,
}

/// A tag's header, and what its body begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagHead {
    pub(super) at: u64,
    /// `None` for a TagType that is not known.
    pub(super) kind: Option<TagKind>,
    pub(super) encrypted: bool,
    pub(super) timestamp_ms: u32,
    pub(super) body_bytes: u32,
    stream_id: u32,
    first: [u8; 2],
}

impl TagHead {
    fn parse(at: u64, bytes: &[u8]) -> Option<TagHead> {
        let (header, body) = bytes.split_first_chunk::<HEADER>()?;
        let [kind, d0, d1, d2, t0, t1, t2, extension, s0, s1, s2] = *header;
        Some(TagHead {
            at,
            kind: match kind & 0x1f {
                8 => Some(TagKind::Audio),
                9 => Some(TagKind::Video),
                18 => Some(TagKind::Script),
                _ => None,
            },
            encrypted: kind & 0x20 != 0,
            timestamp_ms: u32::from_be_bytes([extension, t0, t1, t2]),
            body_bytes: u32::from_be_bytes([0, d0, d1, d2]),
            stream_id: u32::from_be_bytes([kind & 0xe0, s0, s1, s2]),
            first: body.first_chunk().copied().unwrap_or([0xff; 2]),
        })
    }

    /// The first byte behind its body.
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(TAG_HEADER_BYTES + u64::from(self.body_bytes))
    }

    fn place(&self) -> TagPlace {
        TagPlace { at: self.at, timestamp_ms: self.timestamp_ms }
    }

    /// It looks like a tag.
    fn is_plausible(&self) -> bool {
        self.kind.is_some() && self.stream_id == 0
    }

    /// An H.264 access unit (E.4.3.1).
    fn is_unit(&self) -> bool {
        let [flags, packet] = self.first;
        self.kind == Some(TagKind::Video)
            && (flags & 0x8f, packet) == (CODEC_AVC, 1)
            && self.body_bytes as usize > VIDEO_HEADER_BYTES
    }

    /// Its FrameType says that it is a key frame.
    fn is_marked(&self) -> bool {
        let [flags, _] = self.first;
        self.is_unit() && matches!(flags >> 4, 1 | 4)
    }

    /// A sequence header of H.264 or AAC, or metadata.
    fn is_header(&self) -> bool {
        match self.kind {
            Some(TagKind::Video) => matches!(self.first, [0x17 | 0x27, 0]),
            Some(TagKind::Audio) => matches!(self.first, [0xa0..=0xaf, 0]),
            Some(TagKind::Script) => true,
            None => false,
        }
    }
}

/// What stands behind a tag with a body of so many bytes.
pub(super) fn back_pointer(body_bytes: u32) -> [u8; 4] {
    body_bytes.saturating_add(HEADER as u32).to_be_bytes()
}

/// Milliseconds from one timestamp to another; 32 bits that wrap.
pub(super) fn since(timestamp_ms: u32, earlier_ms: u32) -> i64 {
    let bits = timestamp_ms.wrapping_sub(earlier_ms);
    i64::from(i32::from_ne_bytes(bits.to_ne_bytes()))
}

/// The tag at a place; `None` when the file ends within its header.
pub(super) fn read_tag(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    at: u64,
) -> io::Result<Option<TagHead>> {
    Ok(TagHead::parse(at, window.get(file, at, HEADER + 2)?))
}

/// The tag that ends before `end`, if its size stands there and fits.
pub(super) fn tag_before(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    end: u64,
) -> io::Result<Option<TagHead>> {
    let Some(at) = end.checked_sub(BACK_POINTER_BYTES) else { return Ok(None) };
    let Some(pointer) = window.get_backwards(file, at, 4)?.first_chunk().copied() else {
        return Ok(None);
    };
    let Some(start) = at.checked_sub(u64::from(u32::from_be_bytes(pointer))) else {
        return Ok(None);
    };
    let bytes = window.get_backwards(file, start, HEADER + 2)?;
    let tag = TagHead::parse(start, bytes);
    Ok(tag.filter(|tag| tag.is_plausible() && back_pointer(tag.body_bytes) == pointer))
}

/// Which tags are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tags {
    Marked,
    All,
}

/// A search for the last key unit at or before a time, or else the first.
pub(super) struct TagSearch<'a> {
    pub(super) file: &'a mut dyn ReadAt,
    pub(super) window: &'a mut FileWindow,
    /// The first key unit.
    pub(super) first: TagPlace,
    /// The timestamp that is 0.
    pub(super) base_ms: u32,
    /// The time sought.
    pub(super) to_ms: i64,
    /// Bytes of the length before each NAL unit.
    pub(super) length_bytes: u8,
}

impl TagSearch<'_> {
    /// Where it begins.
    pub(super) fn find_key(&mut self) -> io::Result<TagPlace> {
        if since(self.first.timestamp_ms, self.base_ms) >= self.to_ms {
            return Ok(self.first);
        }
        let (first, base_ms, to_ms) = (self.first, self.base_ms, self.to_ms);
        let near = approach(self.file, self.window, first, base_ms, to_ms)?;
        for tags in [Tags::Marked, Tags::All] {
            if let Some(key) = self.walk(near.at, tags)? {
                return Ok(key);
            }
        }
        let mut looks = Looks::new();
        let mut end = near.at;
        for _ in 0..FLV_SEEK_TAGS_MAX {
            match tag_before(self.file, self.window, end)? {
                Some(tag) if tag.at <= first.at => return Ok(first),
                Some(tag) => {
                    if looks.is_key(self.file, &tag, self.length_bytes)? {
                        return Ok(tag.place());
                    }
                    end = tag.at;
                }
                None => break,
            }
        }
        Ok(self.walk(first.at, Tags::Marked)?.unwrap_or(first))
    }

    /// The last key unit not later than the time between `from` and the first video that is.
    fn walk(&mut self, from: u64, tags: Tags) -> io::Result<Option<TagPlace>> {
        let (mut at, mut key, mut looks) = (from, None, Looks::new());
        for _ in 0..FLV_SEEK_TAGS_MAX {
            let Some(tag) =
                read_tag(self.file, self.window, at)?.filter(|tag| tag.end() <= self.file.size())
            else {
                break;
            };
            if tag.kind == Some(TagKind::Video) && !tag.is_header() {
                if since(tag.timestamp_ms, self.base_ms) > self.to_ms {
                    break;
                }
                if tags == Tags::Marked && tag.is_marked()
                    || tags == Tags::All && looks.is_key(self.file, &tag, self.length_bytes)?
                {
                    key = Some(tag);
                }
            }
            at = tag.end() + BACK_POINTER_BYTES;
        }
        // Of those that are marked it is enough to look at the last.
        let Some(tag) = key else { return Ok(None) };
        let is_key = tags == Tags::All || looks.is_key(self.file, &tag, self.length_bytes)?;
        Ok(is_key.then_some(tag.place()))
    }
}

/// Looks at access units. Those that are not marked as key frames are looked at
/// `FLV_KEY_LOOKS_MAX` times at most.
struct Looks {
    window: FileWindow,
    left: usize,
}

impl Looks {
    fn new() -> Looks {
        Looks { window: FileWindow::of(LOOK_BYTES), left: FLV_KEY_LOOKS_MAX }
    }

    /// Whether a decoder can start at a tag.
    fn is_key(
        &mut self,
        file: &mut dyn ReadAt,
        tag: &TagHead,
        length_bytes: u8,
    ) -> io::Result<bool> {
        let is_marked = tag.is_marked();
        if !tag.is_unit() || !(is_marked || self.left > 0) {
            return Ok(false);
        }
        self.left -= usize::from(!is_marked);
        let header = TAG_HEADER_BYTES + VIDEO_HEADER_BYTES as u64;
        let bytes = u64::from(tag.body_bytes).saturating_sub(VIDEO_HEADER_BYTES as u64);
        let at = tag.at.saturating_add(header);
        let unit = StoredUnit { stripped: &[], at, bytes, length_bytes };
        Ok(entry::look(file, &mut self.window, unit)? >= EntryPoint::Gradual)
    }
}

/// A tag not later than `to_ms` and less than `REGION_BYTES_MIN` before one that is, if the sizes
/// let it be found.
fn approach(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    first: TagPlace,
    base_ms: u32,
    to_ms: i64,
) -> io::Result<TagPlace> {
    let (mut low, mut high) = (first, file.size());
    for _ in 0..DIVISIONS_MAX {
        let region = high.saturating_sub(low.at);
        if region <= REGION_BYTES_MIN {
            break;
        }
        let middle = low.at + region / 2;
        match find_tag(file, window, middle, high)? {
            Some(tag) if since(tag.timestamp_ms, base_ms) <= to_ms => low = tag.place(),
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first tag that begins at or behind `from`.
fn find_tag(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    from: u64,
    end: u64,
) -> io::Result<Option<TagHead>> {
    let end = end.min(from.saturating_add(FLV_SEARCH_BYTES_MAX));
    let (mut at, mut candidates) = (from, 0);
    while at < end {
        let bytes = window.get(file, at, FILE_WINDOW_BYTES)?;
        let found = bytes
            .windows(HEADER)
            .position(|bytes| TagHead::parse(0, bytes).is_some_and(|tag| tag.is_plausible()));
        let Some(skip) = found else {
            let read = bytes.len().saturating_sub(HEADER - 1);
            if read == 0 {
                return Ok(None);
            }
            at += read as u64;
            continue;
        };
        at += skip as u64;
        if at < end && fits(file, at)? {
            return read_tag(file, window, at);
        }
        candidates += 1;
        if candidates == CANDIDATES_MAX {
            return Ok(None);
        }
        at += 1;
    }
    Ok(None)
}

/// Whether two tags in a row stand there, each with its size behind it.
fn fits(file: &mut dyn ReadAt, at: u64) -> io::Result<bool> {
    let mut at = at;
    let mut bytes = [0; HEADER];
    for _ in 0..2 {
        if at == file.size() {
            return Ok(true);
        }
        let count = file.read_at(at, &mut bytes)?;
        let tag = TagHead::parse(at, bytes.get(..count).unwrap_or_default());
        let Some(tag) = tag.filter(TagHead::is_plausible) else { return Ok(false) };
        let mut pointer = [0; 4];
        file.read_at(tag.end(), &mut pointer)?;
        // Its kind and stream id, four bytes, and its size, which is never 0, four more.
        if pointer != back_pointer(tag.body_bytes) {
            return Ok(false);
        }
        at = tag.end() + BACK_POINTER_BYTES;
    }
    Ok(true)
}

/// Where the sequence headers directly before a key unit begin, or else the unit itself.
pub(super) fn with_headers(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    key_at: u64,
) -> io::Result<u64> {
    let mut at = key_at;
    for _ in 0..HEADERS_MAX {
        match tag_before(file, window, at)?.filter(TagHead::is_header) {
            Some(tag) => at = tag.at,
            None => break,
        }
    }
    Ok(at)
}

//! What stands before a segment's first cluster (RFC 9559, 5.1): how time is counted, which
//! tracks there are, and where the table of key frames is. Bound: values.

use crate::base::limits::MKV_CHILDREN_MAX;
use crate::base::time::Ticks;
use crate::codec::access_unit::Track;
use crate::codec::container::{FileError, ReadAt};
use crate::codec::window::FileWindow;

use super::cursor::{Cursor, CLUSTER, EBML, SEGMENT};
use super::element::{self, Element, NoElement};
use super::scale::Scale;
use super::tracks::Tracks;

const DOC_TYPE: u32 = 0x4282;
const SEEK_HEAD: u32 = 0x114d_9b74;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const SEEK_POSITION: u32 = 0x53ac;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_ae6b;
const CUES: u32 = 0x1c53_bb6b;

/// The longest duration believed, nanoseconds: some years.
const DURATION_MAX_NS: f64 = 1e17;

/// The segment, as far as its head tells.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Where its children begin: positions in it count from here.
    pub(super) data: u64,
    /// The first byte behind it; `u64::MAX` when it is not said.
    pub(super) end: u64,
    pub(super) scale: Scale,
    pub(super) duration: Option<Ticks>,
    pub(super) tracks: Tracks,
    pub(super) cues: Option<Element>,
    /// Where the first cluster begins.
    pub(super) clusters: u64,
}

/// Whether a file that begins with these bytes is EBML, as Matroska and WebM are.
pub(super) fn is_ebml(head: &[u8]) -> bool {
    head.starts_with(&EBML.to_be_bytes())
}

impl Segment {
    pub(super) fn read(
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
    ) -> Result<Segment, FileError> {
        let segment = find_segment(file, window)?;
        // A recording whose program crashed, or that was not copied whole, plays as far as it goes:
        // where it ends is not where it says.
        let end = segment.end().filter(|end| *end <= file.size());
        let is_cut = end.is_none() && segment.bytes.is_some();
        let end = end.unwrap_or(u64::MAX);
        let mut read = Segment {
            data: segment.data,
            end,
            scale: Scale::default(),
            duration: None,
            tracks: Tracks::default(),
            cues: None,
            clusters: 0,
        };
        let mut tracks = read.walk(file, window)?;
        if is_cut {
            read.duration = None;
        }
        if read.cues.is_none() {
            read.cues = read.sought(file, window, tracks.sought_cues, CUES)?;
        }
        if tracks.found.is_none() {
            tracks.found = read.sought(file, window, tracks.sought_tracks, TRACKS)?;
        }
        if let Some(tracks) = tracks.found {
            read.tracks = Tracks::read(file, window, tracks)?;
        }
        Ok(read)
    }

    /// Walks to the first cluster.
    fn walk(&mut self, file: &mut dyn ReadAt, window: &mut FileWindow) -> Result<Heads, FileError> {
        let mut heads = Heads::default();
        let mut at = self.data;
        for _ in 0..MKV_CHILDREN_MAX {
            let element = match element::at(file, window, at)? {
                Some(Ok(element)) if at < self.end => element,
                Some(Err(NoElement::Nonsense)) => {
                    return Err(FileError::Broken { what: "no element starts there", at })
                }
                _ => break,
            };
            match element.id {
                CLUSTER => {
                    self.clusters = at;
                    return Ok(heads);
                }
                INFO => self.read_info(file, window, element)?,
                SEEK_HEAD => heads.read(file, window, element)?,
                TRACKS => heads.found = Some(element),
                CUES => self.cues = Some(element),
                _ => {}
            }
            let Some(end) = element.end() else {
                return Err(FileError::Broken { what: "an element without a size", at });
            };
            at = end;
        }
        if at > file.size() {
            return Err(FileError::Truncated { at: file.size() });
        }
        self.clusters = at;
        Ok(heads)
    }

    fn read_info(
        &mut self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        info: Element,
    ) -> Result<(), FileError> {
        let mut duration = 0.0;
        element::children(file, window, info, |file, window, child| {
            match child.id {
                TIMESTAMP_SCALE => self.scale = Scale::new(element::unsigned(file, window, child)?),
                DURATION => duration = element::float(file, window, child)?,
                _ => {}
            }
            Ok::<(), FileError>(())
        })?;
        let ns = duration * self.scale.ns() as f64;
        // The comparison leaves out what is no number, too.
        if ns > 0.0 && ns < DURATION_MAX_NS {
            self.duration = Some(Ticks((ns * 9.0 / 100_000.0) as i64));
        }
        Ok(())
    }

    /// The element that the table of contents says stands there, if it does.
    fn sought(
        &self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        position: Option<u64>,
        id: u32,
    ) -> Result<Option<Element>, FileError> {
        let Some(at) = position.and_then(|position| self.data.checked_add(position)) else {
            return Ok(None);
        };
        let element = element::at(file, window, at)?.and_then(Result::ok);
        Ok(element.filter(|element| element.id == id))
    }

    /// When a track's frame is shown whose block has this time.
    pub(super) fn shown(&self, track: Option<Track>, time: i64) -> Ticks {
        let delay = track.map_or(0, |track| self.tracks.delay(track, self.scale));
        self.scale.ticks(time.saturating_sub(delay))
    }

    /// At the first cluster.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor { at: self.clusters, end: self.end, time: None }
    }
}

/// Where things are.
#[derive(Debug, Default)]
struct Heads {
    found: Option<Element>,
    sought_tracks: Option<u64>,
    sought_cues: Option<u64>,
}

impl Heads {
    /// Reads a SeekHead (5.1.1).
    fn read(
        &mut self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        head: Element,
    ) -> Result<(), FileError> {
        element::children(file, window, head, |file, window, child| {
            if child.id != SEEK {
                return Ok::<(), FileError>(());
            }
            let (mut id, mut position) = (0, None);
            element::children(file, window, child, |file, window, child| {
                match child.id {
                    SEEK_ID => id = element::unsigned(file, window, child)?,
                    SEEK_POSITION => position = Some(element::unsigned(file, window, child)?),
                    _ => {}
                }
                Ok::<(), FileError>(())
            })?;
            if id == u64::from(TRACKS) {
                self.sought_tracks = self.sought_tracks.or(position);
            } else if id == u64::from(CUES) {
                self.sought_cues = self.sought_cues.or(position);
            }
            Ok(())
        })
    }
}

/// The Segment behind the EBML header.
fn find_segment(file: &mut dyn ReadAt, window: &mut FileWindow) -> Result<Element, FileError> {
    let head = element::at(file, window, 0)?.and_then(Result::ok);
    let head = head.filter(|head| head.id == EBML).ok_or(FileError::NotRecognised)?;
    let mut known = false;
    element::children(file, window, head, |file, window, child| {
        if child.id == DOC_TYPE {
            let kind = element::text(file, window, child)?;
            known = kind == "matroska" || kind == "webm";
        }
        Ok::<(), FileError>(())
    })?;
    let mut at = head.end().filter(|_| known).ok_or(FileError::NotRecognised)?;
    for _ in 0..MKV_CHILDREN_MAX {
        match element::at(file, window, at)? {
            Some(Ok(element)) if element.id == SEGMENT => return Ok(element),
            Some(Ok(element)) => at = element.end().unwrap_or(u64::MAX),
            Some(Err(NoElement::Nonsense)) => {
                return Err(FileError::Broken { what: "no element starts there", at })
            }
            Some(Err(NoElement::Cut)) | None => break,
        }
    }
    Err(FileError::Truncated { at: file.size() })
}

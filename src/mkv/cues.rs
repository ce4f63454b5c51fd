//! Finding a key frame in a segment. Purpose: by the Cues (RFC 9559, 5.1.5) where there are some,
//! else from cluster to cluster by their sizes, else block by block. A block's flag says where to
//! look; whether a decoder can start there, its NAL units say. Where no flag is right, all blocks
//! are looked at. Neither table nor file is loaded. Bound: `MKV_CUE_POINTS_MAX`,
//! `MKV_SEEK_ELEMENTS_MAX`, and a few cluster places.

use crate::base::limits::{MKV_CUE_POINTS_MAX, MKV_SEEK_ELEMENTS_MAX};
use crate::base::time::Ticks;
use crate::codec::access_unit::Track;
use crate::codec::container::{FileError, ReadAt};
use crate::codec::entry::{self, EntryPoint, StoredUnit};
use crate::codec::window::FileWindow;

use super::block;
use super::cursor::{Cursor, CursorStep, FoundBlock, CLUSTER};
use super::element::{self, Element};
use super::segment::Segment;

const CUE_POINT: u32 = 0xbb;
const CUE_TIME: u32 = 0xb3;
const CUE_TRACK_POSITIONS: u32 = 0xb7;
const CUE_TRACK: u32 = 0xf7;
const CUE_CLUSTER_POSITION: u32 = 0xf1;

/// Clusters remembered before the one in question, in case it holds no key frame.
const CLUSTERS_BEFORE_MAX: usize = 32;

/// Which blocks are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// Those marked as key frames.
    Marked,
    /// All, because no mark is right.
    All,
}

/// A key frame found: where the cursor stands before its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) cursor: Cursor,
    pub(super) time: i64,
}

/// The last key frame of the video track not later than `to`, or else the first.
pub(super) fn find_key(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    segment: &Segment,
    first: Key,
    to: Ticks,
) -> Result<Key, FileError> {
    let is_late = |time: i64| segment.scale.ticks(time) > to;
    if is_late(first.time) {
        return Ok(first);
    }
    let mut left = MKV_SEEK_ELEMENTS_MAX;
    if let Some(cluster) = by_cues(file, window, segment, &is_late)? {
        let start = Cursor { at: cluster, ..segment.cursor() };
        let search = Search { start, end: u64::MAX, blocks: Blocks::Marked };
        if let Some(key) = search.last_key(file, window, segment, &is_late, &mut left)? {
            return Ok(key);
        }
    }
    let clusters = clusters_before(file, window, segment, &is_late)?;
    for blocks in [Blocks::Marked, Blocks::All] {
        let mut end = u64::MAX;
        for at in clusters.iter().rev() {
            let start = Cursor { at: *at, ..segment.cursor() };
            let search = Search { start, end, blocks };
            if let Some(key) = search.last_key(file, window, segment, &is_late, &mut left)? {
                return Ok(key);
            }
            end = *at;
        }
    }
    Ok(first)
}

/// How well a decoder can start at a video block: at its first frame, if there are several.
pub(super) fn entry(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    segment: &Segment,
    found: &FoundBlock,
) -> Result<EntryPoint, FileError> {
    let Some(video) = segment.tracks.get(Track::Video) else { return Ok(EntryPoint::None) };
    let Some((at, bytes)) = first_frame(file, window, found)? else { return Ok(EntryPoint::None) };
    let (stripped, length_bytes) = (video.stripped.as_slice(), video.length_bytes);
    Ok(entry::look(file, window, StoredUnit { stripped, at, bytes, length_bytes })?)
}

/// Where a block's first frame stands, and its bytes stored.
pub(super) fn first_frame(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    found: &FoundBlock,
) -> Result<Option<(u64, u64)>, FileError> {
    let Some(whole) = found.end.checked_sub(found.data) else { return Ok(None) };
    if !found.head.is_laced() {
        return Ok(Some((found.data, whole)));
    }
    let wanted = usize::try_from(whole).unwrap_or(usize::MAX);
    let bytes = window.get(file, found.data, wanted)?;
    let lace = block::lace(found.head.flags, bytes, whole);
    Ok(lace.and_then(|lace| {
        let at = found.data.saturating_add(lace.head_bytes as u64);
        Some((at, u64::from(*lace.sizes.last()?)))
    }))
}

/// Where the cluster begins that the last cue before the time points to.
fn by_cues(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    segment: &Segment,
    is_late: &dyn Fn(i64) -> bool,
) -> Result<Option<u64>, FileError> {
    let Some(cues) = segment.cues else { return Ok(None) };
    let mut found = None;
    element::for_children(file, window, cues, MKV_CUE_POINTS_MAX, |file, window, child| {
        if child.id != CUE_POINT {
            return Ok::<bool, FileError>(true);
        }
        let (time, position) = cue(file, window, segment, child)?;
        let Some(at) = position.and_then(|position| segment.data.checked_add(position)) else {
            return Ok(true);
        };
        if is_late(time) {
            return Ok(false);
        }
        found = Some(at);
        Ok(true)
    })?;
    let Some(at) = found else { return Ok(None) };
    let cluster = element::at(file, window, at)?.and_then(Result::ok);
    Ok(cluster.filter(|cluster| cluster.id == CLUSTER).map(|_| at))
}

/// A cue's time and its cluster's position, if it is one of the video track.
fn cue(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    segment: &Segment,
    point: Element,
) -> Result<(i64, Option<u64>), FileError> {
    let (mut time, mut found) = (0, None);
    element::children(file, window, point, |file, window, child| {
        match child.id {
            CUE_TIME => time = element::unsigned(file, window, child)?,
            CUE_TRACK_POSITIONS => {
                let (mut track, mut position) = (0, None);
                element::children(file, window, child, |file, window, child| {
                    match child.id {
                        CUE_TRACK => track = element::unsigned(file, window, child)?,
                        CUE_CLUSTER_POSITION => {
                            position = Some(element::unsigned(file, window, child)?);
                        }
                        _ => {}
                    }
                    Ok::<(), FileError>(())
                })?;
                if segment.tracks.find(track) == Some(Track::Video) {
                    found = position;
                }
            }
            _ => {}
        }
        Ok::<(), FileError>(())
    })?;
    Ok((i64::try_from(time).unwrap_or(i64::MAX), found))
}

/// The clusters that begin not later than the time, the last of them last.
fn clusters_before(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    segment: &Segment,
    is_late: &dyn Fn(i64) -> bool,
) -> Result<heapless::Deque<u64, CLUSTERS_BEFORE_MAX>, FileError> {
    let mut before = heapless::Deque::new();
    let mut cursor = segment.cursor();
    let (mut begins, mut ends) = (segment.clusters, None);
    for _ in 0..MKV_SEEK_ELEMENTS_MAX {
        match cursor.step(file, window) {
            Ok(CursorStep::Cluster { at, end }) => (begins, ends) = (at, end),
            Ok(CursorStep::Time(time)) if is_late(time) => break,
            Ok(CursorStep::Time(_)) => {
                if before.is_full() {
                    before.pop_front();
                }
                // There is room now.
                let _ = before.push_back(begins);
                if let Some(end) = ends.filter(|end| *end > cursor.at) {
                    cursor.at = end;
                }
            }
            Ok(CursorStep::End) => break,
            Ok(_) => {}
            Err(FileError::Disk(error)) => return Err(FileError::Disk(error)),
            // What is wrong behind is found when it is played.
            Err(_) => break,
        }
    }
    Ok(before)
}

/// A part of the segment in which a key frame is looked for.
struct Search {
    /// A cluster.
    start: Cursor,
    /// Where another begins that was searched before.
    end: u64,
    blocks: Blocks,
}

impl Search {
    /// The last key frame before one that is late.
    fn last_key(
        &self,
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        segment: &Segment,
        is_late: &dyn Fn(i64) -> bool,
        left: &mut usize,
    ) -> Result<Option<Key>, FileError> {
        let (mut cursor, mut key) = (self.start, None);
        while cursor.at < self.end && *left > 0 {
            *left -= 1;
            let before = cursor;
            let block = match cursor.step(file, window) {
                Ok(CursorStep::Block(block)) => block,
                Ok(CursorStep::Time(time)) if is_late(time) => break,
                Ok(CursorStep::End) => break,
                Ok(_) => continue,
                Err(FileError::Disk(error)) => return Err(FileError::Disk(error)),
                // What is wrong behind is found when it is played.
                Err(_) => break,
            };
            let is_video = segment.tracks.find(block.head.track) == Some(Track::Video);
            if !is_video || (self.blocks == Blocks::Marked && !block.key) {
                continue;
            }
            // Frames are reordered within a GOP, key frames are not.
            let least = match self.blocks {
                Blocks::Marked => EntryPoint::AtOnce,
                Blocks::All => EntryPoint::Gradual,
            };
            if is_late(block.time) && block.key {
                break;
            }
            if !is_late(block.time) && entry(file, window, segment, &block)? >= least {
                key = Some(Key { cursor: before, time: block.time });
            }
        }
        Ok(key)
    }
}

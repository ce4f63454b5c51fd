//! Finding a key frame in a segment. Purpose: by the Cues (RFC 9559, 5.1.5) where there are some,
//! else from cluster to cluster by their sizes, else block by block. Neither table nor file is
//! loaded. Bound: `MKV_CUE_POINTS_MAX`, `MKV_SEEK_ELEMENTS_MAX`, and a few cluster places.

use crate::base::limits::{MKV_CUE_POINTS_MAX, MKV_SEEK_ELEMENTS_MAX};
use crate::base::time::Ticks;
use crate::codec::access_unit::Track;
use crate::codec::container::{FileError, ReadAt};
use crate::codec::window::Window;

use super::cursor::{Cursor, Step, CLUSTER};
use super::element::{self, Element};
use super::segment::Segment;

const CUE_POINT: u32 = 0xbb;
const CUE_TIME: u32 = 0xb3;
const CUE_TRACK_POSITIONS: u32 = 0xb7;
const CUE_TRACK: u32 = 0xf7;
const CUE_CLUSTER_POSITION: u32 = 0xf1;

/// Clusters remembered before the one in question, in case it holds no key frame.
const CLUSTERS_BEFORE_MAX: usize = 32;

/// A key frame found: where the cursor stands before its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) cursor: Cursor,
    pub(super) time: i64,
}

/// The last key frame of the video track not later than `to`, or else the first.
pub(super) fn find_key(
    file: &mut dyn ReadAt,
    window: &mut Window,
    segment: &Segment,
    first: Key,
    to: Ticks,
) -> Result<Key, FileError> {
    let is_late = |time: i64| segment.scale.ticks(time) > to;
    if is_late(first.time) {
        return Ok(first);
    }
    if let Some(cluster) = by_cues(file, window, segment, &is_late)? {
        let start = Cursor { at: cluster, ..segment.cursor() };
        if let Some(key) = last_key(file, window, segment, start, &is_late)? {
            return Ok(key);
        }
    }
    for start in clusters_before(file, window, segment, &is_late)?.iter().rev() {
        let start = Cursor { at: *start, ..segment.cursor() };
        if let Some(key) = last_key(file, window, segment, start, &is_late)? {
            return Ok(key);
        }
    }
    Ok(first)
}

/// Where the cluster begins that the last cue before the time points to.
fn by_cues(
    file: &mut dyn ReadAt,
    window: &mut Window,
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
    window: &mut Window,
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
    window: &mut Window,
    segment: &Segment,
    is_late: &dyn Fn(i64) -> bool,
) -> Result<heapless::Deque<u64, CLUSTERS_BEFORE_MAX>, FileError> {
    let mut before = heapless::Deque::new();
    let mut cursor = segment.cursor();
    let (mut begins, mut ends) = (segment.clusters, None);
    for _ in 0..MKV_SEEK_ELEMENTS_MAX {
        match cursor.step(file, window) {
            Ok(Step::Cluster { at, end }) => (begins, ends) = (at, end),
            Ok(Step::Time(time)) if is_late(time) => break,
            Ok(Step::Time(_)) => {
                if before.is_full() {
                    before.pop_front();
                }
                // There is room now.
                let _ = before.push_back(begins);
                if let Some(end) = ends.filter(|end| *end > cursor.at) {
                    cursor.at = end;
                }
            }
            Ok(Step::End) => break,
            Ok(_) => {}
            Err(FileError::Disk(error)) => return Err(FileError::Disk(error)),
            // What is wrong behind is found when it is played.
            Err(_) => break,
        }
    }
    Ok(before)
}

/// The last key frame from a cluster on before one that is late.
fn last_key(
    file: &mut dyn ReadAt,
    window: &mut Window,
    segment: &Segment,
    start: Cursor,
    is_late: &dyn Fn(i64) -> bool,
) -> Result<Option<Key>, FileError> {
    let (mut cursor, mut key) = (start, None);
    for _ in 0..MKV_SEEK_ELEMENTS_MAX {
        let before = cursor;
        match cursor.step(file, window) {
            Ok(Step::Block(block))
                if segment.tracks.find(block.head.track) == Some(Track::Video) =>
            {
                // Frames are reordered within a GOP, key frames are not.
                if block.key {
                    if is_late(block.time) {
                        break;
                    }
                    key = Some(Key { cursor: before, time: block.time });
                }
            }
            Ok(Step::Time(time)) if is_late(time) => break,
            Ok(Step::End) => break,
            Ok(_) => {}
            Err(FileError::Disk(error)) => return Err(FileError::Disk(error)),
            Err(_) => break,
        }
    }
    Ok(key)
}

//! What a segment's first blocks tell before it is played. Purpose: where a decoder can start,
//! what the pictures there say of themselves, how far they are reordered, when sound begins.
//! Bound: `MKV_SEEK_ELEMENTS_MAX` elements are looked at, `MKV_FIRST_KEY_FRAMES_MAX` pictures in
//! search of the first key frame, `MKV_LOOK_AHEAD_FRAMES_MAX` behind it.

use crate::base::limits::{
    FILE_WINDOW_BYTES, MKV_FIRST_KEY_FRAMES_MAX, MKV_LOOK_AHEAD_FRAMES_MAX, MKV_SEEK_ELEMENTS_MAX,
};
use crate::base::time::Ticks;
use crate::codec::access_unit::{AvcConfig, Track};
use crate::codec::container::{FileError, ReadAt};
use crate::codec::entry::EntryPoint;
use crate::codec::length_units::first_config;
use crate::codec::window::FileWindow;

use super::cues::{self, Key};
use super::cursor::{Cursor, CursorStep, FoundBlock};
use super::segment::Segment;

/// What was found.
#[derive(Debug)]
pub(super) struct Ahead {
    /// The first key frame.
    pub(super) key: Key,
    /// What it is to be decoded with.
    pub(super) config: AvcConfig,
    /// Times of the first key frame and those behind it.
    pub(super) video: heapless::Vec<Ticks, MKV_LOOK_AHEAD_FRAMES_MAX>,
    /// The first audio block's time.
    pub(super) audio: Option<Ticks>,
}

impl Ahead {
    /// Looks from the first cluster on.
    pub(super) fn look(
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        segment: &Segment,
    ) -> Result<Ahead, FileError> {
        let (key, block) = first_key(file, window, segment)?.ok_or(FileError::NoVideo)?;
        let config = config(file, window, segment, &block)?.ok_or(FileError::NoParameterSets)?;
        let mut ahead = Ahead { key, config, video: heapless::Vec::new(), audio: None };
        let mut cursor = segment.cursor();
        for _ in 0..MKV_SEEK_ELEMENTS_MAX {
            let at = cursor.at;
            let Some(block) = next_block(&mut cursor, file, window)? else { break };
            let track = segment.tracks.find(block.head.track);
            let pts = segment.shown(track, block.time);
            match track {
                Some(Track::Video) if at >= key.cursor.at => {
                    let shown = ahead.video.first().is_none_or(|first| *first <= pts);
                    if shown && ahead.video.push(pts).is_err() {
                        break;
                    }
                }
                Some(Track::Audio) => ahead.audio = ahead.audio.or(Some(pts)),
                _ => {}
            }
        }
        Ok(ahead)
    }
}

/// The next block, as far as the segment can be read; what is wrong behind is found when it is
/// played.
fn next_block(
    cursor: &mut Cursor,
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
) -> Result<Option<FoundBlock>, FileError> {
    for _ in 0..MKV_SEEK_ELEMENTS_MAX {
        match cursor.step(file, window) {
            Ok(CursorStep::Block(block)) => return Ok(Some(block)),
            Ok(CursorStep::End) => break,
            Ok(_) => {}
            Err(FileError::Disk(error)) => return Err(FileError::Disk(error)),
            Err(_) => break,
        }
    }
    Ok(None)
}

/// The first block that a decoder can start at: at once, or else gradually.
fn first_key(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    segment: &Segment,
) -> Result<Option<(Key, FoundBlock)>, FileError> {
    let (mut cursor, mut second_best) = (segment.cursor(), None);
    let mut pictures = 0;
    for _ in 0..MKV_SEEK_ELEMENTS_MAX {
        let before = cursor;
        // What stands between is passed over once more when it is played.
        let Some(block) = next_block(&mut cursor, file, window)? else { break };
        if segment.tracks.find(block.head.track) != Some(Track::Video) {
            continue;
        }
        let found = (Key { cursor: before, time: block.time }, block);
        match cues::entry(file, window, segment, &block)? {
            EntryPoint::AtOnce => return Ok(Some(found)),
            EntryPoint::Gradual => second_best = second_best.or(Some(found)),
            EntryPoint::None => {}
        }
        pictures += 1;
        if pictures == MKV_FIRST_KEY_FRAMES_MAX {
            break;
        }
    }
    Ok(second_best)
}

/// What a key frame is to be decoded with: the track's record, unless its own sets say otherwise.
fn config(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    segment: &Segment,
    block: &FoundBlock,
) -> Result<Option<AvcConfig>, FileError> {
    let Some(video) = segment.tracks.get(Track::Video) else { return Ok(None) };
    let Some((at, bytes)) = cues::first_frame(file, window, block)? else { return Ok(None) };
    let wanted = usize::try_from(bytes).unwrap_or(usize::MAX).min(FILE_WINDOW_BYTES);
    let stored = window.get(file, at, wanted)?;
    Ok(if video.stripped.is_empty() {
        first_config(video.avc(), stored, video.length_bytes)
    } else {
        first_config(video.avc(), &[&video.stripped, stored].concat(), video.length_bytes)
    })
}

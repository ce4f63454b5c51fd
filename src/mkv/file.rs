//! Matroska and WebM files, whatever their length (RFC 9559). Purpose: play and seek in constant
//! memory, recordings without sizes, index or duration included. Non-goals: other codecs than
//! H.264 and AAC, which are named; encryption; frames compressed but for stripped beginnings;
//! linked segments, chapters, attachments. Bound: a window of `FILE_WINDOW_BYTES`, two
//! configuration records, the sizes of a lace.

use crate::base::limits::FILE_WINDOW_BYTES;
use crate::base::time::Ticks;
use crate::codec::access_unit::{Track, TrackConfig, UnitSink};
use crate::codec::container::{ContainerReader, Contents, FileError, Progress, ReadAt, Timing};
use crate::codec::window::FileWindow;

use super::ahead::Ahead;
use super::block::{self, Lace};
use super::cues::{self, Key};
use super::cursor::{Cursor, CursorStep, FoundBlock};
use super::frames::Frames;
use super::reorder::{self, Reorder};
use super::segment::{self, Segment};
use super::tracks;

/// Bytes read at once where only the heads of elements are looked at.
const HEADS_STRIDE_BYTES: usize = 4 << 10;
/// A frame's distance where nothing tells it.
const FRAME_GUESSED: Ticks = Ticks::from_ms(40);
const FRAME_MAX: Ticks = Ticks::from_ms(1000);

/// Whether a file that begins with these bytes may be Matroska.
pub fn is_mkv(head: &[u8]) -> bool {
    segment::is_ebml(head)
}

/// A block whose frames are being read.
#[derive(Debug)]
struct OpenBlock {
    track: Track,
    /// PTS of the next frame, and its distance to the one behind it.
    pts: Ticks,
    frame: Ticks,
    lace: Lace,
    /// The next byte, and how many of the frame are still to come.
    at: u64,
    left: Option<u64>,
}

/// A reader of one Matroska file.
#[derive(Debug)]
pub struct MkvFile {
    contents: Contents,
    window: FileWindow,
    segment: Segment,
    first_key: Key,
    /// The time that is 0.
    base: Ticks,
    cursor: Cursor,
    frames: Frames,
    open: Option<OpenBlock>,
}

impl MkvFile {
    /// Reads what stands before the first cluster, and the first frames' times.
    ///
    /// # Errors
    /// It is no Matroska file, is cut short, has no H.264, or the disk fails.
    pub fn open(file: &mut dyn ReadAt) -> Result<MkvFile, FileError> {
        let mut window = FileWindow::new();
        let segment = Segment::read(file, &mut window)?;
        let Some(video) = segment.tracks.video.as_ref() else {
            return Err(segment.tracks.refusal());
        };
        window.set_stride(HEADS_STRIDE_BYTES);
        let ahead = Ahead::look(file, &mut window, &segment)?;
        window.set_stride(FILE_WINDOW_BYTES);
        let depth = reorder::depth(&ahead.video).max(tracks::reordered(&ahead.config));
        let frame = video.frame.or_else(|| reorder::frame_duration(&ahead.video));
        let reorder = Reorder::new(depth, frame.unwrap_or(FRAME_GUESSED).min(FRAME_MAX));
        let contents = Contents {
            video: Some(ahead.config),
            audio: match segment.tracks.audio.as_ref().map(|audio| &audio.config) {
                Some(Some(TrackConfig::Aac(config))) => Some(config.clone()),
                _ => None,
            },
            duration: segment.duration,
            left_out: segment.tracks.left_out,
        };
        let shown = segment.shown(Some(Track::Video), ahead.key.time);
        Ok(MkvFile {
            contents,
            window,
            first_key: ahead.key,
            base: ahead.audio.map_or(shown, |audio| audio.min(shown)),
            cursor: segment.cursor(),
            frames: Frames::new(reorder, video),
            segment,
            open: None,
        })
    }

    /// A block begins.
    fn block(
        &mut self,
        file: &mut dyn ReadAt,
        found: &FoundBlock,
    ) -> Result<Option<OpenBlock>, FileError> {
        let Some(track) = self.segment.tracks.find(found.head.track) else { return Ok(None) };
        let broken = FileError::Broken {
            what: "a block's lacing sizes do not match its length",
            at: found.data,
        };
        let Some(whole) = found.end.checked_sub(found.data) else { return Err(broken) };
        let wanted = usize::try_from(whole).unwrap_or(usize::MAX);
        let bytes = self.window.get(file, found.data, wanted)?;
        let lace = block::lace(found.head.flags, bytes, whole).ok_or(broken)?;
        let frame = self.segment.tracks.get(track).and_then(|carried| carried.frame);
        Ok(Some(OpenBlock {
            track,
            pts: self.segment.shown(Some(track), found.time) - self.base,
            frame: frame.unwrap_or(FRAME_GUESSED),
            at: found.data.saturating_add(lace.head_bytes as u64),
            lace,
            left: None,
        }))
    }

    /// The next piece of a block's next frame. What is left of the block.
    fn frame(
        &mut self,
        file: &mut dyn ReadAt,
        mut block: OpenBlock,
        sink: &mut dyn UnitSink,
    ) -> Result<Option<OpenBlock>, FileError> {
        let left = match block.left {
            Some(left) => left,
            None => {
                let Some(size) = block.lace.sizes.pop() else { return Ok(None) };
                let bytes = usize::try_from(size).unwrap_or(usize::MAX);
                let (track, pts) = (block.track, block.pts);
                let wanted = self.frames.begin(&self.segment.tracks, track, pts, bytes, sink);
                block.pts = block.pts + block.frame;
                if !wanted {
                    block.at = block.at.saturating_add(u64::from(size));
                    return Ok(Some(block));
                }
                u64::from(size)
            }
        };
        let bytes = self.window.get(file, block.at, usize::try_from(left).unwrap_or(usize::MAX))?;
        if bytes.is_empty() {
            return Err(FileError::Truncated { at: block.at });
        }
        self.frames.data(bytes, sink);
        let came = bytes.len() as u64;
        block.at = block.at.saturating_add(came);
        block.left = Some(left.saturating_sub(came)).filter(|left| *left > 0);
        if block.left.is_none() {
            self.frames.end(sink);
        }
        self.frames.damage().judge(block.at)?;
        Ok(Some(block))
    }
}

impl ContainerReader for MkvFile {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn timing(&self) -> Timing {
        Timing::Stated
    }

    fn step(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        if let Some(block) = self.open.take() {
            self.open = self.frame(file, block, sink)?;
            return Ok(Progress::More);
        }
        match self.cursor.step(file, &mut self.window)? {
            CursorStep::End => return Ok(Progress::End),
            CursorStep::Block(found) => self.open = self.block(file, &found)?,
            CursorStep::Passed | CursorStep::Cluster { .. } | CursorStep::Time(_) => {}
        }
        Ok(Progress::More)
    }

    fn give_up(&mut self, sink: &mut dyn UnitSink) {
        self.open = None;
        self.frames.abort(sink);
    }

    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        self.open = None;
        self.frames.restart(sink);
        let lead = self.frames.lead();
        // Their own times, of which the decoding is `lead` before the presentation.
        let delay = self.segment.tracks.delay(Track::Video, self.segment.scale);
        let shown = to + self.base + lead + self.segment.scale.ticks(delay);
        self.window.set_stride(HEADS_STRIDE_BYTES);
        let key = cues::find_key(file, &mut self.window, &self.segment, self.first_key, shown);
        self.window.set_stride(FILE_WINDOW_BYTES);
        let key = key?;
        self.cursor = key.cursor;
        Ok(self.segment.shown(Some(Track::Video), key.time) - self.base - lead)
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

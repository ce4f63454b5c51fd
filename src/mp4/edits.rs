//! Edit lists: which part of a track is shown, and when (ISO/IEC 14496-12, 8.6.6). Purpose: the
//! one edit that a straight recording has, and the empty one before it. A list that cuts the
//! media up or changes its speed is refused rather than played as if it were not there: what was
//! cut out would go on air. Bound: `MP4_EDITS_MAX` entries, none kept.

use crate::base::limits::MP4_EDITS_MAX;
use crate::codec::container::FileError;

use super::boxes::BoxHead;
use super::view::FileView;

/// Normal speed, 16.16.
const NORMAL_RATE: u32 = 0x1_0000;

/// What is shown of a track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    /// Nothing is shown before this, in units of the movie's timescale.
    pub(super) delay: u64,
    /// The media's time at that moment, in units of its own timescale.
    pub(super) from: i64,
    /// How long it is shown, in units of the movie's timescale; 0: to its end.
    pub(super) length: u64,
}

/// The timescales of the movie and of the track's media, units per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scales {
    pub(super) movie: u32,
    pub(super) media: u32,
}

/// Reads an `elst` box; `None` when it cuts.
pub(super) fn read(
    view: &mut FileView<'_>,
    elst: &BoxHead,
    scales: Scales,
) -> Result<Option<Edit>, FileError> {
    let full = elst.full(view)?;
    let entry_bytes = if full.version == 1 { 20 } else { 12 };
    let count = view.u32(full.fields)?;
    let mut edit: Option<Edit> = None;
    let mut delay = 0u64;
    let mut at = full.fields.saturating_add(4);
    for _ in 0..count.min(MP4_EDITS_MAX) {
        if at.saturating_add(entry_bytes) > full.end {
            return Err(elst.broken("an edit list has fewer entries than it states"));
        }
        let (length, from, rate) = if full.version == 1 {
            let from = view.u64(at.saturating_add(8))?.cast_signed();
            (view.u64(at)?, from, view.u32(at.saturating_add(16))?)
        } else {
            let from = view.u32(at.saturating_add(4))?.cast_signed();
            (u64::from(view.u32(at)?), i64::from(from), view.u32(at.saturating_add(8))?)
        };
        at = at.saturating_add(entry_bytes);
        match &mut edit {
            None if from < 0 => delay = delay.saturating_add(length),
            None if rate != NORMAL_RATE => return Ok(None),
            None => edit = Some(Edit { delay, from, length }),
            // Nothing shown behind the end needs no word.
            Some(_) if from < 0 || length == 0 => {}
            Some(edit) if rate == NORMAL_RATE && follows(edit, from, scales) => {
                edit.length = edit.length.saturating_add(length);
            }
            Some(_) => return Ok(None),
        }
    }
    if count > MP4_EDITS_MAX {
        return Ok(None);
    }
    Ok(Some(edit.unwrap_or(Edit { delay, ..Edit::default() })))
}

/// Whether media from `from` on goes on where the edit ends, within a unit of the coarser scale.
fn follows(edit: &Edit, from: i64, scales: Scales) -> bool {
    let (movie, media) = (i128::from(scales.movie), i128::from(scales.media));
    let shown = i128::from(edit.length).saturating_mul(media);
    let gap = i128::from(from.saturating_sub(edit.from)).saturating_mul(movie) - shown;
    edit.length > 0 && gap.abs() <= movie.max(media)
}

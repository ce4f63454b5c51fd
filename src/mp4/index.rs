//! Where fragments stand. Purpose: a seek in a long fragmented file begins near its goal, and how
//! long the file plays is known without reading all of it, when the file has an index (`mfra`,
//! ISO/IEC 14496-12, 8.8.9 to 8.8.11, or `sidx`, 8.16.3). What an index says is believed only as
//! a place to begin looking. Bound: `MP4_LANDMARKS_MAX` places, however many fragments there are.

use crate::base::limits::{MP4_LANDMARKS_MAX, MP4_STEPS_MAX};
use crate::codec::container::FileError;

use super::boxes::{self, BoxHead, FullBox};
use super::view::FileView;

/// A place to begin at: the track's samples from there on are not decoded before `dts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Landmark {
    pub(super) at: u64,
    pub(super) dts: i64,
}

/// Landmarks in order, evenly spread over those that were offered.
pub(super) struct Landmarks {
    kept: Vec<Landmark>,
    /// One in so many is kept.
    stride: usize,
    /// Offered since the last that was kept.
    passed: usize,
}

impl Landmarks {
    /// Begins with the first.
    pub(super) fn new(first: Landmark) -> Landmarks {
        let mut kept = Vec::with_capacity(MP4_LANDMARKS_MAX);
        kept.push(first);
        Landmarks { kept, stride: 1, passed: 0 }
    }

    /// Takes a landmark in if it lies behind all others and its turn has come.
    pub(super) fn offer(&mut self, mark: Landmark) {
        let last = self.last();
        if mark.at <= last.at || mark.dts < last.dts {
            return;
        }
        self.passed += 1;
        if self.passed < self.stride {
            return;
        }
        self.passed = 0;
        if self.kept.len() >= MP4_LANDMARKS_MAX {
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.stride = self.stride.saturating_mul(2);
        }
        self.kept.push(mark);
    }

    /// Where to begin.
    pub(super) fn first(&self) -> Landmark {
        self.kept.first().copied().unwrap_or(Landmark { at: 0, dts: 0 })
    }

    /// The one furthest in the file.
    pub(super) fn last(&self) -> Landmark {
        self.kept.last().copied().unwrap_or(Landmark { at: 0, dts: 0 })
    }

    /// Of those at or before a time, or else the first alone, one counted from the latest.
    pub(super) fn before(&self, dts: i64, nth: usize) -> Option<Landmark> {
        let count = self.kept.partition_point(|mark| mark.dts <= dts).max(1);
        self.kept.iter().take(count).rev().nth(nth).copied()
    }

    /// Forgets all but the first.
    pub(super) fn forget(&mut self) {
        self.kept.truncate(1);
        (self.stride, self.passed) = (1, 0);
    }
}

/// Offers what the file's own index says of a track.
pub(super) fn read(
    view: &mut FileView<'_>,
    track: u32,
    marks: &mut Landmarks,
) -> Result<(), FileError> {
    match read_mfra(view, track, marks) {
        // An index is a help: a broken one is none.
        Err(FileError::Broken { .. } | FileError::Truncated { .. }) => marks.forget(),
        read => return read,
    }
    Ok(())
}

fn read_mfra(view: &mut FileView<'_>, track: u32, marks: &mut Landmarks) -> Result<(), FileError> {
    const MFRO_BYTES: u64 = 16;
    let size = view.file.size();
    let Some(mfro) = size.checked_sub(MFRO_BYTES) else { return Ok(()) };
    if &view.array(mfro.saturating_add(4))? == b"mfro" {
        let bytes = u64::from(view.u32(mfro.saturating_add(12))?);
        let Some(at) = size.checked_sub(bytes) else { return Ok(()) };
        let Some(mfra) = boxes::top(view, at)?.filter(|head| head.kind == *b"mfra") else {
            return Ok(());
        };
        let mut tables = mfra.children(0);
        while let Some(table) = tables.next(view)? {
            if table.kind == *b"tfra" {
                let full = table.full(view)?;
                if view.u32(full.fields)? == track {
                    return read_tfra(view, &table, &full, marks);
                }
            }
        }
        return Ok(());
    }
    read_sidx(view, track, marks)
}

fn read_tfra(
    view: &mut FileView<'_>,
    table: &BoxHead,
    full: &FullBox,
    marks: &mut Landmarks,
) -> Result<(), FileError> {
    let number_bytes = if full.version == 1 { 8 } else { 4 };
    // Three fields of two bits: the bytes, less one, of three numbers that are not needed.
    let lengths = view.u32(full.fields.saturating_add(4))?;
    let others = [lengths >> 4 & 3, lengths >> 2 & 3, lengths & 3];
    let others: u64 = others.iter().map(|bytes| u64::from(*bytes) + 1).sum();
    let count = u64::from(view.u32(full.fields.saturating_add(8))?);
    let mut at = full.fields.saturating_add(12);
    let entry_bytes = 2 * number_bytes + others;
    if at.saturating_add(count.saturating_mul(entry_bytes)) > full.end {
        return Err(table.broken("a table has fewer entries than it states"));
    }
    for _ in 0..count {
        let [time, place] = if full.version == 1 {
            [view.u64(at)?, view.u64(at.saturating_add(8))?]
        } else {
            [u64::from(view.u32(at)?), u64::from(view.u32(at.saturating_add(4))?)]
        };
        marks.offer(Landmark { at: place, dts: i64::try_from(time).unwrap_or(i64::MAX) });
        at = at.saturating_add(entry_bytes);
    }
    Ok(())
}

/// Looks for an index before the first fragment.
fn read_sidx(view: &mut FileView<'_>, track: u32, marks: &mut Landmarks) -> Result<(), FileError> {
    let mut at = 0;
    for _ in 0..MP4_STEPS_MAX {
        match boxes::top(view, at)? {
            Some(head) if head.kind == *b"sidx" => {
                let full = head.full(view)?;
                if view.u32(full.fields)? == track {
                    return read_references(view, &head, &full, marks);
                }
                at = head.end;
            }
            Some(head) if head.kind != *b"moof" => at = head.end,
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn read_references(
    view: &mut FileView<'_>,
    sidx: &BoxHead,
    full: &FullBox,
    marks: &mut Landmarks,
) -> Result<(), FileError> {
    const REFERENCE_BYTES: u64 = 12;
    let fields = full.fields.saturating_add(8);
    let (first_time, first_offset, behind) = if full.version == 0 {
        let numbers = [view.u32(fields)?, view.u32(fields.saturating_add(4))?];
        (u64::from(numbers[0]), u64::from(numbers[1]), fields.saturating_add(8))
    } else {
        (view.u64(fields)?, view.u64(fields.saturating_add(8))?, fields.saturating_add(16))
    };
    let count = u64::from(view.u16(behind.saturating_add(2))?);
    let mut entry = behind.saturating_add(4);
    if entry.saturating_add(count.saturating_mul(REFERENCE_BYTES)) > full.end {
        return Err(sidx.broken("a table has fewer entries than it states"));
    }
    let (mut at, mut time) = (sidx.end.saturating_add(first_offset), first_time);
    for _ in 0..count {
        let reference = view.u32(entry)?;
        if reference >> 31 == 1 {
            // An index of indexes.
            return Ok(());
        }
        marks.offer(Landmark { at, dts: i64::try_from(time).unwrap_or(i64::MAX) });
        at = at.saturating_add(u64::from(reference));
        time = time.saturating_add(u64::from(view.u32(entry.saturating_add(4))?));
        entry = entry.saturating_add(REFERENCE_BYTES);
    }
    Ok(())
}

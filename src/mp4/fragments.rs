//! Movie fragments: a track's samples, told piece by piece between the media (ISO/IEC 14496-12,
//! 8.8). Purpose: a cursor over one track's samples in all fragments, forwards. Non-goals: finding
//! a fragment by its time. Bound: a window; one call looks at `MP4_STEPS_MAX` boxes.

use crate::base::limits::MP4_STEPS_MAX;
use crate::codec::container::{FileError, ReadAt};
use crate::codec::window::FileWindow;

use super::boxes::{self, BoxHead, Children};
use super::movie::Defaults;
use super::tables::Sample;
use super::view::{self, FileView};

/// Flags of `tfhd` (8.8.7.1).
const BASE_DATA_OFFSET: u32 = 0x1;
const DESCRIPTION: u32 = 0x2;
const DEFAULT_DURATION: u32 = 0x8;
const DEFAULT_SIZE: u32 = 0x10;
pub(super) const DEFAULT_FLAGS: u32 = 0x20;
pub(super) const BASE_IS_MOOF: u32 = 0x2_0000;

/// Flags of `trun` (8.8.8.1).
pub(super) const DATA_OFFSET: u32 = 0x1;
const FIRST_FLAGS: u32 = 0x4;
pub(super) const DURATION: u32 = 0x100;
pub(super) const SIZE: u32 = 0x200;
pub(super) const FLAGS: u32 = 0x400;
pub(super) const COMPOSITION: u32 = 0x800;

/// Of a sample's flags (8.8.3.1): that it is no sync sample, that it depends on others.
pub(super) const NO_KEY: u32 = 0x101_0000;

/// What the cursor came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FragmentStep {
    /// The next sample.
    Sample(Sample),
    /// Nothing yet: ask again.
    Searching,
    /// The end of the file, or of what has been written of it.
    End,
}

/// Where a cursor stands.
#[derive(Clone, Copy)]
pub(super) struct FragmentPlace {
    /// The next box that stands in no other.
    top: u64,
    /// Where the current fragment begins.
    fragment: u64,
    moof: Option<Children>,
    traf: Option<Traf>,
    /// Where the data of the track fragment before ends: the base of one that names none.
    data_end: u64,
    dts: i64,
}

/// A track fragment.
#[derive(Clone, Copy)]
struct Traf {
    boxes: Children,
    ours: bool,
    /// It says neither where its data begin nor that they are counted from the fragment's start.
    implicit: bool,
    base: u64,
    defaults: Defaults,
    run: Run,
}

/// A `trun` box that is being read.
#[derive(Clone, Copy, Default)]
struct Run {
    /// The next entry.
    at: u64,
    /// Samples left.
    left: u32,
    flags: u32,
    first_flags: Option<u32>,
    /// Where the next sample's data stand.
    offset: u64,
}

impl FragmentPlace {
    /// Before the fragment that is the first at or behind `top`, with the decoding time it begins
    /// with if it says none.
    pub(super) const fn new(top: u64, dts: i64) -> FragmentPlace {
        FragmentPlace { top, fragment: top, moof: None, traf: None, data_end: 0, dts }
    }

    /// Where the current fragment begins.
    pub(super) const fn fragment(&self) -> u64 {
        self.fragment
    }

    /// The decoding time behind the last sample.
    pub(super) const fn dts(&self) -> i64 {
        self.dts
    }
}

/// A cursor over a track's samples.
pub(super) struct Fragments {
    track: u32,
    defaults: Defaults,
    window: FileWindow,
    pub(super) place: FragmentPlace,
}

impl Fragments {
    pub(super) fn new(track: u32, defaults: Defaults) -> Fragments {
        Fragments { track, defaults, window: view::window(), place: FragmentPlace::new(0, 0) }
    }

    /// Whether a fragment, or what may stand before one, stands at a place.
    pub(super) fn has_one_at(&mut self, file: &mut dyn ReadAt, at: u64) -> Result<bool, FileError> {
        let mut view = FileView { file, window: &mut self.window };
        match boxes::top(&mut view, at) {
            Ok(Some(head)) => {
                Ok(matches!(&head.kind, b"moof" | b"styp" | b"sidx" | b"emsg" | b"prft"))
            }
            Ok(None) | Err(FileError::Broken { .. } | FileError::Truncated { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next sample.
    pub(super) fn next(&mut self, file: &mut dyn ReadAt) -> Result<FragmentStep, FileError> {
        for _ in 0..MP4_STEPS_MAX {
            let mut view = FileView { file, window: &mut self.window };
            let place = &mut self.place;
            if let Some(traf) = place.traf.as_mut().filter(|traf| traf.ours && traf.run.left > 0) {
                return Ok(FragmentStep::Sample(traf.run.sample(
                    &mut view,
                    &traf.defaults,
                    &mut place.dts,
                )?));
            }
            if place.traf.is_some() {
                place.traf_box(&mut view, self.track)?;
            } else if let Some(boxes) = &mut place.moof {
                match boxes.next(&mut view)? {
                    Some(child) if child.kind == *b"traf" => {
                        place.traf = Some(Traf::new(&child, self.defaults));
                    }
                    Some(_) => {}
                    None => place.moof = None,
                }
            } else if !place.top_box(&mut view)? {
                return Ok(FragmentStep::End);
            }
        }
        Ok(FragmentStep::Searching)
    }
}

impl FragmentPlace {
    /// Passes over the next box that stands in no other, or enters it; false at the end.
    fn top_box(&mut self, view: &mut FileView<'_>) -> Result<bool, FileError> {
        let Some(head) = boxes::top(view, self.top)? else { return Ok(false) };
        if head.kind == *b"moof" {
            // A recording that goes on or was broken off ends with a part of a fragment.
            if head.end > view.file.size() {
                return Ok(false);
            }
            self.fragment = head.at;
            self.data_end = head.at;
            self.moof = Some(head.children(0));
        }
        self.top = head.end;
        Ok(true)
    }

    /// Reads the next box of the track fragment.
    fn traf_box(&mut self, view: &mut FileView<'_>, track: u32) -> Result<(), FileError> {
        let Some(traf) = &mut self.traf else { return Ok(()) };
        let Some(child) = traf.boxes.next(view)? else {
            self.data_end = traf.run.offset;
            self.traf = None;
            return Ok(());
        };
        match &child.kind {
            b"tfhd" => traf.head(view, &child, track, [self.fragment, self.data_end])?,
            b"tfdt" if traf.ours => {
                let full = child.full(view)?;
                self.dts = match full.version {
                    1 => i64::try_from(view.u64(full.fields)?)
                        .map_err(|_| child.broken("a fragment's time is impossible"))?,
                    _ => i64::from(view.u32(full.fields)?),
                };
            }
            b"trun" if traf.ours || traf.implicit => traf.begin_run(view, &child)?,
            _ => {}
        }
        Ok(())
    }
}

impl Traf {
    fn new(head: &BoxHead, defaults: Defaults) -> Traf {
        let (boxes, run) = (head.children(0), Run::default());
        Traf { boxes, ours: false, implicit: false, base: 0, defaults, run }
    }

    /// Reads `tfhd` (8.8.7). `fragment` and `data_end` are what data offsets may count from.
    fn head(
        &mut self,
        view: &mut FileView<'_>,
        tfhd: &BoxHead,
        track: u32,
        [fragment, data_end]: [u64; 2],
    ) -> Result<(), FileError> {
        let full = tfhd.full(view)?;
        let mut at = full.fields.saturating_add(4);
        self.ours = view.u32(full.fields)? == track;
        self.implicit = full.flags & (BASE_DATA_OFFSET | BASE_IS_MOOF) == 0;
        self.base = if self.implicit { data_end } else { fragment };
        if full.flags & BASE_DATA_OFFSET != 0 {
            self.base = view.u64(at)?;
            at = at.saturating_add(8);
        }
        let fields = [
            (DESCRIPTION, &mut self.defaults.description),
            (DEFAULT_DURATION, &mut self.defaults.duration),
            (DEFAULT_SIZE, &mut self.defaults.size),
            (DEFAULT_FLAGS, &mut self.defaults.flags),
        ];
        for (_, field) in fields.into_iter().filter(|(flag, _)| full.flags & flag != 0) {
            *field = view.u32(at)?;
            at = at.saturating_add(4);
        }
        self.run.offset = self.base;
        Ok(())
    }

    /// Begins to read a `trun` (8.8.8); one of another track is passed over.
    fn begin_run(&mut self, view: &mut FileView<'_>, trun: &BoxHead) -> Result<(), FileError> {
        let full = trun.full(view)?;
        let count = view.u32(full.fields)?;
        let mut at = full.fields.saturating_add(4);
        if full.flags & DATA_OFFSET != 0 {
            let offset = view.u32(at)?.cast_signed();
            let data = self.base.checked_add_signed(i64::from(offset));
            self.run.offset =
                data.ok_or(trun.broken("a fragment's data offset is out of range"))?;
            at = at.saturating_add(4);
        }
        self.run.first_flags = None;
        if full.flags & FIRST_FLAGS != 0 {
            self.run.first_flags = Some(view.u32(at)?);
            at = at.saturating_add(4);
        }
        let entry_bytes = u64::from((full.flags & 0xf00).count_ones()) * 4;
        if at.saturating_add(entry_bytes.saturating_mul(u64::from(count))) > trun.end {
            return Err(trun.broken("a fragment has fewer samples than it states"));
        }
        (self.run.at, self.run.left, self.run.flags) = (at, count, full.flags);
        if !self.ours {
            self.run.pass_over(view, self.defaults.size)?;
        }
        Ok(())
    }
}

impl Run {
    fn sample(
        &mut self,
        view: &mut FileView<'_>,
        defaults: &Defaults,
        time: &mut i64,
    ) -> Result<Sample, FileError> {
        let all = self.flags;
        let mut field = |flag: u32, default: u32| {
            if all & flag == 0 {
                return Ok(default);
            }
            let value = view.u32(self.at)?;
            self.at = self.at.saturating_add(4);
            Ok::<u32, FileError>(value)
        };
        let duration = field(DURATION, defaults.duration)?;
        let bytes = field(SIZE, defaults.size)?;
        let flags = field(FLAGS, defaults.flags)?;
        let composition = field(COMPOSITION, 0)?.cast_signed();
        let flags = self.first_flags.take().unwrap_or(flags);
        let (offset, dts) = (self.offset, *time);
        self.left -= 1;
        self.offset = offset.saturating_add(u64::from(bytes));
        *time = dts.saturating_add(i64::from(duration));
        let (key, description) = (flags & NO_KEY == 0, defaults.description.saturating_sub(1));
        Ok(Sample { offset, bytes, dts, composition, duration, key, description })
    }

    /// Passes over all samples, for the end of their data.
    fn pass_over(&mut self, view: &mut FileView<'_>, default_size: u32) -> Result<(), FileError> {
        if self.flags & SIZE == 0 {
            let bytes = u64::from(self.left).saturating_mul(u64::from(default_size));
            self.offset = self.offset.saturating_add(bytes);
            self.left = 0;
            return Ok(());
        }
        let defaults = Defaults::default();
        while self.left > 0 {
            self.sample(view, &defaults, &mut 0)?;
        }
        Ok(())
    }
}

//! The sample tables of a track: where each sample stands, how long it is, when it is decoded and
//! shown, and whether a decoder can start there (ISO/IEC 14496-12, 8.6 and 8.7). Purpose: a
//! cursor over them, and its jumps. Bound: a window per table, whatever their length; a step looks
//! at no more than `MP4_STEPS_MAX` entries, a jump once at each.

use crate::base::limits::MP4_STEPS_MAX;
use crate::codec::container::{FileError, ReadAt};

use super::boxes::BoxHead;
use super::run::{EntryTable, Runs};
use super::view::FileView;

/// A sample, as the file tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Where it stands, bytes from the beginning of the file.
    pub(super) offset: u64,
    pub(super) bytes: u32,
    /// Decoding time in the media's own units.
    pub(super) dts: i64,
    /// What is added for the presentation time.
    pub(super) composition: i32,
    pub(super) duration: u32,
    /// A sync sample.
    pub(super) key: bool,
    /// Its description, counted from 0.
    pub(super) description: u32,
}

/// `stsz` or `stz2` (8.7.3).
enum Sizes {
    Equal(u32),
    /// Entries of so many bits.
    Listed(EntryTable, u8),
}

impl Sizes {
    fn of(&mut self, file: &mut dyn ReadAt, sample: u32) -> Result<u32, FileError> {
        Ok(match self {
            Sizes::Equal(bytes) => *bytes,
            Sizes::Listed(table, 4) => {
                let [pair] = table.entry(file, sample / 2)?;
                u32::from(if sample.is_multiple_of(2) { pair >> 4 } else { pair & 15 })
            }
            Sizes::Listed(table, 8) => u32::from(table.entry::<1>(file, sample)?[0]),
            Sizes::Listed(table, 16) => u32::from(u16::from_be_bytes(table.entry(file, sample)?)),
            Sizes::Listed(table, _) => table.u32(file, sample)?,
        })
    }

    /// All of `count` samples from `first` on.
    fn sum(&mut self, file: &mut dyn ReadAt, first: u32, count: u32) -> Result<u64, FileError> {
        if let Sizes::Equal(bytes) = self {
            return Ok(u64::from(*bytes).saturating_mul(u64::from(count)));
        }
        let mut sum = 0u64;
        for sample in first..first.saturating_add(count) {
            sum = sum.saturating_add(u64::from(self.of(file, sample)?));
        }
        Ok(sum)
    }
}

/// `stsc` over `stco` or `co64` (8.7.4, 8.7.5).
struct Chunks {
    /// First chunk, samples per chunk, description.
    runs: EntryTable,
    offsets: EntryTable,
    large: bool,
    /// The next entry of `runs`.
    run: u32,
    /// The chunk, counted from 0, with which the current run ends.
    run_end: u32,
    samples_each: u32,
    description: u32,
    /// The next chunk.
    chunk: u32,
    /// Samples left of the chunk begun last.
    left: u32,
    /// Where the next of them stands.
    offset: u64,
}

impl Chunks {
    /// Where the next sample stands, and its description.
    fn next(&mut self, file: &mut dyn ReadAt, bytes: u32) -> Result<(u64, u32), FileError> {
        let mut steps = MP4_STEPS_MAX;
        while self.left == 0 {
            if steps == 0 {
                return Err(self.runs.broken("too many chunks are empty"));
            }
            steps -= 1;
            if self.chunk >= self.run_end {
                self.next_run(file)?;
            }
            self.begin(file)?;
        }
        let at = self.offset;
        self.left -= 1;
        self.offset = at.saturating_add(u64::from(bytes));
        Ok((at, self.description))
    }

    fn next_run(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        if self.run >= self.runs.count() {
            return Err(self.runs.broken("there are more samples than chunks hold"));
        }
        let [first, samples, description] = self.entry(file, self.run)?;
        let end = match self.run + 1 {
            last if last == self.runs.count() => self.offsets.count(),
            next => self.entry(file, next)?[0].saturating_sub(1),
        };
        if first != self.run_end.saturating_add(1) || end < first || end > self.offsets.count() {
            return Err(self.runs.broken("the chunks are not in order"));
        }
        self.run += 1;
        self.run_end = end;
        self.samples_each = samples;
        self.description = description.saturating_sub(1);
        Ok(())
    }

    fn entry(&mut self, file: &mut dyn ReadAt, index: u32) -> Result<[u32; 3], FileError> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.runs.entry(file, index)?;
        Ok([[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_be_bytes))
    }

    /// Begins the next chunk; of a run of empty ones, passes over all.
    fn begin(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        if self.samples_each == 0 {
            self.chunk = self.run_end;
            return Ok(());
        }
        self.offset = if self.large {
            u64::from_be_bytes(self.offsets.entry(file, self.chunk)?)
        } else {
            u64::from(self.offsets.u32(file, self.chunk)?)
        };
        self.left = self.samples_each;
        self.chunk += 1;
        Ok(())
    }

    /// Goes to the chunk of a sample, and returns how many samples of the chunk stand before it.
    fn go(&mut self, file: &mut dyn ReadAt, sample: u32) -> Result<u32, FileError> {
        (self.run, self.run_end, self.chunk, self.left) = (0, 0, 0, 0);
        let mut before = u64::from(sample);
        loop {
            self.next_run(file)?;
            let chunks = self.run_end.saturating_sub(self.chunk);
            let held = u64::from(chunks).saturating_mul(u64::from(self.samples_each));
            if before < held {
                let each = u64::from(self.samples_each.max(1));
                let (chunk, within) = (before / each, before % each);
                self.chunk += u32::try_from(chunk).unwrap_or(u32::MAX);
                self.begin(file)?;
                let within = u32::try_from(within).unwrap_or(u32::MAX);
                self.left = self.left.saturating_sub(within);
                return Ok(within);
            }
            before -= held;
            self.chunk = self.run_end;
        }
    }
}

/// `stss` (8.6.2): numbers of sync samples, ascending, counted from 1.
struct SyncSamples {
    table: EntryTable,
    /// The entry that is at or behind the next sample.
    next: u32,
}

impl SyncSamples {
    fn is_key(&mut self, file: &mut dyn ReadAt, sample: u32) -> Result<bool, FileError> {
        for _ in 0..MP4_STEPS_MAX {
            if self.next >= self.table.count() {
                return Ok(false);
            }
            let number = self.table.u32(file, self.next)?;
            if number > sample {
                return Ok(number == sample.saturating_add(1));
            }
            self.next += 1;
        }
        Err(self.table.broken("the key samples are not in order"))
    }

    /// The last at or before a sample, or else the first; `None` when there is none. The cursor
    /// stands there.
    fn find(&mut self, file: &mut dyn ReadAt, sample: u32) -> Result<Option<u32>, FileError> {
        let (mut low, mut high) = (0, self.table.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.table.u32(file, middle)? <= sample.saturating_add(1) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.next = low.saturating_sub(1);
        if self.table.count() == 0 {
            return Ok(None);
        }
        Ok(Some(self.table.u32(file, self.next)?.saturating_sub(1)))
    }
}

/// A cursor over a track's samples.
pub(super) struct Tables {
    times: Runs,
    compositions: Option<Runs>,
    sizes: Sizes,
    chunks: Chunks,
    /// `None`: every sample is a sync sample.
    sync: Option<SyncSamples>,
    count: u32,
    /// The next sample, counted from 0.
    next: u32,
    /// Its decoding time.
    dts: i64,
}

impl Tables {
    /// Finds the tables in `stbl`.
    pub(super) fn open(view: &mut FileView<'_>, stbl: &BoxHead) -> Result<Tables, FileError> {
        let mut listed = [None; 8];
        let kinds = [b"stts", b"ctts", b"stsz", b"stz2", b"stsc", b"stco", b"co64", b"stss"];
        let mut boxes = stbl.children(0);
        while let Some(child) = boxes.next(view)? {
            let places = kinds.iter().zip(&mut listed);
            for (_, place) in places.filter(|(kind, _)| ***kind == child.kind) {
                place.get_or_insert(child);
            }
        }
        let [stts, ctts, stsz, stz2, stsc, stco, co64, stss] = listed;
        let missing = stbl.broken("a track lacks a sample table");
        let (Some(stts), Some(stsc), Some(sized), Some(stored)) =
            (stts, stsc, stsz.or(stz2), stco.or(co64))
        else {
            return Err(missing);
        };
        let (sizes, count) = open_sizes(view, &sized)?;
        let large = stored.kind == *b"co64";
        let mut plain = |head: &BoxHead, entry_bytes| {
            EntryTable::new(view, head, head.body.saturating_add(8), entry_bytes)
        };
        let runs = plain(&stsc, 12)?;
        let offsets = plain(&stored, if large { 8 } else { 4 })?;
        let chunks = Chunks {
            runs,
            offsets,
            large,
            run: 0,
            run_end: 0,
            samples_each: 0,
            description: 0,
            chunk: 0,
            left: 0,
            offset: 0,
        };
        let times = Runs::new(plain(&stts, 8)?);
        let compositions = ctts.map(|ctts| plain(&ctts, 8)).transpose()?.map(Runs::new);
        let sync = stss.map(|stss| plain(&stss, 4)).transpose()?;
        let sync = sync.map(|table| SyncSamples { table, next: 0 });
        Ok(Tables { times, compositions, sizes, chunks, sync, count, next: 0, dts: 0 })
    }

    /// Samples, all told.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// The decoding time behind the last sample so far.
    pub(super) const fn dts(&self) -> i64 {
        self.dts
    }

    /// The next sample; `None` behind the last.
    pub(super) fn next(&mut self, file: &mut dyn ReadAt) -> Result<Option<Sample>, FileError> {
        if self.next >= self.count {
            return Ok(None);
        }
        let bytes = self.sizes.of(file, self.next)?;
        // Writers that are killed leave the last sample without a duration of its own.
        let duration = self.times.next(file)?.unwrap_or(self.times.last());
        let composition = match &mut self.compositions {
            // Many writers of version 0 mean signed numbers as well (8.6.1.3).
            Some(compositions) => compositions.next(file)?.unwrap_or(0).cast_signed(),
            None => 0,
        };
        let key = match &mut self.sync {
            Some(sync) => sync.is_key(file, self.next)?,
            None => true,
        };
        let (offset, description) = self.chunks.next(file, bytes)?;
        let dts = self.dts;
        self.next += 1;
        self.dts = dts.saturating_add(i64::from(duration));
        Ok(Some(Sample { offset, bytes, dts, composition, duration, key, description }))
    }

    /// Goes to a sample, counted from 0.
    pub(super) fn go(&mut self, file: &mut dyn ReadAt, sample: u32) -> Result<(), FileError> {
        let within = self.chunks.go(file, sample)?;
        let before = self.sizes.sum(file, sample.saturating_sub(within), within)?;
        self.chunks.offset = self.chunks.offset.saturating_add(before);
        self.dts = i64::try_from(self.times.go(file, sample)?).unwrap_or(i64::MAX);
        if let Some(compositions) = &mut self.compositions {
            compositions.go(file, sample)?;
        }
        if let Some(sync) = &mut self.sync {
            sync.find(file, sample)?;
        }
        self.next = sample;
        Ok(())
    }

    /// Goes behind the last sample.
    pub(super) const fn finish(&mut self) {
        self.next = self.count;
    }

    /// The last sample decoded at or before a time.
    pub(super) fn at_time(&mut self, file: &mut dyn ReadAt, dts: i64) -> Result<u32, FileError> {
        let Ok(dts) = u64::try_from(dts) else { return Ok(0) };
        let found = self.times.find(file, dts)?;
        Ok(found.min(self.count.saturating_sub(1)))
    }

    /// The last sample at or before one that the table of sync samples names; without a table,
    /// every sample is one.
    pub(super) fn marked_before(
        &mut self,
        file: &mut dyn ReadAt,
        sample: u32,
    ) -> Result<Option<u32>, FileError> {
        let found = match &mut self.sync {
            Some(sync) => sync.find(file, sample)?,
            None => Some(sample),
        };
        Ok(found.filter(|key| *key <= sample && *key < self.count))
    }

    /// The first that it names.
    pub(super) fn marked_first(&mut self, file: &mut dyn ReadAt) -> Result<Option<u32>, FileError> {
        let found = match &mut self.sync {
            Some(sync) => sync.find(file, 0)?,
            None => Some(0),
        };
        Ok(found.filter(|key| *key < self.count))
    }
}

fn open_sizes(view: &mut FileView<'_>, head: &BoxHead) -> Result<(Sizes, u32), FileError> {
    let at = head.body.saturating_add(12);
    let first = view.u32(head.body.saturating_add(4))?;
    let count = view.u32(head.body.saturating_add(8))?;
    if head.kind == *b"stsz" {
        if first != 0 {
            return Ok((Sizes::Equal(first), count));
        }
        return Ok((Sizes::Listed(EntryTable::counted(head, at, 4, count)?, 32), count));
    }
    let (bits, entry_bytes, entries) = match first & 0xff {
        4 => (4, 1, count.div_ceil(2)),
        8 => (8, 1, count),
        16 => (16, 2, count),
        _ => return Err(head.broken("the sample size field has an unknown length")),
    };
    Ok((Sizes::Listed(EntryTable::counted(head, at, entry_bytes, entries)?, bits), count))
}

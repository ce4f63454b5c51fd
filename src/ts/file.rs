//! MPEG-TS files (`.ts`, `.m2ts`, `.mts`). Purpose: the demultiplexer behind the readers' common
//! trait, with times that begin at 0 and with seeking, for which the format has no table: places
//! are found by halving the file on the DTS that stand in it. Non-goals: several programmes
//! (the first with a picture that can be carried is taken), putting right clocks that jump within
//! a file of several recordings: the jump is handed on. Bound: one window of the file, and the
//! demultiplexer; a seek reads a bounded part of the file.
//!
//! A clock of 33 bits tells times within 26.5 hours: in a longer file a seek may miss by as much.

use super::demux::Demux;
use super::grid::{Grid, Packets};
use crate::base::limits::{
    FILE_SOUND_AHEAD_BYTES_MAX, FILE_WINDOW_BYTES, TS_FILE_BACK_BYTES_MAX, TS_FILE_HEAD_BYTES_MAX,
    TS_FILE_PROBE_BYTES_MAX, TS_FILE_TABLE_BYTES_MAX,
};
use crate::base::time::{Ticks, TICKS_PER_S};
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::{ContainerReader, Contents, FileError, Progress, ReadAt, Remedy};
use gate::{since, Gate};

#[path = "file/gate.rs"]
mod gate;

/// The part of a file in which halving ends and reading through begins, bytes.
const HALVED_BYTES: u64 = 512 << 10;
/// Bit rates of a file between which the time from its first to its last DTS is believed.
const BELIEVED_BPS: std::ops::RangeInclusive<u64> = 4_000..=1_000_000_000;

/// Whether a file that begins so is an MPEG-TS, in packets of 188, 192 or 204 bytes, maybe with
/// a part of a packet before the first.
pub fn is_ts(head: &[u8]) -> bool {
    Grid::find(head).is_some()
}

/// Reads an MPEG-TS file.
pub struct TsFile {
    demux: Demux,
    packets: Packets,
    gate: Gate,
    contents: Contents,
    has_ended: bool,
}

/// A video unit found in the file.
#[derive(Clone, Copy, Debug)]
struct FoundUnit {
    dts: Ticks,
    key: bool,
    /// Where the PES packet begins from which on it comes whole and with the same times, bytes.
    at: u64,
}

/// Where looking through a part of the file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LookEnd {
    On,
    Enough,
}

impl TsFile {
    /// Reads as much of the beginning as it takes to know what the file holds, and of the end as
    /// it takes to know how long it plays.
    ///
    /// # Errors
    /// It is no MPEG-TS, has no H.264 video with a key unit within [`TS_FILE_HEAD_BYTES_MAX`], or
    /// cannot be read.
    pub fn open(file: &mut dyn ReadAt) -> Result<TsFile, FileError> {
        let mut packets = Packets::new();
        let grid = packets.find_grid(file)?.ok_or(FileError::NotRecognised)?;
        let mut reader = TsFile {
            demux: Demux::new(None),
            packets,
            gate: Gate::default(),
            contents: Contents::default(),
            has_ended: false,
        };
        let (start, size) = (grid.start, file.size());
        if reader.first_key(file)?.is_none() {
            return Err(reader.why_not());
        }
        let tail = start.max(size.saturating_sub(TS_FILE_PROBE_BYTES_MAX));
        let mut last = [None; 2];
        reader.look(file, tail, size, &mut |found| {
            last = [last[1], Some(found.dts)];
            LookEnd::On
        })?;
        // Once more: where there are no IDRs it is known only now what a key unit is.
        let first = reader.first_key(file)?.ok_or(FileError::NoVideo)?;
        reader.wait_for_audio(file)?;
        reader.gate.origin = Some(first.dts);
        reader.describe(reader.duration(first, last, size));
        reader.go(start, &mut Nothing);
        Ok(reader)
    }

    /// The first key unit, by the wire's own clock.
    fn first_key(&mut self, file: &mut dyn ReadAt) -> Result<Option<FoundUnit>, FileError> {
        let start = self.packets.grid().start;
        let mut first = None;
        for end in [TS_FILE_TABLE_BYTES_MAX, TS_FILE_HEAD_BYTES_MAX] {
            self.look(file, start, end, &mut |found| {
                first = Some(found).filter(|found| found.key);
                if found.key {
                    LookEnd::Enough
                } else {
                    LookEnd::On
                }
            })?;
            if first.is_some() || self.demux.video_pid().is_none() {
                break;
            }
        }
        Ok(first)
    }

    /// Reads on until the audio track's configuration has come, if there is such a track.
    fn wait_for_audio(&mut self, file: &mut dyn ReadAt) -> Result<(), FileError> {
        let end = self.packets.at().saturating_add(FILE_SOUND_AHEAD_BYTES_MAX);
        while self.demux.has_audio() && self.gate.config(Track::Audio).is_none() {
            if self.packets.at() >= end || self.feed(file, &mut Nothing)? == Progress::End {
                break;
            }
        }
        Ok(())
    }

    /// Why no key unit was found.
    fn why_not(&self) -> FileError {
        let picture = self.demux.streams().find(|stream| stream.is_picture());
        match picture {
            Some(picture) if picture.carried && self.demux.counters().unusable_packets > 0 => {
                FileError::Encrypted { what: "scrambled video" }
            }
            Some(picture) if !picture.carried => {
                let what = match picture.codec {
                    codec if codec.ends_with(" video") => codec.to_owned(),
                    codec => format!("{codec} video"),
                };
                FileError::Unsupported { what, remedy: Remedy::Video }
            }
            Some(_) => FileError::NoVideo,
            None if self.demux.programmes() == 0 => {
                let at = self.packets.grid().start;
                FileError::Broken { what: "there is no programme table (PAT)", at }
            }
            None => FileError::NoVideo,
        }
    }

    /// From the first video unit to the end of the last; `None` when the clock contradicts the
    /// file's size, as it may where recordings were joined.
    fn duration(&self, first: FoundUnit, last: [Option<Ticks>; 2], size: u64) -> Option<Ticks> {
        let [before, Some(last)] = last else { return None };
        let frame = before.map_or(0, |before| (last - before).0).clamp(0, TICKS_PER_S);
        // Both by the same clock, but the tail's begins again at every look.
        let span = since(first.dts, last).0.saturating_add(frame);
        let span = Some(span).filter(|span| *span > 0)?;
        let bits = i64::try_from(size).ok()?.checked_mul(8)?;
        let bps = i128::from(bits) * i128::from(TICKS_PER_S) / i128::from(span);
        BELIEVED_BPS.contains(&u64::try_from(bps).ok()?).then_some(Ticks(span))
    }

    fn describe(&mut self, duration: Option<Ticks>) {
        let video = match self.gate.config(Track::Video) {
            Some(TrackConfig::Avc(avc)) => Some(avc.clone()),
            _ => None,
        };
        let audio = match self.gate.config(Track::Audio) {
            Some(TrackConfig::Aac(aac)) => Some(aac.clone()),
            _ => None,
        };
        let mut others = self.demux.streams().filter(|stream| !stream.carried);
        let left_out = others.find_map(|stream| match stream.is_picture() {
            true => Some("a second video track"),
            false => stream.sound(),
        });
        self.contents = Contents { video, audio, duration, left_out };
    }

    /// Goes to a place in the file; what is open is aborted.
    fn go(&mut self, at: u64, sink: &mut dyn UnitSink) {
        // Only a file that states no time at its beginning has none that are known.
        let needs_time = at > self.packets.grid().start;
        self.demux.jump(needs_time, &mut self.gate.through(sink));
        self.gate.jump();
        self.packets.go(at);
        self.has_ended = false;
    }

    /// Hands one packet to the demultiplexer.
    fn feed(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        let TsFile { demux, packets, gate, .. } = self;
        let mut sink = gate.through(sink);
        let Some((at, piece)) = packets.next(file)? else {
            demux.finish(&mut sink);
            return Ok(Progress::End);
        };
        demux.file_part(at, piece, &mut sink);
        Ok(Progress::More)
    }

    /// Looks at the video units that begin between two places.
    fn look(
        &mut self,
        file: &mut dyn ReadAt,
        from: u64,
        to: u64,
        visit: &mut dyn FnMut(FoundUnit) -> LookEnd,
    ) -> Result<(), FileError> {
        self.go(from, &mut Nothing);
        self.gate.open();
        while self.packets.at() < to {
            let mut seen = KeyUnitNoted::default();
            let progress = self.feed(file, &mut seen)?;
            let begun = self.demux.take_begun();
            if let (Some(UnitStart { dts, key, .. }), Some(begun)) = (seen.0, begun) {
                if visit(FoundUnit { dts, key, at: begun.place }) == LookEnd::Enough {
                    break;
                }
            }
            if progress == Progress::End {
                break;
            }
        }
        Ok(())
    }

    /// The last key unit at or before a time; `None` when the first is later, or the last too far
    /// back.
    fn find_key(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
    ) -> Result<Option<FoundUnit>, FileError> {
        let start = self.packets.grid().start;
        let (mut low, mut high) = (start, file.size().max(start));
        while high - low > HALVED_BYTES {
            let middle = self.packets.grid().aligned(low + (high - low) / 2);
            let end = high.min(middle.saturating_add(TS_FILE_PROBE_BYTES_MAX));
            let mut first = None;
            self.look(file, middle, end, &mut |found| {
                first = Some(found);
                LookEnd::Enough
            })?;
            match first {
                Some(found) if found.dts <= to => low = middle,
                _ => high = middle,
            }
        }
        // The key unit may stand before the place found, by as much as a group of pictures.
        let mut end = high;
        let mut begin = low;
        loop {
            let mut best = None;
            // What begins before `end` may need what comes behind it to be seen.
            self.look(file, begin, end.saturating_add(TS_FILE_PROBE_BYTES_MAX), &mut |found| {
                if found.dts > to || found.at >= end {
                    return LookEnd::Enough;
                }
                best = Some(found).filter(|found| found.key).or(best);
                LookEnd::On
            })?;
            if best.is_some() || begin == start || high - begin > TS_FILE_BACK_BYTES_MAX {
                return Ok(best);
            }
            end = begin;
            let step = (high - begin).max(HALVED_BYTES);
            begin = self.packets.grid().aligned(begin.saturating_sub(step).max(start));
        }
    }
}

impl ContainerReader for TsFile {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn step(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        for _ in 0..FILE_WINDOW_BYTES / self.packets.grid().stride {
            if self.has_ended {
                return Ok(Progress::End);
            }
            self.has_ended = self.feed(file, sink)? == Progress::End;
            if self.gate.take_committed() {
                break;
            }
        }
        Ok(if self.has_ended { Progress::End } else { Progress::More })
    }

    fn give_up(&mut self, sink: &mut dyn UnitSink) {
        self.demux.jump(false, &mut self.gate.through(sink));
    }

    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        let start = self.packets.grid().start;
        self.go(start, sink);
        let found = if to > Ticks(0) { self.find_key(file, to)? } else { None };
        self.go(found.map_or(start, |found| found.at), &mut Nothing);
        if let Some(found) = found {
            self.gate.leave_out_before(found.dts);
        }
        Ok(found.map_or(Ticks(0), |found| found.dts))
    }
}

/// Takes no notice.
struct Nothing;

impl UnitSink for Nothing {
    fn config(&mut self, _: &TrackConfig) {}
    fn begin(&mut self, _: UnitStart) {}
    fn write(&mut self, _: Track, _: &[u8]) {}
    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}
    fn commit(&mut self, _: Track) {}
    fn abort(&mut self, _: Track) {}
}

/// Takes notice of the video unit that begins; if there are several, of the last key unit.
#[derive(Default)]
struct KeyUnitNoted(Option<UnitStart>);

impl UnitSink for KeyUnitNoted {
    fn config(&mut self, _: &TrackConfig) {}
    fn begin(&mut self, start: UnitStart) {
        let is_key = self.0.is_some_and(|seen| seen.key);
        if start.track == Track::Video && (start.key || !is_key) {
            self.0 = Some(start);
        }
    }
    fn write(&mut self, _: Track, _: &[u8]) {}
    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}
    fn commit(&mut self, _: Track) {}
    fn abort(&mut self, _: Track) {}
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

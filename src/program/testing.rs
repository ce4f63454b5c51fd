//! Files for tests: a reader of frames that come out of a formula, and a pile for its read-ahead buffers.

use std::cell::RefCell;
use std::rc::Rc;

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};
use crate::codec::container::{ContainerReader, Contents, FileError, Progress, ReadAt};

use super::read_ahead::{ReadAhead, ReadAheadQueue};
use super::source::Source;
use super::switcher::Switcher;

pub(crate) fn configs() -> [TrackConfig; 2] {
    let record = |bytes| ConfigRecord::from_slice(bytes).expect("a short record");
    let avc = AvcConfig {
        record: record(b"picture"),
        width: 640,
        height: 360,
        frame_rate: 25.0,
        profile_idc: 66,
        constraints: 0xc0,
        level_idc: 30,
    };
    let aac =
        AacConfig { record: record(b"sound"), object_type: 2, sample_rate_hz: 48_000, channels: 2 };
    [TrackConfig::Avc(avc), TrackConfig::Aac(aac)]
}

/// A unit that is shown when it is decoded.
pub(crate) fn start(track: Track, dts: i64, key: bool) -> UnitStart {
    UnitStart { track, dts: Ticks(dts), pts: Ticks(dts), key }
}

/// Has a source hand over a whole unit at `now`.
pub(crate) fn whole(
    switcher: &mut Switcher,
    source: Source,
    now: Mono,
    unit: UnitStart,
    payload: &[u8],
) {
    let mut sink = switcher.sink(source, now);
    sink.begin(unit);
    sink.write(unit.track, payload);
    sink.commit(unit.track);
}

/// Keeps read-ahead buffers, as many as there is room for.
#[derive(Clone, Default)]
pub(crate) struct Pile {
    pub(crate) full: Rc<RefCell<Vec<ReadAhead>>>,
    pub(crate) room: Option<usize>,
}

impl ReadAheadQueue for Pile {
    fn swap(&mut self, full: ReadAhead) -> Option<ReadAhead> {
        self.full.borrow_mut().push(full);
        let taken = self.full.borrow().len();
        self.room.is_none_or(|room| taken < room).then(ReadAhead::default)
    }
}

/// A file of 25 frames per second, a key frame each second, and 48 kHz sound.
pub(crate) struct FormulaFile {
    pub(crate) contents: Contents,
    pub(crate) frames: i64,
    pub(crate) unit_bytes: usize,
    /// Where reading fails.
    pub(crate) breaks_at: Option<i64>,
    /// How long a frame lasts, and of how many one is a key frame.
    pub(crate) frame_ticks: i64,
    pub(crate) gop: i64,
    pub(crate) frame: i64,
    pub(crate) audio: i64,
    pub(crate) told: bool,
}

pub(crate) const FRAME: i64 = 3600;
pub(crate) const GOP: i64 = 25;

impl FormulaFile {
    pub(crate) fn new(frames: i64) -> FormulaFile {
        let [TrackConfig::Avc(avc), TrackConfig::Aac(aac)] = configs() else { unreachable!() };
        let contents = Contents {
            video: Some(avc),
            audio: Some(aac),
            duration: Some(Ticks(frames * FRAME)),
            left_out: None,
        };
        let (frame, audio, told) = (0, 0, false);
        let (breaks_at, frame_ticks, gop) = (None, FRAME, GOP);
        let unit_bytes = 1000;
        FormulaFile {
            contents,
            frames,
            unit_bytes,
            breaks_at,
            frame_ticks,
            gop,
            frame,
            audio,
            told,
        }
    }

    /// Key frames alone that last so long, with sound or without.
    pub(crate) fn slides(frames: i64, frame_ms: i64, sound: bool) -> FormulaFile {
        let mut file =
            FormulaFile { frame_ticks: frame_ms * 90, gop: 1, ..FormulaFile::new(frames) };
        file.contents.duration = Some(Ticks(frames * file.frame_ticks));
        file.contents.audio = file.contents.audio.filter(|_| sound);
        file
    }

    fn sounds_before(&self, dts: i64) -> bool {
        self.contents.audio.is_some() && self.audio * 1920 < dts
    }
}

/// No bytes.
pub(crate) struct Nothing;

impl ReadAt for Nothing {
    fn size(&self) -> u64 {
        0
    }
    fn read_at(&mut self, _offset: u64, _into: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
}

impl ContainerReader for FormulaFile {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn step(
        &mut self,
        _file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        if !std::mem::replace(&mut self.told, true) {
            let silent = self.contents.audio.is_none();
            configs().iter().take(2 - usize::from(silent)).for_each(|config| sink.config(config));
        }
        if self.breaks_at.is_some_and(|at| self.frame >= at) {
            return Err(FileError::Broken { what: "it was made so", at: 7 });
        }
        let dts = self.frame * self.frame_ticks;
        let (track, time, key) = match self.sounds_before(dts) {
            true => (Track::Audio, self.audio * 1920, false),
            false if self.frame >= self.frames => return Ok(Progress::End),
            false => (Track::Video, dts, self.frame % self.gop == 0),
        };
        match track {
            Track::Video => self.frame += 1,
            Track::Audio => self.audio += 1,
        }
        sink.begin(UnitStart { track, dts: Ticks(time), pts: Ticks(time), key });
        sink.write(track, &vec![7; self.unit_bytes]);
        sink.commit(track);
        Ok(Progress::More)
    }

    fn give_up(&mut self, _: &mut dyn UnitSink) {}

    fn seek(
        &mut self,
        _file: &mut dyn ReadAt,
        to: Ticks,
        _sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        let gop_ticks = self.gop * self.frame_ticks;
        self.frame = (to.0 / gop_ticks).clamp(0, (self.frames - 1) / self.gop) * self.gop;
        self.audio = self.frame * self.frame_ticks / 1920;
        self.told = false;
        Ok(Ticks(self.frame * self.frame_ticks))
    }
}

//! Files that come out of a formula, and file readers that read them without a disk. Purpose: what a
//! file plays can be told from its units' stamps. Bound: the read-ahead buffers of a file reader.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};
use streamcaster::inputs::file_reader::{Delivery, FileReader, FileReaders};
use streamcaster::operator::commands::FileName;
use streamcaster::program::pacer::FileTimes;
use streamcaster::program::read_ahead::{FileEnding, ReadAhead, ReadAheadQueue, ReadAheadWriter};

use crate::encoder::SPS;
use crate::stamp::{Stamp, CARD_ID_MIN};

const PARCELS: usize = 8;

/// What a file is like.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Distance of two frames, 90 kHz.
    pub frame: i64,
    /// Frames from one key frame to the next.
    pub gop: i64,
    /// Frames in it.
    pub frames: i64,
    /// Samples per second.
    pub audio_hz: i64,
    /// What its clock begins with.
    pub origin: i64,
}

impl File {
    /// The file of this number.
    pub fn of(number: u64) -> File {
        let mut random = fastrand::Rng::with_seed(number);
        let frame = [3600, 3000, 3003, 1800, 3750][random.usize(..5)];
        File {
            frame,
            gop: random.i64(1..120),
            frames: random.i64(20..900) * 90_000 / frame + random.i64(0..25),
            audio_hz: [48_000, 44_100, 32_000][random.usize(..3)],
            origin: -frame * random.i64(0..3),
        }
    }

    pub fn ticks(&self) -> i64 {
        self.frames * self.frame
    }
}

/// A file's place between two calls.
struct Reading {
    file: File,
    id: u8,
    frame: i64,
    audio: i64,
    body: Vec<u8>,
}

impl Reading {
    fn configs(&self) -> [TrackConfig; 2] {
        let record = |bytes| ConfigRecord::from_slice(bytes).expect("a short record");
        let avc = AvcConfig {
            record: record(SPS),
            width: 640,
            height: 360,
            frame_rate: 90_000.0 / self.file.frame as f64,
            profile_idc: 66,
            constraints: 0xc0,
            level_idc: 30,
        };
        let index = [48_000, 44_100, 32_000].iter().position(|hz| *hz == self.file.audio_hz);
        let rate = 3 + index.expect("one of those") as u8;
        let aac = AacConfig {
            record: record(&[0x10 | rate >> 1, rate << 7 | 0x10]),
            object_type: 2,
            sample_rate_hz: self.file.audio_hz as u32,
            channels: 2,
        };
        [TrackConfig::Avc(avc), TrackConfig::Aac(aac)]
    }

    /// The next unit; false at the end.
    fn next(&mut self, sink: &mut dyn UnitSink) -> bool {
        let File { frame, gop, frames, audio_hz, origin } = self.file;
        if self.frame == 0 && self.audio == 0 {
            self.configs().iter().for_each(|config| sink.config(config));
        }
        let video = origin + self.frame * frame;
        let audio = self.audio * 1024 * 90_000 / audio_hz;
        let track = if audio < video || self.frame >= frames { Track::Audio } else { Track::Video };
        // The sound lasts a little longer than the picture.
        if self.frame >= frames && audio >= video + 9_000 {
            return false;
        }
        let (dts, key) = match track {
            Track::Audio => (audio, false),
            Track::Video => (video, self.frame % gop == 0),
        };
        let composition = if track == Track::Video { self.frame % 3 * frame } else { 0 };
        self.body.clear();
        if track == Track::Video {
            let bytes = 1 + crate::stamp::STAMP_BYTES as u32;
            self.body.extend(bytes.to_be_bytes());
            self.body.push(if key { 0x65 } else { 0x41 });
            self.frame += 1;
        } else {
            self.audio += 1;
        }
        Stamp { id: self.id, dts, composition }.write(&mut self.body);
        sink.begin(UnitStart { track, dts: Ticks(dts), pts: Ticks(dts + composition), key });
        sink.write(track, &self.body);
        sink.commit(track);
        true
    }
}

#[derive(Clone, Default)]
struct Queue {
    full: Rc<RefCell<VecDeque<ReadAhead>>>,
    spare: Rc<RefCell<Vec<ReadAhead>>>,
}

impl ReadAheadQueue for Queue {
    fn swap(&mut self, full: ReadAhead) -> Option<ReadAhead> {
        self.full.borrow_mut().push_back(full);
        Some(self.spare.borrow_mut().pop().unwrap_or_default())
    }
}

/// Reads whenever it is asked.
pub struct FakeFileReader {
    reading: Reading,
    writer: Option<ReadAheadWriter<Queue>>,
    queue: Queue,
    opened: bool,
    under_way: usize,
}

impl FileReader for FakeFileReader {
    fn take(&mut self) -> Option<Delivery> {
        if !std::mem::replace(&mut self.opened, true) {
            return Some(Delivery::Opened(FileTimes {
                duration: Some(Ticks(self.reading.file.ticks())),
                ..FileTimes::default()
            }));
        }
        if self.under_way >= PARCELS {
            return None;
        }
        while self.queue.full.borrow().is_empty() {
            let writer = self.writer.as_mut()?;
            if !self.reading.next(writer) {
                self.writer.take()?.end(FileEnding::Whole);
            }
        }
        self.under_way += 1;
        self.queue.full.borrow_mut().pop_front().map(Delivery::ReadAhead)
    }

    fn give_back(&mut self, read_ahead: ReadAhead) {
        self.under_way -= 1;
        self.queue.spare.borrow_mut().push(read_ahead);
    }

    fn hurry(&self) {}
}

/// A library whose files are called by their numbers.
#[derive(Clone, Default)]
pub struct Shelf {
    pub opened: Rc<RefCell<Vec<u64>>>,
    spare: Rc<RefCell<Vec<ReadAhead>>>,
}

impl FileReaders for Shelf {
    type FileReader = FakeFileReader;

    fn open(&self, name: &FileName, _at: Ticks) -> Option<FakeFileReader> {
        let number: u64 = name.parse().expect("a number");
        self.opened.borrow_mut().push(number);
        let id = (self.opened.borrow().len() % usize::from(CARD_ID_MIN)) as u8;
        let queue = Queue { spare: Rc::clone(&self.spare), ..Queue::default() };
        let writer = Some(ReadAheadWriter::new(ReadAhead::default(), queue.clone()));
        let reading = Reading { file: File::of(number), id, frame: 0, audio: 0, body: Vec::new() };
        Some(FakeFileReader { reading, writer, queue, opened: false, under_way: 0 })
    }
}

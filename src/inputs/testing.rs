//! A library for tests, without a disk and without threads, and a programme to look at.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{Track, UnitSink, UnitStart};
use crate::codec::container::{ContainerReader, Progress};
use crate::operator::commands::{Declined, DeclinedKind, FileName};
use crate::program::pacer::FileTimes;
use crate::program::read_ahead::{FileEnding, ReadAhead, ReadAheadQueue, ReadAheadWriter};
use crate::program::ring::{Capacity, Lookup, Ring};
use crate::program::source::Source;
use crate::program::switcher::{FillAudio, Switcher};
use crate::program::testing::{configs, FormulaFile as Frames, Nothing};
use crate::program::Programme;

use super::file_reader::{Delivery, FileReader, FileReaders};

#[derive(Clone, Default)]
struct Queue(Rc<RefCell<VecDeque<Delivery>>>);

impl ReadAheadQueue for Queue {
    fn swap(&mut self, full: ReadAhead) -> Option<ReadAhead> {
        self.0.borrow_mut().push_back(Delivery::ReadAhead(full));
        Some(ReadAhead::default())
    }
}

/// Reads when it is asked, as many read-ahead buffers as a file reader has.
pub(super) struct FakeFileReader {
    reader: Frames,
    writer: Option<ReadAheadWriter<Queue>>,
    queue: Queue,
    under_way: usize,
    name: String,
    stalled: Rc<Cell<bool>>,
    open: Rc<Cell<usize>>,
}

impl Drop for FakeFileReader {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

impl FileReader for FakeFileReader {
    fn take(&mut self) -> Option<Delivery> {
        if self.stalled.get() || self.under_way >= 8 {
            return None;
        }
        while self.queue.0.borrow().is_empty() {
            let writer = self.writer.as_mut()?;
            let ending = match self.reader.next(&mut Nothing, writer) {
                Ok(Progress::More) => continue,
                Ok(Progress::End) => FileEnding::Whole,
                Err(error) => {
                    FileEnding::Failed(format!("{} cannot be played: {error}", self.name))
                }
            };
            self.writer.take()?.end(ending);
        }
        let delivery = self.queue.0.borrow_mut().pop_front();
        self.under_way += usize::from(matches!(delivery, Some(Delivery::ReadAhead(_))));
        delivery
    }

    fn give_back(&mut self, _read_ahead: ReadAhead) {
        self.under_way -= 1;
    }

    fn hurry(&self) {}
}

/// A library of files whose names say what they are: seconds, and a fault, or how slow they are.
#[derive(Clone, Default)]
pub(super) struct Shelf {
    pub(super) stalled: Rc<Cell<bool>>,
    pub(super) open: Rc<Cell<usize>>,
    pub(super) opened: Rc<RefCell<Vec<String>>>,
}

impl FileReaders for Shelf {
    type FileReader = FakeFileReader;

    fn open(&self, name: &FileName, at: Ticks) -> Option<FakeFileReader> {
        assert!(self.open.get() < 3, "readers");
        self.open.set(self.open.get() + 1);
        self.opened.borrow_mut().push(name.to_string());
        let mut words = name.split_whitespace();
        let _letter = words.next();
        let frames = words.next().and_then(|word| word.parse().ok()).unwrap_or(0_i64) * 25;
        let mut reader = match name.split_whitespace().nth(2) {
            // Slides of 2 s and of 10 s, and a picture with sound.
            Some("slides") => Frames::slides(frames / 50, 2_000, false),
            Some("spoken") => Frames::slides(frames / 50, 2_000, true),
            Some("stills") => Frames::slides(frames / 250, 10_000, false),
            Some("song") => Frames::slides(1, frames * 40, true),
            _ => Frames::new(frames),
        };
        reader.unit_bytes = 400;
        let queue = Queue::default();
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), queue.clone());
        let first = match words.next() {
            Some("missing") => Delivery::Refused(Declined {
                kind: DeclinedKind::NotFound,
                words: format!("There is no {name}."),
            }),
            fault => {
                reader.breaks_at = match fault {
                    Some("broken") => Some(0),
                    Some("breaks") => Some(30),
                    _ => None,
                };
                Delivery::Opened(FileTimes::of(&reader))
            }
        };
        if at > Ticks(0) {
            reader.seek(&mut Nothing, at, &mut writer).expect("a fake");
        }
        queue.0.borrow_mut().push_back(first);
        let stalled = match name.contains("stuck") {
            true => Rc::new(Cell::new(true)),
            false => Rc::clone(&self.stalled),
        };
        let (name, open) = (name.to_string(), Rc::clone(&self.open));
        let writer = Some(writer);
        Some(FakeFileReader { reader, writer, queue, under_way: 0, name, stalled, open })
    }
}

/// A programme with room for some seconds.
pub(super) fn programme() -> Programme {
    let capacity = Capacity {
        video_bytes: 512 << 10,
        audio_bytes: 128 << 10,
        units: 4096,
        unit_bytes_max: 64 << 10,
    };
    let silence = Duration::from_millis(500);
    Programme::new(Switcher::new(Ring::new(capacity), silence, FillAudio::Yes))
}

/// The live input sends a key frame.
pub(super) fn key_frame(programme: &Programme, now: Mono, dts: Ticks) {
    programme.feed(Source::Udp, now, |sink| {
        configs().iter().for_each(|config| sink.config(config));
        sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: true });
        sink.write(Track::Video, &[1; 40]);
        sink.commit(Track::Video);
    });
}

/// When each video unit was stored, and where it stands.
#[derive(Default)]
pub(super) struct Pictures {
    seq: u64,
    pub(super) seen: Vec<(Mono, Ticks)>,
}

impl Pictures {
    /// Takes note of what was stored since the last look.
    pub(super) fn look(&mut self, programme: &Programme, now: Mono) {
        let ring = programme.ring();
        for seq in self.seq..ring.head() {
            if let Lookup::Unit(unit) = ring.get(seq) {
                if unit.track == Track::Video {
                    self.seen.push((now, unit.dts));
                }
            }
        }
        self.seq = ring.head();
    }
}

use std::time::{Duration, Instant};

use super::*;
use crate::codec::access_unit::{Track, UnitStart};
use crate::codec::container::{ContainerReader, Contents, ReadAt};
use crate::program::pacer::{Pacer, Readiness};
use crate::program::reading::FilePlace;
use crate::program::testing::{FormulaFile, Nothing};

/// A disk that never answers, or a reader with a bug.
struct Bad {
    contents: Contents,
    blocks: Option<Receiver<()>>,
}

impl ContainerReader for Bad {
    fn contents(&self) -> &Contents {
        &self.contents
    }
    fn step(
        &mut self,
        _file: &mut dyn ReadAt,
        _sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        if let Some(disk) = &self.blocks {
            let _ = disk.recv_blocking();
            return Ok(Progress::More);
        }
        // A test's stand-in for a bug.
        assert!(self.blocks.is_some(), "a bug in a reader");
        Ok(Progress::End)
    }
    fn give_up(&mut self, _: &mut dyn UnitSink) {}

    fn seek(
        &mut self,
        _file: &mut dyn ReadAt,
        to: Ticks,
        _sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        Ok(to)
    }
}

fn file_readers(disk: Receiver<()>) -> (ReaderThreads, Arrivals, Readers) {
    let open: OpenFile = Arc::new(move |name| {
        let bytes = Box::new(Nothing);
        let blocks = Some(disk.clone()).filter(|_| name == "blocked");
        match name {
            "file" => {
                Ok(FileReading::new(FilePlace::new(bytes, Box::new(FormulaFile::new(2_500))), None))
            }
            "missing" => Err(Declined { kind: DeclinedKind::NotFound, words: "no".to_owned() }),
            _ => {
                let contents = Contents::default();
                let reader = Box::new(Bad { contents, blocks });
                Ok(FileReading::new(FilePlace::new(bytes, reader), None))
            }
        }
    });
    let readers = Readers::default();
    let (file_readers, news) = ReaderThreads::new(open, readers.clone());
    (file_readers, news, readers)
}

fn name(name: &str) -> FileName {
    FileName::try_from(name).expect("short")
}

/// What a file reader delivers, waited for.
fn next(file_reader: &ReaderThread) -> Delivery {
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        None
    };
    let delivery = async { file_reader.deliveries.recv().await.ok() };
    smol::block_on(smol::future::or(delivery, late)).expect("a delivery")
}

/// Waits until so many threads are alive.
fn await_alive(readers: &Readers, alive: usize) {
    let begin = Instant::now();
    while readers.0.load(Ordering::SeqCst) != alive {
        assert!(begin.elapsed() < Duration::from_secs(20), "threads stay");
        thread::yield_now();
    }
}

/// Counts what is shown.
#[derive(Default)]
struct Shown {
    pictures: usize,
}

impl UnitSink for Shown {
    fn config(&mut self, _: &TrackConfig) {}
    fn begin(&mut self, _: UnitStart) {}
    fn write(&mut self, _: Track, _: &[u8]) {}
    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}
    fn commit(&mut self, track: Track) {
        self.pictures += usize::from(track == Track::Video);
    }
    fn abort(&mut self, _: Track) {}
}

#[test]
fn a_file_is_read_to_its_end_with_no_more_read_aheads_than_there_are() {
    let (file_readers, _news, readers) = file_readers(bounded(1).1);
    let mut file_reader = file_readers.open(&name("file"), Ticks(0)).expect("a thread");
    let stated = |times: FileTimes| times.duration == Some(Ticks(9_000_000));
    assert!(matches!(next(&file_reader), Delivery::Opened(times) if stated(times)));
    let (mut pacer, mut sink) = (Pacer::default(), Shown::default());
    pacer.start(crate::base::time::Mono::default());
    let mut now = crate::base::time::Mono::default();
    let mut read_aheads = 0;
    while pacer.end().is_none() {
        if let Some(due) = pacer.due(now) {
            now = due;
            pacer.play(now, &mut sink);
            while let Some(read_ahead) = pacer.take_spent() {
                file_reader.give_back(read_ahead);
            }
        } else if let Delivery::ReadAhead(read_ahead) = next(&file_reader) {
            read_aheads += 1;
            pacer.push(read_ahead);
        }
    }
    assert!(read_aheads > 20, "they went round: {read_aheads}");
    assert_eq!(pacer.ending(), Some(&FileEnding::Whole));
    assert_eq!(sink.pictures, 2_500);
    await_alive(&readers, 0);
}

#[test]
fn a_dropped_file_reader_ends_its_thread_wherever_that_waits() {
    let (file_readers, news, readers) = file_readers(bounded(1).1);
    for _ in 0..20 {
        let file_reader =
            file_readers.open(&name("file"), Ticks::from_ms(40_000)).expect("a thread");
        assert!(matches!(next(&file_reader), Delivery::Opened(_)));
        assert!(matches!(next(&file_reader), Delivery::ReadAhead(_)));
        assert!(news.try_recv().is_ok());
        drop(file_reader);
        await_alive(&readers, 0);
    }
}

#[test]
fn a_bug_in_a_reader_ends_its_file() {
    let (file_readers, _news, readers) = file_readers(bounded(1).1);
    let file_reader = file_readers.open(&name("buggy"), Ticks(0)).expect("a thread");
    assert!(matches!(next(&file_reader), Delivery::Opened(times) if times.duration.is_none()));
    let Delivery::ReadAhead(read_ahead) = next(&file_reader) else {
        unreachable!("its last buffer")
    };
    assert!(
        matches!(&read_ahead.ending, Some(FileEnding::Failed(words)) if words.contains("buggy"))
    );
    let mut pacer = Pacer::default();
    pacer.push(read_ahead);
    assert_eq!(pacer.readiness(), Readiness::Never);
    let file_reader = file_readers.open(&name("missing"), Ticks(0)).expect("a thread");
    assert!(matches!(next(&file_reader), Delivery::Refused(_)));
    await_alive(&readers, 0);
}

#[test]
fn disks_that_stand_hold_no_more_threads_than_there_may_be() {
    let (unblock, disk) = bounded::<()>(1);
    let (file_readers, _news, readers) = file_readers(disk);
    let open = |_| file_readers.open(&name("blocked"), Ticks(0)).expect("a thread");
    let blocked: Vec<ReaderThread> = (0..READER_THREADS_MAX).map(open).collect();
    assert!(file_readers.open(&name("file"), Ticks(0)).is_none(), "one more is refused");
    drop((unblock, blocked));
    await_alive(&readers, 0);
    assert!(file_readers.open(&name("file"), Ticks(0)).is_some());
}

use std::time::{Duration, Instant};

use super::*;
use crate::codec::access_unit::{Track, UnitStart};
use crate::codec::container::{ContainerReader, Contents, ReadAt};
use crate::program::reading::Place;
use crate::program::reel::{Readiness, Reel};
use crate::program::testing::{Nothing, Tape};

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

fn decks(disk: Receiver<()>) -> (FileDecks, News, Readers) {
    let open: OpenFile = Arc::new(move |name| {
        let bytes = Box::new(Nothing);
        let blocks = Some(disk.clone()).filter(|_| name == "blocked");
        match name {
            "file" => Ok(Reading::new(Place::new(bytes, Box::new(Tape::new(2_500))), None)),
            "missing" => Err(Declined { kind: DeclinedKind::NotFound, words: "no".to_owned() }),
            _ => {
                let contents = Contents::default();
                let reader = Box::new(Bad { contents, blocks });
                Ok(Reading::new(Place::new(bytes, reader), None))
            }
        }
    });
    let readers = Readers::default();
    let (decks, news) = FileDecks::new(open, readers.clone());
    (decks, news, readers)
}

fn name(name: &str) -> FileName {
    FileName::try_from(name).expect("short")
}

/// What a deck delivers, waited for.
fn next(deck: &FileDeck) -> Delivery {
    let late = async {
        smol::Timer::after(Duration::from_secs(20)).await;
        None
    };
    let delivery = async { deck.deliveries.recv().await.ok() };
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
fn a_file_is_read_to_its_end_with_no_more_parcels_than_there_are() {
    let (decks, _news, readers) = decks(bounded(1).1);
    let mut deck = decks.open(&name("file"), Ticks(0)).expect("a thread");
    let stated = |times: FileTimes| times.duration == Some(Ticks(9_000_000));
    assert!(matches!(next(&deck), Delivery::Opened(times) if stated(times)));
    let (mut reel, mut sink) = (Reel::default(), Shown::default());
    reel.start(crate::base::time::Mono::default());
    let mut now = crate::base::time::Mono::default();
    let mut parcels = 0;
    while reel.end().is_none() {
        if let Some(due) = reel.due(now) {
            now = due;
            reel.play(now, &mut sink);
            while let Some(parcel) = reel.take_spent() {
                deck.give_back(parcel);
            }
        } else if let Delivery::Parcel(parcel) = next(&deck) {
            parcels += 1;
            reel.push(parcel);
        }
    }
    assert!(parcels > 20, "they went round: {parcels}");
    assert_eq!(reel.ending(), Some(&Ending::Whole));
    assert_eq!(sink.pictures, 2_500);
    await_alive(&readers, 0);
}

#[test]
fn a_dropped_deck_ends_its_thread_wherever_that_waits() {
    let (decks, news, readers) = decks(bounded(1).1);
    for _ in 0..20 {
        let deck = decks.open(&name("file"), Ticks::from_ms(40_000)).expect("a thread");
        assert!(matches!(next(&deck), Delivery::Opened(_)));
        assert!(matches!(next(&deck), Delivery::Parcel(_)));
        assert!(news.try_recv().is_ok());
        drop(deck);
        await_alive(&readers, 0);
    }
}

#[test]
fn a_bug_in_a_reader_ends_its_file() {
    let (decks, _news, readers) = decks(bounded(1).1);
    let deck = decks.open(&name("buggy"), Ticks(0)).expect("a thread");
    assert!(matches!(next(&deck), Delivery::Opened(times) if times.duration.is_none()));
    let Delivery::Parcel(parcel) = next(&deck) else { unreachable!("its last parcel") };
    assert!(matches!(&parcel.ending, Some(Ending::Failed(words)) if words.contains("buggy")));
    let mut reel = Reel::default();
    reel.push(parcel);
    assert_eq!(reel.readiness(), Readiness::Never);
    let deck = decks.open(&name("missing"), Ticks(0)).expect("a thread");
    assert!(matches!(next(&deck), Delivery::Refused(_)));
    await_alive(&readers, 0);
}

#[test]
fn disks_that_stand_hold_no_more_threads_than_there_may_be() {
    let (unblock, disk) = bounded::<()>(1);
    let (decks, _news, readers) = decks(disk);
    let open = |_| decks.open(&name("blocked"), Ticks(0)).expect("a thread");
    let blocked: Vec<FileDeck> = (0..DECKS_MAX).map(open).collect();
    assert!(decks.open(&name("file"), Ticks(0)).is_none(), "one more is refused");
    drop((unblock, blocked));
    await_alive(&readers, 0);
    assert!(decks.open(&name("file"), Ticks(0)).is_some());
}

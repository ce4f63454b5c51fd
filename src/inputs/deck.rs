//! Decks: a thread for each open file. Purpose: whatever a disk does, only the thread that reads
//! waits for it; the data plane takes parcels of access units when there are any. A bug in a
//! reader ends its file, with an error. Non-goals: pacing, choosing. Bounds: [`DECKS_MAX`]
//! threads, of which a stalled disk may hold each for ever; [`PARCELS_PER_DECK`] parcels each.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use log::warn;
use smol::channel::{bounded, Receiver, Sender};

use crate::base::limits::{DECKS_MAX, PARCELS_PER_DECK, THREAD_STACK_BYTES};
use crate::base::time::Ticks;
use crate::codec::access_unit::{TrackConfig, UnitSink};
use crate::codec::container::{Contents, FileError, Progress};
use crate::operator::commands::{Declined, DeclinedKind, FileName};
use crate::program::parcel::{Ending, Exchange, Parcel, Recorder};
use crate::program::reading::Reading;
use crate::program::reel::FileTimes;

/// Opens a file of the library by its name, or says why not. May take its time.
pub type OpenFile = Arc<dyn Fn(&str) -> Result<Reading, Declined> + Send + Sync>;

/// What comes from a deck, in this order.
pub enum Delivery {
    /// The file is open, and states these times.
    Opened(FileTimes),
    /// It cannot be opened; nothing else comes.
    Refused(Declined),
    /// Some of its units.
    Parcel(Parcel),
}

/// A file being read; dropped, it is closed.
pub trait Deck {
    /// What has been read since the last call.
    fn take(&mut self) -> Option<Delivery>;
    /// A parcel to be filled again.
    fn give_back(&mut self, parcel: Parcel);
    /// A parcel that is not full is welcome too.
    fn hurry(&self);
}

/// Where decks come from.
pub trait Decks {
    /// What reads a file.
    type Deck: Deck;
    /// Begins to read a file at this time; `None`: there are as many as there may be.
    fn open(&self, name: &FileName, at: Ticks) -> Option<Self::Deck>;
}

/// The threads alive, counted.
#[derive(Clone, Default)]
pub struct Readers(Arc<AtomicUsize>);

/// A thread's place among them.
struct Seat(Arc<AtomicUsize>);

impl Readers {
    fn seat(&self) -> Option<Seat> {
        let more = |alive| (alive < DECKS_MAX).then_some(alive + 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Seat(Arc::clone(&self.0)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Opens decks on threads.
pub struct FileDecks {
    open: OpenFile,
    readers: Readers,
    news: Sender<()>,
}

/// Says that one of the decks has something.
pub type News = Receiver<()>;

impl FileDecks {
    /// Decks for the files that `open` finds, among the `readers` of the whole program.
    pub fn new(open: OpenFile, readers: Readers) -> (FileDecks, News) {
        let (news, heard) = bounded(1);
        (FileDecks { open, readers, news }, heard)
    }
}

impl Decks for FileDecks {
    type Deck = FileDeck;

    fn open(&self, name: &FileName, at: Ticks) -> Option<FileDeck> {
        let seat = self.readers.seat()?;
        // One place more than there are parcels, for the first word.
        let (filled, deliveries) = bounded(PARCELS_PER_DECK + 1);
        let (empties, emptied) = bounded(PARCELS_PER_DECK);
        let hurried = Arc::new(AtomicBool::new(true));
        let (open, name) = (Arc::clone(&self.open), name.clone());
        let line = Line { filled, emptied, news: self.news.clone(), made: 1 };
        let is_hurried = Arc::clone(&hurried);
        let reading = move || {
            let _seat = seat;
            read(&open, &name, at, line, &is_hurried);
        };
        let thread = thread::Builder::new().name("file".to_owned());
        thread.stack_size(THREAD_STACK_BYTES).spawn(reading).ok()?;
        Some(FileDeck { deliveries, empties, hurried })
    }
}

/// A thread that reads a file.
pub struct FileDeck {
    deliveries: Receiver<Delivery>,
    empties: Sender<Parcel>,
    hurried: Arc<AtomicBool>,
}

impl Deck for FileDeck {
    fn take(&mut self) -> Option<Delivery> {
        self.deliveries.try_recv().ok()
    }

    fn give_back(&mut self, parcel: Parcel) {
        // Full it cannot be, and a thread that has ended needs none.
        let _ = self.empties.try_send(parcel);
    }

    fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }
}

/// The thread's side.
#[derive(Clone)]
struct Line {
    filled: Sender<Delivery>,
    emptied: Receiver<Parcel>,
    news: Sender<()>,
    /// Parcels there are.
    made: usize,
}

impl Line {
    /// Whether the other side still wants it.
    fn send(&self, delivery: Delivery) -> bool {
        let wanted = self.filled.send_blocking(delivery).is_ok();
        // One piece of news is as good as two.
        let _ = self.news.try_send(());
        wanted
    }
}

impl Exchange for Line {
    fn exchange(&mut self, full: Parcel) -> Option<Parcel> {
        if !self.send(Delivery::Parcel(full)) {
            return None;
        }
        if let Ok(parcel) = self.emptied.try_recv() {
            return Some(parcel);
        }
        if self.made < PARCELS_PER_DECK {
            self.made += 1;
            return Some(Parcel::default());
        }
        self.emptied.recv_blocking().ok()
    }
}

/// Reads a file from beginning to end, or until nobody wants it any more.
fn read(open: &OpenFile, name: &FileName, at: Ticks, line: Line, hurried: &AtomicBool) {
    let bug = format!("{name} cannot be played: its reader ran into a bug in this program");
    let mut opened = match catch_unwind(AssertUnwindSafe(|| open(name))) {
        Ok(Ok(opened)) => opened,
        Ok(Err(declined)) => {
            line.send(Delivery::Refused(declined));
            return;
        }
        Err(_) => {
            let declined = Declined { kind: DeclinedKind::Unplayable, words: bug };
            line.send(Delivery::Refused(declined));
            return;
        }
    };
    if !line.send(Delivery::Opened(opened.times())) {
        return;
    }
    let mut recorder = Recorder::new(Parcel::default(), line.clone());
    let run = || play(&mut opened, at, &mut recorder, &line, hurried);
    let ending = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => Ending::Whole,
        Ok(Err(error)) => Ending::Failed(format!("{name} cannot be played: {error}")),
        Err(_) => Ending::Failed(bug),
    };
    if let Some(error) = opened.sound_error() {
        warn!("{name}: its sound breaks off: {error}");
    }
    recorder.end(ending);
}

fn play(
    reading: &mut Reading,
    at: Ticks,
    recorder: &mut Recorder<Line>,
    line: &Line,
    hurried: &AtomicBool,
) -> Result<(), FileError> {
    // Readers tell a configuration before its first unit; of sound that comes late (a transport
    // stream has it up to a second behind its picture) nothing would be known until then, and
    // silence would take its place.
    let Contents { video, audio, .. } = reading.contents().clone();
    let configs = [video.map(TrackConfig::Avc), audio.map(TrackConfig::Aac)];
    configs.iter().flatten().for_each(|config| recorder.config(config));
    if at > Ticks(0) {
        reading.seek(at, recorder)?;
    }
    while recorder.is_wanted() && !line.filled.is_closed() {
        let progress = reading.next(recorder);
        recorder.leave_out(reading.take_left_out());
        match progress? {
            Progress::End => break,
            Progress::More if recorder.whole() > 0 && hurried.swap(false, Ordering::Relaxed) => {
                recorder.flush();
            }
            Progress::More => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "deck_tests.rs"]
mod tests;

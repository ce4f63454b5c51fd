//! File readers: a thread for each open file. Purpose: whatever a disk does, only the thread that reads
//! waits for it; the data plane takes read-ahead buffers of access units when there are any. A bug in a
//! reader ends its file, with an error. Non-goals: pacing, choosing. Bounds: [`READER_THREADS_MAX`]
//! threads, of which a stalled disk may hold each for ever; [`READ_AHEADS_PER_FILE`] read-ahead buffers each.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use log::warn;
use smol::channel::{bounded, Receiver, Sender};

use crate::base::limits::{READER_THREADS_MAX, READ_AHEADS_PER_FILE, THREAD_STACK_BYTES};
use crate::base::time::Ticks;
use crate::codec::access_unit::{TrackConfig, UnitSink};
use crate::codec::container::{Contents, FileError, Progress};
use crate::operator::commands::{Declined, DeclinedKind, FileName};
use crate::program::pacer::FileTimes;
use crate::program::read_ahead::{FileEnding, ReadAhead, ReadAheadQueue, ReadAheadWriter};
use crate::program::reading::FileReading;

/// Opens a file of the library by its name, or says why not. May take its time.
pub type OpenFile = Arc<dyn Fn(&str) -> Result<FileReading, Declined> + Send + Sync>;

/// What comes from a file reader, in this order.
pub enum Delivery {
    /// The file is open, and states these times.
    Opened(FileTimes),
    /// It cannot be opened; nothing else comes.
    Refused(Declined),
    /// Some of its units.
    ReadAhead(ReadAhead),
}

/// A file being read; dropped, it is closed.
pub trait FileReader {
    /// What has been read since the last call.
    fn take(&mut self) -> Option<Delivery>;
    /// A read-ahead buffer to be filled again.
    fn give_back(&mut self, read_ahead: ReadAhead);
    /// A read-ahead buffer that is not full is welcome too.
    fn hurry(&self);
}

/// Where file readers come from.
pub trait FileReaders {
    /// What reads a file.
    type FileReader: FileReader;
    /// Begins to read a file at this time; `None`: there are as many as there may be.
    fn open(&self, name: &FileName, at: Ticks) -> Option<Self::FileReader>;
}

/// The threads alive, counted.
#[derive(Clone, Default)]
pub struct Readers(Arc<AtomicUsize>);

/// A thread's place among them.
struct ThreadSeat(Arc<AtomicUsize>);

impl Readers {
    fn seat(&self) -> Option<ThreadSeat> {
        let more = |alive| (alive < READER_THREADS_MAX).then_some(alive + 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(ThreadSeat(Arc::clone(&self.0)))
    }
}

impl Drop for ThreadSeat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Opens file readers on threads.
pub struct ReaderThreads {
    open: OpenFile,
    readers: Readers,
    arrivals: Sender<()>,
}

/// Says that one of the file readers has something.
pub type Arrivals = Receiver<()>;

impl ReaderThreads {
    /// File readers for the files that `open` finds, among the `readers` of the whole program.
    pub fn new(open: OpenFile, readers: Readers) -> (ReaderThreads, Arrivals) {
        let (arrivals, heard) = bounded(1);
        (ReaderThreads { open, readers, arrivals }, heard)
    }
}

impl FileReaders for ReaderThreads {
    type FileReader = ReaderThread;

    fn open(&self, name: &FileName, at: Ticks) -> Option<ReaderThread> {
        let seat = self.readers.seat()?;
        // One place more than there are read-ahead buffers, for the first word.
        let (filled, deliveries) = bounded(READ_AHEADS_PER_FILE + 1);
        let (empties, emptied) = bounded(READ_AHEADS_PER_FILE);
        let hurried = Arc::new(AtomicBool::new(true));
        let (open, name) = (Arc::clone(&self.open), name.clone());
        let queue = DeliveryQueue { filled, emptied, arrivals: self.arrivals.clone(), made: 1 };
        let is_hurried = Arc::clone(&hurried);
        let reading = move || {
            let _seat = seat;
            read(&open, &name, at, queue, &is_hurried);
        };
        let thread = thread::Builder::new().name("file".to_owned());
        thread.stack_size(THREAD_STACK_BYTES).spawn(reading).ok()?;
        Some(ReaderThread { deliveries, empties, hurried })
    }
}

/// A thread that reads a file.
pub struct ReaderThread {
    deliveries: Receiver<Delivery>,
    empties: Sender<ReadAhead>,
    hurried: Arc<AtomicBool>,
}

impl FileReader for ReaderThread {
    fn take(&mut self) -> Option<Delivery> {
        self.deliveries.try_recv().ok()
    }

    fn give_back(&mut self, read_ahead: ReadAhead) {
        // Full it cannot be, and a thread that has ended needs none.
        let _ = self.empties.try_send(read_ahead);
    }

    fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }
}

/// The thread's side.
#[derive(Clone)]
struct DeliveryQueue {
    filled: Sender<Delivery>,
    emptied: Receiver<ReadAhead>,
    arrivals: Sender<()>,
    /// Read-ahead buffers there are.
    made: usize,
}

impl DeliveryQueue {
    /// Whether the other side still wants it.
    fn send(&self, delivery: Delivery) -> bool {
        let wanted = self.filled.send_blocking(delivery).is_ok();
        // One piece of news is as good as two.
        let _ = self.arrivals.try_send(());
        wanted
    }
}

impl ReadAheadQueue for DeliveryQueue {
    fn swap(&mut self, full: ReadAhead) -> Option<ReadAhead> {
        if !self.send(Delivery::ReadAhead(full)) {
            return None;
        }
        if let Ok(read_ahead) = self.emptied.try_recv() {
            return Some(read_ahead);
        }
        if self.made < READ_AHEADS_PER_FILE {
            self.made += 1;
            return Some(ReadAhead::default());
        }
        self.emptied.recv_blocking().ok()
    }
}

/// Reads a file from beginning to end, or until nobody wants it any more.
fn read(open: &OpenFile, name: &FileName, at: Ticks, queue: DeliveryQueue, hurried: &AtomicBool) {
    let bug = format!(
        "{name} cannot be played: reading it hit a bug in this program; please \
                       report it"
    );
    let mut opened = match catch_unwind(AssertUnwindSafe(|| open(name))) {
        Ok(Ok(opened)) => opened,
        Ok(Err(declined)) => {
            queue.send(Delivery::Refused(declined));
            return;
        }
        Err(_) => {
            let declined = Declined { kind: DeclinedKind::Unplayable, words: bug };
            queue.send(Delivery::Refused(declined));
            return;
        }
    };
    if !queue.send(Delivery::Opened(opened.times())) {
        return;
    }
    let mut writer = ReadAheadWriter::new(ReadAhead::default(), queue.clone());
    let run = || play(&mut opened, at, &mut writer, &queue, hurried);
    let ending = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => FileEnding::Whole,
        Ok(Err(error)) => FileEnding::Failed(format!("{name} cannot be played: {error}")),
        Err(_) => FileEnding::Failed(bug),
    };
    if let Some(error) = opened.sound_error() {
        warn!("{name}: its sound ends early: {error}");
    }
    writer.end(ending);
}

fn play(
    reading: &mut FileReading,
    at: Ticks,
    writer: &mut ReadAheadWriter<DeliveryQueue>,
    queue: &DeliveryQueue,
    hurried: &AtomicBool,
) -> Result<(), FileError> {
    // Readers tell a configuration before its first unit; of sound that comes late (a transport
    // stream has it up to a second behind its picture) nothing would be known until then, and
    // silence would take its place.
    let Contents { video, audio, .. } = reading.contents().clone();
    let configs = [video.map(TrackConfig::Avc), audio.map(TrackConfig::Aac)];
    configs.iter().flatten().for_each(|config| writer.config(config));
    if at > Ticks(0) {
        reading.seek(at, writer)?;
    }
    while writer.is_wanted() && !queue.filled.is_closed() {
        let progress = reading.next(writer);
        writer.leave_out(reading.take_left_out());
        match progress? {
            Progress::End => break,
            Progress::More if writer.whole() > 0 && hurried.swap(false, Ordering::Relaxed) => {
                writer.flush();
            }
            Progress::More => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "file_reader_tests.rs"]
mod tests;

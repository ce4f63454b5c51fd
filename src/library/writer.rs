//! Who changes the library. Purpose: everything that writes to its disk is done by one thread, in
//! the order it was asked for; a disk that hangs holds up this thread and no other, and anybody who
//! asked waits with a deadline. Non-goals: connections; what may be asked. Bounds:
//! [`UPLOAD_ORDERS_MAX`] orders wait, one more is refused at once; [`UPLOADS_ACTIVE_MAX`] uploads
//! come in at once, each with [`UPLOAD_PIECES_MAX`](crate::base::limits::UPLOAD_PIECES_MAX) pieces.

use std::fmt;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use smol::channel;

use super::change::{self, NameTaken};
use super::upload::{Store, Upload, UploadError, UploadId};
use super::Library;
use crate::base::limits::{
    COMMAND_MS_MAX, THREAD_STACK_BYTES, UPLOADS_ACTIVE_MAX, UPLOAD_ORDERS_MAX,
};
use crate::operator::commands::FileName;
use crate::operator::snapshot::Board;
use crate::system::clock;

/// How often uploads that are to be given up are looked for.
const UPLOAD_SWEEP_MS: u64 = 600_000;

/// A change of the library that takes no bytes from the network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a handful at a time; a name has its bound inside")]
pub enum Change {
    /// Begin an upload.
    Begin {
        /// The name its file shall have.
        filename: FileName,
        /// How long its file shall be, bytes.
        size: u64,
        /// What is done with a file that has the name already.
        taken: NameTaken,
    },
    /// Give an upload up.
    GiveUp(UploadId),
    /// Remove a file.
    Remove(FileName),
    /// Give a file another name.
    Rename {
        /// Its name.
        from: FileName,
        /// Its new name.
        to: FileName,
    },
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeResult {
    /// An upload has begun.
    Begun(Box<Upload>),
    /// What was asked for is done.
    Done,
}

/// A piece that was handed to the disk.
#[derive(Debug)]
pub struct Written {
    /// The memory it came in, to be filled again.
    pub bytes: Vec<u8>,
    /// Where the upload goes on.
    pub outcome: Result<u64, UploadError>,
}

/// What came of putting an upload on the disk: its name in the library if it was complete.
pub type StoredUpload = Result<Option<FileName>, UploadError>;

/// What the thread is asked.
enum WriterOrder {
    Change(Box<Change>, SyncSender<Result<ChangeResult, UploadError>>),
    Piece { id: UploadId, offset: u64, bytes: Vec<u8>, written: channel::Sender<Written> },
    Keep { id: UploadId, kept: channel::Sender<StoredUpload> },
}

/// A handle on the thread; the last one dropped ends it.
#[derive(Clone)]
pub struct LibraryWriter {
    orders: SyncSender<WriterOrder>,
    view: Arc<View>,
}

/// What is known without asking the disk.
#[derive(Default)]
struct View {
    known: Mutex<Arc<Vec<Upload>>>,
    active: Mutex<Vec<UploadId>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An upload that comes in; dropped, another connection may bring its bytes.
pub struct UploadSeat {
    writer: LibraryWriter,
    id: UploadId,
}

impl fmt::Debug for UploadSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.id).finish()
    }
}

impl Drop for UploadSeat {
    fn drop(&mut self) {
        held(&self.writer.view.active).retain(|id| *id != self.id);
    }
}

impl LibraryWriter {
    /// Starts the thread. Parts of uploads lie in `folder`; `board` tells what plays.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(folder: PathBuf, library: Library, board: Board) -> io::Result<LibraryWriter> {
        let (orders, inbox) = mpsc::sync_channel(UPLOAD_ORDERS_MAX);
        let view = Arc::<View>::default();
        let office = Office { folder, library, board, view: Arc::clone(&view) };
        thread::Builder::new()
            .name("uploads".to_owned())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || office.work(&inbox))?;
        Ok(LibraryWriter { orders, view })
    }

    /// One who knows of nothing and does nothing.
    #[cfg(test)]
    pub fn absent() -> LibraryWriter {
        LibraryWriter { orders: mpsc::sync_channel(1).0, view: Arc::default() }
    }

    /// The uploads there are, the one that waits longest first.
    pub fn known(&self) -> Arc<Vec<Upload>> {
        Arc::clone(&held(&self.view.known))
    }

    /// Has a change made, and waits for what comes of it, [`COMMAND_MS_MAX`] at most.
    ///
    /// # Errors
    /// It was refused, or the disk did not answer in time; then it may still be done later.
    pub fn ask(&self, change: Change) -> Result<ChangeResult, UploadError> {
        let (answer, outcome) = mpsc::sync_channel(1);
        self.send(WriterOrder::Change(Box::new(change), answer))?;
        let outcome = outcome.recv_timeout(Duration::from_millis(COMMAND_MS_MAX));
        outcome.unwrap_or(Err(UploadError::Busy))
    }

    /// A seat for an upload whose bytes come in from `offset` on, `bytes` of them.
    ///
    /// # Errors
    /// There is no such upload, its bytes come in already, too many others' do, or the bytes are
    /// none that it lacks.
    pub fn seat(&self, id: UploadId, offset: u64, bytes: u64) -> Result<UploadSeat, UploadError> {
        let known = self.known();
        let upload = known.iter().find(|upload| upload.id == id).ok_or(UploadError::NotFound)?;
        let (size, there) = (upload.size, upload.offset);
        let mut active = held(&self.view.active);
        if active.contains(&id) {
            return Err(UploadError::Active { offset: there });
        }
        if offset != there {
            return Err(UploadError::WrongOffset { offset: there });
        }
        if bytes > size.saturating_sub(there) {
            return Err(UploadError::TooMuch { size, offset: there });
        }
        if active.len() >= UPLOADS_ACTIVE_MAX {
            return Err(UploadError::Crowded);
        }
        active.push(id);
        Ok(UploadSeat { writer: self.clone(), id })
    }

    fn send(&self, order: WriterOrder) -> Result<(), UploadError> {
        self.orders.try_send(order).map_err(|_| UploadError::Busy)
    }
}

impl UploadSeat {
    /// Hands a piece on, to be written at `offset`; where what comes of it can be read. The memory
    /// comes back with it.
    ///
    /// # Errors
    /// Too much waits for the disk.
    pub fn write(
        &self,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<channel::Receiver<Written>, UploadError> {
        let (written, outcome) = channel::bounded(1);
        self.writer.send(WriterOrder::Piece { id: self.id, offset, bytes, written })?;
        Ok(outcome)
    }

    /// Has the disk keep what has come, and the library take the upload if it is complete; where what
    /// comes of it can be read.
    ///
    /// # Errors
    /// Too much waits for the disk.
    pub fn keep(&self) -> Result<channel::Receiver<StoredUpload>, UploadError> {
        let (kept, outcome) = channel::bounded(1);
        self.writer.send(WriterOrder::Keep { id: self.id, kept })?;
        Ok(outcome)
    }
}

/// What the thread works with.
struct Office {
    folder: PathBuf,
    library: Library,
    board: Board,
    view: Arc<View>,
}

impl Office {
    fn work(self, inbox: &Receiver<WriterOrder>) {
        let mut store = Store::open(self.folder.clone(), self.library.folder().to_owned());
        let pause = Duration::from_millis(UPLOAD_SWEEP_MS);
        let mut swept = clock::mono();
        self.sweep(&mut store);
        loop {
            self.show(&store);
            match inbox.recv_timeout(pause) {
                Ok(order) => self.carry_out(order, &mut store),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = clock::mono();
            if now.since(swept) >= pause {
                swept = now;
                self.sweep(&mut store);
            }
        }
    }

    fn sweep(&self, store: &mut Store) {
        let active = held(&self.view.active).clone();
        for gone in store.sweep(clock::utc(), |id| active.contains(&id)) {
            let (name, there, size) = (&gone.filename, gone.offset, gone.size);
            log::info!("library: the upload of {name} is cancelled at {there} of {size} bytes");
        }
    }

    /// Shows what is known, before who asked can look.
    fn show(&self, store: &Store) {
        let mut known = held(&self.view.known);
        if known.as_slice() != store.known() {
            *known = Arc::new(store.known().to_vec());
        }
    }

    /// A bug met on the way ends with this order: who asked hears nothing more of it.
    fn carry_out(&self, order: WriterOrder, store: &mut Store) {
        let done = catch_unwind(AssertUnwindSafe(|| match order {
            WriterOrder::Change(change, answer) => {
                let outcome = self.change(*change, store);
                self.show(store);
                let _ = answer.try_send(outcome);
            }
            WriterOrder::Piece { id, offset, bytes, written } => {
                let outcome = store.write(id, offset, &bytes);
                self.show(store);
                let _ = written.try_send(Written { bytes, outcome });
            }
            WriterOrder::Keep { id, kept } => {
                let outcome = store.keep(id, &self.board.read());
                self.show(store);
                self.tell(&outcome);
                let _ = kept.try_send(outcome);
            }
        }));
        if done.is_err() {
            log::error!("library: a change hit a bug in this program; please report it");
        }
    }

    fn tell(&self, kept: &StoredUpload) {
        match kept {
            Ok(None) => {}
            Ok(Some(name)) => {
                log::info!("library: {name} was uploaded");
                self.library.rescan();
            }
            Err(error) => log::warn!("library: an upload cannot be kept: {error}"),
        }
    }

    fn change(&self, change: Change, store: &mut Store) -> Result<ChangeResult, UploadError> {
        let (folder, snapshot) = (self.library.folder(), self.board.read());
        match change {
            Change::Begin { filename, size, taken } => {
                let upload = store.begin(&filename, size, taken, &snapshot)?;
                return Ok(ChangeResult::Begun(Box::new(upload)));
            }
            Change::GiveUp(id) => store.give_up(id)?,
            Change::Remove(name) => {
                change::remove(folder, &name, &snapshot)?;
                log::info!("library: {name} is removed");
                self.library.rescan();
            }
            Change::Rename { from, to } => {
                change::rename(folder, &from, &to, &snapshot)?;
                log::info!("library: {from} is now called {to}");
                self.library.rescan();
            }
        }
        Ok(ChangeResult::Done)
    }
}

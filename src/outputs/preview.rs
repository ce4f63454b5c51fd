//! Previews: the programme as an endless fragmented MP4, for the browser of who runs it. Purpose:
//! each is a reader of the ring like a viewer; its pieces go through a bounded channel to the
//! control plane's thread, which owns the socket. Nothing is made while nobody looks. Non-goals:
//! sockets, deadlines. Bounds: [`PREVIEWS_MAX`] previews, each with [`PREVIEW_PIECES_MAX`] pieces
//! of at most [`PREVIEW_PIECE_BYTES_MAX`] that wait; what comes after them waits in the ring.

mod cutter;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

use log::{error, info};
use smol::channel::{bounded, Receiver, Sender};
use smol::future::FutureExt;
use smol::LocalExecutor;

use crate::base::limits::{PREVIEWS_MAX, PREVIEW_PIECES_MAX, PREVIEW_PIECE_BYTES_MAX};
use crate::operator::snapshot::PreviewsStatus;
use crate::program::bell::Listener;
use crate::program::ring::Ring;
use crate::program::unit::Unit;
use crate::program::Programme;
use crate::system::heap;

use cutter::{header_bytes, Cutter, Fragment, PreviewCut};

/// A piece of a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreviewPiece {
    /// The tracks as they are from here on, by the `codecs` parameter of the media type
    /// (RFC 6381); their init segment follows. The first piece of every preview, and once more
    /// whenever parameters change.
    Codecs(String),
    /// Bytes, [`PREVIEW_PIECE_BYTES_MAX`] at most.
    Bytes(Vec<u8>),
}

/// Why there is no preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewError {
    /// [`PREVIEWS_MAX`] are being watched.
    Full,
    /// There is hardly any memory left.
    Memory,
    /// The program ends.
    Ending,
}

impl fmt::Display for PreviewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PreviewError::Full => write!(
                f,
                "{PREVIEWS_MAX} previews are open, which is the maximum; close one of them."
            ),
            PreviewError::Memory => {
                f.write_str("There is not enough memory for a preview; try again later.")
            }
            PreviewError::Ending => f.write_str("The program is ending."),
        }
    }
}

impl std::error::Error for PreviewError {}

/// What is counted, by both sides.
#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    served: AtomicU64,
    refused: AtomicU64,
    skips: AtomicU64,
    closed_slow: AtomicU64,
    bytes_out: AtomicU64,
}

/// A preview's place; free again when both of its ends have been dropped.
struct PreviewSeat(Arc<Counts>);

impl PreviewSeat {
    fn take(counts: &Arc<Counts>) -> Option<Arc<PreviewSeat>> {
        // Counted first and given back if too many: it is dropped either way.
        let before = counts.open.fetch_add(1, Ordering::AcqRel);
        let seat = PreviewSeat(Arc::clone(counts));
        (before < PREVIEWS_MAX).then(|| Arc::new(seat))
    }
}

impl Drop for PreviewSeat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A preview that is asked for: where its pieces go.
struct PreviewRequest {
    pieces: Sender<PreviewPiece>,
    seat: Arc<PreviewSeat>,
}

/// Where previews are asked for, by any thread.
#[derive(Clone)]
pub struct PreviewDesk {
    requests: Sender<PreviewRequest>,
    counts: Arc<Counts>,
}

/// Where they are made: the data plane's end.
pub struct PreviewInbox {
    requests: Receiver<PreviewRequest>,
    counts: Arc<Counts>,
}

/// Both ends.
pub fn channel() -> (PreviewDesk, PreviewInbox) {
    let (sender, receiver) = bounded(PREVIEWS_MAX);
    let counts = Arc::<Counts>::default();
    let desk = PreviewDesk { requests: sender, counts: Arc::clone(&counts) };
    (desk, PreviewInbox { requests: receiver, counts })
}

/// A preview that is watched; dropped, it ends.
pub struct Preview {
    pieces: Receiver<PreviewPiece>,
    _seat: Arc<PreviewSeat>,
}

impl Preview {
    /// The next piece, when there is one. `None`: the preview has ended, because the programme has
    /// other tracks now or it was too slow; another one may be asked for.
    pub async fn next(&self) -> Option<PreviewPiece> {
        self.pieces.recv().await.ok()
    }
}

impl PreviewDesk {
    /// Asks for a preview. Does not wait: the first piece comes when there is one.
    ///
    /// # Errors
    /// There is no room for another one.
    pub fn open(&self) -> Result<Preview, PreviewError> {
        let opened = self.ask();
        if opened.is_err() {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        opened
    }

    fn ask(&self) -> Result<Preview, PreviewError> {
        if heap::is_tight() {
            return Err(PreviewError::Memory);
        }
        let seat = PreviewSeat::take(&self.counts).ok_or(PreviewError::Full)?;
        let (sender, pieces) = bounded(PREVIEW_PIECES_MAX);
        let request = PreviewRequest { pieces: sender, seat: Arc::clone(&seat) };
        // As many requests find room as there are seats: an error means that nobody takes them.
        self.requests.try_send(request).map_err(|_| PreviewError::Ending)?;
        self.counts.served.fetch_add(1, Ordering::Relaxed);
        Ok(Preview { pieces, _seat: seat })
    }
}

impl PreviewInbox {
    /// Makes previews for who asks, for ever.
    pub async fn run(&self, executor: &LocalExecutor<'static>, programme: &Rc<Programme>) {
        while let Ok(request) = self.requests.recv().await {
            let PreviewRequest { pieces, seat } = request;
            let (programme, counts) = (Rc::clone(programme), Arc::clone(&self.counts));
            let made = async move {
                let _seat = seat;
                if AssertUnwindSafe(make(&programme, pieces, &counts)).catch_unwind().await.is_err()
                {
                    error!("a preview hit a bug in this program; please report it");
                }
            };
            executor.spawn(made).detach();
        }
    }

    /// What is counted.
    pub fn status(&self) -> PreviewsStatus {
        let Counts { open, served, refused, skips, closed_slow, bytes_out } = &*self.counts;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        PreviewsStatus {
            count: open.load(Ordering::Relaxed).min(PREVIEWS_MAX),
            served: count(served),
            refused: count(refused),
            skips: count(skips),
            closed_slow: count(closed_slow),
            bytes_out: count(bytes_out),
        }
    }
}

/// Why a preview ends.
enum PreviewEnd {
    /// Nobody takes its pieces any longer.
    Left,
    /// Sound has come or gone.
    OtherTracks,
    /// The ring has overwritten what it was in the middle of.
    Overtaken,
}

async fn make(programme: &Programme, pieces: Sender<PreviewPiece>, counts: &Counts) {
    let listener = programme.listen();
    let mut maker = Maker { programme, pieces, counts, listener, cutter: Cutter::new() };
    match maker.run().await {
        PreviewEnd::Left => {}
        PreviewEnd::OtherTracks => info!("a preview ends: the programme has other tracks now"),
        PreviewEnd::Overtaken => {
            counts.closed_slow.fetch_add(1, Ordering::Relaxed);
            info!("a preview ends: too slow, overtaken in the middle of a fragment");
        }
    }
}

/// Makes one preview.
struct Maker<'p> {
    programme: &'p Programme,
    pieces: Sender<PreviewPiece>,
    counts: &'p Counts,
    listener: Listener,
    cutter: Cutter,
}

impl Maker<'_> {
    async fn run(&mut self) -> PreviewEnd {
        loop {
            let skips = self.cutter.skips();
            let cut = self.cutter.next(&self.programme.ring());
            let skipped = self.cutter.skips() - skips;
            self.counts.skips.fetch_add(skipped, Ordering::Relaxed);
            let sent = match cut {
                PreviewCut::Wait if self.pieces.is_closed() => Err(PreviewEnd::Left),
                PreviewCut::Wait => {
                    self.listener.heard().await;
                    Ok(())
                }
                PreviewCut::Init { codecs, bytes } => self.begin(codecs, bytes).await,
                PreviewCut::Fragment(fragment) => self.send(fragment).await,
                PreviewCut::OtherTracks => Err(PreviewEnd::OtherTracks),
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    async fn begin(&self, codecs: String, init: Vec<u8>) -> Result<(), PreviewEnd> {
        self.pieces.send(PreviewPiece::Codecs(codecs)).await.map_err(|_| PreviewEnd::Left)?;
        self.push(init).await
    }

    /// Sends a fragment piece by piece. A piece is copied out of the ring when there is room for
    /// it to wait, and no sooner.
    async fn send(&self, fragment: Fragment) -> Result<(), PreviewEnd> {
        let Fragment { head: mut piece, units } = fragment;
        let mut left: usize = units.iter().map(|unit| unit.len).sum();
        for unit in units {
            let mut done = header_bytes(unit.track);
            loop {
                done = self.fill(&unit, done, left, &mut piece).ok_or(PreviewEnd::Overtaken)?;
                if done >= unit.len {
                    break;
                }
                self.push(std::mem::take(&mut piece)).await?;
            }
            left = left.saturating_sub(unit.len);
        }
        self.push(piece).await
    }

    /// Fills a piece with what follows in a unit behind its first `done` bytes; returns how many of
    /// them are done then, or `None` if the unit has been overwritten. `left` is what may be to
    /// come of the fragment.
    fn fill(&self, unit: &Unit, done: usize, left: usize, piece: &mut Vec<u8>) -> Option<usize> {
        let ring: &Ring = &self.programme.ring();
        if !ring.holds(unit) {
            return None;
        }
        let room = PREVIEW_PIECE_BYTES_MAX.saturating_sub(piece.len());
        piece.reserve_exact(room.min(left));
        let (mut skip, before) = (done, piece.len());
        for slice in ring.payload(unit) {
            let rest = slice.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(slice.len());
            let room = PREVIEW_PIECE_BYTES_MAX.saturating_sub(piece.len());
            piece.extend_from_slice(rest.get(..room).unwrap_or(rest));
        }
        Some(done + piece.len() - before)
    }

    async fn push(&self, piece: Vec<u8>) -> Result<(), PreviewEnd> {
        let bytes = piece.len() as u64;
        self.pieces.send(PreviewPiece::Bytes(piece)).await.map_err(|_| PreviewEnd::Left)?;
        self.counts.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
#[path = "preview/tests.rs"]
mod tests;

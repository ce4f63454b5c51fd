//! Sends the clip at its own pace and remembers when each frame's last datagram left.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::clip::Clip;

/// When frames left.
pub struct Stamps {
    begun: Instant,
    /// Nanoseconds from the beginning, by the frame's number; zero: it has not left yet.
    left: Vec<AtomicU64>,
    sent: AtomicUsize,
}

impl Stamps {
    /// Of what nobody here sends.
    pub fn none() -> Stamps {
        Stamps { begun: Instant::now(), left: Vec::new(), sent: AtomicUsize::new(0) }
    }

    /// Frames that have left.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    /// How long ago a frame left, if it has.
    pub fn age(&self, frame: u32, now: Instant) -> Option<Duration> {
        let left = self.left.get(frame as usize)?.load(Ordering::Acquire);
        let left = self.begun + Duration::from_nanos(left);
        (left > self.begun).then(|| now.saturating_duration_since(left))
    }
}

/// A thread that sends.
pub struct Sender {
    thread: Option<JoinHandle<Result<(), String>>>,
    stop: Arc<AtomicBool>,
    stamps: Arc<Stamps>,
}

impl Sender {
    /// Begins to send.
    pub fn start(clip: &Arc<Clip>, to: SocketAddr) -> Result<Sender, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let left = clip.frames.iter().map(|_| AtomicU64::new(0)).collect();
        let begun = Instant::now();
        let stamps = Arc::new(Stamps { begun, left, sent: AtomicUsize::new(0) });
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, asked, clip) = (Arc::clone(&stamps), Arc::clone(&stop), Arc::clone(clip));
        let thread = std::thread::spawn(move || send(&clip, &theirs, &asked, &socket, to));
        Ok(Sender { thread: Some(thread), stop, stamps })
    }

    /// When frames left.
    pub fn stamps(&self) -> &Arc<Stamps> {
        &self.stamps
    }
}

fn send(
    clip: &Clip,
    stamps: &Stamps,
    stop: &AtomicBool,
    socket: &UdpSocket,
    to: SocketAddr,
) -> Result<(), String> {
    let mut frames = clip.frames.iter().zip(&stamps.left).peekable();
    for (index, (at, datagram)) in clip.datagrams.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        std::thread::sleep((stamps.begun + *at).saturating_duration_since(Instant::now()));
        while let Some((_, left)) = frames.next_if(|(last, _)| **last == index) {
            let nanos = stamps.begun.elapsed().as_nanos();
            left.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Release);
            stamps.sent.fetch_add(1, Ordering::Release);
        }
        // That nobody listens yet is no failure: a receiver may still be starting.
        let _ = socket.send_to(datagram, to);
    }
    Ok(())
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! The data plane's event queue. Purpose: one thread waits for sockets and timers by one system
//! call, and a wake-up costs no other: sockets are registered once, edge-triggered, and never
//! armed again; a timer is the wait's own deadline. Non-goals: other threads' sockets, fairness
//! (the executor's), portability beyond Linux. Bound: an entry per socket and per timer.
//!
//! The general-purpose reactor it stands in for spends nine system calls on a datagram and a
//! helper thread of its own, which at one viewer was most of the program's processor time.
//!
//! Edge-triggered means that readiness is remembered until the kernel says "would block": anybody who
//! reads or writes does so through [`Watched::try_read`] and [`Watched::try_write`], which take
//! note of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{poll_fn, Future};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{epoll, eventfd, EventfdFlags, Timespec};

use crate::base::limits::REACTOR_EVENTS_MAX;
use crate::base::time::Mono;

use crate::system::clock;

/// The event that another thread's wake-up is; sources are numbered from 0.
const WOKEN: u64 = u64::MAX;

thread_local! {
    static REACTOR: Rc<Reactor> = Rc::new(
        Reactor::new().expect("the kernel has an event queue for us at the start")
    );
}

/// The event queue of this thread.
struct Reactor {
    queue: OwnedFd,
    alarm: Arc<Alarm>,
    sources: RefCell<Vec<Option<WatchedSocket>>>,
    timers: RefCell<BTreeMap<(Mono, u64), Waker>>,
    next_timer: Cell<u64>,
}

/// What is remembered of a socket.
#[derive(Default)]
struct WatchedSocket {
    read: Direction,
    write: Direction,
}

#[derive(Default)]
struct Direction {
    ready: bool,
    waker: Option<Waker>,
}

impl Direction {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ready {
            return Poll::Ready(());
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn becomes_ready(&mut self) {
        self.ready = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// How the thread is woken: by itself, which needs only a note, or by another.
struct Alarm {
    rung: AtomicBool,
    asleep: AtomicBool,
    event: OwnedFd,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, SeqCst) && self.asleep.load(SeqCst) {
            // It can only fail when the count is full, and then the event is there already.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }
}

impl Reactor {
    fn new() -> io::Result<Reactor> {
        let queue = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered: each write is an event of its own, and nobody has to read it away.
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&queue, &event, epoll::EventData::new_u64(WOKEN), edge)?;
        let alarm = Alarm { rung: AtomicBool::new(false), asleep: AtomicBool::new(false), event };
        Ok(Reactor {
            queue,
            alarm: Arc::new(alarm),
            sources: RefCell::default(),
            timers: RefCell::default(),
            next_timer: Cell::new(0),
        })
    }

    fn local() -> Rc<Reactor> {
        REACTOR.with(Rc::clone)
    }

    /// Waits for what comes first and wakes whom it concerns. Does not sleep when the thread has
    /// been woken already.
    fn turn(&self, events: &mut Vec<epoll::Event>) {
        self.alarm.asleep.store(true, SeqCst);
        let timeout =
            if self.alarm.rung.load(SeqCst) { Some(Duration::ZERO) } else { self.pause() };
        let timeout = timeout.map(|pause| Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(pause.subsec_nanos()),
        });
        events.clear();
        // An interrupted wait has no events; any other error would be a bug of ours.
        let waited = epoll::wait(&self.queue, spare_capacity(events), timeout.as_ref());
        self.alarm.asleep.store(false, SeqCst);
        debug_assert!(matches!(waited, Ok(_) | Err(rustix::io::Errno::INTR)), "{waited:?}");
        for event in events.iter() {
            self.tell(event.data.u64(), event.flags);
        }
        self.fire();
    }

    /// Time until the first timer.
    fn pause(&self) -> Option<Duration> {
        let timers = self.timers.borrow();
        timers.keys().next().map(|(due, _)| due.since(clock::mono()))
    }

    fn tell(&self, key: u64, flags: epoll::EventFlags) {
        let mut sources = self.sources.borrow_mut();
        let source = usize::try_from(key).ok().and_then(|index| sources.get_mut(index));
        let Some(Some(source)) = source else { return };
        // An error or the end is for both: anybody who tries next is told by the kernel.
        let ended = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
        if ended || flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::RDHUP) {
            source.read.becomes_ready();
        }
        if ended || flags.contains(epoll::EventFlags::OUT) {
            source.write.becomes_ready();
        }
    }

    fn fire(&self) {
        if !self.timers.borrow().is_empty() {
            self.wake_until(clock::mono());
        }
    }

    /// Wakes whose pauses end by then, the first to end first.
    fn wake_until(&self, now: Mono) {
        let mut timers = self.timers.borrow_mut();
        while let Some(first) = timers.first_entry().filter(|first| first.key().0 <= now) {
            first.remove().wake();
        }
    }

    fn add(&self, socket: &impl AsFd) -> io::Result<usize> {
        let mut sources = self.sources.borrow_mut();
        let free = sources.iter().position(Option::is_none);
        let index = free.unwrap_or(sources.len());
        let data = epoll::EventData::new_u64(index as u64);
        let both = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP;
        epoll::add(&self.queue, socket, data, both | epoll::EventFlags::ET)?;
        match sources.get_mut(index) {
            Some(slot) => *slot = Some(WatchedSocket::default()),
            None => sources.push(Some(WatchedSocket::default())),
        }
        Ok(index)
    }

    fn with<R>(&self, index: usize, look: impl FnOnce(&mut WatchedSocket) -> R) -> R {
        let mut sources = self.sources.borrow_mut();
        let source = sources.get_mut(index).and_then(Option::as_mut);
        look(source.expect("a source lives as long as what it watches"))
    }
}

/// Runs a future on this thread, to its end, together with whatever it waits for.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let reactor = Reactor::local();
    let waker = Waker::from(Arc::clone(&reactor.alarm));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut events = Vec::with_capacity(REACTOR_EVENTS_MAX);
    loop {
        reactor.alarm.rung.store(false, SeqCst);
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        reactor.turn(&mut events);
    }
}

/// A non-blocking socket whose readiness is watched.
pub struct Watched<T: AsFd> {
    socket: T,
    index: usize,
    reactor: Rc<Reactor>,
}

impl<T: AsFd> Watched<T> {
    /// Makes a socket non-blocking and watches it.
    pub fn new(socket: T) -> io::Result<Watched<T>> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let reactor = Reactor::local();
        let index = reactor.add(&socket)?;
        Ok(Watched { socket, index, reactor })
    }

    /// The socket, for looking at it and its options.
    pub fn get_ref(&self) -> &T {
        &self.socket
    }

    /// Tries to read: an operation that would block makes the next wait a real one.
    pub fn try_read<R>(&self, read: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        let result = read(&self.socket);
        if would_block(&result) {
            self.reactor.with(self.index, |source| source.read.ready = false);
        }
        result
    }

    /// Tries to write, likewise.
    pub fn try_write<R>(&self, write: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        let result = write(&self.socket);
        if would_block(&result) {
            self.reactor.with(self.index, |source| source.write.ready = false);
        }
        result
    }

    /// Ready when it is worth trying to read.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.reactor.with(self.index, |source| source.read.poll(cx))
    }

    /// Ready when it is worth trying to write.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.reactor.with(self.index, |source| source.write.poll(cx))
    }

    /// Waits until it is worth trying to read.
    pub async fn readable(&self) {
        poll_fn(|cx| self.poll_readable(cx)).await;
    }

    /// Waits until it is worth trying to write.
    pub async fn writable(&self) {
        poll_fn(|cx| self.poll_writable(cx)).await;
    }
}

impl<T: AsFd> Drop for Watched<T> {
    fn drop(&mut self) {
        // A queue that does not know it has nothing to forget.
        let _ = epoll::delete(&self.reactor.queue, &self.socket);
        if let Some(slot) = self.reactor.sources.borrow_mut().get_mut(self.index) {
            *slot = None;
        }
    }
}

impl Write for &Watched<TcpStream> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(|mut socket| socket.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write(|mut socket| socket.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block<R>(result: &io::Result<R>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// A pause.
pub struct Sleep {
    due: Mono,
    key: Option<(Mono, u64)>,
    reactor: Rc<Reactor>,
}

impl Sleep {
    /// A pause of this length from now on.
    pub fn after(pause: Duration) -> Sleep {
        Sleep { due: clock::mono() + pause, key: None, reactor: Reactor::local() }
    }

    /// Begins again.
    pub fn set_after(&mut self, pause: Duration) {
        self.forget();
        self.due = clock::mono() + pause;
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.reactor.timers.borrow_mut().remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if clock::mono() >= self.due {
            self.forget();
            return Poll::Ready(());
        }
        let number = &self.reactor.next_timer;
        let key = self.key.unwrap_or_else(|| (self.due, number.replace(number.get() + 1)));
        self.reactor.timers.borrow_mut().insert(key, cx.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use std::sync::Mutex;

    use smol::future::FutureExt;

    use super::*;

    fn pair() -> (Watched<UnixStream>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Watched::new(ours).unwrap(), theirs)
    }

    fn read(socket: &Watched<UnixStream>, bytes: usize) -> io::Result<usize> {
        let mut buffer = vec![0; bytes];
        socket.try_read(|mut socket| socket.read(&mut buffer))
    }

    /// Writes down that it was woken.
    struct Named(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.lock().expect("no panic").push(self.0);
        }
    }

    #[test]
    fn pauses_end_in_their_order() {
        let (woken, hour) = (Arc::<Mutex<Vec<usize>>>::default(), Duration::from_secs(3600));
        let mut pauses = [3, 1, 2].map(|hours| Box::pin(Sleep::after(hour * hours)));
        for (number, pause) in pauses.iter_mut().enumerate() {
            let waker = Waker::from(Arc::new(Named(number, Arc::clone(&woken))));
            assert!(pause.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let (reactor, now) = (Reactor::local(), clock::mono());
        for (halves, wanted) in [(0, &[][..]), (3, &[1]), (7, &[1, 2, 0])] {
            reactor.wake_until(now + hour * halves / 2);
            assert_eq!(*woken.lock().expect("no panic"), wanted, "after {halves} half hours");
        }
    }

    #[test]
    fn a_pause_begins_again() {
        let began = clock::mono();
        run(async {
            let mut pause = Sleep::after(Duration::from_secs(3600));
            pause.set_after(Duration::from_millis(5));
            pause.await;
        });
        assert!(clock::mono().since(began) >= Duration::from_millis(5));
    }

    #[test]
    fn a_pause_that_is_dropped_leaves_no_timer() {
        run(async {
            let long = Sleep::after(Duration::from_secs(3600));
            long.or(Sleep::after(Duration::from_millis(1))).await;
        });
        assert!(Reactor::local().timers.borrow().is_empty());
    }

    /// The edge is not lost while bytes are left: readiness lasts until "would block".
    #[test]
    fn what_is_left_unread_keeps_a_socket_readable() {
        let (ours, mut theirs) = pair();
        theirs.write_all(b"abcd").unwrap();
        run(async {
            for _ in 0..2 {
                ours.readable().await;
                assert_eq!(read(&ours, 2).unwrap(), 2);
            }
            ours.readable().await;
            assert_eq!(read(&ours, 2).unwrap_err().kind(), ErrorKind::WouldBlock);
            let idle = async {
                ours.readable().await;
                panic!("nothing is there to read");
            };
            idle.or(Sleep::after(Duration::from_millis(5))).await;
            theirs.write_all(b"e").unwrap();
            ours.readable().await;
            assert_eq!(read(&ours, 9).unwrap(), 1);
        });
    }

    #[test]
    fn a_full_socket_is_writable_again_when_its_peer_has_read() {
        let (ours, mut theirs) = pair();
        let fill = || ours.try_write(|mut socket| socket.write(&[7; 4096]));
        run(async {
            ours.writable().await;
            let mut filled = 0;
            while let Ok(count) = fill() {
                filled += count;
            }
            let drained = std::thread::spawn(move || {
                theirs.read_exact(&mut vec![0; filled]).unwrap();
                theirs
            });
            ours.writable().await;
            assert!(fill().is_ok());
            drop(drained.join());
        });
    }

    #[test]
    fn another_thread_wakes_it() {
        let (send, receive) = smol::channel::bounded(1);
        let thread = std::thread::spawn(move || {
            for number in 0..1000 {
                send.send_blocking(number).unwrap();
            }
        });
        let sum = run(async {
            let mut sum = 0;
            while let Ok(number) = receive.recv().await {
                sum += number;
            }
            sum
        });
        thread.join().unwrap();
        assert_eq!(sum, 499_500);
    }

    #[test]
    fn places_are_used_again_and_the_end_is_readable() {
        for _ in 0..100 {
            let (ours, theirs) = pair();
            drop(theirs);
            run(ours.readable());
            assert_eq!(read(&ours, 1).unwrap(), 0);
        }
        assert_eq!(Reactor::local().sources.borrow().len(), 1);
    }
}

//! The RTMP port. Purpose: admits connections, drives each session until it says whether it
//! plays or publishes, and hands it on. Bounds: [`RTMP_PENDING_MAX`] connections that have not
//! said so yet, each for the admission's time at most; the viewers' own limit behind that.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Shutdown as Half, SocketAddr, TcpListener, TcpStream};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use log::{debug, error, info, warn};
use smol::future::FutureExt;
use smol::LocalExecutor;
use socket2::{Domain, Protocol, Socket, Type};

use crate::base::events::Repeat;
use crate::base::limits::RTMP_PENDING_MAX;
use crate::base::redact::Secret;
use crate::outputs::viewers::{serve, Viewers};
use crate::program::bell::Bell;
use crate::program::Programme;
use crate::rtmp::server::{Refusal, ServerEvent, ServerSession};
use crate::rtmp::Session;
use crate::system::clock;
use crate::system::link::{Link, LinkEnd, Wake};
use crate::system::shutdown::Shutdown;
use crate::system::snapshot::{text, RtmpServerStatus, ViewerStatus};

/// Connections the kernel keeps for us until we accept them.
const BACKLOG: i32 = 1024;
/// Pause after an error of the listener itself, such as no file descriptors left.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// The RTMP port.
pub struct RtmpPort {
    listener: Async<TcpListener>,
    listen: SocketAddr,
    play_key: Option<Secret>,
    viewers: Rc<Viewers>,
    pending: Rc<Pending>,
    accepted: Cell<u64>,
    refused_full: Cell<u64>,
    refused: Cell<u64>,
    protocol_errors: Cell<u64>,
    complaints: RefCell<Repeat>,
}

/// What a connection's task needs to live by.
#[derive(Clone)]
pub struct Context {
    /// Where tasks run.
    pub executor: Rc<LocalExecutor<'static>>,
    /// What is played.
    pub programme: Rc<Programme>,
    /// When to end.
    pub shutdown: Rc<Shutdown>,
}

impl RtmpPort {
    /// Binds the port.
    pub fn bind(
        listen: SocketAddr,
        play_key: Option<Secret>,
        viewers: Rc<Viewers>,
    ) -> io::Result<RtmpPort> {
        let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&listen.into())?;
        socket.listen(BACKLOG)?;
        let listener = Async::new(TcpListener::from(socket))?;
        let listen = listener.get_ref().local_addr()?;
        Ok(RtmpPort {
            listener,
            listen,
            play_key,
            viewers,
            pending: Rc::default(),
            accepted: Cell::new(0),
            refused_full: Cell::new(0),
            refused: Cell::new(0),
            protocol_errors: Cell::new(0),
            complaints: RefCell::default(),
        })
    }

    /// The address it listens on.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Its state.
    pub fn status(&self) -> RtmpServerStatus {
        let totals = self.viewers.totals();
        RtmpServerStatus {
            listen: text(self.listen),
            accepted: self.accepted.get(),
            refused_full: self.refused_full.get(),
            refused: self.refused.get(),
            protocol_errors: self.protocol_errors.get(),
            closed_slow: totals.closed_slow.get(),
            skips: totals.skips.get(),
            bytes_out: totals.bytes_out.get(),
            ..Default::default()
        }
    }

    /// Accepts for ever.
    pub async fn run(self: Rc<Self>, context: Context) {
        loop {
            // Beyond that they wait in the kernel's queue: a crowd that comes at once is served
            // in turn, nobody is sent away.
            self.pending.wait_for_room().await;
            match self.listener.accept().await {
                Ok((socket, peer)) => {
                    count(&self.accepted);
                    let id = self.accepted.get();
                    let newcomer = Newcomer { socket, peer, id, undecided: self.pending.enter() };
                    let task = Rc::clone(&self).connection(context.clone(), newcomer);
                    context.executor.spawn(task).detach();
                }
                Err(error) => {
                    self.complain(|| format!("accepting: {error}"));
                    Timer::after(ERROR_PAUSE).await;
                }
            }
        }
    }

    /// One connection, from its first byte to its last. A bug it runs into ends it alone.
    async fn connection(self: Rc<Self>, context: Context, newcomer: Newcomer) {
        let Newcomer { peer, id, .. } = newcomer;
        let guarded = AssertUnwindSafe(self.converse(&context, newcomer));
        if guarded.catch_unwind().await.is_err() {
            error!("connection {id} {peer} ended by a bug in this program; please report it");
        }
    }

    async fn converse(&self, context: &Context, newcomer: Newcomer) {
        let Newcomer { socket, peer, id, undecided } = newcomer;
        let admitted = match Link::new(socket) {
            Ok(link) => self.admit(link).await,
            Err(error) => Err(LinkEnd::Io(error)),
        };
        let (link, mut session) = match admitted {
            Ok(Some(admitted)) => admitted,
            Ok(None) => return,
            Err(end) => {
                if matches!(end, LinkEnd::Session(_)) {
                    count(&self.protocol_errors);
                    self.complain(|| format!("closed {peer}: {end}"));
                } else {
                    debug!("rtmp: {peer} left before it played: {end}");
                }
                return;
            }
        };
        let agent = session.peer().flash_version.clone();
        let status = ViewerStatus {
            id,
            address: text(peer),
            agent: text(&agent),
            since: clock::mono(),
            ..Default::default()
        };
        let Some(seat) = self.viewers.seat(status) else {
            count(&self.refused_full);
            self.refuse(link, session, Refusal::Full).await;
            return;
        };
        if session.accept_play(clock::mono()).is_err() {
            return;
        }
        drop(undecided);
        info!("viewer {id} {peer} plays ({agent})");
        let Context { programme, shutdown, .. } = context;
        serve(seat, programme, shutdown, link, session).await;
    }

    /// Drives a session until it may play. `None`: it was refused, and told so.
    async fn admit(&self, mut link: Link) -> Result<Option<(Link, ServerSession)>, LinkEnd> {
        let mut session = ServerSession::new(clock::mono());
        loop {
            let flushed = link.flush(&mut session)?;
            if flushed && session.is_closing() {
                count(&self.refused);
                part(link, session).await;
                return Ok(None);
            }
            match link.wake(None, !flushed).await.map_err(LinkEnd::Io)? {
                Wake::Readable => link.receive(&mut session, clock::mono())?,
                Wake::Tick => session.on_deadline(clock::mono())?,
                Wake::Writable | Wake::Rung => {}
            }
            while let Some(event) = session.event() {
                let refusal = match event {
                    ServerEvent::Play { name, .. } if name != STREAM => Refusal::StreamNotFound,
                    ServerEvent::Play { key, .. } if !self.may_play(key.as_ref()) => {
                        Refusal::KeyRequired
                    }
                    ServerEvent::Play { .. } => return Ok(Some((link, session))),
                    ServerEvent::Publish => Refusal::PublishDenied,
                    ServerEvent::Pause(_) | ServerEvent::Stop => continue,
                };
                count(&self.refused);
                self.refuse(link, session, refusal).await;
                return Ok(None);
            }
        }
    }

    async fn refuse(&self, link: Link, mut session: ServerSession, refusal: Refusal) {
        self.complain(|| format!("refused {}: {refusal}", peer_of(&link)));
        if session.refuse(refusal).is_ok() {
            part(link, session).await;
        }
    }

    fn may_play(&self, key: Option<&Secret>) -> bool {
        match &self.play_key {
            None => true,
            Some(wanted) => key.is_some_and(|key| wanted.matches(key.expose())),
        }
    }

    /// Logs what may happen a thousand times a second, once a second.
    fn complain(&self, words: impl FnOnce() -> String) {
        if let Some(more) = self.complaints.borrow_mut().say(clock::mono()) {
            warn!("rtmp: {} ({more} more)", words());
        }
    }
}

/// The one stream served.
const STREAM: &str = "stream";
/// Time a refused peer has to read why.
const PARTING: Duration = Duration::from_secs(1);

/// Lets a refused peer read why, and waits for it to close: closing with its bytes unread would
/// reset the connection and take the words with it.
async fn part(mut link: Link, mut session: ServerSession) {
    let words = async {
        while !link.flush(&mut session)? {
            link.wake(None, true).await.map_err(LinkEnd::Io)?;
        }
        link.socket().shutdown(Half::Write).map_err(LinkEnd::Io)?;
        loop {
            link.wake(None, false).await.map_err(LinkEnd::Io)?;
            link.receive(&mut session, clock::mono())?;
        }
    };
    let late = async {
        Timer::after(PARTING).await;
        Err::<(), LinkEnd>(LinkEnd::Closed)
    };
    // Whether it listened no longer matters.
    let _ = words.or(late).await;
}

fn peer_of(link: &Link) -> String {
    link.socket().peer_addr().map_or_else(|_| "a peer".to_owned(), |peer| peer.to_string())
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// A connection just accepted.
struct Newcomer {
    socket: Async<TcpStream>,
    peer: SocketAddr,
    id: u64,
    undecided: Undecided,
}

/// The connections that have not said yet what they want.
#[derive(Default)]
struct Pending {
    count: Cell<usize>,
    left: Rc<Bell>,
}

impl Pending {
    fn enter(self: &Rc<Self>) -> Undecided {
        self.count.set(self.count.get() + 1);
        Undecided(Rc::clone(self))
    }

    async fn wait_for_room(&self) {
        let mut left = self.left.listen();
        while self.count.get() >= RTMP_PENDING_MAX {
            left.heard().await;
        }
    }
}

/// One of them; it has decided when this is dropped.
struct Undecided(Rc<Pending>);

impl Drop for Undecided {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.left.ring();
    }
}

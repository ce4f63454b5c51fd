//! The RTMP port. Purpose: admits connections, drives each session until it says whether it
//! plays or publishes, and hands it on. Bounds: [`RTMP_PENDING_MAX`] connections that have not
//! said so yet, each for [`RTMP_ADMISSION_MS_MAX`] at most; the viewers' own limit behind that.
//!
//! [`RTMP_PENDING_MAX`]: crate::base::limits::RTMP_PENDING_MAX

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, error, info, warn};
use smol::future::FutureExt;
use smol::LocalExecutor;

use crate::base::events::Condition;
use crate::base::limits::RTMP_ADMISSION_MS_MAX;
use crate::base::redact::Secret;
use crate::base::time::Mono;
use crate::config::{Config, PublishConfig};
use crate::inputs::diagnosis::Air;
use crate::inputs::publisher::{publish, Applicant, Publishers};
use crate::net::link::{Link, LinkEnd, Wake};
use crate::net::proxy::{Proxies, RemotePeer};
use crate::net::reactor::Sleep;
use crate::net::served_certificate::ServedCertificate;
use crate::net::tls::TlsError;
use crate::operator::snapshot::{text, RtmpServerStatus, ViewerStatus};
use crate::outputs::viewers::{serve, Viewers};
use crate::program::Programme;
use crate::rtmp::handshake::HandshakeError;
use crate::rtmp::server::{RtmpRefusal, ServerEvent, ServerSession};
use crate::rtmp::{RtmpSession, SessionError};
use crate::system::clock;
use crate::system::shutdown::Shutdown;

use super::listener::{Newcomer, RtmpListener, Undecided};
use super::opening::{Opener, Unopened};
use super::parting::part;
use super::proxied::Unnamed;
use super::refusals::{Refusals, RequestedName};
use super::rights::{judge, PublishRight, STREAM};

/// Time a connection has to say what it wants, from its arrival on.
const ADMISSION: Duration = Duration::from_millis(RTMP_ADMISSION_MS_MAX);
/// Time a publisher or a player with a wrong key waits for its answer.
const KEY_DELAY_MS: u64 = 1_000;

/// The RTMP port.
pub struct RtmpPort {
    listener: Rc<RtmpListener>,
    opener: Opener,
    play_key: Option<Secret>,
    viewers: Rc<Viewers>,
    publish: PublishConfig,
    publishers: Rc<Publishers>,
    refused_full: Cell<u64>,
    refused_share: Cell<u64>,
    refused: Cell<u64>,
    protocol_errors: Cell<u64>,
    refusals: RefCell<Refusals>,
    broken: RefCell<Condition>,
    /// Bytes received on all connections.
    bytes_in: Rc<Cell<u64>>,
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
    /// Binds the port; with a certificate it takes RTMPS, too.
    pub fn bind(
        config: &Config,
        certificate: Option<Arc<ServedCertificate>>,
        viewers: Rc<Viewers>,
        publishers: Rc<Publishers>,
    ) -> io::Result<RtmpPort> {
        Ok(RtmpPort {
            listener: Rc::new(RtmpListener::bind(&config.rtmp, Proxies::new(&config.proxies))?),
            opener: Opener::new(certificate),
            play_key: config.rtmp.play_key.clone(),
            viewers,
            publish: config.publish.clone(),
            publishers,
            refused_full: Cell::new(0),
            refused_share: Cell::new(0),
            refused: Cell::new(0),
            protocol_errors: Cell::new(0),
            refusals: RefCell::new(Refusals::new(config.publish.key.is_some())),
            broken: RefCell::default(),
            bytes_in: Rc::default(),
        })
    }

    /// The address it listens on.
    pub fn listen(&self) -> SocketAddr {
        self.listener.listen()
    }

    /// Tells what is over, and finds out why what is published is not on air.
    pub fn look(&self, air: Air, now: Mono) {
        let mut refusals = self.refusals.borrow_mut();
        refusals.look(now);
        self.listener.look(now);
        self.viewers.look(now);
        self.publishers.look(refusals.reason(now), air, now);
        if let Some(over) = self.broken.borrow_mut().over(now) {
            info!("rtmp: no more protocol errors ({over})");
        }
    }

    /// Its state.
    pub fn status(&self) -> RtmpServerStatus {
        let totals = self.viewers.totals();
        RtmpServerStatus {
            listen: text(self.listen()),
            tls: self.opener.takes_tls(),
            accepted: self.listener.accepted(),
            refused_full: self.refused_full.get() + self.listener.crowded_out(),
            refused_share: self.refused_share.get(),
            refused: self.refused.get() + self.listener.turned_away(),
            protocol_errors: self.protocol_errors.get(),
            closed_slow: totals.closed_slow.get(),
            closed_unheard: totals.closed_unheard.get(),
            closed_for_others: totals.closed_for_others.get(),
            skips: totals.skips.get(),
            bytes_in: self.bytes_in.get(),
            viewer_bytes_in: totals.bytes_in.get(),
            bytes_out: totals.bytes_out.get(),
            refusals: self.refusals.borrow().status(),
            ..Default::default()
        }
    }

    /// Lets in for ever.
    pub async fn run(self: Rc<Self>, context: Context) {
        loop {
            let newcomer = self.listener.next().await;
            let id = newcomer.id;
            let task = Rc::clone(&self).connection(context.clone(), newcomer);
            self.listener.keep(id, context.executor.spawn(task));
        }
    }

    /// One connection, from its first byte to its last. A bug it runs into ends it alone.
    async fn connection(self: Rc<Self>, context: Context, newcomer: Newcomer) {
        let Newcomer { peer, id, .. } = newcomer;
        let guarded = AssertUnwindSafe(self.converse(&context, newcomer));
        if guarded.catch_unwind().await.is_err() {
            error!("connection {id} {peer} hit a bug in this program; please report it");
        }
    }

    async fn converse(&self, context: &Context, newcomer: Newcomer) {
        let client = match newcomer.client().await {
            Ok(client) => client,
            Err(why) => return self.turn_away(newcomer.peer, &why),
        };
        // Another's was looked at before it had a seat.
        if client.is_proxied && !self.listener.lets_in(&client) {
            return;
        }
        let Newcomer { socket, id, undecided, .. } = newcomer;
        let (peer, source) = (client.address, client.source());
        let arrived = clock::mono();
        let stream = match self.opener.open(socket, arrived + ADMISSION).await {
            Ok(stream) => stream,
            Err(why) => return self.leave_unopened(peer, &why),
        };
        let admitted = match Link::new(stream) {
            Ok(mut link) => {
                link.count_into(Rc::clone(&self.bytes_in));
                self.admit(link, client, arrived).await
            }
            Err(error) => Err(LinkEnd::Io(error)),
        };
        let arrival = |link, session| AdmittedPeer { link, session, peer, source, id, undecided };
        match admitted {
            Ok(Some((link, session, Wish::Play))) => {
                self.play(context, arrival(link, session)).await;
            }
            Ok(Some((link, session, Wish::Publish { by_key }))) => {
                self.publish(context, arrival(link, session), by_key).await;
            }
            Ok(None) => {}
            Err(LinkEnd::Session(SessionError::Handshake(HandshakeError::ProxyHeader))) => {
                count(&self.protocol_errors);
                self.note(RtmpRefusal::ProxyHeader, peer, "", RequestedName::Nothing);
            }
            Err(LinkEnd::Session(SessionError::Handshake(HandshakeError::Tls))) => {
                count(&self.protocol_errors);
                self.note(RtmpRefusal::NoCertificate, peer, "", RequestedName::Nothing);
            }
            Err(end @ LinkEnd::Session(_)) => self.close_broken(peer, end),
            Err(end) => debug!("rtmp: {peer} left before it played or published: {end}"),
        }
    }

    /// Closes a connection of which it never became known what it carries.
    fn leave_unopened(&self, peer: SocketAddr, why: &Unopened) {
        match why {
            Unopened::Tls(error) if error.is_distrust() => {
                count(&self.protocol_errors);
                let refusal = RtmpRefusal::CertificateNotTrusted;
                self.note(refusal, peer, "", RequestedName::Nothing);
            }
            Unopened::Tls(error @ TlsError::Tls(_)) => self.close_broken(peer, error),
            Unopened::Tls(error) => debug!("rtmp: {peer} left during the TLS handshake: {error}"),
            Unopened::Left(error) => debug!("rtmp: {peer} left before it said anything: {error}"),
        }
    }

    /// Who leaves behind the TLS handshake without a word has looked at the certificate: GnuTLS and
    /// others shake hands first and judge then.
    fn note_distrust(&self, link: &Link, peer: SocketAddr) {
        if link.stream().is_encrypted() && link.bytes_in() == 0 {
            count(&self.protocol_errors);
            self.note(RtmpRefusal::CertificateNotTrusted, peer, "", RequestedName::Nothing);
        }
    }

    /// Closes a connection whose peer broke a protocol.
    fn close_broken(&self, peer: SocketAddr, why: impl fmt::Display) {
        count(&self.protocol_errors);
        if self.broken.borrow_mut().occurs(clock::mono()) {
            warn!("rtmp: closed {peer}: {why}");
        }
    }

    /// Closes a proxy's connection that is for nobody we know.
    fn turn_away(&self, proxy: SocketAddr, why: &Unnamed) {
        match why.refusal() {
            Ok((refusal, asked)) => {
                count(&self.protocol_errors);
                self.note(refusal, proxy, "", asked);
            }
            Err(error) => debug!("rtmp: {proxy} left before it named a client: {error}"),
        }
    }

    async fn play(&self, context: &Context, arrival: AdmittedPeer) {
        let AdmittedPeer { link, mut session, peer, source, id, undecided } = arrival;
        let encrypted = link.stream().is_encrypted();
        let agent = session.peer().flash_version.clone();
        let status = ViewerStatus {
            id,
            address: text(peer),
            agent: text(&agent),
            encrypted,
            since: clock::mono(),
            ..Default::default()
        };
        let seat = match self.viewers.seat(status, source) {
            Ok(seat) => seat,
            Err(refusal) => {
                let is_share = refusal == RtmpRefusal::ShareTaken;
                count(if is_share { &self.refused_share } else { &self.refused_full });
                self.refuse(link, session, refusal, peer, RequestedName::Nothing).await;
                return;
            }
        };
        session.ping_each(self.viewers.patience().ping);
        if link.expect_little().is_err() || session.accept_play(clock::mono()).is_err() {
            return;
        }
        drop(undecided);
        let how = if encrypted { "plays by RTMPS" } else { "plays" };
        self.viewers.say(format_args!("viewer {id} {peer} {how} ({agent})"));
        let Context { programme, shutdown, .. } = context;
        serve(seat, programme, shutdown, link, session).await;
    }

    async fn publish(&self, context: &Context, arrival: AdmittedPeer, by_key: bool) {
        let AdmittedPeer { mut link, mut session, peer, id, undecided, .. } = arrival;
        let Context { programme, shutdown, .. } = context;
        let now = clock::mono();
        let agent = session.peer().flash_version.clone();
        let applicant =
            Applicant { id, peer, agent, by_key, is_encrypted: link.stream().is_encrypted() };
        let Some(claim) = self.publishers.claim(&applicant, programme, now) else {
            count(&self.refused);
            self.refuse(link, session, RtmpRefusal::PublishBusy, peer, RequestedName::Nothing)
                .await;
            return;
        };
        self.refusals.borrow_mut().publishes(peer.ip());
        if session.accept_publish(now).is_err() || link.expect_media().is_err() {
            return;
        }
        drop(undecided);
        if let Some((link, session)) = publish(claim, programme, shutdown, link, session).await {
            part(link, session).await;
        }
    }

    /// Drives a session until it may play or publish. `None`: it was refused, and told so.
    async fn admit(
        &self,
        mut link: Link,
        client: RemotePeer,
        arrived: Mono,
    ) -> Result<Option<(Link, ServerSession, Wish)>, LinkEnd> {
        let peer = client.address;
        let mut session = ServerSession::new(arrived);
        let until = arrived + ADMISSION;
        loop {
            let flushed = link.flush(&mut session)?;
            if flushed && session.is_closing() {
                count(&self.refused);
                if let Some(app) = session.rejected_app() {
                    let agent = &session.peer().flash_version;
                    self.note(RtmpRefusal::App, peer, agent, RequestedName::App(app));
                }
                part(link, session).await;
                return Ok(None);
            }
            match link.wake(None, !flushed).await {
                Wake::Readable => {
                    if let Err(end) = link.receive(&mut session, clock::mono()) {
                        self.note_distrust(&link, peer);
                        return Err(end);
                    }
                }
                Wake::Tick => session.on_deadline(clock::mono())?,
                Wake::Writable | Wake::Rung => {}
            }
            if session.is_closing() && clock::mono() >= until {
                // It was told to go and does not read it.
                return Err(SessionError::TimedOut { what: "its answers" }.into());
            }
            while let Some(event) = session.event() {
                let asked = asked(&event);
                match self.judge(event, client.judged()) {
                    None => {}
                    Some(Ok(wish)) => return Ok(Some((link, session, wish))),
                    Some(Err(refusal)) => {
                        if refusal == RtmpRefusal::PublishKeyRequired {
                            self.publishers.refused_key();
                        }
                        if matches!(
                            refusal,
                            RtmpRefusal::PublishKeyRequired | RtmpRefusal::KeyRequired
                        ) {
                            // Who guesses gets one answer a second from each seat.
                            Sleep::after(Duration::from_millis(KEY_DELAY_MS)).await;
                        }
                        count(&self.refused);
                        self.refuse(link, session, refusal, peer, RequestedName::Name(&asked))
                            .await;
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Whether what a peer asks for is granted; `None` if it asks for nothing.
    fn judge(&self, event: ServerEvent, address: IpAddr) -> Option<Result<Wish, RtmpRefusal>> {
        match event {
            ServerEvent::Play { name, .. } if name != STREAM => {
                Some(Err(RtmpRefusal::StreamNotFound))
            }
            ServerEvent::Play { key, .. } if !self.may_play(key.as_ref()) => {
                Some(Err(RtmpRefusal::KeyRequired))
            }
            ServerEvent::Play { .. } => Some(Ok(Wish::Play)),
            ServerEvent::Publish { name, key } => {
                Some(match judge(&self.publish, address, &name, key.as_ref()) {
                    PublishRight::Granted { by_key } => Ok(Wish::Publish { by_key }),
                    PublishRight::Denied(refusal) => Err(refusal),
                    PublishRight::WrongKey => Err(RtmpRefusal::PublishKeyRequired),
                })
            }
            ServerEvent::Pause(_) | ServerEvent::Stop => None,
        }
    }

    async fn refuse(
        &self,
        link: Link,
        mut session: ServerSession,
        refusal: RtmpRefusal,
        peer: SocketAddr,
        asked: RequestedName<'_>,
    ) {
        self.note(refusal, peer, &session.peer().flash_version, asked);
        if session.refuse(refusal).is_ok() {
            part(link, session).await;
        }
    }

    fn note(&self, refusal: RtmpRefusal, peer: SocketAddr, agent: &str, asked: RequestedName<'_>) {
        let mut refusals = self.refusals.borrow_mut();
        refusals.refused(refusal, peer.ip(), agent, asked, clock::mono());
    }

    fn may_play(&self, key: Option<&Secret>) -> bool {
        match &self.play_key {
            None => true,
            Some(wanted) => key.is_some_and(|key| wanted.matches(key.expose())),
        }
    }
}

/// The name of the stream asked for, without its query; it may be a key.
fn asked(event: &ServerEvent) -> String {
    match event {
        ServerEvent::Play { name, .. } => name.clone(),
        ServerEvent::Publish { name, .. } => name.expose().to_owned(),
        ServerEvent::Pause(_) | ServerEvent::Stop => String::new(),
    }
}

/// What a peer may do.
enum Wish {
    Play,
    Publish { by_key: bool },
}

/// A peer that has said what it wants, and may.
struct AdmittedPeer {
    link: Link,
    session: ServerSession,
    peer: SocketAddr,
    /// Whom it counts for.
    source: IpAddr,
    id: u64,
    undecided: Undecided,
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

//! RTMP viewers. Purpose: feeds each from the ring, keeps its statistics, and closes it by name
//! and reason when it cannot keep up (MediaMTX #4651). Non-goals: admission (ports), what is on
//! air. Bounds: the configured number of viewers; per viewer this state and the session's.
//!
//! What an audience costs is the kernel's work for each write. With many viewers frames wait for
//! one another, [`batch`] at most, and several leave by one write.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use log::{debug, info, warn};

use crate::base::events::{Condition, News};
use crate::base::limits::{VIEWER_STALL_MS_MAX, VIEWER_UNHEARD_MS_MAX};
use crate::base::time::Mono;
use crate::codec::access_unit::Track;
use crate::net::link::{Link, LinkEnd, Wake};
use crate::net::reactor::Sleep;
use crate::operator::snapshot::ViewerStatus;
use crate::program::bell::{Bell, Listener};
use crate::program::Programme;
use crate::rtmp::server::{RtmpRefusal, ServerEvent, ServerSession};
use crate::rtmp::RtmpSession;
use crate::system::clock;
use crate::system::heap;
use crate::system::shutdown::Shutdown;

use super::attention::Attention;
pub use super::attention::Patience;
use super::feeder::{Audience, Fed, FeedError, Feeder};
use super::seats::{SeatRoom, SeatUse, SessionSeats};

/// A player may be paused for so long: it costs a seat and sees nothing.
const VIEWER_PAUSED_MS_MAX: u64 = 600_000;
/// With so many viewers frames begin to wait: fewer cost so little that nothing is to be saved.
const VIEWER_BATCH_FROM: usize = 20;
/// With so many they wait in full.
const VIEWER_BATCH_FULL: usize = 100;

/// The viewers there are.
pub struct Viewers {
    patience: Patience,
    /// How long frames may wait to leave together.
    batch_max: Duration,
    /// Rings when the viewers have something to send.
    bell: Rc<Bell>,
    seats: RefCell<SessionSeats<Taken>>,
    totals: Totals,
    arrivals: RefCell<News>,
    slowness: RefCell<News>,
    /// Viewers make room for others that watch.
    crowding: RefCell<Condition>,
}

/// A seat that is taken.
#[derive(Clone)]
struct Taken {
    status: Rc<RefCell<ViewerStatus>>,
    /// Nothing has come from its holder for long.
    unheard: Rc<Cell<bool>>,
    /// Its holder is to leave for another.
    given_up: Rc<Cell<bool>>,
}

impl Taken {
    fn holder(&self) -> SeatUse {
        let status = self.status.borrow();
        match (status.paused || self.unheard.get(), status.bytes_out) {
            (true, _) => SeatUse::Idle,
            (false, 0) => SeatUse::New,
            (false, _) => SeatUse::Watches,
        }
    }
}

/// What all viewers together have cost, those who have left included.
#[derive(Default)]
pub struct Totals {
    /// Bytes received.
    pub bytes_in: Cell<u64>,
    /// Bytes sent.
    pub bytes_out: Cell<u64>,
    /// Viewers closed because they fell behind or stalled.
    pub closed_slow: Cell<u64>,
    /// Viewers closed because they answered nothing.
    pub closed_unheard: Cell<u64>,
    /// Viewers closed to make room for others.
    pub closed_for_others: Cell<u64>,
    /// Times one was skipped to the newest keyframe.
    pub skips: Cell<u64>,
}

impl Viewers {
    /// Room for `max` viewers; with many of them frames wait `batch_max` at most for others, to
    /// leave together.
    pub fn new(max: usize, batch_max: Duration) -> Viewers {
        Viewers {
            patience: Patience::default(),
            batch_max,
            bell: Rc::default(),
            seats: RefCell::new(SessionSeats::new(max)),
            totals: Totals::default(),
            arrivals: RefCell::default(),
            slowness: RefCell::default(),
            crowding: RefCell::default(),
        }
    }

    /// The same, waiting otherwise for viewers that say nothing.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Viewers {
        Viewers { patience, ..self }
    }

    /// How long is waited for viewers.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// A seat for a viewer from this source, as [`seats`](super::seats) has it, if there is memory
    /// for it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn seat(
        self: &Rc<Self>,
        viewer: ViewerStatus,
        source: IpAddr,
    ) -> Result<ViewerSeat, RtmpRefusal> {
        if heap::is_tight() {
            return Err(RtmpRefusal::Full);
        }
        let mut seats = self.seats.borrow_mut();
        match seats.room(source, Taken::holder) {
            SeatRoom::Free => {}
            SeatRoom::InPlaceOf(gone) => {
                if let Some((from, gone)) = seats.leave(gone) {
                    gone.given_up.set(true);
                    self.bell.ring();
                    let held = seats.held(from) + 1;
                    self.say_crowded(format_args!("{from}, which held {held} seats,"));
                }
            }
            SeatRoom::Full => return Err(RtmpRefusal::Full),
            SeatRoom::ShareTaken => return Err(RtmpRefusal::ShareTaken),
        }
        let id = viewer.id;
        let status = Rc::new(RefCell::new(viewer));
        let taken = Taken { status, unheard: Rc::default(), given_up: Rc::default() };
        seats.take(id, source, taken.clone());
        Ok(ViewerSeat { viewers: Rc::clone(self), id, taken })
    }

    fn say_crowded(&self, whose: impl fmt::Display) {
        if self.crowding.borrow_mut().occurs(clock::mono()) {
            warn!(
                "rtmp: all viewers' seats are in use: a viewer from {whose} was closed for \
                 another. \
                 If that happens often, raise viewers_max in [rtmp]"
            );
        }
    }

    /// Tells what is over.
    pub fn look(&self, now: Mono) {
        if let Some(over) = self.crowding.borrow_mut().over(now) {
            info!("rtmp: viewers no longer have to make room for others ({over})");
        }
    }

    /// Wakes the viewers when the programme has moved, for ever: at once behind a pause, and no
    /// sooner than [`batch`] behind the last time.
    pub async fn wake(&self, programme: &Programme) {
        let mut moved = programme.listen();
        let mut last = clock::mono();
        loop {
            moved.heard().await;
            let due = last + batch(self.seats.borrow().taken(), self.batch_max);
            let now = clock::mono();
            if now < due {
                Sleep::after(due.since(now)).await;
            }
            last = clock::mono();
            self.bell.ring();
        }
    }

    /// Logs that one has come or gone; a flood of them is only counted.
    pub fn say(&self, words: impl fmt::Display) {
        tell(&self.arrivals, words);
    }

    /// How many there may be.
    pub fn max(&self) -> usize {
        self.seats.borrow().max()
    }

    /// All of them.
    pub fn status(&self) -> Vec<ViewerStatus> {
        self.seats.borrow().holders().map(|taken| taken.status.borrow().clone()).collect()
    }

    /// What they have cost.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }
}

/// How long frames may wait with so many viewers: not at all up to [`VIEWER_BATCH_FROM`], in full
/// from [`VIEWER_BATCH_FULL`] on.
fn batch(viewers: usize, most: Duration) -> Duration {
    let many = viewers.saturating_sub(VIEWER_BATCH_FROM);
    let span = VIEWER_BATCH_FULL - VIEWER_BATCH_FROM;
    most.mul_f64((many as f64 / span as f64).min(1.0))
}

fn tell(news: &RefCell<News>, words: impl fmt::Display) {
    match news.borrow_mut().say(clock::mono()) {
        Some(0) => info!("{words}"),
        Some(more) => info!("{words} ({more} more like this were not logged)"),
        None => {}
    }
}

/// A viewer's place; given back when dropped.
pub struct ViewerSeat {
    viewers: Rc<Viewers>,
    id: u64,
    taken: Taken,
}

impl Drop for ViewerSeat {
    fn drop(&mut self) {
        self.viewers.seats.borrow_mut().leave(self.id);
    }
}

/// Why a viewer's connection ended.
enum ViewerEnd {
    /// It stopped, or the connection ended.
    Left(LinkEnd),
    /// It asked to stop playing.
    Stopped,
    /// The ring overtook it in the middle of a message.
    Overtaken,
    /// It took no byte for too long.
    Stalled,
    /// It was paused for too long.
    Paused,
    /// Nothing came from it for too long.
    Unheard,
    /// Another came, and it was the one to make room.
    GivenUp,
    /// The program ends.
    Shutdown,
}

impl From<LinkEnd> for ViewerEnd {
    fn from(end: LinkEnd) -> ViewerEnd {
        ViewerEnd::Left(end)
    }
}

impl From<FeedError> for ViewerEnd {
    fn from(error: FeedError) -> ViewerEnd {
        match error {
            FeedError::Overtaken => ViewerEnd::Overtaken,
            FeedError::Link(end) => ViewerEnd::Left(end),
        }
    }
}

impl fmt::Display for ViewerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewerEnd::Left(end) => write!(f, "{end}"),
            ViewerEnd::Stopped => write!(f, "it stopped playing"),
            ViewerEnd::Overtaken => write!(f, "too slow: overtaken in the middle of a message"),
            ViewerEnd::Stalled => write!(
                f,
                "too slow: accepted no data for {VIEWER_STALL_MS_MAX} \
                                             ms"
            ),
            ViewerEnd::Paused => {
                write!(f, "it was paused for {} min", VIEWER_PAUSED_MS_MAX / 60_000)
            }
            ViewerEnd::Unheard => write!(
                f,
                "it answered no ping and sent nothing else for {} s: nobody seems to be there",
                VIEWER_UNHEARD_MS_MAX / 1000
            ),
            ViewerEnd::GivenUp => write!(
                f,
                "all seats were in use and another viewer connected; it was paused or silent, or \
                 its address had most seats"
            ),
            ViewerEnd::Shutdown => write!(f, "the program is stopping"),
        }
    }
}

/// A viewer that plays.
struct Viewer<'p> {
    seat: ViewerSeat,
    programme: &'p Programme,
    link: Link,
    session: ServerSession,
    feeder: Feeder,
    listener: Listener,
    attention: Attention,
    paused_since: Option<Mono>,
    skips_said: u64,
    slow: Condition,
}

/// A viewer that was not skipped for so long keeps up again.
const KEEPS_UP: Duration = Duration::from_secs(60);

/// Serves a viewer until it leaves; its session has just accepted to play.
pub async fn serve(
    seat: ViewerSeat,
    programme: &Programme,
    shutdown: &Shutdown,
    mut link: Link,
    session: ServerSession,
) {
    let Some(message_stream) = session.playing() else { return };
    let listener = seat.viewers.bell.listen();
    let patience = seat.viewers.patience;
    link.look_each(patience.ping);
    let mut viewer = Viewer {
        seat,
        programme,
        link,
        session,
        feeder: Feeder::new(message_stream, Audience::Viewer, clock::mono()),
        listener,
        attention: Attention::new(patience, clock::mono()),
        paused_since: None,
        skips_said: 0,
        slow: Condition::default(),
    };
    let end = match viewer.play(shutdown).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let Viewers { totals, arrivals, slowness, .. } = &*viewer.seat.viewers;
    let slow = matches!(end, ViewerEnd::Overtaken | ViewerEnd::Stalled);
    if slow {
        totals.closed_slow.set(totals.closed_slow.get() + 1);
    }
    match end {
        ViewerEnd::Unheard => totals.closed_unheard.set(totals.closed_unheard.get() + 1),
        ViewerEnd::GivenUp => totals.closed_for_others.set(totals.closed_for_others.get() + 1),
        _ => {}
    }
    let status = viewer.seat.taken.status.borrow();
    let (id, address, sent) = (status.id, &status.address, status.bytes_out);
    let news = if slow { slowness } else { arrivals };
    tell(news, format_args!("viewer {id} {address} left after {sent} bytes: {end}"));
}

impl Viewer<'_> {
    async fn play(&mut self, shutdown: &Shutdown) -> Result<std::convert::Infallible, ViewerEnd> {
        let mut blocked = false;
        loop {
            if shutdown.is_asked() {
                // Best effort: what the socket does not take at once is not waited for.
                self.session.end_play().map_err(LinkEnd::Session)?;
                self.feeder.hold();
                self.feed()?;
                return Err(ViewerEnd::Shutdown);
            }
            if self.seat.taken.given_up.get() {
                return Err(ViewerEnd::GivenUp);
            }
            if !blocked {
                blocked = self.feed()? == Fed::Blocked;
            }
            match self.link.wake(Some(&mut self.listener), blocked).await {
                Wake::Readable => {
                    let now = clock::mono();
                    self.link.receive(&mut self.session, now)?;
                    self.attention.heard(self.feeder.media_bytes(), now);
                    self.seat.taken.unheard.set(false);
                    self.answer()?;
                }
                Wake::Writable => blocked = false,
                Wake::Rung => {}
                Wake::Tick => self.look_at_deadlines(blocked)?,
            }
        }
    }

    fn feed(&mut self) -> Result<Fed, ViewerEnd> {
        let now = clock::mono();
        let ring = self.programme.ring();
        let fed = self.feeder.feed(&ring, &mut self.session, self.link.stream(), now)?;
        self.tell(now);
        Ok(fed)
    }

    /// Does what the viewer's commands ask.
    fn answer(&mut self) -> Result<(), ViewerEnd> {
        while let Some(event) = self.session.event() {
            match event {
                ServerEvent::Pause(true) => {
                    self.feeder.hold();
                    self.paused_since.get_or_insert(clock::mono());
                }
                ServerEvent::Pause(false) => {
                    self.feeder.resume();
                    self.paused_since = None;
                }
                ServerEvent::Stop => return Err(ViewerEnd::Stopped),
                other => debug!("viewer {}: ignored {other:?}", self.seat.id),
            }
        }
        Ok(())
    }

    fn look_at_deadlines(&mut self, blocked: bool) -> Result<(), ViewerEnd> {
        let now = clock::mono();
        let stalled = now.since(self.feeder.progress());
        if blocked && stalled >= Duration::from_millis(VIEWER_STALL_MS_MAX) {
            return Err(ViewerEnd::Stalled);
        }
        let is_over = |since| now.since(since) >= Duration::from_millis(VIEWER_PAUSED_MS_MAX);
        if self.paused_since.is_some_and(is_over) {
            return Err(ViewerEnd::Paused);
        }
        // Who is paused may well read nothing, not even pings.
        if self.paused_since.is_none() && !blocked {
            self.seat.taken.unheard.set(self.attention.is_unheard(now));
            if self.attention.is_gone(self.feeder.media_bytes(), now) {
                return Err(ViewerEnd::Unheard);
            }
        }
        self.session.on_deadline(now).map_err(LinkEnd::Session)?;
        Ok(())
    }

    /// Brings its statistics up to date.
    fn tell(&mut self, now: Mono) {
        let reader = self.feeder.reader();
        let mut status = self.seat.taken.status.borrow_mut();
        let sent = self.feeder.media_bytes();
        let totals = &self.seat.viewers.totals;
        totals.bytes_out.set(totals.bytes_out.get() + (sent - status.bytes_out));
        status.bytes_out = sent;
        let came = self.link.bytes_in();
        totals.bytes_in.set(totals.bytes_in.get() + came.saturating_sub(status.bytes_in));
        status.bytes_in = came;
        status.timestamp_ms = self.feeder.timestamp_ms();
        if let [Some(video), Some(audio)] = Track::ALL.map(|track| reader.last_ms(track)) {
            status.av_sync_ms = audio - video;
        }
        status.lag_ms = u64::try_from(reader.lag(&self.programme.ring()).to_ms()).unwrap_or(0);
        status.dropped = reader.dropped();
        status.paused = self.feeder.is_held();
        if reader.skips() > self.skips_said {
            totals.skips.set(totals.skips.get() + reader.skips() - self.skips_said);
            self.skips_said = reader.skips();
            if self.slow.occurs(now) {
                let (id, address) = (status.id, &status.address);
                tell(
                    &self.seat.viewers.slowness,
                    format_args!(
                        "viewer {id} {address} is too slow: skipped to the newest keyframe"
                    ),
                );
            }
        } else if let Some(over) = self.slow.over_after(now, KEEPS_UP) {
            let (id, address) = (status.id, &status.address);
            let words = format_args!("viewer {id} {address} keeps up again (skipped {over})");
            tell(&self.seat.viewers.slowness, words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_all_seats_are_taken_who_is_paused_makes_room() {
        let viewers = Rc::new(Viewers::new(2, Duration::ZERO));
        let seat = |id| {
            let from = IpAddr::from([192, 0, 2, id as u8]);
            viewers.seat(ViewerStatus { id, ..ViewerStatus::default() }, from)
        };
        let (first, second) = (seat(1).expect("free"), seat(2).expect("free"));
        assert_eq!(seat(3).err(), Some(RtmpRefusal::Full));
        second.taken.status.borrow_mut().paused = true;
        let third = seat(3).expect("made free");
        assert!(second.taken.given_up.get());
        assert!(!first.taken.given_up.get());
        drop(second);
        let ids: Vec<u64> = viewers.status().iter().map(|viewer| viewer.id).collect();
        assert_eq!(ids, [1, 3]);
        drop((first, third));
        assert!(viewers.status().is_empty());
    }

    #[test]
    fn few_viewers_wait_for_nothing_and_many_in_full() {
        let most = Duration::from_millis(80);
        let ms = |viewers| batch(viewers, most).as_millis();
        assert_eq!([0, 1, 20, 21, 60, 100, 2000].map(ms), [0, 0, 0, 1, 40, 80, 80]);
        assert_eq!(batch(2000, Duration::ZERO), Duration::ZERO);
    }
}

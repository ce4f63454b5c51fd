//! Tries to keep a connection we make: to a platform, or to a server we pull from. Purpose: try,
//! pause, try again, and say why, in one way for both. Non-goals: a single try (push, pull), how
//! long a pause is (backoff), what is shown (record). Bound: one try at a time.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use log::{info, warn};
use smol::future::FutureExt;

use crate::base::limits::{DESTINATION_STALL_MS_MAX, MEDIA_IDLE_MS_MAX};
use crate::base::redact::{scrub, Secret};
use crate::rtmp::url::RtmpUrl;

use super::byte_stream::ByteStream;
use super::connect::{connect, ConnectError};
use super::link::LinkEnd;
use super::reactor::Sleep;
use super::tls::Authorities;
use crate::base::backoff::{Backoff, FailureReason};
use crate::operator::record::{Record, WorkPhase};
use crate::operator::snapshot::text;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

/// What a server does that takes a stream and drops it, again and again.
const REJECTING: &str = "it accepts the stream and closes at once; check the stream key";

/// Why a try ended.
pub enum TryEnd {
    /// No connection came about.
    Connect(ConnectError),
    /// The connection.
    Link(LinkEnd),
    /// The server closed instead of giving an answer.
    Wordless {
        /// The answer that was awaited.
        answer: &'static str,
        /// What in the configuration may be wrong.
        suspects: &'static str,
    },
    /// The server said no; its words.
    Refused(String),
    /// The server says that the stream is over.
    Over,
    /// The server brought no media for [`MEDIA_IDLE_MS_MAX`].
    Silent,
    /// The ring overtook it in the middle of a message.
    Overtaken,
    /// The server took no byte for [`DESTINATION_STALL_MS_MAX`].
    Stalled,
    /// Its session was to end now, and the next one begins behind this pause.
    Planned(Duration),
    /// The program ends.
    Shutdown,
}

impl fmt::Display for TryEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryEnd::Connect(error) => write!(f, "{error}"),
            TryEnd::Link(end) => write!(f, "{end}"),
            TryEnd::Wordless { answer, suspects } => {
                write!(f, "it closed the connection instead of sending {answer}; ")?;
                write!(f, "{suspects} may be wrong")
            }
            TryEnd::Refused(words) => write!(f, "refused: {words}"),
            TryEnd::Over => write!(f, "the server says that the stream has ended"),
            TryEnd::Silent => write!(f, "it sent no media for {MEDIA_IDLE_MS_MAX} ms"),
            TryEnd::Overtaken => write!(f, "too slow: overtaken in the middle of a message"),
            TryEnd::Stalled => write!(f, "it accepted no data for {DESTINATION_STALL_MS_MAX} ms"),
            TryEnd::Planned(_) => write!(f, "its session has ended as planned"),
            TryEnd::Shutdown => write!(f, "the program is stopping"),
        }
    }
}

impl From<LinkEnd> for TryEnd {
    fn from(end: LinkEnd) -> TryEnd {
        TryEnd::Link(end)
    }
}

impl TryEnd {
    /// The server's no, in its words.
    pub fn refused(code: &str, description: &str) -> TryEnd {
        TryEnd::Refused(format!("{code} {description}"))
    }

    /// The same, seen with the answer that was `awaited` of the server, if any: to close the
    /// connection instead is how many a server says no.
    pub fn instead_of(self, awaited: Option<&'static str>, suspects: &'static str) -> TryEnd {
        match (self, awaited) {
            (TryEnd::Link(LinkEnd::Closed), Some(answer)) => TryEnd::Wordless { answer, suspects },
            (end, _) => end,
        }
    }
}

/// Connects, unless the program ends before.
///
/// # Errors
/// [`TryEnd::Connect`] or [`TryEnd::Shutdown`].
pub async fn connect_until(
    url: &RtmpUrl,
    authorities: &Authorities,
    shutdown: &Shutdown,
) -> Result<ByteStream, TryEnd> {
    let connected = async { connect(url, authorities).await.map_err(TryEnd::Connect) };
    let stop = async {
        shutdown.asked().await;
        Err(TryEnd::Shutdown)
    };
    connected.or(stop).await
}

/// A connection that is tried again whenever it ends.
pub struct Retry<'r> {
    /// What the log calls it.
    pub who: &'r str,
    /// What is not to be seen in the words it ended with.
    pub hidden: &'r [&'r Secret],
    /// What is known of it.
    pub record: &'r RefCell<Record>,
}

impl Retry<'_> {
    /// Tries until the program ends. A try is told once a minute, or when it ended in another way
    /// than the one before.
    pub async fn run<Try>(&self, shutdown: &Shutdown, mut attempt: impl FnMut() -> Try)
    where
        Try: Future<Output = Result<Infallible, TryEnd>>,
    {
        let mut backoff = Backoff::new(fastrand::Rng::new());
        while !shutdown.is_asked() {
            self.enter(WorkPhase::Connecting);
            let end = match attempt().await {
                Ok(never) => match never {},
                Err(end) => end,
            };
            let reason = match end {
                TryEnd::Shutdown => break,
                TryEnd::Refused(_) => FailureReason::Refused,
                _ => FailureReason::Away,
            };
            if self.record.borrow().was_steady() {
                backoff.reset();
            }
            let planned = match end {
                TryEnd::Planned(pause) => Some(pause),
                _ => None,
            };
            let now = clock::mono();
            let (reason, pause) = match planned {
                Some(pause) => (reason, pause),
                None => {
                    let reason = self.record.borrow_mut().ended(reason, now);
                    (reason, backoff.pause(reason))
                }
            };
            let words = match reason {
                FailureReason::Rejecting => format!("{REJECTING} ({end})"),
                _ => end.to_string(),
            };
            let words = text(scrub(&words, self.hidden));
            if self.record.borrow_mut().failed(words.clone(), now) {
                let pause_s = pause.as_secs_f64();
                match planned {
                    Some(_) => info!("{}: {words}; the next begins in {pause_s} s", self.who),
                    None => warn!("{}: {words}; retrying in {pause_s:.1} s", self.who),
                }
            }
            self.enter(WorkPhase::Waiting { until: now + pause, reason });
            let wait = async {
                Sleep::after(pause).await;
            };
            wait.or(shutdown.asked()).await;
        }
        self.enter(WorkPhase::Idle);
    }

    fn enter(&self, phase: WorkPhase) {
        self.record.borrow_mut().enter(phase, clock::mono());
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{yield_now, zip};

    use super::*;
    use crate::net::reactor;
    use crate::operator::snapshot::{DestinationState, DestinationStatus, Text};

    fn status(record: &RefCell<Record>) -> DestinationStatus {
        record.borrow().status(Text::new(), Text::new(), clock::mono())
    }

    /// Tries once with this end; returns what is shown in the pause, and at the end.
    fn tried(end: TryEnd) -> (DestinationStatus, DestinationStatus) {
        let record = RefCell::new(Record::new(clock::mono()));
        let (shutdown, key) = (Shutdown::default(), Secret::new("live_4711"));
        let retry = Retry { who: "destination x", hidden: &[&key], record: &record };
        let mut ends = vec![end];
        let trying = retry.run(&shutdown, || {
            assert_eq!(status(&record).state, DestinationState::Connecting);
            let end = ends.pop().expect("the pause is longer than this test");
            async { Err(end) }
        });
        let looking = async {
            yield_now().await;
            let paused = status(&record);
            shutdown.ask();
            paused
        };
        let ((), paused) = reactor::run(zip(trying, looking));
        (paused, status(&record))
    }

    #[test]
    fn a_try_that_ended_is_followed_by_a_pause_and_says_why() {
        let (paused, after) = tried(TryEnd::Stalled);
        assert_eq!(paused.state, DestinationState::BackingOff);
        assert!(paused.retry_at.is_some());
        assert_eq!(paused.detail.as_str(), TryEnd::Stalled.to_string());
        assert_eq!(after.state, DestinationState::Idle);
    }

    #[test]
    fn a_no_is_shown_as_one_without_the_key() {
        let (paused, _) =
            tried(TryEnd::refused("NetStream.Publish.BadName", "live_4711 is in use"));
        assert_eq!(paused.state, DestinationState::Refused);
        assert!(paused.detail.as_str().starts_with("refused: NetStream.Publish.BadName "));
        assert!(!paused.detail.as_str().contains("live_4711"), "{}", paused.detail);
    }

    #[test]
    fn the_end_of_the_program_ends_the_tries_without_a_failure() {
        let (_, after) = tried(TryEnd::Shutdown);
        assert_eq!(after.state, DestinationState::Idle);
        assert_eq!(after.detail.as_str(), "");
    }

    #[test]
    fn closing_is_an_answer_only_while_one_is_awaited() {
        let closed = || TryEnd::Link(LinkEnd::Closed);
        let words = closed().instead_of(Some("the answer to play"), "the key").to_string();
        let expected = "it closed the connection instead of sending the answer to play; \
                        the key may be wrong";
        assert_eq!(words, expected);
        assert!(matches!(closed().instead_of(None, "the key"), TryEnd::Link(LinkEnd::Closed)));
        let silent = TryEnd::Silent.instead_of(Some("the answer to play"), "the key");
        assert!(matches!(silent, TryEnd::Silent));
    }
}

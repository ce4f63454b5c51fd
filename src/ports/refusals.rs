//! Who was refused at the RTMP port. Purpose: an operator sees what an encoder was refused for
//! without looking at the encoder (rtmp-server-rs #6, iizukanao #47), and the log has one line when
//! an encoder that tries again and again is refused and one when it no longer is. Non-goals:
//! refusing. Bound: [`RTMP_REFUSALS_MAX`] refusals, forgotten after [`KEPT`].
//!
//! What was asked for is shown without anything that may be a key: queries and known secrets are
//! left out, and so is whatever is too long for a name, or stands where a key may stand.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use log::{info, warn};

use crate::base::events::Condition;
use crate::base::limits::RTMP_REFUSALS_MAX;
use crate::base::redact::scrub_registered;
use crate::base::time::Mono;
use crate::net::proxy::header::HeaderError;
use crate::operator::reason::Why;
use crate::operator::snapshot::{text, RefusalStatus, Text};
use crate::rtmp::server::RtmpRefusal;

/// A refusal is shown for so long after it last happened.
const KEPT: Duration = Duration::from_secs(600);
/// Who was not refused again for so long has given up, or come in. Longer than encoders wait
/// before they try again.
const QUIET: Duration = Duration::from_secs(60);
/// A name of this length may be a key.
const OBSCURE_CHARS_MIN: usize = 12;
/// What a person sees of something that may be a key.
const MASK: &str = "••••";
/// Parts of addresses that are no keys.
const KNOWN: [&str; 4] = ["", "live", "stream", "_definst_"];

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestedName<'a> {
    /// The application of `connect`.
    App(&'a str),
    /// A stream's name, which may be a key.
    Name(&'a str),
    /// Nothing: this is what was wrong with the header before it.
    Header(HeaderError),
    /// Nothing that may be shown, or that matters.
    Nothing,
}

impl RequestedName<'_> {
    /// As it may be shown; `has_key`: a stream key is set, so that a name may be meant for one.
    fn shown(self, has_key: bool) -> Text {
        let (said, is_name) = match self {
            RequestedName::App(app) => (app, false),
            RequestedName::Name(name) => (name, true),
            RequestedName::Header(error) => return text(error),
            RequestedName::Nothing => return Text::new(),
        };
        let said = said.split(['?', '#']).next().unwrap_or_default();
        let said = scrub_registered(said);
        let (server, path) = match said.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                (format!("{scheme}://{host}/"), path)
            }
            None => (String::new(), said.as_str()),
        };
        let shown = path.split('/').enumerate().map(|(at, part)| {
            let is_exposed = is_name || at > 0 || !server.is_empty();
            let is_long = part.chars().count() >= OBSCURE_CHARS_MIN;
            let may_be_key = is_long || (has_key && is_exposed);
            if may_be_key && !KNOWN.contains(&part) {
                MASK
            } else {
                part
            }
        });
        text(server.clone() + &shown.collect::<Vec<_>>().join("/"))
    }
}

/// The refusals of the last minutes, the oldest first.
#[derive(Default)]
pub(super) struct Refusals {
    entries: VecDeque<RefusalEntry>,
    /// More were refused than are remembered.
    crowd: Condition,
    has_key: bool,
}

struct RefusalEntry {
    status: RefusalStatus,
    /// It was logged, and its end was not.
    is_logged: bool,
}

impl RefusalEntry {
    fn over(&mut self, how: &str) {
        let RefusalStatus { refusal, address, first, last, count, .. } = &self.status;
        if std::mem::take(&mut self.is_logged) {
            let (name, s) = (refusal.name(), last.since(*first).as_secs());
            info!("rtmp: {address} {how} ({name}: {count} times in {s} s)");
        }
    }
}

impl Refusals {
    /// None yet; `has_key`: publishers need a key.
    pub(super) fn new(has_key: bool) -> Refusals {
        Refusals { has_key, ..Refusals::default() }
    }

    /// Somebody was refused.
    pub(super) fn refused(
        &mut self,
        refusal: RtmpRefusal,
        peer: IpAddr,
        agent: &str,
        asked: RequestedName<'_>,
        now: Mono,
    ) {
        let (address, asked) = (text(peer.to_canonical()), asked.shown(self.has_key));
        // Who asks for one thing after another is one condition, shown with what was asked last.
        let same = |entry: &RefusalEntry| {
            (entry.status.refusal, &entry.status.address) == (refusal, &address)
        };
        let known = self.entries.iter().position(same).and_then(|at| self.entries.remove(at));
        let before = known.as_ref().filter(|entry| now.since(entry.status.last) < QUIET);
        let (first, count, is_logged) = before.map_or((now, 0, false), |entry| {
            (entry.status.first, entry.status.count, entry.is_logged)
        });
        let (agent, last, count, is_resolved) = (text(agent), now, count + 1, false);
        let status =
            RefusalStatus { refusal, address, agent, asked, first, last, count, is_resolved };
        let mut entry = RefusalEntry { status, is_logged };
        if self.entries.len() >= RTMP_REFUSALS_MAX {
            let evicted = self.entries.pop_front();
            let is_crowd = evicted.is_some_and(|entry| now.since(entry.status.last) < QUIET);
            if is_crowd && self.crowd.occurs(now) {
                warn!("rtmp: more peers are refused than are logged one by one");
            }
        }
        if count == 1 && self.crowd.since().is_none() {
            entry.is_logged = true;
            warn!("rtmp: {}", why(&entry.status));
        }
        self.entries.push_back(entry);
    }

    /// Somebody from there publishes now.
    pub(super) fn publishes(&mut self, peer: IpAddr) {
        let address = text(peer.to_canonical());
        let mine = |entry: &&mut RefusalEntry| {
            entry.status.address == address && entry.status.refusal.concerns_publishers()
        };
        for entry in self.entries.iter_mut().filter(mine) {
            entry.status.is_resolved = true;
            entry.over("publishes now, after it was refused");
        }
    }

    /// Logs what is over, and forgets what is long past.
    pub(super) fn look(&mut self, now: Mono) {
        for entry in &mut self.entries {
            if now.since(entry.status.last) >= QUIET {
                entry.over("is no longer refused");
            }
        }
        self.entries.retain(|entry| now.since(entry.status.last) < KEPT);
        if let Some(over) = self.crowd.over(now) {
            info!("rtmp: refused peers are logged one by one again ({over})");
        }
    }

    /// Each, the latest first.
    pub(super) fn status(&self) -> Vec<RefusalStatus> {
        self.entries.iter().rev().map(|entry| entry.status.clone()).collect()
    }

    /// Why the last one who wanted to publish was refused, if that was just now.
    pub(super) fn reason(&self, now: Mono) -> Option<Why> {
        let fresh = |entry: &&RefusalEntry| {
            let RefusalStatus { refusal, last, is_resolved, .. } = &entry.status;
            refusal.concerns_publishers() && !is_resolved && now.since(*last) < QUIET
        };
        self.entries.iter().rev().find(fresh).map(|entry| why(&entry.status))
    }
}

/// The refusal as a reason.
fn why(status: &RefusalStatus) -> Why {
    Why::Refused(status.refusal, status.address.clone(), status.asked.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::RTMP_REFUSAL_BYTES;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn s(seconds: u64) -> Mono {
        Mono::from_ms(seconds * 1000)
    }

    #[test]
    fn an_encoder_that_tries_again_for_an_hour_is_one_refusal() {
        let mut refusals = Refusals::new(false);
        let mut logged = 0;
        for second in 0..3600 {
            if second % 10 == 0 {
                let before = refusals.entries.front().is_some_and(|entry| entry.is_logged);
                refusals.refused(
                    RtmpRefusal::App,
                    PEER,
                    "FMLE/3.0",
                    RequestedName::App("foo"),
                    s(second),
                );
                logged +=
                    u64::from(!before && refusals.entries.iter().any(|entry| entry.is_logged));
            }
            refusals.look(s(second));
        }
        let [status] = &refusals.status()[..] else { unreachable!("one entry") };
        assert_eq!((status.count, status.first, status.last), (360, s(0), s(3590)));
        assert_eq!((logged, &*status.asked), (1, "foo"));
        assert!(refusals.reason(s(3600)).is_some());
        refusals.look(s(3650));
        assert!(refusals.entries.iter().all(|entry| !entry.is_logged), "its end is logged");
        assert_eq!(refusals.reason(s(3650)), None, "it has given up");
        refusals.look(s(4190));
        assert!(refusals.status().is_empty(), "and is forgotten");
    }

    #[test]
    fn who_publishes_in_the_end_is_no_reason_any_more() {
        let mut refusals = Refusals::new(true);
        refusals.refused(
            RtmpRefusal::PublishKeyRequired,
            PEER,
            "",
            RequestedName::Name("typo"),
            s(1),
        );
        assert_eq!(refusals.reason(s(2)).map(|why| why.code()), Some("wrong_key"));
        refusals.publishes(PEER);
        assert_eq!(refusals.reason(s(3)), None);
        assert!(refusals.status()[0].is_resolved, "it stays in the list");
        refusals.refused(RtmpRefusal::StreamNotFound, PEER, "", RequestedName::Name("x"), s(4));
        assert_eq!(refusals.reason(s(5)), None, "a player is no input");
    }

    #[test]
    fn the_table_is_bounded_and_the_latest_stay() {
        let mut refusals = Refusals::new(false);
        for number in 0..100_000u32 {
            let peer = IpAddr::V4(std::net::Ipv4Addr::from(number));
            refusals.refused(RtmpRefusal::App, peer, "", RequestedName::App("x"), s(1));
        }
        let status = refusals.status();
        assert_eq!((status.len(), &*status[0].address), (RTMP_REFUSALS_MAX, "0.1.134.159"));
        assert!(size_of::<RefusalStatus>() <= RTMP_REFUSAL_BYTES);
    }

    #[test]
    fn odd_addresses_are_shown_and_keys_are_not() {
        crate::base::redact::register(&crate::base::redact::Secret::new("hunter2-hunter2"));
        let shown = |asked: RequestedName<'_>, has_key| asked.shown(has_key).as_str().to_owned();
        for has_key in [false, true] {
            let app = |app| shown(RequestedName::App(app), has_key);
            assert_eq!(app("live/_definst_"), "live/_definst_");
            assert_eq!(app("rtmp://192.0.2.9:1935/live"), "rtmp://192.0.2.9:1935/live");
            assert_eq!(app("live/stream?key=hunter2-hunter2"), "live/stream");
            assert_eq!(app("app"), "app");
            assert_eq!(app(""), "");
            for secret in
                ["live/hunter2-hunter2", "rtmp://me:pass@h/live/hunter2-hunter2", "abcd-efgh-ijkl"]
            {
                let said = app(secret);
                assert!(!said.contains("hunter2"), "{said}");
                assert!(!said.contains("efgh"), "{said}");
                assert!(!said.contains("pass"), "{said}");
            }
        }
        assert_eq!(shown(RequestedName::Name("show"), false), "show");
        assert_eq!(shown(RequestedName::Name("show"), true), MASK);
        assert_eq!(shown(RequestedName::App("live/show"), true), format!("live/{MASK}"));
        assert_eq!(shown(RequestedName::App("live/show"), false), "live/show");
        assert_eq!(shown(RequestedName::Name("stream"), true), "stream");
        assert_eq!(shown(RequestedName::Nothing, true), "");
    }
}

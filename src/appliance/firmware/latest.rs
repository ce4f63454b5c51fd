//! What an update server offers: `streamcaster.latest`, the header of its `streamcaster.update`.
//! Purpose: the same signed lines tell of a system and begin its package, so that there is one
//! signature to believe and one thing to publish; what was found is remembered in a small file, for
//! the page and for the next look. Non-goals: fetching, the clock. Bounds: [`HEADER_BYTES`] from the
//! server, [`FIRMWARE_TOLD_BYTES_MAX`] of memory.
//!
//! A server that is silent, wrong or old changes nothing: it is asked again later, and the page says
//! since when it does not answer. It cannot make a machine take an older system, nor one that was
//! offered before and did not stay.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::package::{self, PublicKey, SystemIdentity, HEADER_BYTES};
use super::slots;
use crate::base::limits::{FIRMWARE_TOLD_BYTES_MAX, UPDATE_ERROR_BYTES_MAX};
use crate::base::text::prefix;

/// The memory, in the folder of remembered state.
pub const MEMORY: &str = "latest.json";
/// The package's name, beside the offer's.
pub const PACKAGE: &str = "streamcaster.update";
/// Between two looks.
const DAY_S: u64 = 24 * 3600;
/// Between a look that failed and the next.
const RETRY_S: u64 = 3 * 3600;
/// Looks of many machines are spread over so long.
const SPREAD_S: u64 = 3600;
/// How often one build is tried to be installed.
const TRIES_MAX: u32 = 3;

/// A newer system, as the page tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FirmwareOffer"))]
pub struct Offer {
    /// Its version.
    pub version: String,
    /// Its commit.
    pub revision: String,
    /// Its build.
    pub build: u64,
    /// Its kernel's version.
    pub kernel: Option<String>,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestMemory {
    /// The address that was asked; another one is asked at once.
    pub url: String,
    /// When it last answered with an offer that is believed, seconds since 1970.
    pub answered_s: Option<u64>,
    /// When it is asked next.
    pub next_s: u64,
    /// Why it did not answer, or why its answer is not believed; since when.
    pub failed: Option<LookFailures>,
    /// What is newer than what runs.
    pub offered: Option<Offer>,
    /// The build that was tried to be installed, and how often.
    pub tried: Option<(u64, u32)>,
}

/// Looks that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookFailures {
    /// The first of them, seconds since 1970.
    pub since_s: u64,
    /// The last one's reason.
    pub why: String,
}

impl LatestMemory {
    /// Of a file; one that cannot be read is as good as no memory.
    pub fn read(path: &Path) -> LatestMemory {
        let text = slots::text_of(path, FIRMWARE_TOLD_BYTES_MAX).unwrap_or_default();
        LatestMemory::parse(text.as_bytes())
    }

    fn parse(text: &[u8]) -> LatestMemory {
        serde_json::from_slice(text).unwrap_or_default()
    }

    /// Whether the address should be asked now. `chance` is a random number: the first look of a
    /// machine is some minutes after its start, and no two machines ask in one moment for long. Where
    /// it is not yet time to ask, the memory says when.
    pub fn is_due(&mut self, url: &str, now_s: u64, chance: u64) -> bool {
        if self.url != url {
            let tried = self.tried;
            let next_s = now_s.saturating_add(chance % (SPREAD_S / 2));
            *self = LatestMemory { url: url.to_owned(), next_s, tried, ..LatestMemory::default() };
        }
        // A clock that was far ahead when it was last looked does not hush the machine up.
        self.next_s = self.next_s.min(now_s.saturating_add(DAY_S + SPREAD_S));
        now_s >= self.next_s
    }

    /// Before the address is asked: should this look never end, the next one is later all the same.
    pub fn begins(&mut self, now_s: u64, chance: u64) {
        self.next_s = now_s.saturating_add(RETRY_S + chance % SPREAD_S);
    }

    /// What came of a look.
    pub fn ended(
        &mut self,
        outcome: Result<&SystemIdentity, String>,
        running: &SystemIdentity,
        now_s: u64,
        chance: u64,
    ) {
        match outcome {
            Ok(identity) => {
                self.failed = None;
                self.answered_s = Some(now_s);
                self.next_s = now_s.saturating_add(DAY_S + chance % SPREAD_S);
                self.offered = is_wanted(identity, running).then(|| offer(identity));
            }
            Err(why) => {
                let why = prefix(&why, UPDATE_ERROR_BYTES_MAX).to_owned();
                let since_s = self.failed.as_ref().map_or(now_s, |failed| failed.since_s);
                self.failed = Some(LookFailures { since_s, why });
            }
        }
    }

    /// Whether what is offered may be installed by itself: not what was tried often enough, and not
    /// what the machine has left.
    pub fn may_try(&self, offer: &Offer, left: Option<&str>) -> bool {
        let own = format!("{} ({})", offer.version, offer.revision);
        self.tries_of(offer) < TRIES_MAX && left != Some(own.as_str())
    }

    /// Before it is tried.
    pub fn tries(&mut self, offer: &Offer) {
        self.tried = Some((offer.build, self.tries_of(offer) + 1));
    }

    fn tries_of(&self, offer: &Offer) -> u32 {
        self.tried.filter(|(build, _)| *build == offer.build).map_or(0, |(_, tries)| tries)
    }
}

fn offer(identity: &SystemIdentity) -> Offer {
    Offer {
        version: identity.version.to_string(),
        revision: identity.revision.clone(),
        build: identity.build,
        kernel: identity.kernel.clone(),
    }
}

/// Whether a system is newer than what runs, and of its kind.
fn is_wanted(identity: &SystemIdentity, running: &SystemIdentity) -> bool {
    running.is_older_than(identity)
        && !running.excludes(identity)
        && (running.debug || !identity.debug)
}

/// What a server's answer offers.
///
/// # Errors
/// For a person: it is no offer, or not signed by one of the keys.
pub fn believed(answer: &[u8], keys: &[PublicKey]) -> Result<SystemIdentity, String> {
    let header: &[u8; HEADER_BYTES] = answer.try_into().map_err(|_| {
        format!("its answer has {} bytes; streamcaster.latest has {HEADER_BYTES}", answer.len())
    })?;
    package::verify(header, keys).map(|header| header.identity).map_err(|why| why.to_string())
}

/// Where the package of an offer is: beside it.
pub fn package_url(url: &str) -> String {
    let folder = url.rsplit_once('/').map_or(url, |(folder, _)| folder);
    format!("{folder}/{PACKAGE}")
}

#[cfg(test)]
mod tests {
    use super::super::package::tests::{key, package};
    use super::*;

    const URL: &str = "https://a.example/s/streamcaster.latest";

    fn identity(build: u64, more: &str) -> SystemIdentity {
        let text = format!("version 0.2.0\nrevision a\nmade 1\nbuild {build}\n{more}");
        SystemIdentity::parse(&text).unwrap()
    }

    #[test]
    fn an_offer_is_the_signed_header_of_its_package() {
        let whole = package(b"slot", "0.2.0", 9, 7);
        let head = whole.get(..HEADER_BYTES).unwrap();
        assert_eq!(believed(head, &[key(7)]).unwrap().to_string(), "0.2.0 (abc1234)");
        assert!(believed(head, &[key(8)]).unwrap_err().contains("not signed"));
        assert!(believed(&whole, &[key(7)]).unwrap_err().contains("bytes"));
        assert!(believed(b"", &[key(7)]).is_err());
        let mut other = head.to_vec();
        other[40] ^= 1;
        assert!(believed(&other, &[key(7)]).is_err());
        assert_eq!(package_url(URL), "https://a.example/s/streamcaster.update");
    }

    #[test]
    fn it_is_asked_once_a_day_and_never_in_step_with_others() {
        let (mut memory, running, now) = (LatestMemory::default(), identity(5, ""), 1_000_000);
        assert!(!memory.is_due(URL, now, 600), "the first look is spread too");
        assert!(memory.is_due(URL, now + 600, 0));
        memory.begins(now + 600, 7);
        assert!(!memory.is_due(URL, now + 700, 0), "one that broke off is not repeated at once");
        memory.ended(Ok(&identity(6, "")), &running, now + 600, 77);
        assert_eq!(memory.offered.as_ref().map(|offer| offer.build), Some(6));
        assert!(!memory.is_due(URL, now + DAY_S, 0));
        assert!(memory.is_due(URL, now + 677 + DAY_S, 0));
        assert_eq!(LatestMemory::parse(&serde_json::to_vec(&memory).unwrap()), memory);
        // Another address is another story; a clock that was ahead is not believed for ever.
        assert!(memory.is_due("https://b.example/x", now, 0));
        assert!(memory.offered.is_none());
        memory.next_s = u64::MAX;
        assert!(!memory.is_due("https://b.example/x", now, 0));
        assert!(memory.is_due("https://b.example/x", now + DAY_S + SPREAD_S, 0));
        assert_eq!(LatestMemory::parse(b"{\"next_s\": -1}"), LatestMemory::default());
    }

    #[test]
    fn what_is_not_newer_or_of_another_kind_is_no_offer() {
        let running = identity(5, "oldest 0.2.0\n");
        for (offered, is_wanted) in [
            (identity(6, ""), true),
            (identity(5, ""), false),
            (identity(4, ""), false),
            (identity(6, "debug 1\n"), false),
        ] {
            let mut memory = LatestMemory::default();
            memory.ended(Ok(&offered), &running, 9, 0);
            assert_eq!(memory.offered.is_some(), is_wanted, "{offered:?}");
            assert_eq!(memory.answered_s, Some(9));
        }
    }

    #[test]
    fn a_server_that_fails_is_remembered_since_it_did() {
        let (mut memory, running) = (LatestMemory::default(), identity(5, ""));
        memory.ended(Ok(&identity(6, "")), &running, 10, 0);
        memory.begins(20, 0);
        memory.ended(Err("no".to_owned()), &running, 20, 0);
        memory.ended(Err("ä".repeat(9999)), &running, 30, 0);
        let failed = memory.failed.clone().unwrap();
        assert!(failed.since_s == 20);
        assert!(failed.why.len() <= UPDATE_ERROR_BYTES_MAX);
        assert_eq!(memory.next_s, 20 + RETRY_S);
        assert!(memory.offered.is_some(), "what was offered still is");
        memory.ended(Ok(&identity(6, "")), &running, 40, 0);
        assert_eq!(memory.failed, None);
    }

    #[test]
    fn what_did_not_stay_is_not_tried_for_ever() {
        let mut memory = LatestMemory::default();
        let offer = offer(&identity(6, ""));
        assert!(memory.may_try(&offer, None));
        assert!(memory.may_try(&offer, Some("0.1.0 (b)")));
        assert!(!memory.may_try(&offer, Some("0.2.0 (a)")), "the machine has left it");
        for _ in 0..TRIES_MAX {
            assert!(memory.may_try(&offer, None));
            memory.tries(&offer);
        }
        assert!(!memory.may_try(&offer, None));
        let next = Offer { build: 7, ..offer };
        assert!(memory.may_try(&next, None), "the next one has its own tries");
    }
}

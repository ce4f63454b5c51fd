//! A file on its way to the air: its deck and its reel. Purpose: what playing the library's files
//! and the standby file have in common. Non-goals: what plays when. Bound: a deck.

use std::time::Duration;

use crate::base::limits::{FILE_READY_MS_MAX, PRELOAD_MS};
use crate::base::time::{Mono, Ticks};
use crate::codec::container::FileError;
use crate::operator::commands::{Declined, DeclinedKind, FileName};
use crate::program::parcel::Ending;
use crate::program::reel::{Readiness, Reel};

use super::deck::{Deck, Decks, Delivery};

/// Time a file has to become ready.
const READY_MAX: Duration = Duration::from_millis(FILE_READY_MS_MAX);
/// How long before a file's end what follows is made ready.
const PRELOAD: Duration = Duration::from_millis(PRELOAD_MS);
/// Pause before a deck is asked for again.
const SEAT_PAUSE: Duration = Duration::from_millis(20);

/// A file being made ready or played.
pub(super) struct Tape<K> {
    name: FileName,
    at: Ticks,
    deck: Option<K>,
    pub(super) reel: Reel,
    duration: Option<Ticks>,
    refused: Option<Declined>,
    since: Mono,
}

impl<K: Deck> Tape<K> {
    /// A file, from a time on.
    pub(super) fn new(name: FileName, at: Ticks, now: Mono) -> Tape<K> {
        let (deck, reel, duration, refused) = (None, Reel::default(), None, None);
        Tape { name, at, deck, reel, duration, refused, since: now }
    }

    /// Takes what has been read. A thread that still ends gets some time to make room.
    pub(super) fn pump(&mut self, decks: &impl Decks<Deck = K>, now: Mono) {
        if self.deck.is_none() {
            self.deck = decks.open(&self.name, self.at);
        }
        let Some(deck) = &mut self.deck else { return };
        while let Some(parcel) = self.reel.take_spent() {
            deck.give_back(parcel);
        }
        while let Some(delivery) = deck.take() {
            match delivery {
                Delivery::Opened(times) => {
                    self.duration = times.duration;
                    self.reel.set_times(times);
                }
                Delivery::Refused(declined) => self.refused = Some(declined),
                Delivery::Parcel(parcel) => self.reel.push(parcel),
            }
        }
        if self.reel.is_starved(now) {
            deck.hurry();
        }
    }

    /// Whether it can go on air, or why it never will.
    pub(super) fn is_ready(&self, now: Mono) -> Result<bool, Declined> {
        if let Some(declined) = &self.refused {
            return Err(declined.clone());
        }
        match self.reel.readiness() {
            Readiness::Ready => Ok(true),
            Readiness::Waits if now.since(self.since) < READY_MAX => Ok(false),
            Readiness::Waits => Err(Declined {
                kind: DeclinedKind::Busy,
                words: format!("{} cannot be played: the disk does not answer", self.name),
            }),
            Readiness::Never => Err(Declined {
                kind: DeclinedKind::Unplayable,
                words: match self.reel.ending() {
                    Some(Ending::Failed(words)) => words.clone(),
                    _ => format!("{} cannot be played: {}", self.name, FileError::NoVideo),
                },
            }),
        }
    }

    /// When to look at it again while it becomes ready, if nothing is heard of it before.
    pub(super) fn look_at(&self, now: Mono) -> Mono {
        match self.deck {
            Some(_) => self.since + READY_MAX,
            None => now + SEAT_PAUSE,
        }
    }

    /// How long it plays, as far as is known.
    pub(super) fn duration(&self) -> Option<Ticks> {
        self.duration
    }

    /// Where it stands; before it has begun, where it will begin.
    pub(super) fn position(&self) -> Ticks {
        if self.reel.last_due().is_some() {
            self.reel.position()
        } else {
            self.at
        }
    }

    /// Whether its end is near enough for what follows to be made ready.
    pub(super) fn ends_soon(&self, now: Mono) -> bool {
        if let Some(at) = self.preloads_at() {
            return at <= now;
        }
        match self.duration {
            Some(length) => length - self.position() < Ticks::from_duration(PRELOAD),
            None => self.reel.ending().is_some(),
        }
    }

    /// When what follows is to be made ready, once its end is known.
    pub(super) fn preloads_at(&self) -> Option<Mono> {
        let us = u64::try_from(PRELOAD.as_micros()).unwrap_or(u64::MAX);
        self.reel.end().map(|end| Mono(end.0.saturating_sub(us)))
    }
}

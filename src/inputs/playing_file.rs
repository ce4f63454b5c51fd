//! A file on its way to the air: its file reader and its pacer. Purpose: what playing the library's files
//! and the standby file have in common. Non-goals: what plays when. Bound: a file reader.

use std::time::Duration;

use crate::base::time::{Mono, Ticks};
use crate::codec::container::FileError;
use crate::operator::commands::{Declined, DeclinedKind, FileName};
use crate::program::pacer::{Pacer, Readiness};
use crate::program::read_ahead::FileEnding;

use super::file_reader::{Delivery, FileReader, FileReaders};

/// Time a file has to become ready before its switch is refused.
const READY_MAX: Duration = Duration::from_millis(3_000);
/// How long before a file's end what follows is made ready.
const PRELOAD: Duration = Duration::from_millis(3_000);
/// Pause before a file reader is asked for again.
const SEAT_PAUSE: Duration = Duration::from_millis(20);

/// A file being made ready or played.
pub(super) struct PlayingFile<K> {
    name: FileName,
    at: Ticks,
    file_reader: Option<K>,
    pub(super) pacer: Pacer,
    duration: Option<Ticks>,
    refused: Option<Declined>,
    since: Mono,
}

impl<K: FileReader> PlayingFile<K> {
    /// A file, from a time on.
    pub(super) fn new(name: FileName, at: Ticks, now: Mono) -> PlayingFile<K> {
        let (file_reader, pacer, duration, refused) = (None, Pacer::default(), None, None);
        PlayingFile { name, at, file_reader, pacer, duration, refused, since: now }
    }

    /// Takes what has been read. A thread that still ends gets some time to make room.
    pub(super) fn pump(&mut self, file_readers: &impl FileReaders<FileReader = K>, now: Mono) {
        if self.file_reader.is_none() {
            self.file_reader = file_readers.open(&self.name, self.at);
        }
        let Some(file_reader) = &mut self.file_reader else { return };
        while let Some(read_ahead) = self.pacer.take_spent() {
            file_reader.give_back(read_ahead);
        }
        while let Some(delivery) = file_reader.take() {
            match delivery {
                Delivery::Opened(times) => {
                    self.duration = times.duration;
                    self.pacer.set_times(times);
                }
                Delivery::Refused(declined) => self.refused = Some(declined),
                Delivery::ReadAhead(read_ahead) => self.pacer.push(read_ahead),
            }
        }
        if self.pacer.is_starved(now) {
            file_reader.hurry();
        }
    }

    /// Whether it can go on air, or why it never will.
    pub(super) fn is_ready(&self, now: Mono) -> Result<bool, Declined> {
        if let Some(declined) = &self.refused {
            return Err(declined.clone());
        }
        match self.pacer.readiness() {
            Readiness::Ready => Ok(true),
            Readiness::Waits if now.since(self.since) < READY_MAX => Ok(false),
            Readiness::Waits => Err(Declined {
                kind: DeclinedKind::Busy,
                words: format!("{} cannot be played: the disk does not answer", self.name),
            }),
            Readiness::Never => Err(Declined {
                kind: DeclinedKind::Unplayable,
                words: match self.pacer.ending() {
                    Some(FileEnding::Failed(words)) => words.clone(),
                    _ => format!("{} cannot be played: {}", self.name, FileError::NoVideo),
                },
            }),
        }
    }

    /// When to look at it again while it becomes ready, if nothing is heard of it before.
    pub(super) fn look_at(&self, now: Mono) -> Mono {
        match self.file_reader {
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
        if self.pacer.last_due().is_some() {
            self.pacer.position()
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
            None => self.pacer.ending().is_some(),
        }
    }

    /// When what follows is to be made ready, once its end is known.
    pub(super) fn preloads_at(&self) -> Option<Mono> {
        let us = u64::try_from(PRELOAD.as_micros()).unwrap_or(u64::MAX);
        self.pacer.end().map(|end| Mono(end.0.saturating_sub(us)))
    }
}

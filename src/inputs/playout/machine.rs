//! What plays, and what plays next. Purpose: a file goes on air when it is ready, not before; at
//! its end the next one follows a frame later, having been made ready in time. Non-goals: reading
//! (file readers), pacing (pacers), what the switcher makes of it. Bounds: one file on air, one being made
//! ready, and the lists.
//!
//! Without threads and clocks: file readers come out of a trait and the time is an argument.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};

use crate::base::time::{Mono, Ticks};
use crate::operator::commands::{Declined, DeclinedKind, FileName, Order, Playlist};
use crate::program::playlist::Walk;
use crate::program::read_ahead::FileEnding;
use crate::program::source::Source;
use crate::program::Programme;

use super::super::file_reader::FileReaders;
use super::super::log_cut;
use super::super::playing_file::PlayingFile;
use super::super::reopen::ReopenBells;

/// How late a timer may be.
const LATE_MAX: Duration = Duration::from_millis(50);

/// The lists there are, by their names.
pub type Lists = BTreeMap<String, Arc<Playlist>>;

/// A file, and what it is played for.
#[derive(Clone)]
pub(super) struct PlayItem {
    pub(super) file: FileName,
    pub(super) looped: bool,
    pub(super) list: Option<(String, Walk<FileName>)>,
}

impl PlayItem {
    /// What comes behind it in its list.
    pub(super) fn next_in_list(&self) -> Option<PlayItem> {
        let (name, walk) = self.list.as_ref()?;
        let mut walk = walk.clone();
        let file = walk.advance()?;
        Some(PlayItem { file, looped: false, list: Some((name.clone(), walk)) })
    }

    /// What comes at its end.
    pub(super) fn follower(&self) -> Option<PlayItem> {
        if self.looped {
            return Some(self.clone());
        }
        self.next_in_list()
    }

    fn list_len(&self) -> usize {
        self.list.as_ref().map_or(0, |(_, walk)| walk.len())
    }
}

/// What is on air.
pub(super) struct On<K> {
    pub(super) playing_file: PlayingFile<K>,
    pub(super) item: PlayItem,
    /// Nothing follows: what could was tried.
    last: bool,
}

/// What is being made ready.
pub(super) struct NextFile<K> {
    pub(super) playing_file: PlayingFile<K>,
    pub(super) item: PlayItem,
    pub(super) why: PreparedFor,
    /// Files that were tried in its place.
    tried: usize,
}

/// Why something is being made ready.
pub(super) enum PreparedFor {
    /// It goes on air as soon as it is ready; who asked is told.
    Asked(Option<Box<Order>>),
    /// It goes on air at the end of what plays.
    Follows,
}

/// The place of a file that is not on air.
#[derive(Clone)]
pub(super) struct Bookmark {
    pub(super) item: PlayItem,
    pub(super) at: Ticks,
    pub(super) duration: Option<Ticks>,
}

/// Plays files.
pub struct PlayoutMachine<D: FileReaders> {
    file_readers: D,
    pub(super) lists: Arc<Lists>,
    pub(super) on: Option<On<D::FileReader>>,
    pub(super) next: Option<NextFile<D::FileReader>>,
    pub(super) paused: Option<Bookmark>,
    pub(super) error: String,
    /// Files in a row that could not be played.
    failures: usize,
    pub(super) left_out: u64,
    pub(super) random: fastrand::Rng,
    /// Something worth writing down has happened.
    pub(super) changed: bool,
    /// Inputs that are to be opened again.
    pub(super) reopen: ReopenBells,
}

impl<D: FileReaders> PlayoutMachine<D> {
    /// Plays nothing yet. `seed` is what shuffled orders come from.
    pub fn new(file_readers: D, seed: u64) -> PlayoutMachine<D> {
        PlayoutMachine {
            file_readers,
            lists: Arc::default(),
            on: None,
            next: None,
            paused: None,
            error: String::new(),
            failures: 0,
            left_out: 0,
            random: fastrand::Rng::with_seed(seed),
            changed: false,
            reopen: ReopenBells::default(),
        }
    }

    /// Does everything that is due.
    pub fn advance(&mut self, now: Mono, programme: &Programme) {
        if let Some(on) = &mut self.on {
            on.playing_file.pump(&self.file_readers, now);
        }
        if let Some(next) = &mut self.next {
            next.playing_file.pump(&self.file_readers, now);
        }
        self.leave(programme);
        self.feed(now, programme);
        self.cast(now, programme);
        self.prepare(now, programme);
        if let Some(due) = self.on.as_ref().and_then(|on| on.playing_file.pacer.next_picture()) {
            programme.expect(Source::File, due);
        }
    }

    /// When [`PlayoutMachine::advance`] has something to do, if no file reader has news before; `None`: not
    /// before it is asked for something.
    pub fn due(&self, now: Mono) -> Option<Mono> {
        let on = self.on.as_ref().and_then(|on| {
            let later = [on.playing_file.pacer.end(), on.playing_file.preloads_at()];
            let later = later.into_iter().flatten().filter(|at| *at > now);
            later.chain(on.playing_file.pacer.due(now)).min()
        });
        let next = self.next.as_ref().and_then(|next| match next.why {
            PreparedFor::Follows if next.playing_file.is_ready(now) == Ok(true) => None,
            _ => Some(next.playing_file.look_at(now)),
        });
        on.into_iter().chain(next).min()
    }

    /// Makes a file ready, to go on air as soon as it is.
    pub(super) fn ask(&mut self, item: PlayItem, at: Ticks, order: Option<Box<Order>>, now: Mono) {
        self.make_way("Something else was chosen before it was ready.");
        let playing_file = PlayingFile::new(item.file.clone(), at, now);
        self.next = Some(NextFile { playing_file, item, why: PreparedFor::Asked(order), tried: 0 });
    }

    /// Drops what is being made ready.
    pub(super) fn make_way(&mut self, words: &str) {
        if let Some(NextFile { why: PreparedFor::Asked(Some(order)), .. }) = self.next.take() {
            let words = words.to_owned();
            order.answer(Err(Declined { kind: DeclinedKind::Busy, words }));
        }
    }

    /// What follows has to be found again.
    pub(super) fn reconsider(&mut self) {
        if self.next.as_ref().is_some_and(|next| matches!(next.why, PreparedFor::Follows)) {
            self.next = None;
        }
        if let Some(on) = &mut self.on {
            on.last = false;
        }
    }

    /// Nothing plays any more.
    pub(super) fn eject(&mut self) {
        if let Some(on) = self.on.take() {
            self.left_out += on.playing_file.pacer.left_out();
            self.changed = true;
        }
    }

    /// Drops the file that something else has taken the air from.
    fn leave(&mut self, programme: &Programme) {
        let gone = {
            let switcher = programme.switcher();
            switcher.choice() != Some(Source::File) && switcher.on_air() != Source::File
        };
        if gone && self.on.is_some() {
            self.eject();
            self.reconsider();
        }
    }

    /// Hands over what is due of the file on air.
    fn feed(&mut self, now: Mono, programme: &Programme) {
        let Some(on) = &mut self.on else { return };
        if on.playing_file.pacer.due(now).is_some_and(|due| due <= now) {
            let pacer = &mut on.playing_file.pacer;
            let cut = programme.feed(Source::File, now, |sink| {
                pacer.play(now, sink);
            });
            log_cut(cut);
            on.playing_file.pump(&self.file_readers, now);
        }
    }

    /// Puts what is ready on air, when its time has come.
    fn cast(&mut self, now: Mono, programme: &Programme) {
        let Some(next) = &self.next else { return };
        let ready = next.playing_file.is_ready(now);
        let end = self.on.as_ref().map(|on| on.playing_file.pacer.end());
        let at = match (&next.why, end) {
            (PreparedFor::Asked(_), _) | (PreparedFor::Follows, None) => Some(now),
            // As if a timer were never late, unless more than a timer was.
            (PreparedFor::Follows, Some(Some(end))) => {
                let at = if now.since(end) > LATE_MAX { now } else { end };
                Some(at).filter(|at| *at <= now)
            }
            (PreparedFor::Follows, Some(None)) => None,
        };
        match (ready, at) {
            (Ok(true), Some(at)) => self.take_over(at, now, programme),
            (Ok(_), _) => {}
            (Err(declined), _) => self.refuse(declined, now),
        }
    }

    fn take_over(&mut self, at: Mono, now: Mono, programme: &Programme) {
        let Some(NextFile { mut playing_file, item, why, .. }) = self.next.take() else { return };
        if matches!(why, PreparedFor::Follows) {
            self.account();
        }
        self.eject();
        if programme.switcher().choice() != Some(Source::File) {
            log_cut(programme.choose(Some(Source::File), now));
        }
        playing_file.pacer.start(at);
        let pacer = &mut playing_file.pacer;
        let cut = programme.feed(Source::File, now, |sink| {
            sink.restart();
            pacer.play(now, sink);
        });
        log_cut(cut);
        playing_file.pacer.postpone(programme.take_ahead());
        playing_file.pump(&self.file_readers, now);
        info!("plays: {}", item.file);
        if let PreparedFor::Asked(order) = why {
            self.paused = None;
            self.failures = 0;
            self.error.clear();
            if let Some(order) = order {
                order.answer(Ok(format!("{} is on air.", item.file)));
            }
        }
        self.on = Some(On { playing_file, item, last: false });
        self.changed = true;
    }

    /// What was to be on air cannot be: the list's next is tried in its place, a round at most.
    fn refuse(&mut self, declined: Declined, now: Mono) {
        let Some(NextFile { item, why, tried, .. }) = self.next.take() else { return };
        warn!("{}", declined.words);
        self.error.clone_from(&declined.words);
        let tried = tried + 1;
        let instead = item.next_in_list().filter(|_| tried < item.list_len());
        match (instead, why) {
            (Some(item), why) => {
                let playing_file = PlayingFile::new(item.file.clone(), Ticks(0), now);
                self.next = Some(NextFile { playing_file, item, why, tried });
            }
            (None, PreparedFor::Asked(order)) => {
                if let Some(order) = order {
                    order.answer(Err(declined));
                }
            }
            (None, PreparedFor::Follows) => {
                if let Some(on) = &mut self.on {
                    on.last = true;
                }
            }
        }
    }

    /// Makes ready what follows, in time, and ends what has ended.
    fn prepare(&mut self, now: Mono, programme: &Programme) {
        let Some(on) = &mut self.on else { return };
        let ended = on.playing_file.pacer.end().is_some_and(|end| now >= end);
        if self.next.is_some() || !(ended || on.playing_file.ends_soon(now)) {
            return;
        }
        let leaves = programme.switcher().choice() != Some(Source::File);
        // A file that breaks off is not played again and again, nor a list of such.
        let failed =
            usize::from(matches!(on.playing_file.pacer.ending(), Some(FileEnding::Failed(_))));
        let hopeless = failed > 0 && self.failures + failed > on.item.list_len();
        let follower = on.item.follower().filter(|_| !on.last && !leaves && !hopeless);
        match follower {
            Some(item) => {
                let playing_file = PlayingFile::new(item.file.clone(), Ticks(0), now);
                self.next =
                    Some(NextFile { playing_file, item, why: PreparedFor::Follows, tried: 0 });
                if let Some(next) = &mut self.next {
                    next.playing_file.pump(&self.file_readers, now);
                }
            }
            None if ended => self.finish(now, programme),
            None => {}
        }
    }

    /// Takes note how the file on air has ended.
    fn account(&mut self) {
        match self.on.as_ref().map(|on| on.playing_file.pacer.ending()) {
            Some(Some(FileEnding::Failed(words))) => {
                warn!("{words}");
                self.error.clone_from(words);
                self.failures += 1;
            }
            _ => self.failures = 0,
        }
    }

    /// The last file has ended.
    fn finish(&mut self, now: Mono, programme: &Programme) {
        if let Some(on) = &self.on {
            info!("{} has ended", on.item.file);
        }
        self.account();
        self.eject();
        if programme.switcher().choice() == Some(Source::File) {
            log_cut(programme.choose(None, now));
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;

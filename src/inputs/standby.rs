//! Standby: what is on air whenever nothing else is. Purpose: the built-in card at once, and
//! `videos/standby.*` instead of it as soon as that can be shown, again and again; the card again
//! whenever the file fails, stalls or goes. Also lets the programme's time pass, so that a source
//! that dies is covered when nothing else happens. Bounds: two file readers, and only while standby is on
//! air.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};
use smol::future::FutureExt;

use crate::base::time::{Mono, Ticks};
use crate::net::reactor::Sleep;
use crate::operator::commands::{Declined, FileName};
use crate::program::bell::Bell;
use crate::program::read_ahead::FileEnding;
use crate::program::source::Source;
use crate::program::Programme;
use crate::system::clock;

use super::card::Card;
use super::file_reader::{Arrivals, FileReaders, OpenFile, ReaderThreads, Readers};
use super::log_cut;
use super::playing_file::PlayingFile;

/// How often the standby file is looked for.
const STANDBY_LOOK_MS: u64 = 2_000;
/// A card later than this (the machine was suspended) begins again instead of hurrying.
const LATE_MAX: Duration = Duration::from_secs(1);
/// How long nothing may happen before the programme's time is let pass.
const TICK_MAX: Duration = Duration::from_secs(1);
/// A file later than this is covered by the card.
const STALL_MAX: Duration = Duration::from_millis(300);
/// Pause before a file that could not be shown is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// A file that ends sooner is no standby: it would be opened all the time.
const SHORTEST: Duration = Duration::from_secs(1);
/// What the standby file may be called, the first that can be shown is taken.
const NAMES: [&str; 7] = [
    "standby.flv",
    "standby.m4v",
    "standby.mkv",
    "standby.mov",
    "standby.mp4",
    "standby.mts",
    "standby.ts",
];

/// A file that could be the standby file, as it now is: name, bytes, time of change, inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StandbyCandidate {
    name: FileName,
    identity: (u64, i64, i64, u64),
}

/// Standby's task.
pub struct Standby {
    film: RefCell<Film<ReaderThreads>>,
    arrivals: Arrivals,
    folder: PathBuf,
    called: Rc<Bell>,
}

impl Standby {
    /// Standby out of the binary, or out of `folder`, whose files `open` opens; `called` rings
    /// when somebody else has put it on air.
    pub fn new(open: OpenFile, readers: Readers, folder: PathBuf, called: Rc<Bell>) -> Standby {
        let (file_readers, arrivals) = ReaderThreads::new(open, readers);
        Standby { film: RefCell::new(Film::new(file_readers)), arrivals, folder, called }
    }

    /// Plays for ever: whenever standby is on air, and not otherwise.
    pub async fn run(&self, programme: &Programme) {
        self.play(programme).or(self.look(programme)).await;
    }

    async fn play(&self, programme: &Programme) {
        let mut called = self.called.listen();
        loop {
            let now = clock::mono();
            log_cut(programme.tick(now));
            self.film.borrow_mut().advance(now, programme);
            let due = self.film.borrow().due(now, programme);
            let arrivals = async {
                // Its senders live as long as the film.
                let _ = self.arrivals.recv().await;
            };
            arrivals.or(called.heard()).or(Sleep::after(due.since(clock::mono()))).await;
        }
    }

    /// Looks for the file now and again, while standby is on air.
    async fn look(&self, programme: &Programme) {
        loop {
            if programme.switcher().on_air() == Source::Standby {
                let folder = self.folder.clone();
                let found = smol::unblock(move || find(&folder)).await;
                self.film.borrow_mut().found = found;
            }
            Sleep::after(Duration::from_millis(STANDBY_LOOK_MS)).await;
        }
    }
}

/// The files there are that could be the standby file.
fn find(folder: &Path) -> Vec<StandbyCandidate> {
    let look = |name: &&str| {
        let data = fs::metadata(folder.join(name)).ok().filter(fs::Metadata::is_file)?;
        let identity = (data.len(), data.mtime(), data.mtime_nsec(), data.ino());
        Some(StandbyCandidate { name: FileName::try_from(*name).ok()?, identity })
    };
    NAMES.iter().filter_map(look).collect()
}

/// The card and the file.
pub(super) struct Film<D: FileReaders> {
    file_readers: D,
    card: Card,
    /// When standby went on air, as far as it was seen.
    since: Option<Mono>,
    /// The card is on air.
    shows_card: bool,
    /// The file is.
    on: Option<StandbyPacer<D::FileReader>>,
    next: Option<StandbyPacer<D::FileReader>>,
    pub(super) found: Vec<StandbyCandidate>,
    /// Those that could not be shown, and until when they are left alone.
    refused: Vec<(StandbyCandidate, Mono)>,
    told: String,
}

struct StandbyPacer<K> {
    playing_file: PlayingFile<K>,
    file: StandbyCandidate,
}

impl<D: FileReaders> Film<D> {
    pub(super) fn new(file_readers: D) -> Film<D> {
        let (on, next, told) = (None, None, String::new());
        let (found, refused) = (Vec::new(), Vec::new());
        let (card, since, shows_card) = (Card::new(), None, false);
        Film { file_readers, card, since, shows_card, on, next, found, refused, told }
    }

    /// Does everything that is due.
    pub(super) fn advance(&mut self, now: Mono, programme: &Programme) {
        let since = {
            let switcher = programme.switcher();
            (switcher.on_air() == Source::Standby).then_some(switcher.on_air_since())
        };
        // Something else may have come and gone since the last time: it begins again then too.
        if since != self.since {
            (self.on, self.next, self.shows_card) = (None, None, false);
        }
        self.since = since;
        if since.is_none() {
            return;
        }
        for pacer in self.on.iter_mut().chain(&mut self.next) {
            pacer.playing_file.pump(&self.file_readers, now);
        }
        self.prepare(now);
        self.cast(now, programme);
        match &mut self.on {
            Some(on) => {
                let pacer = &mut on.playing_file.pacer;
                programme.feed(Source::Standby, now, |sink| {
                    pacer.play(now, sink);
                });
                on.playing_file.pump(&self.file_readers, now);
                if let Some(due) = on.playing_file.pacer.next_picture() {
                    programme.expect(Source::Standby, due);
                }
                self.check(now, programme);
            }
            None => self.play_card(now, programme),
        }
    }

    /// When there is something to do, if no file reader has something before.
    pub(super) fn due(&self, now: Mono, programme: &Programme) -> Mono {
        if programme.switcher().on_air() != Source::Standby {
            return programme.switcher().deadline().unwrap_or(now + TICK_MAX);
        }
        let on = match &self.on {
            None => self.card.due(),
            Some(on) => {
                let pacer = &on.playing_file.pacer;
                let end = pacer.end();
                let stalls = end.or(pacer.stalls_since(now)).map(|since| since + STALL_MAX);
                let later = [end, stalls, on.playing_file.preloads_at()]
                    .map(|time| time.filter(|at| *at > now));
                later.into_iter().chain([pacer.due(now)]).flatten().min().unwrap_or(now)
            }
        };
        let next =
            self.next.as_ref().map(|next| next.playing_file.look_at(now)).filter(|at| *at > now);
        on.min(next.unwrap_or(now + TICK_MAX))
    }

    /// The file that should be shown.
    fn wanted(&self, now: Mono) -> Option<&StandbyCandidate> {
        let is_refused = |file: &StandbyCandidate| {
            self.refused.iter().any(|(refused, until)| refused == file && now < *until)
        };
        self.found.iter().find(|file| !is_refused(file))
    }

    /// Makes ready what is to follow: the file itself, or another that has taken its place.
    fn prepare(&mut self, now: Mono) {
        let wanted = self.wanted(now).cloned();
        let stale = |pacer: &StandbyPacer<D::FileReader>| Some(&pacer.file) != wanted.as_ref();
        if self.next.as_ref().is_some_and(stale) {
            self.next = None;
        }
        let due = self.on.as_ref().is_none_or(|on| stale(on) || on.playing_file.ends_soon(now));
        if let Some(file) = wanted.filter(|_| due && self.next.is_none()) {
            let mut playing_file = PlayingFile::new(file.name.clone(), Ticks(0), now);
            playing_file.pump(&self.file_readers, now);
            self.next = Some(StandbyPacer { playing_file, file });
        }
    }

    /// Puts the file on air when it is ready and its time has come.
    fn cast(&mut self, now: Mono, programme: &Programme) {
        let Some(next) = &self.next else { return };
        let at = match &self.on {
            Some(on) if on.file == next.file => on.playing_file.pacer.end(),
            _ => Some(now),
        };
        match (next.playing_file.is_ready(now), at) {
            (Ok(true), Some(at)) if at <= now => {
                let Some(mut next) = self.next.take() else { return };
                if self.on.is_none() {
                    info!("standby: {} is shown", next.file.name);
                }
                next.playing_file.pacer.start(at);
                let pacer = &mut next.playing_file.pacer;
                programme.feed(Source::Standby, now, |sink| {
                    sink.restart();
                    pacer.play(now, sink);
                });
                pacer.postpone(programme.take_ahead());
                self.on = Some(next);
                self.shows_card = false;
            }
            (Ok(_), _) => {}
            (Err(Declined { words, .. }), _) => {
                let file = next.file.clone();
                self.next = None;
                self.refuse(file, words, now);
            }
        }
    }

    /// Goes back to the card when the file cannot go on.
    fn check(&mut self, now: Mono, programme: &Programme) {
        let Some(on) = &self.on else { return };
        let pacer = &on.playing_file.pacer;
        let due = pacer.end().or(pacer.stalls_since(now));
        let stalls = due.is_some_and(|due| now.since(due) >= STALL_MAX);
        let words = match (pacer.end().is_some(), pacer.ending()) {
            (true, Some(FileEnding::Failed(words))) => words.clone(),
            (true, _) if pacer.lasted().is_some_and(|lasted| lasted < SHORTEST) => {
                format!("{} is too short to be repeated", on.file.name)
            }
            _ if stalls => format!("{}: the disk does not answer", on.file.name),
            _ if !self.found.contains(&on.file) && self.next.is_none() => String::new(),
            _ => return,
        };
        let file = on.file.clone();
        (self.on, self.next) = (None, None);
        if !words.is_empty() {
            self.refuse(file, words, now);
        }
        programme.feed(Source::Standby, now, |sink| sink.restart());
        self.play_card(now, programme);
    }

    fn refuse(&mut self, file: StandbyCandidate, words: String, now: Mono) {
        if words != self.told {
            warn!("standby: the built-in card is shown: {words}");
            self.told = words;
        }
        self.refused.retain(|(refused, until)| *refused != file && now < *until);
        self.refused.push((file, now + RETRY));
    }

    fn play_card(&mut self, now: Mono, programme: &Programme) {
        let begins = !self.shows_card || now.since(self.card.due()) > LATE_MAX;
        if begins {
            self.card.begin(now);
        }
        self.shows_card = true;
        let card = &mut self.card;
        programme.feed(Source::Standby, now, |sink| card.play(now, sink));
        if begins {
            card.postpone(programme.take_ahead());
        }
    }
}

#[cfg(test)]
#[path = "standby_tests.rs"]
mod tests;

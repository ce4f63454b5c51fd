//! The operator's commands. Purpose: each is done or declined with a sentence. A switch to a file
//! is answered when the file is on air; everything else at once. Non-goal: who may give them.

use std::sync::Arc;

use crate::base::limits::{PLAYLISTS_MAX, PLAYLIST_FILES_MAX};
use crate::base::time::{Mono, Ticks};
use crate::library::names;
use crate::operator::commands::{
    Command, Declined, DeclinedKind, FileName, LiveInput, Order, Outcome, Playlist, Selection,
};
use crate::program::playlist::{Rules, Walk};
use crate::program::source::Source;
use crate::program::Programme;

use super::super::file_reader::FileReaders;
use super::super::log_cut;
use super::machine::{Bookmark, Lists, PlayItem, PlayoutMachine};

/// What becomes of a command at once.
enum Step {
    /// It is done, or declined.
    Answered(Outcome),
    /// This file is made ready; the answer comes when it is on air, or cannot be.
    Play(Box<PlayItem>, Ticks),
}

impl<D: FileReaders> PlayoutMachine<D> {
    /// Takes a command.
    pub fn command(&mut self, mut order: Order, now: Mono, programme: &Programme) {
        let command = std::mem::replace(&mut order.command, Command::Stop);
        match self.step(command, now, programme) {
            Step::Answered(outcome) => order.answer(outcome),
            Step::Play(item, at) => self.ask(*item, at, Some(Box::new(order)), now),
        }
    }

    fn step(&mut self, command: Command, now: Mono, programme: &Programme) -> Step {
        match command {
            Command::Switch(selection) => self.switch(selection, now, programme),
            Command::Stop => {
                self.stop(None, now, programme);
                done(match self.on {
                    Some(_) => "The file plays on until the live input has a key frame.",
                    None => "Playing has stopped.",
                })
            }
            Command::Pause => self.pause(now, programme),
            Command::Resume => match self.paused.clone() {
                Some(Bookmark { item, at, .. }) => Step::Play(Box::new(item), at),
                None => declined(DeclinedKind::Invalid, "No file is paused."),
            },
            Command::Seek(ms) => self.seek(Ticks::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))),
            Command::Next => self.skip(now, programme),
            Command::Loop(looped) => self.set_loop(looped),
            Command::SetPlaylist { name, list, .. } => self.set_playlist(name, list),
            Command::RemovePlaylist(name) => self.remove_playlist(&name),
            Command::Reopen(input) => {
                self.reopen.bell(input).ring();
                done(match input {
                    LiveInput::Udp => "The UDP input is reopened.",
                    LiveInput::Pull => "The RTMP pull reconnects.",
                })
            }
        }
    }

    /// What the lists would be after a command, which is not done.
    ///
    /// # Errors
    /// Why it would be declined.
    pub(super) fn edited(&self, command: &Command) -> Result<Lists, Declined> {
        let mut lists = Lists::clone(&self.lists);
        match command {
            Command::SetPlaylist { name, list, before } => {
                let now = lists.get(name);
                if before.as_ref().is_some_and(|before| now != Some(before)) {
                    let words = format!("The playlist “{name}” was changed meanwhile.");
                    return Err(Declined { kind: DeclinedKind::Changed, words });
                }
                check(name, list, &lists)
                    .map_err(|words| Declined { kind: DeclinedKind::Invalid, words })?;
                lists.insert(name.clone(), Arc::new(list.clone()));
            }
            Command::RemovePlaylist(name) => {
                lists.remove(name).ok_or_else(|| unknown(name))?;
            }
            _ => {}
        }
        Ok(lists)
    }

    fn switch(&mut self, selection: Selection, now: Mono, programme: &Programme) -> Step {
        match selection {
            Selection::File { name, at_ms, looped } => {
                let at = Ticks::from_ms(i64::try_from(at_ms).unwrap_or(i64::MAX));
                Step::Play(Box::new(PlayItem { file: name, looped, list: None }), at)
            }
            Selection::Playlist(name) => match self.beginning(&name) {
                Ok(item) => Step::Play(Box::new(item), Ticks(0)),
                Err(declined) => Step::Answered(Err(declined)),
            },
            Selection::Udp => self.live(Source::Udp, "The UDP input", now, programme),
            Selection::Rtmp => self.live(Source::Rtmp, "The RTMP publisher", now, programme),
            Selection::Pull => self.live(Source::Pull, "The RTMP pull", now, programme),
            Selection::Standby => {
                self.stop(Some(Source::Standby), now, programme);
                done("Standby is on air.")
            }
        }
    }

    /// A live input takes over from a file when it has a key frame; until then the file plays.
    fn live(&mut self, source: Source, name: &str, now: Mono, programme: &Programme) -> Step {
        self.make_way("Something else was chosen before it was ready.");
        self.paused = None;
        self.changed = true;
        log_cut(programme.choose(Some(source), now));
        done(&match programme.switcher().on_air() == source {
            true => format!("{name} is on air."),
            false => format!("{name} goes on air as soon as it has a key frame."),
        })
    }

    /// Nothing is paused any more, and nothing plays, but for a file that stays on air until a
    /// live input has a key frame: it is dropped when that takes over.
    fn stop(&mut self, choice: Option<Source>, now: Mono, programme: &Programme) {
        self.make_way("It was stopped before it was ready.");
        self.paused = None;
        self.changed = true;
        log_cut(programme.choose(choice, now));
        if programme.switcher().on_air() != Source::File {
            self.eject();
        }
    }

    fn pause(&mut self, now: Mono, programme: &Programme) -> Step {
        let Some(on) = &self.on else {
            return declined(DeclinedKind::Invalid, "No file is playing that could be paused.");
        };
        let (item, at, duration) =
            (on.item.clone(), on.playing_file.position(), on.playing_file.duration());
        self.stop(Some(Source::Standby), now, programme);
        self.paused = Some(Bookmark { item, at, duration });
        done("The file is paused; standby is on air.")
    }

    fn seek(&mut self, to: Ticks) -> Step {
        if let Some(paused) = &mut self.paused {
            paused.at = to;
            return done("The file goes on from there when it is resumed.");
        }
        match &self.on {
            Some(on) => Step::Play(Box::new(on.item.clone()), to),
            None => declined(DeclinedKind::Invalid, "No file is playing."),
        }
    }

    fn skip(&mut self, now: Mono, programme: &Programme) -> Step {
        let playing = self.on.as_ref().map(|on| &on.item);
        let Some(item) = playing.or(self.paused.as_ref().map(|paused| &paused.item)) else {
            return declined(DeclinedKind::Invalid, "No file is playing.");
        };
        match item.next_in_list() {
            Some(next) => Step::Play(Box::new(next), Ticks(0)),
            None => {
                self.stop(None, now, programme);
                done("There is no next file; playing has stopped.")
            }
        }
    }

    fn set_loop(&mut self, looped: bool) -> Step {
        let playing = self.on.as_mut().map(|on| &mut on.item);
        let Some(item) = playing.or(self.paused.as_mut().map(|paused| &mut paused.item)) else {
            return declined(DeclinedKind::Invalid, "No file is playing.");
        };
        item.looped = looped;
        self.reconsider();
        self.changed = true;
        done(match looped {
            true => "The file is repeated until that is switched off.",
            false => "The file plays to its end.",
        })
    }

    fn set_playlist(&mut self, name: String, list: Playlist) -> Step {
        if let Err(words) = check(&name, &list, &self.lists) {
            return declined(DeclinedKind::Invalid, &words);
        }
        for item in self.items() {
            if let Some((_, walk)) = item.list.as_mut().filter(|(of, _)| *of == name) {
                walk.edit(&list.files, rules(&list));
            }
        }
        self.reconsider();
        let words = format!("The playlist “{name}” has {} files.", list.files.len());
        Arc::make_mut(&mut self.lists).insert(name, Arc::new(list));
        self.changed = true;
        done(&words)
    }

    fn remove_playlist(&mut self, name: &str) -> Step {
        if Arc::make_mut(&mut self.lists).remove(name).is_none() {
            return Step::Answered(Err(unknown(name)));
        }
        for item in self.items() {
            if item.list.as_ref().is_some_and(|(of, _)| of == name) {
                item.list = None;
            }
        }
        self.reconsider();
        self.changed = true;
        done(&format!("The playlist “{name}” is deleted."))
    }

    /// Everything that stands in a list.
    fn items(&mut self) -> impl Iterator<Item = &mut PlayItem> {
        let on = self.on.as_mut().map(|on| &mut on.item);
        let next = self.next.as_mut().map(|next| &mut next.item);
        let paused = self.paused.as_mut().map(|paused| &mut paused.item);
        on.into_iter().chain(next).chain(paused)
    }

    fn beginning(&mut self, name: &str) -> Result<PlayItem, Declined> {
        let list = self.lists.get(name).ok_or_else(|| unknown(name))?;
        let walk = Walk::new(&list.files, rules(list), self.random.u64(..));
        let first = walk.and_then(|walk| Some((walk.current()?.clone(), walk)));
        let (file, walk): (FileName, _) = first.ok_or_else(|| Declined {
            kind: DeclinedKind::Invalid,
            words: format!("The playlist “{name}” is empty."),
        })?;
        Ok(PlayItem { file, looped: false, list: Some((name.to_owned(), walk)) })
    }
}

/// How a list is gone through.
pub(super) fn rules(list: &Playlist) -> Rules {
    Rules { repeat: list.repeat, shuffle: list.shuffle }
}

/// Whether a list may be kept.
pub(super) fn check(name: &str, list: &Playlist, lists: &Lists) -> Result<(), String> {
    names::check_playlist(name)?;
    if list.files.len() > PLAYLIST_FILES_MAX {
        return Err(format!("A playlist has {PLAYLIST_FILES_MAX} files at most."));
    }
    if lists.len() >= PLAYLISTS_MAX && !lists.contains_key(name) {
        return Err(format!("There are {PLAYLISTS_MAX} playlists; remove one first."));
    }
    if let Some(why) = list.files.iter().find_map(|file| names::check(file).err()) {
        return Err(format!("A file name in the playlist is not valid: {why}."));
    }
    Ok(())
}

fn unknown(name: &str) -> Declined {
    Declined { kind: DeclinedKind::NotFound, words: format!("There is no playlist “{name}”.") }
}

fn done(words: &str) -> Step {
    Step::Answered(Ok(words.to_owned()))
}

fn declined(kind: DeclinedKind, words: &str) -> Step {
    Step::Answered(Err(Declined { kind, words: words.to_owned() }))
}

use std::sync::mpsc::Receiver;

use super::super::super::testing::{key_frame, programme, Pictures, Shelf};
use super::*;
use crate::operator::commands::{Command, Outcome, Selection};
use crate::program::testing::FRAME;

struct World {
    now: Mono,
    machine: PlayoutMachine<Shelf>,
    shelf: Shelf,
    programme: Programme,
    pictures: Pictures,
    airs: Vec<(u64, Source)>,
    /// A live input that sends a key frame each time.
    live: bool,
    live_due: Mono,
}

impl World {
    fn new() -> World {
        let shelf = Shelf::default();
        World {
            now: Mono::from_ms(1000),
            machine: PlayoutMachine::new(shelf.clone(), 1),
            shelf,
            programme: programme(),
            pictures: Pictures::default(),
            airs: Vec::new(),
            live: false,
            live_due: Mono::default(),
        }
    }

    fn run(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        let mut idle = 0;
        loop {
            self.programme.tick(self.now);
            if self.live && self.live_due <= self.now {
                self.live_due = self.now + Duration::from_millis(40);
                let dts = Ticks::from_duration(self.now.since(Mono::default()));
                key_frame(&self.programme, self.now, dts);
            }
            self.machine.advance(self.now, &self.programme);
            self.note();
            let live = self.live.then_some(self.live_due);
            let due = self.machine.due(self.now);
            let deadline = self.programme.switcher().deadline();
            let next = [due, live, deadline].into_iter().flatten().min().unwrap_or(until);
            if next >= until {
                break;
            }
            // What is due now is done in a few rounds.
            idle = if next <= self.now { idle + 1 } else { 0 };
            assert!(idle < 100, "it goes round at {:?}", self.now);
            self.now = self.now.max(next);
        }
        self.now = until;
    }

    fn note(&mut self) {
        let on_air = self.on_air();
        if self.airs.last().is_none_or(|(_, last)| *last != on_air) {
            self.airs.push((self.now.to_ms(), on_air));
        }
        self.pictures.look(&self.programme, self.now);
    }

    fn on_air(&self) -> Source {
        self.programme.switcher().on_air()
    }

    fn ask(&mut self, command: Command) -> Receiver<Outcome> {
        let (order, outcome) = Order::new(command);
        self.machine.command(order, self.now, &self.programme);
        outcome
    }

    /// Asks, and what is answered within so much time.
    fn told(&mut self, command: Command, ms: u64) -> Outcome {
        let outcome = self.ask(command);
        self.run(ms);
        outcome.try_recv().expect("an answer")
    }

    fn play(&mut self, file: &str) -> Outcome {
        let name = FileName::try_from(file).expect("a short name");
        self.told(Command::Switch(Selection::File { name, at_ms: 0, looped: false }), 50)
    }

    fn list(&mut self, files: &[&str], repeat: bool) {
        let files = files.iter().map(|file| FileName::try_from(*file).expect("short")).collect();
        let list = Playlist { files, repeat, shuffle: false };
        self.told(Command::SetPlaylist { name: "l".to_owned(), list, before: None }, 0)
            .expect("kept");
    }

    fn playing(&self) -> String {
        let status = self.machine.status(&self.programme);
        status.file.map_or(String::new(), |file| file.to_string())
    }

    /// The longest time between two video units since one, and between their times.
    fn gap(&self, since: usize) -> (u64, i64) {
        let pairs = || self.pictures.seen[since..].windows(2);
        let wall = pairs().map(|pair| pair[1].0.since(pair[0].0).as_millis() as u64);
        let media = pairs().map(|pair| (pair[1].1 - pair[0].1).to_ms());
        (wall.max().unwrap_or(0), media.max().unwrap_or(0))
    }
}

const FRAME_MS: u64 = FRAME as u64 / 90;

#[test]
fn a_file_plays_to_its_end_and_gives_way() {
    let mut world = World::new();
    assert_eq!(world.play("a 10"), Ok("a 10 is on air.".to_owned()));
    world.run(5_000);
    assert_eq!((world.on_air(), world.playing().as_str()), (Source::File, "a 10"));
    let status = world.machine.status(&world.programme);
    assert!(status.position_ms.abs_diff(5_040) <= 50, "{}", status.position_ms);
    assert_eq!((status.duration_ms, status.choice), (Some(10_000), Some(Source::File)));
    world.run(6_000);
    assert_eq!((world.on_air(), world.playing().as_str()), (Source::Standby, ""));
    assert_eq!(world.pictures.seen.len(), 250);
    assert_eq!(world.programme.switcher().choice(), None);
    assert_eq!(world.shelf.open.get(), 0, "its reader is gone");
}

#[test]
fn at_the_end_a_live_input_is_taken_back() {
    let mut world = World::new();
    world.live = true;
    world.run(1_000);
    assert_eq!(world.on_air(), Source::Udp);
    world.play("a 3").expect("plays");
    world.run(10_000);
    let airs: Vec<Source> = world.airs.iter().map(|(_, source)| *source).collect();
    assert_eq!(airs, [Source::Udp, Source::File, Source::Udp], "no standby between");
}

#[test]
fn a_list_has_no_seams() {
    let mut world = World::new();
    world.list(&["a 4", "b 5", "c 1"], true);
    world.told(Command::Switch(Selection::Playlist("l".to_owned())), 50).expect("plays");
    world.run(600_000);
    let (wall, media) = world.gap(0);
    assert!(wall <= FRAME_MS + 6, "{wall} and {media} ms");
    assert!(media <= FRAME_MS as i64, "{wall} and {media} ms");
    let (first, last) =
        (world.pictures.seen[0], world.pictures.seen[world.pictures.seen.len() - 1]);
    let drift = (last.1 - first.1).to_ms() - last.0.since(first.0).as_millis() as i64;
    assert!(drift.abs() <= FRAME_MS as i64, "{drift} ms after ten minutes");
    assert_eq!(world.airs.len(), 2, "on air all the time");
}

#[test]
fn a_loop_has_no_seam_and_ends_when_told() {
    let mut world = World::new();
    world.play("a 2").expect("plays");
    world.told(Command::Loop(true), 60_000).expect("done");
    assert!(world.gap(0).1 <= FRAME_MS as i64);
    assert_eq!(world.on_air(), Source::File);
    world.told(Command::Loop(false), 4_500).expect("done");
    assert_eq!(world.on_air(), Source::Standby);
}

#[test]
fn a_switch_to_what_cannot_be_played_leaves_what_is_on_air() {
    for (file, kind) in [
        ("x 5 missing", DeclinedKind::NotFound),
        ("x 5 broken", DeclinedKind::Unplayable),
        ("x 0", DeclinedKind::Unplayable),
        ("x 5 stuck", DeclinedKind::Busy),
    ] {
        let mut world = World::new();
        world.play("a 60").expect("plays");
        world.run(1_000);
        let name = FileName::try_from(file).expect("short");
        let switch = Command::Switch(Selection::File { name, at_ms: 0, looped: false });
        let declined = world.told(switch, 3_100).expect_err("declined");
        assert_eq!(declined.kind, kind, "{file}: {declined}");
        assert!(declined.words.contains(file), "{declined}");
        world.run(1_000);
        assert_eq!(world.playing(), "a 60");
        assert!(world.gap(0).0 <= FRAME_MS, "nothing was missed for {file}");
        assert_eq!(world.machine.status(&world.programme).error.as_str(), declined.words);
        world.play("b 5").expect("plays");
        assert!(world.machine.status(&world.programme).error.is_empty());
    }
}

#[test]
fn a_switch_between_files_leaves_a_gap_of_two_frames_at_most() {
    let mut world = World::new();
    world.play("a 60").expect("plays");
    for step in 0..50 {
        world.run(700 + step * 13);
        let since = world.pictures.seen.len() - 1;
        world.play(["b 60", "c 60"][step as usize % 2]).expect("plays");
        let (wall, media) = world.gap(since);
        assert!(wall <= 2 * FRAME_MS, "{wall} and {media} ms");
        assert!(media <= 2 * FRAME_MS as i64, "{wall} and {media} ms");
    }
}

#[test]
fn a_second_choice_takes_the_first_ones_place() {
    let mut world = World::new();
    let name = FileName::try_from("x 5 stuck").expect("short");
    let first = world.ask(Command::Switch(Selection::File { name, at_ms: 0, looped: false }));
    world.run(100);
    world.play("a 5").expect("plays");
    assert_eq!(first.try_recv().expect("told").expect_err("declined").kind, DeclinedKind::Busy);
}

#[test]
fn a_list_skips_what_cannot_be_played_and_gives_up_after_a_round() {
    let mut world = World::new();
    world.list(&["x 1 missing", "a 3", "y 1 broken", "b 3 breaks", "c 1"], false);
    world.told(Command::Switch(Selection::Playlist("l".to_owned())), 100).expect("plays");
    assert_eq!(world.playing(), "a 3");
    world.run(3_500);
    assert_eq!(world.playing(), "b 3 breaks");
    world.run(1_000);
    assert_eq!(world.playing(), "c 1");
    world.run(1_500);
    assert_eq!(world.on_air(), Source::Standby);
    world.list(&["x 1 missing", "y 1 broken"], true);
    let none = world.told(Command::Switch(Selection::Playlist("l".to_owned())), 500);
    assert_eq!(none.expect_err("declined").kind, DeclinedKind::Unplayable);
    let before = world.shelf.opened.borrow().len();
    world.run(10_000);
    assert_eq!(world.shelf.opened.borrow().len(), before, "nobody tries any more");
}

#[test]
fn a_list_of_files_that_break_off_ends() {
    let mut world = World::new();
    world.list(&["a 3 breaks", "b 3 breaks"], true);
    world.told(Command::Switch(Selection::Playlist("l".to_owned())), 100).expect("plays");
    world.run(60_000);
    assert_eq!(world.on_air(), Source::Standby);
    assert!(world.shelf.opened.borrow().len() < 8);
    let mut alone = World::new();
    let name = FileName::try_from("a 3 breaks").expect("short");
    let looped = Command::Switch(Selection::File { name, at_ms: 0, looped: true });
    alone.told(looped, 100).expect("plays");
    alone.run(10_000);
    assert_eq!(alone.on_air(), Source::Standby);
    assert!(alone.machine.status(&alone.programme).error.contains("made so"));
}

#[test]
fn a_pause_shows_standby_and_keeps_the_place() {
    let mut world = World::new();
    assert_eq!(world.told(Command::Resume, 0).expect_err("no").kind, DeclinedKind::Invalid);
    world.play("a 60").expect("plays");
    world.run(10_500);
    world.told(Command::Pause, 5_000).expect("paused");
    let status = world.machine.status(&world.programme);
    assert_eq!((world.on_air(), status.paused), (Source::Standby, true));
    assert!(status.position_ms.abs_diff(10_550) <= 80, "{}", status.position_ms);
    assert_eq!(world.shelf.open.get(), 0, "nothing is open meanwhile");
    world.told(Command::Resume, 50).expect("goes on");
    let status = world.machine.status(&world.programme);
    assert_eq!((world.on_air(), status.paused), (Source::File, false));
    assert!((10_000..10_200).contains(&status.position_ms), "the key frame before");
}

#[test]
fn seeking_lands_on_a_key_frame() {
    let mut world = World::new();
    world.play("a 60").expect("plays");
    world.run(1_000);
    let since = world.pictures.seen.len() - 1;
    world.told(Command::Seek(30_700), 50).expect("done");
    let status = world.machine.status(&world.programme);
    assert!((30_000..30_200).contains(&status.position_ms), "{}", status.position_ms);
    assert!(world.gap(since).1 <= 2 * FRAME_MS as i64);
    world.run(40_000);
    assert_eq!(world.on_air(), Source::Standby, "it ends when it ends");
}

#[test]
fn a_disk_that_stands_is_covered_and_the_file_goes_on() {
    let mut world = World::new();
    world.play("a 600").expect("plays");
    world.run(2_000);
    world.shelf.stalled.set(true);
    world.run(60_000);
    assert_eq!(world.on_air(), Source::Standby);
    let stood = world.pictures.seen.len();
    world.shelf.stalled.set(false);
    // A file reader says that it has something; here nobody does but the clock.
    world.run(0);
    world.run(5_000);
    assert_eq!(world.on_air(), Source::File);
    assert!(world.gap(stood).0 <= FRAME_MS, "and is not hurried");
}

#[test]
fn a_live_input_takes_over_when_it_can_be_shown() {
    let mut world = World::new();
    world.play("a 60").expect("plays");
    let words = world.told(Command::Switch(Selection::Udp), 3_000).expect("done");
    assert!(words.contains("as soon as"), "{words}");
    assert_eq!((world.on_air(), world.playing().as_str()), (Source::File, "a 60"));
    world.live = true;
    world.run(200);
    assert_eq!((world.on_air(), world.playing().as_str()), (Source::Udp, ""));
    assert_eq!(world.shelf.open.get(), 0);
}

#[test]
fn a_list_that_changes_keeps_what_plays() {
    let mut world = World::new();
    world.list(&["a 5", "b 5"], false);
    world.told(Command::Switch(Selection::Playlist("l".to_owned())), 3_000).expect("plays");
    world.list(&["a 5", "c 5", "b 5"], false);
    let status = world.machine.status(&world.programme);
    assert_eq!(status.next.as_deref(), Some("c 5"));
    world.run(3_000);
    assert_eq!(world.playing(), "c 5");
    world.told(Command::Next, 100).expect("done");
    assert_eq!(world.playing(), "b 5");
    world.told(Command::RemovePlaylist("l".to_owned()), 100).expect("done");
    assert_eq!(world.playing(), "b 5");
    world.told(Command::Next, 100).expect("done");
    assert_eq!(world.on_air(), Source::Standby);
    let none = world.told(Command::Switch(Selection::Playlist("l".to_owned())), 0);
    assert_eq!(none.expect_err("gone").kind, DeclinedKind::NotFound);
}

#[test]
fn what_played_is_found_again_after_a_restart() {
    let mut world = World::new();
    world.list(&["a 5", "b 60"], true);
    assert_eq!(world.machine.place(&world.programme), None, "nothing is on air");
    world.told(Command::Switch(Selection::Playlist("l".to_owned())), 25_500).expect("plays");
    let place = world.machine.place(&world.programme);
    let text = super::super::place_to_json(place.as_ref());
    let lists = super::super::lists_to_json(&world.machine.lists());
    let mut next = World::new();
    let place = super::super::place_from_json(&text).expect("ours");
    let lists = super::super::lists_from_json(&lists).expect("ours");
    next.machine.restore(lists, place, next.now);
    next.run(100);
    let status = next.machine.status(&next.programme);
    assert_eq!((next.playing().as_str(), status.index), ("b 60", 1));
    assert!((20_000..20_200).contains(&status.position_ms), "{}", status.position_ms);
    assert_eq!(status.playlist.as_deref(), Some("l"));
    assert!(super::super::lists_from_json(b"{\"l\": {\"files\": [3]}}").is_err());
    let long = format!("{{\"l\": {{\"files\": [\"{}\"]}}}}", "x".repeat(300));
    assert!(super::super::lists_from_json(long.as_bytes()).is_err());
}

#[test]
fn what_was_asked_for_before_the_disk_answered_stands() {
    let mut before = World::new();
    before.list(&["a 60", "b 60"], true);
    let switched = Selection::Playlist("l".to_owned());
    assert!(before.told(Command::Switch(switched), 1_000).is_ok());
    let place = before.machine.place(&before.programme);
    assert!(place.is_some());
    let mut lists = Lists::clone(&before.machine.lists());
    lists.insert("day".to_owned(), Arc::default());
    for (asks, plays) in [(true, "c 60"), (false, "a 60")] {
        let mut next = World::new();
        if asks {
            next.list(&["c 60"], false);
            assert!(next.play("c 60").is_ok());
        }
        next.machine.restore(lists.clone(), place.clone(), next.now);
        next.run(1_000);
        assert_eq!(next.playing(), plays);
        let own = next.machine.lists().get("l").map(|list| list.files.len());
        assert_eq!(own, Some(if asks { 1 } else { 2 }), "the operator's own list stays");
        assert!(next.machine.lists().contains_key("day"));
    }
    let mut stopped = World::new();
    assert!(stopped.told(Command::Stop, 10).is_ok());
    stopped.machine.restore(lists, place, stopped.now);
    stopped.run(1_000);
    assert_eq!(stopped.playing(), "", "a stop is a choice too");
}

#[path = "lists_tests.rs"]
mod lists;
#[path = "slow_tests.rs"]
mod slow;

use super::super::testing::{key_frame, programme, Pictures, Shelf};
use super::*;

struct World {
    now: Mono,
    film: Film<Shelf>,
    shelf: Shelf,
    programme: Programme,
    pictures: Pictures,
}

fn found(name: &str, change: i64) -> StandbyCandidate {
    let name = FileName::try_from(name).expect("short");
    StandbyCandidate { name, identity: (1, change, 0, 1) }
}

impl World {
    fn new() -> World {
        let shelf = Shelf::default();
        World {
            now: Mono::from_ms(1000),
            film: Film::new(shelf.clone()),
            shelf,
            programme: programme(),
            pictures: Pictures::default(),
        }
    }

    fn run(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        let mut idle = 0;
        loop {
            self.programme.tick(self.now);
            self.film.advance(self.now, &self.programme);
            self.pictures.look(&self.programme, self.now);
            let due = self.film.due(self.now, &self.programme);
            if due >= until {
                break;
            }
            idle = if due <= self.now { idle + 1 } else { 0 };
            assert!(idle < 100, "it goes round at {:?}", self.now);
            self.now = self.now.max(due);
        }
        self.now = until;
    }

    /// A live input is chosen and has a key frame.
    fn live_takes_over(&mut self) {
        self.programme.choose(Some(Source::Udp), self.now);
        key_frame(&self.programme, self.now, Ticks(0));
    }

    fn shows(&self) -> Option<&str> {
        self.film.on.as_ref().map(|on| on.file.name.as_str())
    }

    /// No gap longer than two frames, whatever was shown; times only grow.
    fn holds(&self, wall_ms: u64) {
        for pair in self.pictures.seen.windows(2) {
            let wall = pair[1].0.since(pair[0].0).as_millis() as u64;
            assert!(wall <= wall_ms, "{wall} ms without a picture at {:?}", pair[0].0);
            let step = (pair[1].1 - pair[0].1).to_ms();
            assert!(step > 0, "a step of {step} ms at {:?}", pair[0].0);
            assert!(step <= wall_ms as i64, "a step of {step} ms at {:?}", pair[0].0);
        }
    }
}

#[test]
fn the_card_is_there_at_once_and_the_file_as_soon_as_it_can() {
    let mut world = World::new();
    world.run(3_000);
    assert_eq!(world.shows(), None);
    world.film.found = vec![found("s 5", 1)];
    world.run(60_000);
    assert_eq!(world.shows(), Some("s 5"));
    assert!(world.shelf.opened.borrow().len() >= 12, "again and again");
    world.holds(80);
    // Another with the same name.
    world.film.found = vec![found("s 5", 2)];
    world.run(100);
    assert_eq!(world.film.on.as_ref().map(|on| on.file.identity.1), Some(2));
    // It is removed.
    world.film.found = Vec::new();
    world.run(5_000);
    assert_eq!(world.shows(), None);
    assert_eq!(world.shelf.open.get(), 0);
    world.holds(80);
}

#[test]
fn slow_files_are_shown_for_ever() {
    for (file, wall_ms) in [
        ("s 6 slides", 2_000),
        ("s 60 slides", 2_000),
        ("s 10 stills", 10_000),
        ("s 60 stills", 10_000),
        ("s 16 song", 16_000),
    ] {
        let mut world = World::new();
        world.film.found = vec![found(file, 1)];
        world.run(100);
        assert_eq!(world.shows(), Some(file));
        let began = world.pictures.seen.len() - 1;
        world.run(3_600_000);
        assert_eq!(world.shows(), Some(file));
        assert!(world.film.refused.is_empty());
        world.pictures.seen.drain(..began);
        assert_eq!(world.pictures.seen.len() as u64, 3_600_100 / wall_ms + 1, "{file}");
        world.holds(wall_ms);
    }
}

#[test]
fn what_cannot_be_shown_leaves_the_next_or_the_card() {
    let mut world = World::new();
    world.film.found = vec![found("a 5 missing", 1), found("b 5 broken", 1), found("c 5", 1)];
    world.run(9_000);
    assert_eq!(world.shows(), Some("c 5"));
    world.film.found = vec![found("d 9 breaks", 1)];
    world.run(5_000);
    assert_eq!(world.shows(), None, "it broke off");
    world.film.found = vec![found("e 5 stuck", 1)];
    world.run(30_000);
    assert_eq!(world.shows(), None);
    world.holds(80);
    assert!(world.shelf.opened.borrow().len() < 20, "and it is not tried all the time");
}

#[test]
fn a_file_that_stalls_is_covered_by_the_card() {
    let mut world = World::new();
    world.film.found = vec![found("s 600", 1)];
    world.run(2_000);
    assert_eq!(world.shows(), Some("s 600"));
    world.shelf.stalled.set(true);
    world.run(60_000);
    assert_eq!(world.shows(), None);
    world.holds(400);
}

#[test]
fn nothing_is_open_while_something_else_is_on_air() {
    let mut world = World::new();
    world.film.found = vec![found("s 5", 1)];
    world.run(2_000);
    assert_eq!(world.shelf.open.get(), 1);
    world.live_takes_over();
    world.film.advance(world.now, &world.programme);
    assert_eq!(world.shelf.open.get(), 0);
}

#[test]
fn it_begins_again_when_something_else_was_on_air_for_a_moment() {
    for file in [None, Some(found("s 60", 1))] {
        let mut world = World::new();
        world.film.found.extend(file);
        world.run(1_500);
        // Between two of the card's frames, so that it does not look meanwhile.
        world.live_takes_over();
        world.now = world.now + Duration::from_millis(1);
        world.programme.choose(Some(Source::Standby), world.now);
        world.run(3_000);
        world.holds(100);
    }
}

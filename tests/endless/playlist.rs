//! A day of a playlist: files of all rates one behind the other, the list changed now and then,
//! and nobody on the far side notices more than the next picture.

use std::time::Duration;

use streamcaster::base::time::{Mono, Ticks};
use streamcaster::inputs::playout::PlayoutMachine;
use streamcaster::operator::commands::{Command, FileName, Order, Playlist, Selection};
use streamcaster::program::ring::{Capacity, Ring};
use streamcaster::program::source::Source;
use streamcaster::program::switcher::{FillAudio, Switcher};
use streamcaster::program::Programme;

use crate::files::{File, Shelf};
use crate::player::{Player, ROUNDING};
use crate::world::SILENCE;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The longest frame any of the files has, milliseconds, each end rounded to one.
const FRAME_MS: u32 = 43;

struct Day {
    now: Mono,
    programme: Programme,
    machine: PlayoutMachine<Shelf>,
    shelf: Shelf,
    player: Player,
    random: fastrand::Rng,
    /// The programme's time less the wall clock's, each since the first unit.
    since: Option<(Ticks, Mono)>,
    ahead_ms: (i64, i64),
}

impl Day {
    fn new(seed: u64) -> Day {
        let capacity = Capacity {
            video_bytes: 256 << 10,
            audio_bytes: 128 << 10,
            units: 4096,
            unit_bytes_max: 64 << 10,
        };
        let shelf = Shelf::default();
        Day {
            now: Mono::from_ms(10),
            programme: Programme::new(Switcher::new(Ring::new(capacity), SILENCE, FillAudio::No)),
            machine: PlayoutMachine::new(shelf.clone(), seed),
            shelf,
            player: Player::new(),
            random: fastrand::Rng::with_seed(seed),
            since: None,
            ahead_ms: (0, 0),
        }
    }

    fn ask(&mut self, command: Command) {
        let (order, _) = Order::new(command);
        self.machine.command(order, self.now, &self.programme);
    }

    fn set(&mut self, files: &[u64], shuffle: bool) {
        let name = |number: &u64| FileName::try_from(number.to_string().as_str()).expect("short");
        let files = files.iter().map(name).collect();
        let list = Playlist { files, repeat: true, shuffle };
        self.ask(Command::SetPlaylist { name: "day".to_owned(), list, before: None });
    }

    /// Runs from event to event; each timer is up to two milliseconds late.
    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            self.programme.tick(self.now);
            self.machine.advance(self.now, &self.programme);
            let ring = self.programme.ring();
            self.player.take(&ring, self.now);
            if let Some(newest) = ring.newest() {
                let (programme, wall) = *self.since.get_or_insert((newest.dts, self.now));
                let passed = Ticks::from_duration(self.now.since(wall));
                let ahead = (newest.dts - programme - passed).to_ms();
                self.ahead_ms = (self.ahead_ms.0.min(ahead), self.ahead_ms.1.max(ahead));
            }
            drop(ring);
            let due = self.machine.due(self.now).unwrap_or(until).min(until);
            let late = Duration::from_micros(self.random.u64(..2_000));
            self.now = self.now.max(due + late);
        }
    }
}

fn day_of(seed: u64, shuffle: bool) {
    let mut day = Day::new(seed);
    let mut files: Vec<u64> = (0..30).map(|number| seed * 1000 + number).collect();
    day.set(&files, shuffle);
    day.ask(Command::Switch(Selection::Playlist("day".to_owned())));
    let hours = 24;
    for hour in 0..hours {
        day.run(DAY / hours);
        // An hour later somebody changes the list.
        day.random.shuffle(&mut files);
        files.truncate(20);
        files.extend((0..10).map(|number| seed * 1000 + 100 * u64::from(hour) + number));
        day.set(&files, shuffle);
        assert_eq!(day.programme.switcher().on_air(), Source::File, "in hour {hour}");
    }
    let seen = day.player.seen();
    let opened = day.shelf.opened.borrow();
    let media: i64 = opened.iter().map(|number| File::of(*number).ticks()).sum();
    assert!(media >= 23 * 3600 * 90_000, "{} files", opened.len());
    assert!(opened.windows(2).filter(|pair| pair[0] == pair[1]).count() <= 24);
    let frame = i64::from(FRAME_MS);
    let (least, most) = seen.seam_ms.expect("many files");
    assert!(least > 0, "{least} to {most} ms between two files' pictures");
    assert!(most <= frame, "{least} to {most} ms between two files' pictures");
    // A picture is shown up to two frames after it is decoded, and what follows is shown behind it.
    let [video_ms, _] = seen.gap_ms;
    assert!(video_ms <= 3 * FRAME_MS, "{video_ms} ms from one picture to the next decoded");
    assert!(seen.skew <= ROUNDING, "sound and picture {} ticks apart", seen.skew);
    assert!(seen.stray <= ROUNDING, "times {} ticks astray", seen.stray);
    assert!(seen.apart <= opened.len() as u64, "{} units of the other file's sound", seen.apart);
    assert_eq!((seen.skips, seen.connections), (0, 1));
    let (behind, before) = day.ahead_ms;
    // Right behind a seam, until what follows comes later.
    assert!(before <= 3 * frame, "{behind} to {before} ms ahead");
    assert!(behind >= -2 * frame, "{behind} to {before} ms ahead");
}

#[test]
fn a_day_of_a_playlist_keeps_time() {
    day_of(1, false);
}

#[test]
fn a_day_of_a_shuffled_playlist_keeps_time() {
    day_of(2, true);
}

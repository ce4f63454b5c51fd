//! Slow is not dead: slides, stills, and pictures with sound.

use super::*;

#[test]
fn slow_files_are_played_and_not_covered() {
    for (file, frame_ms, frames) in
        [("a 60 slides", 2_000, 30), ("a 60 spoken", 2_000, 30), ("a 60 stills", 10_000, 6)]
    {
        let mut world = World::new();
        world.play(file).expect("plays");
        let began = world.now;
        world.run(59_900);
        assert_eq!(world.airs, [(1_000, Source::File)], "{file}");
        assert_eq!(world.pictures.seen.len(), frames, "{file}");
        assert!(world.pictures.seen.windows(2).all(|pair| {
            pair[1].0.since(pair[0].0).as_millis() == frame_ms
                && (pair[1].1 - pair[0].1).to_ms() == frame_ms as i64
        }));
        world.run(1_000);
        assert_eq!(world.on_air(), Source::Standby, "{file}");
        let (ended, _) = world.airs[world.airs.len() - 1];
        assert_eq!(ended, began.to_ms() + 59_950, "the last is shown as long as the others");
    }
}

#[test]
fn one_picture_with_sound_plays_as_long_as_the_sound() {
    let mut world = World::new();
    world.play("a 16 song").expect("plays");
    world.run(15_900);
    assert_eq!(world.airs, [(1_000, Source::File)]);
    let status = world.machine.status(&world.programme);
    assert!(status.position_ms.abs_diff(15_950) <= 22, "{}", status.position_ms);
    world.run(200);
    assert_eq!(world.airs[1..], [(17_000, Source::Standby)]);
}

#[test]
fn a_looped_list_of_slow_files_plays_for_ever() {
    let mut world = World::new();
    world.list(&["a 10 stills", "b 6 slides", "c 20 stills", "d 16 song"], true);
    world.told(Command::Switch(Selection::Playlist("l".to_owned())), 50).expect("plays");
    world.run(52 * 100_000 - 100);
    assert_eq!(world.airs.len(), 2, "on air all the time");
    assert_eq!(world.pictures.seen.len(), 7 * 100);
    assert_eq!(world.gap(0), (16_000, 16_000), "each is shown as long as it lasts");
}

#[test]
fn a_disk_that_stands_is_covered_in_slow_files_too() {
    let mut world = World::new();
    world.play("a 20000 slides").expect("plays");
    world.run(3_000);
    world.shelf.stalled.set(true);
    world.run(10_000_000);
    assert_eq!(world.on_air(), Source::Standby, "what was read ahead is played, no more");
    let stood = world.pictures.seen.len();
    world.shelf.stalled.set(false);
    world.run(0);
    world.run(5_000);
    assert_eq!(world.on_air(), Source::File);
    assert!((3..=4).contains(&(world.pictures.seen.len() - stood)), "and is not hurried");
}

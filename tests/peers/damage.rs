//! Datagrams lost, repeated and swapped on the way: what is passed on is whole.

use crate::frames::{in_order, only_grows};
use crate::machine;
use crate::media::{standby, Media, PLAIN};
use crate::player::Player;
use crate::program::Program;
use crate::sender::{Faults, Schedule, Sender};
use crate::wait::{self, seconds};

#[test]
fn one_datagram_in_a_hundred_lost() {
    only_whole_frames(Faults { lost: 10, ..Faults::default() }, 60);
}

#[test]
fn one_datagram_in_twenty_lost() {
    only_whole_frames(Faults { lost: 50, ..Faults::default() }, 15);
}

#[test]
fn datagrams_repeated() {
    only_whole_frames(Faults { repeated: 20, ..Faults::default() }, 40);
}

#[test]
fn datagrams_swapped() {
    only_whole_frames(Faults { swapped: 20, ..Faults::default() }, 30);
}

/// Plays ten seconds with these faults; at least `percent_min` of the frames must arrive.
fn only_whole_frames(faults: Faults, percent_min: usize) {
    let media = Media::of(PLAIN);
    let source = &media.frames;
    let _machine = machine::shared();
    let mut program = Program::start("");
    let player = Player::start(program.rtmp, "stream");
    assert!(wait::holds(seconds(5), || player.video_frames() > 10), "{}", program.told());
    let sent = Schedule::of(&media.path).until(seconds(10)).with(faults, 0x5EED);
    Sender::start(sent, program.udp).finish();
    program.wait_on_air("standby", seconds(3));
    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got + 10), "{}", program.told());
    program.assert_well();
    let seen = player.stop().frames;

    let standby = standby();
    for (track, seen, source, standby) in [
        ("video", &seen.video, &source.video, &standby.video),
        ("audio", &seen.audio, &source.audio, &standby.audio),
    ] {
        let from_source = in_order(track, seen, source, standby);
        let sent = source.len() * 10 / 24;
        assert!(
            from_source * 100 >= sent * percent_min,
            "{track}: {from_source} of {sent} frames came through:\n{}",
            program.told()
        );
        only_grows(track, seen);
    }
}

//! A source's clock that makes a step while it sends: forwards, backwards, or again from 0. The
//! programme's time goes on from frame to frame.

use std::time::Duration;

use crate::encoder::{Encoder, Plan, HOUR, TICKS_PER_S};
use crate::player::Player;
use crate::ts::CLOCK_PERIOD;
use crate::world::{World, SILENCE};

/// Where a clock of this time is put.
fn steps(clock: i64) -> [i64; 10] {
    [
        clock + 10 * TICKS_PER_S,
        clock + 3 * HOUR,
        clock + 20 * HOUR,
        clock - TICKS_PER_S,
        clock - 2 * Plan::USUAL.frame,
        clock - 5 * HOUR,
        clock - 17 * HOUR,
        0,
        CLOCK_PERIOD - 10 * TICKS_PER_S,
        clock + CLOCK_PERIOD / 2,
    ]
}

#[test]
fn steps_of_a_clock_are_not_seen_by_players() {
    let plan = Plan::USUAL;
    let mut world = World::new(6, SILENCE, vec![Player::new()]);
    let mut encoder = Encoder::new(1, plan, HOUR, world.now);
    let mut id = 1;
    for _ in 0..6 {
        for n in 0..steps(0).len() {
            let span = Duration::from_secs(world.random.u64(30..90));
            world.run(span, &mut encoder);
            id += 1;
            let clock = steps(encoder.clock())[n];
            encoder.step_clock(id, clock);
        }
    }
    world.run(Duration::from_secs(60), &mut encoder);
    let seen = world.judge(plan.audio_frame())[0];
    assert_eq!(world.cuts, 1, "the encoder stays on air");
    assert!(seen.gap_ms <= [81, 110], "{seen:?}");
    assert!(seen.skips == 0, "{seen:?}");
    let off = world.ahead();
    assert!(off.abs() < TICKS_PER_S / 5, "{off} ticks after {id} steps");
}

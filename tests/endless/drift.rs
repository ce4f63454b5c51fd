//! Encoders whose clock is not the wall's. The programme follows the encoder while it is on air,
//! and the wall clock through every gap: what it is ahead or behind is the encoder's own drift,
//! however often it goes and comes back.

use std::time::Duration;

use streamcaster::program::source::Source;

use crate::encoder::{Encoder, Plan, HZ_8000, TICKS_PER_S};
use crate::player::Player;
use crate::world::{World, SILENCE};

const HOURS: u64 = 24;
/// What the programme may be off beside the drift: a few frames, whatever the number of gaps.
const SLACK: i64 = TICKS_PER_S / 5;

/// A day in which the encoder falls silent a dozen times an hour, and returns where its clock is by then, or
/// again from 0. The programme's time is held to the wall clock's and the drift.
fn a_day(slow_ppm: i64, seed: u64) -> World {
    let plan = Plan { audio_hz: HZ_8000, slow_ppm, ..Plan::USUAL };
    let mut world = World::new(seed, SILENCE, vec![Player::new()]);
    let mut encoder = Encoder::new(1, plan, 0, world.now);
    for gap in 1..=12 * HOURS {
        let live = world.random.u64(250..310);
        world.run(Duration::from_secs(live), &mut encoder);
        let away = Duration::from_millis(world.random.u64(20..30_000));
        world.silence(away);
        if gap % 5 == 0 {
            encoder = Encoder::new(1 + (gap % 60) as u8, plan, 0, world.now);
        } else {
            encoder.unheard(world.now);
        }
        if world.on_air() == Source::Udp {
            // A short one, still going on: nothing has been said in the meantime.
            continue;
        }
        let drift = -slow_ppm * world.aired().as_millis() as i64 * 90 / 1_000_000;
        let error = world.ahead() - drift;
        assert!(error.abs() < SLACK, "{error} ticks off in gap {gap}, drift {drift}");
    }
    let seen = world.judge(plan.audio_frame());
    assert!(seen.iter().all(|seen| seen.skips == 0), "{seen:?}");
    assert!(world.cuts > 12 * HOURS, "{} cuts", world.cuts);
    world
}

#[test]
fn a_slow_encoder_lets_the_programme_fall_behind_by_its_drift_only() {
    let world = a_day(200, 4);
    assert!(world.ahead() < -15 * TICKS_PER_S);
}

#[test]
fn a_fast_encoder_lets_the_programme_run_ahead_by_its_drift_only() {
    let world = a_day(-200, 5);
    assert!(world.ahead() > 15 * TICKS_PER_S);
}

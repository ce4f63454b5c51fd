//! Clocks that run out of bits: 33 of MPEG-TS (ISO/IEC 13818-1, 2.4.3.7), 24 and 32 of RTMP
//! (RTMP 1.0, 4 and 5.3.1.3).

use std::time::Duration;

use crate::encoder::{Encoder, Plan, HZ_48000, HZ_8000};
use crate::player::Player;
use crate::ts::CLOCK_PERIOD;
use crate::world::{World, SILENCE};

/// One frame in two seconds, and as much sound: what is between the wraps goes by in seconds.
const COARSE: Plan =
    Plan { frame: 180_000, gop: 7, audio_hz: HZ_8000, audio_stride: 16, slow_ppm: 0 };
/// Such a source is silent only later.
const COARSE_SILENCE: Duration = Duration::from_secs(8);

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn five_hours_carry_times_into_their_extension() {
    let plan = Plan { frame: 3000, gop: 31, audio_hz: HZ_48000, ..Plan::USUAL };
    let destination = Player::unsteady(minutes(281));
    let mut world = World::new(1, SILENCE, vec![Player::new(), destination]);
    let mut encoder = Encoder::new(1, plan, 5000, world.now);
    world.run(minutes(5 * 60), &mut encoder);
    let seen = world.judge(plan.audio_frame());
    // 0xFFFFFF ms are 279 minutes and 37 seconds.
    assert!(seen[0].extended_chunks > 20 * 60 * (30 + 46), "{:?}", seen[0]);
    assert!((1..seen[0].extended_chunks / 2).contains(&seen[1].extended_chunks), "{:?}", seen[1]);
    assert!(seen.iter().all(|seen| seen.gap_ms <= [34, 32] && seen.skips == 0), "{seen:?}");
    assert_eq!((seen[0].connections, seen[1].connections), (1, 2));
    assert_eq!(world.cuts, 1, "from the card to the encoder");
}

#[test]
fn the_wire_clock_wraps_twice_in_54_hours_and_between_dts_and_pts() {
    let plan = Plan { audio_hz: HZ_8000, ..Plan::USUAL };
    let destination = Player::unsteady(minutes(177));
    let mut world = World::new(2, COARSE_SILENCE, vec![Player::new(), destination]);
    // The first wrap after 26.5 h of every frame, the second after as much in coarse steps.
    let mut encoder = Encoder::new(1, plan, 1234, world.now);
    world.run(minutes(27 * 60), &mut encoder);
    assert_eq!(encoder.wraps_within, 1);
    encoder.change(COARSE);
    let second = (2 * CLOCK_PERIOD - encoder.clock()) / 90_000;
    world.run(Duration::from_secs(second.unsigned_abs() - 300), &mut encoder);
    encoder.change(Plan::USUAL);
    world.run(minutes(10), &mut encoder);
    assert_eq!(encoder.wraps_within, 2);
    let seen = world.judge(plan.audio_frame());
    assert!(seen.iter().all(|seen| seen.gap_ms <= [2000, 4100] && seen.skips == 0), "{seen:?}");
    assert_eq!((seen[0].connections, seen[1].connections), (1, 19));
    assert_eq!(world.cuts, 1, "no wrap was taken for another source");
    assert_eq!(world.counters().dropped_time, 0);
}

#[test]
fn thirty_two_bits_of_milliseconds_wrap_after_fifty_days() {
    let destination = Player::unsteady(minutes(24 * 60 * 20));
    let mut world = World::new(3, COARSE_SILENCE, vec![Player::new(), destination]);
    let mut encoder = Encoder::new(1, Plan::USUAL, 77, world.now);
    world.run(minutes(1), &mut encoder);
    encoder.change(COARSE);
    // 2^32 ms are 71,582 minutes and 47 seconds.
    world.run(minutes(71_577), &mut encoder);
    encoder.change(Plan::USUAL);
    world.run(minutes(10), &mut encoder);
    encoder.change(COARSE);
    world.run(minutes(72_000 - 71_588), &mut encoder);
    let seen = world.judge(Plan::USUAL.audio_frame());
    assert_eq!((seen[0].wraps, seen[1].wraps), (1, 0), "the destination begins again in time");
    assert!(seen.iter().all(|seen| seen.gap_ms <= [2000, 4100] && seen.skips == 0), "{seen:?}");
    assert_eq!((seen[0].connections, seen[1].connections), (1, 3));
    assert_eq!(world.cuts, 1);
}

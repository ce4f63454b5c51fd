//! Sources that come and go while datagrams are lost, with seeds: nothing broken leaves, and
//! time goes on for fast, slow and unsteady readers alike.

use std::time::Duration;

use streamcaster::program::source::Source;

use crate::encoder::{Encoder, Plan, TICKS_PER_S};
use crate::player::Player;
use crate::world::{World, SILENCE};

/// An hour of an encoder that is away now and then, for as long as a network hiccup or a walk.
fn an_hour(seed: u64, lost_permille: u64) {
    let plan = Plan::USUAL;
    let slow = Player::slow(Duration::from_secs(100));
    let unsteady = Player::unsteady(Duration::from_secs(7 * 60));
    let mut world = World::new(seed, SILENCE, vec![Player::new(), slow, unsteady]);
    world.lost_permille = lost_permille;
    let mut encoder = Encoder::new(1, plan, 0, world.now);
    for time in 1..=60 {
        let live = world.random.u64(100..110_000);
        world.run(Duration::from_millis(live), &mut encoder);
        let away = match world.random.u8(..3) {
            0 => world.random.u64(1..500),
            1 => world.random.u64(500..3000),
            _ => world.random.u64(3000..20_000),
        };
        world.silence(Duration::from_millis(away));
        if world.random.bool() {
            encoder.unheard(world.now);
        } else {
            encoder = Encoder::new(1 + time, plan, world.random.i64(0..1 << 33), world.now);
        }
    }
    let seen = world.judge(plan.audio_frame());
    assert!(seen[0].live > 30_000, "the encoder was on air: {:?}", seen[0]);
    assert!(seen[0].skips == 0, "{seen:?}");
    assert!(seen[2].skips == 0, "{seen:?}");
    assert!(seen[1].skips > 0, "the slow one was skipped: {:?}", seen[1]);
    assert!(seen[2].connections > 5, "{:?}", seen[2]);
    assert!(seen[0].gap_ms[0] < 3100, "every gap was covered: {:?}", seen[0]);
    assert!(world.cuts > 20, "{} cuts", world.cuts);
    let off = world.ahead();
    assert!(off.abs() < TICKS_PER_S / 2, "{off} ticks after {} cuts", world.cuts);
    world.silence(Duration::from_secs(5));
    assert_eq!(world.on_air(), Source::Standby);
}

#[test]
fn sources_come_and_go_without_loss() {
    (10..13).for_each(|seed| an_hour(seed, 0));
}

#[test]
fn sources_come_and_go_with_one_datagram_in_a_hundred_lost() {
    (20..23).for_each(|seed| an_hour(seed, 10));
}

#[test]
fn sources_come_and_go_with_one_datagram_in_ten_lost() {
    (30..33).for_each(|seed| an_hour(seed, 100));
}

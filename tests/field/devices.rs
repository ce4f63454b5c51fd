//! Transport streams as devices and muxers pack them, by name, through the whole program: what an
//! encoder of the tests' own made comes out at a viewer picture by picture, each with its times.

use std::sync::Arc;

use fastrand::Rng;
use test_support::aac;
use test_support::oracle::Source;
use test_support::recipes::{transport_streams, Recipe};
use test_support::ts::Muxer;
use test_support::units::{Media, Track};

use crate::case::{send, Stage};
use crate::compare::{whole, Expected, Sound};
use crate::pool;
use crate::program::Folder;
use crate::sender::Schedule;

const START: i64 = 900_000;
/// How long each plays, 90 kHz.
const PLAYS: i64 = 4 * 90_000;
/// Slices are so much larger than those that the demultiplexer alone is given: a frame then takes
/// datagrams of its own, and leaves when it is due.
const LARGER: usize = 5;

#[test]
fn devices_by_name_come_out_picture_by_picture() {
    let only = std::env::var("STREAMCASTER_ONLY").unwrap_or_default();
    let mut recipes = transport_streams();
    recipes.retain(|recipe| recipe.name.contains(&only));
    pool::run(&recipes, |recipe| recipe.name.to_owned(), comes_out);
}

fn comes_out(recipe: &Recipe) {
    let Recipe { name, encoder, muxer } = recipe;
    let rng = &mut Rng::with_seed(27);
    let mut encoder = encoder.clone();
    encoder.slice_bytes *= LARGER;
    let frames = i64::try_from(encoder.durations.len()).expect("a few");
    let frame = encoder.durations.iter().sum::<i64>() / frames;
    let mut units = encoder.encode(PLAYS / frame, START, rng);
    let end = units.last().map_or(START, |unit| unit.dts);
    let sound = aac::Encoder::default();
    units.extend(sound.encode(START, end, rng));
    let muxer = Muxer { clocked: true, ..muxer.clone() };
    let muxed = muxer.mux(&units, &sound, rng);
    units.sort_by_key(|unit| (unit.dts, unit.track == Track::Audio));
    let parameter_sets = encoder.parameter_sets();
    let media = Media { parameter_sets, audio_config: sound.config(), units };
    let stage = Stage::over(&Arc::<Folder>::default());
    let outcome = send(stage, Schedule::of_bytes(&muxed.bytes));
    let source = Source::of_media(name, &media);
    let report = outcome.viewer(std::slice::from_ref(&source));
    whole(name, &report, &source, Expected { tail: 1, sound: Sound::Beside });
}

//! Kinds of input that once came out wrong, made here.

use std::path::PathBuf;

use test_support::peers::clips::{Clip, Recipe, PLAIN};

use crate::case::{play, Way};
use crate::compare::{compare, Expected, Sound};
use crate::pool;
use crate::program::Folder;

const PUBLISHED: Recipe = Recipe { name: "made.flv", b_frames: 2, seconds: 4, ..PLAIN };
const STREAM: Recipe = Recipe { name: "made.ts", b_frames: 2, seconds: 4, ..PLAIN };
const SLIDES: Recipe =
    Recipe { name: "slides.mp4", seconds: 6, gop_frames: 1, more: &["-r", "1/2"], ..PLAIN };
const SLICED: Recipe = Recipe { name: "sliced.ts", more: &["-slices", "4"], ..STREAM };
const INTERLACED: Recipe =
    Recipe { name: "interlaced.ts", more: &["-flags", "+ildct+ilme"], ..STREAM };
const OPEN: Recipe =
    Recipe { name: "open-gop.ts", more: &["-x264-params", "open-gop=1"], ..STREAM };
const SURROUND: Recipe = Recipe {
    name: "side51.ts",
    more: &["-ac", "6", "-af", "aformat=channel_layouts=5.1(side)", "-b:a", "192k"],
    ..STREAM
};

/// An input and the same units in a shape that ffmpeg reads without mistakes.
struct Input {
    path: PathBuf,
    reference: PathBuf,
}

/// A kind of input.
struct Made {
    name: &'static str,
    way: Way,
    tail: usize,
    sound: Sound,
    make: fn(&Folder) -> Input,
}

const fn made(
    name: &'static str,
    way: Way,
    tail: usize,
    sound: Sound,
    make: fn(&Folder) -> Input,
) -> Made {
    Made { name, way, tail, sound, make }
}

const MADE: [Made; 6] = [
    made("a publisher with B-frames", Way::Publish, 0, Sound::Beside, |_| as_it_is(PUBLISHED)),
    made("slides", Way::Library, 0, Sound::Beside, |_| as_it_is(SLIDES)),
    made("5.1(side)", Way::Udp, 1, Sound::Beside, |_| as_it_is(SURROUND)),
    made("four slices", Way::Udp, 1, Sound::Beside, |_| as_it_is(SLICED)),
    made("interlaced", Way::Udp, 1, Sound::Beside, |_| as_it_is(INTERLACED)),
    made("open GOPs", Way::Udp, 1, Sound::Beside, |_| as_it_is(OPEN)),
];

#[test]
fn every_kind_that_is_made_comes_out_picture_by_picture() {
    let only = std::env::var("STREAMCASTER_ONLY").unwrap_or_default();
    let cases: Vec<Made> = MADE.into_iter().filter(|made| made.name.contains(&only)).collect();
    pool::run(
        &cases,
        |made| format!("{} by {:?}", made.name, made.way),
        |made| {
            let folder = Folder::new();
            let input = (made.make)(&folder);
            let outcome = play(made.way, &input.path);
            let expected = Expected { tail: made.tail, sound: made.sound };
            compare(made.name, &input.reference, &outcome, expected);
        },
    );
}

fn as_it_is(recipe: Recipe) -> Input {
    let path = Clip::of(recipe).path;
    Input { reference: path.clone(), path }
}

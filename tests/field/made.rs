//! The kinds of input that once came out wrong, made here: by ffmpeg where it can, and by hand
//! where none of its muxers does it.

use std::path::{Path, PathBuf};

use test_support::peers::clips::{Clip, Recipe, PLAIN};

use crate::case::{play, Way};
use crate::compare::{compare, Expected, Sound};
use crate::flv::{self, Tag};
use crate::media::make;
use crate::pool;
use crate::program::Folder;

const BASE: Recipe = Recipe { name: "made.flv", b_frames: 2, seconds: 4, ..PLAIN };
const STREAM: Recipe = Recipe { name: "made.ts", b_frames: 2, seconds: 4, ..PLAIN };
const MOVIE: Recipe = Recipe { name: "made.mp4", b_frames: 2, seconds: 4, ..PLAIN };
const FRAGMENTED: Recipe =
    Recipe { name: "fragmented.mp4", more: &["-movflags", "frag_keyframe+empty_moov"], ..MOVIE };
const FILM: Recipe = Recipe { name: "made.mkv", b_frames: 2, seconds: 4, ..PLAIN };
const PAUSES: Recipe = Recipe {
    name: "pauses.mp4",
    audio_hz: 0,
    b_frames: 0,
    seconds: 7,
    more: &["-vf", "select=lt(mod(n\\,75)\\,25)", "-vsync", "vfr"],
    ..PLAIN
};
const SLIDES: Recipe =
    Recipe { name: "slides.mp4", seconds: 6, gop_frames: 1, more: &["-r", "1/2"], ..PLAIN };
const MUTE_SLIDES: Recipe = Recipe { name: "mute-slides.mp4", audio_hz: 0, ..SLIDES };
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

const MADE: [Made; 21] = [
    made("no key flag", Way::Publish, 0, Sound::Beside, |f| flagged(f, 0x27)),
    made("no key flag", Way::Library, 0, Sound::Beside, |f| flagged(f, 0x27)),
    made("every frame a key frame", Way::Publish, 0, Sound::Beside, |f| flagged(f, 0x17)),
    made("every frame a key frame", Way::Library, 0, Sound::Beside, |f| flagged(f, 0x17)),
    made("sets in key frames only", Way::Publish, 0, Sound::Beside, sets_in_key_frames),
    made("sets in key frames only", Way::Library, 0, Sound::Beside, sets_in_key_frames),
    made("sound two seconds behind", Way::Library, 0, Sound::Beside, |f| late_sound(f, 2000)),
    made("one picture and its sound", Way::Library, 0, Sound::All, still),
    made("slides", Way::Library, 0, Sound::Beside, |_| as_it_is(SLIDES)),
    made("slides without sound", Way::Library, 0, Sound::Silence, |_| as_it_is(MUTE_SLIDES)),
    made("pauses of two seconds", Way::Library, 0, Sound::Silence, |_| as_it_is(PAUSES)),
    made("no stss", Way::Library, 0, Sound::Beside, |f| sync_table(f, b"free", None)),
    made("an empty stss", Way::Library, 0, Sound::Beside, |f| sync_table(f, b"stss", Some(0))),
    made("a crashed recording, MKV", Way::Library, 1, Sound::Beside, |f| crashed(f, FILM)),
    made("a crashed recording, fragmented MP4", Way::Library, 1, Sound::Beside, |f| {
        crashed(f, FRAGMENTED)
    }),
    made("5.1(side)", Way::Udp, 1, Sound::Beside, |_| as_it_is(SURROUND)),
    made("5.1(side)", Way::Library, 0, Sound::Beside, |_| as_it_is(SURROUND)),
    made("four slices", Way::Udp, 1, Sound::Beside, |_| as_it_is(SLICED)),
    made("interlaced", Way::Udp, 1, Sound::Beside, |_| as_it_is(INTERLACED)),
    made("open GOPs", Way::Udp, 1, Sound::Beside, |_| as_it_is(OPEN)),
    made("open GOPs", Way::Library, 0, Sound::Beside, |_| as_it_is(OPEN)),
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

fn tags(path: &Path) -> Vec<Tag> {
    flv::tags(&std::fs::read(path).expect("a clip"))
}

fn written(folder: &Folder, tags: &[Tag], reference: PathBuf) -> Input {
    let path = folder.file("made.flv");
    flv::write(tags.iter().map(|(kind, time, body)| (*kind, *time, body.as_slice())), &path);
    Input { path, reference }
}

fn is_picture(tag: &Tag) -> bool {
    tag.0 == flv::VIDEO && tag.2.get(1) == Some(&1)
}

/// Every picture has this first byte, as of publishers and muxers that know no key frames, or call
/// all so.
fn flagged(folder: &Folder, first: u8) -> Input {
    let clip = Clip::of(BASE);
    let mut tags = tags(&clip.path);
    for tag in tags.iter_mut().filter(|tag| is_picture(tag)) {
        if let Some(byte) = tag.2.first_mut() {
            *byte = first;
        }
    }
    written(folder, &tags, clip.path)
}

/// No sequence header; SPS and PPS stand before each IDR, as some publishers send them.
fn sets_in_key_frames(folder: &Folder) -> Input {
    let clip = Clip::of(BASE);
    let mut tags = tags(&clip.path);
    let header = tags.iter().position(|tag| tag.0 == flv::VIDEO && tag.2.get(1) == Some(&0));
    let (.., header) = tags.remove(header.expect("a sequence header"));
    let sets = behind_lengths(&header);
    for tag in tags.iter_mut().filter(|tag| is_picture(tag) && tag.2.first() == Some(&0x17)) {
        tag.2.splice(5..5, sets.iter().copied());
    }
    written(folder, &tags, clip.path)
}

/// The one SPS and the one PPS of a sequence header, each behind four bytes of length.
fn behind_lengths(header: &[u8]) -> Vec<u8> {
    let mut behind = Vec::new();
    let mut rest = header.get(11..).expect("a record");
    for _ in 0..2 {
        let (length, from) = rest.split_first_chunk::<2>().expect("a length");
        let (set, after) = from.split_at(usize::from(u16::from_be_bytes(*length)));
        behind.extend([0, 0]);
        behind.extend(length);
        behind.extend(set);
        // Before the PPS stands their count.
        rest = after.get(1..).unwrap_or_default();
    }
    behind
}

/// The sound of each moment stands so much later in the file.
fn late_sound(folder: &Folder, by_ms: u32) -> Input {
    let clip = Clip::of(BASE);
    let mut tags = tags(&clip.path);
    tags.sort_by_key(|(kind, time, body)| {
        let is_late = *kind == flv::AUDIO && body.get(1) == Some(&1);
        time + if is_late { by_ms } else { 0 }
    });
    written(folder, &tags, clip.path)
}

/// One picture and five seconds of sound.
fn still(folder: &Folder) -> Input {
    let path = folder.file("still.mp4");
    #[rustfmt::skip]
    let arguments = [
        "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=0.04",
        "-f", "lavfi", "-i", "anoisesrc=color=pink:seed=5:sample_rate=48000:duration=5",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k", "-f", "mp4",
    ];
    make(&arguments, &path);
    Input { reference: path.clone(), path }
}

/// The sync sample table under another name, or with another count.
fn sync_table(folder: &Folder, name: &[u8; 4], count: Option<u32>) -> Input {
    let clip = Clip::of(MOVIE);
    let mut bytes = std::fs::read(&clip.path).expect("a clip");
    let at = bytes.windows(4).position(|window| window == b"stss").expect("a sync sample table");
    bytes.get_mut(at..at + 4).expect("its name").copy_from_slice(name);
    if let Some(count) = count {
        bytes.get_mut(at + 8..at + 12).expect("its count").copy_from_slice(&count.to_be_bytes());
    }
    let path = folder.file("made.mp4");
    std::fs::write(&path, bytes).expect("a file");
    Input { path, reference: clip.path }
}

/// What is left of a recording when its program or the power went: the first 7 bytes of 10.
fn crashed(folder: &Folder, recipe: Recipe) -> Input {
    let clip = Clip::of(recipe);
    let bytes = std::fs::read(&clip.path).expect("a clip");
    let left = bytes.get(..bytes.len() / 10 * 7).expect("a part of it");
    let path = folder.file(clip.name);
    std::fs::write(&path, left).expect("a file");
    Input { reference: path.clone(), path }
}

//! Video files made by ffmpeg, once, and kept in the build's temporary folder. No frame and no
//! sound of one is in another, so that a viewer's frames tell what was on air.

use std::path::{Path, PathBuf};

use super::flv;
use super::frames::Recording;
use super::heard;
use super::kept::kept;
use super::media::make;
use crate::oracle::Source;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// File name; its ending tells the container.
    pub name: &'static str,
    /// Size and frames per second.
    pub picture: (&'static str, u32),
    /// Frames from IDR to IDR.
    pub gop_frames: u32,
    /// B-frames between references.
    pub b_frames: u32,
    /// Samples per second of the sound; 0: there is none.
    pub audio_hz: u32,
    /// Length, seconds.
    pub seconds: u32,
    /// What else ffmpeg is told.
    pub more: &'static [&'static str],
}

/// Three seconds without anything special.
pub const PLAIN: Recipe = Recipe {
    name: "plain.mp4",
    picture: ("320x180", 25),
    gop_frames: 25,
    b_frames: 0,
    audio_hz: 48_000,
    seconds: 3,
    more: &[],
};

/// A file and what it holds, as ffmpeg reads it.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Its name in the library.
    pub name: &'static str,
    /// Where it is kept.
    pub path: PathBuf,
    /// Its frames.
    pub frames: Recording,
}

impl Clip {
    /// Makes it, or finds it made.
    pub fn of(recipe: Recipe) -> Clip {
        let Recipe { name, picture: (size, rate), gop_frames, b_frames, .. } = recipe;
        Clip::made(name, &format!("{recipe:?}"), |path| {
            // Another hue and another noise for every name.
            let seed = name.bytes().fold(7_u32, |seed, byte| (seed * 31 + u32::from(byte)) % 9973);
            let picture = format!("testsrc2=size={size}:rate={rate},hue=h={}", seed % 360);
            let sound =
                format!("anoisesrc=color=pink:seed={seed}:sample_rate={}", recipe.audio_hz.max(1));
            let gop = gop_frames.to_string();
            let (b_frames, seconds) = (b_frames.to_string(), recipe.seconds.to_string());
            let mut all = vec!["-f", "lavfi", "-i", &picture];
            if recipe.audio_hz > 0 {
                all.extend(["-f", "lavfi", "-i", &sound, "-c:a", "aac", "-ac", "2", "-b:a", "64k"]);
            }
            #[rustfmt::skip]
            all.extend([
                "-t", &seconds, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
                "-bf", &b_frames, "-b_strategy", "0", "-g", &gop, "-keyint_min", &gop,
                "-sc_threshold", "0", "-b:v", "300k", "-f", muxer(name),
            ]);
            all.extend(recipe.more);
            make(&all, path);
        })
    }

    /// The same packets in another file, with these arguments before the input.
    pub fn remuxed(&self, name: &'static str, before: &[&str]) -> Clip {
        let recipe = format!("{} {before:?}", self.path.display());
        Clip::made(name, &recipe, |path| {
            let from = self.path.to_str().expect("a path in UTF-8");
            let mut all = before.to_vec();
            all.extend(["-i", from, "-c", "copy", "-f", muxer(name)]);
            make(&all, path);
        })
    }

    /// The same as a source for the oracle.
    pub fn source(&self) -> Source {
        let copy = self.path.with_file_name(format!("{}.flv", self.name));
        heard::source(self.name, &flv::tags(&std::fs::read(copy).expect("a clip's copy")))
    }

    fn made(name: &'static str, recipe: &str, make_it: impl FnOnce(&Path)) -> Clip {
        let path = kept(name, recipe, make_it);
        let copy = kept(&format!("{name}.flv"), recipe, |copy| {
            let input = path.to_str().expect("a path in UTF-8");
            make(&["-i", input, "-c", "copy", "-f", "flv"], copy);
        });
        Clip { name, path, frames: flv::read(&copy) }
    }
}

/// ffmpeg's name of the container that goes with a file's name.
fn muxer(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("mov") => "mov",
        Some("ts") => "mpegts",
        Some("flv") => "flv",
        Some("mkv") => "matroska",
        Some("avi") => "avi",
        _ => "mp4",
    }
}

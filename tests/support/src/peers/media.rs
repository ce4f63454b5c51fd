//! Media made by ffmpeg, once, and kept in the build's temporary folder. Every frame differs
//! from every other: a moving test picture, and noise for sound.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::output_of;
use super::flv;
use super::frames::{Frame, Recording};
use super::kept::kept;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    picture: &'static str,
    b_frames: &'static str,
    gop_frames: &'static str,
    video_bit_rate: &'static str,
    audio_rate: &'static str,
    seconds: &'static str,
}

impl Recipe {
    /// Whether pictures are shown in another order than they are decoded.
    pub fn has_b_frames(&self) -> bool {
        self.b_frames != "0"
    }
}

/// 1200 frames at 50 a second, no B-frames, an IDR each second.
pub const PLAIN: Recipe = Recipe {
    picture: "testsrc2=size=640x360:rate=50",
    b_frames: "0",
    gop_frames: "50",
    video_bit_rate: "1500k",
    audio_rate: "48000",
    seconds: "24",
};

/// The same length with two B-frames between references, and sound at 44.1 kHz.
pub const B_FRAMES: Recipe = Recipe { b_frames: "2", audio_rate: "44100", ..PLAIN };

/// Key frames 12 s apart.
pub const SPARSE: Recipe = Recipe { gop_frames: "600", seconds: "48", ..PLAIN };

/// Small enough for hundreds of players at once.
pub const SMALL: Recipe = Recipe {
    picture: "testsrc2=size=320x180:rate=25",
    gop_frames: "25",
    video_bit_rate: "150k",
    seconds: "12",
    ..PLAIN
};

/// The same with frames that are shown in another order than they are sent.
pub const SMALL_B_FRAMES: Recipe = Recipe { b_frames: "2", ..SMALL };

/// Another picture, to tell two senders apart.
pub const OTHER: Recipe =
    Recipe { picture: "testsrc=size=320x240:rate=25", gop_frames: "25", seconds: "20", ..SMALL };

/// A transport stream and what it holds, as ffmpeg reads it.
pub struct Media {
    /// The file.
    pub path: PathBuf,
    /// Its frames.
    pub frames: Recording,
}

impl Media {
    /// Makes it, or finds it made.
    pub fn of(recipe: Recipe) -> Media {
        let Recipe { picture, b_frames, gop_frames, video_bit_rate, audio_rate, seconds } = recipe;
        let name = format!(
            "{}-b{b_frames}-g{gop_frames}-{video_bit_rate}-{audio_rate}-{seconds}s",
            picture.replace(['=', ':'], "-")
        );
        let sound = format!("anoisesrc=color=pink:seed=7:amplitude=0.3:sample_rate={audio_rate}");
        #[rustfmt::skip]
        let arguments = [
            "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", &sound, "-t", seconds,
            "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
            "-bf", b_frames, "-b_strategy", "0", "-g", gop_frames, "-keyint_min", gop_frames,
            "-sc_threshold", "0", "-b:v", video_bit_rate, "-maxrate", video_bit_rate,
            "-bufsize", video_bit_rate, "-c:a", "aac", "-ac", "2", "-b:a", "96k", "-f", "mpegts",
        ];
        let recipe = arguments.join(" ");
        let path = kept(&format!("{name}.ts"), &recipe, |stream| make(&arguments, stream));
        // Its frames as ffmpeg reads it: the first video and the first audio track.
        let copy = kept(&format!("{name}.flv"), &recipe, |copy| {
            let input = path.to_str().expect("a path in UTF-8");
            make(&["-i", input, "-map", "0:v:0", "-map", "0:a:0", "-c", "copy", "-f", "flv"], copy);
        });
        Media { frames: flv::read(&copy), path }
    }

    /// A transport stream of its pictures alone.
    pub fn without_sound(&self) -> PathBuf {
        let input = self.path.to_str().expect("a path in UTF-8");
        let arguments = ["-i", input, "-map", "0:v:0", "-c", "copy", "-f", "mpegts"];
        let name = self.path.file_stem().expect("a file").to_string_lossy();
        kept(&format!("{name}-silent.ts"), &arguments.join(" "), |stream| make(&arguments, stream))
    }
}

/// The video frames of any transport stream from its first keyframe on; `folder` takes the copy.
pub fn video_of(stream: &Path, folder: &Path) -> Vec<Frame> {
    let copy = folder.join("video.flv");
    let input = stream.to_str().expect("a path in UTF-8");
    make(&["-i", input, "-map", "0:v:0", "-c", "copy", "-f", "flv"], &copy);
    flv::read(&copy).video
}

/// The standby card, from the same file the program was built with.
pub fn standby() -> Recording {
    flv::read(&super::root().join("src/inputs/standby.flv"))
}

/// Runs ffmpeg into a temporary name first, so that a run cut short leaves nothing that looks
/// finished.
pub fn make(arguments: &[&str], into: &Path) {
    let draft = into.with_extension(format!("draft-{}", std::process::id()));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-y"]).args(arguments).arg(&draft);
    let (well, text) = output_of(&mut ffmpeg);
    assert!(well, "ffmpeg cannot make {}:\n{text}", into.display());
    std::fs::rename(&draft, into).expect("a rename within a folder");
}

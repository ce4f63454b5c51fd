//! ffmpeg and ffprobe: files that ffmpeg makes, and what it finds in them. Both are kept for the
//! next run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::peers::kept::kept;

/// What a program prints; it ends well.
fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-loglevel", "error"]).args(arguments);
    let output = command.output().expect("ffmpeg starts: `cargo xtask setup` installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// Runs ffmpeg; what it writes to its output.
pub fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    run("ffmpeg", &[&["-nostdin", "-y"], arguments].concat())
}

/// The file of that name that ffmpeg makes of these arguments; its ending tells the container. It
/// is for reading only: the next run finds it.
pub fn made(name: &str, arguments: &[&str]) -> PathBuf {
    kept(name, &format!("{arguments:?}"), |path| {
        ffmpeg(&[arguments, &[text(path)]].concat());
    })
}

/// What ffmpeg makes of a file that was [`made`], with these arguments behind it.
pub fn taken_out(path: &Path, arguments: &[&str]) -> Vec<u8> {
    let into = kept("taken-out", &format!("{} {arguments:?}", path.display()), |into| {
        let all = [&["-i", text(path)], arguments, &["pipe:1"]].concat();
        fs::write(into, ffmpeg(&all)).expect("room for it");
    });
    fs::read(into).expect("what was written")
}

/// What ffprobe says of a file that was [`made`].
pub fn probed(path: &Path, arguments: &[&str]) -> String {
    let into = kept("probed", &format!("{} {arguments:?}", path.display()), |into| {
        fs::write(into, run("ffprobe", &[arguments, &[text(path)]].concat())).expect("room for it");
    });
    fs::read_to_string(into).expect("ffprobe's words")
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The NAL units of a stream with start codes.
pub fn split_annex_b(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(n, _)| n).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let nal = |(start, end): (&usize, usize)| {
        let mut nal = &bytes[start + 3..end];
        while let [body @ .., 0] = nal {
            nal = body;
        }
        nal.to_vec()
    };
    starts.iter().zip(ends).map(nal).collect()
}

/// The AAC frames of an ADTS stream.
pub fn split_adts(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [0xff, second, _, a, b, c, ..] = *bytes {
        let length = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c) >> 5;
        let header = if second & 1 == 1 { 7 } else { 9 };
        let (frame, rest) = bytes.split_at(length);
        frames.push(frame[header..].to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "ffmpeg writes whole frames");
    frames
}

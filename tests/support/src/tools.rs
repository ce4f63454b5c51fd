//! Programs that `cargo xtask setup` puts below the target folder for the tests, and `cargo xtask`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peers::root;

/// The ffmpeg of today (9), beside Debian's, which is `ffmpeg` on the PATH. It begins with a burst
/// and knows Enhanced RTMP; there is no ffprobe with it.
///
/// # Panics
/// When it is not there, with what to type.
pub fn ffmpeg_9() -> PathBuf {
    let program = target().join("tools/ffmpeg/bin/ffmpeg");
    assert!(program.is_file(), "{} is missing: type `cargo xtask setup`", program.display());
    program
}

/// One of the project's own commands, built where this test was. What cargo has told the test of its
/// package, ring's build script would take for a change.
pub fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--locked", "--package", "xtask", "--"]).args(arguments);
    command.current_dir(root()).env("CARGO_TARGET_DIR", target()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "OUT_DIR"
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("CARGO_PKG_")
        {
            command.env_remove(name);
        }
    }
    command
}

/// The target folder that this test was built into: above the test's own file, unless cargo names
/// another one.
fn target() -> PathBuf {
    let own = std::env::current_exe().expect("a running test knows its file");
    // target/debug/deps/NAME-HASH
    own.ancestors().nth(3).map(Path::to_path_buf).expect("a test lies below a target folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_found_from_a_test() {
        assert!(target().join("debug").is_dir() || target().join("release").is_dir());
    }

    #[test]
    fn the_ffmpeg_of_today_answers_by_its_version() {
        let output = std::process::Command::new(ffmpeg_9()).arg("-version").output();
        let output = output.expect("ffmpeg starts");
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(version.starts_with("ffmpeg version n9."), "{version}");
    }
}

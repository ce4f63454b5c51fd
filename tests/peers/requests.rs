//! Requests of any shape: Schemathesis reads the API's document and sends what it allows and what
//! it forbids, while somebody watches. Every answer is as the document says, and no frame is
//! missing. It is sent the same in every run.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::Tool;
use crate::frames::{longest_step_ms, only_grows, Frame};
use crate::machine;
use crate::program::Program;
use crate::viewer::Viewer;
use crate::wait::seconds;

/// Its password is `password`; hashed cheaply, for every request brings it.
const PASSWORD: &str = "[http]\npassword_hash = \
    \"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n";
/// A destination of the name that the document's examples have; nobody is there.
const DESTINATION: &str =
    "[[destination]]\nname = \"Platform\"\nurl = \"rtmp://127.0.0.1:9/app\"\nkey = \"key\"\n";
const BASIC: [&str; 2] = ["--auth", "any:password"];
/// Far more than it takes, also where the machine is busy.
const LIMIT_S: u64 = 300;

/// Where `cargo xtask setup` puts it.
fn schemathesis() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target folder");
    target.join("tools/schemathesis/bin/st")
}

/// Lets it send its requests to one of the program's ports; what it printed.
fn sends(program: &Program, to: SocketAddr, more: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(schemathesis());
    command.current_dir(program.folder().path()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("--config-file").arg(root.join("tests/peers/schemathesis.toml"));
    command.arg("run").arg(root.join("src/control/openapi.json"));
    command.args(["--url", &format!("http://{to}"), "--no-color", "--continue-on-failure"]);
    command.args(["--generation-deterministic", "--phases", "examples,coverage,fuzzing"]);
    command.args(["--request-timeout", "20"]).args(more);
    let mut tool = Tool::start(&mut command, program.folder().path(), "schemathesis");
    let ended = tool.ended(seconds(LIMIT_S));
    let told = tool.output();
    let well = ended.is_some_and(|status| status.success());
    assert!(well, "{ended:?}\n{told}\n{}", program.printed());
    let passed = told.contains(" generated, ") && !told.contains(" 0 generated, ");
    assert!(passed, "nothing was sent:\n{told}");
    told
}

/// Asserts that no frame is missing: none follows the one before by two frames' time.
fn none_missing(what: &str, frames: &[Frame], at_least: usize) {
    assert!(frames.len() >= at_least, "{what}: {} frames", frames.len());
    only_grows(what, frames);
    let (first, last) = (frames.first().expect("frames"), frames.last().expect("frames"));
    let mean_ms = (last.dts_ms - first.dts_ms) / (frames.len() as i64 - 1);
    let longest_ms = longest_step_ms(frames);
    assert!(longest_ms < 2 * mean_ms, "{what}: {longest_ms} ms, where {mean_ms} ms is usual");
}

#[test]
fn requests_of_any_shape_are_answered_as_documented_and_no_viewer_notices() {
    let _machine = machine::shared();
    let mut program = Program::start(DESTINATION);
    let video = program.folder().file("data/videos/clip.mp4");
    fs::write(video, "no video, but a file to rename and to delete").expect("the videos folder");
    program.wait_on_air("standby", seconds(10));
    let viewer = Viewer::rtmpdump(&program);
    sends(&program, program.http, &["--exclude-tag", "tools", "--max-examples", "20"]);
    sends(&program, program.stat, &["--include-tag", "tools", "--max-examples", "10"]);
    let (seen, _) = viewer.stop();
    none_missing("video", &seen.video, 50);
    none_missing("audio", &seen.audio, 50);
    program.assert_well();
}

#[test]
fn who_has_the_password_is_answered_as_documented_and_nobody_else() {
    let _machine = machine::shared();
    let mut program = Program::start(PASSWORD);
    // Wrong passwords and codes would have the right one wait.
    let guesses = ["--exclude-operation-id", "login", "--exclude-operation-id", "setUp"];
    let guesses = [&guesses[..], &["--exclude-checks", "ignored_auth"]].concat();
    let more = [&BASIC[..], &guesses, &["--exclude-tag", "tools", "--max-examples", "5"]].concat();
    let told = sends(&program, program.http, &more);
    assert!(!told.contains("Rate limited"), "{told}");
    assert!(!told.contains("Authentication failed"), "{told}");
    let nobody = ["--exclude-tag", "tools", "--checks", "ignored_auth", "--max-examples", "1"];
    sends(&program, program.http, &[&BASIC[..], &nobody].concat());
    program.assert_well();
}

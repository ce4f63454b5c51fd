//! What is refused, and how: a wrong configuration, a wrong key, a publisher, a stranger.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::child::output_of;
use crate::machine;
use crate::media::{Media, SMALL};
use crate::player::Player;
use crate::program::{command, Folder, Program};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

/// Runs a subcommand on a config.toml; whether it ended well, and what it printed.
fn on_config(subcommand: &str, config: &str) -> (bool, String) {
    let folder = Folder::new();
    fs::write(folder.file("config.toml"), config).expect("the config file");
    let data = folder.path().to_str().expect("a path in UTF-8");
    output_of(&mut command(&[subcommand, "--data", data]))
}

#[test]
fn a_wrong_configuration_stops_the_start_and_is_named_by_line() {
    for (config, line, words) in [
        ("[rtmp]\nviewers_max = 0\n", 2, "viewers_max"),
        ("[rtmp]\nviewers_max = \"many\"\n", 2, "viewers_max"),
        ("[rtmp]\n\n\nviewer_max = 5\n", 4, "viewer_max"),
        ("[input.udp]\nlisten = \"somewhere\"\n", 2, "listen"),
        ("[input.udp]\nallow = [\"10.0.0.0/33\"]\n", 2, "allow"),
        ("[[destination]]\nname = \"a\"\nurl = \"http://example.com/x\"\nkey = \"k\"\n", 3, "url"),
        ("[log]\nlevel = \"loud\"\n", 2, "level"),
        ("[rtmp\n", 1, "config.toml"),
    ] {
        for subcommand in ["run", "check"] {
            let (well, told) = on_config(subcommand, config);
            assert!(!well, "{subcommand} takes {config:?}:\n{told}");
            let place = format!("config.toml:{line}:");
            assert!(told.contains(&place), "{subcommand}: no {place} in {told}");
            assert!(told.contains(words), "{subcommand}: no {words} in {told}");
            assert!(!told.contains("panicked"), "{told}");
        }
    }
}

#[test]
fn a_right_configuration_passes_the_check_which_prints_the_budget() {
    let (well, told) = on_config("check", "[rtmp]\nviewers_max = 10\n");
    assert!(well, "{told}");
    for word in ["ring", "viewers", "total"] {
        assert!(told.to_lowercase().contains(word), "no {word} in the budget:\n{told}");
    }
}

#[test]
fn the_version_is_told() {
    let (well, told) = output_of(&mut command(&["version"]));
    assert!(well, "{told}");
    assert!(told.contains(env!("CARGO_PKG_VERSION")), "{told}");
}

#[test]
fn a_taken_port_is_named() {
    let program = Program::start("");
    let taken = program.rtmp.to_string();
    let folder = Folder::new();
    let data = folder.path().to_str().expect("a path in UTF-8");
    let any = "127.0.0.1:0";
    let (well, told) = output_of(&mut command(&[
        "run", "--data", data, "--udp", any, "--rtmp", &taken, "--http", any, "--stat", any,
    ]));
    assert!(!well, "{told}");
    assert!(told.contains(&taken), "{told}");
}

#[test]
fn a_play_key_is_needed_where_one_is_set() {
    let program = Program::start("[rtmp]\nplay_key = \"open-sesame-1234\"\n");
    let with_key = Player::start(program.rtmp, "stream?key=open-sesame-1234");
    assert!(wait::holds(seconds(5), || with_key.video_frames() > 0), "{}", program.told());
    for name in ["stream", "stream?key=", "stream?key=open-sesame-123", "stream?key=wrong"] {
        let player = Player::start(program.rtmp, name);
        let ended = wait::holds(seconds(12), || player.look(|seen| seen.end.is_some()));
        assert!(ended, "{name} is let in: {}", program.told());
        assert!(player.video_frames() == 0, "{name} is let in: {}", program.told());
    }
}

#[test]
fn an_unknown_app_and_an_unknown_stream_are_refused() {
    let program = Program::start("");
    for path in ["other/stream", "live/other"] {
        let url = format!("rtmp://{}/{path}", program.rtmp);
        let mut dump = Command::new("rtmpdump");
        dump.args(["--live", "-m", "10", "-B", "3", "-r", &url, "-o"]);
        let (well, told) = output_of(dump.arg(program.folder().file("refused.flv")));
        assert!(!well, "{path} is played:\n{told}");
    }
    let player = Player::start(program.rtmp, "stream");
    assert!(wait::holds(seconds(5), || player.video_frames() > 0), "{}", program.told());
}

#[test]
fn a_publisher_is_refused_politely() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let mut program = Program::start("[input.rtmp]\nenabled = false\n");
    let player = Player::start(program.rtmp, "stream");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "info", "-re", "-i"]).arg(&media.path);
    let started = std::time::Instant::now();
    let (well, told) = output_of(ffmpeg.args(["-c", "copy", "-f", "flv", &program.play_url()]));
    assert!(!well, "publishing succeeds:\n{told}");
    assert!(told.contains("Server error"), "the refusal has no words:\n{told}");
    assert!(started.elapsed() < seconds(8), "ffmpeg was left to hang:\n{told}");
    assert_eq!(program.on_air(), "standby");
    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got), "{}", program.told());
    program.assert_well();
}

/// The default of all ports, `[::]`: an IPv4 peer is shown and judged as one.
#[test]
fn both_families_come_by_one_port_and_ipv4_is_shown_as_it_is() {
    let media = Media::of(SMALL);
    // Only IPv4's loopback may send; neither may publish by any other way.
    let config = "[input.udp]\nallow = [\"127.0.0.1\"]\n";
    let everywhere =
        ["--udp", "[::]:0", "--rtmp", "[::]:0", "--http", "[::]:0", "--stat", "[::]:0"];
    let program = Program::start_with(config, &everywhere, &[]);
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let sender = Sender::start(Schedule::of(&media.path), at(program.udp.port()));
    program.wait_on_air("udp", seconds(20));
    let player = Player::start(at(program.rtmp.port()), "stream");
    assert!(wait::holds(seconds(10), || player.video_frames() > 0), "{}", program.told());
    for address in ["\"address\":\"127.0.0.1", "\"sender\":\"127.0.0.1"] {
        let is_shown = || program.status().to_string().contains(address);
        assert!(wait::holds(seconds(10), is_shown), "{address}: {}", program.told());
    }
    assert!(!program.told().contains("::ffff:"), "{}", program.told());
    sender.stop();
}

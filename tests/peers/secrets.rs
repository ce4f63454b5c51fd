//! Secrets never appear: at the chattiest level, with peers that echo them.

use std::fs;
use std::path::Path;

use crate::machine;
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::{get, Program};
use crate::wait::{self, seconds};

const STREAM_KEY: &str = "live_11223344_sTrEaMkEyAbCdEf";
const ENVIRONMENT_KEY: &str = "envkey-5566-7788-QwErTy";
const PLAY_KEY: &str = "play-key-9900-ZxCvBn";
const PASSWORD: &str = "pa55word-of-the-url";

#[test]
fn no_key_is_ever_shown() {
    let _machine = machine::shared();
    let (nginx, absent) = (Nginx::start(), Nginx::stopped());
    let config = format!(
        "[rtmp]\nplay_key = \"{PLAY_KEY}\"\n[log]\nlevel = \"trace\"\n\
         [[destination]]\nname = \"well\"\nurl = \"{}\"\nkey = \"{STREAM_KEY}\"\n\
         [[destination]]\nname = \"absent\"\nurl = \"{}\"\nkey = \"{STREAM_KEY}\"\n\
         [[destination]]\nname = \"refused\"\nurl = \"{}x\"\nkey = \"{STREAM_KEY}?a={PASSWORD}\"\n",
        nginx.url(),
        absent.url(),
        nginx.url(),
    );
    let server = nginx.url();
    let environment = [("RTMP_SERVER", server.as_str()), ("STREAM_KEY", ENVIRONMENT_KEY)];
    let udp = ["--udp", "127.0.0.1:0", "--log-level", "trace"];
    let mut program = Program::start_with(&config, &udp, &environment);
    let lives = || program.status().to_string().matches("\"live\"").count();
    assert!(wait::holds(seconds(10), || lives() >= 2), "{}", program.told());
    let player = Player::start(program.rtmp, &format!("stream?key={PLAY_KEY}"));
    assert!(wait::holds(seconds(5), || player.video_frames() > 0), "{}", program.told());
    // Close to the right one, so that a log of what was asked would show most of it.
    drop(Player::start(program.rtmp, &format!("{PLAY_KEY}?key={PLAY_KEY}x")));
    let tried = || program.status().to_string().matches("\"backing_off\"").count();
    assert!(wait::holds(seconds(10), || tried() >= 1), "{}", program.told());

    let mut places = vec![("/api/status", program.status().to_string())];
    for path in ["/", "/api/health", "/api/logs?type=all&lines=500"] {
        places.push((path, get(program.http, path)));
    }
    places.push(("/stat", get(program.stat, "/stat")));
    let process = format!("/proc/{}/cmdline", program.pid());
    places.push((
        "its arguments",
        String::from_utf8_lossy(&fs::read(process).expect("it runs")).into(),
    ));
    drop(player);
    let status = program.terminate(seconds(5)).expect("it ends on SIGTERM");
    assert!(status.success(), "{status}");
    places.push(("stderr", program.printed()));
    let mut files = String::new();
    read_all(&program.folder().file("data"), &mut files);
    assert!(files.contains("listening"), "the log file is empty");
    places.push(("its files", files));
    for (place, text) in places {
        for key in [STREAM_KEY, ENVIRONMENT_KEY, PLAY_KEY, PASSWORD] {
            let at = text.find(key).map(|at| text.chars().skip(at.saturating_sub(200)).take(300));
            assert!(
                at.is_none(),
                "{place} shows {key}: {}",
                at.expect("found").collect::<String>()
            );
        }
    }
}

/// Reads all files but the configuration, where the keys are at home.
fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("the data folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            read_all(&path, into);
        } else if !path.ends_with("config.toml") {
            into.push_str(&String::from_utf8_lossy(&fs::read(&path).expect("a readable file")));
        }
    }
}

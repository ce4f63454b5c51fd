//! Players of many kinds, and many of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::child::{output_of, Tool};
use crate::frames::{one_run, only_grows};
use crate::machine;
use crate::media::{Media, SMALL};
use crate::player::Player;
use crate::program::{number, Program};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

const PLAYERS: usize = 200;

#[test]
fn two_hundred_players_get_the_same_frames() {
    let media = Media::of(SMALL);
    let _machine = machine::alone();
    let mut program = Program::start("");
    let players: Vec<Player> =
        (0..PLAYERS).map(|_| Player::start(program.rtmp, "stream")).collect();
    let all_play = || players.iter().all(|player| player.video_frames() > 0);
    assert!(wait::holds(seconds(20), all_play), "{}", program.told());
    let counted = || number(&program.status(), "/viewer_count");
    assert!(wait::holds(seconds(3), || counted() == PLAYERS as u64), "{} counted", counted());
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(5));
    sender.finish();
    program.wait_on_air("standby", seconds(5));
    let got: Vec<usize> = players.iter().map(Player::video_frames).collect();
    let all_got_more = || players.iter().zip(&got).all(|(p, got)| p.video_frames() > got + 10);
    assert!(wait::holds(seconds(20), all_got_more), "{}", program.told());
    program.assert_well();
    assert_eq!(number(&program.status(), "/rtmp/skips"), 0, "{}", program.told());
    for (at, player) in players.into_iter().enumerate() {
        let seen = player.stop().frames;
        let sent = &media.frames;
        one_run(&format!("player {at} video"), &seen.video, &sent.video, sent.video.len() - 1);
        one_run(&format!("player {at} audio"), &seen.audio, &sent.audio, sent.audio.len() - 20);
        only_grows(&format!("player {at}"), &seen.video);
    }
    assert!(
        wait::holds(seconds(10), || number(&program.status(), "/viewer_count") == 0),
        "those who left are still counted: {}",
        program.told()
    );
}

#[test]
fn mpv_plays() {
    let _machine = machine::shared();
    let program = Program::start("");
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--vo=null", "--ao=null", "--frames=60", &program.play_url()]);
    let mut mpv = Tool::start(&mut mpv, program.folder().path(), "mpv");
    let status = mpv.ended(seconds(30));
    let told = mpv.output();
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{told}");
    assert!(told.contains("VO: [null] 1280x720"), "{told}");
    assert!(told.contains("AO: [null] 48000Hz"), "{told}");
}

#[test]
fn ffplay_plays() {
    let _machine = machine::shared();
    let program = Program::start("");
    let mut ffplay = Command::new("ffplay");
    ffplay.env("SDL_VIDEODRIVER", "dummy").env("SDL_AUDIODRIVER", "dummy");
    ffplay.args(["-v", "info", "-stats", &program.play_url()]);
    let ffplay = Tool::start(&mut ffplay, program.folder().path(), "ffplay");
    // It plays a live stream until it is killed; its status line begins with the clock.
    let played = || {
        let told = ffplay.output();
        let clocks = told.split('\r').filter(|line| line.contains("A-V:"));
        clocks
            .filter_map(|line| line.split_whitespace().next()?.parse::<f64>().ok())
            .fold(0.0, f64::max)
    };
    assert!(wait::holds(seconds(30), || played() > 2.0), "{} s:\n{}", played(), ffplay.output());
    let told = ffplay.output();
    assert!(told.contains("Video: h264"), "{told}");
    assert!(told.contains("Audio: aac"), "{told}");
}

/// VLC without a window, which keeps what it needs in this folder.
pub fn vlc(folder: &Path) -> Command {
    // As root vlc does not run: it gets another user, who must be able to write.
    let root = output_of(Command::new("id").arg("-u")).1.trim() == "0";
    let mut vlc = Command::new(if root { "setpriv" } else { "cvlc" });
    if root {
        std::os::unix::fs::chown(folder, Some(65534), Some(65534)).expect("root may");
        vlc.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"]);
    }
    vlc.env("HOME", folder).args(["-I", "dummy", "--no-plugins-cache"]);
    vlc
}

#[test]
fn vlc_plays() {
    let _machine = machine::shared();
    let program = Program::start("");
    let folder = program.folder().file("vlc");
    fs::create_dir(&folder).expect("a folder for vlc");
    let written = folder.join("vlc.ts");
    let sout = format!("#std{{access=file,mux=ts,dst={}}}", written.display());
    let mut vlc = vlc(&folder);
    vlc.args([
        "--run-time=4",
        "--play-and-exit",
        "--sout",
        &sout,
        &program.play_url(),
        "vlc://quit",
    ]);
    let mut vlc = Tool::start(&mut vlc, program.folder().path(), "vlc");
    let ended = vlc.ended(seconds(40));
    assert!(ended.is_some(), "vlc does not end:\n{}", vlc.output());
    let mut probe = Command::new("ffprobe");
    probe.args([
        "-v",
        "error",
        "-count_packets",
        "-show_entries",
        "stream=codec_name,nb_read_packets",
    ]);
    let (well, told) = output_of(probe.args(["-of", "csv=p=0"]).arg(&written));
    assert!(well, "{told}\n{}", vlc.output());
    for codec in ["h264", "aac"] {
        let packets = told.lines().find_map(|line| line.strip_prefix(codec)?.strip_prefix(','));
        let packets: u32 = packets.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        assert!(packets > 30, "{packets} packets of {codec}:\n{told}\n{}", vlc.output());
    }
}

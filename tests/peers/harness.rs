//! The harness tried on known ground: ffmpeg pushes into nginx-rtmp, rtmpdump and the light
//! player play it. What fails here is the tests' own fault.

use std::process::Command;

use crate::child::Tool;
use crate::flv;
use crate::frames::{one_run, only_grows, same_distances};
use crate::media::{Media, B_FRAMES, PLAIN, SMALL};
use crate::nginx::Nginx;
use crate::player::Player;
use crate::wait::{self, seconds};

#[test]
fn frames_that_nginx_relays_are_found_whole() {
    let media = Media::of(SMALL);
    let nginx = Nginx::start();
    let folder = crate::program::Folder::new();
    let url = format!("{}/stream", nginx.url());
    let mut dump = Command::new("rtmpdump");
    dump.args(["-q", "--live", "-r", &url, "-o"]).arg(folder.file("dump.flv"));
    let mut dump = Tool::start(&mut dump, folder.path(), "rtmpdump");
    let address = nginx.url().replace("rtmp://", "").replace("/live", "");
    let player = Player::start(address.parse().expect("an address"), "stream");
    let mut push = Command::new("ffmpeg");
    push.args(["-nostdin", "-v", "error", "-re", "-i"]).arg(&media.path);
    push.args(["-c", "copy", "-f", "flv", &url]);
    let mut push = Tool::start(&mut push, folder.path(), "ffmpeg");
    let status = push.ended(seconds(30)).expect("ffmpeg ends with its file");
    assert!(status.success(), "{}", push.output());
    let all = media.frames.video.len();
    assert!(
        wait::holds(seconds(5), || player.video_frames() + 1 >= all),
        "{}",
        player.video_frames()
    );
    let seen = player.stop();
    dump.interrupt();
    let dumped = flv::read(&folder.file("dump.flv"));
    let recorded = nginx.recordings().pop().expect("nginx recorded");
    for (what, received) in [("player", &seen.frames), ("rtmpdump", &dumped), ("nginx", &recorded)]
    {
        let video = one_run(what, &received.video, &media.frames.video, all - 25);
        let audio = one_run(what, &received.audio, &media.frames.audio, 500);
        same_distances(what, received, &media.frames, [video, audio]);
        only_grows(what, &received.video);
    }
    assert_eq!(seen.video_arrivals.len(), seen.frames.video.len());
}

#[test]
fn the_media_are_what_the_tests_take_them_for() {
    for recipe in [PLAIN, B_FRAMES] {
        let Media { frames, .. } = Media::of(recipe);
        assert_eq!(frames.video.len(), 1200, "{recipe:?}");
        assert!(frames.audio.len() > 1000, "{recipe:?}: {}", frames.audio.len());
        let reordered = frames.video.iter().any(|frame| frame.pts_ms > frame.dts_ms + 20);
        assert_eq!(reordered, recipe.has_b_frames(), "{recipe:?}");
        for track in [&frames.video, &frames.audio] {
            let mut digests: Vec<u64> = track.iter().map(|frame| frame.digest).collect();
            digests.sort_unstable();
            digests.dedup();
            assert_eq!(digests.len(), track.len(), "{recipe:?}: two frames are alike");
        }
        let keys = frames.video.iter().filter(|frame| frame.key).count();
        assert_eq!(keys, 24, "{recipe:?}");
    }
}

/// What the frames' comparison takes for silence is what the program fills in.
#[test]
fn silence_is_what_the_program_fills_in() {
    use streamcaster::codec::aac_silence::{usual_config, SilentFrame};
    let silence = SilentFrame::of(&usual_config()).expect("48 kHz, stereo");
    assert_eq!(silence.payload(), crate::frames::SILENCE);
}

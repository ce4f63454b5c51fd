//! The harness tried on known ground: ffmpeg pushes into nginx-rtmp, rtmpdump and the light
//! player play it. What fails here is the tests' own fault.

use std::process::Command;

use crate::child::Tool;
use crate::flv;
use crate::frames::{one_run, only_grows, same_distances};
use crate::media::{Media, SMALL};
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

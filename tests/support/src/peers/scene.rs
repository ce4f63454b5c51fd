//! The program, its library, an operator who commands it, and a viewer who watches all along.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::clips::Clip;
use super::frames::{longest_step_ms, only_grows};
use super::player::{Player, Seen};
use super::program::{number, text, Folder, Program};
use super::wait::{self, seconds};

/// The longest a viewer may wait for a picture.
const STALL_MAX: Duration = Duration::from_secs(1);

/// The library's folder within a run's.
pub fn videos(folder: &Folder) -> PathBuf {
    let videos = folder.file("data").join("videos");
    fs::create_dir_all(&videos).expect("the library's folder");
    videos
}

/// Puts a file into the library under a name, as if it had been there for a minute.
pub fn put(folder: &Folder, from: &Path, name: &str) {
    let path = videos(folder).join(name);
    fs::copy(from, &path).expect("a copy in the library");
    age(&path);
}

/// Written to a minute ago: nobody writes to it any more.
pub fn age(path: &Path) {
    let file = File::options().write(true).open(path).expect("the file");
    let ago = SystemTime::now() - seconds(60);
    file.set_modified(ago).expect("its time of change");
}

/// The program with its viewer.
pub struct Scene {
    /// The program.
    pub program: Program,
    /// Its folder.
    pub folder: Arc<Folder>,
    /// A viewer.
    pub player: Player,
}

impl Scene {
    /// Starts the program over these clips, and a viewer who sees the first picture.
    pub fn with(clips: &[&Clip]) -> Scene {
        let folder = Arc::new(Folder::new());
        for clip in clips {
            put(&folder, &clip.path, clip.name);
        }
        Scene::over(folder, "")
    }

    /// Starts the program over a folder.
    pub fn over(folder: Arc<Folder>, config: &str) -> Scene {
        Scene::before(folder, config, Player::start)
    }

    /// The same with a player who keeps every message.
    pub fn listening(folder: Arc<Folder>, config: &str) -> Scene {
        Scene::before(folder, config, Player::listening)
    }

    fn before(
        folder: Arc<Folder>,
        config: &str,
        player: impl FnOnce(SocketAddr, &str) -> Player,
    ) -> Scene {
        let program = start(&folder, config);
        let player = player(program.rtmp, "stream");
        assert!(wait::holds(seconds(5), || player.video_frames() > 0), "{}", program.told());
        Scene { program, folder, player }
    }

    /// Asks the API for something; the answer's status and JSON.
    pub fn ask(&self, method: &str, path: &str, json: &str) -> (u16, Value) {
        ask(&self.program, method, path, json)
    }

    /// Switches to a file, which must be agreed to.
    pub fn switch_to(&self, name: &str) {
        switch(&self.program, &format!("{{\"video\":\"{name}\"}}"));
    }

    /// Waits until a clip's frame with this number has come.
    pub fn wait_frame(&self, clip: &Clip, number: usize) {
        let wanted = clip.frames.video.get(number).expect("a frame of the clip").picture;
        let came = wait::holds(seconds(10), || {
            self.player
                .look(|seen| seen.frames.video.iter().rev().any(|frame| frame.picture == wanted))
        });
        let name = clip.name;
        assert!(came, "frame {number} of {name} does not come:\n{}", self.program.told());
    }

    /// Waits until so many more frames have come.
    pub fn wait_more(&self, frames: usize) {
        let before = self.player.video_frames();
        let came = wait::holds(seconds(10), || self.player.video_frames() >= before + frames);
        assert!(came, "the programme stands still:\n{}", self.program.told());
    }

    /// Waits until the status says this at a place.
    pub fn wait_status(&self, pointer: &str, wanted: &str) {
        let said = wait::holds(seconds(10), || text(&self.program.status(), pointer) == wanted);
        assert!(said, "{pointer} is not {wanted}:\n{}", self.program.told());
    }

    /// Asserts that all went well for the viewer, and hands over what it saw.
    pub fn end(self) -> Seen {
        let seen = self.leave();
        well_served(&seen);
        seen
    }

    /// Asserts that the program is well and kept its viewer, and hands over what the viewer saw.
    pub fn leave(mut self) -> Seen {
        self.program.assert_well();
        assert_eq!(number(&self.program.status(), "/rtmp/skips"), 0, "{}", self.program.told());
        assert_eq!(self.player.look(|seen| seen.end.clone()), None, "{}", self.program.printed());
        self.player.stop()
    }
}

/// Asserts that a viewer's timestamps only grew and that it never waited long.
pub fn well_served(seen: &Seen) {
    only_grows("video", &seen.frames.video);
    only_grows("audio", &seen.frames.audio);
    for (at, pair) in seen.video_arrivals.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let stall = after.duration_since(*before);
        let frames = seen.frames.video.get(at..at + 2);
        assert!(stall <= STALL_MAX, "the viewer waited for {stall:?} at {at}: {frames:?}");
    }
    let step = longest_step_ms(&seen.frames.video);
    assert!(step <= 1000, "video timestamps jump by {step} ms");
}

/// Starts the program over a folder.
pub fn start(folder: &Arc<Folder>, config: &str) -> Program {
    let udp = ["--udp", "127.0.0.1:0"];
    Program::start_in(Arc::clone(folder), "127.0.0.1:0", config, &udp, &[])
}

/// Asks the API for something; the answer's status and JSON.
pub fn ask(program: &Program, method: &str, path: &str, json: &str) -> (u16, Value) {
    let Some((status, body)) = program.ask(method, path, json) else {
        panic!("{method} {path} is not answered:\n{}", program.printed());
    };
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")))
}

/// A switch that must be agreed to.
pub fn switch(program: &Program, json: &str) {
    let (status, told) = ask(program, "POST", "/api/switch", json);
    assert_eq!(status, 200, "{json}: {told}\n{}", program.printed());
}

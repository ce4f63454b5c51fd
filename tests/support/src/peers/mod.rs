//! Real peers for the real program: it is started as a process of its own, and so are ffmpeg,
//! nginx-rtmp, rtmpdump; the players and senders are light ones that know when each frame came.
//! Purpose: what every suite with processes needs, in one place. Where something goes wrong here,
//! the test that asked for it fails. Bound: each wait has a deadline, each process ends with its
//! handle.
#![expect(clippy::panic, reason = "a peer that cannot do what a test asks of it fails the test")]

use std::path::{Path, PathBuf};

pub mod authority;
pub mod child;
pub mod clips;
pub mod encoder;
pub mod flv;
pub mod frames;
pub mod heard;
pub mod http;
pub mod kept;
pub mod machine;
pub mod media;
pub mod nginx;
pub mod player;
pub mod processor;
pub mod program;
pub mod relay;
pub mod scene;
pub mod sender;
pub mod uefi;
pub mod update_service;
pub mod viewer;
pub mod wait;
pub mod whole;

/// The program, which cargo builds before it runs the tests, two folders above them.
pub fn product() -> PathBuf {
    profile().join("streamcaster")
}

/// Where tests keep files: cargo's own folder for that.
pub fn target_tmp() -> PathBuf {
    let target = profile().parent().map(Path::to_owned).unwrap_or_default();
    let tmp = target.join("tmp");
    std::fs::create_dir_all(&tmp).expect("a folder for the tests' files");
    tmp
}

/// The project.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A capture or a folder of them, which are not ours to carry along: in the folder that
/// `STREAMCASTER_MEDIA` names, or in `../shared/media`. `None`, said aloud, when it is not there.
///
/// # Panics
/// When `STREAMCASTER_MEDIA` asks for it and it is not there.
pub fn capture(name: &str) -> Option<PathBuf> {
    let asked = std::env::var_os("STREAMCASTER_MEDIA").map(PathBuf::from);
    let is_asked_for = asked.is_some();
    let path = asked.unwrap_or_else(|| root().join("../shared/media")).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(!is_asked_for, "{} is absent, and STREAMCASTER_MEDIA asks for it", path.display());
    println!("{} is absent: not tested", path.display());
    None
}

/// The folder of the build's profile: this process is `<profile>/deps/<suite>`.
fn profile() -> PathBuf {
    let suite = std::env::current_exe().expect("the path of this test");
    suite.ancestors().nth(2).expect("a folder of the build").to_owned()
}

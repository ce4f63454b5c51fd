//! What goes wrong with files and folders while a viewer watches: whatever it is, the viewer's
//! timestamps grow and pictures come.
//!
//! A disk that stands still for seconds cannot be had without privileges (no FUSE, no mount); the
//! file readers' and the standby file's own tests hold that with a disk that never answers.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::sync::Arc;

use crate::clips::{Clip, Recipe, PLAIN};
use crate::player::Player;
use crate::program::{number, request, text, Folder};
use crate::scene::{age, ask, put, start, switch, videos, well_served, Scene};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

const LONG: Recipe = Recipe { name: "long.mp4", seconds: 8, ..PLAIN };
const OTHER: Recipe = Recipe { name: "other.ts", ..PLAIN };
const STANDBY: Recipe = Recipe { name: "own-standby.mp4", seconds: 2, ..PLAIN };
const STANDBY_TOO: Recipe = Recipe { name: "own-standby-too.mp4", seconds: 2, ..PLAIN };
/// Ten seconds of it and more are far beyond what is read ahead.
const HEAVY: Recipe = Recipe {
    name: "heavy.ts",
    picture: ("640x360", 25),
    seconds: 12,
    more: &["-qp", "1"],
    ..PLAIN
};

#[test]
fn names_that_lead_elsewhere_are_refused_and_so_are_links() {
    let clip = Clip::of(PLAIN);
    let scene = Scene::with(&[&clip]);
    let library = videos(&scene.folder);
    let outside = scene.folder.file("outside.mp4");
    fs::copy(&clip.path, &outside).expect("a file outside the library");
    symlink(&outside, library.join("link.mp4")).expect("a link");
    symlink("../config.toml", library.join("config.mp4")).expect("a link");
    for name in [
        "../outside.mp4",
        "..",
        "a/../../outside.mp4",
        "/etc/passwd",
        ".hidden.mp4",
        "a\\u0000.mp4",
    ] {
        for json in [
            format!("{{\"video\":\"{name}\"}}"),
            format!("{{\"video\":\"{name}\",\"source\":\"udp\"}}"),
        ] {
            let (status, told) = scene.ask("POST", "/api/switch", &json);
            assert_eq!((status, text(&told, "/code").as_str()), (400, "INVALID_REQUEST"), "{json}");
        }
        let list = format!("{{\"files\":[\"{name}\"]}}");
        let (status, _) = scene.ask("PUT", "/api/playlists/list", &list);
        assert_eq!(status, 400, "{list}");
    }
    for (name, code) in [("link.mp4", 409), ("config.mp4", 409), ("nothing.mp4", 404)] {
        let (status, told) = scene.ask("POST", "/api/switch", &format!("{{\"video\":\"{name}\"}}"));
        assert_eq!(status, code, "{name}: {told}");
    }
    assert_eq!(scene.program.on_air(), "standby");
    scene.wait_more(30);
    scene.end();
}

#[test]
fn what_cannot_be_played_says_why_and_the_file_on_air_stays() {
    let clip = Clip::of(Recipe { name: "stays.mp4", seconds: 8, ..PLAIN });
    let scene = Scene::with(&[&clip]);
    let vp9: &[&str] = &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-f", "webm"];
    let vp9 = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=1"].iter().chain(vp9);
    let made = scene.folder.file("vp9.webm");
    crate::media::make(&vp9.copied().collect::<Vec<_>>(), &made);
    put(&scene.folder, &made, "vp9.mkv");
    let avi = scene.folder.file("a.avi");
    let from = clip.path.to_str().expect("a path in UTF-8");
    crate::media::make(&["-i", from, "-c", "copy", "-f", "avi"], &avi);
    put(&scene.folder, &avi, "a.avi");
    // Sample tables that tell of more than there is.
    let mut lies = fs::read(&clip.path).expect("a clip");
    for name in [b"stsz", b"stco"] {
        let at = lies.windows(4).position(|window| window == name).expect("a table") + 12;
        lies.get_mut(at..at + 4).expect("its count").copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF]);
    }
    fs::write(scene.folder.file("lies.mp4"), &lies).expect("a file");
    put(&scene.folder, &scene.folder.file("lies.mp4"), "lies.mp4");
    fs::copy(&clip.path, videos(&scene.folder).join("growing.mp4")).expect("a file, just written");
    scene.switch_to(clip.name);
    scene.wait_frame(&clip, 5);
    let refused = |name: &str| {
        let (status, told) = scene.ask("POST", "/api/switch", &format!("{{\"video\":\"{name}\"}}"));
        assert_eq!(status, 409, "{name}: {told}");
        assert_eq!(text(&told, "/code"), "VIDEO_UNPLAYABLE", "{name}: {told}");
        (text(&told, "/error"), text(&told, "/remedy"))
    };
    let (words, _) = refused("growing.mp4");
    assert!(words.contains("still being written"), "{words}");
    // The remedy is known as soon as the library has looked at the file.
    for (name, said) in [("vp9.mkv", "VP9"), ("a.avi", "AVI")] {
        let (words, _) = refused(name);
        assert!(words.contains(said), "{name}: {words}");
        let helped = wait::holds(seconds(5), || refused(name).1.starts_with("ffmpeg -i "));
        assert!(helped, "{name}: {}", scene.program.told());
    }
    let (words, _) = refused("lies.mp4");
    assert!(!words.is_empty());
    scene.wait_frame(&clip, 180);
    scene.end();
}

#[test]
fn a_file_that_is_cut_short_replaced_or_deleted_while_it_plays() {
    let (heavy, other) = (Clip::of(HEAVY), Clip::of(OTHER));
    let scene = Scene::with(&[&heavy, &other]);
    let path = videos(&scene.folder).join(heavy.name);
    // Replaced: the file that was opened plays on.
    scene.switch_to(heavy.name);
    scene.wait_frame(&heavy, 10);
    put(&scene.folder, &other.path, "new.ts");
    fs::rename(videos(&scene.folder).join("new.ts"), &path).expect("a rename");
    scene.wait_frame(&heavy, 60);
    // The next time, it is the new one.
    scene.switch_to(heavy.name);
    scene.wait_frame(&other, 10);
    // Deleted: plays to its end.
    fs::remove_file(&path).expect("removed");
    scene.wait_frame(&other, other.frames.video.len() - 1);
    scene.wait_status("/current_video_source", "standby");
    // Cut short: plays as far as it goes, then standby.
    put(&scene.folder, &heavy.path, heavy.name);
    scene.switch_to(heavy.name);
    scene.wait_frame(&heavy, 10);
    File::options().write(true).open(&path).and_then(|file| file.set_len(100_000)).expect("cut");
    scene.wait_status("/current_video_source", "standby");
    scene.wait_more(30);
    scene.end();
}

#[test]
fn two_thousand_files_come_into_the_library_while_one_plays() {
    let clip = Clip::of(LONG);
    let scene = Scene::with(&[&clip]);
    scene.switch_to(clip.name);
    scene.wait_frame(&clip, 5);
    let library = videos(&scene.folder);
    for number in 0..2000 {
        let path = library.join(format!("many-{number:04}.mp4"));
        fs::hard_link(library.join(clip.name), path).expect("another name");
    }
    let listed = || {
        let (_, told) = scene.ask("GET", "/api/videos", "");
        told.pointer("/videos").and_then(|list| list.as_array()).map_or(0, Vec::len) >= 2001
    };
    assert!(wait::holds(seconds(10), listed), "{}", scene.program.printed());
    scene.wait_frame(&clip, clip.frames.video.len() - 1);
    scene.end();
}

#[test]
fn without_a_state_folder_the_programme_goes_on_and_says_that_nobody_may_change_it() {
    let folder = Arc::<Folder>::default();
    fs::create_dir_all(folder.file("data")).expect("the data folder");
    // Root may write everywhere: a file in the folder's place stops anybody.
    fs::write(folder.file("data").join("state"), "no folder").expect("a file");
    let scene = Scene::over(folder, "");
    let stop = request(scene.program.http, "POST", "/api/stop", "").expect("an answer");
    assert!(stop.0 == 401, "{stop:?}");
    assert!(stop.1.contains("CODE_NEEDED"), "{stop:?}");
    scene.program.wait_printed("cannot be written to state/page.code");
    let said = scene.program.printed();
    assert!(said.contains("set a password"), "it says what to do: {said}");
    scene.wait_more(30);
    scene.end();
}

#[test]
fn a_state_folder_that_cannot_be_written_costs_the_memory_only() {
    let clip = Clip::of(LONG);
    let folder = Arc::<Folder>::default();
    put(&folder, &clip.path, clip.name);
    let scene = Scene::over(folder, "");
    // Before it goes: the token of this start is in it.
    scene.program.authorization();
    let state = scene.folder.file("data").join("state");
    fs::rename(&state, state.with_extension("aside")).expect("renamed");
    fs::write(&state, "no folder").expect("a file");
    let list = r#"{"files":["long.mp4"],"repeat":true}"#;
    let (status, told) = scene.ask("PUT", "/api/playlists/list", list);
    assert_eq!(status, 503, "what is not on the disk is not accepted: {told}");
    assert_eq!(text(&told, "/code"), "DISK_ERROR", "{told}");
    assert_eq!(number(&scene.ask("GET", "/api/playlists", "").1, "/count"), 0);
    switch(&scene.program, r#"{"video":"long.mp4"}"#);
    scene.wait_frame(&clip, 5);
    scene.program.wait_printed("the playing position cannot be saved");
    scene.wait_frame(&clip, 60);
    scene.end();
}

#[test]
fn a_playlist_goes_on_where_it_was_after_a_restart() {
    let (first, second) = (Clip::of(OTHER), Clip::of(LONG));
    let scene = Scene::with(&[&first, &second]);
    let Scene { mut program, folder, player } = scene;
    let list = r#"{"files":["other.ts","long.mp4"],"repeat":true}"#;
    assert_eq!(ask(&program, "PUT", "/api/playlists/list", list).0, 200);
    switch(&program, r#"{"source":"playlist","video":"list"}"#);
    let at = |name: &str| text(&program.status(), "/playout/file") == name;
    assert!(wait::holds(seconds(10), || at(second.name)), "{}", program.told());
    let kept = folder.file("data").join("state").join("playout.json");
    let is_kept = || fs::read_to_string(&kept).is_ok_and(|kept| kept.contains(second.name));
    assert!(wait::holds(seconds(5), is_kept), "{}", program.printed());
    well_served(&player.stop());
    assert!(program.terminate(seconds(5)).is_some_and(|status| status.success()));
    let again = start(&folder, "");
    let plays = || {
        text(&again.status(), "/playout/playlist") == "list" && {
            let file = text(&again.status(), "/playout/file");
            file == second.name && again.on_air() == "local"
        }
    };
    assert!(wait::holds(seconds(5), plays), "{}", again.told());
    let player = Player::start(again.rtmp, "stream");
    // And on to the next, which is the first.
    let begins = first.frames.video.first().expect("a frame").picture;
    let next = || player.look(|seen| seen.frames.video.iter().any(|f| f.picture == begins));
    assert!(wait::holds(seconds(15), next), "{}", again.told());
    well_served(&player.stop());
}

#[test]
fn at_its_end_a_file_gives_way_to_the_live_input_and_that_to_standby() {
    let clip = Clip::of(PLAIN);
    let live = Clip::of(Recipe { name: "live.ts", seconds: 8, gop_frames: 10, ..PLAIN });
    let scene = Scene::with(&[&clip]);
    scene.switch_to(clip.name);
    scene.wait_frame(&clip, 5);
    let sender = Sender::start(Schedule::of(&live.path), scene.program.udp);
    scene.wait_frame(&clip, clip.frames.video.len() - 1);
    scene.wait_status("/current_video_source", "udp");
    sender.stop();
    scene.wait_status("/current_video_source", "standby");
    scene.wait_more(30);
    scene.end();
}

#[test]
fn the_standby_file_is_shown_replaced_and_gone() {
    let (one, two) = (Clip::of(STANDBY), Clip::of(STANDBY_TOO));
    let scene = Scene::with(&[]);
    put(&scene.folder, &one.path, "standby.mp4");
    scene.wait_frame(&one, one.frames.video.len() - 1);
    put(&scene.folder, &two.path, "standby.mp4.new");
    let library = videos(&scene.folder);
    fs::rename(library.join("standby.mp4.new"), library.join("standby.mp4")).expect("a rename");
    age(&library.join("standby.mp4"));
    scene.wait_frame(&two, two.frames.video.len() - 1);
    fs::remove_file(library.join("standby.mp4")).expect("removed");
    let card = crate::media::standby().video.first().expect("a frame").picture;
    let is_back = || {
        scene.player.look(|seen| seen.frames.video.iter().rev().take(30).any(|f| f.picture == card))
    };
    assert!(wait::holds(seconds(10), is_back), "{}", scene.program.told());
    scene.end();
}

//! Uploads into the running program: viewers miss nothing of the programme, memory stays as it
//! is, a disk that fills stops the upload and nothing else.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use serde_json::Value;

use test_support::peers::http::{Answer, Request};

use crate::frames::{one_run, only_grows};
use crate::machine;
use crate::media::{Media, PLAIN};
use crate::player::Player;
use crate::program::{number, request, text, Program};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

const MIB: usize = 1 << 20;

fn begin(program: &Program, name: &str, size: usize) -> (u16, Value) {
    let wanted = format!(r#"{{"filename":"{name}","size":{size}}}"#);
    let (status, told) = program.ask("POST", "/api/uploads", &wanted).expect("an answer");
    (status, serde_json::from_str(&told).expect("JSON"))
}

/// Sends `bytes` at `offset`; `between` is called after each MiB.
fn send(
    program: &Program,
    id: &str,
    offset: usize,
    bytes: &[u8],
    mut between: impl FnMut(),
) -> (u16, Value) {
    let request = Request::new("PATCH", &format!("/api/uploads/{id}")).within(seconds(60));
    let request = request.field("Upload-Offset", &offset.to_string());
    let request = request.fields(program.authorization()).announce(bytes.len());
    let mut stream = request.begin(program.http).expect("sent");
    for piece in bytes.chunks(MIB) {
        // It may have been refused meanwhile: the answer tells.
        if stream.write_all(piece).is_err() {
            break;
        }
        between();
    }
    let answer = Answer::read(&mut stream).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

/// Bytes that are nowhere alike.
fn bytes(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

#[test]
fn who_watches_sees_every_frame_while_files_come_in() {
    let media = Media::of(PLAIN);
    let _machine = machine::shared();
    let file = bytes(64 * MIB);
    let mut program = Program::start("");
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(3));
    let player = Player::start(program.rtmp, "stream");
    let used = || number(&program.status(), "/memory/heap_used_bytes");
    let (before, mut most) = (used(), 0);
    let (status, told) = begin(&program, "large.mp4", file.len());
    assert_eq!(status, 201, "{told}");
    let id = text(&told, "/id");
    let (first, second) = file.split_at(file.len() / 2);
    let (status, told) = send(&program, &id, 0, first, || most = most.max(used()));
    assert_eq!((status, number(&told, "/offset")), (200, first.len() as u64), "{told}");
    let (status, told) = send(&program, &id, first.len(), second, || most = most.max(used()));
    assert_eq!((status, &told["complete"]), (200, &true.into()), "{told}");
    // Two pieces, and what the connection itself holds.
    assert!(most < before + (MIB as u64), "{before} bytes of heap grew to {most}");
    let video = program.folder().file("data/videos/large.mp4");
    assert!(fs::read(video).expect("the file") == file, "it is not what was sent");
    let (status, told) = program.ask("DELETE", "/api/videos/large.mp4", "").expect("an answer");
    assert_eq!(status, 200, "{told}");
    sender.finish();
    program.wait_on_air("standby", seconds(3));
    let seen = player.stop().frames;
    program.assert_well();
    one_run("player", &seen.video, &media.frames.video, 1000);
    only_grows("player", &seen.video);
    only_grows("player", &seen.audio);
}

#[test]
fn half_an_upload_goes_on_in_the_next_run() {
    let _machine = machine::shared();
    let file = bytes(3 * MIB + 7);
    let folder = Arc::default();
    let start = || {
        Program::start_in(Arc::clone(&folder), "127.0.0.1:0", "", &["--udp", "127.0.0.1:0"], &[])
    };
    let mut program = start();
    let (status, told) = begin(&program, "a.mp4", file.len());
    assert_eq!(status, 201, "{told}");
    let id = text(&told, "/id");
    let (first, second) = file.split_at(MIB + 1);
    assert_eq!(send(&program, &id, 0, first, || ()).0, 200);
    program.terminate(seconds(5)).expect("it ends on SIGTERM");
    let program = start();
    let listed = || {
        let (_, told) = request(program.http, "GET", "/api/uploads", "")?;
        let told: Value = serde_json::from_str(&told).ok()?;
        (text(&told, "/uploads/0/id") == id).then(|| number(&told, "/uploads/0/offset"))
    };
    assert_eq!(wait::poll(seconds(5), listed), Some(first.len() as u64), "{}", program.told());
    let (status, told) = send(&program, &id, first.len(), second, || ());
    assert_eq!((status, &told["complete"]), (200, &true.into()), "{told}");
    let video = program.folder().file("data/videos/a.mp4");
    assert!(fs::read(video).expect("the file") == file, "it is not what was sent");
}

/// Fills the disk to its last byte, and asks for what has to be written down.
fn nothing_is_accepted_that_the_disk_does_not_take(program: &Program) {
    let (last, night) = (program.on_disk("last"), "/api/playlists/night");
    let mut file = fs::File::create(&last).expect("a file");
    while file.write_all(&bytes(4096)).is_ok() {}
    // Open, it would keep its room when it is removed.
    drop(file);
    let ask = |method, body| {
        let (status, told) = program.ask(method, night, body).expect("an answer");
        (status, serde_json::from_str::<Value>(&told).expect("JSON"))
    };
    let list = r#"{"files":["a.mp4"],"repeat":true}"#;
    let (status, told) = ask("PUT", list);
    assert_eq!((status, text(&told, "/code")), (507, "DISK_FULL".to_owned()), "{told}");
    assert_eq!(ask("GET", "").0, 404, "it is there all the same");
    fs::remove_file(&last).expect("removed");
    let (status, told) = ask("PUT", list);
    assert_eq!(status, 200, "{told}");
    let on_disk = fs::read_to_string(program.on_disk("state/playlists.json")).expect("a file");
    assert!(on_disk.contains("night"), "it is answered before it is on the disk: {on_disk}");
    let (status, kept) = ask("GET", "");
    assert_eq!((status, Some(&kept)), (200, told.pointer("/playlist")), "GET behind PUT");
}

#[test]
fn a_full_disk_stops_an_upload_and_nothing_else() {
    let _machine = machine::shared();
    // What uploads leave free, and 8 MiB.
    let mut program = Program::start_on_disk(72);
    let player = Player::start(program.rtmp, "stream");
    let (status, told) = begin(&program, "huge.mp4", 20 * MIB);
    assert_eq!((status, text(&told, "/code")), (507, "DISK_FULL".to_owned()), "{told}");
    let file = bytes(4 * MIB);
    let (status, told) = begin(&program, "a.mp4", file.len());
    assert_eq!(status, 201, "{told}");
    let id = text(&told, "/id");
    let (first, second) = file.split_at(MIB);
    assert_eq!(send(&program, &id, 0, first, || ()).0, 200);
    let filler = program.on_disk("filler");
    fs::write(&filler, bytes(6 * MIB)).expect("room for it");
    let (status, told) = send(&program, &id, MIB, second, || ());
    assert_eq!((status, text(&told, "/code")), (507, "DISK_FULL".to_owned()), "{told}");
    let there = number(&told, "/offset") as usize;
    assert!((MIB..file.len()).contains(&there), "{told}");
    let frames = player.video_frames();
    let goes_on = || player.video_frames() > frames + 25;
    assert!(wait::holds(seconds(5), goes_on), "{}", program.told());
    nothing_is_accepted_that_the_disk_does_not_take(&program);
    fs::remove_file(&filler).expect("removed");
    let rest = file.get(there..).expect("the rest");
    let (status, told) = send(&program, &id, there, rest, || ());
    assert_eq!((status, &told["complete"]), (200, &true.into()), "{told}");
    let video = program.on_disk("videos/a.mp4");
    assert!(fs::read(video).expect("the file") == file, "it is not what was sent");
    only_grows("player", &player.stop().frames.video);
    program.assert_well();
}

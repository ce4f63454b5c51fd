//! Uploads and changes of the library over real sockets: what is kept, what is refused.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use streamcaster::base::limits::{UPLOADS_ACTIVE_MAX, UPLOAD_PIECE_BYTES};
use streamcaster::operator::commands::Playlist;

use super::*;

/// A control plane with a library of its own, which goes with the test.
struct House {
    folder: PathBuf,
    control: Option<ControlHandle>,
}

impl House {
    fn new(name: &str) -> House {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("uploads-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let mut house = House { folder, control: None };
        house.open(snapshot());
        house
    }

    /// Starts over with what is on the disk.
    fn open(&mut self, snapshot: Snapshot) {
        self.control = None;
        let board = Board::default();
        board.publish(snapshot);
        let library = Library::start(self.folder.join("videos")).expect("a thread");
        let parts = self.folder.join("uploads");
        let library_writer =
            LibraryWriter::start(parts, library.clone(), board.clone()).expect("a thread");
        let options = ControlOptions { library, library_writer, ..options(ANY, ANY, board) };
        self.control = Some(start(options).expect("two free ports"));
    }

    fn http(&self) -> SocketAddr {
        self.control.as_ref().expect("it is open").http()
    }

    fn video(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join("videos").join(name)).ok()
    }

    fn ask(&self, method: &str, path: &str, json: &str) -> (u16, Value) {
        told(&ask(self.http(), &command(method, path, json).fields(BEARER)))
    }

    fn begin(&self, name: &str, size: usize) -> String {
        let wanted = format!(r#"{{"filename":"{name}","size":{size}}}"#);
        let (status, told) = self.ask("POST", "/api/uploads", &wanted);
        assert_eq!((status, told.pointer("/offset")), (201, Some(&0.into())), "{told}");
        told.pointer("/id").and_then(Value::as_str).expect("an id").to_owned()
    }

    fn send(&self, id: &str, offset: u64, bytes: &[u8]) -> (u16, Value) {
        let mut request = written(&piece(id, offset, bytes.len())).into_bytes();
        request.extend_from_slice(bytes);
        told(&say(self.http(), &request))
    }

    /// How far the upload is, as it is listed.
    fn offset(&self, id: &str) -> Option<u64> {
        let answer = get(self.http(), "/api/uploads", "");
        let uploads: Value = serde_json::from_str(body(&answer)).expect("JSON");
        let uploads = uploads.pointer("/uploads").and_then(Value::as_array).expect("a list");
        let found = uploads.iter().find(|upload| upload.get("id").is_some_and(|it| it == id))?;
        found.get("offset")?.as_u64()
    }

    fn wait_for_offset(&self, id: &str, offset: u64) {
        let begun = Instant::now();
        while self.offset(id) != Some(offset) {
            assert!(begun.elapsed() < GUARD, "{:?}", self.offset(id));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.control = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A request that brings a piece, which follows behind it.
fn piece(id: &str, offset: u64, bytes: usize) -> Request {
    let request = Request::new("PATCH", &format!("/api/uploads/{id}")).fields(BEARER);
    request.field("Upload-Offset", &offset.to_string()).announce(bytes)
}

fn told(answer: &str) -> (u16, Value) {
    (status(answer), serde_json::from_str(body(answer)).expect("JSON"))
}

/// Bytes that are nowhere alike.
fn bytes(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// More than all buffers on the way hold together.
const LONG_BYTES: usize = 20 << 20;

/// A browser, and many a script, looks for the answer when it has sent everything.
#[test]
fn an_upload_that_is_refused_has_its_answer_though_its_sender_reads_last() {
    let house = House::new("refused-long");
    let package = || Request::new("POST", "/api/firmware").kept().announce(LONG_BYTES);
    let file = || Request::new("PATCH", "/api/uploads/7").kept().announce(LONG_BYTES);
    let settings = Request::new("PATCH", "/api/settings").kept();
    let wrong = "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n";
    for (what, request, expected) in [
        ("a package of nobody's", package(), 401),
        ("a package, a wrong key", package().fields(wrong), 401),
        ("a file of nobody's", file(), 401),
        ("a file, a wrong key", file().fields(wrong), 401),
        ("a page of another site", file().fields(BEARER).field("Origin", "https://a.example"), 403),
        ("an upload there is not", file().fields(BEARER).field("Upload-Offset", "0"), 404),
        (
            "a setting as long as a film",
            settings.field("Content-Length", &LONG_BYTES.to_string()),
            413,
        ),
    ] {
        let mut stream = connect(house.http());
        request.write(&mut stream).expect("sent");
        let body = vec![7; LONG_BYTES];
        stream.write_all(&body).unwrap_or_else(|error| panic!("{what}: {error}"));
        let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert_eq!(status(&answer), expected, "{what}: {answer}");
        assert!(answer.contains("Connection: close\r\n"), "{what}: {answer}");
    }
}

#[test]
fn a_file_comes_in_by_pieces_of_any_length() {
    let house = House::new("pieces");
    let whole = bytes(3 * UPLOAD_PIECE_BYTES + 5);
    let id = house.begin("a b.mp4", whole.len());
    let cuts = [0, 1, UPLOAD_PIECE_BYTES + 1, 3 * UPLOAD_PIECE_BYTES, whole.len()];
    for (from, to) in cuts.iter().zip(&cuts[1..]) {
        let (status, told) = house.send(&id, *from as u64, &whole[*from..*to]);
        assert_eq!((status, &told["offset"]), (200, &(*to).into()), "{told}");
        assert_eq!(told["complete"], *to == whole.len());
        assert_eq!(house.video("a b.mp4").is_some(), *to == whole.len());
    }
    assert_eq!(house.video("a b.mp4"), Some(whole));
    assert_eq!(house.offset(&id), None);
    let (status, told) = house.send(&id, 0, b"x");
    assert_eq!((status, &told["code"]), (404, &"UPLOAD_NOT_FOUND".into()));
}

#[test]
fn a_broken_connection_keeps_what_came_and_a_restart_too() {
    let mut house = House::new("broken");
    let whole = bytes(UPLOAD_PIECE_BYTES + 100);
    let id = house.begin("a.mp4", whole.len());
    let mut stream = connect(house.http());
    piece(&id, 0, whole.len()).write(&mut stream).expect("sent");
    stream.write_all(&whole[..UPLOAD_PIECE_BYTES + 3]).expect("sent");
    drop(stream);
    let there = UPLOAD_PIECE_BYTES as u64 + 3;
    house.wait_for_offset(&id, there);
    house.open(snapshot());
    house.wait_for_offset(&id, there);
    for wrong in [0, there - 1, there + 1] {
        let (status, told) = house.send(&id, wrong, b"x");
        assert_eq!((status, &told["code"]), (409, &"WRONG_OFFSET".into()));
        assert_eq!(told["offset"], there, "{told}");
    }
    let (status, told) = house.send(&id, there, &whole[there as usize..]);
    assert_eq!((status, &told["complete"]), (200, &true.into()), "{told}");
    assert_eq!(house.video("a.mp4"), Some(whole));
}

#[test]
fn more_than_was_announced_is_refused_and_less_can_go_on() {
    let house = House::new("lies");
    let id = house.begin("a.mp4", 10);
    let (status, told) = house.send(&id, 0, &bytes(11));
    assert_eq!((status, &told["code"]), (409, &"WRONG_LENGTH".into()));
    assert_eq!((&told["offset"], house.offset(&id)), (&0.into(), Some(0)));
    let (status, told) = house.send(&id, 0, &bytes(4));
    assert_eq!((status, &told["complete"]), (200, &false.into()));
    let (status, told) = house.send(&id, 4, b"");
    assert_eq!((status, &told["offset"], &told["complete"]), (200, &4.into(), &false.into()));
    let (status, _) = house.ask("DELETE", &format!("/api/uploads/{id}"), "");
    assert_eq!((status, house.offset(&id)), (200, None));
    assert_eq!(fs::read_dir(house.folder.join("uploads")).map(Iterator::count).ok(), Some(0));
    let (status, _) = house.ask("DELETE", &format!("/api/uploads/{id}"), "");
    assert_eq!(status, 404);
}

#[test]
fn two_come_in_at_once_and_a_third_waits() {
    let house = House::new("crowd");
    let ids: Vec<_> =
        (0..=UPLOADS_ACTIVE_MAX).map(|n| house.begin(&format!("{n}.mp4"), 100)).collect();
    let (third, first) = ids.split_last().expect("three");
    let mut open: Vec<_> = first
        .iter()
        .map(|id| {
            let mut stream = connect(house.http());
            let request = piece(id, 0, 100).field("Expect", "100-continue");
            request.write(&mut stream).expect("sent");
            // From here on it is being read.
            stream.read_exact(&mut [0; 25]).expect("100 Continue");
            stream
        })
        .collect();
    let (status, told) = house.send(third, 0, &bytes(100));
    assert_eq!((status, &told["success"]), (503, &false.into()), "{told}");
    for stream in &mut open {
        stream.write_all(&bytes(100)).expect("sent");
        let answer = String::from_utf8_lossy(&rest(stream)).into_owned();
        assert!(answer.contains(r#""complete":true"#), "{answer}");
    }
    let (status, _) = house.send(third, 0, &bytes(100));
    assert_eq!((status, house.video("2.mp4")), (200, Some(bytes(100))));
}

#[test]
fn what_makes_no_sense_is_refused_before_the_disk_is_looked_at() {
    let house = House::new("sense");
    for (body, wanted) in [
        (r#"{"filename":"../a.mp4","size":5}"#, 400),
        (r#"{"filename":"a/b.mp4","size":5}"#, 400),
        (r#"{"filename":".a.mp4","size":5}"#, 400),
        (r#"{"filename":"a\u0000.mp4","size":5}"#, 400),
        (r#"{"filename":"","size":5}"#, 400),
        (r#"{"filename":"a.mp4","size":0}"#, 400),
        (r#"{"filename":"a.mp4","size":-1}"#, 400),
        (r#"{"filename":"a.mp4","size":1.5}"#, 400),
        (r#"{"filename":"a.mp4","size":"5"}"#, 400),
        (r#"{"filename":"a.mp4","size":9e99}"#, 400),
        (r#"{"filename":"a.mp4","size":9007199254740991}"#, 413),
        (r#"{"filename":"a.mp4"}"#, 400),
        (r#"[1]"#, 400),
    ] {
        let (status, told) = house.ask("POST", "/api/uploads", body);
        assert_eq!((status, &told["success"]), (wanted, &false.into()), "{body}: {told}");
    }
    let id = house.begin("a.mp4", 5);
    let good = written(&piece(&id, 0, 0));
    for (broken, wanted) in [
        (good.replace("Upload-Offset: 0\r\n", ""), 400),
        (good.replace("Offset: 0", "Offset: +0"), 400),
        (good.replace("Offset: 0", "Offset: -1"), 400),
        (good.replace("octet-stream", "json"), 415),
        (good.replace("Host", "Origin: http://evil.example\r\nHost"), 403),
        (good.replace(&id, "7"), 404),
        (good.replace(&id, "%2e%2e"), 404),
    ] {
        let (status, told) = told(&say(house.http(), broken.as_bytes()));
        assert_eq!((status, &told["success"]), (wanted, &false.into()), "{broken}: {told}");
    }
    assert!(fs::read_dir(house.folder.join("videos")).is_ok_and(|mut files| files.next().is_none()));
}

#[test]
fn names_that_are_taken_or_on_air_are_left_alone() {
    let mut house = House::new("taken");
    let videos = house.folder.join("videos");
    for name in ["air.mp4", "a.mp4", "b.mp4"] {
        fs::write(videos.join(name), "old").expect("a file");
    }
    let mut playing = snapshot();
    playing.playout.file = Some("air.mp4".try_into().expect("short"));
    let files = vec!["a.mp4".try_into().expect("short")];
    let list = std::sync::Arc::new(Playlist { files, ..Playlist::default() });
    playing.playout.playlists = std::sync::Arc::new([("night".to_owned(), list)].into());
    house.open(playing);
    let code = |(status, told): (u16, Value)| (status, told["code"].as_str().map(str::to_owned));
    let refused = |status, code: &str| (status, Some(code.to_owned()));
    let begin = |name: &str, replace| {
        let wanted = format!(r#"{{"filename":"{name}","size":3,"replace":{replace}}}"#);
        house.ask("POST", "/api/uploads", &wanted)
    };
    assert_eq!(code(begin("a.mp4", false)), refused(409, "VIDEO_EXISTS"));
    assert_eq!(code(begin("air.mp4", true)), refused(409, "VIDEO_ON_AIR"));
    let (status, told) = begin("b.mp4", true);
    assert_eq!(status, 201, "{told}");
    house.send(told["id"].as_str().expect("an id"), 0, b"new");
    assert_eq!(house.video("b.mp4").as_deref(), Some(&b"new"[..]));
    let rename = |from: &str, to: &str| {
        let wanted = format!(r#"{{"filename":"{to}"}}"#);
        house.ask("PATCH", &format!("/api/videos/{from}"), &wanted)
    };
    assert_eq!(code(rename("a.mp4", "b.mp4")), refused(409, "VIDEO_EXISTS"));
    assert_eq!(code(rename("air.mp4", "c.mp4")), refused(409, "VIDEO_ON_AIR"));
    assert_eq!(code(rename("none.mp4", "c.mp4")), refused(404, "VIDEO_NOT_FOUND"));
    assert_eq!(code(rename("a.mp4", "../c.mp4")), refused(400, "INVALID_REQUEST"));
    assert_eq!(code(rename("%2e%2e%2fconfig.toml", "c.mp4")), refused(400, "INVALID_REQUEST"));
    let (status, told) = rename("a.mp4", "c d.mp4");
    assert_eq!((status, &told["playlists"]), (200, &1.into()), "{told}");
    assert_eq!(house.video("c d.mp4").as_deref(), Some(&b"old"[..]));
    let delete = |name: &str| house.ask("DELETE", &format!("/api/videos/{name}"), "");
    assert_eq!(code(delete("air.mp4")), refused(409, "VIDEO_ON_AIR"));
    assert_eq!(code(delete("..")), refused(400, "INVALID_REQUEST"));
    assert_eq!(delete("c%20d.mp4").0, 200);
    assert_eq!(code(delete("c%20d.mp4")), refused(404, "VIDEO_NOT_FOUND"));
    assert_eq!(house.video("air.mp4").as_deref(), Some(&b"old"[..]));
}

#[test]
fn a_name_taken_while_the_file_came_in_waits_for_its_operator() {
    let house = House::new("meanwhile");
    let id = house.begin("a.mp4", 3);
    fs::write(house.folder.join("videos/a.mp4"), "old").expect("a file");
    let (status, told) = house.send(&id, 0, b"new");
    assert_eq!((status, &told["code"], &told["offset"]), (409, &"VIDEO_EXISTS".into(), &3.into()));
    let (status, _) = house.ask("PATCH", "/api/videos/a.mp4", r#"{"filename":"b.mp4"}"#);
    assert_eq!(status, 200);
    let (status, told) = house.send(&id, 3, b"");
    assert_eq!((status, &told["complete"]), (200, &true.into()), "{told}");
    assert_eq!(house.video("a.mp4").as_deref(), Some(&b"new"[..]));
    assert_eq!(house.video("b.mp4").as_deref(), Some(&b"old"[..]));
}

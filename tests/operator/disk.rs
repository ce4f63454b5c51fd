//! A disk with moods: uploads that break off, a disk that fills, that cannot be written to, a log
//! folder that goes, a library of too many files.

use std::fs;
use std::io::Write;
use std::thread;

use streamcaster::base::limits::LIBRARY_FILES_MAX;

use test_support::peers::http::Request;

use crate::operator::Operator;
use crate::program::{number, text};
use crate::stage::{setting, Stage};
use crate::wait::{self, seconds};

const MIB: usize = 1 << 20;

fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(17).fill(&mut bytes);
    bytes
}

fn begin(operator: &Operator, name: &str, size: usize) -> String {
    let json = format!(r#"{{"filename":"{name}","size":{size}}}"#);
    text(&operator.does("POST", "/api/uploads", &json), "/id")
}

fn offset(operator: &Operator, id: &str) -> usize {
    let told = operator.get("/api/uploads");
    let list = told["uploads"].as_array().expect("a list");
    let found = list.iter().find(|each| each["id"] == id).unwrap_or_else(|| panic!("{told}"));
    number(found, "/offset") as usize
}

/// An upload breaks off in the middle of a piece and goes on.
pub fn broken_uploads(stage: &mut Stage) {
    let (operator, file) = (stage.operator.clone(), bytes(3 * MIB));
    let id = begin(&operator, "broken.mp4", file.len());
    let request = Request::new("PATCH", &format!("/api/uploads/{id}")).fields(&operator.cookie);
    let request = request.field("Upload-Offset", "0").announce(file.len());
    let mut stream = request.begin(operator.http).expect("accepted");
    stream.write_all(file.get(..MIB).expect("a part")).expect("sent");
    assert!(wait::holds(seconds(10), || offset(&operator, &id) > 0), "nothing has arrived");
    drop(stream);
    // What is under way when it breaks is written, or is not: then it stands still.
    let closed = || operator.piece(&id, file.len(), b"x").code() == "WRONG_OFFSET";
    assert!(wait::holds(seconds(20), closed), "{}", stage.program.printed());
    let there = offset(&operator, &id);
    assert!((1..=MIB).contains(&there), "{there}");
    let wrong = operator.piece(&id, there + 1, b"x");
    wrong.helps("a wrong offset");
    assert_eq!(number(&wrong.json(), "/offset") as usize, there, "{wrong:?}");
    let too_much = operator.piece(&id, there, &bytes(file.len()));
    too_much.helps("too much");
    let done = operator.piece(&id, there, file.get(there..).expect("the rest"));
    assert_eq!((done.status, &done.json()["complete"]), (200, &true.into()), "{done:?}");
    let video = stage.program.on_disk("videos/broken.mp4");
    assert!(fs::read(video).expect("the file") == file, "it is not what was sent");
    let taken = operator.ask("POST", "/api/uploads", r#"{"filename":"broken.mp4","size":5}"#);
    assert_eq!(taken.code(), "VIDEO_EXISTS");
    operator.does("DELETE", "/api/videos/broken.mp4", "");
    stage.check("a broken upload");
}

/// The disk fills while a file comes in, then to its last byte.
pub fn a_full_disk(stage: &mut Stage) {
    let (operator, file) = (stage.operator.clone(), bytes(4 * MIB));
    let huge =
        operator.ask("POST", "/api/uploads", r#"{"filename":"huge.mp4","size":99999999999}"#);
    assert_eq!((huge.status, huge.code().as_str()), (507, "DISK_FULL"), "{huge:?}");
    huge.explains("a huge file");
    let id = begin(&operator, "full.mp4", file.len());
    let (first, _) = file.split_at(MIB);
    assert_eq!(operator.piece(&id, 0, first).status, 200);
    let filler = stage.program.on_disk("filler");
    let mut filled = fs::File::create(&filler).expect("a file");
    while filled.write_all(&[7; 4096]).is_ok() {}
    let full = operator.piece(&id, MIB, file.get(MIB..).expect("the rest"));
    assert_eq!((full.status, full.code().as_str()), (507, "DISK_FULL"), "{full:?}");
    full.explains("a full disk");

    let before = stage.config();
    let told = operator.ask("PATCH", "/api/settings", r#"{"programme.silence_ms":950}"#);
    assert_eq!((told.status, told.code().as_str()), (507, "DISK_FULL"), "{told:?}");
    told.explains("a full disk");
    assert!(told.body.contains("Nothing was changed"), "{told:?}");
    assert_eq!(stage.config(), before);
    let list = operator.ask("PUT", "/api/playlists/full", r#"{"files":["a.mp4"]}"#);
    if list.status != 200 {
        list.explains("a playlist");
    }
    stage.check("a full disk");
    drop(filled);
    fs::remove_file(&filler).expect("removed");
    let there = offset(&operator, &id);
    let done = operator.piece(&id, there, file.get(there..).expect("the rest"));
    assert_eq!((done.status, &done.json()["complete"]), (200, &true.into()), "{done:?}");
    let video = stage.program.on_disk("videos/full.mp4");
    assert!(fs::read(video).expect("the file") == file, "it is not what was sent");
    operator.does("DELETE", "/api/videos/full.mp4", "");
    operator.does("PATCH", "/api/settings", r#"{"programme.silence_ms":951}"#);
    stage.check("a disk with room again");
}

/// The disk turns read-only, as it does after an error, and back.
pub fn a_read_only_disk(stage: &mut Stage) {
    let operator = stage.operator.clone();
    let id = begin(&operator, "half.mp4", MIB);
    fs::write(stage.program.on_disk("videos/there.mp4"), b"there").expect("a file");
    let before = stage.config();
    stage.lock_disk(true);
    for (method, path, body) in [
        ("PATCH", "/api/settings", r#"{"programme.silence_ms":960}"#),
        ("DELETE", "/api/destinations/nginx", ""),
        ("POST", "/api/password", r#"{"current":"pa55word of the day","new":"something else"}"#),
        ("POST", "/api/uploads", r#"{"filename":"new.mp4","size":5}"#),
        ("PATCH", "/api/videos/there.mp4", r#"{"filename":"else.mp4"}"#),
        ("DELETE", "/api/videos/there.mp4", ""),
    ] {
        let told = operator.ask(method, path, body);
        told.explains(path);
        assert!((500..600).contains(&told.status), "{path}: {told:?}");
        assert!(told.body.contains("read-only"), "{path}: {told:?}");
    }
    let told = operator.piece(&id, 0, &bytes(MIB));
    told.explains("a piece");
    assert!(told.status >= 500, "{told:?}");
    assert!(told.body.contains("read-only"), "{told:?}");
    assert_eq!(stage.config(), before);
    stage.check("a read-only disk");
    stage.lock_disk(false);
    let done = operator.piece(&id, 0, &bytes(MIB));
    assert_eq!((done.status, &done.json()["complete"]), (200, &true.into()), "{done:?}");
    operator.does("DELETE", "/api/videos/half.mp4", "");
    operator.does("DELETE", "/api/videos/there.mp4", "");
    operator.does("PATCH", "/api/settings", r#"{"programme.silence_ms":500}"#);
    assert_eq!(setting(&operator, "programme.silence_ms"), 500);
    stage.check("a disk that can be written to again");
}

/// Somebody removes the folder of the log.
pub fn a_log_folder_that_goes(stage: &mut Stage) {
    let operator = stage.operator.clone();
    fs::remove_dir_all(stage.program.on_disk("logs")).expect("removed");
    let told = operator.ask("POST", "/api/maintenance", r#"{"action":"rotate_logs"}"#);
    if told.status != 200 {
        told.explains("a log that is gone");
    }
    let log = stage.program.on_disk("logs/streamcaster.log");
    let again = || {
        operator.does("PATCH", "/api/settings", r#"{"programme.silence_ms":500}"#);
        log.exists()
    };
    let written = wait::holds(seconds(20), again);
    assert!(written, "the log is not written any more:\n{}", stage.program.printed());
    stage.check("a log folder that went");
}

/// More files than are listed, and renames while they are looked at.
pub fn a_huge_library(stage: &mut Stage) {
    let operator = stage.operator.clone();
    let videos = stage.program.on_disk("videos");
    for number in 0..LIBRARY_FILES_MAX + 5 {
        fs::write(videos.join(format!("file {number:05}.mp4")), b"x").expect("a file");
    }
    let renames = |from: usize| {
        for number in from..from + 10 {
            let path = format!("/api/videos/file%20{number:05}.mp4");
            let json = format!("{{\"filename\":\"renamed {number:05}.mp4\"}}");
            operator.does("PATCH", &path, &json);
            let told = operator.ask("GET", "/api/videos?limit=50", "");
            assert_eq!(told.status, 200, "{told:?}");
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| renames(100));
        renames(200);
    });
    let count = || number(&operator.get("/api/videos"), "/count");
    let listed = wait::holds(seconds(60), || count() >= LIBRARY_FILES_MAX as u64);
    assert!(listed, "{} files are listed", count());
    stage.check("a huge library");
    fs::remove_dir_all(&videos).expect("removed");
    fs::create_dir(&videos).expect("made again");
    assert!(wait::holds(seconds(60), || count() == 0), "{} files are listed", count());
    stage.check("a library that went");
}

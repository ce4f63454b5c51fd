//! The library on real folders: files that ffmpeg made, files that are none, and what a folder may
//! hold besides.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use streamcaster::base::limits::LIBRARY_FILES_MAX;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::container::{FileError, Progress, ReadAt};
use streamcaster::library::listing::{FileState, LibraryEntry, Listing};
use streamcaster::library::objections::{objections, OnAir};
use streamcaster::library::survey::{FileDetails, VideoDetails};
use streamcaster::library::{Library, LibraryError};
use test_support::peers::child::output_of;

/// A folder that goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let name = format!("library-{name}-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::remove_dir_all(&folder).unwrap_or_default();
        fs::create_dir_all(folder.join("videos")).expect("a temporary folder");
        Folder(folder)
    }

    pub(crate) fn videos(&self) -> PathBuf {
        self.0.join("videos")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.videos().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file in a temporary folder");
        age(&self.path(name));
    }

    pub(crate) fn ffmpeg(&self, name: &str, arguments: &[&str]) {
        let path = self.path(name);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y"]).args(arguments).arg(&path);
        let (is_well, said) = output_of(&mut ffmpeg);
        assert!(is_well, "ffmpeg cannot make {name}:\n{said}");
        age(&path);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// Written to a minute ago: nobody writes to it any more.
pub(crate) fn age(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("the file just written");
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("a settable time");
}

/// Waits until the listing is as wanted; 20 s are far more than it takes.
pub(crate) fn wait_for(library: &Library, wanted: impl Fn(&Listing) -> bool) -> Arc<Listing> {
    let begun = Instant::now();
    loop {
        let listing = library.listing();
        if wanted(&listing) {
            return listing;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{listing:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn surveyed(library: &Library) -> Arc<Listing> {
    wait_for(library, |listing| {
        let unknown = |entry: &Arc<LibraryEntry>| {
            matches!(entry.state, FileState::Pending | FileState::Growing)
        };
        listing.is_known && !listing.entries.iter().any(unknown)
    })
}

fn details(listing: &Listing, name: &str) -> FileDetails {
    let entry = listing.entry(name).unwrap_or_else(|| panic!("{name} is listed: {listing:?}"));
    entry.details().unwrap_or_else(|| panic!("{name} is ready: {entry:?}")).clone()
}

fn words(listing: &Listing, name: &str) -> String {
    let entry = listing.entry(name).unwrap_or_else(|| panic!("{name} is listed: {listing:?}"));
    entry.words().unwrap_or_else(|| panic!("{name} is refused: {entry:?}")).to_owned()
}

pub(crate) const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"];
pub(crate) const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"];
pub(crate) const ENCODED: [&str; 8] =
    ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "1"];

pub(crate) fn codes(details: &FileDetails) -> Vec<&'static str> {
    objections(details, OnAir::default()).into_iter().map(|each| each.code).collect()
}

#[test]
fn what_a_file_is_and_what_platforms_will_object_to() {
    let folder = Folder::new("details");
    let both = [&PICTURE[..], &SOUND, &["-t", "5"], &ENCODED, &["-c:a", "aac", "-ac", "2"]];
    folder.ffmpeg("good.ts", &[&both.concat()[..], &["-g", "50", "-bf", "0"]].concat());
    let mute = [&PICTURE[..], &["-t", "15"], &ENCODED, &["-g", "250", "-bf", "2"]].concat();
    folder.ffmpeg("mute.ts", &mute);
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = surveyed(&library);
    let good = details(&listing, "good.ts");
    assert_eq!(good.duration_ms, Some(5_000));
    let VideoDetails { width, height, frame_rate, .. } = good.video;
    assert_eq!((width, height, frame_rate), (320, 180, 25.0));
    assert_eq!(good.video.profile(), "Constrained Baseline");
    let audio = good.audio.expect("sound");
    assert_eq!((audio.codec, audio.sample_rate_hz, audio.channels), ("AAC-LC", 44_100, 2));
    assert!((50_000..200_000).contains(&audio.bps), "{audio:?}");
    let size = fs::metadata(folder.path("good.ts")).expect("the file").len();
    assert_eq!(good.bps, size * 8 / 5);
    assert_eq!(
        (good.keyframe_interval_ms, good.b_frames, good.left_out),
        (Some(2_000), false, None)
    );
    assert_eq!(codes(&good), [""; 0]);
    let mute = details(&listing, "mute.ts");
    assert_eq!((mute.duration_ms, mute.audio, mute.b_frames), (Some(15_000), None, true));
    assert_eq!(mute.keyframe_interval_ms, Some(10_000));
    assert_eq!(codes(&mute), ["B_FRAMES", "KEYFRAMES_FAR_APART", "NO_AUDIO"]);
    let entry = library.entry("good.ts").expect("the entry");
    assert_eq!(entry.size(), size);
    assert_eq!(entry.remedy(), None);
}

#[test]
fn every_container_tells_the_same_of_the_same_tracks() {
    let folder = Folder::new("containers");
    let sound = ["-c:a", "aac", "-ac", "2", "-ar", "48000"];
    let both = [&PICTURE[..], &SOUND, &["-t", "6"], &ENCODED, &sound, &["-g", "50", "-bf", "2"]];
    folder.ffmpeg("a.ts", &both.concat());
    let source = folder.path("a.ts");
    let source = source.to_str().expect("a path in UTF-8");
    let copy = ["-i", source, "-c", "copy"];
    folder.ffmpeg("b.mp4", &copy);
    folder.ffmpeg("c.mov", &[&copy[..], &["-movflags", "+faststart"]].concat());
    folder.ffmpeg("e.flv", &copy);
    let flat = folder.path("b.mp4");
    let flat = ["-i", flat.to_str().expect("a path in UTF-8"), "-c", "copy"];
    let fragments = ["-movflags", "frag_keyframe+empty_moov"];
    folder.ffmpeg("d.mp4", &[&flat[..], &fragments].concat());
    folder.ffmpeg("g.mkv", &flat);
    // The content counts, not the name.
    fs::copy(folder.path("e.flv"), folder.path("f.mp4")).expect("a copy");
    age(&folder.path("f.mp4"));
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = surveyed(&library);
    let ts = details(&listing, "a.ts");
    assert_eq!(ts.keyframe_interval_ms, Some(2_000));
    for name in ["b.mp4", "c.mov", "d.mp4", "e.flv", "f.mp4", "g.mkv"] {
        let other = details(&listing, name);
        let video = |details: &FileDetails| VideoDetails { bps: 0, ..details.video };
        assert_eq!(video(&other), video(&ts), "{name}");
        let audio = |details: &FileDetails| details.audio.map(|a| (a.sample_rate_hz, a.channels));
        assert_eq!(audio(&other), audio(&ts), "{name}");
        assert_eq!((other.keyframe_interval_ms, other.b_frames), (Some(2_000), true), "{name}");
        let duration = other.duration_ms.expect(name);
        assert!(duration.abs_diff(6_000) <= 100, "{name} plays {duration} ms");
        let ratio = other.video.bps as f64 / ts.video.bps as f64;
        assert!((0.8..1.2).contains(&ratio), "{name}: {} and {}", other.video.bps, ts.video.bps);
        assert!(library.open(name).is_ok(), "{name}");
    }
}

#[test]
fn what_cannot_be_played_says_why_and_what_would_help() {
    let folder = Folder::new("refused");
    let silent = [&PICTURE[..], &["-t", "1"]].concat();
    folder.ffmpeg("old film.avi", &silent);
    folder.ffmpeg("dvd.mpg", &silent);
    folder.ffmpeg("mpeg2.ts", &[&silent[..], &["-c:v", "mpeg2video"]].concat());
    folder.ffmpeg(
        "vp9.webm",
        &[&silent[..], &["-c:v", "libvpx-vp9", "-deadline", "realtime"]].concat(),
    );
    folder.ffmpeg("raw.h264", &[&silent[..], &ENCODED].concat());
    folder.ffmpeg("whole.mp4", &[&silent[..], &ENCODED].concat());
    let whole = fs::read(folder.path("whole.mp4")).expect("the file made");
    folder.write("recording.mp4", &whole[..whole.len() * 3 / 4]);
    folder.write("empty.mp4", b"");
    folder.write("notes.txt", b"not a video");
    folder.write("fake.ts", &[0x47; 9_400]);
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = surveyed(&library);
    for (name, why) in [
        ("old film.avi", "an AVI container"),
        ("dvd.mpg", "an MPEG programme stream"),
        ("mpeg2.ts", "MPEG-2 video"),
        ("vp9.webm", "VP9"),
        ("raw.h264", "raw H.264"),
        ("empty.mp4", "cut off"),
        ("recording.mp4", "the recording was not finished"),
        ("notes.txt", "not an MP4"),
        ("fake.ts", "no programme table"),
    ] {
        assert!(words(&listing, name).contains(why), "{name}: {}", words(&listing, name));
        let refused = matches!(library.open(name), Err(LibraryError::Refused(_)));
        assert!(refused, "{name} cannot be opened either");
    }
    let unfinished = library.entry("recording.mp4").expect("the entry");
    assert_eq!(unfinished.remedy(), None, "nothing would help");
    // What is told mends the file.
    let entry = library.entry("old film.avi").expect("the entry");
    let command = entry.remedy().expect("a remedy");
    assert!(command.starts_with("ffmpeg -i 'old film.avi' "), "{command}");
    let quiet = command.replacen("ffmpeg", "ffmpeg -loglevel error -nostdin", 1);
    let mended = Command::new("sh").args(["-c", &quiet]).current_dir(folder.videos()).status();
    assert!(mended.is_ok_and(|status| status.success()), "{command}");
    age(&folder.path("old film-mended.mp4"));
    library.rescan();
    let listing = wait_for(&library, |listing| {
        listing.entry("old film-mended.mp4").is_some_and(|entry| entry.details().is_some())
    });
    let mended = details(&listing, "old film-mended.mp4");
    assert_eq!((mended.video.width, mended.video.frame_rate), (320, 25.0));
}

#[test]
fn what_a_folder_may_hold_besides() {
    let folder = Folder::new("besides");
    fs::write(folder.0.join("secret.ts"), [0x47; 9_400]).expect("a file outside");
    folder.ffmpeg("real.ts", &[&PICTURE[..], &["-t", "1"], &ENCODED].concat());
    fs::create_dir(folder.path("sub.ts")).expect("a folder");
    folder.write(".hidden.ts", b"x");
    folder.write("two..dots.ts", b"x");
    let latin1 = folder.videos().join(OsStr::from_bytes(b"caf\xe9.ts"));
    fs::write(latin1, b"x").expect("a name of bytes");
    let pipe = folder.path("pipe.ts");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    symlink("real.ts", folder.path("inside.ts")).expect("a link");
    symlink("../secret.ts", folder.path("outside.ts")).expect("a link");
    symlink("/dev/zero", folder.path("zero.ts")).expect("a link");
    symlink("nowhere.ts", folder.path("broken.ts")).expect("a link");
    symlink("loop.ts", folder.path("loop.ts")).expect("a link");
    symlink("/proc/self/exe", folder.path("magic.ts")).expect("a link");
    symlink("..", folder.path("up")).expect("a link");
    folder.write("locked.ts", b"x");
    let no_one = fs::Permissions::from_mode(0o000);
    fs::set_permissions(folder.path("locked.ts"), no_one).expect("permissions");
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = surveyed(&library);
    let names: Vec<&str> = listing.entries.iter().map(|entry| &*entry.name).collect();
    let wanted = [
        "broken.ts",
        "caf\u{fffd}.ts",
        "inside.ts",
        "locked.ts",
        "loop.ts",
        "magic.ts",
        "outside.ts",
        "pipe.ts",
        "real.ts",
        "two..dots.ts",
        "zero.ts",
    ];
    assert_eq!(names, wanted, "no folders, nothing hidden");
    assert_eq!(details(&listing, "inside.ts"), details(&listing, "real.ts"));
    for name in ["outside.ts", "zero.ts", "broken.ts", "loop.ts", "magic.ts"] {
        assert!(words(&listing, name).contains("a link to outside"), "{}", words(&listing, name));
        let refused = library.open(name).expect_err("refused");
        let is_link = matches!(refused, LibraryError::LeadsOut | LibraryError::NotFound);
        assert!(is_link, "{name}: {refused}");
    }
    assert!(words(&listing, "pipe.ts").contains("not a regular file"));
    assert!(matches!(library.open("pipe.ts"), Err(LibraryError::Irregular)));
    assert!(matches!(library.open("sub.ts"), Err(LibraryError::Irregular)));
    assert!(words(&listing, "caf\u{fffd}.ts").ends_with("rename it"));
    assert!(words(&listing, "two..dots.ts").ends_with("rename it"));
    for name in ["../secret.ts", "..", ".hidden.ts", "sub.ts/x", "/etc/passwd", "a\0b", ""] {
        assert!(matches!(library.open(name), Err(LibraryError::Invalid(_))), "{name:?}");
    }
    assert!(matches!(library.open("gone.ts"), Err(LibraryError::NotFound)));
    // Root reads what is locked.
    let locked = library.open("locked.ts").expect_err("refused").to_string();
    assert!(locked.contains("cannot be opened") || locked.contains("not an MP4"), "{locked}");
    assert!(library.open("inside.ts").is_ok());
}

#[test]
fn a_file_that_grows_does_not_go_on_air() {
    let folder = Folder::new("growing");
    folder.ffmpeg("whole.ts", &[&PICTURE[..], &["-t", "2"], &ENCODED].concat());
    let whole = fs::read(folder.path("whole.ts")).expect("what ffmpeg wrote");
    let (first, rest) = whole.split_at(whole.len() / 188 / 2 * 188);
    fs::write(folder.path("new.ts"), first).expect("a file");
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = wait_for(&library, |listing| listing.is_known);
    assert_eq!(listing.entry("new.ts").map(|entry| &entry.state), Some(&FileState::Growing));
    assert_eq!(words(&listing, "new.ts"), "it is still being written");
    assert!(matches!(library.open("new.ts"), Err(LibraryError::Growing)));
    // Older by its time, but it has grown since it was seen.
    fs::write(folder.path("new.ts"), [first, rest].concat()).expect("a file");
    age(&folder.path("new.ts"));
    assert!(matches!(library.open("new.ts"), Err(LibraryError::Growing)));
    library.rescan();
    let ready = |name: &str| {
        let name = name.to_owned();
        move |listing: &Listing| listing.entry(&name).is_some_and(|e| e.details().is_some())
    };
    let listing = wait_for(&library, ready("new.ts"));
    assert_eq!(details(&listing, "new.ts").duration_ms, Some(2_000));
    assert!(library.open("new.ts").is_ok());
    // Files that come are seen without being asked for, those that go as well.
    fs::rename(folder.path("whole.ts"), folder.path("renamed.ts")).expect("a rename");
    let listing = wait_for(&library, ready("renamed.ts"));
    assert!(listing.entry("whole.ts").is_none());
}

/// Counts the units that come whole.
struct Whole(usize);

impl UnitSink for Whole {
    fn config(&mut self, _: &TrackConfig) {}
    fn begin(&mut self, _: UnitStart) {}
    fn write(&mut self, _: Track, _: &[u8]) {}
    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}
    fn commit(&mut self, _: Track) {
        self.0 += 1;
    }
    fn abort(&mut self, _: Track) {}
}

#[test]
fn a_file_replaced_while_it_is_open_is_read_to_its_end() {
    let folder = Folder::new("replaced");
    folder.ffmpeg("a.ts", &[&PICTURE[..], &["-t", "2"], &ENCODED].concat());
    let library = Library::start(folder.videos()).expect("a thread");
    let mut opened = library.open("a.ts").expect("a file that plays");
    assert!(!opened.file.is_replaced(library.folder(), "a.ts"));
    assert_eq!(opened.file.has_changed().ok(), Some(false));
    folder.write("b.ts", b"something else");
    fs::rename(folder.path("b.ts"), folder.path("a.ts")).expect("a rename");
    assert!(opened.file.is_replaced(library.folder(), "a.ts"));
    assert_eq!(opened.file.has_changed().ok(), Some(false), "the one that is open is the old one");
    let mut whole = Whole(0);
    while opened.reading.next(&mut whole).expect("readable") == Progress::More {}
    assert_eq!(whole.0, 50);
    fs::remove_file(folder.path("a.ts")).expect("the file");
    assert!(opened.file.is_replaced(library.folder(), "a.ts"));
    let mut bytes = [0; 188];
    assert_eq!(opened.file.read_at(0, &mut bytes).ok(), Some(188));
    assert_eq!(opened.file.read_at(opened.file.size() - 3, &mut bytes).ok(), Some(3));
}

#[test]
fn ten_thousand_files_are_listed_and_more_are_counted() {
    let folder = Folder::new("many");
    for n in 0..LIBRARY_FILES_MAX + 5 {
        folder.write(&format!("{n:05}.ts"), b"x");
    }
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = wait_for(&library, |listing| listing.is_known);
    assert_eq!((listing.entries.len(), listing.more), (LIBRARY_FILES_MAX, 5));
    assert!(listing.entries.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(listing.entry("00000.ts").is_some());
    assert!(listing.entry("10004.ts").is_none());
    // Not listed is not forbidden.
    let refused = library.open("10004.ts").err();
    assert!(matches!(refused, Some(LibraryError::Refused(FileError::NotRecognised))));
    drop(library);
}

#[test]
fn a_folder_that_is_missing_is_made_and_one_that_goes_is_told() {
    let folder = Folder::new("missing");
    fs::remove_dir(folder.videos()).expect("an empty folder");
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = wait_for(&library, |listing| listing.is_known);
    assert!(folder.videos().is_dir());
    assert_eq!((listing.entries.len(), listing.problem.as_deref()), (0, None));
    fs::remove_dir(folder.videos()).expect("an empty folder");
    library.rescan();
    let listing = wait_for(&library, |listing| listing.problem.is_some());
    assert!(listing.problem.as_deref().is_some_and(|words| words.contains("cannot be read")));
    assert!(matches!(library.open("a.ts"), Err(LibraryError::NotFound)));
    fs::create_dir(folder.videos()).expect("a folder");
    folder.write("x.ts", b"x");
    wait_for(&library, |listing| listing.problem.is_none() && listing.entry("x.ts").is_some());
}

//! The preview as a browser fetches it: ffmpeg reads it without a word and finds in it what went
//! in; five are one too many; viewers notice nothing of it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use streamcaster::base::limits::PREVIEWS_MAX;

use test_support::peers::http::Request;

use crate::child::output_of;
use crate::flv;
use crate::frames::{one_run, only_grows, same_distances};
use crate::machine;
use crate::media::{Media, SMALL_B_FRAMES};
use crate::player::Player;
use crate::program::Program;
use crate::sender::{Schedule, Sender};
use crate::viewer::decodes_without_a_word;
use crate::wait::{self, seconds};

/// Someone who watches the preview.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u8>>,
}

impl Watcher {
    fn start(http: SocketAddr) -> Watcher {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let mut stream = ask(http);
        let thread = std::thread::spawn(move || {
            let (mut all, mut piece) = (Vec::new(), [0; 65_536]);
            stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
            while !stopped.load(Ordering::Relaxed) {
                match stream.read(&mut piece) {
                    Ok(0) => break,
                    Ok(count) => all.extend(piece.get(..count).expect("as many as were read")),
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(e) => panic!("the preview broke: {e}"),
                }
            }
            all
        });
        Watcher { stop, thread }
    }

    /// Head and body as far as they came.
    fn stop(self) -> (String, Vec<u8>) {
        self.stop.store(true, Ordering::Relaxed);
        let all = self.thread.join().expect("it does not panic");
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let (head, body) = all.split_at(end);
        (String::from_utf8_lossy(head).into_owned(), body.to_vec())
    }
}

fn ask(http: SocketAddr) -> TcpStream {
    Request::get("/api/preview.mp4").begin(http).expect("the page's port")
}

/// What there is of whole boxes on the top level, and their types.
fn whole_boxes(movie: &[u8]) -> (usize, Vec<String>) {
    let (mut at, mut kinds) = (0, Vec::new());
    while let Some(head) = movie.get(at..at + 8) {
        let size = u32::from_be_bytes(head[..4].try_into().expect("four bytes")) as usize;
        if size < 8 || at + size > movie.len() {
            break;
        }
        kinds.push(String::from_utf8_lossy(&head[4..]).into_owned());
        at += size;
    }
    // A `moof` without its media is no fragment.
    if kinds.last().is_some_and(|kind| kind == "moof") {
        panic!("a fragment's head came without its media");
    }
    (at, kinds)
}

fn to_flv(movie: &Path, into: &Path) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(movie).args(["-c", "copy"]).arg(into);
    let (well, text) = output_of(&mut ffmpeg);
    assert!(well, "{text}");
    assert!(text.is_empty(), "{text}");
}

#[test]
fn what_goes_in_comes_out_as_fragments() {
    let media = Media::of(SMALL_B_FRAMES);
    let _machine = machine::shared();
    let mut program = Program::start("");
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(3));
    let player = Player::start(program.rtmp, "stream");
    let watcher = Watcher::start(program.http);
    assert!(wait::holds(seconds(20), || player.video_frames() > 200), "{}", program.told());
    let (head, mut movie) = watcher.stop();
    sender.finish();
    let seen = player.stop().frames;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Type: video/mp4; codecs=\"avc1."), "{head}");
    assert!(head.contains(",mp4a.40.2\"\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("x-streamcaster"), "{head}");
    let (whole, kinds) = whole_boxes(&movie);
    movie.truncate(whole);
    assert_eq!(kinds.iter().filter(|kind| *kind == "moov").count(), 1, "{kinds:?}");
    assert!(kinds.iter().filter(|kind| *kind == "moof").count() > 30, "{kinds:?}");
    let (file, copy) = (program.folder().file("preview.mp4"), program.folder().file("copy.flv"));
    fs::write(&file, movie).expect("a file for the movie");
    decodes_without_a_word(&file);
    to_flv(&file, &copy);
    let watched = flv::read(&copy);
    for (what, received) in [("preview", &watched), ("player", &seen)] {
        let video = one_run(what, &received.video, &media.frames.video, 180);
        let audio = one_run(what, &received.audio, &media.frames.audio, 300);
        same_distances(what, received, &media.frames, [video, audio]);
        only_grows(what, &received.video);
    }
    program.assert_well();
}

#[test]
fn there_is_room_for_so_many_and_leaving_makes_some() {
    let _machine = machine::shared();
    let mut program = Program::start("");
    program.wait_on_air("standby", seconds(5));
    let status = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(seconds(10))).expect("a timeout");
        let mut line = [0; 12];
        stream.read_exact(&mut line).expect("an answer");
        String::from_utf8_lossy(&line).into_owned()
    };
    let mut watching: Vec<TcpStream> = (0..PREVIEWS_MAX).map(|_| ask(program.http)).collect();
    for stream in &mut watching {
        assert_eq!(status(stream), "HTTP/1.1 200");
    }
    assert_eq!(status(&mut ask(program.http)), "HTTP/1.1 503");
    watching.pop();
    let again = wait::holds(seconds(5), || status(&mut ask(program.http)) == "HTTP/1.1 200");
    assert!(again, "{}", program.told());
    program.assert_well();
}

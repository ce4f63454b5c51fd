//! Players that are there answer: what each kind sends while it plays keeps it its seat, and who
//! sends nothing at all loses it. The viewers' shell runs in this process, waiting for seconds where
//! the program waits for a minute and a half.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use smol::future::FutureExt;
use smol::LocalExecutor;
use streamcaster::base::limits::ACCESS_UNIT_BYTES_MAX;
use streamcaster::config::Config;
use streamcaster::inputs::file_reader::Readers;
use streamcaster::inputs::publisher::Publishers;
use streamcaster::inputs::standby::Standby;
use streamcaster::net::reactor::{self, Sleep};
use streamcaster::operator::commands::{Declined, DeclinedKind};
use streamcaster::operator::snapshot::{RtmpServerStatus, ViewerStatus};
use streamcaster::outputs::viewers::{Patience, Viewers};
use streamcaster::ports::rtmp::{Context, RtmpPort};
use streamcaster::program::ring::{Capacity, Ring};
use streamcaster::program::switcher::{FillAudio, Switcher};
use streamcaster::program::Programme;

use crate::child::Tool;
use crate::crowd::vlc;
use crate::machine;
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::Folder;
use crate::wait::{self, seconds};

/// What the server knows, as it last told.
type Told = Arc<Mutex<(RtmpServerStatus, Vec<ViewerStatus>)>>;

/// The card on air, and the RTMP port.
struct Server {
    address: SocketAddr,
    told: Told,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(patience: Patience) -> Server {
        let (told, stop) = (Told::default(), Arc::<AtomicBool>::default());
        let (here, address) = mpsc::channel();
        let (theirs, end) = (Arc::clone(&told), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            reactor::run(serve(patience, &here, &theirs, &end));
        });
        let address = address.recv().expect("the port can be bound");
        Server { address, told, stop, thread: Some(thread) }
    }

    fn look<T>(&self, look: impl FnOnce(&RtmpServerStatus, &[ViewerStatus]) -> T) -> T {
        let told = self.told.lock().expect("the server does not panic");
        look(&told.0, &told.1)
    }

    /// What those call themselves that play, with their numbers.
    fn agents(&self) -> Vec<(u64, String)> {
        self.look(|_, viewers| {
            viewers.iter().map(|viewer| (viewer.id, viewer.agent.to_string())).collect()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it panicked of was said.
            let _ = thread.join();
        }
    }
}

async fn serve(patience: Patience, here: &mpsc::Sender<SocketAddr>, told: &Told, end: &AtomicBool) {
    let ring = Ring::new(Capacity {
        video_bytes: 4 << 20,
        audio_bytes: 1 << 20,
        units: 4096,
        unit_bytes_max: ACCESS_UNIT_BYTES_MAX,
    });
    let switcher = Switcher::new(ring, Duration::from_millis(500), FillAudio::Yes);
    let (executor, programme) = (Rc::new(LocalExecutor::new()), Rc::new(Programme::new(switcher)));
    let viewers = Rc::new(Viewers::new(50, Duration::ZERO).with_patience(patience));
    let mut config = Config::default();
    config.rtmp.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let port = RtmpPort::bind(&config, None, Rc::clone(&viewers), Rc::<Publishers>::default());
    let port = Rc::new(port.expect("a free port"));
    here.send(port.listen()).expect("the test waits for it");
    let context = Context { executor: Rc::clone(&executor), programme, shutdown: Rc::default() };
    let programme = Rc::clone(&context.programme);
    let none = |_: &str| {
        Err(Declined { kind: DeclinedKind::NotFound, words: "there are no files".to_owned() })
    };
    let folder = Folder::new();
    let (folder, bell) = (folder.path().to_owned(), Rc::default());
    let standby = Standby::new(Arc::new(none), Readers::default(), folder, bell);
    let telling = async {
        while !end.load(Ordering::Relaxed) {
            *told.lock().expect("nobody panics") = (port.status(), viewers.status());
            Sleep::after(Duration::from_millis(50)).await;
        }
    };
    let playing = standby.run(&programme).or(viewers.wake(&programme));
    let all = telling.or(playing).or(Rc::clone(&port).run(context));
    executor.run(all).await;
}

/// Plays, reads everything and answers nothing.
fn mute(server: SocketAddr) -> JoinHandle<()> {
    const PLAY: &[u8] = include_bytes!("../../src/rtmp/testdata/ffmpeg-5.1-play.bin");
    let mut stream = TcpStream::connect(server).expect("the port accepts");
    std::thread::spawn(move || {
        let mut answer = vec![0; 1 + 2 * 1536];
        let hello = [&[3][..], &[0; 1536]].concat();
        let shaken = stream.write_all(&hello).and_then(|()| stream.read_exact(&mut answer));
        shaken.expect("a handshake");
        let rest = [answer.get(1..1537), PLAY.get(..0x177)].into_iter().flatten();
        for part in rest {
            stream.write_all(part).expect("room in the socket");
        }
        let mut buffer = [0; 4096];
        while let Ok(1..) = stream.read(&mut buffer) {}
    })
}

/// Every kind of player there is, and how many connections they make.
fn players(url: &str, folder: &Folder) -> Vec<Tool> {
    let start = |name: &str, program: &str, arguments: &[&str]| {
        Tool::start(Command::new(program).args(arguments), folder.path(), name)
    };
    let gstreamer = |element: &str, source: &str| {
        let location =
            format!("location={url}{}", if source == "rtmpsrc" { " live=1" } else { "" });
        start(element, "gst-launch-1.0", &["-q", source, &location, "!", "fakesink", "sync=false"])
    };
    let vlc_folder = folder.file("vlc");
    fs::create_dir(&vlc_folder).expect("a folder for vlc");
    let mut vlc = vlc(&vlc_folder);
    vlc.args(["--sout", "#dummy", url]);
    vec![
        start("ffmpeg", "ffmpeg", &["-nostdin", "-v", "error", "-i", url, "-f", "null", "-"]),
        start("rtmpdump", "rtmpdump", &["-q", "--live", "-r", url, "-o", "/dev/null"]),
        start("mpv", "mpv", &["--no-config", "--vo=null", "--ao=null", url]),
        gstreamer("rtmp2src", "rtmp2src"),
        gstreamer("librtmp", "rtmpsrc"),
        Tool::start(&mut vlc, folder.path(), "vlc"),
    ]
}

#[test]
fn every_players_answers_keep_its_seat_and_silence_does_not() {
    let _machine = machine::shared();
    let patience = Patience { ping: Duration::from_secs(1), unheard: seconds(4) };
    let (server, folder) = (Server::start(patience), Folder::new());
    let url = format!("rtmp://{}/live/stream", server.address);
    let tools = players(&url, &folder);
    let nginx = Nginx::pulling(&url);
    let player = Player::start(server.address, "stream");
    let kinds = tools.len() + 2;
    let output = || tools.iter().map(Tool::output).collect::<Vec<_>>().join("\n") + &nginx.log();
    let all_play = || server.agents().len() >= kinds;
    assert!(wait::holds(seconds(30), all_play), "{:?}\n{}", server.agents(), output());
    let before = server.agents();
    println!("{before:?}");
    let silent = mute(server.address);
    // The silent one is found out later than anybody who was there before it could have been.
    let found_out = || server.look(|status, _| status.closed_unheard > 0);
    assert!(wait::holds(seconds(20), found_out), "{:?}\n{}", server.agents(), output());
    silent.join().expect("it was closed");
    assert_eq!(server.look(|status, _| status.closed_unheard), 1, "{:?}", server.agents());
    let still = server.agents();
    let gone: Vec<_> = before.iter().filter(|viewer| !still.contains(viewer)).collect();
    assert!(gone.is_empty(), "{gone:?} of {before:?}\n{}", output());
    assert!(player.look(|seen| seen.end.is_none()));
}

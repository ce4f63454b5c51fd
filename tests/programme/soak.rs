//! A soak: feeds that restart, viewers and requests that come and go, switches and new sessions of a
//! destination, again and again, while one viewer and one destination stay. Behind each round
//! everything that came has gone, and what the program holds is measured: descriptors, threads,
//! heap, and resident memory. A minute of it here, a quarter of an hour by `cargo xtask soak`.

use std::fs;
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use test_support::peers::http::Request;
use test_support::seed::{self, is_long_form};

use crate::clips::{Clip, Recipe, PLAIN};
use crate::encoder::Encoder;
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::{get, number, text, Folder, Program};
use crate::scene::{ask, put, switch, Scene};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

/// How long, in the usual and in the long form.
const SOAK: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(15 * 60)];
const FILE: Recipe = Recipe { name: "soak.mp4", ..PLAIN };
/// Heavy enough to fill the smallest ring within the first rounds.
const RING: &str = "[programme]\nring_mib = 2\n";
const UDP: Recipe = Recipe {
    name: "soak.ts",
    picture: ("640x360", 25),
    seconds: 20,
    gop_frames: 10,
    more: &["-qp", "4"],
    ..PLAIN
};
const PUBLISHED: Recipe = Recipe { name: "soak.flv", seconds: 20, gop_frames: 10, ..PLAIN };

/// What the program holds while nothing goes on but the card, its viewer and its destination.
#[derive(Clone, Copy, Debug)]
struct Held {
    files: u64,
    threads: u64,
    heap: u64,
    resident: u64,
}

impl Held {
    fn of(program: &Program) -> Held {
        let proc = format!("/proc/{}", program.pid());
        let counted = |folder: &str| fs::read_dir(format!("{proc}/{folder}")).map(Iterator::count);
        let count = |folder| counted(folder).expect("a folder of the kernel's") as u64;
        let status = fs::read_to_string(format!("{proc}/status")).expect("the process is there");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Held {
            files: count("fd"),
            threads: count("task"),
            heap: number(&program.status(), "/memory/heap_used_bytes"),
            resident: resident.expect("a number of KiB"),
        }
    }
}

#[test]
fn feeds_that_restart_for_a_while_leave_nothing_behind() {
    let [file, udp, published] = [FILE, UDP, PUBLISHED].map(Clip::of);
    let nginx = Nginx::start();
    let folder = Arc::<Folder>::default();
    put(&folder, &file.path, file.name);
    let scene = Scene::over(folder, &format!("{RING}{}", nginx.as_destination()));
    scene.program.wait_destination("live", seconds(10));
    let mut dice = fastrand::Rng::with_seed(seed::of_this_run());
    let [usual, long] = SOAK;
    let (begun, length) = (Instant::now(), if is_long_form() { long } else { usual });
    let mut held = Vec::new();
    while begun.elapsed() < length {
        round(&scene, &nginx, &udp, &published, &mut dice);
        held.push(at_rest(&scene, held.first().copied()));
        println!("{:>4} s: {:?}", begun.elapsed().as_secs(), held.last());
    }
    assert!(held.len() >= 3, "{} rounds in {length:?}", held.len());
    is_flat("heap", &held, |held| held.heap);
    is_flat("resident memory", &held, |held| held.resident);
    scene.program.wait_destination("live", seconds(10));
    scene.end();
}

/// Everything comes, and goes in one way or another.
fn round(scene: &Scene, nginx: &Nginx, udp: &Clip, published: &Clip, dice: &mut fastrand::Rng) {
    let program = &scene.program;
    let sender = Sender::start(Schedule::of(&udp.path), program.udp);
    program.wait_on_air("udp", seconds(10));
    let viewers: Vec<_> = (0..5).map(|_| Player::start(program.rtmp, "stream")).collect();
    let publisher = Encoder::start(program.rtmp, [127, 0, 0, 1], "stream", Some(&published.path));
    let present = || program.status()["publisher"]["present"] == true;
    assert!(wait::holds(seconds(10), present), "{}", program.told());
    if dice.bool() {
        switch(program, r#"{"source":"rtmp"}"#);
    }
    switch(program, r#"{"video":"soak.mp4"}"#);
    scene.wait_more(5);
    for path in ["/", "/api/videos", "/api/logs", "/api/openapi.json", "/api/nothing"] {
        get(program.http, path);
    }
    get(program.stat, "/stat");
    let streams: Vec<_> =
        ["/api/events", "/api/preview.mp4"].iter().map(|path| begun(program, path)).collect();
    let (status, told) = ask(program, "POST", "/api/destinations/nginx/restart", "");
    assert_eq!(status, 200, "{told}");
    let pushed = || text(&program.status(), "/destinations/0/state") == "live";
    assert!(wait::holds(seconds(10), pushed), "{}\n{}", program.told(), nginx.log());
    switch(program, r#"{"source":"udp"}"#);
    scene.wait_more(5);
    drop(streams);
    drop(publisher);
    drop(viewers);
    sender.stop();
}

/// A stream of the control port that has begun.
fn begun(program: &Program, path: &str) -> TcpStream {
    let stream = Request::get(path).begin(program.http).expect("the page's port");
    let mut first = [0];
    assert_eq!(stream.peek(&mut first).expect("an answer"), 1, "{path}");
    stream
}

/// What is held once everything has gone: as many descriptors and threads as behind the first round,
/// which they are waited for to come down to.
fn at_rest(scene: &Scene, first: Option<Held>) -> Held {
    let program = &scene.program;
    let gone = || {
        let status = program.status();
        let viewers = status["viewers"].as_array().map(Vec::len);
        status["publisher"]["present"] == false
            && status["udp"]["receiving"] == false
            && viewers == Some(1)
    };
    assert!(wait::holds(seconds(20), gone), "{}", program.told());
    let most = first.map_or((u64::MAX, u64::MAX), |held| (held.files, held.threads));
    let rest = wait::poll(seconds(20), || {
        let held = Held::of(program);
        (held.files <= most.0 && held.threads <= most.1).then_some(held)
    });
    rest.unwrap_or_else(|| {
        panic!("{:?} behind the first round, now {:?}", first, Held::of(program))
    })
}

/// Asserts that a figure does not grow without end. What is lost in each round makes every figure of
/// the last third larger than every one of the third before; the first third is for what fills up to
/// its limit (the log, histories, the kernel's pages of the ring).
fn is_flat(name: &str, held: &[Held], figure: impl Fn(&Held) -> u64) {
    let thirds = |range: Range<usize>| held.get(range).unwrap_or_default().iter().map(&figure);
    let (third, all) = (held.len() / 3, held.len());
    let before = thirds(third..2 * third).max();
    let last = thirds(2 * third..all).min();
    assert!(last <= before, "{name} grows: {before:?} at most, then {last:?} at least\n{held:#?}");
}

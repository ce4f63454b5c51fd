//! Every limit filled at once: the process stays inside its budget, and a viewer who was there
//! first misses nothing.

use std::net::TcpStream;

use streamcaster::base::budget::{Budget, Demand, Owner};
use streamcaster::base::limits::{
    LOG_LINES_MAX, THREADS_MAX, UDP_RECEIVE_BUFFER_BYTES_DEFAULT, UDP_RECEIVE_BUFFER_BYTES_MIN,
};

use crate::frames::{one_run, only_grows};
use crate::machine;
use crate::media::{Media, B_FRAMES};
use crate::nginx::Nginx;
use crate::player::Player;
use crate::program::{number, text, Program};
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

const VIEWERS: usize = 100;
const DESTINATIONS: usize = 4;
const RING_MIB: usize = 2;

/// A number of `/proc/PID/status`, such as `VmRSS` in KiB.
fn process(pid: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn connections(to: std::net::SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).filter_map(|_| TcpStream::connect(to).ok()).collect()
}

#[test]
fn every_limit_filled_at_once_stays_inside_the_budget() {
    let media = Media::of(B_FRAMES);
    let _machine = machine::alone();
    let nginx = Nginx::start();
    let pushes: String = (0..DESTINATIONS)
        .map(|n| {
            format!("[[destination]]\nname = \"d{n}\"\nurl = \"{}\"\nkey = \"k{n}\"\n", nginx.url())
        })
        .collect();
    let config = format!(
        "[programme]\nring_mib = {RING_MIB}\n[rtmp]\nviewers_max = {VIEWERS}\n\
         destinations_max = {DESTINATIONS}\n[log]\nlevel = \"debug\"\n{pushes}"
    );
    let mut program = Program::start(&config);
    let idle = number(&program.status(), "/memory/heap_used_bytes");
    let sender = Sender::start(Schedule::of(&media.path), program.udp);
    program.wait_on_air("udp", seconds(5));
    let first = Player::start(program.rtmp, "stream");
    // Ten from each of ten addresses, the first one's among them: nobody holds more than a share.
    let from = |at: usize| [127, 0, 0, 1 + (at % 10) as u8];
    let start = |at| Player::start_from(from(at), program.rtmp, "stream");
    let crowd: Vec<Player> = (1..VIEWERS).map(start).collect();
    let full = || number(&program.status(), "/viewer_count") == VIEWERS as u64;
    assert!(wait::holds(seconds(20), full), "{}", program.told());
    let turned_away = Player::start(program.rtmp, "stream");
    let counted = || number(&program.status(), "/rtmp/refused_full") > 0;
    assert!(wait::holds(seconds(5), counted), "{}", program.told());
    for number_of_lines in 0..LOG_LINES_MAX {
        // Each that comes and goes is a line of the log.
        assert!(TcpStream::connect(program.rtmp).is_ok(), "after {number_of_lines}");
    }
    let silent = connections(program.rtmp, 200);
    let idle_pages = connections(program.http, 200);
    let filled = || {
        let status = program.status();
        let live = |n| text(&status, &format!("/destinations/{n}/state")) == "live";
        number(&status, "/programme/bytes") > ((RING_MIB as u64) * 3) << 19
            && (0..DESTINATIONS).all(live)
    };
    assert!(wait::holds(seconds(60), filled), "{}", program.told());
    let status = program.status();
    let [peak, limit] =
        ["peak", "limit"].map(|which| number(&status, &format!("/memory/heap_{which}_bytes")));
    let budget = Budget::of(&Demand {
        ring_bytes: RING_MIB << 20,
        unit_record_bytes: 40,
        viewers: VIEWERS,
        destinations: DESTINATIONS,
        receive_buffer_bytes: UDP_RECEIVE_BUFFER_BYTES_DEFAULT.max(UDP_RECEIVE_BUFFER_BYTES_MIN),
        has_certificate: false,
        password_bytes: 0,
    });
    assert_eq!(limit, budget.total(Owner::Heap), "the limit is the budget's heap");
    assert!(peak > idle, "{peak} of {limit} bytes of heap, {idle} idle");
    assert!(peak < limit * 7 / 8, "{peak} of {limit} bytes of heap, {idle} idle");
    let resident = process(program.pid(), "VmRSS") as u64 * 1024;
    let process_total = budget.total(Owner::Heap) + budget.total(Owner::Process);
    assert!(resident < process_total, "{resident} of {process_total} bytes resident");
    let threads = process(program.pid(), "Threads");
    assert!(threads <= THREADS_MAX, "{threads} threads");
    sender.finish();
    program.assert_well();
    assert_eq!(number(&program.status(), "/rtmp/skips"), 0, "{}", program.told());
    let seen = first.stop().frames;
    only_grows("the first viewer", &seen.video);
    one_run("the first viewer's video", &seen.video, &media.frames.video, 900);
    drop((crowd, turned_away, silent, idle_pages));
}

//! More than one machine: an origin, two edges that pull from it, and HAProxy in front of them as
//! the manual sets it up. An edge that dies takes its own viewers' connections with it and nothing
//! else; an origin that dies takes none.

use std::net::SocketAddr;
use std::time::Instant;

use crate::child::signal;
use crate::frames::only_grows;
use crate::haproxy::{free_address, of_the_manual, HaProxy};
use crate::machine;
use crate::player::Player;
use crate::program::Program;
use crate::wait::{self, seconds};

/// HAProxy, and where it takes viewers.
struct Balancer {
    address: SocketAddr,
    tool: HaProxy,
}

impl Balancer {
    /// Starts it in front of these edges, with the manual's own configuration.
    fn start(edges: [&Program; 2]) -> Balancer {
        let address = free_address();
        let mut config = of_the_manual(0).replace(":1935\n", &format!("{address}\n"));
        for (number, edge) in (1..).zip(edges) {
            let line = format!("edge{number}.example.com:1935 check port 8081");
            assert!(config.contains(&line), "{line} is not in:\n{config}");
            let here = format!("{} check port {}", edge.rtmp, edge.stat.port());
            config = config.replace(&line, &here);
        }
        assert!(!config.contains("example.com"), "{config}");
        Balancer { address, tool: HaProxy::start(&config, &[address]) }
    }

    /// A viewer that has its picture.
    fn viewer(&self) -> Player {
        let player = Player::start(self.address, "stream");
        let plays = wait::holds(seconds(10), || player.video_frames() > 0);
        assert!(plays, "{:?}\n{}", player.look(|seen| seen.end.clone()), self.tool.output());
        player
    }
}

fn plays_on(player: &Player, what: &str) {
    let got = player.video_frames();
    let plays = wait::holds(seconds(10), || player.video_frames() > got + 60);
    assert!(plays, "{what}: {:?}", player.look(|seen| seen.end.clone()));
}

fn has_ended(player: &Player) -> bool {
    player.look(|seen| seen.end.is_some())
}

#[test]
fn viewers_behind_a_balancer_outlive_the_origin_and_the_other_edge() {
    let _machine = machine::shared();
    let key = "[rtmp]\nplay_key = \"let-the-edges-in\"\n";
    let origin = Program::start(key);
    let at = origin.rtmp.to_string();
    let pull = format!(
        "[input.pull]\nurl = \"rtmp://{at}/live/stream\"\nkey = \"let-the-edges-in\"\n\
         [input.rtmp]\nenabled = false\n"
    );
    let [one, other] = [(); 2].map(|()| Program::start(&pull));
    for edge in [&one, &other] {
        edge.wait_on_air("pull", seconds(10));
    }
    let balancer = Balancer::start([&one, &other]);
    let viewers = [balancer.viewer(), balancer.viewer()];

    drop(origin);
    for edge in [&one, &other] {
        edge.wait_on_air("standby", seconds(3));
    }
    viewers.iter().for_each(|viewer| plays_on(viewer, "without its origin"));
    let origin = Program::start_at(&at, key);
    for edge in [&one, &other] {
        edge.wait_on_air("pull", seconds(15));
    }
    viewers.iter().for_each(|viewer| plays_on(viewer, "with its origin back"));

    drop(one);
    let killed = Instant::now();
    let gone = wait::holds(seconds(5), || viewers.iter().any(has_ended));
    assert!(gone, "a viewer's connection ends with its edge");
    let again = balancer.viewer();
    let off = killed.elapsed();
    println!("an edge killed: its viewer had its picture again after {} ms", off.as_millis());
    assert!(off < seconds(5), "{off:?}");
    let [first, second] = viewers;
    let (left, stayed) = if has_ended(&first) { (first, second) } else { (second, first) };
    assert!(!has_ended(&stayed), "the other edge's viewer stays");
    plays_on(&stayed, "of the other edge");
    plays_on(&again, "on the other edge");
    for (what, player) in [("left", left), ("stayed", stayed)] {
        only_grows(what, &player.stop().frames.video);
    }

    // One that hangs is found out by the balancer's own question.
    signal(other.pid(), "STOP");
    let stopped = Instant::now();
    assert!(wait::holds(seconds(15), || has_ended(&again)), "{}", balancer.tool.output());
    println!("an edge stopped: let go after {} ms", stopped.elapsed().as_millis());
    signal(other.pid(), "CONT");
    drop(again);
    // Taken back, it serves again.
    let served = wait::holds(seconds(15), || {
        let player = Player::start(balancer.address, "stream");
        wait::holds(seconds(2), || player.video_frames() > 0)
    });
    assert!(served, "{}", balancer.tool.output());
    drop(origin);
}

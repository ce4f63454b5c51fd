//! One case: an input is delivered to a program of its own, which pushes to an nginx of its own,
//! while a player keeps every message.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use test_support::oracle::{Oracle, Report, Rules, Source};

use crate::encoder::{Encoder, Manner};
use crate::flv::{self, Tag};
use crate::heard::{card, messages, Heard};
use crate::nginx::Nginx;
use crate::player::Player;
use crate::pool::Seat;
use crate::program::{Folder, Program};
use crate::scene;
use crate::sender::{Schedule, Sender};
use crate::wait::{self, seconds};

/// Longer than any of the inputs plays.
const PLAYS_MAX: Duration = seconds(40);

/// How an input reaches the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A transport stream at the pace of its PCR.
    Udp,
    /// FLV tags, untouched.
    Publish,
    /// Put into the library and switched to.
    Library,
}

/// The program with its peers.
pub struct Stage {
    /// The program.
    pub program: Program,
    /// Keeps what a viewer gets.
    pub player: Player,
    /// Records what is pushed.
    pub nginx: Nginx,
    /// When it began: the oracle's zero.
    pub origin: Instant,
    /// One of a few.
    seat: Seat,
}

/// What came out.
pub struct Outcome {
    /// A viewer's messages.
    pub heard: Vec<Heard>,
    /// What nginx recorded.
    pub pushed: Vec<Tag>,
    /// The oracle's zero.
    pub origin: Instant,
    /// Kept until it is compared.
    pub _seat: Seat,
}

impl Stage {
    /// Starts everything over a folder, with the card on air.
    pub fn over(folder: &Arc<Folder>) -> Stage {
        let seat = Seat::take();
        let nginx = Nginx::start();
        let program = scene::start(folder, &nginx.as_destination());
        let player = Player::listening(program.rtmp, "stream");
        let plays = wait::holds(seconds(10), || player.video_frames() > 0);
        assert!(plays, "{}", program.told());
        program.wait_destination("live", seconds(10));
        Stage { program, player, nginx, origin: Instant::now(), seat }
    }

    /// Waits until the card has been on air for some pictures, and ends everything.
    pub fn end(mut self) -> Outcome {
        let before = self.player.video_frames();
        let goes_on = wait::holds(seconds(10), || self.player.video_frames() >= before + 25);
        assert!(goes_on, "the programme stands still:\n{}", self.program.told());
        self.program.assert_well();
        let seen = self.player.stop();
        assert!(self.program.terminate(seconds(10)).is_some(), "it does not end on SIGTERM");
        let pushed = self.nginx.recorded_tags();
        let [pushed] = pushed.as_slice() else { panic!("{} pushes reached nginx", pushed.len()) };
        Outcome { heard: seen.heard, pushed: pushed.clone(), origin: self.origin, _seat: self.seat }
    }
}

impl Outcome {
    /// What the oracle says of the viewer, who knows these sources and the card.
    pub fn viewer(&self, sources: &[Source]) -> Report {
        let heard = self.heard.iter().map(|h| h.message(self.origin));
        Oracle::judge(Rules::VIEWER, with_card(sources), heard)
    }

    /// What it says of the destination.
    pub fn destination(&self, sources: &[Source]) -> Report {
        Oracle::judge(Rules::DESTINATION, with_card(sources), messages(&self.pushed))
    }

    /// The viewer's messages as tags.
    pub fn heard_tags(&self) -> Vec<Tag> {
        self.heard.iter().map(|h| (h.kind, h.time_ms, h.body.to_vec())).collect()
    }
}

fn with_card(sources: &[Source]) -> Vec<Source> {
    sources.iter().cloned().chain([card()]).collect()
}

/// Delivers an input from beginning to end.
pub fn play(way: Way, path: &Path) -> Outcome {
    let folder = Arc::<Folder>::default();
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8");
    if way == Way::Library {
        scene::put(&folder, path, name);
    }
    let stage = Stage::over(&folder);
    match way {
        Way::Udp => send(stage, Schedule::of(path)),
        Way::Publish => {
            let tags = flv::tags(&std::fs::read(path).expect("an FLV file"));
            let manner = Manner { says_goodbye: true, ..Manner::default() };
            let encoder = Encoder::publish(stage.program.rtmp, tags, manner);
            stage.program.wait_on_air("rtmp", seconds(10));
            let sent = wait::holds(PLAYS_MAX, || encoder.told().sent.is_some());
            assert!(sent, "{:?}", encoder.told());
            stage.program.wait_on_air("standby", PLAYS_MAX);
            stage.end()
        }
        Way::Library => {
            scene::switch(&stage.program, &format!("{{\"video\":\"{name}\"}}"));
            stage.program.wait_on_air("local", seconds(10));
            stage.program.wait_on_air("standby", PLAYS_MAX);
            stage.end()
        }
    }
}

/// Sends a transport stream from beginning to end.
pub fn send(stage: Stage, schedule: Schedule) -> Outcome {
    let sender = Sender::start(schedule, stage.program.udp);
    stage.program.wait_on_air("udp", seconds(10));
    sender.finish();
    stage.program.wait_on_air("standby", PLAYS_MAX);
    stage.end()
}

//! Viewers' seats when nearly all are taken: one address does not keep the others out.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use crate::footing::Footing;
use crate::machine;
use crate::player::Player;
use crate::scene::Scene;
use crate::sockets::{is_closed_within, push, ENEMY};
use crate::wait::{self, seconds};
use crate::wire::{shaken, FFMPEG_PLAY};

const SEATS: usize = 16;
/// Sixteen viewers, and those that are refused.
const FEW: Footing = Footing { rss_kib: 6 << 10, threads: 0, descriptors: 60 };

/// Plays from there as ffmpeg does, and reads no further than the answer; nothing: it is refused.
fn plays(scene: &Scene, from: [u8; 4]) -> Option<TcpStream> {
    let mut stream = shaken(from, scene.program.rtmp).expect("a stranger may shake hands");
    // Without the deleteStream at its end.
    push(&mut stream, FFMPEG_PLAY.get(..0x177).unwrap_or_default());
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    let has = |all: &[u8], words: &[u8]| all.windows(words.len()).any(|part| part == words);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if has(&all, b"NetStream.Play.Start") {
            return Some(stream);
        }
        if has(&all, b"NetStream.Play.Failed") {
            return None;
        }
    }
    unreachable!("no answer to play: {}", scene.told())
}

fn watches(player: &Player) -> bool {
    wait::holds(seconds(5), || player.video_frames() > 0)
}

#[test]
fn one_address_does_not_keep_others_from_watching() {
    let _machine = machine::alone();
    let scene = Scene::start(&format!("[rtmp]\nviewers_max = {SEATS}\n"));
    // The scene's viewer holds one; the last two are for others.
    let mut taken: Vec<TcpStream> = (0..SEATS - 3).filter_map(|_| plays(&scene, ENEMY)).collect();
    assert_eq!(taken.len(), SEATS - 3, "{}", scene.told());
    for _ in 0..5 {
        assert!(plays(&scene, ENEMY).is_none(), "{}", scene.told());
    }
    scene.wait_counted("/rtmp/refused_share", 5);
    assert_eq!(scene.counted("/rtmp/closed_for_others"), 0, "{}", scene.told());
    // Others have what is left, and then make the enemy's newest leave, all but one.
    let mut others: Vec<Player> = Vec::new();
    for at in 0..SEATS as u8 - 2 {
        let player = Player::start_from([127, 0, 1, 1 + at], scene.program.rtmp, "stream");
        assert!(watches(&player), "newcomer {at}: {}", scene.told());
        others.push(player);
    }
    let ended = SEATS as u64 - 4;
    scene.wait_counted("/rtmp/closed_for_others", ended);
    for (at, stream) in taken.iter_mut().enumerate().skip(1) {
        assert!(is_closed_within(stream, seconds(2)), "{at}: {}", scene.told());
    }
    if let Some(first) = taken.first_mut() {
        assert!(!is_closed_within(first, Duration::from_millis(300)), "{}", scene.told());
    }
    // Now everybody holds one.
    let late = Player::start_from([127, 0, 2, 1], scene.program.rtmp, "stream");
    let refused = || late.look(|seen| seen.end.is_some());
    assert!(wait::holds(seconds(5), refused), "{}", scene.told());
    scene.wait_counted("/rtmp/refused_full", 1);
    assert_eq!(scene.counted("/rtmp/closed_for_others"), ended, "{}", scene.told());
    assert!(others.iter().all(|player| player.look(|seen| seen.end.is_none())));
    let status = scene.program.status().to_string();
    assert!(status.contains("\"too_many_from_address\""), "{status}");
    let once = "all viewers' seats are in use: a viewer from";
    scene.program.wait_printed(once);
    let said = scene.program.printed();
    assert_eq!(said.matches(once).count(), 1, "{said}");
    drop((taken, others, late));
    scene.end(FEW);
}

//! Publishers and players that come by RTMPS, on the port that takes plain RTMP as well: what goes
//! through is what a plain connection carries.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_support::peers::authority::{Authority, Signed};
use test_support::tools::ffmpeg_9;

use crate::child::{output_of, Tool};
use crate::frames::{one_run, only_grows, Recording};
use crate::machine;
use crate::media::{Media, SMALL};
use crate::player::Player;
use crate::program::{number, text, Folder, Program};
use crate::viewer::decodes_without_a_word;
use crate::wait::{self, seconds};

/// A program with a certificate for localhost that this authority has signed.
fn with_certificate(authority: &Authority) -> (Program, Signed) {
    let own = authority.signs("DNS:localhost");
    let program = Program::start(&format!(
        "[http]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
        own.certificate.display(),
        own.key.display()
    ));
    (program, own)
}

fn url(program: &Program) -> String {
    format!("rtmps://localhost:{}/live/stream", program.rtmp.port())
}

/// How an ffmpeg is told whom to believe, and to look: of 5.1 GnuTLS does not by itself.
fn believes(ffmpeg: &mut Command, authority: &Authority) {
    ffmpeg.args(["-tls_verify", "1", "-ca_file"]).arg(authority.certificate());
}

/// An ffmpeg that publishes a file in real time without touching it.
fn publisher(ffmpeg: &Path, authority: &Authority, media: &Media, url: &str) -> Command {
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "info", "-re", "-i"]).arg(&media.path);
    command.args(["-c", "copy", "-f", "flv"]);
    believes(&mut command, authority);
    command.arg(url);
    command
}

/// Debian's ffmpeg with GnuTLS, and one of today with OpenSSL.
fn ffmpegs() -> [(&'static str, PathBuf); 2] {
    [("ffmpeg 5.1", PathBuf::from("ffmpeg")), ("ffmpeg 9", ffmpeg_9())]
}

/// Asserts that all but the very last frames were received as they are.
fn is_whole(what: &str, received: &Recording, source: &Recording) {
    let (video, audio) = (source.video.len(), source.audio.len());
    one_run(&format!("{what} video"), &received.video, &source.video, video - 2);
    one_run(&format!("{what} audio"), &received.audio, &source.audio, audio - 20);
    only_grows(&format!("{what} video"), &received.video);
}

#[test]
fn both_ffmpegs_publish_and_play_by_rtmps_what_a_plain_player_gets() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let (folder, authority) = (Folder::new(), Authority::new());
    let (mut program, _) = with_certificate(&authority);
    for (name, ffmpeg) in ffmpegs() {
        let plain = Player::start(program.rtmp, "stream");
        let recorded = folder.file(&format!("{}.flv", name.replace(' ', "-")));
        let mut player = Command::new(&ffmpeg);
        player.args(["-nostdin", "-v", "warning", "-rtmp_live", "live"]);
        believes(&mut player, &authority);
        player.args(["-i", &url(&program), "-c", "copy", "-f", "flv"]).arg(&recorded);
        let mut player = Tool::start(&mut player, folder.path(), "player");
        let both_play = || number(&program.status(), "/viewer_count") == 2;
        assert!(wait::holds(seconds(10), both_play), "{name}: {}", program.told());
        assert!(wait::holds(seconds(5), || plain.video_frames() > 0), "{}", program.told());
        let viewers = program.status();
        let encrypted = |at: usize| viewers.pointer(&format!("/viewers/{at}/encrypted")).cloned();
        let mut encrypted = [encrypted(0), encrypted(1)].map(|told| told == Some(true.into()));
        encrypted.sort_unstable();
        assert_eq!(encrypted, [false, true], "{name}: {viewers}");
        let mut sends = publisher(&ffmpeg, &authority, &media, &url(&program));
        let mut sends = Tool::start(&mut sends, folder.path(), "publisher");
        program.wait_on_air("rtmp", seconds(10));
        let told = program.status();
        assert_eq!(told.pointer("/publisher/encrypted"), Some(&true.into()), "{name}: {told}");
        let ended = sends.ended(seconds(30)).expect("ffmpeg ends with its file");
        assert!(ended.success(), "{name}: {}\n{}", sends.output(), program.printed());
        program.wait_on_air("standby", seconds(5));
        let got = plain.video_frames();
        assert!(wait::holds(seconds(5), || plain.video_frames() > got + 30), "{}", program.told());
        player.interrupt();
        is_whole(&format!("{name}, to a plain player"), &plain.stop().frames, &media.frames);
        is_whole(name, &crate::flv::read(&recorded), &media.frames);
        decodes_without_a_word(&recorded);
    }
    program.assert_well();
}

#[test]
fn who_does_not_trust_the_certificate_or_finds_none_is_shown_with_what_to_do() {
    let media = Media::of(SMALL);
    let _machine = machine::shared();
    let (authority, other) = (Authority::new(), Authority::new());
    for (certificate, code) in [(true, "certificate_not_trusted"), (false, "no_certificate")] {
        let mut program = match certificate {
            true => with_certificate(&authority).0,
            false => Program::start(""),
        };
        for (name, ffmpeg) in ffmpegs() {
            let mut sends = publisher(&ffmpeg, &other, &media, &url(&program));
            let (well, said) = output_of(&mut sends);
            assert!(!well, "{name}: {said}");
            let told = || text(&program.status(), "/rtmp/refusals/0/code");
            assert!(wait::holds(seconds(5), || told() == code), "{name}: {}", program.told());
        }
        program.assert_well();
    }
}

#[test]
fn a_new_certificate_serves_those_who_come_behind_it_and_those_who_are_there_stay() {
    let _machine = machine::shared();
    let (folder, authority, other) = (Folder::new(), Authority::new(), Authority::new());
    let (mut program, own) = with_certificate(&authority);
    let address = url(&program);
    let plays = |name: &str, authority: &Authority| {
        let mut player = Command::new(ffmpeg_9());
        player.args(["-nostdin", "-v", "warning", "-rtmp_live", "live"]);
        believes(&mut player, authority);
        player.args(["-i", &address, "-c", "copy", "-f", "null", "-"]);
        Tool::start(&mut player, folder.path(), name)
    };
    let count = |program: &Program| number(&program.status(), "/viewer_count");
    let mut first = plays("first", &authority);
    assert!(wait::holds(seconds(10), || count(&program) == 1), "{}", program.told());
    let new = other.signs("DNS:localhost");
    fs::copy(new.certificate, &own.certificate).expect("the test's folders");
    fs::copy(new.key, &own.key).expect("the test's folders");
    program.wait_printed("a new certificate is in force");
    let second = plays("second", &other);
    assert!(wait::holds(seconds(10), || count(&program) == 2), "{}", second.output());
    let mut third = plays("third", &authority);
    let ended = third.ended(seconds(10)).expect("it does not believe the new certificate");
    assert!(!ended.success(), "{}", third.output());
    assert_eq!(count(&program), 2, "{}", program.told());
    assert!(first.ended(seconds(0)).is_none(), "{}", first.output());
    program.assert_well();
}

#[test]
fn who_begins_tls_and_does_not_go_on_is_closed_and_keeps_nobody_out() {
    let _machine = machine::shared();
    let authority = Authority::new();
    let (mut program, _) = with_certificate(&authority);
    // A ClientHello that never becomes whole, one of no sense, an alert, and one that is too long.
    let long = [&[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 0x3ffb]].concat();
    let beginnings: [&[u8]; 5] = [
        &[0x16],
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc],
        &[0x16, 3, 3, 0, 4, 9, 9, 9, 9],
        &[0x16, 3, 1, 0, 2, 2, 40],
        &long,
    ];
    let open = |beginning: &&[u8]| {
        let mut stream = TcpStream::connect(program.rtmp).expect("the port accepts");
        stream.write_all(beginning).expect("room in the socket");
        stream.set_read_timeout(Some(seconds(15))).expect("a timeout");
        stream
    };
    let held: Vec<TcpStream> = beginnings.iter().cycle().take(300).map(open).collect();
    let player = Player::start_from([127, 0, 0, 2], program.rtmp, "stream");
    assert!(wait::holds(seconds(10), || player.video_frames() > 0), "{}", program.told());
    for mut stream in held {
        // Whatever it is told, it is closed: at once, or when its time is over.
        let mut said = Vec::new();
        if let Err(error) = stream.read_to_end(&mut said) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
    program.assert_well();
}

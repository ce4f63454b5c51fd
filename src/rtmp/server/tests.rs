use super::*;
use crate::base::limits::{RTMP_COMMAND_BYTES_MAX, RTMP_OUTBOX_BYTES_MAX};
use crate::rtmp::amf::AmfError;
use crate::rtmp::chunk::ChunkError;
use crate::rtmp::chunk_writer::write_message;
use crate::rtmp::message::{
    MessageReader, TYPE_COMMAND_AMF3, TYPE_DATA, TYPE_USER_CONTROL, TYPE_VIDEO,
};

/// What real programs send behind the handshake, as a socket received it.
const FFMPEG_PLAY: &[u8] = include_bytes!("../testdata/ffmpeg-5.1-play.bin");
const RTMPDUMP_PLAY: &[u8] = include_bytes!("../testdata/rtmpdump-2.4-play.bin");
const FFMPEG_PUBLISH: &[u8] = include_bytes!("../testdata/ffmpeg-5.1-publish.bin");

const NOW: Mono = Mono(0);

/// A session behind its handshake, and what its peer reads.
struct Peer {
    session: ServerSession,
    reader: MessageReader,
}

impl Peer {
    fn new() -> Peer {
        let mut session = ServerSession::new(NOW);
        session.input(&[&[3][..], &[0; 2 * 1536]].concat(), NOW).unwrap();
        assert_eq!(session.outbox().len(), 1 + 2 * 1536);
        session.sent(1 + 2 * 1536);
        Peer { session, reader: MessageReader::new() }
    }

    fn connected() -> Peer {
        let mut peer = Peer::new();
        let answers = peer.send(&connect("live"));
        assert!(answers[0].starts_with("_result 1 NetConnection.Connect.Success"));
        peer
    }

    fn playing() -> Peer {
        let mut peer = Peer::connected();
        assert_eq!(peer.send(&command("createStream", 2.0)), ["_result 2 #1"]);
        assert_eq!(peer.send(&named("play", 1, "stream")), [""; 0]);
        assert!(matches!(peer.session.event(), Some(ServerEvent::Play { .. })));
        peer.session.accept_play(NOW).unwrap();
        peer.answers();
        assert_eq!(peer.session.playing(), Some(1));
        peer
    }

    fn send(&mut self, bytes: &[u8]) -> Vec<String> {
        self.session.input(bytes, NOW).unwrap();
        self.answers()
    }

    /// Commands in the outbox: name, transaction, and the code or number they carry.
    fn answers(&mut self) -> Vec<String> {
        let outbox = self.session.outbox().to_vec();
        self.session.sent(outbox.len());
        let (mut wire, mut commands) = (&outbox[..], Vec::new());
        while let Some(message) = self.reader.next(&mut wire).unwrap() {
            if message.head.type_id == TYPE_USER_CONTROL {
                commands.push(format!("event {}", message.payload[1]));
            } else if message.head.type_id == TYPE_COMMAND {
                let mut values = AmfReader::new(&message.payload).unwrap();
                let (name, number) = (values.text().unwrap(), values.number().unwrap());
                let mut text = format!("{name} {number}");
                values.value();
                match values.value() {
                    Some(AmfValue::Number(number)) => text += &format!(" #{number}"),
                    Some(object) => {
                        text += object.get("code").and_then(AmfValue::text).map_or("", |_| " ");
                        text += object.get("code").and_then(AmfValue::text).unwrap_or_default();
                    }
                    None => {}
                }
                commands.push(text);
            }
        }
        commands
    }
}

fn wire(message_stream: u32, values: AmfWriter) -> Vec<u8> {
    write_message(3, message_stream, TYPE_COMMAND, &values.into_bytes(), 128)
}

fn connect(app: &str) -> Vec<u8> {
    let values = AmfWriter::new().string("connect").number(1.0).object().key("app").string(app);
    let values = values.key("flashVer").string("LNX\u{7} 9").key("tcUrl").string("rtmp://h/live");
    let values = values.key("pageUrl").string("http://page/?token=1");
    wire(0, values.key("objectEncoding").number(3.0).end())
}

fn command(name: &str, transaction: f64) -> Vec<u8> {
    wire(0, AmfWriter::new().string(name).number(transaction).null())
}

fn named(name: &str, on: u32, argument: &str) -> Vec<u8> {
    wire(on, AmfWriter::new().string(name).number(5.0).null().string(argument))
}

fn play_event(peer: &mut Peer) -> (String, Option<String>) {
    match peer.session.event() {
        Some(ServerEvent::Play { name, key }) => (name, key.map(|key| key.expose().to_owned())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ffmpeg_connects_plays_and_stops() {
    for step in [1, 13, FFMPEG_PLAY.len()] {
        let mut peer = Peer::new();
        let mut events = Vec::new();
        for piece in FFMPEG_PLAY.chunks(step) {
            peer.session.input(piece, NOW).unwrap();
            while let Some(event) = peer.session.event() {
                if matches!(event, ServerEvent::Play { .. }) {
                    peer.session.accept_play(NOW).unwrap();
                }
                events.push(event);
            }
        }
        let expected = ["_result 1 NetConnection.Connect.Success", "_result 2 #1", "_result 3 #0"];
        let answers = peer.answers();
        assert_eq!(answers[..3], expected);
        assert_eq!(peer.session.peer().flash_version, "LNX 9,0,124,2");
        if step == FFMPEG_PLAY.len() {
            // All at once: the request is withdrawn before anybody could decide.
            assert_eq!(events, []);
        } else {
            let play = ServerEvent::Play { name: "stream".to_owned(), key: None };
            assert_eq!(events, [play, ServerEvent::Stop]);
            let started =
                ["event 0", "onStatus 0 NetStream.Play.Reset", "onStatus 0 NetStream.Play.Start"];
            assert_eq!(answers[3..], started);
        }
        assert_eq!(peer.session.playing(), None);
    }
}

#[test]
fn rtmpdump_connects_subscribes_and_plays_with_a_key() {
    let mut peer = Peer::new();
    let answers = peer.send(RTMPDUMP_PLAY);
    assert_eq!(answers[0], "_result 1 NetConnection.Connect.Success");
    assert_eq!(answers[1], "_result 2 #1");
    assert!(answers.contains(&"onFCSubscribe 0 NetStream.Play.Start".to_owned()));
    assert_eq!(play_event(&mut peer), ("stream".to_owned(), Some("abc".to_owned())));
}

#[test]
fn a_publisher_is_refused_politely() {
    let mut peer = Peer::new();
    peer.send(FFMPEG_PUBLISH);
    assert!(matches!(peer.session.event(), Some(ServerEvent::Publish { .. })));
    assert!(!peer.session.is_closing());
    peer.session.refuse(RtmpRefusal::PublishDenied).unwrap();
    assert_eq!(peer.answers(), ["onStatus 0 NetStream.Publish.Denied"]);
    assert!(peer.session.is_closing());
}

#[test]
fn the_answer_to_connect_is_in_amf0_and_in_order() {
    let mut peer = Peer::new();
    peer.session.input(&connect("live/?key=secret"), NOW).unwrap();
    let types = [(5, 4), (6, 5), (1, 4)].map(|(type_id, length)| [0, 0, length, type_id]);
    let mut outbox = peer.session.outbox().to_vec();
    for expected in types {
        assert_eq!(outbox[4..8], expected);
        outbox.drain(..12 + usize::from(expected[2]));
    }
    let mut values = AmfReader::new(&outbox[12..]).unwrap();
    assert_eq!((values.text(), values.number()), (Some("_result"), Some(1.0)));
    assert_eq!(values.value().unwrap().get("capabilities"), Some(AmfValue::Number(31.0)));
    assert_eq!(values.value().unwrap().get("objectEncoding"), Some(AmfValue::Number(0.0)));
    let info = PeerInfo {
        flash_version: "LNX 9".into(),
        page_url: "http://page/".into(),
        swf_url: String::new(),
    };
    assert_eq!(*peer.session.peer(), info);
    peer.answers();
    peer.send(&named("play", 1, "stream"));
    assert_eq!(play_event(&mut peer), ("stream".to_owned(), Some("secret".to_owned())));
}

#[test]
fn another_application_is_refused() {
    for app in ["", "other", "live/x"] {
        let mut peer = Peer::new();
        assert_eq!(peer.send(&connect(app)), ["_error 1 NetConnection.Connect.Rejected"]);
        assert!(peer.session.is_closing());
    }
}

#[test]
fn refusals_say_why() {
    for (refusal, code) in [
        (RtmpRefusal::StreamNotFound, "onStatus 0 NetStream.Play.StreamNotFound"),
        (RtmpRefusal::KeyRequired, "onStatus 0 NetStream.Play.Failed"),
        (RtmpRefusal::Full, "onStatus 0 NetStream.Play.Failed"),
    ] {
        let mut peer = Peer::connected();
        peer.send(&named("play", 1, "other"));
        assert_eq!(play_event(&mut peer), ("other".to_owned(), None));
        peer.session.refuse(refusal).unwrap();
        assert_eq!(peer.answers(), [code]);
        assert!(peer.session.is_closing());
    }
}

#[test]
fn pause_seek_and_a_second_play_are_answered() {
    let pause = |paused| {
        let values = AmfWriter::new().string("pause").number(0.0).null().boolean(paused);
        wire(1, values.number(100.0))
    };
    let mut peer = Peer::playing();
    assert_eq!(peer.send(&pause(true)), ["onStatus 0 NetStream.Pause.Notify"]);
    assert_eq!(peer.session.event(), Some(ServerEvent::Pause(true)));
    assert_eq!(peer.send(&pause(false)), ["onStatus 0 NetStream.Unpause.Notify"]);
    // A hundred of them are one event.
    peer.session.input(&[pause(true), pause(false)].concat().repeat(20), NOW).unwrap();
    assert_eq!(peer.session.event(), Some(ServerEvent::Pause(false)));
    assert_eq!(peer.session.event(), None);
    peer.answers();
    assert_eq!(peer.send(&named("seek", 1, "9")), ["onStatus 0 NetStream.Seek.Failed"]);
    assert_eq!(peer.send(&named("play", 1, "stream")), ["onStatus 0 NetStream.Play.Failed"]);
    assert_eq!(peer.send(&named("publish", 1, "x")), ["onStatus 0 NetStream.Publish.Denied"]);
    assert_eq!(peer.session.event(), None);
    assert_eq!(peer.session.playing(), Some(1));
}

#[test]
fn a_stopped_player_may_play_again_but_not_wait_for_ever() {
    for stop in [
        wire(1, AmfWriter::new().string("closeStream").number(0.0).null()),
        wire(0, AmfWriter::new().string("deleteStream").number(0.0).null().number(1.0)),
    ] {
        let mut peer = Peer::playing();
        let later = Mono::from_ms(60_000);
        peer.session.input(&stop, later).unwrap();
        assert_eq!(peer.session.event(), Some(ServerEvent::Stop));
        assert_eq!(peer.session.deadline(), Some(Mono::from_ms(60_000 + RTMP_ADMISSION_MS_MAX)));
        peer.session.input(&named("play", 1, "stream"), later).unwrap();
        assert!(matches!(peer.session.event(), Some(ServerEvent::Play { .. })));
    }
}

#[test]
fn a_request_withdrawn_before_the_decision_is_not_granted() {
    let mut peer = Peer::connected();
    let delete = wire(0, AmfWriter::new().string("deleteStream").number(0.0).null().number(1.0));
    let later = Mono::from_ms(RTMP_ADMISSION_MS_MAX / 2);
    let both = [named("play", 1, "stream"), delete].concat();
    peer.session.input(&both, later).unwrap();
    assert_eq!(peer.session.event(), None);
    // Nor does it buy time.
    assert_eq!(peer.session.deadline(), Some(Mono::from_ms(RTMP_ADMISSION_MS_MAX)));
    peer.session.accept_play(NOW).unwrap();
    assert_eq!(peer.session.playing(), None);
    assert_eq!(peer.answers(), [""; 0]);
}

#[test]
fn unknown_commands_are_answered_or_ignored_and_media_is_read_past() {
    let mut peer = Peer::playing();
    assert_eq!(peer.send(&command("whatIsThis", 9.0)), ["_error 9 NetConnection.Call.Failed"]);
    assert_eq!(peer.send(&command("whatIsThis", 0.0)), [""; 0]);
    assert_eq!(peer.send(&command("_checkbw", 4.0)), ["_result 4"]);
    assert_eq!(peer.send(&command("_result", 4.0)), [""; 0]);
    let frames = write_message(6, 1, TYPE_VIDEO, &[0x17; 700_000], 128);
    assert_eq!(peer.send(&frames), ["event 7"; 0]);
    let values = AmfWriter::new().string("@setDataFrame");
    assert_eq!(peer.send(&write_message(5, 1, TYPE_DATA, &values.into_bytes(), 128)), [""; 0]);
    // AMF0 behind the AMF3 command's zero byte.
    let amf3 = [&[0][..], &AmfWriter::new().string("_checkbw").number(8.0).into_bytes()].concat();
    assert_eq!(peer.send(&write_message(3, 0, TYPE_COMMAND_AMF3, &amf3, 128)), ["_result 8"]);
    // No values, none of the kinds expected, and words where numbers belong.
    for values in [AmfWriter::new(), AmfWriter::new().null(), AmfWriter::new().number(1.0)] {
        assert_eq!(peer.send(&wire(1, values)), [""; 0]);
    }
    for id in [f64::NAN, -1.0, 0.0, 1.5, 9.0, f64::INFINITY] {
        let values = AmfWriter::new().string("deleteStream").number(0.0).null().number(id);
        peer.send(&wire(0, values));
        assert_eq!(peer.session.playing(), Some(1));
    }
}

#[test]
fn message_streams_are_limited_and_given_back() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(&command("createStream", 7.0)), ["_error 7 NetConnection.Call.Failed"]);
    let mut peer = Peer::connected();
    for id in 1..=RTMP_MESSAGE_STREAMS_MAX {
        assert_eq!(peer.send(&command("createStream", 2.0)), [format!("_result 2 #{id}")]);
    }
    assert_eq!(peer.send(&command("createStream", 3.0)), ["_error 3 NetConnection.Call.Failed"]);
    peer.send(&wire(0, AmfWriter::new().string("deleteStream").number(0.0).null().number(4.0)));
    assert_eq!(peer.send(&command("createStream", 4.0)), ["_result 4 #4"]);
}

#[test]
fn who_asks_and_does_not_read_is_closed() {
    let mut peer = Peer::connected();
    let flood = command("createStream", 2.0).repeat(20_000);
    assert_eq!(peer.session.input(&flood, NOW), Err(SessionError::OutboxFull));
    assert!(peer.session.outbox().len() <= RTMP_OUTBOX_BYTES_MAX);

    let mut peer = Peer::playing();
    let stop = wire(1, AmfWriter::new().string("closeStream").number(0.0).null());
    let play = named("play", 1, "stream");
    for _ in 0..RTMP_EVENTS_MAX {
        peer.session.input(&stop, NOW).unwrap();
        peer.session.input(&play, NOW).unwrap();
        peer.session.accept_play(NOW).unwrap();
        peer.answers();
        if peer.session.events.len() + 2 > RTMP_EVENTS_MAX {
            break;
        }
    }
    let refused = peer.session.input(&[stop, play].concat(), NOW);
    assert_eq!(refused, Err(SessionError::TooManyEvents));
}

#[test]
fn admission_has_an_end_and_players_are_pinged() {
    let mut session = ServerSession::new(Mono::from_ms(5));
    let end = Mono::from_ms(5 + RTMP_ADMISSION_MS_MAX);
    assert_eq!(session.deadline(), Some(end));
    assert_eq!(session.on_deadline(Mono::from_ms(6)), Ok(()));
    let refused = SessionError::TimedOut { what: "the handshake" };
    assert_eq!(session.on_deadline(end), Err(refused));

    let mut peer = Peer::connected();
    let refused = SessionError::TimedOut { what: "play or publish" };
    assert_eq!(peer.session.on_deadline(end), Err(refused));

    let mut peer = Peer::playing();
    for round in 1..4 {
        let due = peer.session.deadline().unwrap();
        assert_eq!(due, Mono::from_ms(round * RTMP_PING_MS));
        peer.session.on_deadline(due).unwrap();
        assert_eq!(peer.answers(), ["event 6"]);
    }
}

#[test]
fn the_server_ends_a_playback_in_good_order() {
    let mut peer = Peer::playing();
    peer.session.end_play().unwrap();
    assert_eq!(peer.answers(), ["event 1", "onStatus 0 NetStream.Play.UnpublishNotify"]);
    assert!(peer.session.is_closing());
    assert_eq!(peer.session.deadline(), None);
}

#[test]
fn hostile_values_close_the_session_and_nothing_else() {
    let refused = |values: &[u8]| {
        let mut peer = Peer::connected();
        peer.session.input(&write_message(3, 0, TYPE_COMMAND, values, 128), NOW).unwrap_err()
    };
    let nested = [3, 0, 1, b'o'].repeat(RTMP_COMMAND_BYTES_MAX / 4);
    assert_eq!(refused(&nested), SessionError::Command(AmfError::Depth));
    assert_eq!(refused(&[5; RTMP_COMMAND_BYTES_MAX]), SessionError::Command(AmfError::Values));
    for (values, bytes) in [(vec![5; 4_000_000], 4_000_000), (vec![3; 80_000], 80_000)] {
        let error = ChunkError::Length { type_id: TYPE_COMMAND, bytes };
        assert_eq!(refused(&values), SessionError::Chunk(error));
    }
    let whole = AmfWriter::new().string("play").number(1.0).null().string("stream").into_bytes();
    let valid = [0, 7, 16, 17];
    for cut in 1..whole.len() {
        let mut peer = Peer::connected();
        let outcome =
            peer.session.input(&write_message(3, 1, TYPE_COMMAND, &whole[..cut], 128), NOW);
        let expected = Err(SessionError::Command(AmfError::Truncated));
        assert_eq!(outcome, if valid.contains(&cut) { Ok(()) } else { expected }, "cut at {cut}");
    }
}

#[test]
fn real_sessions_mutated_at_random_never_break_an_invariant() {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let (mut survived, mut played) = (0, 0);
    for round in 0..6000 {
        let mut bytes = [FFMPEG_PLAY, RTMPDUMP_PLAY, FFMPEG_PUBLISH][round % 3].to_vec();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => drop(bytes.drain(at..(at + random(20)).min(bytes.len()))),
                _ => {
                    let copied = bytes[at..(at + random(40)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, copied);
                }
            }
        }
        let mut peer = Peer::new();
        let step = 1 + random(200);
        let outcome = bytes.chunks(step).try_for_each(|piece| {
            peer.session.input(piece, NOW)?;
            while let Some(event) = peer.session.event() {
                if matches!(event, ServerEvent::Play { .. }) {
                    peer.session.accept_play(NOW)?;
                    played += 1;
                }
            }
            Ok::<(), SessionError>(())
        });
        survived += usize::from(outcome.is_ok());
        assert!(peer.session.outbox().len() <= RTMP_OUTBOX_BYTES_MAX);
        peer.answers();
    }
    assert!(survived > 1000, "{survived} survived, {played} played");
    assert!(played > 500, "{survived} survived, {played} played");
}

#[test]
fn a_quiet_session_is_small() {
    let mut peer = Peer::playing();
    assert!(std::mem::size_of::<ServerSession>() <= 1536);
    assert_eq!(peer.session.event(), None);
    assert_eq!((peer.session.events.capacity(), peer.session.outbox().len()), (0, 0));
}

#[path = "publish_tests.rs"]
mod publishing;

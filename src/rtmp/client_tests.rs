use super::*;
use crate::codec::access_unit::Track;
use crate::rtmp::chunk_writer::write_message;
use crate::rtmp::message::{
    user_control, Message, MessageReader, EVENT_STREAM_EOF, TYPE_DATA, TYPE_VIDEO,
};

const NOW: Mono = Mono(0);
const KEY: &str = "live_123456?backup=yes";

/// A session behind its handshake, and the server it talks to.
struct Server {
    session: ClientSession,
    reader: MessageReader,
}

impl Server {
    fn new() -> Server {
        let url = RtmpUrl::parse("rtmp://host/app").unwrap();
        let mut session = ClientSession::new(url, StreamKey::new(KEY).unwrap(), NOW).unwrap();
        assert_eq!(session.outbox().len(), 1 + 1536);
        session.sent(1 + 1536);
        session.input(&[&[3][..], &[0; 2 * 1536]].concat(), NOW).unwrap();
        let mut server = Server { session, reader: MessageReader::new() };
        assert_eq!(server.session.outbox()[..1536], [0; 1536], "S1 comes back as C2");
        server.session.sent(1536);
        assert_eq!(server.session.outbox()[7], 1, "Set Chunk Size stands before connect");
        assert_eq!(server.commands(), ["connect 1 app=app on 0"]);
        server
    }

    fn awaiting_create_stream() -> Server {
        let mut server = Server::new();
        server.send(&success(1.0));
        let expected = [
            format!("releaseStream 2 {KEY} on 0"),
            format!("FCPublish 3 {KEY} on 0"),
            "createStream 4 on 0".to_owned(),
        ];
        assert_eq!(server.commands(), expected);
        server
    }

    fn awaiting_consent() -> Server {
        let mut server = Server::awaiting_create_stream();
        server.send(&wire(AmfWriter::new().string("_result").number(4.0).null().number(7.0)));
        assert_eq!(server.commands(), [format!("publish 5 {KEY} live on 7")]);
        server
    }

    fn published() -> Server {
        let mut server = Server::awaiting_consent();
        server.send(&status("status", "NetStream.Publish.Start", ""));
        assert_eq!(server.session.event(), Some(ClientEvent::Published { message_stream: 7 }));
        server
    }

    fn send(&mut self, bytes: &[u8]) {
        self.session.input(bytes, NOW).unwrap();
    }

    fn commands(&mut self) -> Vec<String> {
        let outbox = self.session.outbox().to_vec();
        self.session.sent(outbox.len());
        let (mut wire, mut commands) = (&outbox[..], Vec::new());
        while let Some(Message { head, payload }) = self.reader.next(&mut wire).unwrap() {
            if head.type_id != TYPE_COMMAND {
                continue;
            }
            let mut values = AmfReader::new(&payload).unwrap();
            let mut text = format!("{} {}", values.text().unwrap(), values.number().unwrap());
            while let Some(value) = values.value() {
                match value {
                    AmfValue::Number(number) => text += &format!(" #{number}"),
                    AmfValue::String(_) => text += &format!(" {}", value.text().unwrap()),
                    _ => {
                        if let Some(app) = value.get("app").and_then(AmfValue::text) {
                            text += &format!(" app={app}");
                        }
                    }
                }
            }
            commands.push(format!("{text} on {}", head.message_stream));
        }
        commands
    }
}

fn wire(values: AmfWriter) -> Vec<u8> {
    write_message(3, 0, TYPE_COMMAND, &values.into_bytes(), 128)
}

fn info(writer: AmfWriter, level: &str, code: &str, description: &str) -> AmfWriter {
    let writer = writer.object().key("level").string(level).key("code").string(code);
    writer.key("description").string(description).end()
}

fn success(transaction: f64) -> Vec<u8> {
    let values = AmfWriter::new().string("_result").number(transaction).null();
    wire(info(values, "status", "NetConnection.Connect.Success", ""))
}

fn error(transaction: f64, code: &str, description: &str) -> Vec<u8> {
    let values = AmfWriter::new().string("_error").number(transaction).null();
    wire(info(values, "error", code, description))
}

fn status(level: &str, code: &str, description: &str) -> Vec<u8> {
    let values = AmfWriter::new().string("onStatus").number(0.0).null();
    wire(info(values, level, code, description))
}

#[test]
fn connect_says_what_obs_says() {
    let url = RtmpUrl::parse("rtmp://user:secret@host:1936/app/inst?a=b").unwrap();
    let mut session = ClientSession::new(url, StreamKey::new(KEY).unwrap(), NOW).unwrap();
    session.sent(1 + 1536);
    session.input(&[&[3][..], &[0; 2 * 1536]].concat(), NOW).unwrap();
    let (mut wire, mut reader) = (&session.outbox()[1536..], MessageReader::new());
    let connect = reader.next(&mut wire).unwrap().unwrap();
    let mut values = AmfReader::new(&connect.payload).unwrap();
    assert_eq!((values.text(), values.number()), (Some("connect"), Some(1.0)));
    let object = values.value().unwrap();
    for (name, expected) in [
        ("app", "app/inst?a=b"),
        ("type", "nonprivate"),
        ("flashVer", "FMLE/3.0 (compatible; FMSc/1.0)"),
        ("swfUrl", "rtmp://host:1936/app/inst?a=b"),
        ("tcUrl", "rtmp://host:1936/app/inst?a=b"),
    ] {
        assert_eq!(object.get(name).and_then(AmfValue::text), Some(expected));
    }
}

#[test]
fn a_publication_from_connect_to_its_end() {
    let mut server = Server::published();
    assert_eq!(server.session.event(), None);
    assert_eq!(server.session.deadline(), None);
    server.session.finish().unwrap();
    let expected = [format!("FCUnpublish 6 {KEY} on 0"), "deleteStream 7 #7 on 0".to_owned()];
    assert_eq!(server.commands(), expected);
    assert!(server.session.is_closing());
}

#[test]
fn servers_may_say_more_and_in_another_order() {
    let mut server = Server::new();
    // Consent to nothing we asked for yet, and answers to transactions nobody began.
    server.send(&status("status", "NetStream.Publish.Start", ""));
    server.send(&success(4.0));
    server.send(&wire(AmfWriter::new().string("onBWDone").number(0.0).null().number(8192.0)));
    assert_eq!(server.commands(), [""; 0]);
    server.send(&wire(AmfWriter::new().string("_onbwcheck").number(99.0).null()));
    assert_eq!(server.commands(), ["_result 99 on 0"]);
    server.send(&success(1.0));
    assert_eq!(server.commands().len(), 3);
    // nginx-rtmp has no releaseStream; Wowza refuses it.
    server.send(&error(2.0, "NetConnection.Call.Failed", ""));
    server.send(&error(3.0, "NetConnection.Call.Failed", ""));
    server.send(&wire(info(
        AmfWriter::new().string("onFCPublish").number(0.0).null(),
        "status",
        "NetStream.Publish.Start",
        "",
    )));
    assert_eq!(server.session.event(), None);
    server.send(&wire(AmfWriter::new().string("_result").number(4.0).null().number(1.0)));
    server.send(&write_message(5, 1, TYPE_DATA, &[2, 0, 0], 128));
    server.send(&status("status", "NetStream.Publish.Start", ""));
    assert_eq!(server.session.event(), Some(ClientEvent::Published { message_stream: 1 }));
}

#[test]
fn refusals_are_told_in_the_servers_words_without_the_key() {
    let refused = |mut server: Server, bytes: &[u8]| {
        server.send(bytes);
        assert!(server.session.is_closing());
        match server.session.event() {
            Some(ClientEvent::Refused { code, description }) => format!("{code}: {description}"),
            other => panic!("{other:?}"),
        }
    };
    let code = "NetConnection.Connect.Rejected";
    let words = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ]";
    let expected = format!("{code}: {words}");
    assert_eq!(refused(Server::new(), &error(1.0, code, words)), expected);
    let in_result = AmfWriter::new().string("_result").number(1.0).null();
    assert_eq!(refused(Server::new(), &wire(info(in_result, "error", code, words))), expected);
    assert_eq!(refused(Server::awaiting_create_stream(), &error(4.0, "C", "no")), "C: no");
    assert_eq!(refused(Server::awaiting_consent(), &error(5.0, "C", "no")), "C: no");
    let code = "NetStream.Publish.BadName";
    for server in [Server::awaiting_consent(), Server::published()] {
        let words = format!("{KEY} (live_123456)\n is in use");
        let expected = format!("{code}: •••• (••••) is in use");
        assert_eq!(refused(server, &status("error", code, &words)), expected);
    }
    assert_eq!(refused(Server::new(), &wire(AmfWriter::new().string("_error").number(1.0))), ": ");
}

#[test]
fn the_server_may_end_it() {
    let close = wire(AmfWriter::new().string("close").number(0.0).null());
    let unpublished = status("status", "NetStream.Unpublish.Success", "");
    for bytes in [close, unpublished] {
        let mut server = Server::published();
        server.send(&bytes);
        assert_eq!(server.session.event(), Some(ClientEvent::Closed));
        assert!(server.session.is_closing());
        server.session.finish().unwrap();
        assert_eq!(server.commands(), [""; 0]);
    }
}

#[test]
fn a_message_stream_that_cannot_be_is_an_error() {
    for id in [f64::NAN, -1.0, 0.5, 4_294_967_296.0] {
        let mut server = Server::awaiting_create_stream();
        let bytes = wire(AmfWriter::new().string("_result").number(4.0).null().number(id));
        let refused = server.session.input(&bytes, NOW);
        assert_eq!(refused, Err(SessionError::Answer { to: "createStream" }));
    }
}

#[test]
fn every_step_has_its_time() {
    let url = RtmpUrl::parse("rtmp://host/app").unwrap();
    let session = ClientSession::new(url, StreamKey::new(KEY).unwrap(), NOW).unwrap();
    for (mut session, what) in [
        (session, "the handshake"),
        (Server::new().session, "the answer to connect"),
        (Server::awaiting_create_stream().session, "the answer to createStream"),
        (Server::awaiting_consent().session, "the answer to publish"),
    ] {
        let until = session.deadline().unwrap();
        assert_eq!(until, Mono::from_ms(CONNECT_STEP_MS_MAX));
        assert_eq!(session.on_deadline(Mono(until.0 - 1)), Ok(()));
        assert_eq!(session.awaited(), Some(what));
        assert_eq!(session.on_deadline(until), Err(SessionError::TimedOut { what }));
    }
    assert_eq!(Server::published().session.awaited(), None);
}

fn playing(name: &str) -> Server {
    let url = RtmpUrl::parse("rtmp://host/app").unwrap();
    let name = StreamKey::new(name).unwrap();
    let mut session = ClientSession::play(url, name, NOW).unwrap();
    session.sent(1 + 1536);
    session.input(&[&[3][..], &[0; 2 * 1536]].concat(), NOW).unwrap();
    session.sent(1536);
    let mut server = Server { session, reader: MessageReader::new() };
    assert_eq!(server.commands(), ["connect 1 app=app on 0"]);
    server.send(&success(1.0));
    assert_eq!(server.commands(), ["createStream 4 on 0"]);
    server.send(&wire(AmfWriter::new().string("_result").number(4.0).null().number(3.0)));
    server
}

/// Counts whole messages.
struct Whole(usize);

impl MediaSink for Whole {
    fn begin(&mut self, _: Track, _: u32, _: usize) {}
    fn data(&mut self, _: Track, _: &[u8]) {}
    fn end(&mut self, _: Track) {
        self.0 += 1;
    }
    fn abort(&mut self, _: Track) {}
}

#[test]
fn a_playback_from_connect_to_its_end() {
    let mut server = playing("stream?key=abcdefgh");
    assert_eq!(server.commands(), ["play 8 stream?key=abcdefgh #-1000 on 3"]);
    assert_eq!(server.session.awaited(), Some("the answer to play"));
    server.send(&status("status", "NetStream.Publish.Start", ""));
    server.send(&status("status", "NetStream.Play.Reset", ""));
    assert_eq!(server.session.event(), None);
    server.send(&status("status", "NetStream.Play.Start", ""));
    assert_eq!(server.session.event(), Some(ClientEvent::Playing));
    assert_eq!((server.session.awaited(), server.session.deadline()), (None, None));
    let mut whole = Whole(0);
    let media = write_message(6, 3, TYPE_VIDEO, &[7; 300], 128);
    server.session.input_media(&media, NOW, &mut whole).unwrap();
    assert_eq!(whole.0, 1);
    server.session.finish().unwrap();
    assert_eq!(server.commands(), ["deleteStream 7 #3 on 0"]);
    assert!(server.session.is_closing());
}

#[test]
fn a_playback_ends_when_the_server_says_so() {
    for bytes in [
        user_control(EVENT_STREAM_EOF, 3),
        status("status", "NetStream.Play.UnpublishNotify", ""),
        status("status", "NetStream.Play.Stop", ""),
        status("status", "NetStream.Play.Complete", ""),
    ] {
        let mut server = playing("stream");
        server.send(&user_control(EVENT_STREAM_EOF, 3));
        assert!(!server.session.is_closing(), "what has not begun cannot be over");
        server.send(&status("status", "NetStream.Play.Start", ""));
        server.send(&user_control(EVENT_STREAM_EOF, 9));
        assert_eq!(server.session.event(), Some(ClientEvent::Playing));
        server.send(&bytes);
        assert_eq!(server.session.event(), Some(ClientEvent::Closed));
        assert!(server.session.is_closing());
    }
    // A publisher is not concerned.
    let mut server = Server::published();
    server.send(&user_control(EVENT_STREAM_EOF, 7));
    assert!(!server.session.is_closing());
}

#[test]
fn a_refusal_to_play_keeps_its_words_but_for_the_key() {
    let mut server = playing("stream?key=abcdefgh");
    let code = "NetStream.Play.StreamNotFound";
    server.send(&status("error", code, "No stream called stream?key=abcdefgh."));
    let description = "No stream called stream?key=••••.".to_owned();
    let refused = ClientEvent::Refused { code: code.to_owned(), description };
    assert_eq!(server.session.event(), Some(refused));
}

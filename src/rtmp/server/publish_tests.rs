//! A publisher's session: who may, what flows, how it ends.

use super::*;
use crate::codec::access_unit::Track;
use crate::rtmp::message::{TYPE_ACKNOWLEDGEMENT, TYPE_AUDIO};
use crate::rtmp::server::Ending;

/// Counts what is told of media.
#[derive(Default)]
struct Count {
    bytes: usize,
    whole: usize,
    aborted: usize,
}

impl MediaSink for Count {
    fn begin(&mut self, _: Track, _: u32, _: usize) {}
    fn data(&mut self, _: Track, bytes: &[u8]) {
        self.bytes += bytes.len();
    }
    fn end(&mut self, _: Track) {
        self.whole += 1;
    }
    fn abort(&mut self, _: Track) {
        self.aborted += 1;
    }
}

fn publishing() -> Peer {
    let mut peer = Peer::connected();
    peer.send(&command("createStream", 2.0));
    assert_eq!(peer.send(&named("publish", 1, "stream")), [""; 0]);
    assert!(matches!(peer.session.event(), Some(ServerEvent::Publish { .. })));
    peer.session.accept_publish(NOW).unwrap();
    assert_eq!(peer.answers(), ["event 0", "onStatus 0 NetStream.Publish.Start"]);
    assert!(peer.session.is_publishing());
    peer
}

fn publish_event(peer: &mut Peer) -> (String, Option<String>) {
    match peer.session.event() {
        Some(ServerEvent::Publish { name, key }) => {
            (name.expose().to_owned(), key.map(|key| key.expose().to_owned()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_key_is_found_wherever_encoders_put_it() {
    let key = |key: &str| Some(key.to_owned());
    for (app, name, expected) in [
        ("live", "stream", ("stream", None)),
        ("live", "my-key", ("my-key", None)),
        ("live", "stream?key=abc", ("stream", key("abc"))),
        ("live", "stream?a=b&key=abc", ("stream", key("abc"))),
        ("live?key=abc", "stream", ("stream", key("abc"))),
        ("live/?key=abc", "stream?key=other", ("stream", key("other"))),
        ("live", "stream?key=", ("stream", key(""))),
    ] {
        let mut peer = Peer::new();
        peer.send(&connect(app));
        peer.send(&command("createStream", 2.0));
        peer.send(&named("publish", 1, name));
        let (name, key) = publish_event(&mut peer);
        assert_eq!((name.as_str(), key), expected);
    }
}

#[test]
fn a_key_that_is_too_long_is_a_wrong_one_and_none_is_ever_echoed() {
    let mut peer = Peer::connected();
    peer.send(&named("publish", 1, &"k".repeat(RTMP_NAME_BYTES_MAX + 1)));
    assert_eq!(peer.session.event(), None);
    let mut peer = Peer::new();
    peer.send(&connect(&format!("live?key={}", "k".repeat(600))));
    peer.send(&named("publish", 1, "stream"));
    assert_eq!(publish_event(&mut peer).1.as_deref(), Some(""));

    let mut peer = Peer::connected();
    for name in ["releaseStream", "FCPublish", "publish", "publish", "FCUnpublish"] {
        peer.session.input(&named(name, 1, "hunter2hunter2"), NOW).unwrap();
    }
    let event = peer.session.event();
    assert!(!format!("{event:?}").contains("hunter2"), "{event:?}");
    peer.session.refuse(RtmpRefusal::PublishKeyRequired).unwrap();
    let outbox = String::from_utf8_lossy(peer.session.outbox()).into_owned();
    assert!(outbox.contains("A valid stream key is required"));
    assert!(!outbox.contains("hunter2"));
}

#[test]
fn media_counts_from_consent_to_the_end() {
    let mut peer = Peer::connected();
    let mut count = Count::default();
    let video = write_message(6, 1, TYPE_VIDEO, &[7; 300], 128);
    let mut feed = |peer: &mut Peer, bytes: &[u8]| {
        peer.session.input_media(bytes, NOW, &mut count).unwrap();
        (count.whole, count.aborted)
    };
    peer.send(&command("createStream", 2.0));
    assert_eq!(feed(&mut peer, &video), (0, 0));
    assert_eq!(feed(&mut peer, &named("publish", 1, "stream")), (0, 0));
    assert_eq!(feed(&mut peer, &video), (0, 0), "before the consent");
    peer.session.event();
    peer.session.accept_publish(NOW).unwrap();
    assert_eq!(feed(&mut peer, &video), (1, 0));
    assert_eq!(feed(&mut peer, &write_message(4, 1, TYPE_AUDIO, &[1], 128)), (2, 0));
    // The end comes between two chunks of a message.
    assert_eq!(feed(&mut peer, &video[..100]), (2, 0));
    peer.answers();
    let end = wire(0, AmfWriter::new().string("deleteStream").number(6.0).null().number(1.0));
    // The chunk under way has to be finished first.
    assert_eq!(feed(&mut peer, &video[100..140]), (2, 0));
    assert_eq!(feed(&mut peer, &end), (2, 1));
    assert_eq!(peer.session.event(), Some(ServerEvent::Stop));
    assert_eq!(peer.answers(), ["onStatus 0 NetStream.Unpublish.Success"]);
    assert_eq!(feed(&mut peer, &video[140..]), (2, 1));
    assert_eq!(feed(&mut peer, &video), (2, 1));
    assert!(!peer.session.is_publishing());
    assert!(!peer.session.is_closing());
}

#[test]
fn the_publisher_may_end_it_in_three_ways() {
    let delete = wire(0, AmfWriter::new().string("deleteStream").number(6.0).null().number(1.0));
    let close = wire(1, AmfWriter::new().string("closeStream").number(0.0).null());
    for bytes in [named("FCUnpublish", 0, "stream"), close, delete] {
        let mut peer = publishing();
        let answers = peer.send(&bytes);
        assert!(answers.contains(&"onStatus 0 NetStream.Unpublish.Success".to_owned()));
        assert_eq!(peer.session.event(), Some(ServerEvent::Stop));
        assert_eq!(peer.session.event(), None);
    }
    let other = wire(0, AmfWriter::new().string("deleteStream").number(6.0).null().number(2.0));
    let mut peer = publishing();
    peer.send(&other);
    assert!(peer.session.is_publishing());
}

#[test]
fn we_may_end_it_with_words() {
    for (ending, code) in [
        (Ending::TakenOver, "NetStream.Publish.BadName"),
        (Ending::Idle, "NetStream.Publish.Idle"),
        (Ending::Shutdown, "NetStream.Unpublish.Success"),
    ] {
        let mut peer = publishing();
        peer.session.end_publish(ending).unwrap();
        assert_eq!(peer.answers(), [format!("onStatus 0 {code}")]);
        assert!(peer.session.is_closing());
    }
}

#[test]
fn a_request_that_was_withdrawn_is_not_granted() {
    let mut peer = Peer::connected();
    peer.send(&command("createStream", 2.0));
    let delete = wire(0, AmfWriter::new().string("deleteStream").number(6.0).null().number(1.0));
    peer.send(&[named("publish", 1, "stream"), delete].concat());
    assert_eq!(peer.session.event(), None);
    peer.session.accept_publish(NOW).unwrap();
    assert!(!peer.session.is_publishing());
}

#[test]
fn a_publisher_neither_plays_nor_publishes_twice() {
    let mut peer = publishing();
    assert_eq!(peer.send(&named("publish", 1, "x")), ["onStatus 0 NetStream.Publish.Denied"]);
    assert_eq!(peer.send(&named("play", 1, "stream")), ["onStatus 0 NetStream.Play.Failed"]);
    assert!(peer.session.is_publishing());
}

#[test]
fn what_comes_is_acknowledged_and_the_publisher_pinged() {
    let mut peer = publishing();
    let media = write_message(6, 1, TYPE_VIDEO, &[7; 60_000], 128);
    let mut acknowledged = Vec::new();
    for _ in 0..60 {
        peer.session.input(&media, NOW).unwrap();
        let outbox = peer.session.outbox().to_vec();
        peer.session.sent(outbox.len());
        let mut wire = &outbox[..];
        while let Some(message) = peer.reader.next(&mut wire).unwrap() {
            assert_eq!(message.head.type_id, TYPE_ACKNOWLEDGEMENT);
            acknowledged.push(u32::from_be_bytes(message.payload.try_into().unwrap()));
        }
    }
    let [first, second] = acknowledged[..] else { panic!("{acknowledged:?}") };
    assert!((1_250_000..1_320_000).contains(&first), "cumulative");
    assert!(second > 2 * 1_250_000, "cumulative");
    let due = peer.session.deadline().unwrap();
    assert_eq!(due, Mono::from_ms(RTMP_PING_MS));
    peer.session.on_deadline(due).unwrap();
    assert_eq!(peer.answers(), ["event 6"]);
    assert_eq!(peer.session.deadline(), Some(Mono::from_ms(2 * RTMP_PING_MS)));
}

#[test]
fn what_ffmpeg_sends_ahead_of_media_is_understood() {
    let mut peer = Peer::new();
    peer.send(FFMPEG_PUBLISH);
    peer.session.accept_publish(NOW).unwrap();
    assert!(peer.session.is_publishing());
}

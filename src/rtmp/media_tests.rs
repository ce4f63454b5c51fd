use super::*;
use crate::rtmp::chunk_reader::ChunkReader;
use crate::rtmp::chunk_writer::write_message;

const TYPE_ABORT: u8 = 2;

/// Keeps messages and holds the reader to the rules of [`MediaSink`].
#[derive(Default)]
struct Messages {
    whole: Vec<(Track, u32, Vec<u8>)>,
    aborted: usize,
    open: PerTrack<Option<(u32, usize, Vec<u8>)>>,
}

impl MediaSink for Messages {
    fn begin(&mut self, track: Track, timestamp_ms: u32, bytes: usize) {
        assert!(bytes > 0, "an empty message is not told");
        assert!(self.open[track].is_none(), "one of a track at a time");
        self.open[track] = Some((timestamp_ms, bytes, Vec::new()));
    }

    fn data(&mut self, track: Track, bytes: &[u8]) {
        self.open[track].as_mut().expect("an open message").2.extend_from_slice(bytes);
    }

    fn end(&mut self, track: Track) {
        let (time, length, bytes) = self.open[track].take().expect("an open message");
        assert_eq!(bytes.len(), length, "as many as announced");
        self.whole.push((track, time, bytes));
    }

    fn abort(&mut self, track: Track) {
        self.open[track].take().expect("an open message");
        self.aborted += 1;
    }
}

#[derive(Default)]
struct Peer {
    chunks: ChunkReader,
    media: MediaReader,
    sink: Messages,
}

impl Peer {
    fn taken() -> Peer {
        let mut peer = Peer::default();
        peer.media.take();
        peer
    }

    fn send(&mut self, mut wire: &[u8]) {
        while let Some(event) = self.chunks.next(&mut wire).unwrap() {
            self.media.chunk(&event, &mut self.sink);
        }
    }
}

/// The chunks of a message, of 128 bytes each, to be interleaved with others'.
fn chunks(id: u8, type_id: u8, payload: &[u8]) -> Vec<Vec<u8>> {
    let whole = write_message(id, 1, type_id, payload, 128);
    let (first, mut rest) = whole.split_at(12 + payload.len().min(128));
    let mut chunks = vec![first.to_vec()];
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(rest.len().min(129));
        chunks.push(chunk.to_vec());
        rest = behind;
    }
    chunks
}

/// An FLV tag without its back pointer.
fn tag(type_id: u8, timestamp_ms: u32, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
    let [t0, t1, t2, t3] = timestamp_ms.to_be_bytes();
    [&[type_id, a, b, c, t1, t2, t3, t0, 0, 0, 0], body].concat()
}

#[test]
fn interleaved_messages_come_out_whole_wherever_they_are_cut() {
    let (video, audio) = (vec![7; 400], vec![8; 300]);
    let mut wire = Vec::new();
    for (v, a) in chunks(6, TYPE_VIDEO, &video).iter().zip(chunks(4, TYPE_AUDIO, &audio)) {
        wire.extend_from_slice(v);
        wire.extend_from_slice(&a);
    }
    wire.extend_from_slice(chunks(6, TYPE_VIDEO, &video).last().unwrap());
    for step in [1, 5, 127, wire.len()] {
        let mut peer = Peer::taken();
        wire.chunks(step).for_each(|piece| peer.send(piece));
        let audio = (Track::Audio, 0, audio.clone());
        assert_eq!(peer.sink.whole, [audio, (Track::Video, 0, video.clone())], "{step}");
        assert_eq!((peer.media.left_out(), peer.sink.aborted), (0, 0));
    }
}

#[test]
fn a_second_message_of_a_kind_is_left_out_and_does_not_end_the_first() {
    let mut peer = Peer::taken();
    let first = chunks(6, TYPE_VIDEO, &[7; 400]);
    peer.send(&first[0]);
    for chunk in chunks(7, TYPE_VIDEO, &[9; 400]) {
        peer.send(&chunk);
    }
    first[1..].iter().for_each(|chunk| peer.send(chunk));
    assert_eq!(peer.sink.whole, [(Track::Video, 0, vec![7; 400])]);
    assert_eq!((peer.media.left_out(), peer.sink.aborted), (1, 0));
}

#[test]
fn nothing_is_told_before_it_is_wanted_nor_the_rest_of_what_had_begun() {
    let mut peer = Peer::default();
    let video = chunks(6, TYPE_VIDEO, &[7; 200]);
    peer.send(&video[0]);
    peer.media.take();
    peer.send(&video[1]);
    assert_eq!(peer.sink.whole, []);
    assert_eq!(peer.sink.open.video, None);
    peer.send(&write_message(6, 1, TYPE_VIDEO, &[1], 128));
    assert_eq!(peer.sink.whole.len(), 1);
    peer.send(&video[0]);
    peer.media.refuse(&mut peer.sink);
    assert_eq!(peer.sink.aborted, 1);
    peer.send(&video[1]);
    peer.send(&write_message(6, 1, TYPE_VIDEO, &[2], 128));
    assert_eq!((peer.sink.whole.len(), peer.sink.aborted), (1, 1));
}

#[test]
fn a_message_given_up_is_aborted_and_an_empty_one_is_not_told() {
    let mut peer = Peer::taken();
    peer.send(&chunks(6, TYPE_VIDEO, &[7; 200])[0]);
    peer.send(&write_message(2, 0, TYPE_ABORT, &6_u32.to_be_bytes(), 128));
    assert_eq!((peer.sink.aborted, peer.media.left_out()), (1, 1));
    peer.send(&write_message(6, 1, TYPE_VIDEO, &[], 128));
    peer.send(&write_message(6, 1, TYPE_VIDEO, &[3], 128));
    assert_eq!(peer.sink.whole, [(Track::Video, 0, vec![3])]);
}

#[test]
fn sixteen_mebibytes_declared_and_never_sent_cost_nothing() {
    let mut peer = Peer::taken();
    let head = [6, 0, 0, 9, 0xff, 0xff, 0xff, TYPE_VIDEO, 1, 0, 0, 0];
    peer.send(&[&head[..], &[7; 100]].concat());
    let open = peer.sink.open.video.as_ref().unwrap();
    assert_eq!((open.0, open.1, open.2.len()), (9, 0xff_ffff, 100));
    assert!(std::mem::size_of::<MediaReader>() < 1024);
}

#[test]
fn an_aggregate_is_taken_apart_wherever_it_is_cut() {
    let pointer = [0, 0, 0, 99];
    let payload = [
        tag(TYPE_AUDIO, 0xffff_fff0, &[1; 150]),
        pointer.to_vec(),
        tag(TYPE_VIDEO, 0xffff_fffa, &[2; 300]),
        pointer.to_vec(),
        tag(18, 3, &[3; 20]),
        pointer.to_vec(),
        tag(TYPE_VIDEO, 0, &[]),
        pointer.to_vec(),
        // Some leave the last back pointer out.
        tag(TYPE_AUDIO, 4, &[4; 7]),
    ]
    .concat();
    let mut wire = write_message(5, 1, TYPE_AGGREGATE, &payload, 128);
    // Its own timestamp is the first message's, whatever that says inside.
    wire.splice(1..4, [0, 3, 232]);
    for step in 1..wire.len() {
        let mut peer = Peer::taken();
        wire.chunks(step).for_each(|piece| peer.send(piece));
        let expected = [
            (Track::Audio, 1000, vec![1; 150]),
            (Track::Video, 1010, vec![2; 300]),
            (Track::Audio, 1020, vec![4; 7]),
        ];
        assert_eq!(peer.sink.whole, expected, "in pieces of {step}");
        assert_eq!((peer.media.left_out(), peer.sink.aborted), (0, 0));
    }
}

#[test]
fn an_aggregate_that_lies_or_ends_early_leaves_nothing_open() {
    let long = tag(TYPE_VIDEO, 0, &[7; 50]);
    let mut lie = tag(TYPE_VIDEO, 0, &[7; 50]);
    lie.splice(1..4, [0xff, 0xff, 0xff]);
    for (payload, whole, left_out) in [
        (lie.clone(), 0, 1),
        ([&long[..], &[0; 4], &lie[..]].concat(), 1, 1),
        (long[..5].to_vec(), 0, 0),
        ([&long[..], &[0; 4], &long[..3]].concat(), 1, 0),
    ] {
        let mut peer = Peer::taken();
        peer.send(&write_message(5, 1, TYPE_AGGREGATE, &payload, 128));
        peer.send(&write_message(6, 1, TYPE_VIDEO, &[1], 128));
        assert_eq!(peer.sink.whole.len(), whole + 1);
        assert_eq!(peer.media.left_out(), left_out);
        assert_eq!(peer.sink.open, PerTrack::default());
    }
    // Given up in the middle of a body.
    let mut peer = Peer::taken();
    let big = tag(TYPE_VIDEO, 0, &[7; 300]);
    peer.send(&chunks(5, TYPE_AGGREGATE, &big)[0]);
    peer.send(&write_message(2, 0, TYPE_ABORT, &5_u32.to_be_bytes(), 128));
    assert_eq!((peer.sink.aborted, peer.sink.open), (1, PerTrack::default()));
}

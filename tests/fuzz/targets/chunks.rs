//! RTMP chunks into messages: what comes out does not depend on how the network cuts the bytes,
//! and every message is as long as its head says. The first byte of an input says how it is cut.

use streamcaster::base::limits::{RTMP_CHUNK_STREAMS_MAX, RTMP_COMMAND_BYTES_MAX};
use streamcaster::rtmp::chunk::{ChunkError, MessageHead};
use streamcaster::rtmp::chunk_reader::{ChunkEvent, ChunkReader};
use streamcaster::rtmp::message::MessageReader;

/// What was read, with the pieces of a payload put together.
#[derive(Debug, PartialEq)]
enum Read {
    Start(MessageHead),
    Payload(MessageHead, Vec<u8>),
    End(MessageHead),
    Dropped(usize),
    Broken(ChunkError),
}

/// Reads an input whole and in pieces.
pub fn run(input: &[u8]) {
    let (first, bytes) = input.split_first().unwrap_or((&0, &[]));
    let whole = read(bytes, bytes.len().max(1));
    judge(&whole);
    let pieces = read(bytes, 1 + usize::from(first % 32));
    assert_eq!(whole, pieces, "the network's cuts must not show");
    let mut messages = MessageReader::new();
    let mut rest = bytes;
    while let Ok(Some(message)) = messages.next(&mut rest) {
        assert!(message.payload.len() <= RTMP_COMMAND_BYTES_MAX);
        assert_eq!(message.payload.len(), message.head.length);
    }
}

fn read(bytes: &[u8], piece_bytes: usize) -> Vec<Read> {
    let mut reader = ChunkReader::new();
    let mut all: Vec<Read> = Vec::new();
    for piece in bytes.chunks(piece_bytes) {
        let mut rest = piece;
        loop {
            match reader.next(&mut rest) {
                Ok(None) => break,
                Ok(Some(ChunkEvent::Start(head))) => all.push(Read::Start(head)),
                Ok(Some(ChunkEvent::Payload(head, bytes))) => {
                    assert!(!bytes.is_empty(), "an event about nothing");
                    match all.last_mut() {
                        Some(Read::Payload(of, stored)) if *of == head => {
                            stored.extend_from_slice(bytes);
                        }
                        _ => all.push(Read::Payload(head, bytes.to_vec())),
                    }
                }
                Ok(Some(ChunkEvent::End(head))) => all.push(Read::End(head)),
                Ok(Some(ChunkEvent::Dropped { slot })) => all.push(Read::Dropped(slot)),
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    all.push(Read::Broken(error));
                    return all;
                }
            }
        }
        assert!(rest.is_empty(), "all input is taken");
    }
    all
}

/// Per slot: a start, a payload of the announced length, an end.
fn judge(all: &[Read]) {
    let mut open: [Option<(MessageHead, usize)>; RTMP_CHUNK_STREAMS_MAX] = Default::default();
    for event in all {
        let slot = match event {
            Read::Start(head) | Read::Payload(head, _) | Read::End(head) => head.slot,
            Read::Dropped(slot) => *slot,
            Read::Broken(_) => return,
        };
        let state = open.get_mut(slot).expect("a slot below the limit");
        match event {
            Read::Start(head) => {
                assert!(state.replace((*head, 0)).is_none(), "a message within a message");
            }
            Read::Payload(head, bytes) => {
                let (of, received) = state.as_mut().expect("a message that has begun");
                assert_eq!(of, head);
                *received += bytes.len();
                assert!(*received <= head.length, "more than announced");
            }
            Read::End(head) => {
                assert_eq!(state.take(), Some((*head, head.length)), "all that was announced");
            }
            Read::Dropped(_) => assert!(state.take().is_some(), "given up without a beginning"),
            Read::Broken(_) => {}
        }
    }
}

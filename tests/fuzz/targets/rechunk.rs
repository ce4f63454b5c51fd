//! RTMP messages written in chunks of any legal size, format and interleaving by a writer of our
//! own (RTMP 1.0, 5.3), with and without the extended timestamp on type 3 chunks (SRS #4365): the
//! reader gives back the messages that were written, whatever the network cuts.

use streamcaster::rtmp::chunk_reader::{ChunkEvent, ChunkReader};

use super::take::Take;

const STREAMS: usize = 4;
/// With payloads of one byte a chunk no more than what a peer is granted at the beginning.
const MESSAGES_MAX: usize = 48;
const EXTENDED: u32 = 0xff_ffff;
/// Video and audio.
const TYPES: [u8; 2] = [9, 8];

/// A message: what is written and what must come out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    chunk_stream: u32,
    type_id: u8,
    message_stream: u32,
    timestamp_ms: u32,
    payload: Vec<u8>,
}

/// What a writer remembers of a chunk stream.
#[derive(Clone, Default)]
struct Written {
    last: Option<Message>,
    delta_ms: u32,
    /// The extended field of the last full header.
    extended: Option<u32>,
    /// Of the message that is being written: how much of it was.
    sent: usize,
    open: Option<Message>,
}

/// Writes, reads, compares.
pub fn run(input: &[u8]) {
    let mut take = Take(input);
    let piece_bytes = 1 + take.below(64) * take.below(32);
    let repeats_extended = take.byte() & 1 == 0;
    let (wire, written) = write(&mut take, repeats_extended);
    let read = read(&wire, piece_bytes);
    assert_eq!(read, written);
}

/// A wire, and the messages on it in the order of their ends.
fn write(take: &mut Take<'_>, repeats_extended: bool) -> (Vec<u8>, Vec<Message>) {
    let (mut wire, mut ended) = (Vec::new(), Vec::new());
    let mut streams = vec![Written::default(); STREAMS];
    let mut chunk_bytes = 128;
    let mut begun = 0;
    loop {
        let number = take.below(STREAMS);
        if take.byte() >= 0xf8 {
            let before = chunk_bytes;
            chunk_bytes = 1 + (take.word() as usize) % 4096;
            set_chunk_size(&mut wire, before, chunk_bytes);
        }
        let mut begins = begun < MESSAGES_MAX && !take.is_empty();
        let open = streams.iter().position(|stream| stream.open.is_some());
        let number = if begins { number } else { open.unwrap_or(number) };
        let Some(stream) = streams.get_mut(number) else { return (wire, ended) };
        begins &= stream.open.is_none();
        if begins {
            begun += 1;
            begin(take, &mut wire, stream, number);
        } else if stream.open.is_some() {
            continuation(&mut wire, stream, number, repeats_extended);
        } else if begun >= MESSAGES_MAX || take.is_empty() {
            return (wire, ended);
        }
        ended.extend(payload(&mut wire, stream, chunk_bytes));
    }
}

/// A message like any other: in chunks of the size that holds before it.
fn set_chunk_size(wire: &mut Vec<u8>, before: usize, bytes: usize) {
    wire.extend([2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]);
    let payload = u32::try_from(bytes).expect("a small size").to_be_bytes();
    for (number, piece) in payload.chunks(before).enumerate() {
        if number > 0 {
            wire.push(0xc2);
        }
        wire.extend(piece);
    }
}

/// Chunk streams of each of the three lengths of a basic header.
fn id(number: usize) -> u32 {
    [3, 63, 64, 320].get(number).copied().unwrap_or(3)
}

fn basic_header(wire: &mut Vec<u8>, format: u8, number: usize) {
    let (id, format) = (id(number), format << 6);
    match (u8::try_from(id), u8::try_from(id.saturating_sub(64))) {
        (Ok(id @ ..64), _) => wire.push(format | id),
        (_, Ok(low)) => wire.extend([format, low]),
        _ => {
            let [low, high, ..] = (id - 64).to_le_bytes();
            wire.extend([format | 1, low, high]);
        }
    }
}

/// The header of a message in the shortest format that an input chooses among the legal ones.
fn begin(take: &mut Take<'_>, wire: &mut Vec<u8>, stream: &mut Written, number: usize) {
    let legal = if stream.last.is_some() { 4 } else { 1 };
    let format = u8::try_from(take.below(legal)).expect("a format");
    let last = stream.last.clone();
    // Past the wrap of 49.7 days, near it, and far below it.
    let step = match take.byte() & 3 {
        0 => EXTENDED.saturating_sub(2) + u32::from(take.byte() & 7),
        1 => u32::MAX - u32::from(take.byte()),
        _ => u32::from(take.byte()),
    };
    let bytes = usize::from(take.byte());
    let fill = take.byte();
    let mut message = Message {
        chunk_stream: id(number),
        type_id: TYPES[usize::from(fill & 1)],
        message_stream: 1,
        timestamp_ms: step,
        payload: (0..bytes).map(|n| fill.wrapping_add(n as u8)).collect(),
    };
    let before = last.as_ref().map_or(0, |last| last.timestamp_ms);
    if let Some(last) = last {
        if format >= 2 {
            message.type_id = last.type_id;
            message.payload.resize(last.payload.len(), fill);
        }
    }
    let field = match format {
        0 => step,
        3 => stream.delta_ms,
        _ => step,
    };
    if format != 0 {
        message.timestamp_ms = before.wrapping_add(field);
    }
    // A type 3 chunk behind a type 0 chunk adds that one's timestamp (5.3.1.2.4).
    stream.delta_ms = field;
    basic_header(wire, format, number);
    if format < 3 {
        wire.extend(field.min(EXTENDED).to_be_bytes().iter().skip(1));
        stream.extended = (field >= EXTENDED).then_some(field);
    }
    if format < 2 {
        let length = u32::try_from(message.payload.len()).expect("a short payload");
        wire.extend(length.to_be_bytes().iter().skip(1));
        wire.push(message.type_id);
    }
    if format == 0 {
        wire.extend(message.message_stream.to_le_bytes());
    }
    if let Some(extended) = stream.extended {
        wire.extend(extended.to_be_bytes());
    }
    (stream.sent, stream.open) = (0, Some(message));
}

/// The type 3 header in the middle of a message. A peer that leaves the extended timestamp out is
/// only understood where the payload does not imitate it: such a payload is no test.
fn continuation(wire: &mut Vec<u8>, stream: &Written, number: usize, repeats_extended: bool) {
    basic_header(wire, 3, number);
    let Some(extended) = stream.extended else { return };
    let imitates = stream.open.as_ref().is_some_and(|message| {
        let rest = message.payload.get(stream.sent..).unwrap_or_default();
        [extended, message.timestamp_ms]
            .iter()
            .any(|time| rest.first() == time.to_be_bytes().first())
    });
    if repeats_extended || imitates {
        wire.extend(extended.to_be_bytes());
    }
}

/// The next chunk's payload; the message, if it is whole.
fn payload(wire: &mut Vec<u8>, stream: &mut Written, chunk_bytes: usize) -> Option<Message> {
    let message = stream.open.as_ref()?;
    let rest = message.payload.get(stream.sent..).unwrap_or_default();
    let piece = rest.get(..chunk_bytes).unwrap_or(rest);
    wire.extend(piece);
    stream.sent += piece.len();
    if stream.sent < message.payload.len() {
        return None;
    }
    stream.last.clone_from(&stream.open);
    stream.open.take()
}

fn read(wire: &[u8], piece_bytes: usize) -> Vec<Message> {
    let mut reader = ChunkReader::new();
    let (mut open, mut ended) = (vec![None::<Message>; 16], Vec::new());
    for piece in wire.chunks(piece_bytes) {
        let mut rest = piece;
        while let Some(event) = reader.next(&mut rest).expect("legal chunks are read") {
            match event {
                ChunkEvent::Start(head) => {
                    *open.get_mut(head.slot).expect("a slot") = Some(Message {
                        chunk_stream: head.chunk_stream,
                        type_id: head.type_id,
                        message_stream: head.message_stream,
                        timestamp_ms: head.timestamp_ms,
                        payload: Vec::new(),
                    });
                }
                ChunkEvent::Payload(head, bytes) => {
                    let message = open.get_mut(head.slot).and_then(Option::as_mut);
                    message.expect("a message that has begun").payload.extend_from_slice(bytes);
                }
                ChunkEvent::End(head) => {
                    let message = open.get_mut(head.slot).and_then(Option::take);
                    ended.push(message.expect("a message that has begun"));
                }
                ChunkEvent::Dropped { .. } => panic!("nothing was given up"),
            }
        }
    }
    ended
}

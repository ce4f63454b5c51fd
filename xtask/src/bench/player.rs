//! One player. Purpose: the handshake, `connect`, `createStream`, `play`, acknowledgements and
//! pongs, and then what comes: which frames, when, and whether time only grows. It waits for each
//! answer as real players do. Non-goals: the socket, which is the crowd's.

use std::time::{Duration, Instant};

use super::chunks::{ChunkReader, ChunkedMessage};
use super::clip::Tail;

/// S0, S1 and S2 (RTMP 1.0, 5.2).
const SERVER_HANDSHAKE_BYTES: usize = 1 + 2 * HANDSHAKE_BYTES;
const HANDSHAKE_BYTES: usize = 1536;
/// Chunk size until the peer says otherwise.
const CHUNK_BYTES: usize = 128;
/// Chunk size of the floor, which says nothing.
pub const FLOOR_CHUNK_BYTES: usize = 60_000;

const TYPE_ACKNOWLEDGEMENT: u8 = 3;
const TYPE_USER_CONTROL: u8 = 4;
const TYPE_WINDOW: u8 = 5;
const TYPE_AUDIO: u8 = 8;
const TYPE_VIDEO: u8 = 9;
const TYPE_COMMAND: u8 = 20;

/// How far it has come.
enum Phase {
    Handshake(Vec<u8>),
    Connecting,
    Creating,
    Playing,
}

/// A player.
pub struct Player {
    phase: Phase,
    reader: ChunkReader,
    tc_url: String,
    /// What is to be sent.
    pub outbox: Vec<u8>,
    received: u32,
    acknowledged: u32,
    window: u32,
    opened: Instant,
    /// From connecting to the last byte of the first keyframe.
    pub first_picture: Option<Duration>,
    last_ms: [Option<u32>; 2],
    /// Media messages whose timestamp did not grow.
    pub backwards: u64,
}

impl Player {
    /// A player that has connected at `opened`.
    pub fn new(tc_url: String, opened: Instant) -> Player {
        let mut outbox = vec![3];
        outbox.resize(1 + HANDSHAKE_BYTES, 0);
        let phase = Phase::Handshake(Vec::with_capacity(SERVER_HANDSHAKE_BYTES));
        Player {
            phase,
            reader: ChunkReader::new(CHUNK_BYTES),
            tc_url,
            outbox,
            received: 0,
            acknowledged: 0,
            window: 0,
            opened,
            first_picture: None,
            last_ms: [None, None],
            backwards: 0,
        }
    }

    /// A player of the floor, which sends messages and nothing else.
    pub fn of_the_floor(opened: Instant) -> Player {
        let mut player = Player::new(String::new(), opened);
        player.outbox.clear();
        player.reader = ChunkReader::new(FLOOR_CHUNK_BYTES);
        player.phase = Phase::Playing;
        player
    }

    /// Takes what has arrived; tells the last bytes of each video message.
    pub fn input(&mut self, mut bytes: &[u8], now: Instant, mut tell: impl FnMut(&Tail)) {
        self.received = self.received.wrapping_add(bytes.len() as u32);
        if let Phase::Handshake(have) = &mut self.phase {
            let missing = SERVER_HANDSHAKE_BYTES - have.len();
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            have.extend_from_slice(part);
            bytes = rest;
            if have.len() < SERVER_HANDSHAKE_BYTES {
                return;
            }
            self.outbox.extend_from_slice(have.get(1..=HANDSHAKE_BYTES).unwrap_or_default());
            self.phase = Phase::Connecting;
            let connect = connect(&self.tc_url);
            self.send(3, TYPE_COMMAND, 0, &connect);
        }
        let mut reader = std::mem::replace(&mut self.reader, ChunkReader::new(0));
        reader.input(bytes, |message| self.message(message, now, &mut tell));
        self.reader = reader;
        if self.window > 0 && self.received.wrapping_sub(self.acknowledged) >= self.window {
            self.acknowledged = self.received;
            self.send(2, TYPE_ACKNOWLEDGEMENT, 0, &self.received.to_be_bytes());
        }
    }

    fn message(
        &mut self,
        message: &ChunkedMessage<'_>,
        now: Instant,
        tell: &mut impl FnMut(&Tail),
    ) {
        match message.type_id {
            TYPE_WINDOW => self.window = message.number().unwrap_or(0),
            // A ping (RTMP 1.0, 7.1.7): the time in it goes back.
            TYPE_USER_CONTROL => {
                if let [0, 6, time @ ..] = message.head {
                    let pong = [&[0, 7], time].concat();
                    self.send(2, TYPE_USER_CONTROL, 0, &pong);
                }
            }
            TYPE_COMMAND => self.answer(message.head),
            TYPE_AUDIO => self.media(0, message, now),
            TYPE_VIDEO => {
                self.media(1, message, now);
                tell(message.tail);
            }
            _ => {}
        }
    }

    fn answer(&mut self, head: &[u8]) {
        if !head.starts_with(b"\x02\x00\x07_result") {
            return;
        }
        match self.phase {
            Phase::Connecting => {
                self.phase = Phase::Creating;
                let command = [string("createStream"), number(2.0), vec![NULL]].concat();
                self.send(3, TYPE_COMMAND, 0, &command);
            }
            Phase::Creating => {
                self.phase = Phase::Playing;
                let stream = string("stream");
                let command = [string("play"), number(3.0), vec![NULL], stream].concat();
                self.send(8, TYPE_COMMAND, 1, &command);
            }
            Phase::Handshake(_) | Phase::Playing => {}
        }
    }

    fn media(&mut self, track: usize, message: &ChunkedMessage<'_>, now: Instant) {
        // A sequence header shares its time with the frame behind it.
        let &[kind, 1, ..] = message.head else { return };
        if track == 1 && kind >> 4 == 1 {
            self.first_picture.get_or_insert(now - self.opened);
        }
        let Some(last) = self.last_ms.get_mut(track) else { return };
        if last.is_some_and(|last| message.timestamp <= last) {
            self.backwards += 1;
        }
        *last = Some(message.timestamp);
    }

    fn send(&mut self, chunk_stream: u8, type_id: u8, message_stream: u8, body: &[u8]) {
        debug_assert!(body.len() <= CHUNK_BYTES, "all it says fits into one chunk");
        let len = body.len() as u8;
        self.outbox.extend([chunk_stream, 0, 0, 0, 0, 0, len, type_id, message_stream, 0, 0, 0]);
        self.outbox.extend(body);
    }
}

const NULL: u8 = 5;

fn connect(tc_url: &str) -> Vec<u8> {
    let mut body = [string("connect"), number(1.0), vec![3]].concat();
    for (key, value) in [("app", "live"), ("flashVer", "LNX 9,0,124,2"), ("tcUrl", tc_url)] {
        // A key is a string without its marker (AMF0, 2.5).
        body.extend(string(key).into_iter().skip(1));
        body.extend(string(value));
    }
    body.extend([0, 0, 9]);
    body
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = vec![2];
    bytes.extend((text.len() as u16).to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn number(value: f64) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(value.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(type_id: u8, ms: u8, body: &[u8]) -> Vec<u8> {
        let mut wire = vec![type_id, 0, 0, ms, 0, 0, body.len() as u8, type_id, 1, 0, 0, 0];
        wire.extend(body);
        wire
    }

    #[test]
    fn it_asks_one_thing_after_the_other() {
        let now = Instant::now();
        let mut player = Player::new("rtmp://127.0.0.1:65535/live".to_owned(), now);
        assert_eq!(std::mem::take(&mut player.outbox).len(), 1537);
        player.input(&[3; 3072], now, |_| ());
        assert!(player.outbox.is_empty());
        player.input(&[3; 1], now, |_| ());
        let said = std::mem::take(&mut player.outbox);
        assert_eq!((said[0], said[1536], &said[1551..1558]), (3, 3, &b"connect"[..]));
        let result = message(20, 0, b"\x02\x00\x07_result");
        player.input(&result, now, |_| ());
        assert!(std::mem::take(&mut player.outbox).ends_with(&create_stream_end()));
        player.input(&result, now, |_| ());
        assert!(player.outbox.ends_with(b"stream"));
    }

    fn create_stream_end() -> Vec<u8> {
        [number(2.0), vec![NULL]].concat()
    }

    #[test]
    fn it_answers_pings_and_acknowledges_a_window() {
        let now = Instant::now();
        let mut player = Player::of_the_floor(now);
        player.input(&message(4, 0, &[0, 6, 1, 2, 3, 4]), now, |_| ());
        assert!(player.outbox.ends_with(&[0, 7, 1, 2, 3, 4]));
        player.outbox.clear();
        player.input(&message(5, 0, &[0, 0, 0, 48]), now, |_| ());
        assert!(player.outbox.is_empty());
        player.input(&message(8, 0, &[0xAF, 1]), now, |_| ());
        assert!(!player.outbox.is_empty());
    }

    #[test]
    fn the_first_keyframe_counts_and_time_must_grow() {
        let now = Instant::now();
        let mut player = Player::of_the_floor(now);
        let later = now + Duration::from_millis(5);
        player.input(&message(9, 0, &[0x17, 0, 0, 0, 0]), later, |_| ());
        player.input(&message(9, 0, &[0x27, 1, 0, 0, 0]), later, |_| ());
        assert_eq!((player.first_picture, player.backwards), (None, 0));
        player.input(&message(9, 40, &[0x17, 1, 0, 0, 0]), later, |_| ());
        player.input(&message(8, 20, &[0xAF, 1]), later, |_| ());
        assert_eq!((player.first_picture, player.backwards), (Some(later - now), 0));
        player.input(&message(9, 40, &[0x27, 1, 0, 0, 0]), later, |_| ());
        assert_eq!(player.backwards, 1);
    }
}

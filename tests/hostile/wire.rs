//! RTMP as an attacker writes it: by hand.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use crate::sockets;

/// A recorded session of a player, without its handshake.
pub const FFMPEG_PLAY: &[u8] = include_bytes!("../../src/rtmp/testdata/ffmpeg-5.1-play.bin");
/// Another.
pub const RTMPDUMP_PLAY: &[u8] = include_bytes!("../../src/rtmp/testdata/rtmpdump-2.4-play.bin");
/// One of a publisher.
pub const FFMPEG_PUBLISH: &[u8] = include_bytes!("../../src/rtmp/testdata/ffmpeg-5.1-publish.bin");

/// AMF0 command messages (RTMP 1.0, 7.1.1).
pub const COMMAND: u8 = 20;
/// AMF0 data messages (7.1.2).
pub const DATA: u8 = 18;

/// C0 and C1 of a simple client.
pub fn hello() -> Vec<u8> {
    let mut hello = vec![0; 1537];
    hello.splice(..1, [3]);
    hello
}

/// Connects and shakes hands; `None` when the other side does not want to.
pub fn shaken(from: [u8; 4], to: SocketAddr) -> Option<TcpStream> {
    shake(sockets::connect(from, to)?)
}

/// Shakes hands on a connection.
pub fn shake(mut stream: TcpStream) -> Option<TcpStream> {
    sockets::push(&mut stream, &hello());
    let mut answer = vec![0; 1 + 2 * 1536];
    stream.read_exact(&mut answer).ok()?;
    sockets::push(&mut stream, answer.get(1..1537)?);
    Some(stream)
}

/// The header of a message on a chunk stream of one byte (5.3.1.2.1).
pub fn header(chunk_stream: u8, type_id: u8, length: u32) -> Vec<u8> {
    let [_, a, b, c] = length.to_be_bytes();
    vec![chunk_stream, 0, 0, 0, a, b, c, type_id, 0, 0, 0, 0]
}

/// A message in chunks of `chunk_bytes`.
pub fn message(chunk_stream: u8, type_id: u8, payload: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a message's length");
    let mut wire = header(chunk_stream, type_id, length);
    for (at, piece) in payload.chunks(chunk_bytes).enumerate() {
        if at > 0 {
            wire.push(0xC0 | chunk_stream);
        }
        wire.extend_from_slice(piece);
    }
    wire
}

/// Set Chunk Size (5.4.1).
pub fn set_chunk_size(bytes: u32) -> Vec<u8> {
    message(2, 1, &bytes.to_be_bytes(), 128)
}

/// An AMF0 string.
pub fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&[2][..], &length.to_be_bytes(), text.as_bytes()].concat()
}

/// An AMF0 number.
pub fn amf_number(number: f64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()].concat()
}

/// The payload of a command: name, transaction, and the rest as it is.
pub fn command(name: &str, rest: &[u8]) -> Vec<u8> {
    [&string(name)[..], &amf_number(1.0), rest].concat()
}

/// `connect` to the application there is.
pub fn connect() -> Vec<u8> {
    let object = [&[3, 0, 3][..], b"app", &string("live"), &[0, 0, 9]].concat();
    command("connect", &object)
}

/// Objects, each inside the one before.
pub fn nested(depth: usize) -> Vec<u8> {
    [3, 0, 1, b'a'].repeat(depth)
}

/// Xorshift (Marsaglia, 2003): the same numbers for the same seed.
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes().into_iter().fold(0, |all, byte| all ^ byte)
    }

    /// Changes some bytes, leaves some out, doubles some.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutant = bytes.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(mutant.len());
            let behind = self.below(mutant.len() - at);
            match self.below(5) {
                0 | 1 => mutant.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.byte()),
                2 => mutant.truncate(at.max(1)),
                3 => drop(mutant.drain(at..at + behind.min(8))),
                _ => {
                    let piece: Vec<u8> = mutant.iter().skip(at).take(behind).copied().collect();
                    mutant.splice(at..at, piece);
                }
            }
            if mutant.is_empty() {
                mutant.push(self.byte());
            }
        }
        mutant
    }
}

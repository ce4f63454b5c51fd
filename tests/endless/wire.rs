//! Takes one message's chunks apart, by the letter (RTMP 1.0, 5.3.1). Purpose: a second opinion
//! on what the chunk writer writes, without the tolerance and the state of the program's own
//! reader. Bound: one message.

/// Where the timestamp no longer fits its 24 bits.
const EXTENDED: u32 = 0xff_ffff;

/// What the headers of a message say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    pub chunk_stream: u8,
    pub type_id: u8,
    pub message_stream: u32,
    pub timestamp_ms: u32,
    /// Type 3 chunks that carried an extended timestamp.
    pub extended_chunks: u32,
}

/// Reads a message, and nothing but it, out of `wire`; its payload goes to `payload`.
pub fn decode(wire: &[u8], chunk_bytes: usize, payload: &mut Vec<u8>) -> Decoded {
    payload.clear();
    let (header, mut rest) = wire.split_first_chunk::<12>().expect("a full header");
    let [basic, t2, t1, t0, l2, l1, l0, type_id, m0, m1, m2, m3] = *header;
    assert_eq!(basic >> 6, 0, "a message begins with a type 0 header");
    assert!((2..64).contains(&basic), "a basic header of one byte");
    let field = u32::from_be_bytes([0, t2, t1, t0]);
    let length = u32::from_be_bytes([0, l2, l1, l0]) as usize;
    let is_extended = field == EXTENDED;
    let timestamp_ms = if is_extended { extension(&mut rest) } else { field };
    assert!(!is_extended || timestamp_ms >= EXTENDED, "extended without need");
    let mut extended_chunks = 0;
    loop {
        let chunk = chunk_bytes.min(length - payload.len());
        let (bytes, behind) = rest.split_at_checked(chunk).expect("a whole chunk");
        payload.extend_from_slice(bytes);
        rest = behind;
        if payload.len() == length {
            break;
        }
        let (next, behind) = rest.split_first().expect("another chunk");
        assert_eq!(*next, 0xc0 | basic, "a type 3 header of the same chunk stream");
        rest = behind;
        if is_extended {
            assert_eq!(extension(&mut rest), timestamp_ms, "extended in every chunk, and alike");
            extended_chunks += 1;
        }
    }
    assert!(rest.is_empty(), "nothing behind the message");
    Decoded {
        chunk_stream: basic,
        type_id,
        message_stream: u32::from_le_bytes([m0, m1, m2, m3]),
        timestamp_ms,
        extended_chunks,
    }
}

fn extension(rest: &mut &[u8]) -> u32 {
    let (time, behind) = rest.split_first_chunk::<4>().expect("an extended timestamp");
    *rest = behind;
    u32::from_be_bytes(*time)
}

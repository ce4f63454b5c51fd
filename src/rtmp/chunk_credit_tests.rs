//! What chunks cost a peer, and what gives the credit back.

use super::tests::{try_read_open, type0};
use super::*;

#[test]
fn crumbs_are_paid_for_and_time_gives_credit_back() {
    let crumb = [type0(4, 0, 1, 8, 1), vec![0]].concat();
    let mut reader = ChunkReader::new();
    let mut count = 0;
    let refused = loop {
        match try_read_open(&mut reader, &crumb) {
            Ok(()) => count += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, ChunkError::Crumbs);
    // One chunk's worth of credit for every 64 payload bytes comes on top.
    assert_eq!(count, RTMP_CHUNK_CREDIT_MAX + RTMP_CHUNK_CREDIT_MAX / 63);

    let mut reader = ChunkReader::new();
    for ms in 0..4 * u64::from(RTMP_CHUNK_CREDIT_MAX) {
        // An acknowledgement every 5 ms, for ever.
        reader.tick(Mono::from_ms(5 * ms));
        assert_eq!(try_read_open(&mut reader, &crumb), Ok(()));
    }
}

/// How many chunks without payload a reader takes that has spent its credit and then seen the time
/// pass by these ticks.
fn granted_by(ticks_ms: &[u64]) -> u32 {
    let mut reader = ChunkReader::new();
    let empty = type0(4, 0, 0, 8, 1);
    for _ in 0..RTMP_CHUNK_CREDIT_MAX {
        assert_eq!(try_read_open(&mut reader, &empty), Ok(()));
    }
    ticks_ms.iter().for_each(|&ms| reader.tick(Mono::from_ms(ms)));
    let mut count = 0;
    while try_read_open(&mut reader, &empty).is_ok() {
        count += 1;
    }
    count
}

#[test]
fn time_grants_its_rate_once_and_never_more_than_the_limit() {
    let per_s = RTMP_CHUNK_CREDIT_PER_S as u32;
    assert_eq!(granted_by(&[]), 0);
    assert_eq!(granted_by(&[1000]), per_s);
    assert_eq!(granted_by(&[1000, 2000]), 2 * per_s);
    assert_eq!(granted_by(&[1000, 1000]), per_s, "the same second counts once");
    // A chunk is worth 3.9 ms: 3 ms are worth none, and are not lost.
    assert_eq!([granted_by(&[3]), granted_by(&[4])], [0, 1]);
    assert_eq!(granted_by(&[3, 6, 9, 12]), 2, "3, 6 (one), 9, 12 (another)");
    assert_eq!(granted_by(&[u64::MAX / 2_000_000]), RTMP_CHUNK_CREDIT_MAX);

    let (mut reader, empty) = (ChunkReader::new(), type0(4, 0, 0, 8, 1));
    reader.tick(Mono::from_ms(3_600_000));
    for _ in 0..RTMP_CHUNK_CREDIT_MAX {
        assert_eq!(try_read_open(&mut reader, &empty), Ok(()));
    }
    assert_eq!(try_read_open(&mut reader, &empty), Err(ChunkError::Crumbs), "an idle hour");
}

#[test]
fn payload_grants_a_chunk_for_every_64_bytes_whatever_the_pieces() {
    for piece in [1, 7, 63, 64, 65, 128] {
        let mut reader = ChunkReader::new();
        let empty = type0(4, 0, 0, 8, 1);
        for _ in 0..RTMP_CHUNK_CREDIT_MAX - 1 {
            assert_eq!(try_read_open(&mut reader, &empty), Ok(()));
        }
        let message = [type0(4, 0, 128, 8, 1), vec![0; 128]].concat();
        for bytes in message.chunks(piece) {
            assert_eq!(try_read_open(&mut reader, bytes), Ok(()), "in pieces of {piece}");
        }
        let granted = (128 / RTMP_CHUNK_CREDIT_BYTES) as u32;
        for _ in 0..granted {
            assert_eq!(try_read_open(&mut reader, &empty), Ok(()), "in pieces of {piece}");
        }
        assert_eq!(try_read_open(&mut reader, &empty), Err(ChunkError::Crumbs));
    }
}

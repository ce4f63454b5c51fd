use super::*;
use crate::rtmp::chunk_reader::{ChunkEvent, ChunkReader};
use rml_rtmp::chunk_io::ChunkDeserializer;

/// The wire form, byte by byte as the specification tells it.
fn naive(head: [u32; 4], payload: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let [id, message_stream, type_id, time] = head;
    let mut wire = vec![id as u8];
    wire.extend(&time.min(0xFF_FFFF).to_be_bytes()[1..]);
    wire.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    wire.push(type_id as u8);
    wire.extend(message_stream.to_le_bytes());
    if time >= 0xFF_FFFF {
        wire.extend(time.to_be_bytes());
    }
    for (index, byte) in payload.iter().enumerate() {
        if index > 0 && index % chunk_bytes == 0 {
            wire.push(0xC0 | id as u8);
            if time >= 0xFF_FFFF {
                wire.extend(time.to_be_bytes());
            }
        }
        wire.push(*byte);
    }
    wire
}

fn sample(length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn joined(slices: &[IoSlice<'_>]) -> Vec<u8> {
    slices.iter().flat_map(|slice| slice.to_vec()).collect()
}

#[test]
fn slices_from_every_offset_and_split_are_the_naive_wire_form() {
    for time in [0, 40, 0xFF_FFFE, 0xFF_FFFF, 0x1234_5678, u32::MAX] {
        for (length, chunk_bytes) in
            [(0, 1), (1, 1), (5, 1), (7, 3), (9, 3), (10, 4), (33, 128), (40, 8)]
        {
            let payload = sample(length);
            let message = MediaMessage::new(6, 0x0102, 9, time, length, chunk_bytes);
            let wire = naive([6, 0x0102, 9, time], &payload, chunk_bytes);
            assert_eq!(message.wire_len(), wire.len());
            for split in 0..=length {
                let (front, back) = payload.split_at(split);
                for sent in 0..=wire.len() {
                    let mut out = heapless::Vec::<_, 256>::new();
                    assert!(message.slices([front, back], sent, &mut out));
                    assert!(out.iter().all(|slice| !slice.is_empty()));
                    assert_eq!(joined(&out), &wire[sent..], "{length}/{chunk_bytes} at {sent}");
                }
            }
        }
    }
}

#[test]
fn a_full_list_of_slices_is_continued_where_it_ended() {
    for chunk_bytes in [1, 2, 127, 4096, 60_000] {
        let payload = sample(if chunk_bytes < 100 { 300 } else { 150_000 });
        let message = MediaMessage::new(4, 1, 8, 0x0200_0000, payload.len(), chunk_bytes);
        let (front, back) = payload.split_at(payload.len() / 3);
        let mut wire = Vec::new();
        loop {
            let mut out = heapless::Vec::<_, 5>::new();
            let last = message.slices([front, back], wire.len(), &mut out);
            wire.extend(joined(&out));
            assert_eq!(last, wire.len() == message.wire_len());
            assert!(last || out.is_full());
            if last {
                break;
            }
        }
        assert_eq!(wire, naive([4, 1, 8, 0x0200_0000], &payload, chunk_bytes));
    }
}

#[test]
fn our_reader_and_an_independent_one_read_what_is_written() {
    for (time, chunk_bytes, length) in
        [(0, 128, 1000), (90, 4096, 4096), (0x0100_0000, 4096, 100_000), (u32::MAX, 60_000, 61_000)]
    {
        let payload = sample(length);
        let message = MediaMessage::new(6, 1, 9, time, length, chunk_bytes);
        let mut out = heapless::Vec::<_, 64>::new();
        assert!(message.slices([&payload, &[]], 0, &mut out));
        let size = (chunk_bytes as u32).to_be_bytes();
        let wire = [write_message(2, 0, 1, &size, 128), joined(&out)].concat();

        let (mut reader, mut input, mut seen) = (ChunkReader::new(), &wire[..], Vec::new());
        while let Some(event) = reader.next(&mut input).unwrap() {
            match event {
                ChunkEvent::Payload(_, bytes) => seen.extend_from_slice(bytes),
                ChunkEvent::Start(head) | ChunkEvent::End(head) => {
                    assert_eq!((head.timestamp_ms, head.length, head.type_id), (time, length, 9));
                }
                ChunkEvent::Dropped { .. } => panic!("nothing was aborted"),
            }
        }
        assert!(seen == payload);

        let mut theirs = ChunkDeserializer::new();
        let first = theirs.get_next_message(&wire).unwrap().unwrap();
        assert_eq!((first.type_id, &first.data[..]), (1, &size[..]));
        theirs.set_max_chunk_size(chunk_bytes).unwrap();
        let second = theirs.get_next_message(&[]).unwrap().unwrap();
        // It reads an extended timestamp, though not on type 3 chunks (RML #23).
        if time < 0xFF_FFFF {
            assert_eq!((second.timestamp.value, second.type_id), (time, 9));
            assert!(second.data[..] == payload);
        }
    }
}

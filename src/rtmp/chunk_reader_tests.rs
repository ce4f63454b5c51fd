use super::*;

/// Reads `wire` in pieces of `step` bytes; every message that ends, with its payload.
fn read(reader: &mut ChunkReader, wire: &[u8], step: usize) -> Vec<(MessageHead, Vec<u8>)> {
    try_read(reader, wire, step).unwrap()
}

fn try_read(
    reader: &mut ChunkReader,
    wire: &[u8],
    step: usize,
) -> Result<Vec<(MessageHead, Vec<u8>)>, ChunkError> {
    let mut open: Vec<Option<(MessageHead, Vec<u8>)>> = vec![None; RTMP_CHUNK_STREAMS_MAX];
    let mut ended = Vec::new();
    for mut piece in wire.chunks(step) {
        while let Some(event) = reader.next(&mut piece)? {
            match event {
                ChunkEvent::Start(head) => {
                    assert!(open[head.slot].is_none(), "the message before was left open");
                    open[head.slot] = Some((head, Vec::new()));
                }
                ChunkEvent::Payload(head, bytes) => {
                    let (started, payload) = open[head.slot].as_mut().unwrap();
                    assert_eq!(*started, head);
                    assert!(!bytes.is_empty());
                    payload.extend_from_slice(bytes);
                    assert!(payload.len() <= head.length);
                }
                ChunkEvent::End(head) => {
                    let message = open[head.slot].take().unwrap();
                    assert_eq!((message.0, message.1.len()), (head, head.length));
                    ended.push(message);
                }
                ChunkEvent::Dropped { slot } => open[slot] = None,
            }
        }
        assert!(piece.is_empty(), "None means that all input is taken");
    }
    Ok(ended)
}

pub(super) fn type0(id: u8, time: u32, length: u32, type_id: u8, message_stream: u32) -> Vec<u8> {
    let mut bytes = vec![id];
    bytes.extend(&time.min(EXTENDED).to_be_bytes()[1..]);
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.push(type_id);
    bytes.extend(message_stream.to_le_bytes());
    if time >= EXTENDED {
        bytes.extend(time.to_be_bytes());
    }
    bytes
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    [type0(2, 0, 4, 1, 0), size.to_be_bytes().to_vec()].concat()
}

#[test]
fn an_abort_takes_back_only_what_was_handed_out() {
    let abort = |id: u32| [type0(2, 0, 4, 2, 0), id.to_be_bytes().to_vec()].concat();
    let begun = |id: u8, type_id: u8| [type0(id, 0, 200, type_id, 1), vec![9; 128]].concat();
    for (type_id, handed_out) in [(9, true), (1, false), (2, false)] {
        let wire = [begun(6, type_id), abort(7), abort(6), abort(6)].concat();
        let (mut reader, mut input) = (ChunkReader::new(), &wire[..]);
        let mut dropped = Vec::new();
        while let Some(event) = reader.next(&mut input).unwrap() {
            if let ChunkEvent::Dropped { slot } = event {
                dropped.push(slot);
            }
        }
        assert_eq!(dropped, if handed_out { vec![0] } else { vec![] }, "type {type_id}");
    }
}

#[test]
fn interleaved_messages_in_fragments_of_every_size() {
    let audio: Vec<u8> = (0..200).collect();
    let video: Vec<u8> = (0..300_u32).map(|i| (i * 7) as u8).collect();
    let wire = [
        &type0(4, 1000, 200, 8, 1)[..],
        &audio[..128],
        &type0(6, 1010, 300, 9, 1),
        &video[..128],
        &[0xC4],
        &audio[128..],
        &[0xC6],
        &video[128..256],
        // Another audio message while video is open: type 3, same length, delta repeated.
        &[0xC4],
        &audio[..128],
        &[0xC6],
        &video[256..],
        &[0xC4],
        &audio[128..],
    ]
    .concat();
    for step in 1..=wire.len() {
        let messages = read(&mut ChunkReader::new(), &wire, step);
        let seen: Vec<_> =
            messages.iter().map(|(head, payload)| (head.timestamp_ms, payload)).collect();
        assert_eq!(seen, [(1000, &audio), (1010, &video), (2000, &audio)], "in steps of {step}");
    }
}

#[test]
fn header_formats_carry_over_what_they_leave_out() {
    let wire = [
        &type0(4, 100, 1, 8, 7)[..],
        &[0xA1],
        // Format 1: delta 20, length 2, type 9.
        &[0x44, 0, 0, 20, 0, 0, 2, 9, 0xB1, 0xB2],
        // Format 2: delta 5.
        &[0x84, 0, 0, 5, 0xC1, 0xC2],
        // Format 3: the same delta again.
        &[0xC4, 0xD1, 0xD2],
    ]
    .concat();
    let heads: Vec<_> = read(&mut ChunkReader::new(), &wire, 1)
        .iter()
        .map(|(head, _)| (head.timestamp_ms, head.length, head.type_id, head.message_stream))
        .collect();
    assert_eq!(heads, [(100, 1, 8, 7), (120, 2, 9, 7), (125, 2, 9, 7), (130, 2, 9, 7)]);
}

#[test]
fn chunk_stream_ids_take_one_two_or_three_bytes() {
    let fields = &type0(3, 0, 0, 8, 1)[1..];
    let wire =
        [&[0x3F][..], fields, &[0, 0], fields, &[0, 255], fields, &[1, 0, 1], fields].concat();
    let wire = [&wire[..], &[1, 255, 255], fields].concat();
    let ids: Vec<_> =
        read(&mut ChunkReader::new(), &wire, 2).iter().map(|(head, _)| head.chunk_stream).collect();
    assert_eq!(ids, [63, 64, 319, 320, 65_599]);
}

/// Whatever the length of its id, a chunk stream leaves out in its headers what it has said.
#[test]
fn chunk_streams_go_on_alike_with_ids_of_every_length() {
    for id in [&[63][..], &[0, 7], &[1, 7, 7]] {
        let header =
            |format: u8, fields: &[u8]| [&[format << 6 | id[0]], &id[1..], fields].concat();
        let wire = [
            header(0, &type0(3, 100, 130, 9, 1)[1..]),
            vec![1; 128],
            header(3, &[]),
            vec![1; 2],
            header(1, &[0, 0, 20, 0, 0, 1, 9]),
            vec![2],
            header(2, &[0, 0, 5]),
            vec![3],
            header(3, &[]),
            vec![4],
        ];
        let messages = read(&mut ChunkReader::new(), &wire.concat(), 3);
        let times: Vec<u32> = messages.iter().map(|(head, _)| head.timestamp_ms).collect();
        assert_eq!(times, [100, 120, 125, 130], "{id:?}");
    }
}

#[test]
fn librtmp_begins_its_control_stream_with_format_1() {
    let wire = [0x42, 0, 0, 0, 0, 0, 6, 4, 0, 7, 0, 0, 0, 9];
    let messages = read(&mut ChunkReader::new(), &wire, 3);
    assert_eq!(messages[0].1, [0, 7, 0, 0, 0, 9]);
    assert_eq!(messages[0].0.message_stream, 0);
    let refused = try_read(&mut ChunkReader::new(), &[0x82, 0, 0, 0], 1);
    assert_eq!(refused, Err(ChunkError::NoPrevious { chunk_stream: 2 }));
}

#[test]
fn extended_timestamps_on_type_3_chunks_or_left_out_there() {
    let time: u32 = 0x0123_4567;
    // A payload that imitates, at each chunk's beginning, ever more of the timestamp's bytes.
    let mut payload = vec![0xEE; 128 * 5 + 2];
    for (chunk, matching) in [(1, 1), (2, 2), (3, 3), (4, 0), (5, 2)] {
        payload[chunk * 128..][..matching].copy_from_slice(&time.to_be_bytes()[..matching]);
    }
    for (extended, delta) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut wire = Vec::new();
        let mut field = time;
        if delta {
            // A type 1 header with an extended delta, as after a pause of five hours.
            wire.extend(type0(6, 1000, 0, 9, 1));
            field = time - 1000;
            wire.extend([0x46, 255, 255, 255, 0, 2, 130, 9]);
            wire.extend(field.to_be_bytes());
        } else {
            wire.extend(type0(6, time, payload.len() as u32, 9, 1));
        }
        for (index, chunk) in payload.chunks(128).enumerate() {
            if index > 0 {
                wire.push(0xC6);
                if extended {
                    wire.extend(field.to_be_bytes());
                }
            }
            wire.extend(chunk);
        }
        wire.extend(type0(4, time + 1, 1, 8, 1));
        wire.push(0xAF);
        for step in [1, 2, 3, 5, 127, 128, 129, wire.len()] {
            let messages = read(&mut ChunkReader::new(), &wire, step);
            let [.., video, audio] = &messages[..] else { panic!() };
            assert_eq!((video.0.timestamp_ms, &video.1), (time, &payload));
            assert_eq!((audio.0.timestamp_ms, &audio.1[..]), (time + 1, &[0xAF][..]));
        }
    }
}

#[test]
fn a_repeated_absolute_time_behind_an_extended_delta_is_recognised() {
    let delta = 0x0200_0000_u32;
    let mut wire = type0(6, 1000, 0, 9, 1);
    wire.extend([0x46, 255, 255, 255, 0, 0, 200, 9]);
    wire.extend(delta.to_be_bytes());
    wire.extend([7; 128]);
    wire.push(0xC6);
    wire.extend((delta + 1000).to_be_bytes());
    wire.extend([8; 72]);
    let messages = read(&mut ChunkReader::new(), &wire, 9);
    assert_eq!(messages[1].1, [vec![7; 128], vec![8; 72]].concat());
    assert_eq!(messages[1].0.timestamp_ms, delta + 1000);
}

#[test]
fn timestamps_wrap_at_32_bits() {
    let mut wire = type0(4, u32::MAX - 9, 0, 8, 1);
    wire.extend([0x84, 0, 0, 30]);
    let messages = read(&mut ChunkReader::new(), &wire, 1);
    assert_eq!(messages[1].0.timestamp_ms, 20);
}

#[test]
fn the_peer_sets_its_chunk_size() {
    let mut wire = set_chunk_size(5);
    wire.extend(type0(4, 0, 7, 8, 1));
    wire.extend([1, 2, 3, 4, 5, 0xC4, 6, 7]);
    wire.extend(set_chunk_size(i32::MAX as u32));
    wire.extend(type0(4, 0, 0xFF_FFFF, 8, 1));
    wire.extend(vec![9; 0xFF_FFFF]);
    let messages = read(&mut ChunkReader::new(), &wire, wire.len());
    assert_eq!(messages[0].1, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(messages[1].1.len(), 0xFF_FFFF);
    for bytes in [0, 1 << 31, u32::MAX] {
        let refused = try_read(&mut ChunkReader::new(), &set_chunk_size(bytes), 1);
        assert_eq!(refused, Err(ChunkError::ChunkSize { bytes }));
    }
    let cut = [type0(2, 0, 3, 1, 0), vec![0; 3]].concat();
    let refused = try_read(&mut ChunkReader::new(), &cut, 1);
    assert_eq!(refused, Err(ChunkError::Length { type_id: 1, bytes: 3 }));
}

#[test]
fn a_message_that_is_aborted_never_ends() {
    let mut wire = type0(4, 0, 200, 8, 1);
    wire.extend([1; 128]);
    wire.extend(type0(2, 0, 4, 2, 0));
    wire.extend(4_u32.to_be_bytes());
    // Its chunk stream goes on with a new message.
    wire.extend(type0(4, 40, 1, 8, 1));
    wire.push(2);
    let messages = read(&mut ChunkReader::new(), &wire, 11);
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].0.timestamp_ms, &messages[0].1[..]), (40, &[2][..]));
}

#[test]
fn a_new_header_inside_a_message_is_refused() {
    let mut wire = type0(4, 0, 200, 8, 1);
    wire.extend([1; 128]);
    wire.extend(type0(4, 0, 10, 8, 1));
    let refused = try_read(&mut ChunkReader::new(), &wire, 7);
    assert_eq!(refused, Err(ChunkError::HeaderInsideMessage { chunk_stream: 4 }));
}

#[test]
fn of_65535_chunk_streams_only_the_newest_are_remembered() {
    let mut reader = ChunkReader::new();
    let fields = &type0(3, 0, 70, 8, 1)[1..];
    for id in 64..65_599_u32 {
        let [low, high] = ((id - 64) as u16).to_le_bytes();
        let wire = [&[1, low, high][..], fields, &[0; 70]].concat();
        assert_eq!(read(&mut reader, &wire, wire.len()).len(), 1);
    }
    assert_eq!(reader.streams.len(), RTMP_CHUNK_STREAMS_MAX);
    // The eighth last goes on, the ninth last is forgotten.
    let id_of = |id: u32| ((id - 64) as u16).to_le_bytes();
    let [low, high] = id_of(65_599 - 8);
    let wire = [&[0xC1, low, high][..], &[0; 70]].concat();
    assert_eq!(read(&mut reader, &wire, 80).len(), 1);
    let [low, high] = id_of(65_599 - 9);
    let refused = try_read(&mut reader, &[0xC1, low, high], 80);
    assert_eq!(refused, Err(ChunkError::NoPrevious { chunk_stream: 65_590 }));
}

#[test]
fn only_so_many_messages_may_be_begun_at_once() {
    let mut reader = ChunkReader::new();
    for id in 0..RTMP_CHUNK_STREAMS_MAX as u8 {
        let wire = [type0(3 + id, 0, 200, 8, 1), vec![0; 128]].concat();
        assert_eq!(try_read_open(&mut reader, &wire), Ok(()));
    }
    let refused = try_read_open(&mut reader, &type0(60, 0, 200, 8, 1));
    assert_eq!(refused, Err(ChunkError::TooManyChunkStreams));
}

pub(super) fn try_read_open(reader: &mut ChunkReader, mut wire: &[u8]) -> Result<(), ChunkError> {
    while reader.next(&mut wire)?.is_some() {}
    Ok(())
}

#[test]
fn the_largest_command_passes_in_chunks_of_one_byte() {
    let mut wire = set_chunk_size(1);
    wire.extend(type0(3, 0, RTMP_COMMAND_BYTES_MAX as u32, 20, 0));
    wire.extend([0xC3; 2 * RTMP_COMMAND_BYTES_MAX - 1]);
    assert_eq!(read(&mut ChunkReader::new(), &wire, 1000).len(), 1);
}

#[test]
fn random_bytes_never_break_an_invariant() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..2000 {
        let mut wire = Vec::new();
        for _ in 0..60 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let bytes = seed.to_le_bytes();
            match bytes[0] % 4 {
                0 => wire.extend(bytes),
                1 => wire.extend(type0(2 + bytes[1] % 6, 0, u32::from(bytes[2]), bytes[3], 1)),
                2 => wire.extend([0xC2 + bytes[1] % 6; 3]),
                _ => wire.extend(set_chunk_size(u32::from(bytes[1] % 9))),
            }
        }
        let whole = try_read(&mut ChunkReader::new(), &wire, wire.len());
        let in_bytes = try_read(&mut ChunkReader::new(), &wire, 1);
        assert_eq!(whole, in_bytes, "fragments must not matter");
    }
}

#[test]
fn bytes_taken_for_a_timestamp_may_be_the_next_chunks_header() {
    // Neither message repeats its extended timestamp. The last byte of the first, the header of
    // the next chunk and that chunk's first byte happen to imitate it.
    let video = [vec![1; 128], vec![0x23]].concat();
    let audio = [vec![2; 128], vec![0x45, 0x99, 0x98]].concat();
    let wire = [
        &type0(6, 0x23C4_4567, 129, 9, 1)[..],
        &video[..128],
        &type0(4, 0x7777_7777, 131, 8, 1),
        &audio[..128],
        &[0xC6],
        &video[128..],
        &[0xC4],
        &audio[128..],
    ]
    .concat();
    for step in [1, 2, 3, wire.len()] {
        let messages = read(&mut ChunkReader::new(), &wire, step);
        let payloads: Vec<_> = messages.iter().map(|(_, payload)| payload).collect();
        assert_eq!(payloads, [&video, &audio], "in steps of {step}");
    }
}

#[test]
fn an_extended_timestamp_ends_with_the_next_full_header() {
    let time = EXTENDED + 5;
    let wire = [
        &type0(6, time, 1, 9, 1)[..],
        &[1],
        // Format 1, delta 20, 130 bytes: its type 3 chunk has no extended timestamp any more, and
        // its payload goes on with what that one was.
        &[0x46, 0, 0, 20, 0, 0, 130, 9],
        &[2; 128],
        &[0xC6],
        &time.to_be_bytes()[..2],
    ]
    .concat();
    for step in [1, 5, wire.len()] {
        let messages = read(&mut ChunkReader::new(), &wire, step);
        let seen: Vec<_> =
            messages.iter().map(|(head, payload)| (head.timestamp_ms, payload.len())).collect();
        assert_eq!(seen, [(time, 1), (time + 20, 130)], "in steps of {step}");
        assert_eq!(messages[1].1[128..], time.to_be_bytes()[..2]);
    }
}

#[test]
fn the_longest_time_without_and_the_shortest_with_an_extension() {
    for time in [EXTENDED - 1, EXTENDED, EXTENDED + 1, u32::MAX] {
        let wire = [type0(6, time, 1, 9, 1), vec![7]].concat();
        assert_eq!(wire.len(), if time < EXTENDED { 13 } else { 17 });
        let messages = read(&mut ChunkReader::new(), &wire, 1);
        assert_eq!((messages[0].0.timestamp_ms, &messages[0].1[..]), (time, &[7][..]));
    }
}

#[test]
fn a_message_that_begins_with_type_3_brings_its_own_extended_time() {
    // Between messages the four bytes are read as what they say, also where they say something
    // else than the header before: only in the middle of one may they be payload.
    let (first, second) = (EXTENDED + 7, EXTENDED + 1000);
    let wire = [&type0(6, first, 1, 9, 1)[..], &[1], &[0xC6], &second.to_be_bytes(), &[2]].concat();
    for step in [1, wire.len()] {
        let messages = read(&mut ChunkReader::new(), &wire, step);
        let seen: Vec<_> =
            messages.iter().map(|(head, payload)| (head.timestamp_ms, payload[0])).collect();
        assert_eq!(seen, [(first, 1), (first + second, 2)]);
    }
}

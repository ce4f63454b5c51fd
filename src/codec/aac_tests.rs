use super::*;
use crate::codec::collector::{Collector, Random, Said};

const HZ_48000: u8 = 3;
const HZ_44100: u8 = 4;
const STEREO: u8 = 2;

/// An ADTS frame of AAC-LC; `crc`: with two bytes of it.
fn adts(rate_index: u8, channels: u8, payload: &[u8], crc: bool) -> Vec<u8> {
    let header_bytes = if crc { 9 } else { 7 };
    let length = u16::try_from(header_bytes + payload.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let mut frame = vec![
        0xff,
        if crc { 0xf0 } else { 0xf1 },
        (1 << 6) | (rate_index << 2) | (channels >> 2),
        (channels << 6) | (high >> 3),
        (high << 5) | (low >> 3),
        (low << 5) | 0x1f,
        0xfc,
    ];
    frame.resize(header_bytes, 0xc5);
    frame.extend_from_slice(payload);
    frame
}

fn payload(random: &mut Random, bytes: usize) -> Vec<u8> {
    // Many set bits: sync words in the payload.
    (0..bytes).map(|_| if random.below(3) == 0 { 0xff } else { random.byte() }).collect()
}

/// Frames at 48 kHz stereo with their payloads.
fn frames(count: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut random = Random(3);
    let mut stream = Vec::new();
    let mut payloads = Vec::new();
    for index in 0..count {
        let bytes = 1 + random.below(60);
        let payload = payload(&mut random, bytes);
        stream.extend(adts(HZ_48000, STEREO, &payload, index % 3 == 1));
        payloads.push(payload);
    }
    (stream, payloads)
}

fn payloads(sink: &Collector) -> Vec<Vec<u8>> {
    sink.units().into_iter().map(|(_, bytes)| bytes).collect()
}

fn times(sink: &Collector) -> Vec<i64> {
    sink.units().iter().map(|(start, _)| start.pts.0).collect()
}

/// The last frame of a stream whose header was found by searching waits for the next header.
fn whole(stream: &[u8]) -> Vec<u8> {
    let mut stream = stream.to_vec();
    stream.extend(adts(HZ_48000, STEREO, &[0; 9], false).get(..7).unwrap());
    stream
}

#[test]
fn frames_come_out_unchanged_whatever_the_fragments() {
    let (stream, expected) = frames(6);
    let mut splits: Vec<Vec<&[u8]>> = vec![vec![&stream]];
    splits.extend((1..stream.len()).map(|size| stream.chunks(size).collect()));
    splits.extend((1..stream.len()).map(|at| vec![&stream[..at], &stream[at..]]));
    for fragments in splits {
        let mut assembler = AdtsAssembler::new();
        let mut sink = Collector::default();
        assembler.begin(Some(Ticks(90_000)));
        for fragment in fragments {
            assembler.data(fragment, &mut sink);
        }
        assert_eq!(payloads(&sink), expected);
        assert_eq!(times(&sink), [90_000, 91_920, 93_840, 95_760, 97_680, 99_600]);
        assert_eq!(sink.configs().len(), 1);
        assert_eq!(assembler.counters(), AdtsCounters { frames: 6, ..Default::default() });
    }
}

#[test]
fn the_configuration_is_the_one_of_the_header() {
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    assembler.data(&adts(HZ_48000, STEREO, &[1, 2, 3], false), &mut sink);
    let expected = AacConfig::from_record(&[0x11, 0x90]).unwrap();
    assert_eq!(sink.configs(), [TrackConfig::Aac(expected)]);
}

#[test]
fn a_frame_takes_the_pts_of_the_packet_it_begins_in() {
    let frame = |byte| adts(HZ_48000, STEREO, &[byte; 20], false);
    for header_bytes_before in 0..27 {
        let mut assembler = AdtsAssembler::new();
        let mut sink = Collector::default();
        let (second, third, fourth) = (frame(2), frame(3), frame(4));
        assembler.begin(Some(Ticks(1000)));
        assembler.data(&frame(1), &mut sink);
        assembler.data(&second[..header_bytes_before], &mut sink);
        assembler.begin(Some(Ticks(50_000)));
        assembler.data(&second[header_bytes_before..], &mut sink);
        assembler.data(&third, &mut sink);
        assembler.begin(None);
        assembler.data(&fourth, &mut sink);
        let expected = if header_bytes_before == 0 {
            [1000, 50_000, 51_920, 53_840]
        } else {
            [1000, 2920, 50_000, 51_920]
        };
        assert_eq!(times(&sink), expected, "{header_bytes_before} bytes before the packet");
    }
}

/// A PES packet may end anywhere in a frame, in its header too, and in the very first one.
#[test]
fn a_header_cut_by_the_end_of_a_packet_has_the_pts_of_where_it_begins() {
    let (stream, payloads) = frames(3);
    let stream = whole(&stream);
    for first in 1..9 {
        for second in first..9 {
            let (mut assembler, mut sink) = (AdtsAssembler::new(), Collector::default());
            let cuts = [0, first, second, stream.len()];
            for (number, cut) in cuts.windows(2).enumerate() {
                assembler.begin(Some(Ticks(90_000 * (1 + number as i64))));
                assembler.data(&stream[cut[0]..cut[1]], &mut sink);
            }
            let came: Vec<_> = sink.units().into_iter().map(|(_, bytes)| bytes).collect();
            assert_eq!(came, payloads, "cut at {first} and {second}");
            assert_eq!(times(&sink)[0], 90_000, "cut at {first} and {second}");
        }
    }
}

#[test]
fn rounding_does_not_accumulate() {
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    for _ in 0..44_101 {
        assembler.data(&adts(HZ_44100, STEREO, &[7; 3], false), &mut sink);
    }
    let times = times(&sink);
    assert_eq!(times[1], 2090);
    // 44,100 frames of 1024 samples at 44.1 kHz last 1024 seconds.
    assert_eq!(times[44_100], 1024 * 90_000);
}

#[test]
fn lost_bytes_cost_the_frames_they_were_of_and_no_more() {
    let (stream, expected) = frames(40);
    let frame_starts: Vec<usize> = {
        let mut start = 0;
        let mut starts = Vec::new();
        for (index, payload) in expected.iter().enumerate() {
            starts.push(start);
            start += payload.len() + if index % 3 == 1 { 9 } else { 7 };
        }
        starts
    };
    let mut random = Random(5);
    for _ in 0..200 {
        // From the third frame on: the first is confirmed.
        let from = frame_starts[2] + random.below(stream.len() / 2);
        let to = from + 1 + random.below(300);
        let mut assembler = AdtsAssembler::new();
        let mut sink = Collector::default();
        assembler.begin(Some(Ticks(0)));
        assembler.data(&stream[..from], &mut sink);
        assembler.lost(&mut sink);
        assembler.begin(Some(Ticks(100_000)));
        assembler.data(&whole(&stream[to..]), &mut sink);
        let before = frame_starts.iter().filter(|&&start| start <= from).count() - 1;
        let after = frame_starts.iter().filter(|&&start| start >= to).count();
        let mut kept = expected[..before].to_vec();
        kept.extend_from_slice(&expected[expected.len() - after..]);
        let found = payloads(&sink);
        // A sync word within the payload may look like a header until the next one is missing;
        // what it covers is lost too, but nothing false comes out.
        assert!(found.iter().all(|frame| kept.contains(frame)), "lost {from} to {to}");
        assert!(found.len() + 4 >= kept.len(), "lost {from} to {to}: {} frames", found.len());
        assert_eq!(found[..before.min(found.len())], kept[..before]);
    }
}

#[test]
fn a_header_missing_where_it_had_to_be_starts_a_search() {
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    let frame = |byte| adts(HZ_48000, STEREO, &[byte; 20], false);
    assembler.begin(Some(Ticks(0)));
    for byte in 1..3 {
        assembler.data(&frame(byte), &mut sink);
    }
    assembler.data(&[1, 2, 3], &mut sink);
    assembler.data(&frame(3), &mut sink);
    assembler.begin(Some(Ticks(9000)));
    for byte in 4..6 {
        assembler.data(&frame(byte), &mut sink);
    }
    // The third has no time: nobody knows what the three bytes were.
    assert_eq!(payloads(&sink), [1, 2, 4, 5].map(|byte| vec![byte; 20]));
    assert_eq!(times(&sink), [0, 1920, 9000, 10_920]);
    let counters = assembler.counters();
    assert_eq!((counters.resyncs, counters.skipped_bytes, counters.without_time), (1, 3, 1));
}

#[test]
fn a_frame_found_by_searching_and_not_confirmed_is_aborted() {
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    assembler.data(&adts(HZ_48000, STEREO, &[1; 20], false), &mut sink);
    assert_eq!(sink.units(), []);
    assembler.data(&[0x55], &mut sink);
    assert!(matches!(sink.said[..], [Said::Config(_), Said::Aborted(_)]));
    assert_eq!(assembler.counters().broken, 1);
}

#[test]
fn what_a_search_finds_does_not_change_the_configuration_unconfirmed() {
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    assembler.data(&frames(3).0, &mut sink);
    assembler.lost(&mut sink);
    assembler.begin(Some(Ticks(9000)));
    assembler.data(&[0], &mut sink);
    assembler.data(&adts(HZ_44100, STEREO, &[1; 20], false), &mut sink);
    assert_eq!(sink.configs().len(), 1);
    assembler.data(&adts(HZ_44100, STEREO, &[2; 20], false), &mut sink);
    assert_eq!(sink.configs().len(), 2);
    assert_eq!(payloads(&sink).last(), Some(&vec![2; 20]));
}

#[test]
fn a_change_of_configuration_comes_before_its_first_frame() {
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    for rate in [HZ_48000, HZ_48000, HZ_44100, HZ_44100] {
        assembler.data(&adts(rate, STEREO, &[rate; 5], false), &mut sink);
    }
    let rate = |said: &Said| match said {
        Said::Config(config) => AacConfig::from_record(config.record()).unwrap().sample_rate_hz,
        _ => 0,
    };
    let rates: Vec<u32> = sink.said.iter().map(rate).collect();
    assert_eq!(rates, [48_000, 0, 0, 44_100, 0, 0]);
    // The third frame is still 1920 ticks behind the second, the fourth 2090 behind the third.
    assert_eq!(times(&sink), [0, 1920, 3840, 5930]);
}

#[test]
fn frames_that_cannot_be_carried_are_counted_and_take_their_time() {
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    let mut two_blocks = adts(HZ_48000, STEREO, &[9; 30], false);
    two_blocks[6] |= 1;
    assembler.begin(Some(Ticks(0)));
    assembler.data(&adts(HZ_48000, STEREO, &[1; 5], false), &mut sink);
    assembler.data(&two_blocks, &mut sink);
    assembler.data(&adts(HZ_48000, STEREO, &[2; 5], false), &mut sink);
    assert_eq!(times(&sink), [0, 3 * 1920]);
    assert_eq!(assembler.counters().unsupported, 1);

    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    for _ in 0..3 {
        assembler.data(&adts(HZ_48000, 0, &[1; 5], false), &mut sink);
    }
    assert_eq!(sink.said, []);
    assert_eq!(assembler.counters().unsupported, 3);
}

/// 5.1(side) as ffmpeg's encoder writes it, once, in the first frame.
const SIDE_LAYOUT: &str = "a0990880040018800d4c61766335392e33372e313030";

#[test]
fn channels_that_have_no_number_are_told_by_their_program_config_element() {
    let program = crate::codec::collector::hex(SIDE_LAYOUT);
    let with = |rest: &[u8]| adts(HZ_48000, 0, &[&program, rest].concat(), false);
    let without = |byte: u8| adts(HZ_48000, 0, &[0x21, byte, byte], false);
    let stream = [without(1), with(&[0xde, 2, 0]), without(3), with(&[5]), without(7)].concat();
    for size in 1..stream.len() {
        let mut assembler = AdtsAssembler::new();
        let mut sink = Collector::default();
        assembler.begin(Some(Ticks(0)));
        for fragment in stream.chunks(size) {
            assembler.data(fragment, &mut sink);
        }
        let expected = [
            [&program[..], &[0xde, 2, 0]].concat(),
            vec![0x21, 3, 3],
            [&program[..], &[5]].concat(),
            vec![0x21, 7, 7],
        ];
        assert_eq!(payloads(&sink), expected, "in fragments of {size}");
        assert_eq!(times(&sink), [1920, 3840, 5760, 7680]);
        let [TrackConfig::Aac(config)] = &sink.configs()[..] else { panic!("one configuration") };
        assert_eq!((config.channels, config.sample_rate_hz), (6, 48_000));
        assert_eq!(AacConfig::from_record(&config.record).as_ref(), Ok(config));
        assert_eq!(assembler.counters().unsupported, 1, "the one before the first element");
    }
}

#[test]
fn a_program_config_element_holds_for_frames_like_its_own() {
    let program = crate::codec::collector::hex(SIDE_LAYOUT);
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    assembler.data(&adts(HZ_48000, 0, &program, false), &mut sink);
    assembler.data(&adts(HZ_48000, 0, &[0x21, 8], false), &mut sink);
    assembler.data(&adts(HZ_44100, 0, &[0x21, 9], false), &mut sink);
    // One that lists no channel, and one cut short by its frame.
    let nothing = [0xa0, 0x98, 0, 0, 0, 0, 0, 0];
    assembler.data(&adts(HZ_48000, 0, &nothing, false), &mut sink);
    assembler.data(&adts(HZ_48000, 0, &program[..12], false), &mut sink);
    assert_eq!(payloads(&sink), [program, vec![0x21, 8]]);
    assert_eq!(assembler.counters().unsupported, 3);
}

#[test]
fn reserved_frequencies_and_impossible_lengths_are_no_headers() {
    for (place, value) in [(2, 0x74), (2, 0x7c), (4, 0), (1, 0xf3)] {
        let mut frame = adts(HZ_48000, STEREO, &[1; 5], false);
        frame[place] = value;
        assert_eq!(AdtsHeader::parse(frame.first_chunk().unwrap()), None, "{place}");
    }
    let long = adts(HZ_48000, STEREO, &[1; 1537], false);
    assert!(!AdtsHeader::parse(long.first_chunk().unwrap()).unwrap().is_plausible());
}

#[test]
fn a_search_passes_over_a_header_that_claims_more_than_a_frame_can_hold() {
    let (stream, expected) = frames(40);
    let false_header = adts(HZ_48000, STEREO, &[1; 8000], false);
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    assembler.begin(Some(Ticks(0)));
    assembler.data(&false_header[..7], &mut sink);
    assembler.data(&whole(&stream), &mut sink);
    assert_eq!(payloads(&sink), expected[1..], "the first one confirms the position");
}

/// Any bytes, any order of calls: no panic, the sink's rules kept (the collector asserts them).
#[test]
fn random_bytes_and_calls_do_no_harm() {
    let mut random = Random(13);
    let mut assembler = AdtsAssembler::new();
    let mut sink = Collector::default();
    let (stream, _) = frames(4);
    for round in 0..100_000i64 {
        match random.below(6) {
            0 => assembler.begin((random.below(4) > 0).then_some(Ticks(round * 1920))),
            1 if random.below(4) == 0 => assembler.lost(&mut sink),
            2 => {
                let bytes = random.below(30);
                let noise = payload(&mut random, bytes);
                assembler.data(&noise, &mut sink);
            }
            _ => {
                let mut bytes = stream.clone();
                if random.below(2) == 0 {
                    let place = random.below(bytes.len());
                    bytes[place] = random.byte();
                }
                let from = if random.below(2) == 0 { 0 } else { random.below(bytes.len()) };
                assembler.data(&bytes[from..], &mut sink);
            }
        }
        if round % 1000 == 0 {
            sink.said.clear();
        }
    }
    assert!(assembler.counters().frames > 10_000);
    assert!(assembler.counters().resyncs > 100);
}

use super::*;
use crate::base::limits::ACCESS_UNIT_HEAD_BYTES_MAX;
use crate::base::time::Ticks;
use crate::codec::collector::{hex, Collector, Random, Said};

const AUD: &[u8] = &[9, 0xf0];
/// 64x48, 30 frames a second.
const SPS: &str = "6742c00ada11ec0440000003004000000f03c489a8";
const PPS: &str = "68ce0fc8";
/// 1024x576, 25 frames a second.
const OTHER_SPS: &str = "6764001facb300800934d4140815000003000100000300328f183268";
const OTHER_PPS: &str = "68e9732c8b";
/// A buffering period, then recovery_frame_cnt 0; 3 is an emulation prevention byte of the first.
const RECOVERY_SEI: &[u8] = &[6, 0, 4, 0x80, 0, 0, 3, 1, 6, 1, 0xc4, 0x80];
/// recovery_frame_cnt 1: a decoder is not whole before the next picture.
const GRADUAL_SEI: &[u8] = &[6, 6, 1, 0x44, 0x80];
const IDR: &[u8] = &[0x65, 0x88, 0x84, 0, 0, 3, 1, 0xff];
/// The same picture's second slice: first_mb_in_slice 1.
const IDR_SECOND: &[u8] = &[0x65, 0x42, 0x21, 0, 0, 3, 0, 0x7f, 0xe0];
const SLICE: &[u8] = &[0x41, 0x9a, 0, 0, 3, 0, 0x11];

/// NAL units as a byte stream; every second one has a four-byte start code.
fn annex_b<N: AsRef<[u8]>>(nals: &[N]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (index, nal) in nals.iter().enumerate() {
        let start: &[u8] = if index % 2 == 0 { &[0, 0, 0, 1] } else { &[0, 0, 1] };
        stream.extend_from_slice(start);
        stream.extend_from_slice(nal.as_ref());
    }
    stream
}

struct Bench {
    assembler: H264Assembler,
    sink: Collector,
    dts: i64,
}

impl Bench {
    fn new() -> Bench {
        Bench { assembler: H264Assembler::new(), sink: Collector::default(), dts: 0 }
    }

    /// One PES packet with these NAL units, 3000 ticks after the one before.
    fn packet<N: AsRef<[u8]>>(&mut self, nals: &[N]) {
        self.begin();
        self.assembler.data(&annex_b(nals), &mut self.sink);
        self.assembler.end(&mut self.sink);
    }

    fn begin(&mut self) {
        self.dts += 3000;
        self.begin_at(Some(self.dts));
    }

    /// A packet with this DTS, or without times.
    fn begin_at(&mut self, dts: Option<i64>) {
        let times = dts.map(|dts| (Ticks(dts), Ticks(dts + 6000)));
        self.assembler.begin(PacketStart { times, ..PacketStart::default() });
    }

    fn keys(&self) -> Vec<bool> {
        self.sink.units().iter().map(|(start, _)| start.key).collect()
    }
}

fn key_packet() -> Vec<Vec<u8>> {
    vec![AUD.to_vec(), hex(SPS), hex(PPS), GRADUAL_SEI.to_vec(), IDR.to_vec(), IDR_SECOND.to_vec()]
}

#[test]
fn nal_units_come_out_unchanged_and_in_order_whatever_the_fragments() {
    let nals = key_packet();
    let stream = annex_b(&nals);
    let mut splits: Vec<Vec<&[u8]>> = vec![vec![&stream]];
    splits.extend((1..stream.len()).map(|size| stream.chunks(size).collect()));
    splits.extend((1..stream.len()).map(|at| vec![&stream[..at], &stream[at..]]));
    for fragments in splits {
        let mut bench = Bench::new();
        bench.begin();
        for fragment in fragments {
            bench.assembler.data(fragment, &mut bench.sink);
        }
        bench.assembler.end(&mut bench.sink);
        assert_eq!(bench.sink.nals(), nals);
        let start =
            UnitStart { track: Track::Video, dts: Ticks(3000), pts: Ticks(9000), key: true };
        assert_eq!(bench.sink.units()[0].0, start);
        assert_eq!(bench.assembler.counters(), H264Counters { units: 1, ..Default::default() });
    }
}

#[test]
fn random_units_survive_random_fragments() {
    let mut random = Random(7);
    let mut bench = Bench::new();
    let mut nals = Vec::new();
    for unit in 0..300 {
        let mut packet = if unit % 30 == 0 { key_packet() } else { vec![AUD.to_vec()] };
        let slices = if unit % 30 == 0 { 0 } else { 1 + random.below(3) };
        for number in 0..slices {
            // first_mb_in_slice 0 or 1, frame_num 0.
            let mut slice =
                if number == 0 { vec![0x41, 0x9a, 0x1f] } else { vec![0x41, 0x46, 0x87] };
            // Few values, so that zeros and ones meet; escaped as an encoder does.
            for _ in 0..random.below(400) {
                let byte = u8::try_from(random.below(5)).unwrap();
                if byte <= 3 && slice.ends_with(&[0, 0]) {
                    slice.push(3);
                }
                slice.push(byte);
            }
            slice.push(0x80);
            packet.push(slice);
        }
        bench.begin();
        let stream = annex_b(&packet);
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (fragment, behind) = rest.split_at((1 + random.below(90)).min(rest.len()));
            bench.assembler.data(fragment, &mut bench.sink);
            rest = behind;
        }
        bench.assembler.end(&mut bench.sink);
        nals.extend(packet);
    }
    assert_eq!(bench.sink.nals(), nals);
    assert_eq!(bench.sink.units().len(), 300);
    assert_eq!(bench.sink.configs().len(), 1);
}

#[test]
fn nothing_leaves_before_sps_and_pps() {
    let mut bench = Bench::new();
    bench.packet(&[AUD, IDR]);
    bench.packet(&[AUD, &hex(SPS), SLICE]);
    assert_eq!(bench.sink.said, []);
    bench.packet(&[AUD, &hex(PPS), SLICE]);
    assert_eq!(bench.keys(), [false]);
    assert_eq!(bench.assembler.counters().without_config, 2);
}

#[test]
fn the_configuration_is_announced_before_its_unit_and_only_when_it_changes() {
    let mut bench = Bench::new();
    let sets = |sps: &str, pps: &str| vec![hex(sps), hex(pps), IDR.to_vec()];
    bench.packet(&sets(SPS, PPS));
    bench.packet(&sets(SPS, PPS));
    bench.packet(&[SLICE]);
    bench.packet(&sets(OTHER_SPS, OTHER_PPS));
    bench.packet(&sets(OTHER_SPS, OTHER_PPS));
    let kinds: Vec<char> = bench
        .sink
        .said
        .iter()
        .map(|said| match said {
            Said::Config(_) => 'c',
            Said::Unit(..) => 'u',
            Said::Aborted(_) => 'a',
        })
        .collect();
    assert_eq!(kinds, ['c', 'u', 'u', 'u', 'c', 'u', 'u']);
    let [TrackConfig::Avc(first), TrackConfig::Avc(second)] = &bench.sink.configs()[..] else {
        panic!("two video configurations");
    };
    assert_eq!((first.width, first.height, first.frame_rate), (64, 48, 30.0));
    assert_eq!((second.width, second.height, second.frame_rate), (1024, 576, 25.0));
    assert_eq!(AvcConfig::from_record(&first.record).as_ref(), Ok(first));
    assert_eq!(AvcConfig::from_record(&second.record).as_ref(), Ok(second));
}

#[test]
fn the_sps_in_use_comes_first_in_the_record() {
    // seq_parameter_set_id 1, 64x48, no VUI.
    let second = hex("6742c00a56847b011020");
    let mut bench = Bench::new();
    bench.packet(&[&hex(OTHER_SPS), &hex(PPS), IDR]);
    for (sps, width) in [(&second, 64), (&hex(OTHER_SPS), 1024)] {
        bench.packet(&[sps, IDR]);
        let configs = bench.sink.configs();
        let Some(TrackConfig::Avc(config)) = configs.last() else { panic!("a configuration") };
        assert_eq!((config.width, config.record[5] & 0x1f), (width, 2));
        assert_eq!(config.record[8..8 + sps.len()], sps[..]);
    }
    assert_eq!(bench.sink.configs().len(), 3);
}

#[test]
fn a_pps_that_changes_within_a_gop_waits_for_the_next_key_unit() {
    let mut bench = Bench::new();
    bench.packet(&[&hex(SPS), &hex(PPS), IDR]);
    bench.packet(&[&hex("68ce3c80"), SLICE]);
    assert_eq!(bench.sink.configs().len(), 1);
    bench.packet(&[IDR]);
    assert_eq!(bench.sink.configs().len(), 2);
}

#[test]
fn broken_sets_leave_the_configuration_alone_and_are_counted() {
    let mut bench = Bench::new();
    bench.packet(&[&hex(SPS), &hex(PPS), IDR]);
    bench.packet(&[AUD, &hex("6742c0"), &[0x68, 0], IDR]);
    bench.packet(&[AUD, &[0x67; 600], IDR]);
    assert_eq!(bench.sink.configs().len(), 1);
    assert_eq!(bench.sink.units().len(), 3);
    let counters = bench.assembler.counters();
    assert_eq!((counters.bad_parameter_sets, counters.excess_parameter_sets), (2, 1));
}

#[test]
fn parameter_sets_in_a_packet_of_their_own_go_with_the_next_unit() {
    let mut bench = Bench::new();
    bench.packet(&[hex(SPS), hex(PPS)]);
    bench.packet(&[IDR]);
    assert_eq!(bench.sink.nals(), [hex(SPS), hex(PPS), IDR.to_vec()]);
    assert_eq!(bench.sink.units()[0].0.dts, Ticks(3000), "it commences with them");
}

#[test]
fn a_head_larger_than_its_buffer_costs_its_unit() {
    let mut bench = Bench::new();
    let mut sei = vec![6];
    sei.resize(ACCESS_UNIT_HEAD_BYTES_MAX, 0x55);
    bench.packet(&key_packet());
    bench.packet(&[AUD, &sei, IDR]);
    bench.packet(&[AUD, SLICE]);
    assert_eq!(bench.keys(), [true, false]);
    assert_eq!(bench.assembler.counters().oversized_heads, 1);
    assert_eq!(bench.assembler.writer.capacity(), ACCESS_UNIT_HEAD_BYTES_MAX);
}

#[test]
fn an_aborted_unit_is_aborted_in_the_sink_and_the_next_one_is_whole() {
    let mut bench = Bench::new();
    bench.packet(&key_packet());
    bench.begin();
    bench.assembler.data(&annex_b(&[AUD, SLICE]), &mut bench.sink);
    bench.assembler.lost(true, &mut bench.sink);
    bench.assembler.data(&annex_b(&[SLICE]), &mut bench.sink);
    bench.begin();
    bench.assembler.data(&annex_b(&[AUD]), &mut bench.sink);
    assert!(bench.assembler.lost(true, &mut bench.sink));
    assert!(!bench.assembler.lost(true, &mut bench.sink), "it is given up once");
    bench.packet(&[AUD, SLICE]);
    assert!(matches!(bench.sink.said[2], Said::Aborted(_)));
    assert_eq!(bench.keys(), [true, false]);
    assert_eq!(bench.sink.nals()[6..], [AUD, SLICE]);
    assert_eq!(bench.assembler.counters().broken, 2);
}

#[test]
fn further_units_of_a_packet_get_times_in_between() {
    let mut bench = Bench::new();
    // The first packet knows its frame rate from the SPS only: 3000 ticks a frame.
    let sps = hex(SPS);
    let pps = hex(PPS);
    let packets: [(Option<i64>, &[&[u8]]); 6] = [
        (Some(3000), &[AUD, &sps, &pps, IDR, AUD, SLICE]),
        // Faster than it said: the next one is not overtaken.
        (Some(5000), &[AUD, SLICE, AUD, SLICE, AUD, SLICE]),
        (Some(8000), &[AUD, SLICE]),
        (None, &[AUD, SLICE]),
        (Some(12_000), &[AUD, SLICE]),
        (None, &[AUD, SLICE, AUD, SLICE]),
    ];
    for (dts, nals) in packets {
        bench.begin_at(dts);
        bench.assembler.data(&annex_b(nals), &mut bench.sink);
        bench.assembler.end(&mut bench.sink);
    }
    let dts: Vec<i64> = bench.sink.units().iter().map(|(start, _)| start.dts.0).collect();
    assert_eq!(dts, [3000, 6000, 6001, 6002, 7000, 8000, 9000, 12_000, 14_000, 16_000]);
}

#[test]
fn a_dts_behind_its_pts_is_corrected_and_counted() {
    let mut bench = Bench::new();
    let times = Some((Ticks(9000), Ticks(3000)));
    bench.assembler.begin(PacketStart { times, ..PacketStart::default() });
    bench.assembler.data(&annex_b(&key_packet()), &mut bench.sink);
    bench.assembler.end(&mut bench.sink);
    assert_eq!(bench.sink.units()[0].0.pts, Ticks(9000));
    assert_eq!(bench.assembler.counters().corrected_times, 1);
}

#[test]
fn recovery_points_are_key_units_where_no_idr_comes() {
    let mut bench = Bench::new();
    bench.packet(&[AUD, &hex(SPS), &hex(PPS), RECOVERY_SEI, SLICE]);
    assert!(!bench.assembler.recovery_points());
    bench.packet(&[AUD, RECOVERY_SEI, SLICE]);
    assert!(bench.assembler.recovery_points());
    bench.packet(&[AUD, IDR]);
    assert!(!bench.assembler.recovery_points());
    bench.packet(&[AUD, RECOVERY_SEI, SLICE]);
    assert_eq!(bench.keys(), [false, true, true, false]);
}

/// Any bytes, any order of calls: no panic, the sink's rules kept (the collector asserts them).
#[test]
fn random_bytes_and_calls_do_no_harm() {
    let mut random = Random(11);
    let mut bench = Bench::new();
    let whole = annex_b(&key_packet());
    for round in 0..100_000 {
        match random.below(6) {
            0 => bench.begin(),
            1 => bench.assembler.end(&mut bench.sink),
            2 => {
                bench.assembler.lost(random.below(2) == 0, &mut bench.sink);
            }
            3 => {
                let mut bytes = whole.clone();
                let place = random.below(bytes.len());
                bytes[place] = random.byte();
                bench.assembler.data(&bytes[random.below(place + 1)..], &mut bench.sink);
            }
            _ => {
                let bytes: Vec<u8> = (0..random.below(24))
                    .map(|_| {
                        if random.below(3) > 0 {
                            u8::from(random.below(3) == 0)
                        } else {
                            random.byte()
                        }
                    })
                    .collect();
                bench.assembler.data(&bytes, &mut bench.sink);
            }
        }
        if round % 1000 == 0 {
            for (_, unit) in bench.sink.units() {
                crate::codec::collector::split_lengths(&unit);
            }
            bench.sink.said.clear();
        }
    }
    assert!(bench.assembler.counters().units > 1000);
}

#[cfg(test)]
#[path = "h264_packing_tests.rs"]
mod packing_tests;

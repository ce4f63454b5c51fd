//! Access units cut into packets anywhere, and streams of which parts are missing: what comes out is
//! each unit whole, under the time of the packet in which it commences, or nothing of it.

use super::*;

/// An access unit, and where its NAL units stand in the stream: their start codes' first byte.
struct Packed {
    nals: Vec<Vec<u8>>,
    at: Vec<usize>,
    dts: i64,
}

impl Packed {
    /// Where each NAL unit's header byte stands.
    fn headers(&self) -> impl Iterator<Item = (usize, u8)> + '_ {
        self.at.iter().zip(&self.nals).map(|(at, nal)| (at + 3, nal_type::of(nal[0])))
    }
}

/// Units with delimiters or without, with SEI, prefixes and filler, of one to three slices.
fn stream(random: &mut Random, delimited: bool, count: usize) -> (Vec<u8>, Vec<Packed>) {
    let (mut bytes, mut units) = (Vec::new(), Vec::new());
    for unit in 0..count {
        let key = unit % 10 == 0;
        let mut nals: Vec<Vec<u8>> = Vec::new();
        if delimited {
            nals.push(AUD.to_vec());
        }
        if key {
            nals.extend([hex(SPS), hex(PPS)]);
        }
        if key || random.below(3) == 0 {
            nals.push(GRADUAL_SEI.to_vec());
        }
        // Where a unit begins with a prefix, only its slice tells.
        let has_prefix = !nals.is_empty() && random.below(4) == 0;
        for slice in 0..1 + random.below(3) {
            if has_prefix {
                nals.push(vec![0x6e, 0x40, 0x80]);
            }
            let begins: &[u8] = match (key, slice) {
                (true, 0) => IDR,
                (true, _) => IDR_SECOND,
                (false, 0) => &[0x41, 0x9a, 0x1f],
                (false, _) => &[0x41, 0x46, 0x87],
            };
            let rest = (0..8 + random.below(120)).map(|_| 4 + (random.byte() & 3));
            nals.push(begins.iter().copied().chain(rest).chain([0x80]).collect());
        }
        if random.below(4) == 0 {
            nals.push(vec![12, 0xff, 0xff, 0x80]);
        }
        let mut at = Vec::new();
        for nal in &nals {
            // The first of all has its zero byte, others may.
            if bytes.is_empty() || random.below(2) == 0 {
                bytes.push(0);
            }
            at.push(bytes.len());
            bytes.extend([0, 0, 1]);
            bytes.extend(nal);
        }
        units.push(Packed { nals, at, dts: 90_000 + 3_000 * unit as i64 });
    }
    (bytes, units)
}

/// The first unit that commences between two places.
fn commences(units: &[Packed], from: usize, to: usize) -> Option<&Packed> {
    units.iter().find(|unit| (from..to).contains(&unit.at[0]))
}

fn nals_of(payload: &[u8]) -> Vec<Vec<u8>> {
    crate::codec::collector::split_lengths(payload)
}

fn begin(bench: &mut Bench, units: &[Packed], from: usize, to: usize) {
    bench.begin_at(commences(units, from, to).map(|unit| unit.dts));
}

#[test]
fn units_come_out_whole_and_in_time_wherever_packets_are_cut() {
    let (mut inside, mut aligned) = (0, 0);
    for seed in 1..120 {
        let mut random = Random(seed);
        let (bytes, units) = stream(&mut random, seed % 2 == 0, 40);
        let mut bench = Bench::new();
        let mut from = 0;
        while from < bytes.len() {
            // Anywhere, inside start codes too, or where a unit commences.
            let to = match random.below(3) {
                0 => units.iter().map(|unit| unit.at[0]).find(|at| *at > from),
                1 => units.iter().flat_map(|unit| &unit.at).copied().find(|at| *at > from),
                _ => None,
            };
            let to = to.unwrap_or(from + 1 + random.below(300)).min(bytes.len());
            begin(&mut bench, &units, from, to);
            for fragment in bytes[from..to].chunks(1 + random.below(90)) {
                bench.assembler.data(fragment, &mut bench.sink);
            }
            let starts = |at: usize| at == from || (at == from + 1 && bytes[from] == 0);
            let is_start = units.iter().any(|unit| starts(unit.at[0]));
            match bench.assembler.take_border() {
                None => {}
                Some(Border::Unit) => {
                    aligned += 1;
                    assert!(is_start, "seed {seed}: no unit commences at {from}");
                }
                Some(Border::Inside) => {
                    inside += 1;
                    assert!(!is_start, "seed {seed}: a unit commences at {from}");
                }
            }
            // By the newest NAL unit whose header has come; a prefix is of what follows it.
            let headers = units
                .iter()
                .enumerate()
                .flat_map(|(n, unit)| unit.headers().map(move |(at, kind)| (at, kind, n)));
            let come: Vec<_> = headers.take_while(|(at, ..)| *at < to).collect();
            if let Some((_, kind, unit)) = come.last().filter(|(_, kind, _)| *kind != 14) {
                let mut kinds = come.iter().filter(|(.., of)| of == unit);
                let has_slice = kinds.any(|(_, kind, _)| nal_type::SLICES.contains(kind));
                assert_eq!(bench.assembler.is_in_picture(), has_slice, "{seed} {kind} to {to}");
            }
            from = to;
        }
        bench.assembler.end(&mut bench.sink);
        let got = bench.sink.units();
        assert_eq!(got.len(), units.len(), "seed {seed}");
        for ((start, payload), unit) in got.iter().zip(&units) {
            assert_eq!(nals_of(payload), unit.nals, "seed {seed}");
            assert_eq!((start.dts.0, start.key), (unit.dts, unit.nals.contains(&hex(SPS))));
        }
        assert_eq!(bench.assembler.counters().units, 40);
    }
    assert!(inside > 500, "{inside} {aligned}");
    assert!(aligned > 500, "{inside} {aligned}");
}

/// Parts are missing, and the stream goes on in another packet: what leaves is whole, each unit
/// once and in order, and none is lost that lies far enough behind.
#[test]
fn behind_a_loss_nothing_leaves_that_is_not_whole() {
    for seed in 1..300 {
        let mut random = Random(seed);
        let delimited = seed % 2 == 0;
        let (bytes, units) = stream(&mut random, delimited, 60);
        let mut bench = Bench::new();
        let (mut from, mut lost) = (0, Vec::new());
        while from < bytes.len() {
            let to = (from + 1 + random.below(400)).min(bytes.len());
            begin(&mut bench, &units, from, to);
            bench.assembler.data(&bytes[from..to], &mut bench.sink);
            from = to;
            if random.below(12) == 0 {
                bench.assembler.lost(false, &mut bench.sink);
                from = to + 1 + random.below(900);
                lost.push(to..from);
            }
        }
        bench.assembler.end(&mut bench.sink);
        let mut got: Vec<usize> = Vec::new();
        for (start, payload) in bench.sink.units() {
            let (nals, next) = (nals_of(&payload), got.last().map_or(0, |last| last + 1));
            let unit = units[next..].iter().position(|unit| unit.nals == nals);
            assert!(unit.is_some(), "seed {seed}: at {:?} it is none that was sent", start.dts);
            got.extend(unit.map(|ahead| next + ahead));
        }
        // A delimiter, or an SPS, tells where units begin: what comes behind it is there.
        let header = if delimited { 0 } else { SLICE_HEAD_BYTES };
        // Before the first key unit that came whole nothing can be shown.
        for n in got.first().map_or(0..0, |first| *first..units.len()) {
            let end = units.get(n + 1).map_or(bytes.len() + 1, |next| next.at[0] + 4 + header);
            let since = if delimited { n } else { n - n % 10 };
            let span = units[since].at[0]..end;
            let is_whole = lost.iter().all(|gap| gap.end <= span.start || gap.start >= span.end);
            assert!(!is_whole || got.contains(&n), "seed {seed}: unit {n} is missing");
        }
    }
}

#[test]
fn what_cannot_be_used_is_counted() {
    let mut bench = Bench::new();
    bench.packet(&[AUD, IDR]);
    bench.packet(&[AUD, SLICE]);
    bench.packet(&[AUD, SLICE]);
    let counters = bench.assembler.counters();
    assert_eq!((counters.without_config, counters.keys_without_config), (3, 1));
    bench.packet(&key_packet());
    bench.assembler.jump(true, &mut bench.sink);
    for _ in 0..3 {
        bench.begin_at(None);
        bench.assembler.data(&annex_b(&[AUD, SLICE]), &mut bench.sink);
        bench.assembler.end(&mut bench.sink);
    }
    assert_eq!(bench.assembler.counters().without_time, 3);
    bench.packet(&[AUD, SLICE]);
    assert_eq!(bench.keys(), [true, false]);
}

/// A jump while a unit is open: the sink hears that it breaks, and nothing of it goes on behind.
#[test]
fn a_unit_that_is_open_at_a_jump_is_given_up() {
    let mut bench = Bench::new();
    bench.packet(&key_packet());
    bench.begin();
    bench.assembler.data(&annex_b(&[AUD, SLICE]), &mut bench.sink);
    assert!(bench.assembler.is_in_picture());
    bench.assembler.jump(false, &mut bench.sink);
    assert!(!bench.assembler.is_in_picture());
    bench.packet(&key_packet());
    assert!(matches!(bench.sink.said[2], Said::Aborted(_)));
    assert_eq!(bench.keys(), [true, true]);
    assert_eq!(bench.sink.nals(), [key_packet(), key_packet()].concat());
}

#[test]
fn of_several_units_begun_the_last_key_unit_is_named() {
    let mut bench = Bench::new();
    let (sps, pps) = (hex(SPS), hex(PPS));
    let packets: [(&[&[u8]], Option<bool>); 4] = [
        (&[AUD, &sps, &pps, IDR, AUD, SLICE], Some(true)),
        (&[AUD, SLICE, AUD, SLICE], Some(false)),
        (&[AUD, SLICE, AUD, IDR], Some(true)),
        (&[], None),
    ];
    for (nals, begun) in packets {
        bench.packet(nals);
        assert_eq!(bench.assembler.take_begun().map(|begun| begun.key), begun);
    }
}

/// A muxer that packs by NAL unit states a unit's time with its slice; one that cuts anywhere states
/// it for the unit that commences in the packet.
#[test]
fn the_time_of_a_packet_is_that_of_the_unit_whose_head_it_goes_on_with_or_of_the_next() {
    let mut bench = Bench::new();
    let second: &[u8] = &[0x41, 0x46, 0x87];
    let packets: [(Option<i64>, &[&[u8]]); 7] = [
        (Some(90_000), &[&hex(SPS), &hex(PPS), IDR]),
        (None, &[AUD]),
        (Some(100_000), &[SLICE]),
        (None, &[AUD, SLICE]),
        (Some(120_000), &[second, AUD, SLICE]),
        (None, &[AUD, SLICE]),
        (Some(140_000), &[AUD, SLICE]),
    ];
    for (dts, nals) in packets {
        bench.begin_at(dts);
        bench.assembler.data(&annex_b(nals), &mut bench.sink);
    }
    bench.assembler.end(&mut bench.sink);
    let dts: Vec<i64> = bench.sink.units().iter().map(|(start, _)| start.dts.0).collect();
    let stated = [dts[0], dts[1], dts[3], dts[5]];
    assert_eq!((dts.len(), stated), (6, [90_000, 100_000, 120_000, 140_000]), "{dts:?}");
}

/// SVC as some hardware encoders write it: each slice has a prefix, and no unit a delimiter.
#[test]
fn a_prefix_goes_with_its_slice() {
    const PREFIX: &[u8] = &[0x6e, 0x40, 0x80];
    let units = [
        vec![hex(SPS), hex(PPS), PREFIX.to_vec(), IDR.to_vec()],
        vec![PREFIX.to_vec(), SLICE.to_vec()],
        vec![PREFIX.to_vec(), SLICE.to_vec(), PREFIX.to_vec(), vec![0x41, 0x46, 0x87]],
        vec![PREFIX.to_vec(), SLICE.to_vec()],
    ];
    let stream = annex_b(&units.concat());
    for size in 1..stream.len() {
        let mut bench = Bench::new();
        for packet in stream.chunks(size) {
            bench.begin();
            bench.assembler.data(packet, &mut bench.sink);
        }
        bench.assembler.end(&mut bench.sink);
        let got: Vec<_> = bench.sink.units().iter().map(|(_, unit)| nals_of(unit)).collect();
        assert_eq!(got, units, "packets of {size}");
    }
}

/// Filler behind a unit that has left early is nobody's.
#[test]
fn what_follows_slices_does_not_begin_the_next_unit() {
    let mut bench = Bench::new();
    bench.packet(&key_packet());
    bench.packet(&[&[12, 0xff, 0x80], AUD, SLICE]);
    assert_eq!(bench.sink.nals(), [key_packet(), vec![AUD.to_vec(), SLICE.to_vec()]].concat());
}

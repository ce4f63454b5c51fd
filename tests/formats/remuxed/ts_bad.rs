//! Transport streams that no muxer should write: bounded, and over as soon as the stream is good.

use std::collections::HashMap;

use fastrand::Rng;
use streamcaster::ts::demux::Demux;
use test_support::recipes::transport_streams;
use test_support::ts::{Cut, Muxer};
use test_support::units::{AccessUnit, Track};
use test_support::{aac, h264};

use super::compared::{difference, of_track};
use super::ts::Stream;
use crate::recorder::Recorder;

fn demultiplexed(parts: &[&[u8]]) -> (Recorder, Demux) {
    let (mut came, mut demux) = (Recorder::default(), Demux::new(None));
    for datagram in parts.iter().flat_map(|part| part.chunks(1316)) {
        demux.datagram(datagram, &mut came);
    }
    demux.finish(&mut came);
    (came, demux)
}

/// Both streams in one, the second's continuity counters going on from the first's, as where a
/// switch has spliced them.
fn spliced(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut bytes = [first, second].concat();
    let mut counters = HashMap::new();
    for packet in bytes.chunks_exact_mut(188) {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let counter = counters.entry(pid).or_insert(0u8);
        *counter = (*counter + 1) & 15;
        packet[3] = packet[3] & 0xf0 | *counter;
    }
    bytes
}

/// Two muxers, one after the other, in one stream and in both orders: at most the frames around the
/// splice are lost, and every other one is what was sent.
#[test]
fn a_splice_of_two_muxers_costs_no_more_than_the_frames_beside_it() {
    let recipes = transport_streams();
    for first in &recipes {
        for second in &recipes {
            let streams = [first, second].map(|r| Stream::new(&r.encoder, &r.muxer, 60, 5));
            let [one, two] = &streams;
            let (came, demux) = demultiplexed(&[&spliced(&one.muxed.bytes, &two.muxed.bytes)]);
            let payloads = |stream: &Stream| {
                let video = of_track(&stream.units, Track::Video, 0);
                video.iter().map(AccessUnit::payload).collect::<Vec<_>>()
            };
            let sent: Vec<Vec<u8>> = streams.iter().flat_map(payloads).collect();
            let video = came.video();
            let strange = video.iter().filter(|(_, unit)| !sent.contains(unit)).count();
            let missing = sent.len().saturating_sub(video.len() - strange);
            let names = (first.name, second.name);
            assert!(missing <= 3, "{names:?}: {missing} missing, {:?}", demux.counters());
            // What was believed of the first one's PES may let a frame of the second leave early, and
            // its second field by itself.
            assert!(strange <= 2, "{names:?}: {strange} were never sent");
        }
    }
}

#[test]
fn a_stream_that_never_delimits_a_unit_is_one_unit_and_no_more() {
    let mut stream = h264::Encoder::default().encode(2, 0, &mut Rng::with_seed(1));
    let endless = stream.last_mut().and_then(|unit| unit.nals.last_mut()).expect("a slice");
    endless.extend(vec![0x55; 3_000_000]);
    let muxer = Muxer { cut: Cut::Anywhere(20_000), ..Muxer::default() };
    let muxed = muxer.mux(&stream, &aac::Encoder::default(), &mut Rng::with_seed(1));
    let (came, _) = demultiplexed(&[&muxed.bytes]);
    assert!(came.is_closed());
    assert_eq!(came.video().len(), 2);
}

#[test]
fn thousands_of_units_in_a_pes_all_come_out() {
    let encoder = h264::Encoder {
        slice_bytes: 4,
        delimiters: false,
        gop: 500,
        durations: vec![1800],
        ..h264::Encoder::default()
    };
    let muxer = Muxer { cut: Cut::Units(3000, 3000), ..Muxer::default() };
    let stream = Stream::new(&encoder, &muxer, 6001, 3);
    let (came, _) = demultiplexed(&[&stream.muxed.bytes]);
    let sent = of_track(&stream.units, Track::Video, 0);
    assert_eq!(difference(&sent, &came.video(), 0, 0), None);
}

#[test]
fn one_pts_in_an_hour_is_enough() {
    let encoder = h264::Encoder { b_pictures: 2, slice_bytes: 4, ..h264::Encoder::default() };
    let muxer = Muxer { times_every: usize::MAX, ..Muxer::default() };
    let stream = Stream::new(&encoder, &muxer, 5000, 3);
    let (came, _) = demultiplexed(&[&stream.muxed.bytes]);
    let sent = of_track(&stream.units, Track::Video, 0);
    assert_eq!(difference(&sent, &came.video(), 0, 0), None);
}

/// Slices in any order, also before their parameter sets and without their first one.
#[test]
fn slices_out_of_order_do_no_harm() {
    for seed in 1..=50 {
        let rng = &mut Rng::with_seed(seed);
        let encoder = h264::Encoder { slices: 4, ..h264::Encoder::random(rng) };
        let mut units = encoder.encode(100, 0, rng);
        for unit in &mut units {
            if rng.u8(0..3) == 0 {
                rng.shuffle(&mut unit.nals);
            }
            if rng.u8(0..9) == 0 {
                unit.nals.remove(0);
            }
        }
        units.retain(|unit| !unit.nals.is_empty());
        let muxed = Muxer::random(rng).mux(&units, &aac::Encoder::default(), rng);
        let (came, _) = demultiplexed(&[&muxed.bytes]);
        assert!(came.is_closed());
        let dts: Vec<i64> = came.video().iter().map(|(start, _)| start.dts.0).collect();
        let sent: usize = units.iter().map(|unit| unit.payload().len()).sum();
        assert!(came.bytes_max <= sent, "seed {seed}");
        assert!(!dts.is_empty(), "seed {seed}");
    }
}

/// An encoder that refreshes line by line, joined after its only IDR.
#[test]
fn an_intra_refresh_stream_is_joined_at_a_recovery_point() {
    let encoder = h264::Encoder { intra_refresh: true, gop: 30, ..h264::Encoder::default() };
    let units = encoder.encode(200, 0, &mut Rng::with_seed(1));
    let late = units.get(7..).expect("so many");
    let muxed = Muxer::default().mux(late, &aac::Encoder::default(), &mut Rng::with_seed(1));
    let (came, _) = demultiplexed(&[&muxed.bytes]);
    let keys: Vec<i64> =
        came.video().iter().filter(|(start, _)| start.key).map(|(s, _)| s.dts.0).collect();
    // The first recovery point may be followed by an IDR; from the second on they are key units.
    assert_eq!(keys, [60, 90, 120, 150, 180].map(|n| n * 3600));
}

//! The demultiplexer as a whole, on streams written packet by packet.

use super::demux::{Counters, Demux, ProgrammeState};
use super::testing::{access_unit, adts, Pes, Writer, AUDIO, PMT, VIDEO};
use crate::codec::access_unit::{Track, UnitStart};
use crate::codec::collector::{Collector, Random, Said};

const FRAME: u64 = 3600;
const WRAP: u64 = 1 << 33;

/// A writer, a demultiplexer and what came out of it.
struct Bench {
    writer: Writer,
    demux: Demux,
    sink: Collector,
    random: Random,
    frames: u64,
    /// Annex B of the units that must come out, delimiters included.
    sent: Vec<Vec<u8>>,
}

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench::bare(None);
        bench.writer.tables();
        bench
    }

    fn bare(programme: Option<u16>) -> Bench {
        Bench {
            writer: Writer::default(),
            demux: Demux::new(programme),
            sink: Collector::default(),
            random: Random(11),
            frames: 0,
            sent: Vec::new(),
        }
    }

    /// Sends what was written, a packet a datagram.
    fn send(&mut self) {
        for packet in self.writer.take().chunks(188) {
            self.demux.datagram(packet, &mut self.sink);
        }
    }

    fn next_unit(&mut self, slice_bytes: usize) -> Vec<u8> {
        let unit = access_unit(self.frames == 0, slice_bytes, &mut self.random);
        self.frames += 1;
        unit
    }

    fn time(&self) -> u64 {
        900_000 + self.frames * FRAME
    }

    /// Writes a frame of no stated length that ends stuffed.
    fn frame(&mut self) {
        let time = self.time();
        let unit = self.next_unit(500);
        self.writer.pes(&video(time, &unit));
        self.sent.push(unit);
    }

    fn counters(&self) -> Counters {
        *self.demux.counters()
    }

    fn starts(&self, track: Track) -> Vec<UnitStart> {
        let units = self.sink.units().into_iter().map(|(start, _)| start);
        units.filter(|start| start.track == track).collect()
    }

    fn dts(&self) -> Vec<i64> {
        self.starts(Track::Video).iter().map(|start| start.dts.0).collect()
    }

    fn video_units(&self) -> usize {
        self.starts(Track::Video).len()
    }

    /// The first of the units sent, and no others, came out, unchanged.
    fn assert_came(&self, units: usize) {
        assert_eq!(self.video_units(), units, "{:?}", self.counters());
        let sent = self.sent.get(..units).expect("so many were sent");
        let nals = |unit: &Vec<u8>| split(unit);
        assert_eq!(self.sink.nals(), sent.iter().flat_map(nals).collect::<Vec<_>>());
    }

    /// The belief in stuffed ends is earned.
    fn prove(&mut self) {
        for _ in 0..10 {
            self.frame();
        }
        self.send();
        assert_eq!((self.video_units(), self.counters().early_ends), (10, 2));
    }
}

fn video(time: u64, body: &[u8]) -> Pes<'_> {
    Pes { pid: VIDEO, pts: Some(time % WRAP), dts: None, length_error: None, body }
}

fn split(unit: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> =
        (0..unit.len()).filter(|n| unit[*n..].starts_with(&[0, 0, 1])).collect();
    let ends = starts.iter().skip(1).copied().chain([unit.len()]);
    let nal = |(start, end): (&usize, usize)| {
        let nal = &unit[start + 3..end];
        nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)].to_vec()
    };
    starts.iter().zip(ends).map(nal).collect()
}

#[test]
fn a_frame_leaves_at_its_last_packet_once_the_stream_has_proven_itself() {
    let mut bench = Bench::new();
    bench.prove();
    bench.frame();
    let last = bench.writer.packets.pop().expect("a packet");
    bench.send();
    assert_eq!(bench.video_units(), 10, "its last packet is not here");
    bench.writer.packets.push(last);
    bench.send();
    bench.assert_came(11);
}

#[test]
fn a_frame_that_ends_flush_waits_and_teaches_nothing() {
    let mut bench = Bench::new();
    bench.prove();
    let (time, unit) = (bench.time(), bench.next_unit(184 * 3 - 14 - 6 - 4));
    bench.writer.pes(&video(time, &unit));
    bench.sent.push(unit);
    bench.send();
    bench.assert_came(10);
    bench.frame();
    bench.send();
    bench.assert_came(12);
    assert_eq!(bench.counters().early_ends, 3);
}

#[test]
fn a_wrong_early_end_is_counted_and_ends_the_belief() {
    let mut bench = Bench::new();
    bench.prove();
    let (time, unit) = (bench.time(), bench.next_unit(400));
    let bytes = video(time, &unit).bytes();
    bench.writer.stuffed(VIDEO, true, &bytes[..100]);
    bench.writer.stuffed(VIDEO, false, &bytes[100..200]);
    bench.writer.stuffed(VIDEO, false, &bytes[200..300]);
    bench.writer.stuffed(VIDEO, false, &bytes[300..]);
    bench.send();
    assert_eq!(bench.counters().early_end_failures, 1, "once a PES packet, not once a packet");
    assert_eq!(bench.video_units(), 11, "a part of it had left");
    for _ in 0..20 {
        bench.frame();
    }
    bench.send();
    assert_eq!(bench.video_units(), 30, "the last one waits for the next again");
    assert_eq!(bench.counters().early_ends, 3);
}

#[test]
fn a_loss_breaks_the_frame_it_is_in_and_no_other() {
    let mut bench = Bench::new();
    bench.prove();
    for lost in 0..3 {
        // The first, the middle and the last packet of a frame.
        let before = bench.video_units();
        bench.frame();
        bench.writer.packets.remove(lost);
        bench.frame();
        bench.send();
        assert_eq!(bench.video_units(), before + 1, "packet {lost} lost");
        assert_eq!(bench.counters().continuity_errors, lost as u64 + 1);
        let times = bench.dts();
        assert_eq!(times.last(), Some(&((bench.time() - FRAME) as i64)));
    }
    // Of a frame whose first packet is lost nothing ever began.
    assert_eq!(bench.counters().broken_units, 2);
}

#[test]
fn a_loss_before_the_belief_is_earned_breaks_the_frame_too() {
    let mut bench = Bench::new();
    bench.frame();
    bench.frame();
    bench.writer.packets.pop();
    bench.frame();
    bench.frame();
    bench.send();
    assert_eq!(bench.dts(), [900_000, 900_000 + 2 * FRAME as i64]);
    let aborted = bench.sink.said.iter().filter(|said| matches!(said, Said::Aborted(_))).count();
    assert_eq!((aborted, bench.counters().broken_units), (1, 1));
}

#[test]
fn sixteen_lost_packets_are_found_by_the_stated_length() {
    let mut bench = Bench::new();
    for n in 0..4 {
        let (time, unit) = (bench.time(), bench.next_unit(30 * 184));
        let before = bench.writer.packets.len();
        bench.writer.pes(&Pes { length_error: Some(0), ..video(time, &unit) });
        if n == 2 {
            bench.writer.packets.drain(before + 5..before + 21);
        }
        bench.send();
    }
    assert_eq!(bench.counters().continuity_errors, 0);
    assert_eq!(bench.counters().broken_units, 1);
    assert_eq!(bench.dts().len(), 3);
}

#[test]
fn stated_lengths_end_frames_at_once_and_are_forgiven_small_lies() {
    for (length_error, zeros) in [(0, 0), (-1, 1), (-3, 3)] {
        let mut bench = Bench::new();
        for n in 1..=5 {
            let (time, mut unit) = (bench.time(), bench.next_unit(700));
            unit.resize(unit.len() + zeros, 0);
            bench.writer.pes(&Pes { length_error: Some(length_error), ..video(time, &unit) });
            bench.sent.push(unit);
            bench.send();
            bench.assert_came(n);
        }
        assert_eq!(bench.counters().early_ends, 5);
        assert_eq!(bench.counters().broken_units, 0);
    }
}

#[test]
fn a_length_that_overflowed_is_taken_modulo_65536() {
    let mut bench = Bench::new();
    for n in 1..=3 {
        let (time, unit) = (bench.time(), bench.next_unit(65_600 + n * 70_000));
        bench.writer.pes(&Pes { length_error: Some(0), ..video(time, &unit) });
        bench.sent.push(unit);
        bench.send();
        bench.assert_came(n);
    }
}

#[test]
fn lengths_that_are_always_wrong_cost_three_frames() {
    let mut bench = Bench::new();
    bench.frame();
    for _ in 0..10 {
        let (time, unit) = (bench.time(), bench.next_unit(700));
        bench.writer.pes(&Pes { length_error: Some(9), ..video(time, &unit) });
    }
    bench.frame();
    bench.frame();
    bench.send();
    assert_eq!(bench.counters().broken_units, 3);
    assert_eq!(bench.video_units(), 12 - 3 + 1, "by now stuffing tells the last one's end");
}

#[test]
fn a_pes_without_pts_goes_on_where_the_last_one_was() {
    let mut bench = Bench::new();
    for n in 0..6 {
        let (time, unit) = (bench.time(), bench.next_unit(300));
        let pts = (n % 2 == 0 || n == 1).then_some(time);
        bench.writer.pes(&Pes { pts, ..video(0, &unit) });
    }
    bench.frame();
    bench.send();
    let expected: Vec<i64> = (0..6).map(|n| 900_000 + n * FRAME as i64).collect();
    assert_eq!(bench.dts(), expected);
    assert_eq!(bench.counters().missing_times, 2);
}

#[test]
fn times_wrap_together_and_impossible_ones_are_corrected() {
    let mut bench = Bench::new();
    let body = adts(&[5; 50]);
    for round in 0..3u64 {
        let base = WRAP * (round + 1) - FRAME;
        for n in 0..40 {
            // Steps of 40 minutes: a second and a third wrap within the test.
            let dts = base + n * 90_000 * 2400;
            let unit = bench.next_unit(30);
            let (dts, pts) = (dts % WRAP, (dts + 2 * FRAME) % WRAP);
            bench.writer.pes(&Pes { pts: Some(pts), dts: Some(dts), ..video(0, &unit) });
            bench.writer.pes(&Pes { pid: AUDIO, pts: Some(dts), ..video(0, &body) });
            if base + (n + 1) * 90_000 * 2400 > base + WRAP {
                break;
            }
        }
    }
    bench.send();
    let starts = bench.starts(Track::Video);
    assert!(starts.iter().all(|start| start.pts.0 - start.dts.0 == 2 * FRAME as i64));
    assert!(starts.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    let last = starts.last().expect("units").dts.0;
    assert!(last > 3 * WRAP as i64, "{last} is behind the third wrap");
    let audio = bench.starts(Track::Audio);
    assert_eq!(audio[5].dts, starts[5].dts, "one epoch for both");

    let unit = bench.next_unit(30);
    bench.writer.pes(&Pes { pts: Some(5), dts: Some(9), ..video(0, &unit) });
    bench.send();
    assert_eq!(bench.counters().corrected_times, 1);
}

#[test]
fn audio_frames_share_pes_packets_and_span_them() {
    let mut bench = Bench::new();
    let payloads: Vec<Vec<u8>> = (0..24).map(|n| vec![n; 40 + 9 * usize::from(n)]).collect();
    let stream: Vec<u8> = payloads.iter().flat_map(|payload| adts(payload)).collect();
    // Cut without regard to frames; the PTS is that of the first frame that begins in the part.
    let mut starts = vec![0];
    for payload in &payloads {
        starts.push(starts[starts.len() - 1] + 7 + payload.len());
    }
    for (n, body) in stream.chunks(700).enumerate() {
        let first = starts.iter().position(|start| *start >= n * 700).expect("a frame");
        let time = 900_000 + 1920 * first as u64;
        bench.writer.pes(&Pes { pid: AUDIO, length_error: Some(0), ..video(time, body) });
    }
    bench.send();
    let units = bench.sink.units();
    let came: Vec<Vec<u8>> = units.iter().map(|(_, frame)| frame.clone()).collect();
    assert_eq!(came, payloads);
    let times: Vec<i64> = units.iter().map(|(start, _)| start.pts.0).collect();
    assert_eq!(times, (0..24).map(|n| 900_000 + 1920 * n).collect::<Vec<_>>());
}

#[test]
fn silent_or_senseless_audio_never_blocks_the_picture() {
    let mut bench = Bench::new();
    for n in 0..10 {
        bench.frame();
        let body = [0x5a ^ n; 300];
        bench.writer.pes(&Pes { pid: AUDIO, ..video(1, &body) });
    }
    bench.frame();
    bench.send();
    bench.assert_came(11);
    assert_eq!(bench.starts(Track::Audio).len(), 0);
}

#[test]
fn repeated_packets_unknown_pids_and_null_packets_do_no_harm() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.frame();
    }
    for packet in bench.writer.take().chunks(188) {
        // In one datagram, with a splice table, a null packet and a clock without payload between.
        let mut writer = Writer::default();
        writer.stuffed(0x300, true, &[0, 0xfc, 0x30, 0x11]);
        writer.stuffed(0x1fff, false, &[0x55; 184]);
        let mut field = [0xff; 183];
        field[0] = 0x10;
        writer.packet(VIDEO, false, Some(&field), &[]);
        let datagram = [packet, &writer.take(), packet].concat();
        bench.demux.datagram(&datagram, &mut bench.sink);
    }
    bench.assert_came(3);
    assert_eq!(bench.counters().continuity_errors, 0);
    assert_eq!(bench.counters().duplicate_packets, 4 + 3 * 3, "each of the frames' packets");
}

#[test]
fn damaged_and_scrambled_packets_are_not_used() {
    let mut bench = Bench::new();
    bench.prove();
    for mark in [(1, 0x80), (3, 0x80)] {
        let before = bench.video_units();
        bench.frame();
        let packet = bench.writer.packets.get_mut(1).expect("the frame's second packet");
        packet[mark.0] |= mark.1;
        bench.frame();
        bench.send();
        assert_eq!(bench.video_units(), before + 1);
    }
    assert_eq!((bench.counters().unusable_packets, bench.counters().broken_units), (2, 2));
    assert_eq!(bench.counters().continuity_errors, 1, "a scrambled packet still counts");
}

#[test]
fn an_announced_jump_of_the_counter_is_no_error() {
    let mut bench = Bench::new();
    bench.prove();
    bench.writer.counters.insert(VIDEO, 4);
    let (time, unit) = (bench.time(), bench.next_unit(100));
    let bytes = video(time, &unit).bytes();
    let mut field = vec![0xff; 183 - bytes.len()];
    field[0] = 0x80;
    bench.writer.packet(VIDEO, true, Some(&field), &bytes);
    bench.sent.push(unit);
    bench.send();
    bench.assert_came(11);
    assert_eq!((bench.counters().continuity_errors, bench.counters().broken_units), (0, 0));
}

#[test]
fn tables_that_change_in_mid_stream_are_followed() {
    let mut bench = Bench::new();
    bench.prove();
    // The same PMT again, and again with another stream beside: nobody is disturbed.
    bench.frame();
    bench.writer.pmt(PMT, 1, &[(0x1b, VIDEO), (0x0f, AUDIO), (0x86, 0x500)]);
    bench.frame();
    bench.send();
    bench.assert_came(12);
    assert_eq!(bench.demux.streams().map(|s| s.codec).collect::<Vec<_>>()[2], "SCTE-35");
    // The PID changes its type under the same version.
    bench.writer.pmt(PMT, 1, &[(0x24, VIDEO), (0x0f, AUDIO)]);
    bench.frame();
    bench.send();
    bench.assert_came(12);
    let first = bench.demux.streams().next().expect("a stream");
    assert_eq!((first.codec, first.carried), ("HEVC", false));
    // The PMT moves, then the video moves.
    bench.writer.pat(&[(1, PMT + 1)]);
    bench.writer.pmt(PMT, 1, &[(0x1b, VIDEO)]);
    bench.send();
    assert!(!bench.demux.streams().any(|s| s.codec == "H.264"), "the old PID is not read");
    bench.writer.pmt(PMT + 1, 1, &[(0x1b, VIDEO + 8)]);
    bench.sink = Collector::default();
    let unit = access_unit(true, 99, &mut Random(5));
    bench.writer.pes(&Pes { pid: VIDEO + 8, length_error: Some(0), ..video(7_777_777, &unit) });
    bench.send();
    assert_eq!(bench.video_units(), 1, "from its own first key unit on");
}

#[test]
fn the_operators_programme_is_taken_or_said_to_be_absent() {
    for (wanted, state, streams) in [
        (None, ProgrammeState::Taken(2), 2),
        (Some(3), ProgrammeState::Taken(3), 1),
        (Some(9), ProgrammeState::Absent(9), 0),
    ] {
        let mut bench = Bench::bare(wanted);
        assert_eq!(bench.demux.programme_state(), ProgrammeState::NoTable);
        bench.writer.pat(&[(0, 0x10), (1, 0x20), (2, 0x21), (3, 0x22)]);
        bench.writer.pmt(0x20, 1, &[(0x0f, 0x30)]);
        bench.writer.pmt(0x21, 2, &[(0x1b, VIDEO), (0x0f, AUDIO)]);
        bench.writer.pmt(0x22, 3, &[(0x1b, 0x40)]);
        bench.send();
        assert_eq!(bench.demux.programme_state(), state);
        assert_eq!(bench.demux.programmes(), 3);
        assert_eq!(bench.demux.streams().count(), streams);
        let taken = bench.demux.programme_number();
        assert_eq!(taken.map_or(ProgrammeState::Absent(9), ProgrammeState::Taken), state);
    }
}

#[test]
fn a_programme_that_vanishes_takes_its_open_unit_with_it() {
    let mut bench = Bench::new();
    bench.frame();
    bench.writer.pat(&[(5, 0x50)]);
    bench.send();
    assert_eq!(bench.counters().broken_units, 1);
    assert_eq!(bench.demux.streams().count(), 0);
    assert_eq!(bench.demux.programme_state(), ProgrammeState::Waiting);
}

#[test]
fn a_reset_forgets_everything_but_the_counters() {
    let mut bench = Bench::new();
    bench.prove();
    let (time, unit) = (bench.time(), bench.next_unit(500));
    bench.writer.pes(&video(time, &unit));
    bench.writer.packets.pop();
    bench.send();
    bench.demux.reset(&mut bench.sink);
    assert_eq!((bench.counters().broken_units, bench.counters().early_ends), (1, 2));
    assert_eq!(bench.demux.programme_state(), ProgrammeState::NoTable);
    bench.sink = Collector::default();
    bench.frame();
    bench.send();
    assert_eq!(bench.video_units(), 0, "without tables nothing is known");
    bench.frames = 0;
    bench.writer.tables();
    bench.frame();
    bench.frame();
    bench.send();
    assert_eq!(bench.video_units(), 1, "and the belief in stuffed ends must be earned anew");
}

#[test]
fn noise_of_every_length_neither_panics_nor_stops_it() {
    let mut bench = Bench::new();
    bench.send();
    let mut random = Random(99);
    for length in 0..1500 {
        let noise: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        bench.demux.datagram(&noise, &mut bench.sink);
        // And noise on the PIDs that are read.
        for pid in [0, PMT, VIDEO, AUDIO] {
            let noise: Vec<u8> = (0..184).map(|_| random.byte()).collect();
            bench.writer.counters.insert(pid, random.byte() & 15);
            bench.writer.packet(pid, random.byte() & 1 == 0, None, &noise);
            bench.writer.packet(pid, true, Some(&noise[..99]), &noise[..84]);
        }
        bench.send();
    }
    assert!(bench.counters().sync_lost_bytes > 1_000_000);
    bench.demux.reset(&mut bench.sink);
    let before = bench.video_units();
    bench.frames = 0;
    bench.writer.tables();
    bench.frame();
    bench.frame();
    bench.send();
    assert_eq!(bench.video_units(), before + 1);
}

//! The demultiplexer as a whole, on streams written packet by packet: frames, losses, times.

use super::bench::{video, Bench, FRAME, WRAP};
use super::demux::TsCounters;
use super::testing::{adts, Pes, Writer, AUDIO, VIDEO};
use crate::codec::access_unit::Track;
use crate::codec::collector::Said;

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
    for n in 0..5 {
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
fn stated_lengths_end_frames_once_pes_are_known_to_be_whole_and_are_forgiven_small_lies() {
    for (length_error, zeros) in [(0, 0), (-1, 1), (-3, 3)] {
        let mut bench = Bench::new();
        for n in 1..=13 {
            let (time, mut unit) = (bench.time(), bench.next_unit(700));
            unit.resize(unit.len() + zeros, 0);
            bench.writer.pes(&Pes { length_error: Some(length_error), ..video(time, &unit) });
            bench.sent.push(unit);
            bench.send();
            // Eight have to be seen to end where the next one begins.
            bench.assert_came(if n <= 8 { n - 1 } else { n });
        }
        assert_eq!(bench.counters().early_ends, 5);
        assert_eq!(bench.counters().broken_units, 0);
    }
}

#[test]
fn a_length_that_overflowed_is_taken_modulo_65536() {
    let mut bench = Bench::new();
    for n in 1..=11 {
        let (time, unit) = (bench.time(), bench.next_unit(65_600 + n % 3 * 70_000));
        bench.writer.pes(&Pes { length_error: Some(0), ..video(time, &unit) });
        bench.sent.push(unit);
        bench.send();
        bench.assert_came(if n <= 8 { n - 1 } else { n });
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
    assert_eq!(bench.counters().scrambled_packets, 1);
    assert_eq!(bench.demux.video_counters().map(|counted| counted.broken), Some(2));
    assert_eq!(bench.demux.programme_numbers().collect::<Vec<_>>().len(), 1);
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
fn a_loss_in_audio_costs_only_frames_it_touched() {
    let mut bench = Bench::new();
    let payloads: Vec<Vec<u8>> = (1..=9).map(|n| vec![n; 250]).collect();
    for (n, three) in payloads.chunks(3).enumerate() {
        let body: Vec<u8> = three.iter().flat_map(|payload| adts(payload)).collect();
        let time = 900_000 + 3 * 1920 * n as u64;
        bench.writer.pes(&Pes { pid: AUDIO, length_error: Some(0), ..video(time, &body) });
    }
    // Two tables, then five packets of each PES: the second packet of the second is lost.
    bench.writer.packets.remove(2 + 5 + 1);
    bench.send();
    let came: Vec<Vec<u8>> = bench.sink.units().into_iter().map(|(_, frame)| frame).collect();
    // The last frame of the last PES is not confirmed by a header behind it, the others are.
    assert!(came.iter().all(|frame| payloads.contains(frame)), "no frame with a hole");
    assert_eq!(came, [&payloads[..3], &payloads[6..]].concat());
    let times: Vec<i64> = bench.starts(Track::Audio).iter().map(|start| start.pts.0).collect();
    assert_eq!(times[3], 900_000 + 6 * 1920);
    assert_eq!((bench.counters().continuity_errors, bench.counters().broken_units), (1, 1));
}

#[test]
fn a_doubled_datagram_does_no_harm() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.frame();
    }
    for (n, datagram) in bench.writer.take().chunks(1316).enumerate() {
        for _ in 0..1 + n % 3 {
            bench.demux.datagram(datagram, &mut bench.sink);
        }
    }
    assert_eq!(bench.counters().continuity_errors, 0);
    assert!(bench.counters().duplicate_packets > 0);
    bench.assert_came(20);
}

#[test]
fn a_gap_between_odd_datagrams_is_a_loss_even_of_sixteen_packets() {
    let mut bench = Bench::new();
    bench.frame();
    let (time, unit) = (bench.time(), bench.next_unit(40 * 184));
    bench.writer.pes(&video(time, &unit));
    bench.frame();
    let stream = bench.writer.take();
    // Half a packet is left over, it and 15 more are missing: the counter fits, the grid does not.
    bench.demux.datagram(&stream[..188 * 15 + 94], &mut bench.sink);
    bench.demux.datagram(&stream[188 * 31..], &mut bench.sink);
    assert_eq!(bench.counters().continuity_errors, 0);
    assert_eq!(bench.dts(), [900_000]);
    assert_eq!(bench.counters().broken_units, 1);
}

#[test]
fn a_piece_of_the_stream_that_looks_like_rtp_is_not_unwrapped() {
    let mut bench = Bench::new();
    let (time, mut unit) = (bench.time(), bench.next_unit(40 * 184));
    // Datagrams of 12 bytes and seven packets: each begins 12 bytes before a packet, and what
    // stands there could be an RTP header.
    let at = unit.len() - 188 * 20;
    for byte in unit.iter_mut().skip(at) {
        *byte = 0x80;
    }
    bench.writer.pes(&video(time, &unit));
    bench.sent.push(unit);
    bench.frame();
    let stream = bench.writer.take();
    let (first, rest) = stream.split_at(188 * 30 - 12);
    let (second, rest) = rest.split_at(12 + 7 * 188);
    for datagram in [first, second, rest] {
        bench.demux.datagram(datagram, &mut bench.sink);
    }
    assert_eq!(bench.counters(), TsCounters::default());
    bench.assert_came(1);
}

#[test]
fn an_announced_jump_in_mid_frame_breaks_it() {
    let mut bench = Bench::new();
    bench.frame();
    let (time, unit) = (bench.time(), bench.next_unit(400));
    let bytes = video(time, &unit).bytes();
    bench.writer.packet(VIDEO, true, None, &bytes[..184]);
    bench.writer.counters.insert(VIDEO, 9);
    let mut field = vec![0xff; 83];
    field[0] = 0x80;
    bench.writer.packet(VIDEO, false, Some(&field), &bytes[184..284]);
    bench.frame();
    bench.frame();
    bench.send();
    assert_eq!(bench.dts(), [900_000, 900_000 + 2 * FRAME as i64]);
    assert_eq!((bench.counters().continuity_errors, bench.counters().broken_units), (0, 1));
}

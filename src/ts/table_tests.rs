//! The demultiplexer as a whole, on streams written packet by packet: programmes, tables, resets.

use super::bench::{video, Bench};
use super::demux::ProgrammeState;
use super::testing::{access_unit, adts, Pes, AUDIO, PMT, VIDEO};
use crate::codec::access_unit::Track;
use crate::codec::collector::{Collector, Random};

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
    for (key, time) in [(true, 7_777_777), (false, 7_780_777)] {
        let unit = access_unit(key, 99, &mut Random(5));
        bench.writer.pes(&Pes { pid: VIDEO + 8, length_error: Some(0), ..video(time, &unit) });
    }
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
    assert_eq!(bench.video_units(), 1, "and the belief in stuffed ends must be earned again");
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

#[test]
fn audio_announced_as_mpeg_audio_is_carried_if_it_is_adts() {
    let streams = [(0x04, AUDIO), (0x1b, VIDEO)];
    let mut bench = Bench::bare(None);
    bench.writer.pat(&[(1, PMT)]);
    bench.writer.pmt(PMT, 1, &streams);
    bench.send();
    let carried = |bench: &Bench| bench.demux.streams().next().map(|s| (s.codec, s.carried));
    assert_eq!(carried(&bench), Some(("MPEG-2 audio", false)));
    let layer_two = [&[0xff, 0xfd, 0xa4, 0x00][..], &[7; 500]].concat();
    bench.writer.pes(&Pes { pid: AUDIO, ..video(900_000, &layer_two) });
    bench.send();
    assert_eq!(carried(&bench), Some(("MPEG-2 audio", false)), "layer II is what it says");
    let frames: Vec<u8> = [adts(&[1; 90]), adts(&[2; 90]), adts(&[3; 90])].concat();
    for n in 0..3 {
        let time = 990_000 + n * 3 * 1920;
        bench.writer.pes(&Pes { pid: AUDIO, ..video(time, &frames) });
        // The PMT again does not take it away.
        bench.writer.pmt(PMT, 1, &streams);
        bench.send();
        assert_eq!(carried(&bench), Some(("AAC", true)));
    }
    assert_eq!(bench.starts(Track::Audio).len(), 9);
}

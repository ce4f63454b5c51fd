//! Datagrams lost, repeated and swapped on the way: what is passed on is whole, and what arrived
//! whole is passed on.

use std::collections::{HashMap, HashSet};

use test_support::loss::Sent;

use crate::frames::{in_order, only_grows, Frame, Recording};
use crate::machine;
use crate::media::{standby, Media, PLAIN};
use crate::player::Player;
use crate::program::Program;
use crate::sender::{Faults, Schedule, Sender, DATAGRAM_BYTES};
use crate::wait::{self, seconds};

#[test]
fn one_datagram_in_a_hundred_lost() {
    only_whole_frames(Faults { lost: 10, ..Faults::default() });
}

#[test]
fn one_datagram_in_twenty_lost() {
    only_whole_frames(Faults { lost: 50, ..Faults::default() });
}

#[test]
fn datagrams_repeated() {
    only_whole_frames(Faults { repeated: 20, ..Faults::default() });
}

#[test]
fn datagrams_swapped() {
    only_whole_frames(Faults { swapped: 20, ..Faults::default() });
}

/// Plays ten seconds with these faults: no frame but the source's may come, and of those each that
/// arrived whole must.
fn only_whole_frames(faults: Faults) {
    let media = Media::of(PLAIN);
    let source = &media.frames;
    let schedule = Schedule::of(&media.path).until(seconds(10));
    let damaged = schedule.clone().with(faults, 0x5EED);
    let arrived = numbers(&schedule, &damaged);
    let _machine = machine::shared();
    let mut program = Program::start("");
    let player = Player::start(program.rtmp, "stream");
    assert!(wait::holds(seconds(5), || player.video_frames() > 10), "{}", program.told());
    Sender::start(damaged, program.udp).finish();
    program.wait_on_air("standby", seconds(3));
    let got = player.video_frames();
    assert!(wait::holds(seconds(5), || player.video_frames() > got + 10), "{}", program.told());
    program.assert_well();
    let seen = player.stop().frames;

    let standby = standby();
    let ts = schedule.bytes();
    let video = due_video(&ts, &arrived, source);
    let audio = due_audio(&ts, &arrived, source, after_the_cut_ms(&seen, source));
    for (track, seen, source, standby, due) in [
        ("video", &seen.video, &source.video, &standby.video, video),
        ("audio", &seen.audio, &source.audio, &standby.audio, audio),
    ] {
        let from_source = in_order(track, seen, source, standby);
        println!("{track}: {from_source} came, {} had to", due.len());
        assert!(!due.is_empty(), "{track}: the faults leave something to look for");
        let came: HashSet<u64> = seen.iter().map(|frame| frame.digest).collect();
        for (number, frame) in due {
            assert!(
                came.contains(&frame.digest),
                "{track}: frame {number} of the source arrived whole: {frame:?}\n{}",
                program.told()
            );
        }
        only_grows(track, seen);
    }
}

/// The numbers of the datagrams that are sent, by what they hold. One that comes twice, one behind
/// the other, costs nothing: the second goes by.
fn numbers(whole: &Schedule, damaged: &Schedule) -> Vec<Option<usize>> {
    let known: HashMap<&[u8], usize> = whole.datagrams().zip(0..).collect();
    assert_eq!(known.len(), whole.datagrams().count(), "no two datagrams are the same");
    let mut arrived: Vec<Option<usize>> =
        damaged.datagrams().map(|datagram| known.get(datagram).copied()).collect();
    arrived.dedup();
    arrived
}

/// For five datagrams behind a break the demultiplexer takes what would also go on with what stood
/// before it for a break (`ts::continuity`).
fn sent(ts: &[u8], pid: u16, ends_itself: bool) -> Sent<'_> {
    let datagram_bytes = DATAGRAM_BYTES;
    Sent { ts, datagram_bytes, pid, pmt_pid: 0x1000, in_step_after: 5, ends_itself }
}

/// ffmpeg puts each picture into a PES of its own, without a length.
fn due_video<'f>(
    ts: &[u8],
    arrived: &[Option<usize>],
    source: &'f Recording,
) -> Vec<(usize, &'f Frame)> {
    let is_key = |number: usize| source.video.get(number).is_some_and(|frame| frame.key);
    let due = sent(ts, 0x100, false).must_arrive(arrived, is_key);
    due.into_iter().filter_map(|n| source.video.get(n).map(|frame| (n, frame))).collect()
}

/// And several AAC frames into one, with a length: all of them are due, those from `from_ms` on.
fn due_audio<'f>(
    ts: &[u8],
    arrived: &[Option<usize>],
    source: &'f Recording,
    from_ms: i64,
) -> Vec<(usize, &'f Frame)> {
    let sent = sent(ts, 0x101, true);
    let mut firsts = vec![0];
    for pes in sent.payloads() {
        let frames = firsts.last().copied().unwrap_or(0) + adts_frames(&pes);
        firsts.push(frames);
    }
    let due = sent.must_arrive(arrived, |_| true);
    let frames = due.into_iter().filter_map(|pes| firsts.get(pes..=pes + 1));
    let numbers = frames.flat_map(|range| match range {
        &[first, next] => first..next,
        _ => 0..0,
    });
    let known = numbers.filter_map(|n| source.audio.get(n).map(|frame| (n, frame)));
    known.filter(|(_, frame)| frame.dts_ms >= from_ms).collect()
}

/// From which time of the source on its sound must be heard: from the picture on with which it came
/// on air, and where the card's last sound has ended (1024 samples at 48 kHz; a millisecond for the
/// rounding of each time).
fn after_the_cut_ms(seen: &Recording, source: &Recording) -> i64 {
    let pictures: HashMap<u64, i64> =
        source.video.iter().map(|frame| (frame.digest, frame.dts_ms)).collect();
    let mut cuts = seen.video.iter().filter_map(|frame| {
        pictures.get(&frame.digest).map(|source_ms| (*source_ms, frame.dts_ms - source_ms))
    });
    let (picture_ms, offset_ms) = cuts.next().expect("the source was on air");
    let sounds: HashSet<u64> = source.audio.iter().map(|frame| frame.digest).collect();
    let card = seen.audio.iter().take_while(|frame| !sounds.contains(&frame.digest));
    let card_ends_ms = card.last().map_or(0, |frame| frame.dts_ms + 22 + 2);
    picture_ms.max(card_ends_ms - offset_ms)
}

/// The length of an ADTS frame stands in 13 bits behind its first 30 (ISO/IEC 14496-3, 1.A.2.2).
fn adts_frames(mut pes: &[u8]) -> usize {
    let mut frames = 0;
    while let &[0xff, _, _, a, b, c, ..] = pes {
        let bytes = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c) >> 5;
        frames += 1;
        pes = pes.get(bytes.max(1)..).unwrap_or_default();
    }
    frames
}

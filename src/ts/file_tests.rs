//! Files written packet by packet: equal parts, open GOPs, joined recordings, places of a grid.

use super::super::clock::PERIOD;
use super::*;
use crate::codec::collector::{Collector, Random};
use crate::ts::testing::{access_unit, adts, Pes, Writer, AUDIO, VIDEO};

/// Writes a frame of video at a time, and one of audio.
struct Recording {
    writer: Writer,
    random: Random,
    /// The next frame's DTS on the wire.
    time: u64,
}

impl Recording {
    fn new(time: u64) -> Recording {
        let mut writer = Writer::default();
        writer.tables();
        Recording { writer, random: Random(7), time }
    }

    fn frame(&mut self, key: bool, bytes: usize) {
        let body = access_unit(key, bytes, &mut self.random);
        self.video(&body);
    }

    fn video(&mut self, body: &[u8]) {
        let pts = Some(self.time & 0x1_ffff_ffff);
        self.writer.pes(&Pes { pid: VIDEO, pts, dts: None, length_error: None, body });
        let sound = adts(&[3; 50]);
        let sound = Pes { pid: AUDIO, pts, dts: None, length_error: Some(0), body: &sound };
        self.writer.pes(&sound);
        self.time += 3000;
    }

    /// Half a minute with a key frame a second.
    fn half_a_minute(&mut self) {
        for n in 0..900 {
            self.frame(n % 30 == 0, 700);
        }
    }
}

fn read(reader: &mut TsFile, file: &mut &[u8], units: usize) -> Vec<UnitStart> {
    let mut collector = Collector::default();
    while collector.units().len() < units {
        if reader.next(file, &mut collector).unwrap() == Progress::End {
            break;
        }
    }
    reader.go(0, &mut collector);
    collector.units().into_iter().map(|(start, _)| start).collect()
}

#[test]
fn an_equal_part_of_a_file_is_not_dropped_like_a_doubled_datagram() {
    let mut recording = Recording::new(0);
    recording.frame(true, 100);
    let before = recording.writer.take();
    // 16 packets on each PID: the counters come back to where they were.
    for _ in 0..16 {
        let body = access_unit(false, 100, &mut recording.random);
        let pts = Some(9000);
        let video = Pes { pid: VIDEO, pts, dts: None, length_error: None, body: &body };
        recording.writer.pes(&video);
    }
    let part = recording.writer.take();
    let units = |feed: &mut dyn FnMut(&mut Demux, &[u8], &mut Collector)| {
        let (mut demux, mut collector) = (Demux::new(None), Collector::default());
        for bytes in [&before, &part, &part] {
            feed(&mut demux, bytes, &mut collector);
        }
        demux.finish(&mut collector);
        collector.units().iter().filter(|(start, _)| start.track == Track::Video).count()
    };
    assert_eq!(units(&mut |demux, bytes, sink| demux.file_part(0, bytes, sink)), 33);
    assert_eq!(units(&mut |demux, bytes, sink| demux.datagram(bytes, sink)), 17);
}

#[test]
fn a_broadcast_without_idr_is_played_from_its_recovery_points() {
    // As DVB sends it: parameter sets and a recovery point SEI before an I picture.
    let mut recording = Recording::new(90_000);
    for n in 0..700 {
        let mut unit = access_unit(n % 30 == 0, 300, &mut recording.random);
        if n % 30 == 0 {
            let idr = unit.windows(4).position(|w| w == [0, 0, 1, 0x65]).unwrap();
            unit[idr + 3] = 0x41;
            unit.splice(idr..idr, [0, 0, 1, 6, 6, 1, 0x84, 0x80]);
        }
        recording.video(&unit);
    }
    let bytes = recording.writer.take();
    let mut file = bytes.as_slice();
    let mut reader = TsFile::open(&mut file).unwrap();
    assert_eq!(reader.contents().duration, Some(Ticks(700 * 3000)));
    reader.seek(&mut file, Ticks(0), &mut Nothing).unwrap();
    let units = read(&mut reader, &mut file, 60);
    let first = units.iter().find(|start| start.track == Track::Video).unwrap();
    assert_eq!((first.dts, first.key), (Ticks(0), true));
    let found = reader.seek(&mut file, Ticks::from_ms(15_500), &mut Nothing).unwrap();
    assert_eq!(found, Ticks::from_ms(15_000));
}

#[test]
fn what_stands_before_the_first_key_unit_is_left_out_but_for_sound() {
    let mut recording = Recording::new(900_000);
    recording.frame(true, 200);
    recording.writer.take();
    recording.writer.tables();
    for n in 0..90 {
        recording.frame(n == 20 || n == 60, 200);
    }
    let bytes = recording.writer.take();
    let mut file = bytes.as_slice();
    let mut reader = TsFile::open(&mut file).unwrap();
    assert_eq!(reader.contents().duration, Some(Ticks(70 * 3000)));
    let units = read(&mut reader, &mut file, 40);
    let video = units.iter().find(|start| start.track == Track::Video).unwrap();
    assert_eq!((video.dts, video.key), (Ticks(0), true));
    let audio = units.iter().find(|start| start.track == Track::Audio).unwrap();
    assert_eq!(audio.dts, Ticks(-20 * 3000));
}

#[test]
fn joined_recordings_keep_their_jump_and_have_no_negative_duration() {
    for (first, second) in [(900_000, 45_000_000), (45_000_000, 900_000), (90_000, 90_000)] {
        let mut recording = Recording::new(first);
        recording.half_a_minute();
        recording.time = second;
        recording.half_a_minute();
        let bytes = recording.writer.take();
        let mut file = bytes.as_slice();
        let mut reader = TsFile::open(&mut file).unwrap();
        let duration = reader.contents().duration;
        assert!(duration.is_none_or(|duration| duration > Ticks(0)), "{duration:?}");
        let units = read(&mut reader, &mut file, usize::MAX);
        let video: Vec<_> = units.iter().filter(|start| start.track == Track::Video).collect();
        assert_eq!(video.len(), 1800);
        let jump = (video[900].dts - video[899].dts).0;
        assert_eq!(jump, second as i64 - first as i64 - 899 * 3000);
        for ms in (0..60_000).step_by(7_000) {
            let found = reader.seek(&mut file, Ticks::from_ms(ms), &mut Nothing).unwrap();
            assert!(found <= Ticks::from_ms(ms));
            let begun = read(&mut reader, &mut file, 2);
            let begun = begun.iter().find(|start| start.track == Track::Video).unwrap();
            assert_eq!((begun.key, begun.dts), (true, found), "{ms}");
            reader.seek(&mut file, Ticks(0), &mut Nothing).unwrap();
        }
    }
}

#[test]
fn a_duration_that_the_size_contradicts_is_not_told() {
    let mut recording = Recording::new(90_000);
    recording.half_a_minute();
    // 20 hours later.
    recording.time += 20 * 3600 * 90_000;
    recording.half_a_minute();
    let bytes = recording.writer.take();
    let mut file = bytes.as_slice();
    assert_eq!(TsFile::open(&mut file).unwrap().contents().duration, None);
}

#[test]
fn a_frame_that_its_stated_length_says_is_not_whole_does_not_leave() {
    let mut recording = Recording::new(0);
    recording.frame(true, 400);
    for missing in [0, 3] {
        let body = access_unit(false, 300, &mut recording.random);
        let length_error = Some(missing);
        let pts = Some(recording.time);
        let video = Pes { pid: VIDEO, pts, dts: None, length_error, body: &body };
        let mut writer = Writer::default();
        writer.counters.clone_from(&recording.writer.counters);
        writer.packets.clone_from(&recording.writer.packets);
        writer.pes(&video);
        let bytes = writer.take();
        let mut file = bytes.as_slice();
        let mut reader = TsFile::open(&mut file).unwrap();
        let units = read(&mut reader, &mut file, usize::MAX);
        let video = units.iter().filter(|start| start.track == Track::Video).count();
        assert_eq!(video, if missing == 0 { 2 } else { 1 });
    }
}

#[test]
fn times_around_the_origin() {
    assert_eq!(since(Ticks(1000), Ticks(4000)), Ticks(3000));
    assert_eq!(since(Ticks(4000), Ticks(1000)), Ticks(-3000));
    assert_eq!(since(Ticks(PERIOD - 10), Ticks(20)), Ticks(30));
    assert_eq!(since(Ticks(20), Ticks(PERIOD - 10)), Ticks(-30));
    let long = since(Ticks(0), Ticks(20 * 3600 * 90_000));
    assert_eq!(long, Ticks(20 * 3600 * 90_000));
}

/// Groups of pictures of a second, of ten, and one of a minute: more than is looked through at once.
#[test]
fn the_last_key_frame_before_a_time_is_found_wherever_it_stands() {
    let mut recording = Recording::new(90_000);
    let keys = [0, 30, 60, 360, 660, 690, 2_490, 2_520, 2_550, 3_150];
    for n in 0..3_600 {
        recording.frame(keys.contains(&n), 1_500);
    }
    let bytes = recording.writer.take();
    let mut file = bytes.as_slice();
    let mut reader = TsFile::open(&mut file).unwrap();
    let before = keys.map(|key| (key - 1).max(0));
    for frame in (0..3_600).step_by(400).chain(before) {
        let to = Ticks(frame * 3_000 + 100);
        let key = keys.into_iter().filter(|key| *key <= frame).max().unwrap();
        let found = reader.seek(&mut file, to, &mut Nothing).unwrap();
        assert_eq!(found, Ticks(key * 3_000), "to frame {frame}");
        let units = read(&mut reader, &mut file, 4);
        let first = units.iter().find(|start| start.track == Track::Video).unwrap();
        assert_eq!((first.dts, first.key), (found, true), "to frame {frame}");
    }
}

#[test]
fn sound_that_begins_seconds_behind_its_picture_belongs_to_the_file() {
    let mut recording = Recording::new(90_000);
    for n in 0..150 {
        let body = access_unit(n % 30 == 0, 700, &mut recording.random);
        let pts = Some(recording.time);
        let video = Pes { pid: VIDEO, pts, dts: None, length_error: None, body: &body };
        recording.writer.pes(&video);
        recording.time += 3000;
    }
    let silent = recording.writer.take();
    assert!(TsFile::open(&mut silent.as_slice()).unwrap().contents().audio.is_none());
    recording.half_a_minute();
    let bytes = [silent, recording.writer.take()].concat();
    let mut file = bytes.as_slice();
    let mut reader = TsFile::open(&mut file).unwrap();
    let contents = reader.contents();
    assert!(contents.video.is_some());
    assert!(contents.audio.is_some());
    reader.seek(&mut file, Ticks(0), &mut Nothing).unwrap();
    let units = read(&mut reader, &mut file, 200);
    assert!(units.iter().any(|start| start.track == Track::Audio));
}

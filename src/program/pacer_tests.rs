use std::time::Duration;

use super::*;
use crate::codec::access_unit::TrackConfig;
use crate::codec::collector::Collector;
use crate::codec::container::{ContainerReader, Progress, Timing};
use crate::program::read_ahead::ReadAheadWriter;
use crate::program::testing::{configs, FormulaFile, Nothing, Pile, FRAME};

/// What left, and when.
struct Watch<'c> {
    now: Mono,
    heard: &'c mut Collector,
    left: &'c mut Vec<(Mono, UnitStart)>,
}

impl UnitSink for Watch<'_> {
    fn config(&mut self, config: &TrackConfig) {
        self.heard.config(config);
    }
    fn begin(&mut self, start: UnitStart) {
        self.left.push((self.now, start));
        self.heard.begin(start);
    }
    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.heard.write(track, bytes);
    }
    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        self.heard.patch(track, offset, bytes);
    }
    fn commit(&mut self, track: Track) {
        self.heard.commit(track);
    }
    fn abort(&mut self, track: Track) {
        self.heard.abort(track);
    }
}

/// A pacer and all that goes into it.
#[derive(Default)]
struct Scene {
    pacer: Pacer,
    source: VecDeque<ReadAhead>,
    heard: Collector,
    left: Vec<(Mono, UnitStart)>,
    now: Mono,
}

impl Scene {
    /// A file out of what is said to a sink.
    fn of(says: impl FnOnce(&mut dyn UnitSink)) -> Scene {
        let pile = Pile::default();
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
        configs().iter().for_each(|config| writer.config(config));
        says(&mut writer);
        writer.end(FileEnding::Whole);
        let source = pile.full.take().into();
        Scene { source, ..Scene::default() }
    }

    fn file(mut file: FormulaFile) -> Scene {
        let pile = Pile::default();
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
        while file.next(&mut Nothing, &mut writer).expect("whole") == Progress::More {}
        writer.end(FileEnding::Whole);
        let source = pile.full.take().into();
        Scene { source, ..Scene::default() }
    }

    /// Reads as far as there is room.
    fn read(&mut self) {
        while self.pacer.take_spent().is_some() {}
        while self.pacer.read_aheads.len() < READ_AHEADS_PER_FILE {
            let Some(read_ahead) = self.source.pop_front() else { return };
            self.pacer.push(read_ahead);
        }
    }

    fn play(&mut self) {
        let mut sink = Watch { now: self.now, heard: &mut self.heard, left: &mut self.left };
        self.pacer.play(self.now, &mut sink);
    }

    /// Runs from event to event.
    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.read();
            self.play();
            self.read();
            match self.pacer.due(self.now) {
                Some(due) if due <= until => self.now = due,
                _ => break,
            }
        }
        self.now = until;
    }

    fn video(&self) -> Vec<(u64, i64)> {
        let video = self.left.iter().filter(|(_, unit)| unit.track == Track::Video);
        video.map(|(at, unit)| (at.to_ms(), unit.dts.to_ms())).collect()
    }
}

fn frame(sink: &mut dyn UnitSink, track: Track, ms: i64, key: bool) {
    let dts = Ticks::from_ms(ms);
    sink.begin(UnitStart { track, dts, pts: dts, key });
    sink.write(track, &[1; 2000]);
    sink.commit(track);
}

#[test]
fn an_hour_leaves_at_its_own_pace() {
    let mut scene = Scene::file(FormulaFile { unit_bytes: 100, ..FormulaFile::new(25 * 3600) });
    scene.now = Mono::from_ms(5_000);
    scene.read();
    assert_eq!(scene.pacer.readiness(), Readiness::Ready);
    assert_eq!(scene.pacer.due(scene.now), None, "not before it is started");
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(3601));
    assert_eq!(scene.video().len(), 25 * 3600);
    for (at, unit) in &scene.left {
        let due = Mono::from_ms(5_000) + unit.dts.to_duration();
        let early = due.0.abs_diff(at.0);
        assert!(early <= 20, "a unit of {:?} at {at:?}", unit.dts);
    }
    assert_eq!(scene.pacer.end(), Some(Mono::from_ms(5_000 + 3_600_000)));
    let left = Ticks(25 * 3600 * FRAME) - scene.pacer.position();
    assert!((0..=FRAME).contains(&left.0), "{left:?} before its end");
}

#[test]
fn a_frame_waits_until_it_is_whole() {
    let pile = Pile::default();
    let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
    configs().iter().for_each(|config| writer.config(config));
    frame(&mut writer, Track::Video, 0, true);
    let at = Ticks::from_ms(40);
    writer.begin(UnitStart { track: Track::Video, dts: at, pts: at, key: false });
    writer.write(Track::Video, &[1; 10]);
    writer.flush();
    writer.write(Track::Video, &[2; 10]);
    writer.commit(Track::Video);
    writer.flush();
    let mut scene = Scene::default();
    let mut read_aheads = pile.full.take().into_iter();
    scene.pacer.push(read_aheads.next().expect("the first half"));
    scene.pacer.start(scene.now);
    scene.run(Duration::from_millis(300));
    assert_eq!(scene.video(), [(0, 0)], "the second frame is not begun");
    scene.pacer.push(read_aheads.next().expect("the second half"));
    scene.play();
    assert_eq!(scene.video(), [(0, 0), (300, 40)]);
}

#[test]
fn a_unit_larger_than_the_queue_goes_as_it_comes() {
    let mut scene = Scene::of(|sink| {
        for (n, bytes) in [1000, 2 << 20, 1000].into_iter().enumerate() {
            let dts = Ticks::from_ms(n as i64 * 40);
            sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: n == 0 });
            sink.write(Track::Video, &vec![5; bytes]);
            sink.commit(Track::Video);
        }
    });
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(1));
    let sizes: Vec<usize> = scene.heard.units().iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(sizes, [1000, 2 << 20, 1000]);
}

#[test]
fn a_disk_that_stood_is_not_made_up_for() {
    let mut scene = Scene::file(FormulaFile { unit_bytes: 4000, ..FormulaFile::new(500) });
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(2));
    let (stood_at, before) = (scene.now, scene.left.len());
    // Nothing is read while it stands; what was here plays on.
    while let Some(due) = scene.pacer.due(scene.now) {
        scene.now = due;
        scene.play();
    }
    assert!(scene.left.len() > before, "what was read ahead was played");
    scene.now = scene.now + Duration::from_secs(7);
    assert!(scene.now.since(stood_at) > Duration::from_secs(7));
    scene.run(Duration::from_secs(30));
    let video = scene.video();
    assert_eq!(video.len(), 500, "nothing is skipped");
    let hurried = video.windows(2).filter(|pair| pair[1].0 - pair[0].0 < 30).count();
    assert_eq!(hurried, 0, "nor hurried");
}

#[test]
fn half_a_second_is_made_up_for() {
    let mut scene = Scene::file(FormulaFile::new(100));
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(1));
    scene.now = scene.now + Duration::from_millis(500);
    scene.run(Duration::from_secs(3));
    assert_eq!(scene.video().last(), Some(&(99 * 40, 99 * 40)));
}

#[test]
fn time_that_jumps_goes_on_a_frame_later() {
    for jump_ms in [3_600_000, -900, -3_600_000] {
        let mut scene = Scene::of(|sink| {
            for n in 0..50 {
                let ms = n * 40 + if n >= 25 { jump_ms } else { 0 };
                // The sound of the second part comes first.
                frame(sink, Track::Audio, ms, false);
                frame(sink, Track::Video, ms, n % 25 == 0);
            }
        });
        scene.read();
        scene.pacer.start(scene.now);
        scene.run(Duration::from_secs(3));
        let times: Vec<u64> = scene.video().iter().map(|(at, _)| *at).collect();
        let expected: Vec<u64> = (0..50).map(|n| n * 40).collect();
        assert_eq!(times, expected, "a jump by {jump_ms} ms");
        assert_eq!(scene.heard.units().len(), 99, "the sound in front of the key frame is left");
    }
}

#[test]
fn a_still_picture_under_sound_is_no_jump() {
    let mut scene = Scene::of(|sink| {
        frame(sink, Track::Video, 0, true);
        for ms in (0..10_000).step_by(20) {
            frame(sink, Track::Audio, ms, false);
        }
        frame(sink, Track::Video, 10_000, false);
    });
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(11));
    assert_eq!(scene.video(), [(0, 0), (10_000, 10_000)]);
}

#[test]
fn sound_inside_a_frame_goes_with_it_and_cannot_run_away() {
    let mut scene = Scene::of(|sink| {
        for n in 0..25 {
            let dts = Ticks::from_ms(n * 40);
            sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: n == 0 });
            sink.write(Track::Video, &[1; 10]);
            frame(sink, Track::Audio, n * 40 + 30, false);
            sink.write(Track::Video, &[2; 10]);
            sink.commit(Track::Video);
        }
    });
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(2));
    let expected: Vec<(u64, i64)> = (0..25).map(|n| (n * 40, n as i64 * 40)).collect();
    assert_eq!(scene.video(), expected);
    let early = scene.left.iter().map(|(at, unit)| unit.dts.to_ms() - at.to_ms() as i64);
    assert!(early.max() <= Some(30));
}

#[test]
fn sound_that_lasts_longer_than_the_picture_gives_way() {
    let mut scene = Scene::of(|sink| {
        frame(sink, Track::Video, 0, true);
        frame(sink, Track::Video, 40, false);
        // An encoder's padding.
        (0..16).for_each(|n| frame(sink, Track::Audio, n * 20, false));
    });
    scene.read();
    scene.pacer.start(scene.now);
    assert_eq!(scene.pacer.end(), None);
    scene.run(Duration::from_millis(70));
    assert_eq!(scene.pacer.end(), Some(Mono::from_ms(80)));
    assert_eq!(scene.left.len(), 2 + 4, "what was due has left");
    assert_eq!(
        scene.pacer.due(scene.now),
        Some(Mono::from_ms(80)),
        "and what is left has its time"
    );
}

#[test]
fn a_file_without_a_key_frame_never_gets_ready() {
    let mut scene = Scene::of(|sink| frame(sink, Track::Video, 0, false));
    assert_eq!(scene.pacer.readiness(), Readiness::Waits);
    scene.read();
    assert_eq!(scene.pacer.readiness(), Readiness::Never);
    let mut broken = Scene::of(|sink| {
        frame(sink, Track::Video, 0, true);
        let dts = Ticks::from_ms(40);
        sink.begin(UnitStart { track: Track::Video, dts, pts: dts, key: false });
        sink.abort(Track::Video);
    });
    broken.read();
    assert_eq!(broken.pacer.readiness(), Readiness::Ready, "the second breaks, not the first");
    let mut short = Scene::of(|sink| frame(sink, Track::Video, 0, true));
    short.read();
    assert_eq!(short.pacer.readiness(), Readiness::Ready, "one picture is enough");
}

/// A file of pictures at these times, milliseconds, each a key frame.
fn pictures(times: &[i64]) -> Scene {
    Scene::of(|sink| times.iter().for_each(|ms| frame(sink, Track::Video, *ms, true)))
}

#[test]
fn pauses_are_played_whatever_the_rhythm() {
    for times in [
        // Slides, one every 2 s and one every 10 s, and a screen recording that stands still.
        (0..30).map(|n| n * 2_000).collect::<Vec<i64>>(),
        (0..10).map(|n| n * 10_000).collect(),
        (0..6).map(|n| n * 15_000).collect(),
        vec![0, 33, 66, 3_066, 3_100, 4_700, 4_733, 14_733, 14_766],
    ] {
        let mut scene = pictures(&times);
        scene.read();
        scene.pacer.start(scene.now);
        scene.run(Duration::from_secs(100));
        let expected: Vec<(u64, i64)> = times.iter().map(|ms| (*ms as u64, *ms)).collect();
        assert_eq!(scene.video(), expected);
    }
}

#[test]
fn a_pause_is_as_long_as_the_tables_say_where_there_are_any() {
    let times = [0, 40, 700_040, 700_080, 2_000_000];
    for (timing, duration_ms, played) in [
        (Timing::Tables, None, [0, 40, 700_040, 700_080, 2_000_000]),
        (Timing::Stated, Some(2_000_040), [0, 40, 700_040, 700_080, 2_000_000]),
        // Damage: nothing of it is as late as the file lasts.
        (Timing::Stated, Some(700_120), [0, 40, 700_040, 700_080, 700_120]),
        (Timing::Stated, None, [0, 40, 80, 120, 160]),
        (Timing::Clock, Some(2_000_040), [0, 40, 80, 120, 160]),
    ] {
        let mut scene = pictures(&times);
        let duration = duration_ms.map(Ticks::from_ms);
        scene.pacer.set_times(FileTimes { timing, duration, picture_end: None });
        scene.read();
        scene.pacer.start(scene.now);
        scene.run(Duration::from_secs(3_000));
        let at: Vec<u64> = scene.video().iter().map(|(at, _)| *at).collect();
        assert_eq!(at, played, "{timing:?}");
    }
}

#[test]
fn the_last_picture_is_shown_as_long_as_it_lasts() {
    let states = |timing, end_ms: i64| FileTimes {
        timing,
        duration: Some(Ticks::from_ms(end_ms)),
        picture_end: Some(Ticks::from_ms(end_ms)),
    };
    let none = FileTimes::default();
    for (times, stated, end_ms) in [
        // By the rhythm where nothing is stated, but a pause before the last picture is none.
        (vec![0, 2_000, 4_000], none, 6_000),
        (vec![0, 40, 80, 3_080], none, 3_120),
        // As the file states.
        (vec![0, 40, 80], states(Timing::Tables, 1_500), 1_500),
        (vec![0], states(Timing::Tables, 60_000), 60_000),
        (vec![0], states(Timing::Clock, 9_000), 9_000),
        (vec![0, 2_000, 4_000], states(Timing::Tables, 6_000), 6_000),
        // Its header was not corrected when it was cut.
        (vec![0, 40, 80], states(Timing::Stated, 600_000), 120),
        (vec![0, 40, 80], states(Timing::Tables, 100), 120),
    ] {
        let mut scene = pictures(&times);
        scene.pacer.set_times(stated);
        scene.read();
        scene.pacer.start(scene.now);
        scene.run(Duration::from_secs(20));
        assert_eq!(scene.pacer.end(), Some(Mono::from_ms(end_ms)), "{times:?} {stated:?}");
        assert_eq!(scene.pacer.lasted(), Some(Duration::from_millis(end_ms)));
    }
}

#[test]
fn a_picture_stands_as_long_as_its_sound() {
    let mut scene = Scene::of(|sink| {
        frame(sink, Track::Video, 0, true);
        (0..600).for_each(|n| frame(sink, Track::Audio, n * 20, false));
    });
    scene.read();
    assert_eq!(scene.pacer.readiness(), Readiness::Ready);
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(5));
    assert_eq!(scene.pacer.end(), Some(Mono::from_ms(12_000)));
    assert_eq!(scene.pacer.next_picture(), Some(Mono::from_ms(12_000)));
    assert_eq!(scene.pacer.position(), Ticks::from_ms(5_000));
    scene.run(Duration::from_secs(8));
    assert_eq!(scene.left.len(), 601);
}

#[test]
fn it_is_known_when_the_next_picture_comes() {
    let mut scene = pictures(&[0, 10_000, 20_000]);
    assert_eq!(scene.pacer.next_picture(), None, "nothing is read");
    scene.read();
    scene.pacer.start(scene.now);
    scene.run(Duration::from_secs(1));
    assert_eq!(scene.pacer.next_picture(), Some(Mono::from_ms(10_000)));
    assert_eq!(scene.pacer.stalls_since(scene.now), None);
    scene.run(Duration::from_secs(20));
    assert_eq!(scene.pacer.next_picture(), Some(Mono::from_ms(30_000)), "its end");
    assert_eq!(scene.pacer.stalls_since(scene.now), None);
}

#[cfg(test)]
#[path = "pacer_ends_tests.rs"]
mod ends_tests;

//! What a destination gets of sources whose sound lags, stops or never comes, in virtual time: the
//! order of time without exception, and all of it.

use std::time::Duration;

use super::model::{Feed, World, HZ_44100, HZ_48000};
use super::reader::{ReadOrder, Reader, ReaderStep};
use super::ring::Ring;
use super::source::Source;
use super::switcher::FillAudio;
use crate::base::time::Ticks;
use crate::codec::access_unit::Track;

const NONE: [u32; 0] = [];

/// Who gets units in the order of time, from the first on.
struct Destination {
    reader: Reader,
    newest_ms: u32,
    /// How far units came behind what had come before, and how many.
    late: Vec<u32>,
    units: [u64; 2],
    /// Where the last sound ends, and the longest gap in it, 90 kHz.
    sound_end: Option<Ticks>,
    gap: Ticks,
    /// The longest that a unit took from its place in the programme, ticks.
    held: Ticks,
}

impl Destination {
    fn new() -> Destination {
        Destination {
            reader: Reader::ordered(ReadOrder::Time),
            newest_ms: 0,
            late: Vec::new(),
            units: [0; 2],
            sound_end: None,
            gap: Ticks(0),
            held: Ticks(0),
        }
    }

    fn take(&mut self, ring: &Ring) {
        loop {
            match self.reader.step(ring) {
                ReaderStep::Wait => break,
                ReaderStep::Configure { .. } => {}
                ReaderStep::Send { unit, timestamp_ms } => {
                    self.reader.sent(&unit);
                    if timestamp_ms < self.newest_ms {
                        self.late.push(self.newest_ms - timestamp_ms);
                    }
                    self.newest_ms = self.newest_ms.max(timestamp_ms);
                    self.units[unit.track as usize] += 1;
                    if unit.track == Track::Audio {
                        let end = unit.dts + Ticks(2090);
                        let gap =
                            self.sound_end.replace(end).map_or(Ticks(0), |end| unit.dts - end);
                        self.gap = self.gap.max(gap);
                    }
                    let newest = ring.newest().expect("at least this one");
                    self.held = self.held.max(newest.dts - unit.dts);
                }
            }
        }
    }
}

fn run(world: &mut World, destination: &mut Destination, ms: u64) {
    for _ in 0..ms {
        world.run(1);
        destination.take(world.switcher.ring());
    }
}

/// The picture of a transport stream whose sound comes in packets that hold 217 ms of it.
struct Stream {
    sound: Feed,
    packet_ms: u64,
}

impl Stream {
    fn begins(world: &mut World, packet_ms: u64) -> Stream {
        world.udp = Some(Feed::new(2, 1500, None, world.now));
        let mut sound = Feed::new(2, i64::MAX / 4, Some(HZ_44100), world.now);
        // Its first frame of video is one that comes long after the test.
        sound.sent[0] = 1;
        Stream { sound, packet_ms }
    }

    fn run(&mut self, world: &mut World, destination: &mut Destination, packets: u32) {
        for _ in 0..packets {
            run(world, destination, self.packet_ms);
            self.sound.play(world.now, &mut world.switcher.sink(Source::Udp, world.now));
            destination.take(world.switcher.ring());
        }
    }
}

/// A segment sent by UDP that ends 203 ms behind its last packet of sound.
#[test]
fn a_live_source_that_ends_with_its_sound_behind_its_picture() {
    for behind_ms in [40, 120, 203, 210] {
        let (mut world, mut destination) = (World::new(FillAudio::Yes), Destination::new());
        run(&mut world, &mut destination, 2000);
        let mut stream = Stream::begins(&mut world, 217);
        stream.run(&mut world, &mut destination, 50);
        run(&mut world, &mut destination, behind_ms);
        assert_eq!(world.on_air(), Source::Udp);
        world.udp = None;
        run(&mut world, &mut destination, 3000);
        assert_eq!(world.on_air(), Source::Standby);
        assert_eq!(destination.late, NONE, "{behind_ms} ms");
        assert!(destination.gap <= Ticks(2090), "{} ticks without sound", destination.gap.0);
    }
}

/// The last fragments of a recording that was cut off hold its picture and no sound.
#[test]
fn a_file_whose_sound_stops_in_the_middle() {
    let (mut world, mut destination) = (World::new(FillAudio::Yes), Destination::new());
    world.choose(Some(Source::File));
    world.next_file(Feed::new(2, 3600, Some(HZ_44100), world.now));
    run(&mut world, &mut destination, 3000);
    world.file.as_mut().expect("there").set_audio(None);
    run(&mut world, &mut destination, 3000);
    assert_eq!(world.seen.ids, [2, 0]);
    assert_eq!(destination.late, NONE);
    assert!(destination.gap <= Ticks(4), "{} ticks without sound", destination.gap.0);
}

/// The same of a live source, whose sound may be late: it is waited for.
#[test]
fn a_live_source_whose_sound_stops() {
    for packet_ms in [23, 217, 372, 650, 950] {
        let (mut world, mut destination) = (World::new(FillAudio::Yes), Destination::new());
        let mut stream = Stream::begins(&mut world, packet_ms);
        stream.run(&mut world, &mut destination, 10_000 / packet_ms as u32);
        let late = destination.late.len();
        run(&mut world, &mut destination, 5000);
        assert_eq!(world.seen.ids, [2, 0]);
        assert_eq!(destination.late[late..], NONE, "packets of {packet_ms} ms");
    }
}

#[test]
fn what_is_well_interleaved_does_not_wait() {
    let (mut world, mut destination) = (World::new(FillAudio::Yes), Destination::new());
    world.rtmp = Some(Feed::new(2, 3600, Some(HZ_48000), world.now));
    run(&mut world, &mut destination, 3000);
    destination.held = Ticks(0);
    run(&mut world, &mut destination, 60_000);
    assert_eq!(destination.late, NONE);
    assert!(destination.held <= Ticks(3600), "{} ticks", destination.held.0);
}

/// Sound that now and then comes later than ever before, by what threads and networks jitter.
#[test]
fn sound_that_jitters_is_in_order() {
    let mut rng = fastrand::Rng::with_seed(13);
    for most_ms in [16, 36, 99, 400, 650] {
        let (mut world, mut destination) = (World::new(FillAudio::Yes), Destination::new());
        let mut stream = Stream::begins(&mut world, 21);
        stream.run(&mut world, &mut destination, 200);
        for _ in 0..20 {
            run(&mut world, &mut destination, rng.u64(1..most_ms));
            stream.run(&mut world, &mut destination, rng.u32(1..1000));
        }
        assert_eq!(destination.late, NONE, "{most_ms} ms");
    }
}

/// The same of pictures: sound of up to a tenth of a second waits for them.
#[test]
fn pictures_that_jitter_are_in_order() {
    let mut rng = fastrand::Rng::with_seed(13);
    let (mut world, mut destination) = (World::new(FillAudio::Yes), Destination::new());
    let mut stream = Stream::begins(&mut world, 20);
    stream.run(&mut world, &mut destination, 200);
    for _ in 0..50 {
        let picture = world.udp.take();
        stream.run(&mut world, &mut destination, rng.u32(1..5));
        world.udp = picture;
        stream.run(&mut world, &mut destination, rng.u32(1..1000));
    }
    assert_eq!(destination.late, NONE);
}

/// A relay that delivers every second, both tracks in the order of time, cut anywhere.
#[test]
fn a_source_that_delivers_in_bursts_goes_on_in_order() {
    let (mut world, mut destination) = (World::new(FillAudio::Yes), Destination::new());
    let mut feed = Feed::new(2, 3600, Some(HZ_44100), world.now);
    feed.began = feed.began + Duration::from_millis(7);
    run(&mut world, &mut destination, 1000);
    let mut joined = 0;
    for n in 0..60 {
        if n == 2 {
            joined = world.switcher.counters().dropped_overlap;
        }
        feed.play(world.now, &mut world.switcher.sink(Source::Rtmp, world.now));
        run(&mut world, &mut destination, 997);
    }
    assert_eq!(world.on_air(), Source::Rtmp);
    assert_eq!(destination.late, NONE);
    let dropped = world.switcher.counters().dropped_overlap - joined;
    assert_eq!((dropped, world.seen.silent), (0, 0), "between two bursts nothing is missing");
}

/// The last picture before everything stops: it waits for its sound, and then leaves, although
/// nothing more comes.
#[test]
fn a_picture_whose_sound_stays_away_leaves_by_the_clock() {
    for fill in [FillAudio::No, FillAudio::Yes] {
        let (mut world, mut destination) = (World::new(fill), Destination::new());
        world.switcher.set_silence(Duration::from_secs(4));
        world.rtmp = Some(Feed::new(2, 3000, Some(HZ_48000), world.now));
        run(&mut world, &mut destination, 3000);
        world.rtmp.as_mut().expect("there").set_audio(None);
        run(&mut world, &mut destination, 300);
        world.rtmp = None;
        run(&mut world, &mut destination, 500);
        let last = world.seen.last[0].expect("a picture");
        let left = |destination: &Destination| i64::from(destination.newest_ms) * 90 + 90_000;
        assert!(left(&destination) < last - 3000, "{fill:?}: it waits");
        run(&mut world, &mut destination, 250);
        assert_eq!(world.on_air(), Source::Rtmp);
        assert!(left(&destination) > last - 90, "{fill:?}: {} of {last}", left(&destination));
        assert_eq!(destination.late, NONE);
    }
}

//! Sources as models, and a viewer that misses nothing: for the tests of the switcher in virtual
//! time. Every unit carries whose it is and its source's time, so that the far side can tell what
//! programme times ought to be.

use std::time::Duration;

use super::ring::{Capacity, Lookup, Ring};
use super::source::Source;
use super::switcher::{FillAudio, Switcher};
use super::unit::Unit;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};

/// A source silent this long is covered.
pub const SILENCE: Duration = Duration::from_millis(500);
/// What a model's units begin with; a silent frame does not.
const MARK: u8 = 0xee;

/// One recording: paced by the clock, from a time of its own.
#[derive(Clone, Debug)]
pub struct Feed {
    pub id: u32,
    pub origin: i64,
    pub frame: i64,
    pub gop: i64,
    /// samplingFrequencyIndex and hertz.
    pub audio: Option<(u8, i64)>,
    pub began: Mono,
    pub sent: [i64; 2],
    pub told: bool,
}

pub const HZ_48000: (u8, i64) = (3, 48_000);
pub const HZ_44100: (u8, i64) = (4, 44_100);

impl Feed {
    pub fn new(id: u32, frame: i64, audio: Option<(u8, i64)>, began: Mono) -> Feed {
        Feed { id, origin: 0, frame, gop: 30, audio, began, sent: [0; 2], told: false }
    }

    fn video_dts(&self) -> i64 {
        self.origin + self.sent[0] * self.frame
    }

    fn audio_dts(&self) -> Option<i64> {
        self.audio.map(|(_, hz)| self.origin + (self.sent[1] * 1024 * 90_000 + hz / 2) / hz)
    }

    /// Goes on without sound, or with it from now on.
    pub fn set_audio(&mut self, audio: Option<(u8, i64)>) {
        self.audio = audio;
        if let Some((_, hz)) = audio {
            self.sent[1] = self.sent[0] * self.frame * hz / 1024 / 90_000;
        }
        self.told = false;
    }

    /// Hands over what is due.
    pub fn play(&mut self, now: Mono, sink: &mut impl UnitSink) {
        if !std::mem::replace(&mut self.told, true) {
            sink.config(&avc(self.id));
            if let Some((index, _)) = self.audio {
                sink.config(&aac(index));
            }
        }
        loop {
            let (video, audio) = (self.video_dts(), self.audio_dts());
            let (track, dts) = match audio {
                Some(audio) if audio < video => (Track::Audio, audio),
                _ => (Track::Video, video),
            };
            if self.began + Ticks(dts - self.origin).to_duration() > now {
                return;
            }
            let key = track == Track::Video && self.sent[0] % self.gop == 0;
            self.sent[track as usize] += 1;
            sink.begin(UnitStart { track, dts: Ticks(dts), pts: Ticks(dts), key });
            sink.write(track, &[MARK]);
            sink.write(track, &self.id.to_be_bytes());
            sink.write(track, &dts.to_be_bytes());
            sink.commit(track);
        }
    }
}

fn avc(id: u32) -> TrackConfig {
    TrackConfig::Avc(AvcConfig {
        record: ConfigRecord::default(),
        width: 16,
        height: id,
        frame_rate: 30.0,
        profile_idc: 77,
        constraints: 0,
        level_idc: 31,
    })
}

/// LC, stereo, of this samplingFrequencyIndex.
pub fn aac(index: u8) -> TrackConfig {
    let record = [0x10 | index >> 1, index << 7 | 2 << 3];
    TrackConfig::Aac(AacConfig::from_record(&record).expect("LC, stereo"))
}

/// What the viewer has seen.
#[derive(Default)]
pub struct Seen {
    /// Whose each track's last unit was; 0: silence.
    pub ids: [u32; 2],
    pub last: [Option<i64>; 2],
    /// Where the last audio unit ends.
    pub audio_end: Option<i64>,
    pub silent: u64,
    pub units: u64,
    /// The longest steps from one unit to the next, 90 kHz.
    pub steps: [i64; 2],
    /// The longest pause between the end of an audio unit and the next.
    pub audio_gap: i64,
    /// The furthest the video ran ahead of the audio's end.
    pub without_audio: i64,
    /// How far sound and picture of one recording were apart at most.
    pub skew: i64,
    offset: Option<(u32, i64)>,
}

/// The switcher, its sources, its viewer.
pub struct World {
    pub now: Mono,
    pub switcher: Switcher,
    pub card: Feed,
    card_since: Option<Mono>,
    pub udp: Option<Feed>,
    pub rtmp: Option<Feed>,
    pub file: Option<Feed>,
    pub seen: Seen,
    first: Option<(i64, Mono)>,
    read: u64,
    cuts: u64,
}

impl World {
    pub fn new(fill: FillAudio) -> World {
        let capacity = Capacity {
            video_bytes: 1 << 16,
            audio_bytes: 1 << 16,
            units: 2048,
            unit_bytes_max: 4096,
        };
        let now = Mono::from_ms(77);
        World {
            now,
            switcher: Switcher::new(Ring::new(capacity), SILENCE, fill),
            card: Feed::new(1, 3000, Some(HZ_48000), now),
            card_since: None,
            udp: None,
            rtmp: None,
            file: None,
            seen: Seen::default(),
            first: None,
            read: 0,
            cuts: 0,
        }
    }

    pub fn on_air(&self) -> Source {
        self.switcher.on_air()
    }

    pub fn choose(&mut self, choice: Option<Source>) {
        self.switcher.choose(choice, self.now);
    }

    /// The player of files goes on with this one.
    pub fn next_file(&mut self, feed: Feed) {
        self.switcher.sink(Source::File, self.now).restart();
        self.file = Some(feed);
    }

    /// Where the programme stands by the wall clock since its first frame, 90 kHz.
    pub fn clock(&self) -> i64 {
        let (dts, at) = self.first.expect("the card's first picture");
        dts + Ticks::from_duration(self.now.since(at)).0
    }

    /// How far the programme has run ahead of that.
    pub fn ahead(&self) -> i64 {
        self.seen.last[0].map_or(0, |last| last - self.clock())
    }

    /// Lets this much time pass.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now = self.now + Duration::from_millis(1);
            self.step();
        }
    }

    /// The machine stands still for this long; then the clock is looked at before what has come.
    pub fn stand_still(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
        self.step();
    }

    fn step(&mut self) {
        let now = self.now;
        self.switcher.tick(now);
        let since = self.switcher.on_air_since();
        if self.switcher.on_air() == Source::Standby
            && self.card_since.replace(since) != Some(since)
        {
            (self.card.began, self.card.sent, self.card.told) = (now, [0; 2], false);
        }
        for source in [Source::Udp, Source::Rtmp, Source::File, Source::Standby] {
            let feed = match source {
                Source::Udp => self.udp.as_mut(),
                Source::Rtmp => self.rtmp.as_mut(),
                Source::File => self.file.as_mut(),
                _ if self.switcher.on_air() == Source::Standby => Some(&mut self.card),
                _ => None,
            };
            if let Some(feed) = feed {
                let begins = feed.sent[0] == 0;
                feed.play(now, &mut self.switcher.sink(source, now));
                let is_paced = [Source::File, Source::Standby].contains(&source);
                if begins && feed.sent[0] > 0 && is_paced && self.switcher.on_air() == source {
                    feed.began = feed.began + self.switcher.take_ahead();
                }
            }
        }
        self.look();
    }

    /// Looks at what is new in the ring.
    fn look(&mut self) {
        let ring = self.switcher.ring();
        let cuts = self.switcher.counters().cuts;
        for seq in self.read..ring.head() {
            let Lookup::Unit(unit) = ring.get(seq) else { panic!("unit {seq} is held") };
            self.seen.unit(ring, &unit, cuts != self.cuts);
        }
        (self.read, self.cuts) = (ring.head(), cuts);
        self.first = self.first.or(self.seen.last[0].map(|dts| (dts, self.now)));
    }
}

impl Seen {
    fn unit(&mut self, ring: &Ring, unit: &Unit, after_cut: bool) {
        let (track, dts) = (unit.track, unit.dts.0);
        let payload = ring.payload(unit).concat();
        let body = &payload[if track == Track::Video { 5 } else { 2 }..];
        let stamp = body.split_first().filter(|(mark, _)| **mark == MARK).map(|(_, stamp)| {
            let (id, source) = stamp.split_at(4);
            let id = u32::from_be_bytes(id.try_into().expect("four bytes"));
            (id, i64::from_be_bytes(source.try_into().expect("eight bytes")))
        });
        self.units += 1;
        self.ids[track as usize] = stamp.map_or(0, |(id, _)| id);
        if let Some(last) = self.last[track as usize].replace(dts) {
            let step = dts - last;
            assert!(dts.div_euclid(90) > last.div_euclid(90), "{track:?}: {dts} after {last}");
            self.steps[track as usize] = self.steps[track as usize].max(step);
        }
        match track {
            Track::Video => self.video(ring, unit, stamp.expect("a model's"), after_cut),
            Track::Audio => self.audio(ring, unit, stamp),
        }
    }

    fn video(&mut self, ring: &Ring, unit: &Unit, (id, source): (u32, i64), after_cut: bool) {
        let Some(TrackConfig::Avc(avc)) = ring.config(Track::Video, unit.configs.video) else {
            panic!("configured")
        };
        assert_eq!(avc.height, id, "its configuration stands before it");
        let offset = unit.dts.0 - source;
        match self.offset.replace((id, offset)) {
            Some((last, known)) if last == id && !after_cut => {
                assert!((offset - known).abs() <= 2, "one offset for a recording");
            }
            last => {
                let begins = last.is_none_or(|(last, _)| last != id);
                assert!(unit.key || !begins, "a recording begins with a key unit");
            }
        }
        let ahead = unit.dts.0 - self.audio_end.unwrap_or(unit.dts.0);
        self.without_audio = self.without_audio.max(ahead);
    }

    fn audio(&mut self, ring: &Ring, unit: &Unit, stamp: Option<(u32, i64)>) {
        let Some(TrackConfig::Aac(aac)) = ring.config(Track::Audio, unit.configs.audio) else {
            panic!("configured")
        };
        let dts = unit.dts.0;
        if let Some(end) = self.audio_end.replace(dts + aac.frame_duration().0) {
            assert!(dts - end >= -200, "{} ticks of audio twice", end - dts);
            self.audio_gap = self.audio_gap.max(dts - end);
        }
        match (stamp, self.offset) {
            (None, _) => self.silent += 1,
            (Some((id, source)), Some((video, offset))) if id == video => {
                self.skew = self.skew.max((dts - source - offset).abs());
            }
            _ => {}
        }
    }
}

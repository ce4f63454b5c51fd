//! Recordings of every kind, and when their units come: what encoders, relays and files deliver.
//! Each is drawn from a seed. Bound: a few seconds of units.

use std::time::Duration;

use streamcaster::base::time::{Mono, Ticks};
use streamcaster::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};
use test_support::oracle::Source as Known;
use test_support::units::{AccessUnit, Media, Track as Side};

const S: i64 = 90_000;
/// 60 to 5 frames a second, and slides.
const FRAMES: [i64; 8] = [1500, 1800, 3000, 3003, 3600, 3750, 9000, 90_000];
/// samplingFrequencyIndex and hertz.
const RATES: [(u8, i64); 2] = [(3, 48_000), (4, 44_100)];

/// The last byte of a picture with which the recording's clock jumps.
pub const JUMPED: u8 = 2;
/// The last byte of every other unit behind the jump.
pub const BEHIND_JUMP: u8 = 3;

/// How a recording comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In transport packets: units of both tracks are open at a time, sound comes in packets of
    /// several frames, behind its picture.
    Datagrams,
    /// In the order of time, perhaps with a burst at the beginning, perhaps in pulses.
    Connection,
    /// When it is due, to the microsecond.
    Paced,
}

/// A recording, and where its delivery stands.
pub struct Recording {
    pub known: Known,
    way: Way,
    configs: Vec<[Option<TrackConfig>; 2]>,
    units: Vec<Unit>,
    /// What happens when, counted from its beginning.
    acts: Vec<(u64, Act)>,
    next: usize,
    pub began: Mono,
}

struct Unit {
    unit: AccessUnit,
    /// The part of the recording it belongs to, and with it its configurations.
    part: usize,
    /// Its number in its track.
    nth: usize,
}

#[derive(Clone, Copy)]
enum Act {
    Config(usize, usize),
    Begin(usize),
    Commit(usize),
}

/// What a recording is like.
struct Plan {
    frame: i64,
    bframes: i64,
    gop: i64,
    is_variable: bool,
    sound: Option<(u8, i64)>,
    origin: i64,
    length: i64,
}

impl Recording {
    /// One of `way`, numbered for its payloads, that begins at `began`.
    pub fn draw(rng: &mut fastrand::Rng, id: u32, way: Way, began: Mono) -> Recording {
        let plan = Plan::draw(rng, way);
        let mut recording = Recording {
            known: Known::named(&format!("{way:?} {id}")),
            way,
            configs: Vec::new(),
            units: Vec::new(),
            acts: Vec::new(),
            next: 0,
            began,
        };
        let is_live = way != Way::Paced;
        let changes = is_live && rng.u8(..4) == 0;
        let jumps = is_live && rng.u8(..6) == 0;
        let (media, elapsed) = plan.media(rng, id, changes, jumps);
        for (part, media) in media.into_iter().enumerate() {
            let kind = (id as u8, part as u8);
            let sound = plan.sound.map(|(rate, _)| audio_config(rate, kind));
            recording.configs.push([Some(video_config(kind)), sound]);
            recording.known.add(&media);
            recording.add(media, part);
        }
        recording.schedule(rng, &elapsed);
        recording
    }

    /// A loop without end is a recording of its own each time.
    pub fn card(id: u32) -> Recording {
        let (frame, sound) = (3000, Some(RATES[0]));
        let plan = Plan {
            frame,
            bframes: 0,
            gop: 64,
            is_variable: false,
            sound,
            origin: 0,
            length: 12 * S,
        };
        let mut rng = fastrand::Rng::with_seed(7);
        let (media, elapsed) = plan.media(&mut rng, id, false, false);
        let mut recording = Recording {
            known: Known::named("card"),
            way: Way::Paced,
            configs: vec![[
                Some(video_config((id as u8, 0))),
                Some(audio_config(3, (id as u8, 0))),
            ]],
            units: Vec::new(),
            acts: Vec::new(),
            next: 0,
            began: Mono::default(),
        };
        for media in media {
            recording.known.add(&media);
            recording.add(media, 0);
        }
        recording.schedule(&mut rng, &elapsed);
        recording
    }

    fn add(&mut self, media: Media, part: usize) {
        for unit in media.units {
            let nth = self.units.iter().filter(|known| known.unit.track == unit.track).count();
            self.units.push(Unit { unit, part, nth });
        }
    }

    /// Puts the units into the order in which they come. `elapsed`: the time of each unit since
    /// the beginning, whatever its clock says.
    fn schedule(&mut self, rng: &mut fastrand::Rng, elapsed: &[i64]) {
        let us = |ticks: i64| u64::try_from(ticks * 100 / 9).unwrap_or(0);
        let burst = [0, 0, 500_000][rng.usize(..3)];
        let pulse = [0, 0, 0, 500_000, 1_000_000][rng.usize(..5)];
        let jitter = [1, 5_000, 30_000][rng.usize(..3)];
        let packed = rng.usize(1..17);
        let mut acts: Vec<(u64, Act)> = Vec::new();
        let (mut clock, mut sounds) = ([0; 2], Vec::new());
        for (index, (unit, elapsed)) in self.units.iter().zip(elapsed).enumerate() {
            let due = us(*elapsed);
            match (self.way, unit.unit.track) {
                (Way::Paced, _) => {
                    acts.extend([(due, Act::Begin(index)), (due, Act::Commit(index))])
                }
                (Way::Connection, _) => {
                    let late = due.saturating_sub(burst) + rng.u64(..jitter);
                    let at = if pulse > 0 { late.next_multiple_of(pulse) } else { late };
                    clock = [at.max(clock[0]); 2];
                    acts.extend([(clock[0], Act::Begin(index)), (clock[0], Act::Commit(index))]);
                }
                (Way::Datagrams, Side::Video) => {
                    let begins = (due + rng.u64(..jitter)).max(clock[0]);
                    clock[0] = begins + rng.u64(..25_000);
                    acts.extend([(begins, Act::Begin(index)), (clock[0], Act::Commit(index))]);
                }
                (Way::Datagrams, Side::Audio) => {
                    sounds.push(index);
                    if sounds.len() >= packed {
                        clock[1] = (due + rng.u64(..jitter)).max(clock[1]);
                        for index in sounds.drain(..) {
                            acts.extend([
                                (clock[1], Act::Begin(index)),
                                (clock[1], Act::Commit(index)),
                            ]);
                        }
                    }
                }
            }
        }
        acts.sort_by_key(|(at, _)| *at);
        // A configuration comes with the first unit of its track.
        let mut parts = [None; 2];
        for (at, act) in acts {
            if let Act::Begin(index) = act {
                let Unit { unit, part, .. } = &self.units[index];
                let side = track(unit.track) as usize;
                if parts[side].replace(*part) != Some(*part) {
                    self.acts.push((at, Act::Config(*part, side)));
                }
            }
            self.acts.push((at, act));
        }
    }

    /// When something comes next; `None`: it has ended.
    pub fn due(&self) -> Option<Mono> {
        self.acts.get(self.next).map(|(at, _)| self.began + Duration::from_micros(*at))
    }

    /// When its next video unit begins.
    pub fn next_picture(&self) -> Option<Mono> {
        let mut ahead = self.acts.iter().skip(self.next);
        let next = ahead.find(|(_, act)| match act {
            Act::Begin(index) => self.units[*index].unit.track == Side::Video,
            _ => false,
        });
        next.map(|(at, _)| self.began + Duration::from_micros(*at))
    }

    /// From the beginning once more.
    pub fn begin(&mut self, now: Mono) {
        (self.next, self.began) = (0, now);
    }

    /// Hands over what comes now.
    pub fn play(&mut self, now: Mono, sink: &mut impl UnitSink) {
        while self.due().is_some_and(|due| due <= now) {
            let (_, act) = self.acts[self.next];
            self.next += 1;
            match act {
                Act::Config(part, side) => {
                    self.configs[part][side].iter().for_each(|config| sink.config(config));
                }
                Act::Begin(index) => {
                    let Unit { unit, .. } = &self.units[index];
                    let (dts, pts) = (Ticks(unit.dts), Ticks(unit.pts));
                    let track = track(unit.track);
                    sink.begin(UnitStart { track, dts, pts, key: unit.key });
                    sink.write(track, &unit.payload());
                }
                Act::Commit(index) => {
                    let side = self.units[index].unit.track;
                    sink.commit(track(side));
                    self.sent(index, now);
                }
            }
        }
    }

    /// Notes when a unit came whole.
    fn sent(&mut self, index: usize, now: Mono) {
        let Unit { unit, nth, .. } = &self.units[index];
        let known = match unit.track {
            Side::Video => &mut self.known.video,
            Side::Audio => &mut self.known.audio,
        };
        known[*nth].sent = Some(Duration::from_micros(now.0));
    }
}

impl Plan {
    fn draw(rng: &mut fastrand::Rng, way: Way) -> Plan {
        let frame = FRAMES[rng.usize(..FRAMES.len())];
        let bframes = if frame < S { rng.i64(0..3) } else { 0 };
        let origin = match way {
            Way::Paced => [0, 126_000, -9000, 1 << 40][rng.usize(..4)],
            _ => rng.i64(0..1 << 33),
        };
        Plan {
            frame,
            bframes,
            gop: 1 + (bframes + 1) * rng.i64(2..12),
            is_variable: rng.u8(..5) == 0,
            sound: [Some(RATES[0]), Some(RATES[1]), None][rng.usize(..3)],
            origin,
            length: rng.i64(2 * S..9 * S),
        }
    }

    /// Its units, a part for each configuration, and when each of them is due.
    fn media(
        &self,
        rng: &mut fastrand::Rng,
        id: u32,
        changes: bool,
        jumps: bool,
    ) -> (Vec<Media>, Vec<i64>) {
        let times = self.times(rng);
        let mut all: Vec<(i64, AccessUnit)> = Vec::new();
        let mut keys = Vec::new();
        for (index, time) in times.iter().enumerate().take(times.len() - 16) {
            let within = index as i64 % self.gop;
            let first = index as i64 - within;
            let step = self.bframes + 1;
            let shown = match (within - 1).rem_euclid(step) {
                _ if within == 0 => 0,
                0 => within + self.bframes,
                _ => within - 1,
            };
            let pts = times[(first + shown + i64::from(self.bframes > 0)) as usize];
            let key = within == 0;
            if key {
                keys.push(*time);
            }
            let header = if key { 0x65 } else { 0x41 };
            let nal = [&[header, 0x88][..], &id.to_be_bytes(), &(index as u32).to_be_bytes(), &[1]];
            let (track, dts, nals) = (Side::Video, *time, vec![nal.concat()]);
            all.push((*time, AccessUnit { track, dts, pts, key, nals }));
        }
        if let Some((_, hertz)) = self.sound {
            let ahead = rng.i64(-20 * 90..20 * 90);
            let frames = (self.length * hertz / S / 1024).max(1);
            for index in 0..frames {
                let dts = index * 1024 * S / hertz + ahead;
                let frame = [&[0x21][..], &id.to_be_bytes(), &(index as u32).to_be_bytes(), &[1]];
                let (track, nals) = (Side::Audio, vec![frame.concat()]);
                all.push((dts, AccessUnit { track, dts, pts: dts, key: false, nals }));
            }
        }
        all.sort_by_key(|(time, _)| *time);
        let middle = keys[keys.len() / 2];
        let changes = changes && middle > 0;
        let by = match jumps {
            true => [-40 * S, -S / 2, 7 * S, 1 << 34][rng.usize(..4)],
            false => 0,
        };
        let mut parts = vec![Media::default(), Media::default()];
        let elapsed = all.iter().map(|(time, _)| (*time).max(0)).collect();
        for (time, mut unit) in all {
            if by != 0 && time >= middle {
                let jumps = time == middle && unit.track == Side::Video;
                let end = if jumps { JUMPED } else { BEHIND_JUMP };
                *unit.nals[0].last_mut().expect("an end") = end;
            }
            let shift = self.origin + if time >= middle { by } else { 0 };
            (unit.dts, unit.pts) = (unit.dts + shift, unit.pts + shift);
            let part = usize::from(changes && time >= middle);
            parts[part].units.push(unit);
        }
        for (part, media) in parts.iter_mut().enumerate() {
            let kind = (id as u8, part as u8);
            media.parameter_sets = vec![sps(kind), PPS.to_vec()];
            if let Some((rate, _)) = self.sound {
                media.audio_config = asc(rate, kind).to_vec();
            }
        }
        parts.retain(|part| !part.units.is_empty());
        (parts, elapsed)
    }

    /// When frames are decoded, and some more in which the last ones can be shown.
    fn times(&self, rng: &mut fastrand::Rng) -> Vec<i64> {
        let (mut times, mut time) = (Vec::new(), 0);
        while time < self.length {
            times.push(time);
            time += match self.is_variable {
                true if rng.u8(..100) == 0 => rng.i64(S..2 * S),
                true => self.frame * [1, 1, 1, 2][rng.usize(..4)],
                false => self.frame,
            };
        }
        times.extend((0..16).map(|n| time + n * self.frame));
        times
    }
}

fn track(side: Side) -> Track {
    match side {
        Side::Video => Track::Video,
        Side::Audio => Track::Audio,
    }
}

const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

fn sps((id, part): (u8, u8)) -> Vec<u8> {
    vec![0x67, 77, 0x40, 31, 1 + part, 1 + (id >> 4), 1 + (id & 15), 0x80]
}

/// 960 samples would be another; mono and stereo differ by more than their words.
fn asc(rate: u8, (_, part): (u8, u8)) -> [u8; 2] {
    [0x10 | rate >> 1, rate << 7 | (2 - part) << 3]
}

fn video_config(kind: (u8, u8)) -> TrackConfig {
    let sps = sps(kind);
    let mut record = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1, 0, sps.len() as u8];
    record.extend(&sps);
    record.extend([1, 0, PPS.len() as u8]);
    record.extend(PPS);
    TrackConfig::Avc(AvcConfig {
        record: ConfigRecord::from_slice(&record).expect("a short record"),
        width: 16,
        height: 16,
        frame_rate: 0.0,
        profile_idc: sps[1],
        constraints: sps[2],
        level_idc: sps[3],
    })
}

fn audio_config(rate: u8, kind: (u8, u8)) -> TrackConfig {
    let config = AacConfig::from_record(&asc(rate, kind)).expect("LC");
    TrackConfig::Aac(config)
}

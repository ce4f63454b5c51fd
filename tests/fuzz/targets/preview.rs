//! The preview round trip: units that an input describes go through the programme into a preview's
//! fragmented MP4, and our own reader of MP4 files gives them back, payloads and key flags, at their
//! times from the first on.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use smol::LocalExecutor;
use streamcaster::base::time::{Mono, Ticks};
use streamcaster::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};
use streamcaster::codec::container::{ContainerReader, Progress};
use streamcaster::mp4::file::Mp4File;
use streamcaster::outputs::preview::{channel, Preview, PreviewPiece};
use streamcaster::program::ring::{Capacity, Ring};
use streamcaster::program::source::Source;
use streamcaster::program::switcher::{FillAudio, Switcher};
use streamcaster::program::Programme;

use super::take::Take;

/// As ffmpeg writes it: baseline, 320x180, 25 frames a second.
const AVCC: &[u8] = &[
    0x01, 0x42, 0xc0, 0x0c, 0xff, 0xe1, 0x00, 0x17, 0x67, 0x42, 0xc0, 0x0c, 0xda, 0x05, 0x06, 0x7e,
    0x7c, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0c, 0x83, 0xc5, 0x0a, 0xa8, 0x01,
    0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8,
];
const AAC_LC_48000_STEREO: &[u8] = &[0x11, 0x90];
/// Pictures have a byte for their number.
const UNITS_MAX: usize = 120;
const FRAME: i64 = 3600;
/// A frame of 1024 samples at 48 kHz.
const SOUND: i64 = 1920;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    track: Track,
    key: bool,
    payload: Vec<u8>,
}

/// A unit as it is fed: with its decoding time, 90 kHz.
struct Fed {
    seen: Seen,
    dts: i64,
    composition: i64,
}

/// Feeds a programme, collects the preview's bytes, reads them as a file.
pub fn run(input: &[u8]) {
    let fed = units(&mut Take(input));
    let bytes = previewed(&fed);
    // Before its first fragment it holds no picture, and no file says less.
    if !bytes.windows(4).any(|name| name == b"moof") {
        return;
    }
    let mut file = bytes.as_slice();
    let mut reader = Mp4File::open(&mut file).expect("the preview is an MP4 file");
    let mut seen = Collected::default();
    while reader.next(&mut file, &mut seen).expect("its fragments are whole") == Progress::More {}
    for track in Track::ALL {
        compare(&fed, &seen.units, track);
    }
}

/// Pictures at a rate that an input varies, with sound of one length between them.
fn units(take: &mut Take<'_>) -> Vec<Fed> {
    let has_sound = take.byte() & 1 == 0;
    let (mut fed, mut dts, mut sound) = (Vec::new(), 0, 0);
    while !take.is_empty() && fed.len() < UNITS_MAX {
        let (flags, bytes) = (take.byte(), 1 + usize::from(take.byte()));
        let key = fed.is_empty() || flags & 7 == 0;
        let mut payload = u32::try_from(bytes + 2).expect("short").to_be_bytes().to_vec();
        payload.push(if key { 0x65 } else { 0x41 });
        // No two are alike.
        payload.push(0x80 | fed.len() as u8);
        payload.extend((0..bytes).map(|n| flags.wrapping_mul(7) ^ n as u8 | 0x80));
        let composition = FRAME * i64::from(flags >> 3 & 3);
        let seen = Seen { track: Track::Video, key, payload };
        fed.push(Fed { seen, dts, composition });
        dts += FRAME + FRAME * i64::from(flags >> 6);
        while has_sound && sound < dts {
            let [.., high, low] = sound.to_be_bytes();
            let payload = vec![0x21, flags, high, low];
            let seen = Seen { track: Track::Audio, key: false, payload };
            fed.push(Fed { seen, dts: sound, composition: 0 });
            sound += SOUND;
        }
    }
    fed.sort_by_key(|fed| fed.dts);
    fed
}

fn configs(fed: &[Fed]) -> Vec<TrackConfig> {
    let record = |bytes| ConfigRecord::from_slice(bytes).expect("a short record");
    let avc = AvcConfig {
        record: record(AVCC),
        width: 320,
        height: 180,
        frame_rate: 25.0,
        profile_idc: 0x42,
        constraints: 0xc0,
        level_idc: 0x0c,
    };
    let record = record(AAC_LC_48000_STEREO);
    let aac = AacConfig { record, object_type: 2, sample_rate_hz: 48_000, channels: 2 };
    let has_sound = fed.iter().any(|fed| fed.seen.track == Track::Audio);
    let sound = has_sound.then_some(TrackConfig::Aac(aac));
    [TrackConfig::Avc(avc)].into_iter().chain(sound).collect()
}

/// The bytes of a preview that is watched from the beginning.
fn previewed(fed: &[Fed]) -> Vec<u8> {
    let capacity = Capacity {
        video_bytes: 1 << 20,
        audio_bytes: 1 << 16,
        units: 1024,
        unit_bytes_max: 1 << 16,
    };
    let switcher = Switcher::new(Ring::new(capacity), Duration::from_millis(500), FillAudio::No);
    let programme = Rc::new(Programme::new(switcher));
    let executor = LocalExecutor::new();
    let (desk, inbox) = channel();
    let running = Rc::clone(&programme);
    executor
        .spawn(async move {
            let previews = LocalExecutor::new();
            previews.run(inbox.run(&previews, &running)).await;
        })
        .detach();
    let preview = desk.open().expect("nobody else watches");
    let mut bytes = Vec::new();
    let time = |dts: i64| Mono::default() + Duration::from_millis(1000 + dts.unsigned_abs() / 90);
    programme.feed(Source::Standby, time(0), |sink| {
        configs(fed).iter().for_each(|config| sink.config(config));
    });
    for unit in fed {
        let Fed { seen: Seen { track, key, payload }, dts, composition } = unit;
        programme.feed(Source::Standby, time(*dts), |sink| {
            let pts = Ticks(dts + composition);
            sink.begin(UnitStart { track: *track, dts: Ticks(*dts), pts, key: *key });
            sink.write(*track, payload);
            sink.commit(*track);
        });
        while executor.try_tick() {}
        drain(&executor, &preview, &mut bytes);
    }
    bytes
}

fn drain(executor: &LocalExecutor<'_>, preview: &Preview, bytes: &mut Vec<u8>) {
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(piece)) = pin!(preview.next()).poll(&mut context) {
        if let PreviewPiece::Bytes(piece) = piece {
            bytes.extend(piece);
        }
        while executor.try_tick() {}
    }
}

/// What came of a track is a run of what was fed, with its distances.
fn compare(fed: &[Fed], seen: &[(UnitStart, Seen)], track: Track) {
    let fed: Vec<&Fed> = fed.iter().filter(|fed| fed.seen.track == track).collect();
    let seen: Vec<_> = seen.iter().filter(|(start, _)| start.track == track).collect();
    let Some((first, unit)) = seen.first() else { return };
    // It begins at the key frame that is newest once it is known whether there is sound.
    let from = fed.iter().position(|fed| fed.seen == *unit).expect("a unit that was fed");
    assert!(track == Track::Audio || unit.key, "a preview begins with a key frame");
    let fed = fed.get(from..).unwrap_or_default();
    assert!(seen.len() <= fed.len(), "{track:?}: more than was fed");
    let begin = fed.first().map_or(0, |fed| fed.dts);
    for (number, (fed, (start, unit))) in fed.iter().zip(&seen).enumerate() {
        assert_eq!(fed.seen, *unit, "{track:?} {number}");
        let moved = (start.dts - first.dts).0 - (fed.dts - begin);
        // 90 kHz are whole for pictures; sounds are counted in samples.
        assert!(moved.abs() <= 2, "{track:?} {number}: decoded {moved} ticks late");
        let composition = (start.pts - start.dts).0 - fed.composition;
        // FLV keeps composition times in milliseconds.
        assert!(composition.abs() <= 90, "{track:?} {number}: shown {composition} ticks late");
    }
}

/// Keeps what a reader hands over.
#[derive(Default)]
struct Collected {
    open: Option<(UnitStart, Vec<u8>)>,
    units: Vec<(UnitStart, Seen)>,
}

impl UnitSink for Collected {
    fn config(&mut self, config: &TrackConfig) {
        let record = match config.track() {
            Track::Video => AVCC,
            Track::Audio => AAC_LC_48000_STEREO,
        };
        assert_eq!(config.record(), record);
    }

    fn begin(&mut self, start: UnitStart) {
        assert!(self.open.replace((start, Vec::new())).is_none(), "a unit within a unit");
    }

    fn write(&mut self, _: Track, bytes: &[u8]) {
        self.open.as_mut().expect("an open unit").1.extend_from_slice(bytes);
    }

    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {
        panic!("lengths are known beforehand");
    }

    fn commit(&mut self, track: Track) {
        let (start, payload) = self.open.take().expect("an open unit");
        self.units.push((start, Seen { track, key: start.key, payload }));
    }

    fn abort(&mut self, _: Track) {
        panic!("the preview's units are whole");
    }
}

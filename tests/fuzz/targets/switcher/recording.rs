//! What a source sends: units that carry whose they are, which they are and the time they were
//! sent with, so that the far side can tell. Bound: two open units.

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};
use streamcaster::program::source::Source;

use super::super::take::Take;

/// A unit names its source by the place in here.
pub const SOURCES: [Source; 5] =
    [Source::Standby, Source::Udp, Source::Rtmp, Source::Pull, Source::File];
/// Frames of 1024 samples at 48 and 44.1 kHz, in which samplingFrequencyIndex counts.
const RATES: [(u8, i64); 2] = [(3, 1920), (4, 2090)];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
const FRAMES: [i64; 4] = [3600, 1800, 3003, 90_000];
const LENGTH_BYTES: usize = 4;

/// Who a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub source: u8,
    pub is_audio: bool,
    /// How often the source had started over.
    pub play: u8,
    /// How often its configuration had changed.
    pub version: u8,
    pub number: u32,
    pub dts: i64,
    pub length: u8,
}

impl Identity {
    /// A NAL unit or an AAC frame.
    pub fn body(&self, key: bool) -> Vec<u8> {
        let head = match (self.is_audio, key) {
            (true, _) => 0x21,
            (false, true) => 0x65,
            (false, false) => 0x41,
        };
        // No zeros, which stand for emulation prevention and empty slots.
        let mut body = vec![head, 0x80 | self.source, self.play, self.version, self.length];
        body.extend(self.number.to_be_bytes());
        body.extend(self.dts.to_be_bytes());
        body.extend((0..self.length).map(|n| n ^ self.number as u8 | 0x80));
        body
    }

    /// Reads it again; `None`: it is nothing of a recording, or not whole.
    pub fn read(body: &[u8], is_audio: bool) -> Option<Identity> {
        let (&[_, source, play, version, length], rest) = body.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (dts, _) = rest.split_first_chunk()?;
        let (number, dts) = (u32::from_be_bytes(*number), i64::from_be_bytes(*dts));
        let source = source & 0x7f;
        let identity = Identity { source, is_audio, play, version, number, dts, length };
        (identity.body(body.first() == Some(&0x65)) == body).then_some(identity)
    }
}

/// What a source is doing.
pub struct Recording {
    which: usize,
    play: u8,
    version: u8,
    has_sound: bool,
    frame: i64,
    configured: [Option<u8>; 2],
    numbers: [u32; 2],
    dts: [i64; 2],
    open: [Option<(Identity, bool)>; 2],
}

impl Recording {
    pub fn new(which: usize) -> Recording {
        Recording {
            which,
            play: 0,
            version: 0,
            has_sound: which != 2,
            frame: FRAMES[0],
            configured: [None; 2],
            numbers: [0; 2],
            dts: [which as i64 * 1_000_000; 2],
            open: [None; 2],
        }
    }

    pub fn is_open(&self, track: Track) -> bool {
        self.open[track as usize].is_some()
    }

    /// Begins a unit, unless it has one open or no sound; whether that is a key unit.
    pub fn begin(
        &mut self,
        track: Track,
        take: &mut Take<'_>,
        sink: &mut impl UnitSink,
    ) -> Option<bool> {
        let (side, is_audio) = (track as usize, track == Track::Audio);
        if self.is_open(track) || is_audio && !self.has_sound {
            return None;
        }
        if self.configured[side].replace(self.version) != Some(self.version) {
            sink.config(&config(track, self.which as u8, self.version));
        }
        let flags = take.byte();
        let key = !is_audio && (self.numbers[0] == 0 || flags & 7 == 0);
        let dts = self.dts[side];
        let composition = if is_audio { 0 } else { i64::from(flags >> 3 & 3) * self.frame };
        let identity = Identity {
            source: self.which as u8,
            is_audio,
            play: self.play,
            version: self.version,
            number: self.numbers[side],
            dts,
            length: flags >> 1,
        };
        self.numbers[side] += 1;
        self.dts[side] += if is_audio { RATES[self.rate()].1 } else { self.frame };
        sink.begin(UnitStart { track, dts: Ticks(dts), pts: Ticks(dts + composition), key });
        let body = identity.body(key);
        if !is_audio {
            // Its length is known at its end, as in a transport stream.
            sink.write(track, &[0; LENGTH_BYTES]);
        }
        let (first, rest) = body.split_at(body.len() / 2);
        sink.write(track, first);
        sink.write(track, rest);
        self.open[side] = Some((identity, key));
        Some(key)
    }

    /// The open unit is whole.
    pub fn commit(&mut self, track: Track, sink: &mut impl UnitSink) -> Option<Identity> {
        let (identity, key) = self.open[track as usize].take()?;
        if track == Track::Video {
            let bytes = u32::try_from(identity.body(key).len()).expect("short");
            sink.patch(track, 0, bytes.to_be_bytes());
        }
        sink.commit(track);
        Some(identity)
    }

    /// The open unit breaks off.
    pub fn abort(&mut self, track: Track, sink: &mut impl UnitSink) {
        if self.open[track as usize].take().is_some() {
            sink.abort(track);
        }
    }

    /// From the next units on it has another configuration.
    pub fn changes(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    /// Another recording begins in its place.
    pub fn restart(&mut self, take: &mut Take<'_>) {
        let flags = take.byte();
        let time = [0, 126_000, -9000, 1 << 33][usize::from(flags & 3)];
        *self = Recording {
            play: self.play.wrapping_add(1),
            version: self.version,
            has_sound: flags & 4 == 0,
            frame: FRAMES[usize::from(flags >> 3 & 3)],
            dts: [time; 2],
            ..Recording::new(self.which)
        };
    }

    /// Its clock jumps, further than any pause or reordering.
    pub fn jump(&mut self, take: &mut Take<'_>) {
        let by = [-40, -6, 7, 90_000][take.below(4)] * 90_000;
        let from = self.dts[0].max(self.dts[1]);
        self.dts = [from + by; 2];
    }

    fn rate(&self) -> usize {
        usize::from(self.version) % RATES.len()
    }
}

/// What a track is made with.
pub fn config(track: Track, source: u8, version: u8) -> TrackConfig {
    if track == Track::Audio {
        let (rate, _) = RATES[usize::from(version) % RATES.len()];
        // Mono or stereo.
        let channels = 1 + source % 2;
        let record = [0x10 | rate >> 1, rate << 7 | channels << 3];
        return TrackConfig::Aac(AacConfig::from_record(&record).expect("LC"));
    }
    let sps = [0x67, 77, 0x40, 31, 0x80 | source, 0x80 | version, 0x80 | version >> 7];
    let head = [1, sps[1], sps[2], sps[3], 0xff, 0xe1, 0, sps.len() as u8];
    let record = [&head[..], &sps, &[1, 0, PPS.len() as u8], PPS].concat();
    TrackConfig::Avc(AvcConfig {
        record: ConfigRecord::from_slice(&record).expect("a short record"),
        width: 16,
        height: 16,
        frame_rate: [25.0, 0.0, 0.2, 1000.0][usize::from(version) % 4],
        profile_idc: sps[1],
        constraints: sps[2],
        level_idc: sps[3],
    })
}

//! An encoder that sends MPEG-TS, as a model: its clock, its rates, its drift against the wall
//! clock. Purpose: datagrams in order, each with the time at which it leaves. Bound: one datagram.

use std::time::Duration;

use streamcaster::base::time::Mono;

use crate::stamp::Stamp;
use crate::ts::{TsWriter, AUDIO, CLOCK_PERIOD, VIDEO};

pub const SPS: &[u8] =
    b"\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\x00\x00\x03\x00\x40\x00\x00\x0f\x03\xc4\x89\xa8";
const PPS: &[u8] = b"\x68\xce\x0f\xc8";
const START_CODE: &[u8] = &[0, 0, 1];
/// A second, 90 kHz.
pub const TICKS_PER_S: i64 = 90_000;

/// What an encoder is set to.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Distance of two frames, 90 kHz.
    pub frame: i64,
    /// Frames from one IDR to the next; 3 k + 1, because it sends I P B B P B B.
    pub gop: i64,
    /// Sampling frequency, by its index (ISO/IEC 14496-3, table 1.18), and in hertz.
    pub audio_hz: (u8, i64),
    /// AAC frames from one that is sent to the next: 1 leaves out none.
    pub audio_stride: i64,
    /// How much slower than the wall clock its clock is, parts per million.
    pub slow_ppm: i64,
}

/// An hour, 90 kHz.
pub const HOUR: i64 = 3600 * TICKS_PER_S;
/// 48 kHz.
pub const HZ_48000: (u8, i64) = (3, 48_000);
/// 44.1 kHz: its frames' times are no whole ticks.
pub const HZ_44100: (u8, i64) = (4, 44_100);
/// 8 kHz: few frames.
pub const HZ_8000: (u8, i64) = (11, 8_000);

impl Plan {
    /// 25 frames per second, 44.1 kHz, an IDR each second.
    pub const USUAL: Plan =
        Plan { frame: 3600, gop: 25, audio_hz: HZ_44100, audio_stride: 1, slow_ppm: 0 };

    /// One AAC frame's duration, 90 kHz, rounded up.
    pub fn audio_frame(&self) -> i64 {
        1024 * TICKS_PER_S / self.audio_hz.1 + 1
    }
}

/// The encoder.
pub struct Encoder {
    pub plan: Plan,
    /// Names the epoch of its clock in the stamps.
    id: u8,
    /// Its clock at `began`.
    origin: i64,
    began: Mono,
    frames: i64,
    audio_frames: i64,
    ts: TsWriter,
    body: Vec<u8>,
    /// Frames whose DTS stands before a wrap and whose PTS behind it.
    pub wraps_within: u32,
}

impl Encoder {
    pub fn new(id: u8, plan: Plan, origin: i64, began: Mono) -> Encoder {
        let ts = TsWriter::new();
        let (frames, audio_frames, body) = (0, 0, Vec::new());
        Encoder { plan, id, origin, began, frames, audio_frames, ts, body, wraps_within: 0 }
    }

    /// Its clock makes a step; the stream goes on as if nothing had happened, with an IDR.
    pub fn step_clock(&mut self, id: u8, origin: i64) {
        self.began = self.due();
        (self.id, self.origin, self.frames, self.audio_frames) = (id, origin, 0, 0);
    }

    /// Goes on with other rates, at its next IDR; the clock runs on.
    pub fn change(&mut self, plan: Plan) {
        (self.began, self.origin) = (self.due(), self.clock());
        self.plan = plan;
        (self.frames, self.audio_frames) = (0, 0);
    }

    /// When the next datagram leaves.
    pub fn due(&self) -> Mono {
        let media = i128::from(self.frames * self.plan.frame) * 100 / 9;
        let wall = media * (1_000_000 + i128::from(self.plan.slow_ppm)) / 1_000_000;
        self.began + Duration::from_micros(u64::try_from(wall).expect("time only grows"))
    }

    /// What leaves up to this time never arrives.
    pub fn unheard(&mut self, until: Mono) {
        while self.due() < until {
            self.datagram();
        }
    }

    /// Its clock now.
    pub fn clock(&self) -> i64 {
        self.origin + self.frames * self.plan.frame
    }

    /// The next frame, and the sound up to it, as one datagram.
    pub fn datagram(&mut self) -> &[u8] {
        let Plan { frame, gop, .. } = self.plan;
        self.ts.clear();
        let place = self.frames % gop;
        let dts = self.origin + self.frames * frame;
        if place == 0 {
            self.ts.tables();
        }
        let reordered = match (place, place % 3) {
            (0, _) => 1,
            (_, 1) => 3,
            _ => 0,
        };
        self.video(dts, reordered * frame, place == 0);
        self.frames += 1;
        self.audio(dts);
        self.ts.datagram()
    }

    fn video(&mut self, dts: i64, composition: i64, key: bool) {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        for nal in [b"\x09\xf0", SPS, PPS].into_iter().take(if key { 3 } else { 1 }) {
            body.extend([START_CODE, nal].concat());
        }
        body.extend_from_slice(START_CODE);
        body.push(if key { 0x65 } else { 0x41 });
        Stamp { id: self.id, dts, composition }.write(&mut body);
        self.ts.pes(VIDEO, dts, dts + composition, &body);
        self.body = body;
        let epoch = |time: i64| time.div_euclid(CLOCK_PERIOD);
        self.wraps_within += u32::from(epoch(dts) != epoch(dts + composition));
    }

    /// AAC frames up to this time, in one PES packet where none is left out between them.
    fn audio(&mut self, until: i64) {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let mut begins = 0;
        while self.audio_time() <= until {
            let dts = self.audio_time();
            if body.is_empty() {
                begins = dts;
            }
            self.adts(dts, &mut body);
            self.audio_frames += self.plan.audio_stride;
            if self.plan.audio_stride > 1 {
                break;
            }
        }
        if !body.is_empty() {
            self.ts.pes(AUDIO, begins, begins, &body);
        }
        self.body = body;
    }

    fn audio_time(&self) -> i64 {
        self.origin + self.audio_frames * 1024 * TICKS_PER_S / self.plan.audio_hz.1
    }

    /// An ADTS frame of AAC-LC, stereo (ISO/IEC 13818-7, 6.2).
    fn adts(&self, dts: i64, body: &mut Vec<u8>) {
        const BYTES: u16 = 7 + crate::stamp::STAMP_BYTES as u16;
        let [high, low] = BYTES.to_be_bytes();
        let rate = 0x40 | self.plan.audio_hz.0 << 2;
        body.extend([0xff, 0xf1, rate, 0x80 | high >> 3]);
        body.extend([high << 5 | low >> 3, low << 5 | 0x1f, 0xfc]);
        Stamp { id: self.id, dts, composition: 0 }.write(body);
    }
}

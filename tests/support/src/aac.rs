//! AAC frames, and ADTS around them (ISO/IEC 13818-7, 6.2). What is in a frame is made up, but for
//! a program config element where the channels are not told by a number.

use fastrand::Rng;

use crate::units::{AccessUnit, Track};

/// Samples of a frame.
const FRAME_SAMPLES: i64 = 1024;

/// An AAC-LC encoder.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// samplingFrequencyIndex: 3 is 48 kHz, 4 is 44.1 kHz.
    pub rate_index: u8,
    /// Samples a second.
    pub rate_hz: i64,
    /// channel_configuration.
    pub channels: u8,
    /// What each frame begins with: a program config element, for channel_configuration 0.
    pub element: Vec<u8>,
    /// Bytes of a frame, at most.
    pub frame_bytes: usize,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder {
            rate_index: 3,
            rate_hz: 48_000,
            channels: 2,
            element: Vec::new(),
            frame_bytes: 400,
        }
    }
}

impl Encoder {
    /// AudioSpecificConfig of two bytes (ISO/IEC 14496-3, 1.6.2.1).
    pub fn config(&self) -> Vec<u8> {
        vec![0x10 | self.rate_index >> 1, self.rate_index << 7 | self.channels << 3]
    }

    /// Frames from one time to another.
    pub fn encode(&self, start: i64, end: i64, rng: &mut Rng) -> Vec<AccessUnit> {
        let time = |n: i64| start + (n * FRAME_SAMPLES * 90_000 + self.rate_hz / 2) / self.rate_hz;
        let frame = |n: i64| {
            let mut payload = self.element.clone();
            payload.extend((0..rng.usize(8..=self.frame_bytes)).map(|_| rng.u8(..)));
            let (dts, pts) = (time(n), time(n));
            AccessUnit { track: Track::Audio, dts, pts, key: false, nals: vec![payload] }
        };
        let frames = (end - start) * self.rate_hz / (FRAME_SAMPLES * 90_000);
        (0..frames).map(frame).collect()
    }

    /// A frame with its ADTS header.
    pub fn adts(&self, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len() + 7).unwrap_or(u16::MAX);
        let [high, low] = length.to_be_bytes();
        let fixed = 1 << 6 | self.rate_index << 2 | self.channels >> 2;
        let head = [
            0xff,
            0xf1,
            fixed,
            self.channels << 6 | high >> 3,
            high << 5 | low >> 3,
            low << 5 | 0x1f,
            0xfc,
        ];
        [&head, payload].concat()
    }
}

//! The standby card, as a model: 64 frames at 30 per second last as long as 100 AAC frames at
//! 48 kHz. Paced by the wall clock, begun again whenever it goes on air, as the program does.

use streamcaster::base::time::{Mono, Ticks};
use streamcaster::codec::access_unit::{
    AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig, UnitSink, UnitStart,
};

use crate::stamp::{Stamp, CARD_ID_MIN};

/// What the card's configuration records say.
pub const VIDEO_RECORD: &[u8] = b"the card's picture";
pub const AUDIO_RECORD: &[u8] = b"the card's sound";
const VIDEO_FRAME: i64 = 3000;
/// One AAC frame at 48 kHz, 90 kHz.
pub const AUDIO_FRAME: i64 = 1920;
const GOP: i64 = 64;

/// The card.
#[derive(Default)]
pub struct Card {
    began: Mono,
    times: u8,
    frames: [i64; 2],
    body: Vec<u8>,
}

impl Card {
    /// Goes on air.
    pub fn begin(&mut self, now: Mono) {
        self.began = now;
        self.times = (self.times + 1) % CARD_ID_MIN;
        self.frames = [0, 0];
    }

    /// When its next unit is due.
    pub fn due(&self) -> Mono {
        self.began + Ticks(self.next().1).to_duration()
    }

    fn next(&self) -> (Track, i64) {
        let [video, audio] = self.frames;
        if audio * AUDIO_FRAME < video * VIDEO_FRAME {
            (Track::Audio, audio * AUDIO_FRAME)
        } else {
            (Track::Video, video * VIDEO_FRAME)
        }
    }

    /// Hands over what is due.
    pub fn play(&mut self, now: Mono, sink: &mut impl UnitSink) {
        if self.frames == [0, 0] {
            configs().iter().for_each(|config| sink.config(config));
        }
        while self.due() <= now {
            let (track, time) = self.next();
            let [video, audio] = &mut self.frames;
            let key = track == Track::Video && *video % GOP == 0;
            self.body.clear();
            if track == Track::Video {
                let bytes = 1 + crate::stamp::STAMP_BYTES as u32;
                self.body.extend(bytes.to_be_bytes());
                self.body.push(if key { 0x65 } else { 0x41 });
                *video += 1;
            } else {
                *audio += 1;
            }
            let id = CARD_ID_MIN + self.times;
            Stamp { id, dts: time, composition: 0 }.write(&mut self.body);
            sink.begin(UnitStart { track, dts: Ticks(time), pts: Ticks(time), key });
            sink.write(track, &self.body);
            sink.commit(track);
        }
    }
}

fn configs() -> [TrackConfig; 2] {
    let record = |bytes| ConfigRecord::from_slice(bytes).expect("a short record");
    let avc = AvcConfig {
        record: record(VIDEO_RECORD),
        width: 640,
        height: 360,
        frame_rate: 30.0,
        profile_idc: 66,
        constraints: 0xc0,
        level_idc: 30,
    };
    let aac = AacConfig {
        record: record(AUDIO_RECORD),
        object_type: 2,
        sample_rate_hz: 48_000,
        channels: 2,
    };
    [TrackConfig::Avc(avc), TrackConfig::Aac(aac)]
}

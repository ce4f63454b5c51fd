//! The built-in card: what is on air whenever nothing else is. Purpose: a loop of H.264 and AAC
//! built into the binary, paced by the monotonic clock, without a seam: 64 frames at 30 per
//! second last exactly as long as 100 AAC frames at 48 kHz (2.1333 s). Non-goal: files.

use std::time::Duration;

use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::{AacConfig, AvcConfig, Track, TrackConfig, UnitSink, UnitStart};
use crate::flv::reader::{FlvReader, TagKind};
use crate::flv::tag::{self, AacPacket, AvcPacket};

static CARD: &[u8] = include_bytes!("standby.flv");

/// Distance of two video frames at 30 per second.
const VIDEO_FRAME: Ticks = Ticks(3000);
/// Distance of two AAC frames of 1024 samples at 48 kHz.
const AUDIO_FRAME: Ticks = Ticks(1920);
/// The card's units in order, and where the loop stands.
pub(super) struct Card {
    configs: Vec<TrackConfig>,
    units: Vec<CardUnit>,
    duration: Ticks,
    next: usize,
    /// Rounds played since it went on air.
    rounds: i64,
    began: Mono,
}

#[derive(Clone, Copy)]
struct CardUnit {
    track: Track,
    time: Ticks,
    key: bool,
    payload: &'static [u8],
}

impl Card {
    /// Reads the card out of the binary.
    pub(super) fn new() -> Card {
        let (configs, units, duration) = read_card();
        Card { configs, units, duration, next: 0, rounds: 0, began: Mono::default() }
    }

    /// Goes on air: the loop begins with its key frame.
    pub(super) fn begin(&mut self, now: Mono) {
        (self.next, self.rounds, self.began) = (0, 0, now);
    }

    /// Lets everything that has not left come so much later.
    pub(super) fn postpone(&mut self, by: Duration) {
        self.began = self.began + by;
    }

    /// Hands over everything that is due.
    pub(super) fn play(&mut self, now: Mono, sink: &mut impl UnitSink) {
        if self.next == 0 && self.rounds == 0 {
            for config in &self.configs {
                sink.config(config);
            }
        }
        while self.due() <= now {
            let Some(unit) = self.units.get(self.next).copied() else { return };
            let time = unit.time + self.round_start();
            sink.begin(UnitStart { track: unit.track, dts: time, pts: time, key: unit.key });
            sink.write(unit.track, unit.payload);
            sink.commit(unit.track);
            self.next += 1;
            if self.next == self.units.len() {
                self.next = 0;
                self.rounds += 1;
            }
        }
    }

    /// When the next unit is to leave.
    pub(super) fn due(&self) -> Mono {
        let time = self.units.get(self.next).map_or(Ticks(0), |unit| unit.time);
        self.began + (time + self.round_start()).to_duration()
    }

    fn round_start(&self) -> Ticks {
        Ticks(self.duration.0.saturating_mul(self.rounds))
    }
}

/// Reads the card. It is ours, made with the program: that it is well formed is an invariant,
/// held by a test.
fn read_card() -> (Vec<TrackConfig>, Vec<CardUnit>, Ticks) {
    let mut configs = Vec::new();
    let mut units = Vec::new();
    let [mut video_time, mut audio_time] = [Ticks(0); 2];
    for card_tag in FlvReader::new(CARD).expect("the built-in card is FLV") {
        let card_tag = card_tag.expect("the built-in card is whole");
        match card_tag.kind {
            TagKind::Script => {}
            TagKind::Video => {
                let (header, payload) = tag::parse_video(card_tag.body).expect("the card is AVC");
                match header.packet {
                    AvcPacket::SequenceHeader => {
                        let avc = AvcConfig::from_record(payload).expect("the card's SPS is valid");
                        configs.push(TrackConfig::Avc(avc));
                    }
                    AvcPacket::Nalu => {
                        let (track, time, key) = (Track::Video, video_time, header.key);
                        units.push(CardUnit { track, time, key, payload });
                        video_time = video_time + VIDEO_FRAME;
                    }
                    AvcPacket::EndOfSequence => {}
                }
            }
            TagKind::Audio => {
                let (packet, payload) = tag::parse_audio(card_tag.body).expect("the card is AAC");
                match packet {
                    AacPacket::SequenceHeader => {
                        let aac = AacConfig::from_record(payload).expect("the card's ASC is valid");
                        configs.push(TrackConfig::Aac(aac));
                    }
                    AacPacket::Raw => {
                        let (track, time) = (Track::Audio, audio_time);
                        units.push(CardUnit { track, time, key: false, payload });
                        audio_time = audio_time + AUDIO_FRAME;
                    }
                }
            }
        }
    }
    units.sort_by_key(|unit| unit.time);
    assert_eq!(video_time, audio_time, "both tracks of the card last equally long");
    (configs, units, video_time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Counts what a sink is given, and holds its times to what a loop without a seam gives.
    #[derive(Default)]
    struct Audience {
        configs: usize,
        units: [i64; 2],
        keys: usize,
    }

    impl UnitSink for Audience {
        fn config(&mut self, _config: &TrackConfig) {
            self.configs += 1;
        }
        fn begin(&mut self, start: UnitStart) {
            let step = [VIDEO_FRAME, AUDIO_FRAME][start.track as usize];
            let count = &mut self.units[start.track as usize];
            assert_eq!(start.dts, Ticks(*count * step.0), "no seam");
            assert_eq!(start.pts, start.dts);
            assert_eq!(start.key, start.track == Track::Video && *count % 64 == 0);
            *count += 1;
            self.keys += usize::from(start.key);
        }
        fn write(&mut self, _track: Track, bytes: &[u8]) {
            assert!(!bytes.is_empty());
        }
        fn patch(&mut self, _track: Track, _offset: usize, _bytes: [u8; 4]) {}
        fn commit(&mut self, _track: Track) {}
        fn abort(&mut self, _track: Track) {}
    }

    #[test]
    fn an_hour_of_the_card_has_no_seam_and_keeps_time() {
        let mut card = Card::new();
        let mut audience = Audience::default();
        let begin = Mono::from_ms(1000);
        card.begin(begin);
        for ms in (0..3_600_000).step_by(7) {
            card.play(begin + Duration::from_millis(ms), &mut audience);
        }
        assert_eq!(audience.configs, 2);
        let [video, audio] = audience.units;
        assert!((video - 30 * 3600).abs() <= 1, "{video} frames");
        assert!((audio - 48_000 * 3600 / 1024).abs() <= 1, "{audio} audio frames");
        assert_eq!(audience.keys as i64, (video + 63) / 64);
    }
}

//! The whole core: datagrams through demultiplexer, switcher and ring to a reader, in which time
//! only grows and every unit is behind its configuration.

use std::time::Duration;

use streamcaster::base::time::Mono;
use streamcaster::codec::access_unit::Track;
use streamcaster::flv::tag;
use streamcaster::program::reader::{Reader, ReaderStep};
use streamcaster::program::ring::{Capacity, Ring};
use streamcaster::program::source::Source;
use streamcaster::program::switcher::{FillAudio, Switcher};
use streamcaster::program::Programme;
use streamcaster::ts::demux::Demux;

/// Feeds an input as [`ts`](super::ts) does; the second byte says how fast time passes.
pub fn run(input: &[u8]) {
    let capacity = Capacity {
        video_bytes: 16 << 10,
        audio_bytes: 4 << 10,
        units: 64,
        unit_bytes_max: 4 << 10,
    };
    let silence = Duration::from_millis(500);
    let switcher = Switcher::new(Ring::new(capacity), silence, FillAudio::Yes);
    let programme = Programme::new(switcher);
    let (mut demux, mut reader) = (Demux::new(None), Reader::new());
    let pace = Duration::from_millis(u64::from(input.get(1).copied().unwrap_or(0)) * 4);
    let mut now = Mono::default();
    let mut last_ms = [None; 2];
    for datagram in super::ts::datagrams(input) {
        now = now + pace;
        programme.tick(now);
        programme.feed(Source::Udp, now, |sink| demux.datagram(&datagram, sink));
        let ring = programme.ring();
        loop {
            match reader.step(&ring) {
                ReaderStep::Wait => break,
                ReaderStep::Configure { changed, .. } => {
                    for (track, generation) in changed.iter() {
                        let missing = generation.is_some_and(|g| ring.config(track, g).is_none());
                        assert!(!missing, "a configuration to be sent is remembered");
                    }
                }
                ReaderStep::Send { unit, .. } => {
                    let [front, back] = ring.payload(&unit);
                    let body = [front, back].concat();
                    match unit.track {
                        Track::Video => {
                            let (header, _) = tag::parse_video(&body).expect("our own header");
                            assert_eq!(header.key, unit.key);
                        }
                        Track::Audio => assert!(tag::parse_audio(&body).is_ok()),
                    }
                    if let Some(last) = last_ms.get_mut(unit.track as usize) {
                        let ms = unit.dts.to_ms();
                        assert!(last.replace(ms).is_none_or(|last| last < ms), "time grows");
                    }
                    reader.sent(&unit);
                }
            }
        }
    }
}

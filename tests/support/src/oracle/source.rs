//! What a viewer may see: the units of each source, by which the oracle recognises where a
//! received unit is from. Times are 90 kHz ticks of the source's own clock.

use std::collections::HashMap;
use std::time::Duration;

use super::tag::{nal_type, picture_digest, sound_digest, AvcSets, Tag, AUDIO, VIDEO};
use super::{Fault, Message};
use crate::units::{Media, Track};

/// Ticks of 90 kHz in a millisecond.
pub const TICKS_IN_MS: i64 = 90;

/// A unit of a source.
#[derive(Clone, Debug)]
pub struct Known {
    /// Digest of its picture or sound.
    pub digest: u64,
    /// Decoding time.
    pub dts: i64,
    /// Presentation time.
    pub pts: i64,
    /// A decoder can start here.
    pub key: bool,
    /// The configuration it was made with, by its number among the source's; `None` when the
    /// source does not say.
    pub config: Option<usize>,
    /// When its last byte left the sender, on the clock of [`Message::arrived`].
    pub sent: Option<Duration>,
}

/// A source: a file, a publisher, the standby card.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// For messages.
    pub name: String,
    /// Pictures in decoding order.
    pub video: Vec<Known>,
    /// Sound.
    pub audio: Vec<Known>,
    /// Parameter sets, in the order in which they come to hold.
    pub video_configs: Vec<AvcSets>,
    /// AudioSpecificConfigs.
    pub audio_configs: Vec<Vec<u8>>,
}

impl Source {
    /// A source that holds nothing yet.
    pub fn named(name: &str) -> Source {
        Source { name: name.to_owned(), ..Source::default() }
    }

    /// One made by an encoder.
    pub fn of_media(name: &str, media: &Media) -> Source {
        let mut source = Source::named(name);
        source.add(media);
        source
    }

    /// What follows in the same source, with the configurations it has itself.
    pub fn add(&mut self, media: &Media) {
        let sets = AvcSets::of_nals(media.parameter_sets.iter().map(Vec::as_slice));
        let video = (!sets.sps.is_empty()).then(|| entered(&mut self.video_configs, sets));
        let sound = media.audio_config.clone();
        let audio = (!sound.is_empty()).then(|| entered(&mut self.audio_configs, sound));
        for unit in &media.units {
            let (dts, pts, key) = (unit.dts, unit.pts, unit.key);
            let nals: Vec<&[u8]> = unit.nals.iter().map(Vec::as_slice).collect();
            match unit.track {
                Track::Video => {
                    let digest = picture_digest(&nals);
                    self.video.push(Known { digest, dts, pts, key, config: video, sent: None });
                }
                Track::Audio => {
                    let digest = sound_digest(&nals.concat());
                    self.audio.push(Known { digest, dts, pts, key, config: audio, sent: None });
                }
            }
        }
    }

    /// What FLV tags or RTMP messages hold, as a muxer wrote them. A unit that is broken is none
    /// of the source's: it must not come out. Any other tag that cannot be read is named in the
    /// error.
    pub fn of_messages<'a>(
        name: &str,
        messages: impl IntoIterator<Item = Message<'a>>,
    ) -> Result<Source, String> {
        let mut source = Source::named(name);
        let (mut video, mut audio) = (None, None);
        for (at, message) in messages.into_iter().enumerate() {
            let dts = i64::from(message.time_ms) * TICKS_IN_MS;
            let sent = message.arrived;
            if says_nothing(&message) {
                continue;
            }
            match Tag::parse(message.kind, message.body) {
                Ok(Tag::VideoConfig(sets)) => {
                    video = Some(entered(&mut source.video_configs, sets));
                }
                Ok(Tag::AudioConfig(config)) => {
                    audio = Some(entered(&mut source.audio_configs, config.to_vec()));
                }
                Ok(Tag::VideoUnit { key, composition_ms, nals }) => {
                    let inband = AvcSets::of_nals(nals.iter().copied());
                    if !inband.sps.is_empty() && !inband.pps.is_empty() {
                        let is_new = video
                            .and_then(|held| source.video_configs.get::<usize>(held))
                            .is_none_or(|held: &AvcSets| !held.holds(&inband));
                        if is_new {
                            video = Some(entered(&mut source.video_configs, inband));
                        }
                    }
                    source.video.push(Known {
                        digest: picture_digest(&nals),
                        dts,
                        pts: dts + composition_ms * TICKS_IN_MS,
                        key,
                        config: video,
                        sent,
                    });
                }
                Ok(Tag::AudioUnit(frame)) => source.audio.push(Known {
                    digest: sound_digest(frame),
                    dts,
                    pts: dts,
                    key: false,
                    config: audio,
                    sent,
                }),
                Ok(Tag::Data) => {}
                Err(Fault::Malformed(_)) if matches!(message.body, [_, 1, ..]) => {}
                Err(fault) => return Err(format!("{name}: message {at}: {fault}")),
            }
        }
        Ok(source)
    }

    /// The units of a track.
    pub fn track(&self, track: Track) -> &[Known] {
        match track {
            Track::Video => &self.video,
            Track::Audio => &self.audio,
        }
    }
}

/// What muxers write and no source holds: the end of a sequence, an AudioSpecificConfig that
/// ffmpeg does not know yet.
fn says_nothing(message: &Message<'_>) -> bool {
    matches!((message.kind, message.body), (VIDEO, [_, 2, ..]) | (AUDIO, [_, 0]))
}

/// The number of a configuration in its list, to which it is added when it is new.
fn entered<T: PartialEq>(list: &mut Vec<T>, config: T) -> usize {
    list.iter().position(|known| *known == config).unwrap_or_else(|| {
        list.push(config);
        list.len() - 1
    })
}

/// Whether an access unit holds parameter sets itself.
pub fn has_sets(nals: &[&[u8]]) -> bool {
    nals.iter().any(|nal| matches!(nal_type(nal), 7 | 8))
}

/// Where a unit stands: its source and its number among the track's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which source, by its number.
    pub source: usize,
    /// Which unit of the track.
    pub unit: usize,
}

/// Where units are found by their digest: a card's picture stands in several places of it.
#[derive(Default)]
pub struct Places {
    by_digest: [HashMap<u64, Vec<Place>>; 2],
}

impl Places {
    /// Enters all units of the sources.
    pub fn of(sources: &[Source]) -> Places {
        let mut places = Places::default();
        for (source, known) in sources.iter().enumerate() {
            for (track, map) in [Track::Video, Track::Audio].into_iter().zip(&mut places.by_digest)
            {
                for (unit, known) in known.track(track).iter().enumerate() {
                    map.entry(known.digest).or_default().push(Place { source, unit });
                }
            }
        }
        places
    }

    /// Where a unit with this digest stands.
    pub fn find(&self, track: Track, digest: u64) -> &[Place] {
        let [video, audio] = &self.by_digest;
        let map = match track {
            Track::Video => video,
            Track::Audio => audio,
        };
        map.get(&digest).map_or(&[], Vec::as_slice)
    }
}

//! onMetaData, as players and platforms expect it. Purpose: the payload of a data message from
//! what is known of the programme, with the property names OBS uses. Non-goals: reading it.
//! Bound: some 400 bytes.

use super::amf::AmfWriter;

/// FLV's number for AVC (Video File Format Specification 10.1, E.4.3.1).
const VIDEO_CODEC_AVC: f64 = 7.0;
/// FLV's number for AAC (E.4.2.1).
const AUDIO_CODEC_AAC: f64 = 10.0;
const AUDIO_SAMPLE_BITS: f64 = 16.0;
const ENCODER: &str = concat!("StreamCaster ", env!("CARGO_PKG_VERSION"));

/// What is known of the programme. A number that is 0 is not known and is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metadata {
    /// The video track, if there is one.
    pub video: Option<VideoMetadata>,
    /// The audio track, if there is one.
    pub audio: Option<AudioMetadata>,
}

/// What is known of an H.264 track.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VideoMetadata {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: f64,
    /// Kilobits per second.
    pub kbps: f64,
}

/// What is known of an AAC track.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AudioMetadata {
    /// Kilobits per second.
    pub kbps: f64,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u8,
}

impl Metadata {
    /// Payload of the data message a server sends to players.
    pub fn for_players(&self) -> Vec<u8> {
        self.array(AmfWriter::new().string("onMetaData"))
    }

    /// Payload of the data message a publisher sends to a server.
    pub fn for_servers(&self) -> Vec<u8> {
        self.array(AmfWriter::new().string("@setDataFrame").string("onMetaData"))
    }

    fn array(&self, before: AmfWriter) -> Vec<u8> {
        let mut numbers = heapless::Vec::<(&'static str, f64), 12>::new();
        let mut add = |name, number: f64| {
            if number > 0.0 && number.is_finite() {
                // The capacity is that of the names below.
                let _ = numbers.push((name, number));
            }
        };
        if let Some(video) = self.video {
            add("width", f64::from(video.width));
            add("height", f64::from(video.height));
            add("framerate", video.frame_rate);
            add("videocodecid", VIDEO_CODEC_AVC);
            add("videodatarate", video.kbps);
        }
        if let Some(audio) = self.audio {
            add("audiocodecid", AUDIO_CODEC_AAC);
            add("audiodatarate", audio.kbps);
            add("audiosamplerate", f64::from(audio.sample_rate_hz));
            add("audiosamplesize", AUDIO_SAMPLE_BITS);
            add("audiochannels", f64::from(audio.channels));
        }
        let stereo = self.audio.map(|audio| audio.channels).filter(|&channels| channels > 0);
        let count = numbers.len() + usize::from(stereo.is_some()) + 1;
        let mut array = before.ecma_array(count as u32);
        for (name, number) in numbers {
            array = array.key(name).number(number);
        }
        if let Some(channels) = stereo {
            array = array.key("stereo").boolean(channels > 1);
        }
        array.key("encoder").string(ENCODER).end().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtmp::amf::{AmfReader, AmfValue};

    #[test]
    fn known_values_are_named_and_unknown_ones_left_out() {
        let metadata = Metadata {
            video: Some(VideoMetadata { width: 1280, height: 720, frame_rate: 29.97, kbps: 0.0 }),
            audio: Some(AudioMetadata { kbps: 128.0, sample_rate_hz: 48_000, channels: 2 }),
        };
        let bytes = metadata.for_servers();
        let mut reader = AmfReader::new(&bytes).unwrap();
        assert_eq!(reader.text(), Some("@setDataFrame"));
        assert_eq!(reader.text(), Some("onMetaData"));
        let array = reader.value().unwrap();
        let number = |name| array.get(name).and_then(AmfValue::number);
        assert_eq!(number("width"), Some(1280.0));
        assert_eq!(number("height"), Some(720.0));
        assert_eq!(number("framerate"), Some(29.97));
        assert_eq!(number("videocodecid"), Some(7.0));
        assert_eq!(array.get("videodatarate"), None);
        assert_eq!(number("audiocodecid"), Some(10.0));
        assert_eq!(number("audiodatarate"), Some(128.0));
        assert_eq!(number("audiosamplerate"), Some(48_000.0));
        assert_eq!(number("audiosamplesize"), Some(16.0));
        assert_eq!(number("audiochannels"), Some(2.0));
        assert_eq!(array.get("stereo"), Some(AmfValue::Boolean(true)));
        assert!(array.get("encoder").unwrap().text().unwrap().starts_with("StreamCaster "));
        let AmfValue::Object(properties) = array else { panic!() };
        let announced = u32::from_be_bytes(*bytes[30..].first_chunk().unwrap());
        assert_eq!(announced as usize, properties.count());
    }

    #[test]
    fn a_programme_without_audio_does_not_speak_of_it() {
        let metadata = Metadata { video: Some(VideoMetadata::default()), audio: None };
        let bytes = metadata.for_players();
        let mut reader = AmfReader::new(&bytes).unwrap();
        assert_eq!(reader.text(), Some("onMetaData"));
        let array = reader.value().unwrap();
        assert_eq!(array.get("videocodecid"), Some(AmfValue::Number(7.0)));
        for name in ["width", "framerate", "audiocodecid", "audiosamplesize", "stereo"] {
            assert_eq!(array.get(name), None);
        }
    }
}

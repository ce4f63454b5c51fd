//! Why a track of FLV tags or RTMP messages is not carried. Purpose: name what strangers send, so
//! that a person knows what to change. Bound: values.

use std::fmt;

use crate::codec::access_unit::Track;
use crate::codec::{AacRecordError, AvcRecordError};

/// What is wrong with a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// Video of this CodecID (Adobe FLV specification 10.1, E.4.3.1), not H.264 (7).
    VideoCodec(u8),
    /// Audio of this SoundFormat (E.4.2.1), not AAC (10).
    AudioFormat(u8),
    /// Enhanced RTMP (veovera, v2), with the FourCC of its codec.
    Enhanced(Track, [u8; 4]),
    /// The AVCDecoderConfigurationRecord cannot be used.
    VideoRecord(AvcRecordError),
    /// The AudioSpecificConfig cannot be used.
    AudioRecord(AacRecordError),
}

impl Complaint {
    /// What the track holds, named for a person; `None` when it is H.264 or AAC all the same.
    pub fn holds(&self) -> Option<&'static str> {
        Some(match self {
            Complaint::VideoCodec(id) => video_codec(*id),
            Complaint::AudioFormat(id) => audio_format(*id),
            Complaint::Enhanced(track, four_cc) => enhanced(*track, four_cc),
            Complaint::VideoRecord(_) | Complaint::AudioRecord(_) => return None,
        })
    }

    /// Whether a video unit that came whole refutes it.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self, Complaint::VideoRecord(_))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::VideoCodec(id) => {
                write!(f, "{} (codec {id}) is not supported, only H.264", video_codec(*id))
            }
            Complaint::AudioFormat(id) => {
                write!(f, "{} (format {id}) is not supported, only AAC", audio_format(*id))
            }
            Complaint::Enhanced(track, four_cc) => {
                write!(f, "{} is not supported", enhanced(*track, four_cc))
            }
            Complaint::VideoRecord(error) => error.fmt(f),
            Complaint::AudioRecord(error) => error.fmt(f),
        }
    }
}

fn video_codec(id: u8) -> &'static str {
    match id {
        2 => "Sorenson H.263 video",
        3 | 6 => "Screen Video",
        4 => "VP6 video",
        5 => "VP6 video with alpha",
        // Never in the specification, but written by encoders before Enhanced RTMP.
        12 => "HEVC video",
        13 => "AV1 video",
        _ => "video of an unknown codec",
    }
}

fn audio_format(id: u8) -> &'static str {
    match id {
        0 | 3 => "PCM audio",
        1 => "ADPCM audio",
        2 | 14 => "MP3 audio",
        4..=6 => "Nellymoser audio",
        7 | 8 => "G.711 audio",
        11 => "Speex audio",
        _ => "audio of an unknown format",
    }
}

fn enhanced(track: Track, four_cc: &[u8; 4]) -> &'static str {
    match four_cc {
        b"hvc1" => "HEVC video (Enhanced RTMP)",
        b"av01" => "AV1 video (Enhanced RTMP)",
        b"vp08" => "VP8 video (Enhanced RTMP)",
        b"vp09" => "VP9 video (Enhanced RTMP)",
        b"vvc1" => "VVC video (Enhanced RTMP)",
        b"avc1" => "H.264 video sent as Enhanced RTMP",
        b"Opus" => "Opus audio (Enhanced RTMP)",
        b"ac-3" => "AC-3 audio (Enhanced RTMP)",
        b"ec-3" => "E-AC-3 audio (Enhanced RTMP)",
        b"fLaC" => "FLAC audio (Enhanced RTMP)",
        b".mp3" => "MP3 audio (Enhanced RTMP)",
        b"mp4a" => "AAC audio sent as Enhanced RTMP",
        _ if track == Track::Video => "video of an unknown codec (Enhanced RTMP)",
        _ => "audio of an unknown codec (Enhanced RTMP)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_what_it_is() {
        let said = |complaint: Complaint| complaint.to_string();
        assert_eq!(
            said(Complaint::VideoCodec(4)),
            "VP6 video (codec 4) is not supported, only H.264"
        );
        assert_eq!(
            said(Complaint::AudioFormat(11)),
            "Speex audio (format 11) is not supported, only AAC"
        );
        assert_eq!(
            said(Complaint::Enhanced(Track::Video, *b"hvc1")),
            "HEVC video (Enhanced RTMP) is not supported"
        );
        let unknown = Complaint::Enhanced(Track::Audio, [0, 1, 0xff, 2]);
        assert_eq!(unknown.holds(), Some("audio of an unknown codec (Enhanced RTMP)"));
        let record = Complaint::VideoRecord(AvcRecordError::Incomplete);
        assert_eq!(record.holds(), None);
        assert_eq!(said(record), AvcRecordError::Incomplete.to_string());
    }
}

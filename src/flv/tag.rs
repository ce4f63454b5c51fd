//! The headers a tag's body begins with: VideoTagHeader (Adobe FLV specification 10.1, E.4.3.1)
//! for AVC and AudioTagHeader (E.4.2.1) for AAC. The bodies of RTMP video and audio messages are
//! the same. Purpose: parse and emit. Non-goals: other codecs, which parse to an error that names
//! them, and Enhanced RTMP. Bound: a few bytes on the stack.

use std::fmt;

use crate::base::time::Ticks;

/// Bytes of a VideoTagHeader for AVC.
pub const VIDEO_HEADER_BYTES: usize = 5;
/// Bytes of an AudioTagHeader for AAC.
pub const AUDIO_HEADER_BYTES: usize = 2;

/// The range of CompositionTime, a signed 24-bit number, in milliseconds.
const COMPOSITION_MS_MAX: i32 = 0x7f_ffff;
const COMPOSITION_MS_MIN: i32 = -0x80_0000;

const CODEC_AVC: u8 = 7;
const FRAME_KEY: u8 = 1;
const FRAME_INTER: u8 = 2;
const FRAME_DISPOSABLE: u8 = 3;
const FRAME_GENERATED_KEY: u8 = 4;
const FORMAT_AAC: u8 = 10;
/// What stands before an AAC body whatever the stream is: 44 kHz, 16 bits, stereo (E.4.2.1).
const AAC_FLAGS: u8 = (FORMAT_AAC << 4) | 0x0f;

/// AVCPacketType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AvcPacket {
    /// The body is an AVCDecoderConfigurationRecord.
    SequenceHeader,
    /// The body is an access unit, NAL units behind their lengths.
    Nalu,
    /// The body is empty: the sequence ends.
    EndOfSequence,
}

/// AACPacketType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AacPacket {
    /// The body is an AudioSpecificConfig.
    SequenceHeader,
    /// The body is a raw AAC frame.
    Raw,
}

/// What a VideoTagHeader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoHeader {
    /// A key frame.
    pub key: bool,
    /// What the body is.
    pub packet: AvcPacket,
    /// Presentation time minus decoding time, milliseconds.
    pub composition_ms: i32,
}

/// Why a tag's body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagError {
    /// The body ends within its header.
    Truncated,
    /// Video of this CodecID, not AVC (7).
    VideoCodec(u8),
    /// Video with an Enhanced RTMP header.
    Enhanced,
    /// A FrameType that holds no picture.
    FrameType(u8),
    /// Audio of this SoundFormat, not AAC (10).
    AudioFormat(u8),
    /// An AVCPacketType or AACPacketType that does not exist.
    PacketType(u8),
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagError::Truncated => f.write_str("the tag ends within its header"),
            TagError::VideoCodec(id) => {
                write!(f, "video codec {id} is not supported, only H.264 (7)")
            }
            TagError::Enhanced => f.write_str("Enhanced RTMP video is not supported"),
            TagError::FrameType(kind) => write!(f, "frame type {kind} holds no picture"),
            TagError::AudioFormat(id) => {
                write!(f, "audio format {id} is not supported, only AAC (10)")
            }
            TagError::PacketType(kind) => write!(f, "packet type {kind} is unknown"),
        }
    }
}

impl std::error::Error for TagError {}

/// The header of a video body. A composition time that 24 bits cannot hold is clamped.
pub fn video_header(key: bool, packet: AvcPacket, composition_ms: i32) -> [u8; VIDEO_HEADER_BYTES] {
    let frame = if key { FRAME_KEY } else { FRAME_INTER };
    let packet = match packet {
        AvcPacket::SequenceHeader => 0,
        AvcPacket::Nalu => 1,
        AvcPacket::EndOfSequence => 2,
    };
    let clamped = composition_ms.clamp(COMPOSITION_MS_MIN, COMPOSITION_MS_MAX);
    let [_, high, middle, low] = clamped.to_be_bytes();
    [(frame << 4) | CODEC_AVC, packet, high, middle, low]
}

/// The header of an audio body.
pub fn audio_header(packet: AacPacket) -> [u8; AUDIO_HEADER_BYTES] {
    let packet = match packet {
        AacPacket::SequenceHeader => 0,
        AacPacket::Raw => 1,
    };
    [AAC_FLAGS, packet]
}

/// Takes the header off a video body.
pub fn parse_video(body: &[u8]) -> Result<(VideoHeader, &[u8]), TagError> {
    let first = *body.first().ok_or(TagError::Truncated)?;
    if first & 0x80 != 0 {
        return Err(TagError::Enhanced);
    }
    if first & 0x0f != CODEC_AVC {
        return Err(TagError::VideoCodec(first & 0x0f));
    }
    let key = match first >> 4 {
        FRAME_KEY | FRAME_GENERATED_KEY => true,
        FRAME_INTER | FRAME_DISPOSABLE => false,
        other => return Err(TagError::FrameType(other)),
    };
    let (header, rest) =
        body.split_first_chunk::<VIDEO_HEADER_BYTES>().ok_or(TagError::Truncated)?;
    let [_, packet, high, middle, low] = *header;
    let packet = match packet {
        0 => AvcPacket::SequenceHeader,
        1 => AvcPacket::Nalu,
        2 => AvcPacket::EndOfSequence,
        other => return Err(TagError::PacketType(other)),
    };
    // Shifted up and down again, the sign fills the missing byte.
    let composition_ms = i32::from_be_bytes([high, middle, low, 0]) >> 8;
    Ok((VideoHeader { key, packet, composition_ms }, rest))
}

/// Takes the header off an audio body. Rate, size and type flags say nothing for AAC.
pub fn parse_audio(body: &[u8]) -> Result<(AacPacket, &[u8]), TagError> {
    let first = *body.first().ok_or(TagError::Truncated)?;
    if first >> 4 != FORMAT_AAC {
        return Err(TagError::AudioFormat(first >> 4));
    }
    let (header, rest) =
        body.split_first_chunk::<AUDIO_HEADER_BYTES>().ok_or(TagError::Truncated)?;
    let packet = match header {
        [_, 0] => AacPacket::SequenceHeader,
        [_, 1] => AacPacket::Raw,
        [_, other] => return Err(TagError::PacketType(*other)),
    };
    Ok((packet, rest))
}

/// CompositionTime of an access unit, milliseconds: the difference of both times as they are
/// rounded for the timestamp, so that timestamp and composition time add up to the rounded PTS
/// and rounding never accumulates (obs-studio #12151).
pub fn composition_ms(dts: Ticks, pts: Ticks) -> i32 {
    let ms = pts.to_ms().saturating_sub(dts.to_ms());
    let ms = ms.clamp(i64::from(COMPOSITION_MS_MIN), i64::from(COMPOSITION_MS_MAX));
    i32::try_from(ms).expect("clamped to 24 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_headers_are_the_bytes_of_the_specification() {
        assert_eq!(video_header(true, AvcPacket::SequenceHeader, 0), [0x17, 0, 0, 0, 0]);
        assert_eq!(video_header(true, AvcPacket::Nalu, 66), [0x17, 1, 0, 0, 66]);
        assert_eq!(video_header(false, AvcPacket::Nalu, -2), [0x27, 1, 0xff, 0xff, 0xfe]);
        assert_eq!(audio_header(AacPacket::SequenceHeader), [0xaf, 0]);
        assert_eq!(audio_header(AacPacket::Raw), [0xaf, 1]);
    }

    #[test]
    fn what_is_emitted_is_parsed_back() {
        for key in [false, true] {
            for packet in [AvcPacket::SequenceHeader, AvcPacket::Nalu, AvcPacket::EndOfSequence] {
                for composition_ms in [0, 1, -1, 40, -40, 0x7f_ffff, -0x80_0000] {
                    let mut body = video_header(key, packet, composition_ms).to_vec();
                    body.extend_from_slice(b"unit");
                    let header = VideoHeader { key, packet, composition_ms };
                    assert_eq!(parse_video(&body), Ok((header, &b"unit"[..])));
                }
            }
        }
        for packet in [AacPacket::SequenceHeader, AacPacket::Raw] {
            let mut body = audio_header(packet).to_vec();
            body.extend_from_slice(b"frame");
            assert_eq!(parse_audio(&body), Ok((packet, &b"frame"[..])));
        }
    }

    #[test]
    fn a_composition_time_beyond_24_bits_is_clamped() {
        for (asked, held) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000)] {
            let header = video_header(false, AvcPacket::Nalu, asked);
            assert_eq!(parse_video(&header).unwrap().0.composition_ms, held);
        }
        assert_eq!(composition_ms(Ticks(0), Ticks(i64::MAX)), 0x7f_ffff);
        assert_eq!(composition_ms(Ticks(i64::MAX), Ticks(i64::MIN)), -0x80_0000);
    }

    #[test]
    fn timestamp_and_composition_time_add_up_to_the_presentation_time() {
        // 29.97 frames a second, presentation two frames behind decoding.
        for frame in 0..100_000 {
            let (dts, pts) = (Ticks(frame * 3003), Ticks(frame * 3003 + 6006));
            assert_eq!(dts.to_ms() + i64::from(composition_ms(dts, pts)), pts.to_ms());
        }
    }

    #[test]
    fn bodies_that_are_something_else_say_what() {
        assert_eq!(parse_video(&[]), Err(TagError::Truncated));
        assert_eq!(parse_video(&[0x17, 1, 0, 0]), Err(TagError::Truncated));
        assert_eq!(parse_video(&[0x12, 0, 0, 0, 0]), Err(TagError::VideoCodec(2)));
        assert_eq!(parse_video(&[0x57, 0, 0, 0, 0]), Err(TagError::FrameType(5)));
        assert_eq!(parse_video(&[0x17, 3, 0, 0, 0]), Err(TagError::PacketType(3)));
        assert_eq!(parse_video(&[0x90, b'h', b'v', b'c', b'1']), Err(TagError::Enhanced));
        assert_eq!(parse_audio(&[]), Err(TagError::Truncated));
        assert_eq!(parse_audio(&[0xaf]), Err(TagError::Truncated));
        assert_eq!(parse_audio(&[0x2f, 0]), Err(TagError::AudioFormat(2)));
        assert_eq!(parse_audio(&[0xaf, 2]), Err(TagError::PacketType(2)));
    }
}

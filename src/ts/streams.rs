//! What the elementary streams of a programme are (ISO/IEC 13818-1, table 2-34, and the
//! descriptors DVB and others tell them by). Purpose: choose what is carried, and name the rest
//! with the reason, so that an operator sees why there is no sound. Non-goal: languages. Bound:
//! [`TS_STREAMS_MAX`] streams.

use serde::Serialize;

use crate::base::limits::TS_STREAMS_MAX;

/// An elementary stream of the programme in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StreamInfo {
    /// Its PID.
    pub pid: u16,
    /// What it is, for a person.
    pub codec: &'static str,
    /// Whether it is part of what the demultiplexer gives out.
    pub carried: bool,
    /// Why it is not, for a person; empty when carried.
    pub reason: &'static str,
}

impl StreamInfo {
    /// Whether it is a picture, carried or not.
    pub fn is_picture(&self) -> bool {
        let pictures = ["H.264", "H.264 (encrypted)", "HEVC", "VVC", "AV1", "VC-1", "JPEG 2000"];
        pictures.contains(&self.codec) || self.codec.ends_with(" video")
    }

    /// What it is, for a person who asks which sound is left out; `None` when it is no sound.
    pub fn sound(&self) -> Option<&'static str> {
        Some(match self.codec {
            "AC-3" => "AC-3 audio",
            "E-AC-3" => "E-AC-3 audio",
            "DTS" => "DTS audio",
            "LPCM" => "LPCM audio",
            "Opus" => "Opus audio",
            "AAC" => "a second AAC track",
            "AAC (LATM)" => "AAC audio in LATM",
            "AAC (DVB)" => "AAC audio in private data",
            "AAC (encrypted)" => "encrypted AAC audio",
            "MPEG-4 audio (raw)" => "AAC audio without ADTS",
            "SMPTE 302M" => "SMPTE 302M audio",
            "MPEG-1 audio" => "MPEG-1 audio",
            "MPEG-2 audio" => "MPEG-2 audio",
            _ => return None,
        })
    }
}

/// What kind of stream it is, as far as carrying goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamKind {
    /// H.264, carried.
    Avc,
    /// AAC in ADTS, carried.
    Adts,
    /// Announced as MPEG-1 or MPEG-2 audio. Some multiplexers announce ADTS so.
    MpegAudio,
    /// Video that is not carried.
    Video,
    /// Anything else that is not carried.
    Other,
}

/// How good a programme is for going on air, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Nothing in it is known.
    Nothing,
    /// Sound only that can be carried.
    Sound,
    /// A picture that cannot be carried.
    Picture,
    /// A picture that can.
    CarriedPicture,
}

/// The streams of a PMT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PmtStreams {
    infos: heapless::Vec<StreamInfo, TS_STREAMS_MAX>,
    /// PID of the H.264 stream carried.
    pub(super) video: Option<u16>,
    /// PID of the AAC stream carried.
    pub(super) audio: Option<u16>,
    /// PID of a stream that is no AAC by its name but may be by its content.
    pub(super) audio_maybe: Option<u16>,
    has_picture: bool,
}

const SECOND_VIDEO: &str = "only the first video stream is used";
const SECOND_AUDIO: &str = "only the first audio stream is used";
const MPEG_AUDIO: &str = "MPEG-1 and MPEG-2 audio are not supported";

impl PmtStreams {
    /// Reads the body of a PMT section (2.4.4.8). What is cut off is left out.
    pub(super) fn parse(body: &[u8]) -> PmtStreams {
        let mut streams = PmtStreams::default();
        // PCR_PID and program_info_length.
        let Some(([_, _, high, low], rest)) = body.split_first_chunk::<4>() else { return streams };
        let mut rest = rest.get(length(*high, *low)..).unwrap_or_default();
        while let Some(([kind, p0, p1, high, low], behind)) = rest.split_first_chunk::<5>() {
            let (descriptors, behind) =
                behind.split_at_checked(length(*high, *low)).unwrap_or((behind, &[]));
            streams.add(u16::from_be_bytes([p0 & 0x1f, *p1]), *kind, descriptors);
            rest = behind;
        }
        streams.announce_mpeg_audio();
        streams
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = StreamInfo> + '_ {
        self.infos.iter().copied()
    }

    pub(super) fn worth(&self) -> Worth {
        match (self.video, self.has_picture, self.audio) {
            (Some(_), _, _) => Worth::CarriedPicture,
            (None, true, _) => Worth::Picture,
            (None, false, Some(_)) => Worth::Sound,
            (None, false, None) => Worth::Nothing,
        }
    }

    /// The stream announced as MPEG audio has turned out to be ADTS: it is carried.
    pub(super) fn audio_is_adts(&mut self) {
        self.audio = self.audio_maybe.take();
        for info in self.infos.iter_mut().filter(|info| Some(info.pid) == self.audio) {
            *info = StreamInfo { pid: info.pid, codec: "AAC", carried: true, reason: "" };
        }
    }

    fn add(&mut self, pid: u16, stream_type: u8, descriptors: &[u8]) {
        let (kind, codec, reason) = name(stream_type, descriptors);
        let (carried, reason) = match kind {
            StreamKind::Avc if self.video.is_none() => (true, ""),
            StreamKind::Avc => (false, SECOND_VIDEO),
            StreamKind::Adts if self.audio.is_none() => (true, ""),
            StreamKind::Adts => (false, SECOND_AUDIO),
            StreamKind::MpegAudio | StreamKind::Video | StreamKind::Other => (false, reason),
        };
        match kind {
            StreamKind::Avc if carried => self.video = Some(pid),
            StreamKind::Adts if carried => self.audio = Some(pid),
            StreamKind::MpegAudio if self.audio_maybe.is_none() => self.audio_maybe = Some(pid),
            _ => {}
        }
        self.has_picture |= matches!(kind, StreamKind::Avc | StreamKind::Video);
        if self.infos.push(StreamInfo { pid, codec, carried, reason }).is_err() && carried {
            // The table is full of others: what is carried must be seen in it.
            self.infos.pop();
            self.infos.push(StreamInfo { pid, codec, carried, reason }).unwrap_or_default();
        }
    }

    /// MPEG audio is only looked into when there is no AAC that says so.
    fn announce_mpeg_audio(&mut self) {
        if self.audio.is_some() {
            self.audio_maybe = None;
        }
    }
}

/// A 12-bit length in two bytes.
fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high & 0x0f, low]))
}

/// Kind, name and the reason for not carrying it, by stream type.
fn name(stream_type: u8, descriptors: &[u8]) -> (StreamKind, &'static str, &'static str) {
    use StreamKind::{Adts, Avc, MpegAudio, Other, Video};
    match stream_type {
        0x1b => (Avc, "H.264", ""),
        0x0f => (Adts, "AAC", ""),
        0x01 => (Video, "MPEG-1 video", "MPEG-1 video is not supported"),
        0x02 => (Video, "MPEG-2 video", "MPEG-2 video is not supported"),
        0x03 => (MpegAudio, "MPEG-1 audio", MPEG_AUDIO),
        0x04 => (MpegAudio, "MPEG-2 audio", MPEG_AUDIO),
        0x05 => (Other, "private sections", "private sections are left out"),
        0x06 => private(descriptors),
        0x0a..=0x0d => (Other, "DSM-CC", "DSM-CC data is left out"),
        0x10 => (Video, "MPEG-4 video", "MPEG-4 Part 2 video is not supported"),
        0x11 => (Other, "AAC (LATM)", "AAC in LATM is not supported yet, only in ADTS"),
        0x15 => (Other, "timed metadata", "metadata is left out"),
        0x1c => (Other, "MPEG-4 audio (raw)", "AAC without ADTS is not supported"),
        0x1f | 0x20 => (Other, "H.264 extension", "scalable and multiview layers are left out"),
        0x21 => (Video, "JPEG 2000", "JPEG 2000 is not supported"),
        0x24 | 0x25 => (Video, "HEVC", "HEVC is not supported yet"),
        0x33 => (Video, "VVC", "VVC is not supported yet"),
        0x42 | 0xd2 => (Video, "AVS video", "AVS video is not supported"),
        0x80 if is_registered(descriptors, b"HDMV") => (Other, "LPCM", "LPCM is not supported"),
        0x81 => (Other, "AC-3", "AC-3 is not supported"),
        0x82 if is_registered(descriptors, b"HDMV") => (Other, "DTS", "DTS is not supported"),
        0x86 if !is_registered(descriptors, b"HDMV") => {
            (Other, "SCTE-35", "SCTE-35 splice information is left out")
        }
        0x87 => (Other, "E-AC-3", "E-AC-3 is not supported"),
        0xcf => (Other, "AAC (encrypted)", "encrypted streams are not supported"),
        0xdb => (Video, "H.264 (encrypted)", "encrypted streams are not supported"),
        0xea => (Video, "VC-1", "VC-1 is not supported"),
        _ => (Other, "unknown", "the stream type is not known"),
    }
}

/// PES with private data, told by its descriptors (ETSI EN 300 468, table 12 and annex D).
fn private(descriptors: &[u8]) -> (StreamKind, &'static str, &'static str) {
    use StreamKind::{Other, Video};
    for (tag, body) in Descriptors(descriptors) {
        return match (tag, body) {
            (0x6a, _) | (0x05, b"AC-3") => (Other, "AC-3", "AC-3 is not supported"),
            (0x7a, _) | (0x05, b"EAC3") => (Other, "E-AC-3", "E-AC-3 is not supported"),
            (0x7b, _) | (0x05, b"DTS1" | b"DTS2" | b"DTS3") => {
                (Other, "DTS", "DTS is not supported")
            }
            (0x7c, _) => (Other, "AAC (DVB)", "AAC in private data is not supported"),
            (0x46 | 0x56, _) => (Other, "teletext", "teletext is left out"),
            (0x59, _) => (Other, "DVB subtitles", "subtitles are left out"),
            (0x05, b"Opus") => (Other, "Opus", "Opus is not supported yet"),
            (0x05, b"HEVC") => (Video, "HEVC", "HEVC is not supported yet"),
            (0x05, b"AV01") => (Video, "AV1", "AV1 is not supported yet"),
            (0x05, b"VC-1") => (Video, "VC-1", "VC-1 is not supported"),
            (0x05, b"KLVA") => (Other, "KLV metadata", "metadata is left out"),
            (0x05, b"BSSD") => (Other, "SMPTE 302M", "SMPTE 302M audio is not supported"),
            _ => continue,
        };
    }
    (Other, "private data", "private data is left out")
}

fn is_registered(descriptors: &[u8], format: &[u8; 4]) -> bool {
    Descriptors(descriptors).any(|(tag, body)| tag == 0x05 && body.starts_with(format))
}

/// Tag and body of each descriptor, as far as they are whole (2.6).
struct Descriptors<'a>(&'a [u8]);

impl<'a> Iterator for Descriptors<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let ([tag, length], rest) = self.0.split_first_chunk::<2>()?;
        let (body, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some((*tag, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PMT body of streams (type, PID, descriptors).
    fn body(streams: &[(u8, u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xe1, 0, 0xf0, 2, 0x09, 0x00];
        for (kind, pid, descriptors) in streams {
            bytes.push(*kind);
            bytes.extend_from_slice(&(0xe000 | pid).to_be_bytes());
            bytes.extend_from_slice(&(0xf000 | descriptors.len() as u16).to_be_bytes());
            bytes.extend_from_slice(descriptors);
        }
        bytes
    }

    #[test]
    fn the_first_of_each_is_carried_the_rest_named() {
        let streams = PmtStreams::parse(&body(&[
            (0x86, 0x20, &[]),
            (0x24, 0x21, &[]),
            (0x1b, 0x22, &[0x28, 1, 7]),
            (0x11, 0x23, &[]),
            (0x0f, 0x24, &[]),
            (0x1b, 0x25, &[]),
            (0x0f, 0x26, &[]),
        ]));
        let seen: Vec<_> = streams.infos().map(|s| (s.pid, s.codec, s.carried)).collect();
        assert_eq!(
            seen,
            [
                (0x20, "SCTE-35", false),
                (0x21, "HEVC", false),
                (0x22, "H.264", true),
                (0x23, "AAC (LATM)", false),
                (0x24, "AAC", true),
                (0x25, "H.264", false),
                (0x26, "AAC", false),
            ]
        );
        let reasons: Vec<_> = streams.infos().map(|s| s.reason).collect();
        assert!(streams.infos().all(|s| s.carried == s.reason.is_empty()));
        assert_eq!(reasons[1], "HEVC is not supported yet");
        assert_eq!((reasons[5], reasons[6]), (SECOND_VIDEO, SECOND_AUDIO));
        assert_eq!((streams.video, streams.audio), (Some(0x22), Some(0x24)));
        assert_eq!(streams.worth(), Worth::CarriedPicture);
    }

    #[test]
    fn private_data_is_named_by_its_descriptors() {
        let named = |descriptors: &[u8]| {
            let streams = PmtStreams::parse(&body(&[(0x06, 0x30, descriptors)]));
            let codec = streams.infos().next().map(|s| s.codec);
            codec
        };
        assert_eq!(named(&[0x0a, 4, 1, 2, 3, 0, 0x6a, 1, 0]), Some("AC-3"));
        assert_eq!(named(&[0x7a, 0]), Some("E-AC-3"));
        assert_eq!(named(&[0x56, 0]), Some("teletext"));
        assert_eq!(named(&[0x59, 0]), Some("DVB subtitles"));
        assert_eq!(named(b"\x05\x04Opus\x7f\x02\x80\x02"), Some("Opus"));
        assert_eq!(named(&[0x52, 1, 9]), Some("private data"));
        assert_eq!(named(&[0x6a, 9]), Some("private data"), "a descriptor cut off");
    }

    /// ISO/IEC 13818-1, table 2-34, and what ATSC, SCTE, Blu-ray discs and AVS add to it: the name
    /// stands in what a person is told, and decides whether a picture or sound is missed.
    #[test]
    fn streams_that_are_not_carried_are_known_for_pictures_or_sound() {
        const HDMV: &[u8] = b"\x05\x04HDMV";
        let pictures: [(u8, &[u8], &str); 13] = [
            (0x01, &[], "MPEG-1 video"),
            (0x02, &[], "MPEG-2 video"),
            (0x10, &[], "MPEG-4 video"),
            (0x21, &[], "JPEG 2000"),
            (0x25, &[], "HEVC"),
            (0x33, &[], "VVC"),
            (0x42, &[], "AVS video"),
            (0xd2, &[], "AVS video"),
            (0xdb, &[], "H.264 (encrypted)"),
            (0xea, &[], "VC-1"),
            (0x06, b"\x05\x04HEVC", "HEVC"),
            (0x06, b"\x05\x04AV01", "AV1"),
            (0x06, b"\x05\x04VC-1", "VC-1"),
        ];
        let sounds: [(u8, &[u8], &str, &str); 15] = [
            (0x03, &[], "MPEG-1 audio", "MPEG-1 audio"),
            (0x04, &[], "MPEG-2 audio", "MPEG-2 audio"),
            (0x0f, &[], "AAC", "a second AAC track"),
            (0x11, &[], "AAC (LATM)", "AAC audio in LATM"),
            (0x1c, &[], "MPEG-4 audio (raw)", "AAC audio without ADTS"),
            (0x81, &[], "AC-3", "AC-3 audio"),
            (0x87, &[], "E-AC-3", "E-AC-3 audio"),
            (0xcf, &[], "AAC (encrypted)", "encrypted AAC audio"),
            (0x80, HDMV, "LPCM", "LPCM audio"),
            (0x82, HDMV, "DTS", "DTS audio"),
            (0x06, b"\x05\x04DTS2", "DTS", "DTS audio"),
            (0x06, &[0x7b, 0], "DTS", "DTS audio"),
            (0x06, &[0x7c, 0], "AAC (DVB)", "AAC audio in private data"),
            (0x06, b"\x05\x04Opus", "Opus", "Opus audio"),
            (0x06, b"\x05\x04BSSD", "SMPTE 302M", "SMPTE 302M audio"),
        ];
        let others: [(u8, &[u8], &str); 10] = [
            (0x05, &[], "private sections"),
            (0x0b, &[], "DSM-CC"),
            (0x15, &[], "timed metadata"),
            (0x1f, &[], "H.264 extension"),
            (0x20, &[], "H.264 extension"),
            (0x86, &[], "SCTE-35"),
            // Without their registration these numbers are anybody's.
            (0x80, &[], "unknown"),
            (0x82, b"\x05\x04CUEI", "unknown"),
            (0x86, HDMV, "unknown"),
            (0x06, b"\x05\x04KLVA", "KLV metadata"),
        ];
        let of = |kind: u8, descriptors: &[u8]| {
            let streams = PmtStreams::parse(&body(&[(kind, 0x30, descriptors)]));
            let info = streams.infos().next().expect("it is listed");
            (info.codec, info.is_picture(), info.sound())
        };
        for (kind, descriptors, name) in pictures {
            assert_eq!(of(kind, descriptors), (name, true, None), "{kind:#x}");
        }
        for (kind, descriptors, name, sound) in sounds {
            assert_eq!(of(kind, descriptors), (name, false, Some(sound)), "{kind:#x}");
        }
        for (kind, descriptors, name) in others {
            assert_eq!(of(kind, descriptors), (name, false, None), "{kind:#x}");
        }
    }

    #[test]
    fn mpeg_audio_is_carried_only_when_it_proves_to_be_adts() {
        let mut streams = PmtStreams::parse(&body(&[(0x1b, 0x65, &[]), (0x04, 0x64, &[])]));
        assert_eq!((streams.audio, streams.audio_maybe), (None, Some(0x64)));
        streams.audio_is_adts();
        assert_eq!((streams.audio, streams.audio_maybe), (Some(0x64), None));
        assert!(streams.infos().all(|s| s.carried));
        let streams = PmtStreams::parse(&body(&[(0x03, 0x64, &[]), (0x0f, 0x65, &[])]));
        assert_eq!((streams.audio, streams.audio_maybe), (Some(0x65), None));
    }

    #[test]
    fn worth_is_ordered() {
        let worth = |streams: &[(u8, u16, &[u8])]| PmtStreams::parse(&body(streams)).worth();
        let order = [
            worth(&[(0x06, 1, &[])]),
            worth(&[(0x0f, 1, &[])]),
            worth(&[(0x24, 1, &[]), (0x0f, 2, &[])]),
            worth(&[(0x1b, 1, &[])]),
        ];
        assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "{order:?}");
    }

    #[test]
    fn lengths_that_lie_end_the_table() {
        let mut bytes = body(&[(0x1b, 0x22, &[]), (0x0f, 0x24, &[1, 2, 3])]);
        bytes.truncate(bytes.len() - 2);
        assert_eq!(PmtStreams::parse(&bytes).infos().count(), 2);
        assert_eq!(PmtStreams::parse(&[0xe1, 0, 0xff, 0xff, 1]).infos().count(), 0);
        assert_eq!(PmtStreams::parse(&[]).infos().count(), 0);
        let many: Vec<(u8, u16, &[u8])> = (0..50).map(|n| (0x06, n, &[][..])).collect();
        let last = [&many[..], &[(0x1b, 0x99, &[][..])]].concat();
        let streams = PmtStreams::parse(&body(&last));
        assert_eq!(streams.infos().count(), TS_STREAMS_MAX);
        assert!(streams.infos().any(|s| s.pid == 0x99 && s.carried));
    }
}

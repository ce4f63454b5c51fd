//! The tracks of a Matroska file (RFC 9559, 5.1.4). Purpose: choose the first H.264 and the first
//! AAC track, and name what is there besides. Bound: two tracks with a configuration record each.

use std::io;

use crate::base::limits::{MKV_STRIPPED_BYTES_MAX, TRACK_CONFIG_BYTES_MAX};
use crate::base::time::Ticks;
use crate::codec::access_unit::{AacConfig, AvcConfig, ConfigRecord, Track, TrackConfig};
use crate::codec::container::{FileError, ReadAt, Remedy};
use crate::codec::window::FileWindow;

use super::element::{self, Element};
use super::scale::Scale;

const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const CODEC_DELAY: u32 = 0x56aa;
const DEFAULT_DURATION: u32 = 0x0023_e383;
const AUDIO: u32 = 0xe1;
const SAMPLING_FREQUENCY: u32 = 0xb5;
const CHANNELS: u32 = 0x9f;
const CONTENT_ENCODINGS: u32 = 0x6d80;
const CONTENT_ENCODING: u32 = 0x6240;
const CONTENT_ENCODING_SCOPE: u32 = 0x5032;
const CONTENT_ENCODING_TYPE: u32 = 0x5033;
const CONTENT_COMPRESSION: u32 = 0x5034;
const CONTENT_COMP_ALGO: u32 = 0x4254;
const CONTENT_COMP_SETTINGS: u32 = 0x4255;

const TYPE_VIDEO: u64 = 1;
const TYPE_AUDIO: u64 = 2;
const SCOPE_FRAMES: u64 = 1;
const ALGO_HEADER_STRIPPING: u64 = 3;
/// Samples in an AAC frame.
const AAC_SAMPLES: i64 = 1024;
/// The longest frame duration a track may state.
const FRAME_MAX: Ticks = Ticks::from_ms(1000);

/// The longest CodecDelay believed, nanoseconds: encoders look ahead by some ten milliseconds.
const CODEC_DELAY_MAX_NS: u64 = 10_000_000_000;

/// Bytes that stand before every frame of a track and are not stored.
pub(super) type Stripped = heapless::Vec<u8, MKV_STRIPPED_BYTES_MAX>;

/// A track that is carried.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub(super) number: u64,
    /// `None`: the parameter sets have to stand among the pictures.
    pub(super) config: Option<TrackConfig>,
    /// Bytes of the length before each NAL unit.
    pub(super) length_bytes: u8,
    /// Distance of two frames, if it is known.
    pub(super) frame: Option<Ticks>,
    pub(super) stripped: Stripped,
    /// Its frames are shown so much earlier than their blocks say (CodecDelay, 5.1.4.1.27).
    /// Nanoseconds.
    pub(super) delay_ns: u64,
}

impl Carried {
    /// The configuration of a video track, as its entry says.
    pub(super) fn avc(&self) -> Option<&AvcConfig> {
        match &self.config {
            Some(TrackConfig::Avc(config)) => Some(config),
            _ => None,
        }
    }
}

/// The tracks chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks {
    pub(super) video: Option<Carried>,
    pub(super) audio: Option<Carried>,
    pub(super) left_out: Option<&'static str>,
    /// Why there is no video.
    refused: Option<TrackRefused>,
}

/// What is wrong with a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrackRefused {
    Codec(&'static str),
    Compressed,
    Encrypted,
    /// Of sound.
    Record,
}

/// How frames are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Encoding {
    AsTheyAre,
    Stripped(Stripped),
    Compressed,
    Encrypted,
}

/// A TrackEntry as it stands.
struct TrackEntry {
    number: u64,
    kind: u64,
    codec: heapless::String<64>,
    private: ConfigRecord,
    private_fits: bool,
    frame_ns: u64,
    delay_ns: u64,
    rate_hz: f64,
    channels: u64,
    encoding: Encoding,
}

impl Tracks {
    /// Reads the Tracks element.
    pub(super) fn read(
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        tracks: Element,
    ) -> Result<Tracks, FileError> {
        let mut found = Tracks::default();
        element::children(file, window, tracks, |file, window, child| {
            if child.id == TRACK_ENTRY {
                found.take(TrackEntry::read(file, window, child)?);
            }
            Ok::<(), FileError>(())
        })?;
        Ok(found)
    }

    fn take(&mut self, entry: TrackEntry) {
        match entry.kind {
            TYPE_VIDEO if self.video.is_none() => match entry.video() {
                Ok(carried) => self.video = Some(carried),
                Err(refused) => self.refused = self.refused.or(Some(refused)),
            },
            TYPE_AUDIO if self.audio.is_none() => match entry.audio() {
                Ok(carried) => self.audio = Some(carried),
                Err(refused) => {
                    let what = match refused {
                        TrackRefused::Codec(what) => what,
                        TrackRefused::Compressed => "compressed audio",
                        TrackRefused::Encrypted => "encrypted audio",
                        TrackRefused::Record => "unreadable AAC audio",
                    };
                    self.left_out.get_or_insert(what);
                }
            },
            _ => {}
        }
        if self.audio.is_some() {
            self.left_out = None;
        }
    }

    /// The track a block's number means.
    pub(super) fn find(&self, number: u64) -> Option<Track> {
        Track::ALL
            .into_iter()
            .find(|track| self.get(*track).is_some_and(|carried| carried.number == number))
    }

    /// How much earlier a track's frames are shown than their blocks say, in the segment's unit.
    pub(super) fn delay(&self, track: Track, scale: Scale) -> i64 {
        self.get(track).map_or(0, |carried| scale.units(carried.delay_ns))
    }

    /// What is carried on a track.
    pub(super) fn get(&self, track: Track) -> Option<&Carried> {
        match track {
            Track::Video => self.video.as_ref(),
            Track::Audio => self.audio.as_ref(),
        }
    }

    /// Why there is no video track.
    pub(super) fn refusal(&self) -> FileError {
        let audio_too = self.left_out.is_some();
        let unsupported =
            |what: &str, remedy| FileError::Unsupported { what: what.to_owned(), remedy };
        match self.refused {
            None | Some(TrackRefused::Record) if audio_too || self.audio.is_some() => {
                FileError::AudioOnly
            }
            None | Some(TrackRefused::Record) => FileError::NoVideo,
            Some(TrackRefused::Codec(what)) if audio_too => unsupported(what, Remedy::Both),
            Some(TrackRefused::Codec(what)) => unsupported(what, Remedy::Video),
            Some(TrackRefused::Compressed) => unsupported("compressed tracks", Remedy::Remux),
            Some(TrackRefused::Encrypted) => FileError::Encrypted { what: "encrypted tracks" },
        }
    }
}

impl TrackEntry {
    fn read(
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        entry: Element,
    ) -> io::Result<TrackEntry> {
        let mut read = TrackEntry {
            number: 0,
            kind: 0,
            codec: heapless::String::new(),
            private: ConfigRecord::new(),
            private_fits: true,
            frame_ns: 0,
            delay_ns: 0,
            rate_hz: 8000.0,
            channels: 1,
            encoding: Encoding::AsTheyAre,
        };
        element::children(file, window, entry, |file, window, child| {
            match child.id {
                TRACK_NUMBER => read.number = element::unsigned(file, window, child)?,
                TRACK_TYPE => read.kind = element::unsigned(file, window, child)?,
                CODEC_ID => read.codec = element::text(file, window, child)?,
                DEFAULT_DURATION => read.frame_ns = element::unsigned(file, window, child)?,
                CODEC_DELAY => {
                    let ns = element::unsigned(file, window, child)?;
                    read.delay_ns = if ns <= CODEC_DELAY_MAX_NS { ns } else { 0 };
                }
                CODEC_PRIVATE => {
                    let bytes = element::bytes(file, window, child, TRACK_CONFIG_BYTES_MAX)?;
                    let record = bytes.and_then(|bytes| ConfigRecord::from_slice(bytes).ok());
                    read.private_fits = record.is_some();
                    read.private = record.unwrap_or_default();
                }
                AUDIO => element::children(file, window, child, |file, window, child| {
                    match child.id {
                        SAMPLING_FREQUENCY => read.rate_hz = element::float(file, window, child)?,
                        CHANNELS => read.channels = element::unsigned(file, window, child)?,
                        _ => {}
                    }
                    Ok::<(), io::Error>(())
                })?,
                CONTENT_ENCODINGS => read.encoding = read_encodings(file, window, child)?,
                _ => {}
            }
            Ok::<(), io::Error>(())
        })?;
        Ok(read)
    }

    fn stripped(&self) -> Result<Stripped, TrackRefused> {
        match &self.encoding {
            Encoding::AsTheyAre => Ok(Stripped::new()),
            Encoding::Stripped(bytes) => Ok(bytes.clone()),
            Encoding::Compressed => Err(TrackRefused::Compressed),
            Encoding::Encrypted => Err(TrackRefused::Encrypted),
        }
    }

    /// The stated distance of two frames.
    fn stated(&self) -> Option<Ticks> {
        let ticks = Ticks(i64::try_from(self.frame_ns / 1000 * 9 / 100).unwrap_or(i64::MAX));
        Some(ticks).filter(|ticks| (Ticks(1)..=FRAME_MAX).contains(ticks))
    }

    fn video(self) -> Result<Carried, TrackRefused> {
        if self.codec != "V_MPEG4/ISO/AVC" {
            return Err(TrackRefused::Codec(video_codec(&self.codec)));
        }
        let stripped = self.stripped()?;
        let read = AvcConfig::with_length_size(&self.private).ok().filter(|_| self.private_fits);
        Ok(Carried {
            number: self.number,
            length_bytes: AvcConfig::length_size(&self.private),
            frame: self.stated(),
            stripped,
            delay_ns: self.delay_ns,
            config: read.map(|(config, _)| TrackConfig::Avc(config)),
        })
    }

    fn audio(self) -> Result<Carried, TrackRefused> {
        // Before CodecPrivate was used, the profile stood in the name: A_AAC/MPEG4/LC.
        let (name, old) = self.codec.split_once('/').unwrap_or((&self.codec, ""));
        if name != "A_AAC" {
            return Err(TrackRefused::Codec(audio_codec(&self.codec)));
        }
        let stripped = self.stripped()?;
        let config = if self.private.is_empty() {
            self.old_config(old)
        } else {
            AacConfig::from_record(&self.private).ok()
        };
        let config = config.filter(|_| self.private_fits).ok_or(TrackRefused::Record)?;
        let rate = i64::from(config.sample_rate_hz).max(1);
        Ok(Carried {
            number: self.number,
            length_bytes: 0,
            frame: self.stated().or(Some(Ticks(AAC_SAMPLES * 90_000 / rate))),
            stripped,
            delay_ns: self.delay_ns,
            config: Some(TrackConfig::Aac(config)),
        })
    }

    /// The configuration from what the entry says itself.
    fn old_config(&self, name: &str) -> Option<AacConfig> {
        let object_type = match name.split('/').nth(1).unwrap_or("LC") {
            "MAIN" => 1,
            "SSR" => 3,
            "LTP" => 4,
            _ => 2,
        };
        // A float is a rate only when it is whole; the cast saturates.
        let channels = u8::try_from(self.channels).ok()?;
        AacConfig::from_parts(object_type, self.rate_hz as u32, channels)
    }
}

/// How frames are stored, when more is done to them than to leave them alone (5.1.4.1.31).
fn read_encodings(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    encodings: Element,
) -> io::Result<Encoding> {
    let mut found = Encoding::AsTheyAre;
    element::children(file, window, encodings, |file, window, child| {
        if child.id == CONTENT_ENCODING {
            let another = read_encoding(file, window, child)?;
            found = match (&found, another) {
                (Encoding::AsTheyAre, another) => another,
                (_, Encoding::Encrypted) | (Encoding::Encrypted, _) => Encoding::Encrypted,
                _ => Encoding::Compressed,
            };
        }
        Ok::<(), io::Error>(())
    })?;
    Ok(found)
}

fn read_encoding(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    encoding: Element,
) -> io::Result<Encoding> {
    let (mut kind, mut scope, mut algorithm) = (0, SCOPE_FRAMES, 0);
    let mut stripped = Some(Stripped::new());
    element::children(file, window, encoding, |file, window, child| {
        match child.id {
            CONTENT_ENCODING_TYPE => kind = element::unsigned(file, window, child)?,
            CONTENT_ENCODING_SCOPE => scope = element::unsigned(file, window, child)?,
            CONTENT_COMPRESSION => {
                element::children(file, window, child, |file, window, child| {
                    match child.id {
                        CONTENT_COMP_ALGO => algorithm = element::unsigned(file, window, child)?,
                        CONTENT_COMP_SETTINGS => {
                            let bytes =
                                element::bytes(file, window, child, MKV_STRIPPED_BYTES_MAX)?;
                            stripped = bytes.and_then(|bytes| Stripped::from_slice(bytes).ok());
                        }
                        _ => {}
                    }
                    Ok::<(), io::Error>(())
                })?
            }
            _ => {}
        }
        Ok::<(), io::Error>(())
    })?;
    Ok(match (kind, scope, algorithm, stripped) {
        (0, SCOPE_FRAMES, ALGO_HEADER_STRIPPING, Some(bytes)) => Encoding::Stripped(bytes),
        (0, ..) => Encoding::Compressed,
        _ => Encoding::Encrypted,
    })
}

/// max_num_reorder_frames of the first SPS (ISO/IEC 14496-10, E.2.1), if it is said.
pub(super) fn reordered(config: &AvcConfig) -> usize {
    use h264_reader::nal::sps::SeqParameterSet;
    use h264_reader::rbsp::{BitReader, ByteReader};
    let Some(sps) = config.parameter_sets().next() else { return 0 };
    let bits = BitReader::new(ByteReader::skipping_h264_header(sps));
    let set = SeqParameterSet::from_bits(bits).ok();
    let limits = set.and_then(|set| set.vui_parameters?.bitstream_restrictions);
    limits.map_or(0, |limits| usize::try_from(limits.max_num_reorder_frames).unwrap_or(0))
}

fn video_codec(id: &str) -> &'static str {
    match id {
        "V_MPEGH/ISO/HEVC" => "HEVC video",
        "V_VP8" => "VP8 video",
        "V_VP9" => "VP9 video",
        "V_AV1" => "AV1 video",
        "V_MPEG1" | "V_MPEG2" => "MPEG-2 video",
        "V_MS/VFW/FOURCC" => "video of an AVI codec",
        "V_MJPEG" => "Motion JPEG video",
        "V_PRORES" => "ProRes video",
        "V_THEORA" => "Theora video",
        _ if id.starts_with("V_MPEG4/") => "MPEG-4 Part 2 video",
        _ => "video of a codec other than H.264",
    }
}

fn audio_codec(id: &str) -> &'static str {
    match id {
        "A_OPUS" => "Opus audio",
        "A_VORBIS" => "Vorbis audio",
        "A_FLAC" => "FLAC audio",
        "A_MPEG/L3" => "MP3 audio",
        "A_MPEG/L2" | "A_MPEG/L1" => "MPEG audio",
        "A_TRUEHD" => "TrueHD audio",
        _ if id.starts_with("A_AC3") => "AC-3 audio",
        _ if id.starts_with("A_EAC3") => "E-AC-3 audio",
        _ if id.starts_with("A_DTS") => "DTS audio",
        _ if id.starts_with("A_PCM") => "PCM audio",
        _ => "audio of a codec other than AAC",
    }
}

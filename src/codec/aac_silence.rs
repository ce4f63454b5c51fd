//! Silent AAC frames. Purpose: a raw data block (ISO/IEC 14496-3, 4.4.2.1) in which every channel
//! has no scale factor band, for any configuration whose blocks have that syntax: what stands for
//! sound that is missing. Non-goals: noise, the error resilient object types. Bound:
//! [`SILENT_FRAME_BYTES_MAX`].
//!
//! With SBR or PS the block holds the core alone, at the core's rate: an extension payload may be
//! missing from any block (4.6.18.2), the decoder then raises the rate and adds nothing.

use std::ops::RangeInclusive;

use super::access_unit::{AacConfig, ConfigRecord};
use super::audio_config::program_config;
use super::program_config::{ChannelElement, TaggedElement};
use crate::base::time::Ticks;

/// Elements of the largest block made: 7.1 in as many as it may have.
const ELEMENTS_MAX: usize = 8;

/// Bytes of the largest: as many pairs, 43 bits each, and an end.
pub const SILENT_FRAME_BYTES_MAX: usize = (ELEMENTS_MAX * 43 + 3).div_ceil(8);

/// Audio object types whose raw data blocks are made of the elements below: Main, LC, SSR and
/// LTP, and SBR and PS around them (table 1.17).
const OBJECT_TYPES: [u8; 6] = [1, 2, 3, 4, 5, 29];

/// The rates there are (table 1.18), hertz; an escaped one may be anything, and frames of less
/// than a millisecond or more than an hour are nobody's.
const RATES_HZ: RangeInclusive<u32> = 7_350..=96_000;

/// An element's id in a raw data block (table 4.85).
const fn id(element: ChannelElement) -> u32 {
    match element {
        ChannelElement::Sce => 0,
        ChannelElement::Cpe => 1,
        ChannelElement::Lfe => 3,
    }
}

const ID_END: u32 = 7;

/// A silent frame, and how long it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentFrame {
    payload: heapless::Vec<u8, SILENT_FRAME_BYTES_MAX>,
    samples: u32,
    sample_rate_hz: u32,
}

impl SilentFrame {
    /// The frame for a configuration; `None` for object types whose frames are made differently,
    /// and for rates that do not exist.
    pub fn of(config: &AacConfig) -> Option<SilentFrame> {
        if !OBJECT_TYPES.contains(&config.object_type) || !RATES_HZ.contains(&config.sample_rate_hz)
        {
            return None;
        }
        let elements = match program_config(&config.record) {
            Some(program) => tagged(program.elements.iter().copied())?,
            None => numbered(elements(config.channels)?)?,
        };
        let mut bits = BitWriter::default();
        for (element, tag) in elements {
            bits.put(id(element), 3);
            bits.put(u32::from(tag), 4);
            match element {
                ChannelElement::Sce | ChannelElement::Lfe => {
                    bits.global_gain();
                    bits.ics_info();
                    bits.no_tools();
                }
                ChannelElement::Cpe => {
                    // common_window, and behind what is common ms_mask_present.
                    bits.put(1, 1);
                    bits.ics_info();
                    bits.put(0, 2);
                    for _ in 0..2 {
                        bits.global_gain();
                        bits.no_tools();
                    }
                }
            }
        }
        bits.put(ID_END, 3);
        let AacConfig { sample_rate_hz, .. } = *config;
        Some(SilentFrame { payload: bits.bytes, samples: config.frame_samples(), sample_rate_hz })
    }

    /// The raw data block, without any header.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// How long `frames` of it last, rounded to the nearest tick; so that it does not accumulate,
    /// ask for all that stand behind one another.
    pub fn duration(&self, frames: i64) -> Ticks {
        Ticks::from_samples(frames.saturating_mul(i64::from(self.samples)), self.sample_rate_hz)
    }
}

/// What silence is made in where no configuration is given: AAC-LC, 48 kHz, stereo.
pub fn usual_config() -> AacConfig {
    let record = ConfigRecord::from_slice(&[0x11, 0x90]).expect("a record has room for two bytes");
    AacConfig { record, object_type: 2, sample_rate_hz: 48_000, channels: 2 }
}

/// The elements of a block by its channels (table 1.19).
fn elements(channels: u8) -> Option<&'static [ChannelElement]> {
    use ChannelElement::{Cpe, Lfe, Sce};
    Some(match channels {
        1 => &[Sce],
        2 => &[Cpe],
        3 => &[Sce, Cpe],
        4 => &[Sce, Cpe, Sce],
        5 => &[Sce, Cpe, Cpe],
        6 => &[Sce, Cpe, Cpe, Lfe],
        8 => &[Sce, Cpe, Cpe, Cpe, Lfe],
        _ => return None,
    })
}

type Elements = heapless::Vec<TaggedElement, ELEMENTS_MAX>;

/// These elements, if a block of them is within its bound.
fn tagged(elements: impl Iterator<Item = TaggedElement>) -> Option<Elements> {
    let mut all = Elements::new();
    for element in elements {
        all.push(element).ok()?;
    }
    Some(all)
}

/// The same, elements of one kind told apart by tags from 0 on.
fn numbered(elements: &[ChannelElement]) -> Option<Elements> {
    let before = |n: usize| elements.get(..n).unwrap_or_default();
    tagged(elements.iter().enumerate().map(|(n, element)| {
        let alike = before(n).iter().filter(|other| *other == element).count();
        (*element, u8::try_from(alike).unwrap_or(0))
    }))
}

/// Writes bits, the most significant first; the last byte is filled up with zeros, which is the
/// alignment a block ends with.
#[derive(Default)]
struct BitWriter {
    bytes: heapless::Vec<u8, SILENT_FRAME_BYTES_MAX>,
    /// Bits still free in the last byte.
    free: u8,
}

impl BitWriter {
    fn put(&mut self, value: u32, width: u8) {
        for shift in (0..width).rev() {
            if self.free == 0 {
                self.bytes.push(0).expect("the largest block fits");
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> shift & 1 == 1) << self.free;
            }
        }
    }

    /// global_gain: what it scales is not there.
    fn global_gain(&mut self) {
        self.put(0, 8);
    }

    /// ics_info: one long window of which no scale factor band is sent (max_sfb 0), nothing
    /// predicted.
    fn ics_info(&mut self) {
        self.put(0, 1 + 2 + 1 + 6 + 1);
    }

    /// pulse_data_present, tns_data_present, gain_control_data_present.
    fn no_tools(&mut self) {
        self.put(0, 3);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// `record`, read.
    fn config(record: &[u8]) -> AacConfig {
        AacConfig::from_record(record).expect("a valid record")
    }

    fn lc(rate_index: u8, channel_configuration: u8) -> AacConfig {
        config(&[0x10 | rate_index >> 1, rate_index << 7 | channel_configuration << 3])
    }

    /// An FLV tag (Adobe FLV 10.1, E.4.1) of audio, and the length behind it.
    fn tag(out: &mut Vec<u8>, ms: u32, packet: u8, payload: &[u8]) {
        let length = payload.len() as u32 + 2;
        let [_, l2, l1, l0] = length.to_be_bytes();
        let [t3, t2, t1, t0] = ms.to_be_bytes();
        out.extend([8, l2, l1, l0, t2, t1, t0, t3, 0, 0, 0, 0xaf, packet]);
        out.extend_from_slice(payload);
        out.extend((length + 11).to_be_bytes());
    }

    /// Decodes frames with ffmpeg: complaints, and what it tells of the volume.
    fn decoded(config: &AacConfig, frames: i64) -> (String, String) {
        let frame = SilentFrame::of(config).expect("the usual syntax");
        let mut flv = b"FLV\x01\x04\x00\x00\x00\x09\x00\x00\x00\x00".to_vec();
        tag(&mut flv, 0, 0, &config.record);
        for n in 0..frames {
            tag(&mut flv, frame.duration(n).to_ms() as u32, 1, frame.payload());
        }
        let run = |level: &str, filter: &str| {
            let mut child = Command::new("ffmpeg")
                .args(["-v", level, "-nostats", "-f", "flv", "-i", "pipe:0"])
                .args(["-af", filter, "-f", "null", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("ffmpeg is installed");
            child.stdin.take().expect("piped").write_all(&flv).expect("ffmpeg reads it");
            let output = child.wait_with_output().expect("ffmpeg ends");
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        (run("warning", "anull"), run("info", "volumedetect"))
    }

    fn assert_silent(config: &AacConfig, channels: u64, samples_in_a_frame: u64) {
        let (complaints, told) = decoded(config, 20);
        assert_eq!(complaints, "", "{config:?}");
        let silent = told.contains("max_volume: -91.0 dB") || told.contains("max_volume: -inf");
        assert!(silent, "{config:?}: {told}");
        let samples = told.split("n_samples: ").nth(1).and_then(|rest| rest.split('\n').next());
        let samples: u64 = samples.expect("counted").trim().parse().expect("a number");
        assert_eq!(samples, 20 * samples_in_a_frame * channels, "{config:?}");
    }

    #[test]
    fn ffmpeg_hears_nothing_in_any_number_of_channels_and_says_nothing() {
        for configuration in 1..=7 {
            let config = lc(3, configuration);
            assert_silent(&config, u64::from(config.channels), 1024);
        }
    }

    #[test]
    fn ffmpeg_hears_nothing_in_channels_told_by_a_program_config_element() {
        // 5.1(side) as ffmpeg's encoder announces it.
        let side = [0x11, 0x80, 4, 0xc8, 0x44, 0, 0x20, 0, 0xc4, 0];
        let side = config(&side);
        assert_eq!(side.channels, 6);
        let (complaints, told) = decoded(&side, 20);
        let layout = "Guessed Channel Layout for Input Stream #0.0 : 5.1\n";
        assert!(["", layout].contains(&complaints.as_str()), "{complaints}");
        let samples = format!("n_samples: {}\n", 20 * 6 * 1024);
        assert!(told.contains("max_volume: -91.0 dB"), "{told}");
        assert!(told.contains(&samples), "{told}");
        // Nine single channels are more than are made.
        let mut nine = vec![0x11, 0x80, 4, 0xe4, 0, 0, 0];
        nine.extend([0; 8]);
        let nine = config(&nine);
        assert_eq!((nine.channels, SilentFrame::of(&nine)), (9, None));
    }

    #[test]
    fn ffmpeg_hears_nothing_at_any_rate() {
        for rate_index in 0..13 {
            assert_silent(&lc(rate_index, 1), 1, 1024);
        }
    }

    #[test]
    fn ffmpeg_hears_nothing_around_the_core_either() {
        // Explicit SBR, 24 to 48 kHz; PS, which makes two channels of one; LC whose record
        // announces SBR behind.
        assert_silent(&config(&[0x2b, 0x11, 0x88, 0x00]), 2, 2048);
        assert_silent(&config(&[0xeb, 0x09, 0x88, 0x00]), 2, 2048);
        assert_silent(&config(&[0x13, 0x10, 0x56, 0xe5, 0x98]), 2, 2048);
    }

    #[test]
    fn a_block_is_the_elements_of_its_channels() {
        let mono = SilentFrame::of(&lc(3, 1)).expect("mono");
        // 7 bits of element, 8 of gain, 11 of window, 3 of tools, 3 of the end.
        assert_eq!(mono.payload(), [0, 0, 0, 0b0000_0111]);
        let largest = SilentFrame::of(&lc(3, 7)).expect("7.1");
        assert_eq!(largest.payload().len(), 24);
    }

    #[test]
    fn times_are_exact_however_many_frames_there_are() {
        for index in 0..13 {
            let config = lc(index, 2);
            let frame = SilentFrame::of(&config).expect("stereo");
            for seconds in [1, 86_400, 10 * 86_400] {
                let frames = i64::from(config.sample_rate_hz) * seconds;
                assert_eq!(frame.duration(frames), Ticks(1024 * 90_000 * seconds));
            }
        }
        let short = SilentFrame::of(&config(&[0x11, 0x94])).expect("LC");
        assert_eq!(short.duration(50), Ticks(90_000), "frames of 960 samples");
        let core = SilentFrame::of(&config(&[0x2b, 0x11, 0x88, 0x00])).expect("SBR");
        assert_eq!(core.duration(1), Ticks(3840), "1024 samples of the core's 24 kHz");
    }

    #[test]
    fn what_has_another_syntax_is_not_made() {
        let low_delay = AacConfig { object_type: 23, ..usual_config() };
        assert_eq!(SilentFrame::of(&low_delay), None);
        assert_eq!(SilentFrame::of(&AacConfig { channels: 7, ..usual_config() }), None);
        for sample_rate_hz in [0, 1, 1 << 24] {
            let strange = AacConfig { sample_rate_hz, ..usual_config() };
            assert_eq!(SilentFrame::of(&strange), None);
        }
        assert_eq!(config(&usual_config().record), usual_config());
    }
}

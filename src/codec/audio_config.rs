//! Reads and makes AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). Non-goals: object types
//! without GASpecificConfig beyond their name. Bound: `TRACK_CONFIG_BYTES_MAX`.

use std::fmt;

use super::access_unit::{AacConfig, ConfigRecord};
use super::bit_reader::{Bits, BitsEnd};
use super::program_config::ProgramConfig;
use crate::base::time::Ticks;

/// Sampling frequencies by samplingFrequencyIndex, hertz (table 1.18).
const RATES_HZ: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// Samplings per second of a samplingFrequencyIndex; `None` for the reserved ones and the escape.
pub(super) fn sample_rate_hz(index: u8) -> Option<u32> {
    RATES_HZ.get(usize::from(index)).copied()
}

/// Channels of a channelConfiguration 1 to 7 (table 1.19); `None` for 0, where a program config
/// element says, and for what is reserved.
pub(super) fn channels(configuration: u8) -> Option<u8> {
    match configuration {
        1..=6 => Some(configuration),
        7 => Some(8),
        _ => None,
    }
}

/// Why an AudioSpecificConfig cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AacRecordError {
    /// It ends before its fields do.
    Truncated,
    /// It is larger than `TRACK_CONFIG_BYTES_MAX`.
    Limit,
    /// A samplingFrequencyIndex that is reserved, or a frequency of 0.
    SampleRate,
    /// A channelConfiguration that is reserved, or 0 without a program config element that can be
    /// read.
    Channels(u8),
}

impl fmt::Display for AacRecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AacRecordError::Truncated => f.write_str("the AudioSpecificConfig is truncated"),
            AacRecordError::Limit => f.write_str("the AudioSpecificConfig is too large"),
            AacRecordError::SampleRate => {
                f.write_str("the AudioSpecificConfig has no valid sampling frequency")
            }
            AacRecordError::Channels(configuration) => {
                write!(f, "AAC channel configuration {configuration} is not supported")
            }
        }
    }
}

impl std::error::Error for AacRecordError {}

impl From<BitsEnd> for AacRecordError {
    fn from(_: BitsEnd) -> AacRecordError {
        AacRecordError::Truncated
    }
}

impl AacConfig {
    /// Reads an AudioSpecificConfig. Of one that says no more than object type, frequency and
    /// channels, the record kept is the two bytes that say so: encoders append an announcement
    /// that there is no SBR, and records that mean the same are to be equal. The sample rate is
    /// that of the AAC frames themselves, before SBR.
    pub fn from_record(record: &[u8]) -> Result<AacConfig, AacRecordError> {
        let mut bits = Bits::new(record);
        let object_type = object_type(&mut bits)?;
        let (index, sample_rate_hz) = sample_rate(&mut bits)?;
        let configuration = u8::try_from(bits.take(4)?).unwrap_or(u8::MAX);
        let channels = match configuration {
            0 => program_config(record).map(|program| program.channels()),
            _ => channels(configuration),
        };
        let channels = channels.ok_or(AacRecordError::Channels(configuration))?;
        let record = match index {
            Some(index)
                if configuration != 0
                    && (1..=4).contains(&object_type)
                    && says_no_more(&mut bits) =>
            {
                short_record(object_type, index, configuration)
            }
            _ => ConfigRecord::from_slice(record).map_err(|_| AacRecordError::Limit)?,
        };
        Ok(AacConfig { record, object_type, sample_rate_hz, channels })
    }

    /// Samples in a frame, at [`AacConfig::sample_rate_hz`]: 960 where frameLengthFlag of
    /// GASpecificConfig says so (4.4.1), else 1024.
    pub fn frame_samples(&self) -> u32 {
        match frame_length_flag(&self.record) {
            Ok(1) => 960,
            _ => 1024,
        }
    }

    /// How long a frame lasts.
    pub fn frame_duration(&self) -> Ticks {
        Ticks::from_samples(i64::from(self.frame_samples()), self.sample_rate_hz)
    }

    /// The configuration of an object type 1 to 4 with so many samples a second and channels, if
    /// these have an index each (tables 1.18 and 1.19).
    pub fn from_parts(
        object_type: u8,
        sample_rate_hz: u32,
        channel_count: u8,
    ) -> Option<AacConfig> {
        let index = RATES_HZ.iter().position(|rate| *rate == sample_rate_hz)?;
        let configuration = (1..=7).find(|own| channels(*own) == Some(channel_count))?;
        let index = u8::try_from(index).ok().filter(|_| (1..=4).contains(&object_type))?;
        let record = short_record(object_type, index, configuration);
        Some(AacConfig { record, object_type, sample_rate_hz, channels: channel_count })
    }
}

fn frame_length_flag(record: &[u8]) -> Result<u32, AacRecordError> {
    let mut bits = Bits::new(record);
    frame_type(&mut bits)?;
    Ok(bits.take(1)?)
}

/// The two bytes for an object type below 31 and a frequency that has an index.
pub(super) fn short_record(object_type: u8, index: u8, configuration: u8) -> ConfigRecord {
    let bytes = [(object_type << 3) | (index >> 1), (index << 7) | (configuration << 3)];
    let mut record = ConfigRecord::new();
    record.extend_from_slice(&bytes).expect("a record has room for two bytes");
    record
}

fn object_type(bits: &mut Bits<'_>) -> Result<u8, AacRecordError> {
    const ESCAPE: u32 = 31;
    let object_type = match bits.take(5)? {
        ESCAPE => 32 + bits.take(6)?,
        object_type => object_type,
    };
    Ok(u8::try_from(object_type).unwrap_or(u8::MAX))
}

/// The frequency, and its index if it has one.
fn sample_rate(bits: &mut Bits<'_>) -> Result<(Option<u8>, u32), AacRecordError> {
    const ESCAPE: u8 = 15;
    let index = u8::try_from(bits.take(4)?).unwrap_or(ESCAPE);
    if index == ESCAPE {
        let hz = bits.take(24)?;
        return if hz == 0 { Err(AacRecordError::SampleRate) } else { Ok((None, hz)) };
    }
    sample_rate_hz(index).map(|hz| (Some(index), hz)).ok_or(AacRecordError::SampleRate)
}

/// Behind the channels: the flags of GASpecificConfig all 0 (1024 samples in a frame), and no sync
/// extension, or one that announces that there is no SBR.
fn says_no_more(bits: &mut Bits<'_>) -> bool {
    const SYNC_EXTENSION: u32 = 0x2b7;
    const SBR: u32 = 5;
    if bits.take(3) != Ok(0) {
        return false;
    }
    match bits.take(11) {
        Ok(SYNC_EXTENSION) => bits.take(5) == Ok(SBR) && bits.take(1) == Ok(0),
        _ => true,
    }
}

/// The object type of the frames, which is the core's where there is SBR or PS, and the
/// channelConfiguration; GASpecificConfig stands behind.
fn frame_type(bits: &mut Bits<'_>) -> Result<(u8, u32), AacRecordError> {
    const SBR: u8 = 5;
    const PS: u8 = 29;
    let outer = object_type(bits)?;
    sample_rate(bits)?;
    let configuration = bits.take(4)?;
    if ![SBR, PS].contains(&outer) {
        return Ok((outer, configuration));
    }
    // The extension's frequency, and the object type of the core.
    sample_rate(bits)?;
    Ok((object_type(bits)?, configuration))
}

/// The program config element of a record whose channelConfiguration is 0, where the object type
/// has a GASpecificConfig (4.4.1).
pub(super) fn program_config(record: &[u8]) -> Option<ProgramConfig> {
    let mut bits = Bits::new(record);
    let (object_type, configuration) = frame_type(&mut bits).ok()?;
    if configuration != 0 || !matches!(object_type, 1..=4) {
        return None;
    }
    // frameLengthFlag; dependsOnCoreCoder and its delay; extensionFlag.
    bits.take(1).ok()?;
    if bits.take(1).ok()? == 1 {
        bits.take(14).ok()?;
    }
    bits.take(1).ok()?;
    ProgramConfig::read(&mut bits).ok().filter(|program| program.channels() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ffmpeg_writes_means_the_same_as_two_bytes() {
        let long = AacConfig::from_record(&[0x11, 0x90, 0x56, 0xe5, 0x00]).unwrap();
        let short = AacConfig::from_record(&[0x11, 0x90]).unwrap();
        assert_eq!(long, short);
        assert_eq!(short.record, [0x11, 0x90]);
        assert_eq!((short.object_type, short.sample_rate_hz, short.channels), (2, 48_000, 2));
    }

    #[test]
    fn sbr_and_short_frames_are_kept_as_they_stand() {
        // Sync extension with SBR, to 48 kHz; then LC with frames of 960 samples.
        for record in [&[0x13, 0x10, 0x56, 0xe5, 0x98][..], &[0x11, 0x94]] {
            assert_eq!(AacConfig::from_record(record).unwrap().record, record);
        }
        // Explicit SBR (object type 5): the frames' own rate is 24 kHz.
        let explicit = AacConfig::from_record(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!((explicit.object_type, explicit.sample_rate_hz), (5, 24_000));
    }

    #[test]
    fn channels_told_by_a_program_config_element_are_read() {
        // 5.1(side): as FLV and MP4 carry it, also with an SBR around and with a core's delay.
        let side = [0x11, 0x80, 4, 0xc8, 0x44, 0, 0x20, 0, 0xc4, 0];
        let config = AacConfig::from_record(&side).unwrap();
        assert_eq!((config.channels, config.object_type, config.frame_samples()), (6, 2, 1024));
        assert_eq!(config.record, side, "kept as it stands");
        for bytes in 2..side.len() {
            let cut = AacConfig::from_record(&side[..bytes]);
            assert_eq!(cut, Err(AacRecordError::Channels(0)), "{bytes} bytes");
        }
        // Object type 23 has another syntax behind the channels.
        let low_delay = [0xb9, 0x80, 4, 0xc8, 0x44, 0, 0x20, 0, 0xc4, 0];
        assert_eq!(AacConfig::from_record(&low_delay), Err(AacRecordError::Channels(0)));
    }

    #[test]
    fn an_escaped_frequency_is_read() {
        // Object type 2, index 15, 44,056 Hz, two channels.
        let hz = 44_056u64;
        let bits: u64 = (2 << 59) | (15 << 55) | (hz << 31) | (2 << 27);
        let config = AacConfig::from_record(&bits.to_be_bytes()[..5]).unwrap();
        assert_eq!((config.sample_rate_hz, config.channels), (44_056, 2));
        assert_eq!(config.record.len(), 5);
    }

    #[test]
    fn broken_records_are_refused_with_the_reason() {
        assert_eq!(AacConfig::from_record(&[]), Err(AacRecordError::Truncated));
        assert_eq!(AacConfig::from_record(&[0x11]), Err(AacRecordError::Truncated));
        assert_eq!(AacConfig::from_record(&[0x16, 0x90]), Err(AacRecordError::SampleRate));
        assert_eq!(AacConfig::from_record(&[0x11, 0x80]), Err(AacRecordError::Channels(0)));
        assert_eq!(AacConfig::from_record(&[0x11, 0xc0]), Err(AacRecordError::Channels(8)));
    }

    #[test]
    fn every_short_record_is_read_back() {
        for (index, configuration) in (0..13).flat_map(|i| (1..8).map(move |c| (i, c))) {
            let record = short_record(2, index, configuration);
            let config = AacConfig::from_record(&record).unwrap();
            assert_eq!(config.record, record);
            assert_eq!(Some(config.sample_rate_hz), sample_rate_hz(index));
            assert_eq!(Some(config.channels), channels(configuration));
            let parts = AacConfig::from_parts(2, config.sample_rate_hz, config.channels);
            assert_eq!(parts, Some(config));
        }
    }
}

//! Reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1.2), as FLV and MP4 carry it.
//! Bound: `TRACK_CONFIG_BYTES_MAX`.

use std::fmt;

use super::access_unit::AvcConfig;
use super::parameter_sets::{ParameterSets, SetRefused};
use super::sps::SetError;

/// Where a record has lengthSizeMinusOne.
const LENGTH_SIZE_AT: usize = 4;

/// Why a record cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AvcRecordError {
    /// It ends before its parts do.
    Truncated,
    /// configurationVersion is not 1.
    Version(u8),
    /// NAL units have length words of this many bytes, not 4.
    LengthSize(u8),
    /// A parameter set does not parse; what of it, for a person.
    ParameterSet(&'static str),
    /// More sets, or longer ones, than the limits allow.
    Limit,
    /// It has no SPS or no PPS.
    Incomplete,
}

impl fmt::Display for AvcRecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AvcRecordError::Truncated => f.write_str("the AVC configuration record is truncated"),
            AvcRecordError::Version(version) => {
                write!(f, "AVC configuration record version {version} is unknown")
            }
            AvcRecordError::LengthSize(bytes) => {
                write!(f, "NAL unit lengths of {bytes} bytes are not supported, only 4")
            }
            AvcRecordError::ParameterSet(field) => {
                write!(f, "a parameter set of the AVC configuration record is broken at {field}")
            }
            AvcRecordError::Limit => {
                f.write_str("the AVC configuration record has too many or too large parameter sets")
            }
            AvcRecordError::Incomplete => {
                f.write_str("the AVC configuration record lacks an SPS or a PPS")
            }
        }
    }
}

impl std::error::Error for AvcRecordError {}

impl From<SetRefused> for AvcRecordError {
    fn from(refused: SetRefused) -> AvcRecordError {
        match refused {
            SetRefused::Broken(SetError::Unreadable(field) | SetError::OutOfRange(field)) => {
                AvcRecordError::ParameterSet(field)
            }
            SetRefused::Limit => AvcRecordError::Limit,
        }
    }
}

impl AvcConfig {
    /// Reads a record. The one kept is built again from its parameter sets, so that records that
    /// mean the same are equal. The first SPS is the one in use.
    pub fn from_record(record: &[u8]) -> Result<AvcConfig, AvcRecordError> {
        match AvcConfig::with_length_size(record)? {
            (config, 4) => Ok(config),
            (_, bytes) => Err(AvcRecordError::LengthSize(bytes)),
        }
    }

    /// Reads a record whose NAL units may have lengths of 1 to 4 bytes (3 is reserved, and occurs),
    /// and returns that number beside. The record kept says 4, which is what
    /// [`LengthUnits`](super::length_units::LengthUnits) writes.
    pub fn with_length_size(record: &[u8]) -> Result<(AvcConfig, u8), AvcRecordError> {
        let (head, mut rest) = record.split_first_chunk::<6>().ok_or(AvcRecordError::Truncated)?;
        let [version, _profile, _compatibility, _level, length_size, sps_count] = *head;
        if version != 1 {
            return Err(AvcRecordError::Version(version));
        }
        let length_size = (length_size & 3) + 1;
        let mut sets = ParameterSets::default();
        let mut first = None;
        for _ in 0..sps_count & 0x1f {
            let sps = take_set(&mut rest)?;
            sets.take_sps(sps)?;
            first.get_or_insert(sps);
        }
        let (&pps_count, behind) = rest.split_first().ok_or(AvcRecordError::Truncated)?;
        rest = behind;
        for _ in 0..pps_count {
            sets.take_pps(take_set(&mut rest)?)?;
        }
        // Taken in once more, the first SPS is again the one in use.
        sets.take_sps(first.ok_or(AvcRecordError::Incomplete)?)?;
        Ok((sets.config().ok_or(AvcRecordError::Incomplete)?, length_size))
    }

    /// Bytes of the lengths that a record announces, also one without parameter sets.
    pub fn length_size(record: &[u8]) -> u8 {
        record.get(LENGTH_SIZE_AT).map_or(4, |length_size| (length_size & 3) + 1)
    }

    /// The record's parameter sets, NAL units without length or start code: the SPS, then the PPS.
    pub fn parameter_sets(&self) -> impl Iterator<Item = &[u8]> {
        // Behind the five bytes of the head stand two lists, each behind its count: one of SPS in
        // five bits, one of PPS in eight.
        let mut rest = self.record.get(5..).unwrap_or_default();
        let mut masks = [0x1f, 0xff].into_iter();
        let mut left = 0;
        std::iter::from_fn(move || {
            while left == 0 {
                let mask = masks.next()?;
                let (&count, behind) = rest.split_first()?;
                (left, rest) = (count & mask, behind);
            }
            left -= 1;
            take_set(&mut rest).ok()
        })
    }
}

fn take_set<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], AvcRecordError> {
    let (length, behind) = rest.split_first_chunk::<2>().ok_or(AvcRecordError::Truncated)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (set, behind) = behind.split_at_checked(length).ok_or(AvcRecordError::Truncated)?;
    *rest = behind;
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::collector::{hex, Random};

    /// x264 by way of ffmpeg's FLV: baseline, 64x48.
    fn record() -> Vec<u8> {
        let sps = hex("6742c00ada11ec0440000003004000000f03c489a8");
        let pps = hex("68ce0fc8");
        let mut record = vec![1, 0x42, 0xc0, 10, 0xff, 0xe1, 0, u8::try_from(sps.len()).unwrap()];
        record.extend(sps);
        record.extend([1, 0, 4]);
        record.extend(pps);
        record
    }

    #[test]
    fn a_record_is_read_and_kept() {
        let config = AvcConfig::from_record(&record()).unwrap();
        assert_eq!(config.record, record()[..]);
        assert_eq!((config.width, config.height, config.frame_rate), (64, 48, 30.0));
        assert_eq!((config.profile_idc, config.constraints, config.level_idc), (66, 0xc0, 10));
    }

    #[test]
    fn the_sets_of_a_record_are_told_in_its_order() {
        let config = AvcConfig::from_record(&record()).unwrap();
        let sets: Vec<&[u8]> = config.parameter_sets().collect();
        assert_eq!(sets, [&record()[8..29], &record()[32..36]]);
    }

    #[test]
    fn records_that_mean_the_same_are_equal() {
        let mut padded = record();
        padded.extend([0xfd, 0xf8, 0xf8, 0]);
        padded[4] = 3;
        assert_eq!(AvcConfig::from_record(&padded), AvcConfig::from_record(&record()));
    }

    #[test]
    fn broken_records_are_refused_with_the_reason() {
        let changed = |place: usize, value: u8| {
            let mut record = record();
            record[place] = value;
            AvcConfig::from_record(&record).err()
        };
        assert_eq!(changed(0, 0), Some(AvcRecordError::Version(0)));
        assert_eq!(changed(4, 0xfd), Some(AvcRecordError::LengthSize(2)));
        assert_eq!(changed(5, 0xe0), Some(AvcRecordError::Incomplete));
        assert_eq!(changed(29, 0), Some(AvcRecordError::Incomplete));
        assert_eq!(changed(12, 0), Some(AvcRecordError::ParameterSet("seq_parameter_set_id")));
        let record = record();
        for length in 0..record.len() {
            let error = AvcConfig::from_record(&record[..length]).err();
            assert_eq!(error, Some(AvcRecordError::Truncated), "cut at {length}");
        }
        let mut many = vec![1, 0x42, 0xc0, 10, 0xff, 0xe1, 0, 21];
        many.extend(&record[8..29]);
        many.push(6);
        // pic_parameter_set_id 0 to 5.
        for pps in ["c0", "50", "70", "24", "2c", "34"] {
            many.extend([0, 3, 0x68]);
            many.extend(hex(pps));
            many.push(0x80);
        }
        assert_eq!(AvcConfig::from_record(&many), Err(AvcRecordError::Limit));
    }

    #[test]
    fn other_length_sizes_are_told_and_put_right() {
        for (byte, bytes) in [(0xfc, 1), (0xfd, 2), (0xfe, 3), (0xff, 4)] {
            let mut other = record();
            other[4] = byte;
            let (config, length_size) = AvcConfig::with_length_size(&other).unwrap();
            assert_eq!((config.record.as_slice(), length_size), (record().as_slice(), bytes));
            assert_eq!(AvcConfig::from_record(&other).is_ok(), bytes == 4);
        }
    }

    #[test]
    fn mutated_records_do_no_harm() {
        let mut random = Random(17);
        for _ in 0..100_000 {
            let mut record = record();
            for _ in 0..=random.below(3) {
                let place = random.below(record.len());
                record[place] = random.byte();
            }
            if let Ok(config) = AvcConfig::from_record(&record) {
                assert_eq!(AvcConfig::from_record(&config.record), Ok(config));
            }
        }
    }
}

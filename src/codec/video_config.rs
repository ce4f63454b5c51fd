//! Reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1.2), as FLV and MP4 carry it.
//! Bound: `TRACK_CONFIG_BYTES_MAX`.

use std::fmt;

use super::access_unit::AvcConfig;
use super::parameter_sets::{ParameterSets, Refused};
use super::sps::SetError;

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
            AvcRecordError::Truncated => f.write_str("the AVC configuration record breaks off"),
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

impl From<Refused> for AvcRecordError {
    fn from(refused: Refused) -> AvcRecordError {
        match refused {
            Refused::Broken(SetError::Unreadable(field) | SetError::OutOfRange(field)) => {
                AvcRecordError::ParameterSet(field)
            }
            Refused::Limit => AvcRecordError::Limit,
        }
    }
}

impl AvcConfig {
    /// Reads a record. The one kept is built anew from its parameter sets, so that records that
    /// mean the same are equal. The first SPS is the one in use.
    pub fn from_record(record: &[u8]) -> Result<AvcConfig, AvcRecordError> {
        let (head, mut rest) = record.split_first_chunk::<6>().ok_or(AvcRecordError::Truncated)?;
        let [version, _profile, _compatibility, _level, length_size, sps_count] = *head;
        if version != 1 {
            return Err(AvcRecordError::Version(version));
        }
        if length_size & 3 != 3 {
            return Err(AvcRecordError::LengthSize((length_size & 3) + 1));
        }
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
        sets.config().ok_or(AvcRecordError::Incomplete)
    }
}

fn take_set<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], AvcRecordError> {
    let (length, behind) = rest.split_first_chunk::<2>().ok_or(AvcRecordError::Truncated)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (set, behind) = behind.split_at_checked(length).ok_or(AvcRecordError::Truncated)?;
    *rest = behind;
    Ok(set)
}

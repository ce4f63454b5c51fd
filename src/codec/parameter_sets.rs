//! The SPS and PPS a video track has shown, and the decoder configuration record made of them.
//! Purpose: say when the configuration changes by meaning, and what a slice header needs to be
//! read.
//! Bound: `PARAMETER_SETS_MAX` of each kind, `PARAMETER_SET_BYTES_MAX` each.

use super::access_unit::{AvcConfig, ConfigRecord};
use super::slice_header::SliceFacts;
use super::sps::{Pps, SetError, Sps};
use crate::base::limits::{PARAMETER_SETS_MAX, PARAMETER_SET_BYTES_MAX};

type SetBytes = heapless::Vec<u8, PARAMETER_SET_BYTES_MAX>;

/// Why a set was not taken in; the one of the same id that was known before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetRefused {
    /// It does not parse.
    Broken(SetError),
    /// It is longer than `PARAMETER_SET_BYTES_MAX`, or `PARAMETER_SETS_MAX` others are known.
    Limit,
}

#[derive(Clone, Debug)]
struct KnownSps {
    sps: Sps,
    bytes: SetBytes,
}

#[derive(Clone, Debug)]
struct KnownPps {
    pps: Pps,
    bytes: SetBytes,
}

/// The sets known, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct ParameterSets {
    sps: heapless::Vec<KnownSps, PARAMETER_SETS_MAX>,
    pps: heapless::Vec<KnownPps, PARAMETER_SETS_MAX>,
    /// The SPS taken in last: the one the record names first and the picture's size comes from.
    latest: u8,
}

impl ParameterSets {
    /// Takes an SPS NAL unit in, header byte included.
    pub(super) fn take_sps(&mut self, nal: &[u8]) -> Result<(), SetRefused> {
        if let Some(known) = self.sps.iter().find(|known| known.bytes == nal) {
            self.latest = known.sps.id;
            return Ok(());
        }
        let bytes = SetBytes::from_slice(nal).map_err(|_| SetRefused::Limit)?;
        let sps = Sps::parse(nal).map_err(SetRefused::Broken)?;
        match self.sps.iter_mut().find(|known| known.sps.id == sps.id) {
            Some(known) => *known = KnownSps { sps, bytes },
            None => {
                self.sps.push(KnownSps { sps, bytes }).map_err(|_| SetRefused::Limit)?;
                self.sps.sort_unstable_by_key(|known| known.sps.id);
            }
        }
        self.latest = sps.id;
        Ok(())
    }

    /// Takes a PPS NAL unit in, header byte included.
    pub(super) fn take_pps(&mut self, nal: &[u8]) -> Result<(), SetRefused> {
        if self.pps.iter().any(|known| known.bytes == nal) {
            return Ok(());
        }
        let bytes = SetBytes::from_slice(nal).map_err(|_| SetRefused::Limit)?;
        let pps = Pps::parse(nal).map_err(SetRefused::Broken)?;
        match self.pps.iter_mut().find(|known| known.pps.id == pps.id) {
            Some(known) => *known = KnownPps { pps, bytes },
            None => {
                self.pps.push(KnownPps { pps, bytes }).map_err(|_| SetRefused::Limit)?;
                self.pps.sort_unstable_by_key(|known| known.pps.id);
            }
        }
        Ok(())
    }

    /// What it takes to read a slice that names this PPS; `None` while the sets are not known.
    pub(super) fn slice_facts(&self, pps_id: u32) -> Option<SliceFacts> {
        let pps = &self.pps.iter().find(|known| u32::from(known.pps.id) == pps_id)?.pps;
        let sps = &self.sps.iter().find(|known| known.sps.id == pps.sps)?.sps;
        Some(SliceFacts {
            separate_planes: sps.separate_planes,
            frame_num_bits: sps.frame_num_bits,
            order: sps.order,
            frame_mbs_only: sps.frame_mbs_only,
            bottom_field_order: pps.bottom_field_order,
            redundant_pictures: pps.redundant_pictures,
        })
    }

    /// The configuration: `None` while an SPS or a PPS is missing, or when the record would be
    /// larger than `TRACK_CONFIG_BYTES_MAX`.
    pub(super) fn config(&self) -> Option<AvcConfig> {
        let in_use = &self.sps.iter().find(|known| known.sps.id == self.latest)?.sps;
        if self.pps.is_empty() {
            return None;
        }
        Some(AvcConfig {
            record: self.record(in_use)?,
            width: in_use.width,
            height: in_use.height,
            frame_rate: in_use.frame_rate,
            profile_idc: in_use.profile_idc,
            constraints: in_use.constraints,
            level_idc: in_use.level_idc,
        })
    }

    /// AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1.2). The SPS in use comes first:
    /// many readers look at no other.
    fn record(&self, in_use: &Sps) -> Option<ConfigRecord> {
        const VERSION: u8 = 1;
        /// lengthSizeMinusOne 3, behind six reserved ones.
        const LENGTHS_OF_FOUR: u8 = 0xfc | 3;
        let mut record = ConfigRecord::new();
        let head =
            [VERSION, in_use.profile_idc, in_use.constraints, in_use.level_idc, LENGTHS_OF_FOUR];
        record.extend_from_slice(&head).ok()?;
        record.push(0xe0 | u8::try_from(self.sps.len()).ok()?).ok()?;
        let first = self.sps.iter().filter(|known| known.sps.id == in_use.id);
        let others = self.sps.iter().filter(|known| known.sps.id != in_use.id);
        for known in first.chain(others) {
            push_set(&mut record, &known.bytes)?;
        }
        record.push(u8::try_from(self.pps.len()).ok()?).ok()?;
        for known in &self.pps {
            push_set(&mut record, &known.bytes)?;
        }
        if !matches!(in_use.profile_idc, 66 | 77 | 88) {
            let extension = [
                0xfc | in_use.chroma_format,
                0xf8 | in_use.luma_depth_minus8,
                0xf8 | in_use.chroma_depth_minus8,
                0, // no SPS extensions
            ];
            record.extend_from_slice(&extension).ok()?;
        }
        Some(record)
    }
}

fn push_set(record: &mut ConfigRecord, set: &[u8]) -> Option<()> {
    let length = u16::try_from(set.len()).ok()?;
    record.extend_from_slice(&length.to_be_bytes()).ok()?;
    record.extend_from_slice(set).ok()
}

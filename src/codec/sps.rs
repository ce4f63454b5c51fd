//! What a sequence parameter set says of the picture (ISO/IEC 14496-10, 7.3.2.1.1), and the two
//! numbers a picture parameter set begins with (7.3.2.2). Non-goals: everything a decoder needs
//! beyond that. Bound: the caller's slice; nothing is allocated but the
//! short text of an error about the byte sequence.
//!
//! The bits are read by h264-reader's RBSP layer, the fields by this file. Its
//! `SeqParameterSet::from_bits` does not panic on hostile bytes and allocates at most two
//! kilobytes, but it refuses sets that encoders in the field send and decoders play: a picture
//! larger than the level allows, `max_dec_frame_buffering` outside the level's limit, anything
//! after the last field. Here those do no harm: nothing behind the frame rate is read, and a
//! broken VUI costs the frame rate only.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, ByteReader};

use super::slice_header::OrderType;

/// The largest picture edge believed, pixels: level 6.2 ends at 16,880 (ISO/IEC 14496-10, A.3.1).
const EDGE_PIXELS_MAX: u32 = 16_880;

/// Why a parameter set could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetError {
    /// The set ends, or stops being an RBSP, in this field.
    Unreadable(&'static str),
    /// This field has a value the standard forbids.
    OutOfRange(&'static str),
}

impl std::fmt::Display for SetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SetError::Unreadable(field) => write!(f, "the parameter set ends within {field}"),
            SetError::OutOfRange(field) => write!(f, "{field} is out of range"),
        }
    }
}

impl From<BitReaderError> for SetError {
    fn from(error: BitReaderError) -> SetError {
        match error {
            BitReaderError::ReaderError(field, _) => SetError::Unreadable(field),
            BitReaderError::ExpGolombTooLarge(field) => SetError::OutOfRange(field),
            BitReaderError::RemainingData => SetError::OutOfRange("rbsp_trailing_bits"),
        }
    }
}

/// What is taken from a sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sps {
    pub(super) profile_idc: u8,
    pub(super) constraints: u8,
    pub(super) level_idc: u8,
    /// seq_parameter_set_id, 0 to 31.
    pub(super) id: u8,
    /// chroma_format_idc, 0 to 3.
    pub(super) chroma_format: u8,
    /// bit_depth_luma_minus8, 0 to 6.
    pub(super) luma_depth_minus8: u8,
    /// bit_depth_chroma_minus8, 0 to 6.
    pub(super) chroma_depth_minus8: u8,
    /// separate_colour_plane_flag.
    pub(super) separate_planes: bool,
    /// log2_max_frame_num_minus4 + 4.
    pub(super) frame_num_bits: u8,
    pub(super) order: OrderType,
    pub(super) frame_mbs_only: bool,
    /// Pixels, cropped.
    pub(super) width: u32,
    /// Pixels, cropped.
    pub(super) height: u32,
    /// Frames per second, 0 when not said.
    pub(super) frame_rate: f64,
}

/// What is taken from a picture parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pps {
    /// pic_parameter_set_id, 0 to 255.
    pub(super) id: u8,
    /// seq_parameter_set_id.
    pub(super) sps: u8,
    /// bottom_field_pic_order_in_frame_present_flag.
    pub(super) bottom_field_order: bool,
    /// redundant_pic_cnt_present_flag; not looked for behind slice groups.
    pub(super) redundant_pictures: bool,
}

impl Pps {
    /// Reads a PPS NAL unit, header byte included.
    pub(super) fn parse(nal: &[u8]) -> Result<Pps, SetError> {
        let mut bits = BitReader::new(ByteReader::skipping_h264_header(nal));
        let id = ue_up_to(&mut bits, "pic_parameter_set_id", 255)?;
        let sps = ue_up_to(&mut bits, "seq_parameter_set_id", 31)?;
        let bottom_field_order = read_bottom_field_order(&mut bits).unwrap_or(false);
        let redundant_pictures = read_redundant_pictures(&mut bits).unwrap_or(false);
        Ok(Pps { id, sps, bottom_field_order, redundant_pictures })
    }
}

impl Sps {
    /// Reads an SPS NAL unit, header byte included.
    pub(super) fn parse(nal: &[u8]) -> Result<Sps, SetError> {
        let bits = &mut BitReader::new(ByteReader::skipping_h264_header(nal));
        let profile_idc = bits.read::<8, u8>("profile_idc")?;
        let constraints = bits.read::<8, u8>("constraint_set_flags")?;
        let level_idc = bits.read::<8, u8>("level_idc")?;
        let id = ue_up_to(bits, "seq_parameter_set_id", 31)?;
        let chroma = if has_chroma_format(profile_idc) { Chroma::read(bits)? } else { CHROMA_420 };
        let frame_num_bits = ue_up_to(bits, "log2_max_frame_num_minus4", 12)? + 4;
        let order = read_picture_order(bits)?;
        bits.read_ue("max_num_ref_frames")?;
        bits.read_bit("gaps_in_frame_num_value_allowed_flag")?;
        let (width, height, frame_mbs_only) = read_size(bits, &chroma)?;
        let frame_rate = read_frame_rate(bits).unwrap_or(0.0);
        Ok(Sps {
            profile_idc,
            constraints,
            level_idc,
            id,
            chroma_format: chroma.format,
            luma_depth_minus8: chroma.luma_depth_minus8,
            chroma_depth_minus8: chroma.chroma_depth_minus8,
            separate_planes: chroma.separate_planes,
            frame_num_bits,
            order,
            frame_mbs_only,
            width,
            height,
            frame_rate,
        })
    }
}

/// The profiles whose SPS carries chroma format and bit depths (7.3.2.1.1; 144 is the High 4:4:4
/// profile of the 2003 edition).
fn has_chroma_format(profile_idc: u8) -> bool {
    matches!(
        profile_idc,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135 | 144
    )
}

struct Chroma {
    format: u8,
    separate_planes: bool,
    luma_depth_minus8: u8,
    chroma_depth_minus8: u8,
}

/// What is inferred where the SPS does not say.
const CHROMA_420: Chroma =
    Chroma { format: 1, separate_planes: false, luma_depth_minus8: 0, chroma_depth_minus8: 0 };

impl Chroma {
    fn read<R: BitRead>(bits: &mut R) -> Result<Chroma, SetError> {
        let format = ue_up_to(bits, "chroma_format_idc", 3)?;
        let separate_planes = format == 3 && bits.read_bit("separate_colour_plane_flag")?;
        let luma_depth_minus8 = ue_up_to(bits, "bit_depth_luma_minus8", 6)?;
        let chroma_depth_minus8 = ue_up_to(bits, "bit_depth_chroma_minus8", 6)?;
        bits.read_bit("qpprime_y_zero_transform_bypass_flag")?;
        if bits.read_bit("seq_scaling_matrix_present_flag")? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if bits.read_bit("seq_scaling_list_present_flag")? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(Chroma { format, separate_planes, luma_depth_minus8, chroma_depth_minus8 })
    }

    /// Pixels of width and of height that one step of cropping takes (7.4.2.1.1, equations 7-19
    /// to 7-22), for a frame.
    fn crop_step(&self) -> (u32, u32) {
        match (self.separate_planes, self.format) {
            (false, 1) => (2, 2),
            (false, 2) => (2, 1),
            _ => (1, 1),
        }
    }
}

/// 7.3.2.1.1.1: a list ends early where its next scale becomes zero.
fn skip_scaling_list<R: BitRead>(bits: &mut R, size: u32) -> Result<(), SetError> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..size {
        if next != 0 {
            let delta = i64::from(bits.read_se("delta_scale")?);
            next = (last + delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

fn read_picture_order<R: BitRead>(bits: &mut R) -> Result<OrderType, SetError> {
    Ok(match ue_up_to(bits, "pic_order_cnt_type", 2)? {
        0 => OrderType::Lsb { bits: ue_up_to(bits, "log2_max_pic_order_cnt_lsb_minus4", 12)? + 4 },
        1 => {
            let always_zero = bits.read_bit("delta_pic_order_always_zero_flag")?;
            bits.read_se("offset_for_non_ref_pic")?;
            bits.read_se("offset_for_top_to_bottom_field")?;
            for _ in 0..ue_up_to(bits, "num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                bits.read_se("offset_for_ref_frame")?;
            }
            OrderType::Cycle { always_zero }
        }
        _ => OrderType::Decoding,
    })
}

/// entropy_coding_mode_flag, and the flag behind it.
fn read_bottom_field_order<R: BitRead>(bits: &mut R) -> Result<bool, SetError> {
    bits.read_bit("entropy_coding_mode_flag")?;
    Ok(bits.read_bit("bottom_field_pic_order_in_frame_present_flag")?)
}

/// From num_slice_groups_minus1 on. A PPS with slice groups is not read further.
fn read_redundant_pictures<R: BitRead>(bits: &mut R) -> Result<bool, SetError> {
    if bits.read_ue("num_slice_groups_minus1")? > 0 {
        return Ok(false);
    }
    bits.read_ue("num_ref_idx_l0_default_active_minus1")?;
    bits.read_ue("num_ref_idx_l1_default_active_minus1")?;
    bits.skip(3, "weighted_pred_flag, weighted_bipred_idc")?;
    bits.read_se("pic_init_qp_minus26")?;
    bits.read_se("pic_init_qs_minus26")?;
    bits.read_se("chroma_qp_index_offset")?;
    bits.skip(2, "deblocking_filter_control_present_flag, constrained_intra_pred_flag")?;
    Ok(bits.read_bit("redundant_pic_cnt_present_flag")?)
}

/// Width and height in pixels, cropped (7.4.2.1.1), and frame_mbs_only_flag.
fn read_size<R: BitRead>(bits: &mut R, chroma: &Chroma) -> Result<(u32, u32, bool), SetError> {
    let width_in_mbs = bits.read_ue("pic_width_in_mbs_minus1")?;
    let height_in_units = bits.read_ue("pic_height_in_map_units_minus1")?;
    let frames_only = bits.read_bit("frame_mbs_only_flag")?;
    if !frames_only {
        bits.read_bit("mb_adaptive_frame_field_flag")?;
    }
    bits.read_bit("direct_8x8_inference_flag")?;
    let mut crop = [0u32; 4];
    if bits.read_bit("frame_cropping_flag")? {
        for edge in &mut crop {
            *edge = bits.read_ue("frame_crop_offset")?;
        }
    }
    let [left, right, top, bottom] = crop;
    let (step_x, step_y) = chroma.crop_step();
    let rows_per_unit = if frames_only { 1 } else { 2 };
    let width = edge(width_in_mbs, 16, [left, right], step_x);
    let height = edge(height_in_units, 16 * rows_per_unit, [top, bottom], step_y * rows_per_unit);
    let (width, height) = width.zip(height).ok_or(SetError::OutOfRange("picture size"))?;
    Ok((width, height, frames_only))
}

fn edge(units_minus1: u32, unit: u32, crop: [u32; 2], crop_step: u32) -> Option<u32> {
    let whole = units_minus1.checked_add(1)?.checked_mul(unit)?;
    let [before, after] = crop;
    let cut = before.checked_add(after)?.checked_mul(crop_step)?;
    whole.checked_sub(cut).filter(|&pixels| pixels > 0 && pixels <= EDGE_PIXELS_MAX)
}

/// Frames per second from the VUI's timing (E.2.1), fixed or not; 0 when it has none.
fn read_frame_rate<R: BitRead>(bits: &mut R) -> Result<f64, SetError> {
    const EXTENDED_SAR: u8 = 255;
    if !bits.read_bit("vui_parameters_present_flag")? {
        return Ok(0.0);
    }
    if bits.read_bit("aspect_ratio_info_present_flag")?
        && bits.read::<8, u8>("aspect_ratio_idc")? == EXTENDED_SAR
    {
        bits.skip(32, "sar_width, sar_height")?;
    }
    if bits.read_bit("overscan_info_present_flag")? {
        bits.read_bit("overscan_appropriate_flag")?;
    }
    if bits.read_bit("video_signal_type_present_flag")? {
        bits.skip(4, "video_format, video_full_range_flag")?;
        if bits.read_bit("colour_description_present_flag")? {
            bits.skip(24, "colour_description")?;
        }
    }
    if bits.read_bit("chroma_loc_info_present_flag")? {
        bits.read_ue("chroma_sample_loc_type_top_field")?;
        bits.read_ue("chroma_sample_loc_type_bottom_field")?;
    }
    if !bits.read_bit("timing_info_present_flag")? {
        return Ok(0.0);
    }
    let units_in_tick = bits.read::<32, u32>("num_units_in_tick")?;
    let time_scale = bits.read::<32, u32>("time_scale")?;
    if units_in_tick == 0 {
        return Err(SetError::OutOfRange("num_units_in_tick"));
    }
    // A tick is a field, a frame is two.
    Ok(f64::from(time_scale) / f64::from(units_in_tick) / 2.0)
}

fn ue_up_to<R: BitRead>(bits: &mut R, field: &'static str, max: u8) -> Result<u8, SetError> {
    let value = bits.read_ue(field)?;
    u8::try_from(value).ok().filter(|&value| value <= max).ok_or(SetError::OutOfRange(field))
}

#[cfg(test)]
mod tests;

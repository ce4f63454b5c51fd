//! One message of a viewer taken apart: audio and video as FLV tag bodies (Adobe FLV 10.1, E.4.2,
//! E.4.3), data as AMF0. Whatever this product never sends is a fault here, even if some player
//! would take it.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Fault;

/// Message and tag type of audio.
pub const AUDIO: u8 = 8;
/// Message and tag type of video.
pub const VIDEO: u8 = 9;
/// Message and tag type of AMF0 data.
pub const DATA: u8 = 18;

const KEY_AVC: u8 = 0x17;
const INTER_AVC: u8 = 0x27;
/// AAC; rate, size and channels are fixed bits that say nothing (FLV 10.1, E.4.2.1).
const AAC: u8 = 0xAF;

/// The parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcSets {
    /// Sequence parameter sets, without start codes.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets.
    pub pps: Vec<Vec<u8>>,
}

impl AvcSets {
    /// Sorts NAL units of types 7 and 8; others are left out.
    pub fn of_nals<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> AvcSets {
        let mut sets = AvcSets { sps: Vec::new(), pps: Vec::new() };
        for nal in nals {
            match nal_type(nal) {
                7 => sets.sps.push(without_trailing_zeros(nal).to_vec()),
                8 => sets.pps.push(without_trailing_zeros(nal).to_vec()),
                _ => {}
            }
        }
        sets
    }

    /// Whether each set of `other` is one of these.
    pub fn holds(&self, other: &AvcSets) -> bool {
        other.sps.iter().all(|set| self.sps.contains(set))
            && other.pps.iter().all(|set| self.pps.contains(set))
    }

    fn parse(record: &[u8]) -> Result<AvcSets, &'static str> {
        let Some(([1, _, _, _, lengths, sps_count], rest)) = record.split_first_chunk() else {
            return Err("no AVCDecoderConfigurationRecord of version 1");
        };
        if lengths & 3 != 3 {
            return Err("NAL lengths of the record are not of four bytes");
        }
        let (sps, rest) = sets(rest, sps_count & 31)?;
        let (pps_count, rest) = rest.split_first().ok_or("the record ends before its PPS")?;
        let (pps, _) = sets(rest, *pps_count)?;
        if sps.is_empty() || pps.is_empty() {
            return Err("the record lacks SPS or PPS");
        }
        if sps.iter().any(|set| nal_type(set) != 7) || pps.iter().any(|set| nal_type(set) != 8) {
            return Err("the record's sets are not of types 7 and 8");
        }
        Ok(AvcSets { sps, pps })
    }
}

/// Parameter sets behind their lengths of two bytes, and the rest.
type Sets<'a> = (Vec<Vec<u8>>, &'a [u8]);

fn sets(mut rest: &[u8], count: u8) -> Result<Sets<'_>, &'static str> {
    let mut sets = Vec::new();
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk().ok_or("the record ends within a length")?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (set, behind) = behind.split_at_checked(length).ok_or("the record ends in a set")?;
        sets.push(without_trailing_zeros(set).to_vec());
        rest = behind;
    }
    Ok((sets, rest))
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag<'a> {
    /// A video sequence header.
    VideoConfig(AvcSets),
    /// A picture.
    VideoUnit {
        /// Its frame type says that a decoder can start here.
        key: bool,
        /// PTS less DTS.
        composition_ms: i64,
        /// Its NAL units.
        nals: Vec<&'a [u8]>,
    },
    /// An AudioSpecificConfig.
    AudioConfig(&'a [u8]),
    /// An AAC frame.
    AudioUnit(&'a [u8]),
    /// Metadata.
    Data,
}

impl<'a> Tag<'a> {
    /// Takes a message apart.
    pub fn parse(kind: u8, body: &'a [u8]) -> Result<Tag<'a>, Fault> {
        match kind {
            VIDEO => video(body),
            AUDIO => audio(body),
            DATA => data(body),
            other => Err(Fault::UnknownKind(other)),
        }
    }
}

fn video(body: &[u8]) -> Result<Tag<'_>, Fault> {
    let Some(([codec, packet, c2, c1, c0], payload)) = body.split_first_chunk() else {
        return Err(Fault::Malformed("a video tag of less than five bytes"));
    };
    let composition_ms = i64::from(i32::from_be_bytes([*c2, *c1, *c0, 0]) >> 8);
    match (*codec, *packet) {
        (KEY_AVC, 0) if composition_ms == 0 => {
            Ok(Tag::VideoConfig(AvcSets::parse(payload).map_err(Fault::Malformed)?))
        }
        (KEY_AVC, 0) => Err(Fault::Malformed("a sequence header with a composition time")),
        (KEY_AVC | INTER_AVC, 1) => {
            let nals = nal_units(payload)
                .filter(|nals| !nals.is_empty())
                .ok_or(Fault::Malformed("NAL unit lengths that do not add up"))?;
            let key = *codec == KEY_AVC;
            Ok(Tag::VideoUnit { key, composition_ms, nals })
        }
        (KEY_AVC | INTER_AVC, _) => Err(Fault::Malformed("an unknown AVCPacketType")),
        (codec, _) => Err(Fault::CodecByte(codec)),
    }
}

fn audio(body: &[u8]) -> Result<Tag<'_>, Fault> {
    match body {
        [AAC, 0, config @ ..] if config.len() >= 2 => Ok(Tag::AudioConfig(config)),
        [AAC, 1, frame @ ..] if !frame.is_empty() => Ok(Tag::AudioUnit(frame)),
        [AAC, ..] => Err(Fault::Malformed("an AAC tag without content or of unknown type")),
        [codec, ..] => Err(Fault::CodecByte(*codec)),
        [] => Err(Fault::Malformed("an empty audio tag")),
    }
}

fn data(body: &[u8]) -> Result<Tag<'_>, Fault> {
    // An AMF0 string (marker 2) of ten or thirteen bytes.
    let known: [&[u8]; 2] = [b"\x02\0\x0aonMetaData", b"\x02\0\x0d@setDataFrame"];
    match known.iter().any(|name| body.starts_with(name)) {
        true => Ok(Tag::Data),
        false => Err(Fault::Malformed("data that are no onMetaData")),
    }
}

/// nal_unit_type (ITU-T H.264, 7.3.1); 0 when there is no byte.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |first| first & 31)
}

/// The NAL units of an access unit in which each stands behind its length, without the zeros
/// that may trail a NAL unit in Annex B and are no part of it (ITU-T H.264, B.1.2); `None` when
/// the lengths do not add up.
pub fn nal_units(mut unit: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = unit.split_first_chunk() {
        let (nal, behind) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let nal = without_trailing_zeros(nal);
        if nal.is_empty() {
            return None;
        }
        found.push(nal);
        unit = behind;
    }
    unit.is_empty().then_some(found)
}

fn without_trailing_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    nal.get(..end).unwrap_or_default()
}

/// Whether two AudioSpecificConfigs mean the same: one may say beside it that it has no SBR
/// (ISO/IEC 14496-3, 1.6.5.3: the sync extension 0x2B7, object type 5, and a flag that is 0).
pub fn same_sound(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    match long.strip_prefix(short) {
        Some([0x56, 0xE5, flag, ..]) => flag & 0x80 == 0 && short.len() >= 2,
        Some(rest) => rest.is_empty(),
        None => false,
    }
}

/// Digest of a picture: its NAL units without delimiters and parameter sets (types 7 to 9), which
/// may be added or left out where nothing else may.
pub fn picture_digest(nals: &[&[u8]]) -> u64 {
    let is_picture = |nal: &&&[u8]| !matches!(nal_type(nal), 7..=9);
    digest(nals.iter().filter(is_picture).collect::<Vec<_>>())
}

/// Digest of an AAC frame.
pub fn sound_digest(frame: &[u8]) -> u64 {
    digest(frame)
}

fn digest(payload: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}

/// Whether a decoder can start at this access unit: an IDR, or a recovery point SEI (ITU-T H.264,
/// D.2.8).
pub fn can_start(nals: &[&[u8]]) -> bool {
    nals.iter().any(|nal| match nal_type(nal) {
        5 => true,
        6 => is_recovery_point(nal.get(1..).unwrap_or_default()),
        _ => false,
    })
}

/// Whether one of the messages of an SEI NAL unit is a recovery point (payloadType 6).
fn is_recovery_point(sei: &[u8]) -> bool {
    let sei = without_emulation_prevention(sei);
    let mut bytes = sei.iter().copied().peekable();
    loop {
        let [Some(kind), Some(size)] = [(); 2].map(|()| coded_sum(&mut bytes)) else {
            return false;
        };
        if kind == 6 {
            return true;
        }
        for _ in 0..size {
            if bytes.next().is_none() {
                return false;
            }
        }
        // rbsp_trailing_bits.
        if bytes.peek().is_none_or(|next| *next == 0x80) {
            return false;
        }
    }
}

/// A number as SEI codes it: bytes of 255 and a last one, summed (7.3.2.3.1).
fn coded_sum(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut sum = 0_u32;
    loop {
        let byte = bytes.next()?;
        sum = sum.checked_add(u32::from(byte))?;
        if byte != 255 {
            return Some(sum);
        }
    }
}

fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal {
        if *byte == 3 && zeros >= 2 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        plain.push(*byte);
    }
    plain
}

//! The program config element (PCE) of AAC (ISO/IEC 14496-3, 4.4.1.1, table 4.2), which says what
//! the channels are where channelConfiguration is 0: 5.1(side), 6.1 and others that have no number.
//! Purpose: read it where it stands in a raw data block, and make the AudioSpecificConfig that
//! carries it. Non-goals: mixing down; coupling channels beyond stepping over them. Bound:
//! [`PCE_BYTES_MAX`].

use super::access_unit::ConfigRecord;
use super::bit_reader::{Bits, BitsEnd};

/// Bytes of the largest, its id in front: 15 elements of each kind, 255 bytes of comment.
pub(super) const PCE_BYTES_MAX: usize = 320;
/// Front, side and back elements of 15 each, and three for low frequencies.
const ELEMENTS_MAX: usize = 3 * 15 + 3;

/// The syntactic elements of a raw data block that hold channels (table 4.85).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelElement {
    /// A single channel.
    Sce,
    /// A pair of channels.
    Cpe,
    /// A low frequency effects channel.
    Lfe,
}

impl ChannelElement {
    /// Channels in it.
    pub(super) const fn channels(self) -> u8 {
        match self {
            ChannelElement::Cpe => 2,
            ChannelElement::Sce | ChannelElement::Lfe => 1,
        }
    }
}

/// An element, and the tag that tells it from others of its kind.
pub(super) type TaggedElement = (ChannelElement, u8);

/// What a PCE says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProgramConfig {
    /// In the order of their channels.
    pub(super) elements: heapless::Vec<TaggedElement, ELEMENTS_MAX>,
    /// Bits from its beginning to where it is aligned, and bytes from there: a comment behind its
    /// length.
    bits: usize,
    comment_bytes: usize,
}

impl ProgramConfig {
    /// Reads one; it is aligned to the bytes of the slice.
    pub(super) fn read(bits: &mut Bits<'_>) -> Result<ProgramConfig, BitsEnd> {
        let start = bits.position();
        // element_instance_tag, object_type, sampling_frequency_index.
        bits.take(4 + 2 + 4)?;
        let front = bits.take(4)?;
        let side = bits.take(4)?;
        let back = bits.take(4)?;
        let low = bits.take(2)?;
        let data = bits.take(3)?;
        let coupling = bits.take(4)?;
        // Mixing down to one channel and to two: an element each; by a matrix: an index.
        for width in [4, 4, 3] {
            if bits.take(1)? == 1 {
                bits.take(width)?;
            }
        }
        let mut elements = heapless::Vec::new();
        for _ in 0..front + side + back {
            let element =
                if bits.take(1)? == 1 { ChannelElement::Cpe } else { ChannelElement::Sce };
            elements.push((element, tag(bits)?)).map_err(|_| BitsEnd)?;
        }
        for _ in 0..low {
            elements.push((ChannelElement::Lfe, tag(bits)?)).map_err(|_| BitsEnd)?;
        }
        for _ in 0..data {
            bits.take(4)?;
        }
        for _ in 0..coupling {
            bits.take(1 + 4)?;
        }
        let end = bits.position();
        bits.align();
        let comment = usize::try_from(bits.take(8)?).unwrap_or(0);
        for _ in 0..comment {
            bits.take(8)?;
        }
        Ok(ProgramConfig { elements, bits: end - start, comment_bytes: 1 + comment })
    }

    /// Channels, those of coupling elements not counted.
    pub(super) fn channels(&self) -> u8 {
        self.elements.iter().fold(0, |sum, (element, _)| sum.saturating_add(element.channels()))
    }
}

fn tag(bits: &mut Bits<'_>) -> Result<u8, BitsEnd> {
    Ok(u8::try_from(bits.take(4)?).unwrap_or(0))
}

/// A raw data block as far as a PCE at its beginning goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BlockStart {
    /// It begins with another element.
    Other,
    /// It begins with a PCE that the bytes do not hold whole.
    Cut,
    /// It begins with this one.
    Program(ProgramConfig),
}

/// Looks for a PCE at the beginning of a raw data block, where it has to stand
/// (4.5.2.1.1).
pub(super) fn at_block_start(block: &[u8]) -> BlockStart {
    const ID_PCE: u32 = 5;
    let mut bits = Bits::new(block);
    match bits.take(3) {
        Ok(ID_PCE) => ProgramConfig::read(&mut bits).map_or(BlockStart::Cut, BlockStart::Program),
        Ok(_) => BlockStart::Other,
        Err(BitsEnd) => BlockStart::Cut,
    }
}

/// AudioSpecificConfig (1.6.2.1) of an object type below 31 with the PCE that stands at the
/// beginning of this block: GASpecificConfig with all flags 0, and the element.
pub(super) fn record(
    object_type: u8,
    rate_index: u8,
    block: &[u8],
    program: &ProgramConfig,
) -> Option<ConfigRecord> {
    let mut record = ConfigRecord::new();
    record.extend_from_slice(&[object_type << 3 | rate_index >> 1, rate_index << 7]).ok()?;
    let mut bits = Bits::new(block);
    bits.take(3).ok()?;
    let mut left = program.bits;
    while left > 0 {
        let width = left.min(8);
        let byte = bits.take(width).ok()? << (8 - width);
        record.push(u8::try_from(byte).ok()?).ok()?;
        left -= width;
    }
    bits.align();
    for _ in 0..program.comment_bytes {
        record.push(u8::try_from(bits.take(8).ok()?).ok()?).ok()?;
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::access_unit::AacConfig;
    use crate::codec::collector::{hex, Random};

    /// A block of ffmpeg's encoder in 5.1(side), which has low frequencies in a single channel.
    const SIDE: &str = "a0990880040018800d4c61766335392e33372e313030de0200";

    #[test]
    fn a_side_layout_is_read_and_its_record_is_what_ffmpeg_makes_of_it() {
        let block = hex(SIDE);
        let BlockStart::Program(program) = at_block_start(&block) else { panic!("a PCE") };
        assert_eq!(program.channels(), 6);
        use ChannelElement::{Cpe, Sce};
        assert_eq!(program.elements, [(Cpe, 0), (Sce, 0), (Sce, 1), (Cpe, 1)]);
        let record = record(2, 3, &block, &program).expect("it fits");
        assert_eq!(record, hex("118004c844002000c40d4c61766335392e33372e313030")[..]);
        let config = AacConfig::from_record(&record).expect("a record that can be read");
        assert_eq!((config.channels, config.sample_rate_hz, config.object_type), (6, 48_000, 2));
        assert_eq!(config.record, record);
    }

    #[test]
    fn a_block_cut_in_its_element_is_not_read() {
        let block = hex(SIDE);
        for bytes in 0..22 {
            assert_eq!(at_block_start(&block[..bytes]), BlockStart::Cut, "{bytes} bytes");
        }
        assert!(matches!(at_block_start(&block[..22]), BlockStart::Program(_)));
        assert_eq!(at_block_start(&[0x21, 0x4a]), BlockStart::Other, "a pair of channels");
    }

    #[test]
    fn any_block_is_read_within_its_bound() {
        let mut random = Random(5);
        for _ in 0..20_000 {
            let mut block: Vec<u8> = (0..PCE_BYTES_MAX).map(|_| random.byte()).collect();
            block[0] = 0xa0 | block[0] & 0x1f;
            let BlockStart::Program(program) = at_block_start(&block) else {
                panic!("the largest fits")
            };
            let Some(record) = record(2, 3, &block, &program) else { panic!("the largest fits") };
            let config = AacConfig::from_record(&record);
            assert_eq!(config.is_ok(), program.channels() > 0);
        }
    }
}

//! Blocks and their lacing (RFC 9559, 10): several frames of one track behind one header.
//! Purpose: say where each frame stands. Bound: `MKV_LACE_FRAMES_MAX` sizes.

use crate::base::limits::MKV_LACE_FRAMES_MAX;

use super::element::variable;

/// What a block begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) track: u64,
    /// Time behind the cluster's, in the segment's unit.
    pub(super) time: i16,
    pub(super) flags: u8,
    pub(super) head_bytes: usize,
}

/// Track number, time and flags.
pub(super) const BLOCK_HEAD_BYTES_MAX: usize = 11;
const KEY: u8 = 0x80;
const LACING: u8 = 0x06;
const XIPH: u8 = 0x02;
const FIXED: u8 = 0x04;

impl BlockHead {
    pub(super) fn parse(bytes: &[u8]) -> Option<BlockHead> {
        let (track, track_bytes) = variable(bytes)?;
        let [high, low, flags] = *bytes.get(track_bytes..)?.first_chunk()?;
        let time = i16::from_be_bytes([high, low]);
        Some(BlockHead { track: track?, time, flags, head_bytes: track_bytes + 3 })
    }

    /// There is more than one frame in it.
    pub(super) fn is_laced(&self) -> bool {
        self.flags & LACING != 0
    }

    /// A SimpleBlock's mark for a key frame.
    pub(super) fn is_key(&self) -> bool {
        self.flags & KEY != 0
    }
}

/// The sizes of a block's frames, the last first, and the bytes that say them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lace {
    pub(super) sizes: heapless::Vec<u32, MKV_LACE_FRAMES_MAX>,
    pub(super) head_bytes: usize,
}

/// Reads the lacing of a block with these flags. `bytes` are what stands behind its head, as far
/// as it is at hand, of `whole` bytes in all. `None` when it does not add up.
pub(super) fn lace(flags: u8, bytes: &[u8], whole: u64) -> Option<Lace> {
    let mut lace = Lace::default();
    let lacing = flags & LACING;
    if lacing == 0 {
        lace.sizes.push(u32::try_from(whole).ok()?).ok()?;
        return Some(lace);
    }
    let (count, mut rest) = bytes.split_first()?;
    let before_last = usize::from(*count);
    match lacing {
        FIXED => {
            let frames = u64::from(*count) + 1;
            let all = whole.checked_sub(1).filter(|all| all % frames == 0)?;
            let size = u32::try_from(all / frames).ok()?;
            lace.sizes.resize(before_last + 1, size).ok()?;
            lace.head_bytes = 1;
            return Some(lace);
        }
        XIPH => {
            for _ in 0..before_last {
                let full = rest.iter().take_while(|byte| **byte == 255).count();
                let (size, behind) = rest.split_at_checked(full + 1)?;
                let size = size.iter().map(|byte| u32::from(*byte)).sum();
                lace.sizes.push(size).ok()?;
                rest = behind;
            }
        }
        _ => {
            let mut size = 0;
            for n in 0..before_last {
                let (value, length) = variable(rest)?;
                let value = i64::try_from(value?).ok()?;
                // But for the first they are differences, half the range below 0 (10.3.3).
                let half = (1_i64 << (7 * length - 1)) - 1;
                size = if n == 0 { value } else { size + (value - half) };
                lace.sizes.push(u32::try_from(size).ok()?).ok()?;
                rest = rest.get(length..)?;
            }
        }
    }
    lace.head_bytes = bytes.len() - rest.len();
    let said: u64 = lace.sizes.iter().map(|size| u64::from(*size)).sum();
    let last = whole.checked_sub(lace.head_bytes as u64)?.checked_sub(said)?;
    lace.sizes.push(u32::try_from(last).ok()?).ok()?;
    lace.sizes.reverse();
    Some(lace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::collector::{hex, Random};

    fn sizes(flags: u8, bytes: &str, whole: u64) -> Option<(Vec<u32>, usize)> {
        let lace = lace(flags, &hex(bytes), whole)?;
        Some((lace.sizes.iter().rev().copied().collect(), lace.head_bytes))
    }

    #[test]
    fn a_head_is_read() {
        let head = BlockHead::parse(&[0x81, 0xff, 0xfe, 0x80, 1]).unwrap();
        assert_eq!((head.track, head.time, head.head_bytes, head.is_key()), (1, -2, 4, true));
        let head = BlockHead::parse(&[0x40, 0x81, 0, 5, 0]).unwrap();
        assert_eq!((head.track, head.time, head.head_bytes, head.is_key()), (129, 5, 5, false));
        assert_eq!(BlockHead::parse(&[0x81, 0, 0]), None);
        assert_eq!(BlockHead::parse(&[0xff, 0, 0, 0]), None);
    }

    /// The examples of RFC 9559, 10.3.
    #[test]
    fn frames_of_800_500_and_1000_bytes() {
        let wanted = vec![800, 500, 1000];
        assert_eq!(sizes(XIPH, "02ffffff23fff5", 2307), Some((wanted.clone(), 7)));
        assert_eq!(sizes(LACING, "0243205ed3", 2305), Some((wanted, 5)));
        assert_eq!(sizes(FIXED, "02", 2401), Some((vec![800; 3], 1)));
        assert_eq!(sizes(0, "", 800), Some((vec![800], 0)));
    }

    #[test]
    fn lacing_that_does_not_add_up_is_refused() {
        for (flags, bytes, whole) in [
            (XIPH, "02ffffff23fff5", 1306),
            (XIPH, "02ffff", 2307),
            (LACING, "0243205ed3", 1304),
            (LACING, "02810080", 100),
            (LACING, "028180", 100),
            (LACING, "02ff81", 100),
            (FIXED, "02", 2402),
            (FIXED, "", 0),
            (XIPH, "", 0),
            (0, "", u64::MAX),
        ] {
            assert_eq!(sizes(flags, bytes, whole), None, "{flags} {bytes} {whole}");
        }
    }

    #[test]
    fn any_lacing_adds_up_or_is_refused() {
        let mut random = Random(5);
        for _ in 0..20_000 {
            let count = random.below(40);
            let mut bytes: Vec<u8> = (0..count).map(|_| random.byte()).collect();
            if let Some(first) = bytes.first_mut() {
                *first %= 8;
            }
            let whole = random.below(3000).max(bytes.len()) as u64;
            if let Some(lace) = lace(random.byte(), &bytes, whole) {
                let all: u64 = lace.sizes.iter().map(|size| u64::from(*size)).sum();
                assert_eq!(all + lace.head_bytes as u64, whole);
            }
        }
    }
}

//! Whether a datagram may be a piece of a transport stream. Purpose: a sender of something else
//! must not take an input from one who sends media. Non-goal: certainty; the demultiplexer judges.

use super::packet::{PACKET_BYTES, SYNC_BYTE};
use super::sync::Stride;

/// Whether this datagram holds a whole packet, and sync bytes at the distance of packets from one of
/// the first on to its end; a datagram with room for only one must begin with it.
pub fn is_plausible(datagram: &[u8]) -> bool {
    let grid = |stride: usize, offset: usize| {
        let mut places = datagram.get(offset..).unwrap_or_default().iter().step_by(stride);
        let is_long = datagram.len() > offset + stride;
        let has_whole = datagram.len() >= offset + PACKET_BYTES;
        has_whole && (is_long || offset == 0) && places.all(|&byte| byte == SYNC_BYTE)
    };
    Stride::ALL.into_iter().any(|stride| {
        let stride = stride.bytes();
        (0..stride).any(|offset| grid(stride, offset))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(count: usize, stride: usize) -> Vec<u8> {
        let mut bytes = vec![0xAA; count * stride];
        bytes.chunks_mut(stride).for_each(|packet| packet[0] = SYNC_BYTE);
        bytes
    }

    #[test]
    fn packets_bare_wrapped_or_cut_anywhere_are_plausible() {
        for stride in [188, 204] {
            let whole = packets(7, stride);
            assert!(is_plausible(&whole));
            assert!(is_plausible(&whole[..stride]));
            assert!(is_plausible(&[&[0x80; 12], &whole[..]].concat()));
            for cut in 0..stride {
                assert!(is_plausible(&whole[cut..cut + 3 * stride]), "cut at {cut}");
            }
        }
    }

    #[test]
    fn anything_else_is_not() {
        let mut rng = fastrand::Rng::with_seed(1);
        assert!(!is_plausible(b""));
        assert!(!is_plausible(b"HEARTBEAT"));
        assert!(!is_plausible(b"G"));
        assert!(!is_plausible(&packets(1, 188)[..187]), "no whole packet");
        assert!(!is_plausible(&[0; 1316]));
        let noise = |rng: &mut fastrand::Rng| (0..1316).map(|_| rng.u8(..)).collect::<Vec<u8>>();
        assert_eq!((0..10_000).filter(|_| is_plausible(&noise(&mut rng))).count(), 0);
    }
}

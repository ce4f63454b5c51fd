//! A gzip file (RFC 1952) of a log's lines. Purpose: an elder costs a fraction of its room, in a form
//! that every tool reads. One block of fixed Huffman codes (RFC 1951, 3.2.6), repetitions looked for
//! within pieces of [`LOG_PACK_BYTES`]: a third more than the best there is for text, for a table of
//! 16 KiB instead of a compressor's megabyte. Non-goals: reading it back, other levels. Bound: the
//! piece, what is written of it, the table.

use std::io::{self, Read, Write};

use crate::base::limits::LOG_PACK_BYTES;

/// Places remembered by what stands there, a power of two.
const PLACES: usize = 1 << 13;
/// The shortest and the longest repetition there are codes for.
const LENGTH_MIN: usize = 3;
const LENGTH_MAX: usize = 258;
/// The farthest repetition there are codes for.
const DISTANCE_MAX: usize = 32 << 10;
/// A repetition is looked for by so many bytes.
const KEY_BYTES: usize = 4;

/// Packs everything that `from` has.
///
/// # Errors
/// Those of reading and writing.
pub(super) fn pack(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut piece = Vec::with_capacity(LOG_PACK_BYTES);
    let mut bits = Bits::default();
    let (mut crc, mut length) = (!0_u32, 0_u32);
    // Deflate, no name, no time, by a Unix (RFC 1952, 2.3.1).
    to.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])?;
    // The last block, of fixed codes.
    bits.put(0b011, 3);
    loop {
        piece.clear();
        from.by_ref().take(LOG_PACK_BYTES as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        crc = piece.iter().fold(crc, |crc, byte| step(crc, *byte));
        // The length is told modulo 2^32 (RFC 1952, 2.3.1).
        length = length.wrapping_add(u32::try_from(piece.len()).unwrap_or(0));
        pack_piece(&piece, &mut bits);
        to.write_all(&bits.out)?;
        bits.out.clear();
    }
    bits.symbol(256);
    bits.flush();
    to.write_all(&bits.out)?;
    to.write_all(&(!crc).to_le_bytes())?;
    to.write_all(&length.to_le_bytes())
}

/// CRC-32 by the bit, reflected (RFC 1952, 8).
fn step(crc: u32, byte: u8) -> u32 {
    (0..8)
        .fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
}

fn pack_piece(piece: &[u8], bits: &mut Bits) {
    // Where the bytes of a key were seen last, counted from 1.
    let mut places = vec![0_u32; PLACES];
    let mut at = 0;
    while let Some(byte) = piece.get(at) {
        let seen = place(piece, at).and_then(|place| {
            let now = u32::try_from(at + 1).unwrap_or(0);
            places.get_mut(place).map(|kept| std::mem::replace(kept, now))
        });
        let before = seen.and_then(|seen| usize::try_from(seen).ok()?.checked_sub(1));
        let length = before.map_or(0, |before| same(piece, before, at));
        match before {
            Some(before) if length >= LENGTH_MIN && at - before <= DISTANCE_MAX => {
                bits.repetition(length, at - before);
                at += length;
            }
            _ => {
                bits.symbol(usize::from(*byte));
                at += 1;
            }
        }
    }
}

fn place(piece: &[u8], at: usize) -> Option<usize> {
    let key = piece.get(at..)?.first_chunk::<KEY_BYTES>()?;
    let mixed = u32::from_le_bytes(*key).wrapping_mul(0x9e37_79b1);
    usize::try_from(mixed >> (32 - PLACES.trailing_zeros())).ok()
}

/// How much is the same at two places.
fn same(piece: &[u8], before: usize, at: usize) -> usize {
    let (Some(one), Some(other)) = (piece.get(before..), piece.get(at..)) else { return 0 };
    one.iter().zip(other).take(LENGTH_MAX).take_while(|(a, b)| a == b).count()
}

/// Bits, the first in the lowest place (RFC 1951, 3.1.1).
#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, bits: usize, count: u32) {
        self.held |= (bits as u64) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.extend(self.held.to_le_bytes().first());
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// A Huffman code: its first bit is its highest.
    fn code(&mut self, code: usize, count: u32) {
        self.put(code.reverse_bits() >> (usize::BITS - count), count);
    }

    /// A literal, the end of the block, or a length's code.
    fn symbol(&mut self, symbol: usize) {
        match symbol {
            0..=143 => self.code(0x30 + symbol, 8),
            144..=255 => self.code(0x190 + symbol - 144, 9),
            256..=279 => self.code(symbol - 256, 7),
            _ => self.code(0xc0 + symbol - 280, 8),
        }
    }

    /// The same again as stood `distance` bytes before (RFC 1951, 3.2.5).
    fn repetition(&mut self, length: usize, distance: usize) {
        let rest = length - LENGTH_MIN;
        match rest {
            0..=7 => self.symbol(257 + rest),
            _ if length == LENGTH_MAX => self.symbol(285),
            _ => {
                let extra = rest.ilog2() - 2;
                self.symbol(261 + 4 * extra as usize + ((rest >> extra) & 3));
                self.put(rest & ((1 << extra) - 1), extra);
            }
        }
        let back = distance - 1;
        if back < 4 {
            return self.code(back, 5);
        }
        let extra = back.ilog2() - 1;
        self.code(2 * (extra as usize + 1) + ((back >> extra) & 1), 5);
        self.put(back & ((1 << extra) - 1), extra);
    }

    fn flush(&mut self) {
        self.put(0, (8 - self.count % 8) % 8);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What gzip makes of it.
    fn unpacked(packed: &[u8]) -> Vec<u8> {
        let mut gzip = Command::new("gzip");
        let gzip = gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut gzip = gzip.spawn().unwrap();
        let mut input = gzip.stdin.take().unwrap();
        let packed = packed.to_vec();
        let fed = std::thread::spawn(move || input.write_all(&packed));
        let output = gzip.wait_with_output().unwrap();
        fed.join().unwrap().unwrap();
        assert!(output.status.success(), "gzip refuses it");
        output.stdout
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut to = Vec::new();
        pack(&mut &*bytes, &mut to).unwrap();
        to
    }

    /// Bytes that look random, always the same.
    fn noise(length: usize, most: u64) -> Vec<u8> {
        let mut state = 88_172_645_463_325_252_u64;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u8::try_from(state % most).unwrap()
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn gzip_reads_what_was_packed() {
        let every: Vec<u8> = (0..=255).collect();
        let far = [b"begin".as_slice(), &noise(40_000, 256), b"begin"].concat();
        for bytes in [
            Vec::new(),
            b"a".to_vec(),
            every.repeat(700),
            vec![b'x'; 3 * LOG_PACK_BYTES + 1],
            noise(100_000, 256),
            noise(100_000, 3),
            noise(LOG_PACK_BYTES, 2),
            far,
        ] {
            assert!(unpacked(&packed(&bytes)) == bytes, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn repetitions_of_every_length_and_distance_are_told_right() {
        let random = noise(DISTANCE_MAX, 256);
        for length in LENGTH_MIN..=LENGTH_MAX + 2 {
            let again = random.get(7..7 + length).unwrap();
            let bytes = [random.get(..300).unwrap(), again, b"!"].concat();
            assert!(unpacked(&packed(&bytes)) == bytes, "length {length}");
        }
        for distance in
            [4, 5, 6, 8, 9, 12, 13, 255, 256, 257, 1023, 4096, 8193, 24_577, 32_767, 32_768]
        {
            let all = random.get(..distance).unwrap();
            let bytes = [all, random.get(..4.min(distance)).unwrap(), b"end"].concat();
            assert!(unpacked(&packed(&bytes)) == bytes, "distance {distance}");
        }
    }

    #[test]
    fn a_log_costs_a_fraction() {
        let line = |n: usize| {
            format!(
                "2026-11-22T12:{:02}:54.018Z INFO  [outputs::viewers] 10.0.0.{n} comes\n",
                n % 60
            )
        };
        let text: String = (0..9999).map(line).collect();
        let length = packed(text.as_bytes()).len();
        assert!(length * 4 < text.len(), "{length} of {}", text.len());
    }
}

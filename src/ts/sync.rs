//! The packet grid in a stream of datagrams. Purpose: cut datagrams of any length into packets of
//! 188 bytes, or of 204 with 16 bytes of outer code behind each (ignored), detected, not
//! configured. Non-goals: judging a packet beyond its sync byte. Bound: three packets are held
//! while the grid is looked for, less than one while it is known.
//!
//! A datagram of whole packets is read where it lies. Bytes are copied only when a packet spans two
//! datagrams. The grid is believed when a sync byte is followed by two more at the packet's
//! distance, or when a datagram is made of whole packets and nothing else.

use super::packet::{PACKET_BYTES, SYNC_BYTE};
use crate::base::limits::TS_SYNC_BYTES_MAX;

/// The distance of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stride {
    /// 188 bytes.
    Plain,
    /// 204 bytes: 16 of Reed-Solomon code behind each packet (ETSI EN 300 429, 4.4.2).
    OuterCoded,
}

impl Stride {
    /// Every stride, the likely one first.
    pub const ALL: [Stride; 2] = [Stride::Plain, Stride::OuterCoded];

    /// Its bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Stride::Plain => PACKET_BYTES,
            Stride::OuterCoded => PACKET_BYTES + 16,
        }
    }

    /// The stride with which these bytes are whole packets and nothing else.
    pub fn of_whole_packets(bytes: &[u8]) -> Option<Stride> {
        Stride::ALL.into_iter().find(|stride| {
            let mut packets = bytes.chunks_exact(stride.bytes());
            !bytes.is_empty()
                && packets.all(|packet| packet.first() == Some(&SYNC_BYTE))
                && packets.remainder().is_empty()
        })
    }
}

/// What comes out of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPiece<'a> {
    /// A packet.
    Packet(&'a [u8; PACKET_BYTES]),
    /// The grid does not run on from the datagram before into this one: datagrams between are
    /// missing, or the order is not kept.
    Gap,
}

/// Cuts datagrams into packets.
pub struct Framer {
    stride: Option<Stride>,
    held: [u8; TS_SYNC_BYTES_MAX],
    held_bytes: usize,
    lost_bytes: u64,
}

impl Default for Framer {
    fn default() -> Framer {
        Framer { stride: None, held: [0; TS_SYNC_BYTES_MAX], held_bytes: 0, lost_bytes: 0 }
    }
}

impl Framer {
    /// Bytes skipped to find the grid, since the start.
    pub const fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// Whether a packet has begun and not ended.
    pub const fn is_inside(&self) -> bool {
        self.held_bytes > 0
    }

    /// Forgets the grid and what is held.
    pub fn reset(&mut self) {
        self.stride = None;
        self.lose(self.held_bytes);
        self.held_bytes = 0;
    }

    /// Whether the grid runs on into this datagram in the middle of a packet, which no other
    /// reading of the datagram explains better.
    pub fn continues(&self, datagram: &[u8]) -> bool {
        self.stride.is_some_and(|stride| {
            let missing = stride.bytes().saturating_sub(self.held_bytes);
            self.held_bytes > 0 && confirms(datagram, missing, stride) > 0
        })
    }

    /// Takes a datagram of any length and hands out the packets that are whole,
    /// in order.
    pub fn datagram(&mut self, mut bytes: &[u8], mut piece: impl FnMut(SyncPiece<'_>)) {
        let is_between = self.stride.is_some() && self.held_bytes == 0;
        if is_between && bytes.first().is_some_and(|byte| *byte != SYNC_BYTE) {
            piece(SyncPiece::Gap);
        }
        while !bytes.is_empty() {
            bytes = match self.stride {
                Some(stride) => self.follow(stride, bytes, &mut piece),
                None => self.search(bytes, &mut piece),
            };
        }
    }

    /// Follows the known grid; returns what is left when it is lost, else nothing.
    fn follow<'a>(
        &mut self,
        stride: Stride,
        mut bytes: &'a [u8],
        piece: &mut impl FnMut(SyncPiece<'_>),
    ) -> &'a [u8] {
        if self.held_bytes > 0 {
            let missing = stride.bytes().saturating_sub(self.held_bytes);
            let Some((head, behind)) = bytes.split_at_checked(missing) else {
                self.hold(bytes);
                return &[];
            };
            if !behind.is_empty() && confirms(bytes, missing, stride) == 0 {
                self.lose_grid();
                piece(SyncPiece::Gap);
                return bytes;
            }
            self.hold(head);
            if let Some((whole, _)) = self.held.split_first_chunk() {
                piece(SyncPiece::Packet(whole));
            }
            self.held_bytes = 0;
            bytes = behind;
        }
        while bytes.first() == Some(&SYNC_BYTE) {
            let Some((whole, behind)) = bytes.split_at_checked(stride.bytes()) else {
                self.hold(bytes);
                return &[];
            };
            if let Some((whole, _)) = whole.split_first_chunk() {
                piece(SyncPiece::Packet(whole));
            }
            bytes = behind;
        }
        if !bytes.is_empty() {
            // One damaged sync byte does not move the grid when the next one stands where it should.
            if confirms(bytes, stride.bytes(), stride) > 0 {
                self.lose(stride.bytes());
                return bytes.get(stride.bytes()..).unwrap_or(&[]);
            }
            self.lose_grid();
        }
        bytes
    }

    /// Looks for the grid; returns what is to be read along it, or nothing.
    fn search<'a>(&mut self, bytes: &'a [u8], piece: &mut impl FnMut(SyncPiece<'_>)) -> &'a [u8] {
        if let Some((offset, stride)) = find(bytes) {
            self.lose(self.held_bytes.saturating_add(offset));
            self.held_bytes = 0;
            self.stride = Some(stride);
            return bytes.get(offset..).unwrap_or(&[]);
        }
        // Too short or too late in the datagram to tell: join it with what comes next.
        let room = TS_SYNC_BYTES_MAX.saturating_sub(self.held_bytes);
        let (taken, behind) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.hold(taken);
        let held = self.held;
        let held = held.get(..self.held_bytes).unwrap_or(&[]);
        let grid = find_confirmed(held);
        match grid {
            Some((offset, stride)) => {
                self.lose(offset);
                self.held_bytes = 0;
                self.stride = Some(stride);
                // The grid may break off again behind the three sync bytes that confirmed it.
                let left = self.follow(stride, held.get(offset..).unwrap_or(&[]), piece);
                self.hold(left);
            }
            None if self.held_bytes == TS_SYNC_BYTES_MAX => self.slide(),
            None => {}
        }
        behind
    }

    /// Gives up the oldest bytes: every place among them has been ruled out.
    fn slide(&mut self) {
        let kept = 2 * Stride::OuterCoded.bytes();
        let given_up = self.held_bytes.saturating_sub(kept);
        self.held.copy_within(given_up..self.held_bytes, 0);
        self.held_bytes = kept;
        self.lose(given_up);
    }

    fn hold(&mut self, bytes: &[u8]) {
        let end = self.held_bytes.saturating_add(bytes.len());
        if let Some(room) = self.held.get_mut(self.held_bytes..end) {
            room.copy_from_slice(bytes);
            self.held_bytes = end;
        }
    }

    fn lose(&mut self, bytes: usize) {
        self.lost_bytes = self.lost_bytes.saturating_add(u64::try_from(bytes).unwrap_or(0));
    }

    fn lose_grid(&mut self) {
        self.stride = None;
        self.lose(self.held_bytes);
        self.held_bytes = 0;
    }
}

/// Sync bytes from `offset` on along the grid, at most three; 0 if one is missing where the bytes
/// reach that far.
fn confirms(bytes: &[u8], offset: usize, stride: Stride) -> usize {
    let mut seen = 0;
    for n in 0..3 {
        match bytes.get(offset + n * stride.bytes()) {
            Some(&SYNC_BYTE) => seen += 1,
            Some(_) => return 0,
            None => break,
        }
    }
    seen
}

/// The grid in a datagram: one of whole packets is believed, be it one; otherwise two further sync
/// bytes must agree.
fn find(bytes: &[u8]) -> Option<(usize, Stride)> {
    let whole = Stride::of_whole_packets(bytes).map(|stride| (0, stride));
    whole.or_else(|| find_confirmed(bytes))
}

/// The first place where three sync bytes stand at a packet's distance.
fn find_confirmed(bytes: &[u8]) -> Option<(usize, Stride)> {
    let places = bytes.iter().enumerate().filter(|(_, byte)| **byte == SYNC_BYTE);
    for (offset, _) in places {
        for stride in Stride::ALL {
            if confirms(bytes, offset, stride) == 3 {
                return Some((offset, stride));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets with a number in each, nothing else in them looks like a sync byte.
    fn packets(count: usize, stride: Stride) -> Vec<u8> {
        let packet = |n: usize| {
            let mut packet = vec![0x55; stride.bytes()];
            packet[0] = SYNC_BYTE;
            packet[1..3].copy_from_slice(&(n as u16 | 0x8000).to_be_bytes());
            packet
        };
        (0..count).flat_map(packet).collect()
    }

    fn cut<'a>(framer: &mut Framer, datagrams: impl IntoIterator<Item = &'a [u8]>) -> Vec<usize> {
        let mut seen = Vec::new();
        for datagram in datagrams {
            framer.datagram(datagram, |piece| {
                if let SyncPiece::Packet([_, high, low, ..]) = piece {
                    seen.push(usize::from(u16::from_be_bytes([high & 0x7f, *low])));
                }
            });
        }
        seen
    }

    #[test]
    fn datagrams_of_any_length_are_cut_without_loss() {
        for stride in Stride::ALL {
            let stream = packets(40, stride);
            // A first datagram of just a packet's length is taken for a packet.
            let misleading = |size: &usize| Stride::ALL.iter().any(|s| s.bytes() == *size);
            let sizes = (1..700).chain([1000, 1316, 4096, stream.len()]);
            for size in sizes.filter(|n| *n == stride.bytes() || !misleading(n)) {
                let mut framer = Framer::default();
                let seen = cut(&mut framer, stream.chunks(size));
                let whole: Vec<usize> = (0..40).collect();
                assert_eq!(seen, whole, "{stride:?} in datagrams of {size}");
                assert_eq!(framer.lost_bytes(), 0);
            }
        }
    }

    #[test]
    fn one_packet_in_a_datagram_comes_at_once() {
        for stride in Stride::ALL {
            let mut framer = Framer::default();
            assert_eq!(cut(&mut framer, [&packets(1, stride)[..]]), [0]);
        }
    }

    #[test]
    fn what_stands_before_the_grid_is_skipped_and_counted() {
        let mut stream = vec![0x11; 100];
        stream[50] = SYNC_BYTE;
        stream.extend(packets(10, Stride::Plain));
        for size in [50, 188, 333, 1000, 4000] {
            let mut framer = Framer::default();
            assert_eq!(cut(&mut framer, stream.chunks(size)), Vec::from_iter(0..10));
            assert_eq!(framer.lost_bytes(), 100, "datagrams of {size}");
        }
    }

    #[test]
    fn a_damaged_sync_byte_costs_one_packet() {
        let mut stream = packets(14, Stride::Plain);
        stream[188 * 3] = 0;
        stream[188 * 9] = 0;
        let mut framer = Framer::default();
        let seen = cut(&mut framer, stream.chunks(1316));
        assert_eq!(seen, [0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13]);
        assert_eq!(framer.lost_bytes(), 376);
    }

    #[test]
    fn a_lost_datagram_leaves_no_packet_glued_together() {
        let stream = packets(60, Stride::Plain);
        let datagrams: Vec<&[u8]> = stream.chunks(1000).collect();
        for lost in 1..10 {
            let mut framer = Framer::default();
            let mut gaps = 0;
            let kept = datagrams.iter().enumerate().filter(|(n, _)| *n != lost);
            for (_, datagram) in kept {
                framer.datagram(datagram, |piece| match piece {
                    SyncPiece::Packet(packet) => assert_eq!(packet[3..], [0x55; 185]),
                    SyncPiece::Gap => gaps += 1,
                });
            }
            assert_eq!(gaps, 1, "datagram {lost} lost");
            assert!(framer.lost_bytes() < 376);
        }
    }

    #[test]
    fn the_stride_may_change() {
        let mut framer = Framer::default();
        assert_eq!(cut(&mut framer, packets(14, Stride::Plain).chunks(1316)).len(), 14);
        let seen = cut(&mut framer, packets(14, Stride::OuterCoded).chunks(1428));
        assert_eq!(seen, Vec::from_iter(0..14));
        let seen = cut(&mut framer, packets(14, Stride::Plain).chunks(1316));
        assert_eq!(seen, [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], "one packet in between");
    }

    #[test]
    fn a_trailer_behind_the_packets_is_skipped() {
        let mut framer = Framer::default();
        for _ in 0..5 {
            let datagram = [&packets(7, Stride::Plain)[..], &[9; 12]].concat();
            let mut gaps = 0;
            let mut seen = 0;
            framer.datagram(&datagram, |piece| match piece {
                SyncPiece::Packet(_) => seen += 1,
                SyncPiece::Gap => gaps += 1,
            });
            assert_eq!((seen, gaps), (7, 0));
        }
    }
}

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
pub enum Piece<'a> {
    /// A packet.
    Packet(&'a [u8; PACKET_BYTES]),
    /// A packet began in the datagram before and this one does not go on with it: datagrams
    /// between are missing, or the order is not kept.
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
    pub fn datagram(&mut self, mut bytes: &[u8], mut piece: impl FnMut(Piece<'_>)) {
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
        piece: &mut impl FnMut(Piece<'_>),
    ) -> &'a [u8] {
        if self.held_bytes > 0 {
            let missing = stride.bytes().saturating_sub(self.held_bytes);
            let Some((head, behind)) = bytes.split_at_checked(missing) else {
                self.hold(bytes);
                return &[];
            };
            if !behind.is_empty() && confirms(bytes, missing, stride) == 0 {
                self.lose_grid();
                piece(Piece::Gap);
                return bytes;
            }
            self.hold(head);
            if let Some((whole, _)) = self.held.split_first_chunk() {
                piece(Piece::Packet(whole));
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
                piece(Piece::Packet(whole));
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
    fn search<'a>(&mut self, bytes: &'a [u8], piece: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
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

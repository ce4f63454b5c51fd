//! The packets of a file, from any place on. Purpose: they come one by one, whatever stands
//! between them. Non-goal: finding the grid again where it breaks; the demultiplexer does, for
//! packets without a prefix. Bound: one window.

use std::io;

use super::packet::{PACKET_BYTES, SYNC_BYTE};
use crate::base::limits::FILE_WINDOW_BYTES;
use crate::codec::container::ReadAt;
use crate::codec::window::FileWindow;

/// Packets whose sync bytes must agree, or fewer in a shorter file.
const AGREEING: usize = 5;
/// What a file with fewer packets is not believed to be.
const AGREEING_MIN: usize = 3;

/// Where packets stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Where the first begins, its prefix included, bytes.
    pub(super) start: u64,
    /// Their distance, bytes.
    pub(super) stride: usize,
    /// What stands before the sync byte of each: 4 bytes of arrival time in BDAV streams.
    prefix: usize,
}

impl Grid {
    /// The kinds of packets: distance and prefix.
    const KINDS: [(usize, usize); 3] =
        [(PACKET_BYTES, 0), (PACKET_BYTES + 16, 0), (PACKET_BYTES + 4, 4)];

    /// The grid of a file that begins so, at most a packet of something else before it.
    pub(super) fn find(head: &[u8]) -> Option<Grid> {
        for (stride, prefix) in Grid::KINDS {
            let is_grid = |start: &usize| {
                let places = head.get(start + prefix..).unwrap_or_default().iter().step_by(stride);
                let agreeing = places.take(AGREEING).take_while(|byte| **byte == SYNC_BYTE).count();
                let there = head.len().saturating_sub(start + prefix).div_ceil(stride);
                agreeing >= AGREEING_MIN && agreeing == there.min(AGREEING)
            };
            if let Some(start) = (0..stride).find(is_grid) {
                return Some(Grid { start: u64::try_from(start).ok()?, stride, prefix });
            }
        }
        None
    }

    /// The last packet's beginning at or before a place.
    pub(super) fn aligned(&self, at: u64) -> u64 {
        let stride = u64::try_from(self.stride).unwrap_or(1).max(1);
        let from_start = at.saturating_sub(self.start);
        self.start + (from_start - from_start % stride)
    }
}

/// The packets, one after the other.
pub(super) struct Packets {
    grid: Grid,
    window: FileWindow,
    /// The place of the next packet in the file, bytes.
    at: u64,
}

impl Packets {
    pub(super) fn new() -> Packets {
        let grid = Grid { start: 0, stride: PACKET_BYTES, prefix: 0 };
        Packets { grid, window: FileWindow::new(), at: 0 }
    }

    /// Finds the grid at the file's beginning, and goes to its first packet.
    pub(super) fn find_grid(&mut self, file: &mut dyn ReadAt) -> io::Result<Option<Grid>> {
        let Some(grid) = Grid::find(self.window.get(file, 0, FILE_WINDOW_BYTES)?) else {
            return Ok(None);
        };
        self.grid = grid;
        self.at = grid.start;
        Ok(Some(grid))
    }

    pub(super) const fn grid(&self) -> Grid {
        self.grid
    }

    /// The place of the next packet in the file, bytes.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The next packet is the one at this place.
    pub(super) const fn go(&mut self, at: u64) {
        self.at = at;
    }

    /// The next packet, its prefix left out, and the place of its beginning; what is left of one
    /// at the end of the file; `None` behind it.
    pub(super) fn next(&mut self, file: &mut dyn ReadAt) -> io::Result<Option<(u64, &[u8])>> {
        let at = self.at;
        let packet = self.window.get(file, at, self.grid.stride)?;
        if packet.is_empty() {
            return Ok(None);
        }
        self.at = at.saturating_add(u64::try_from(packet.len()).unwrap_or(u64::MAX));
        Ok(Some((at, packet.get(self.grid.prefix..).unwrap_or_default())))
    }
}

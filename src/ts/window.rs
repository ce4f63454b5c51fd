//! The packets of a file, from any place on. Purpose: bounded reads, each byte once. Non-goal:
//! finding the grid again where it breaks; the demultiplexer does, for packets without a prefix.
//! Bound: [`TS_FILE_WINDOW_BYTES`].

use std::io;

use super::packet::{PACKET_BYTES, SYNC_BYTE};
use crate::base::limits::TS_FILE_WINDOW_BYTES;
use crate::codec::container::ReadAt;

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

/// A part of the file.
pub(super) struct Window {
    grid: Grid,
    bytes: Box<[u8]>,
    /// Where its first byte stands in the file.
    begin: u64,
    held: usize,
    used: usize,
}

impl Window {
    pub(super) fn new() -> Window {
        let grid = Grid { start: 0, stride: PACKET_BYTES, prefix: 0 };
        let bytes = vec![0; TS_FILE_WINDOW_BYTES].into_boxed_slice();
        Window { grid, bytes, begin: 0, held: 0, used: 0 }
    }

    /// Finds the grid at the file's beginning, and goes to its first packet.
    pub(super) fn find_grid(&mut self, file: &mut dyn ReadAt) -> io::Result<Option<Grid>> {
        self.go(0);
        self.fill(file)?;
        let Some(grid) = Grid::find(self.bytes.get(..self.held).unwrap_or_default()) else {
            return Ok(None);
        };
        self.grid = grid;
        self.go(grid.start);
        Ok(Some(grid))
    }

    pub(super) const fn grid(&self) -> Grid {
        self.grid
    }

    /// The place of the next packet in the file, bytes.
    pub(super) fn at(&self) -> u64 {
        self.begin.saturating_add(u64::try_from(self.used).unwrap_or(0))
    }

    /// The next packet is the one at this place.
    pub(super) fn go(&mut self, at: u64) {
        let kept = at.checked_sub(self.begin).and_then(|ahead| usize::try_from(ahead).ok());
        match kept.filter(|ahead| *ahead < self.held) {
            Some(ahead) => self.used = ahead,
            None => (self.begin, self.held, self.used) = (at, 0, 0),
        }
    }

    /// The next packet, its prefix left out, and the place of its beginning; what is left of one
    /// at the end of the file; `None` behind it.
    pub(super) fn next(&mut self, file: &mut dyn ReadAt) -> io::Result<Option<(u64, &[u8])>> {
        if self.held.saturating_sub(self.used) < self.grid.stride {
            self.begin = self.at();
            self.fill(file)?;
        }
        let at = self.at();
        let end = self.held.min(self.used.saturating_add(self.grid.stride));
        let from = self.used.saturating_add(self.grid.prefix).min(end);
        let is_over = self.used == end;
        self.used = end;
        let piece = self.bytes.get(from..end).unwrap_or_default();
        Ok(if is_over { None } else { Some((at, piece)) })
    }

    fn fill(&mut self, file: &mut dyn ReadAt) -> io::Result<()> {
        (self.held, self.used) = (0, 0);
        self.held = file.read_at(self.begin, &mut self.bytes)?.min(self.bytes.len());
        Ok(())
    }
}

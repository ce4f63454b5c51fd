//! A small transport stream writer for tests: says exactly which packet holds what.

use super::packet::PACKET_BYTES;
use crate::codec::collector::{hex, Random};
use std::collections::BTreeMap;

pub(super) const VIDEO: u16 = 0x100;
pub(super) const AUDIO: u16 = 0x101;
pub(super) const PMT: u16 = 0x1000;

/// Writes packets, counting per PID.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) packets: Vec<[u8; PACKET_BYTES]>,
    pub(super) counters: BTreeMap<u16, u8>,
}

/// A PES packet to be written.
#[derive(Clone, Copy)]
pub(super) struct Pes<'a> {
    pub(super) pid: u16,
    pub(super) pts: Option<u64>,
    pub(super) dts: Option<u64>,
    /// `PES_packet_length` is this much more than right; `None` writes 0.
    pub(super) length_error: Option<i32>,
    pub(super) body: &'a [u8],
}

impl Pes<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut options = Vec::new();
        for time in [self.pts, self.dts].into_iter().flatten() {
            let byte = |shift: u32| (time >> shift & 0xff) as u8;
            let head = 0x21 | byte(30) << 1 & 0x0e;
            options.extend([head, byte(22), byte(15) << 1 | 1, byte(7), byte(0) << 1 | 1]);
        }
        let flags = u8::from(self.pts.is_some()) << 7 | u8::from(self.dts.is_some()) << 6;
        let right = (3 + options.len() + self.body.len()) as i32;
        let [high, low] = self.length_error.map_or(0, |error| (right + error) as u16).to_be_bytes();
        let stream_id = if self.pid == AUDIO { 0xc0 } else { 0xe0 };
        let head = [0, 0, 1, stream_id, high, low, 0x80, flags, options.len() as u8];
        [&head, &options[..], self.body].concat()
    }
}

impl Writer {
    /// A packet with this adaptation field (its length byte left out) and payload, which together
    /// must fill it.
    pub(super) fn packet(&mut self, pid: u16, start: bool, field: Option<&[u8]>, payload: &[u8]) {
        let counter = self.counters.entry(pid).or_default();
        let [high, low] = (pid | u16::from(start) << 14).to_be_bytes();
        let control = if field.is_some() { 0x20 } else { 0 } | u8::from(!payload.is_empty()) << 4;
        let mut packet = vec![0x47, high, low, control | *counter];
        if !payload.is_empty() {
            *counter = (*counter + 1) & 15;
        }
        if let Some(field) = field {
            packet.push(field.len() as u8);
            packet.extend_from_slice(field);
        }
        packet.extend_from_slice(payload);
        self.packets.push(packet.try_into().expect("a full packet"));
    }

    /// A payload of any length, the packet filled up by an adaptation field of nothing else.
    pub(super) fn stuffed(&mut self, pid: u16, start: bool, payload: &[u8]) {
        match 184 - payload.len() {
            0 => self.packet(pid, start, None, payload),
            1 => self.packet(pid, start, Some(&[]), payload),
            free => {
                let mut field = vec![0xff; free - 1];
                field[0] = 0;
                self.packet(pid, start, Some(&field), payload);
            }
        }
    }

    /// A PES packet in as many packets as it takes, the last one stuffed.
    pub(super) fn pes(&mut self, pes: &Pes<'_>) {
        for (n, payload) in pes.bytes().chunks(184).enumerate() {
            self.stuffed(pes.pid, n == 0, payload);
        }
    }

    /// A section, in as many packets as it takes.
    pub(super) fn section(&mut self, pid: u16, section: &[u8]) {
        let mut payload = [&[0], section].concat();
        payload.resize(payload.len().div_ceil(184) * 184, 0xff);
        for (n, payload) in payload.chunks(184).enumerate() {
            self.packet(pid, n == 0, None, payload);
        }
    }

    pub(super) fn pat(&mut self, programmes: &[(u16, u16)]) {
        self.section(0, &pat(programmes));
    }

    pub(super) fn pmt(&mut self, pid: u16, number: u16, streams: &[(u8, u16)]) {
        self.section(pid, &pmt(number, streams));
    }

    /// PAT and PMT of a programme of H.264 and AAC.
    pub(super) fn tables(&mut self) {
        self.pat(&[(1, PMT)]);
        self.pmt(PMT, 1, &[(0x1b, VIDEO), (0x0f, AUDIO)]);
    }

    /// What was written since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.packets).concat()
    }
}

/// A section with its head and a right CRC.
pub(super) fn section(table: u8, extension: u16, body: &[u8]) -> Vec<u8> {
    let [length_high, length_low] = ((5 + body.len() + 4) as u16).to_be_bytes();
    let [high, low] = extension.to_be_bytes();
    let head = [table, 0xb0 | length_high, length_low, high, low, 0xc1, 0, 0];
    let mut bytes = [&head, body].concat();
    let crc = super::psi::crc32(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}

pub(super) fn pat(programmes: &[(u16, u16)]) -> Vec<u8> {
    let entry = |(number, pid): &(u16, u16)| [number.to_be_bytes(), (0xe000 | pid).to_be_bytes()];
    section(0, 7, programmes.iter().map(entry).collect::<Vec<_>>().concat().concat().as_slice())
}

pub(super) fn pmt(number: u16, streams: &[(u8, u16)]) -> Vec<u8> {
    let mut body = vec![0xe1, 0, 0xf0, 0];
    for (kind, pid) in streams {
        let [high, low] = (0xe000 | pid).to_be_bytes();
        body.extend_from_slice(&[*kind, high, low, 0xf0, 0]);
    }
    section(2, number, &body)
}

/// An access unit in Annex B, with parameter sets if it is a key unit, and so many bytes of slice.
pub(super) fn access_unit(key: bool, slice_bytes: usize, random: &mut Random) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1, 9, 0xf0];
    if key {
        for set in ["6742c00ada11ec0440000003004000000f03c489a8", "68ce0fc8"] {
            unit.extend_from_slice(&[0, 0, 0, 1]);
            unit.extend_from_slice(&hex(set));
        }
    }
    unit.extend_from_slice(&[0, 0, 1, if key { 0x65 } else { 0x41 }]);
    // No zeros, no start codes.
    unit.extend((0..slice_bytes).map(|_| random.byte() | 1));
    unit
}

/// An ADTS frame of AAC-LC, 48 kHz, stereo.
pub(super) fn adts(payload: &[u8]) -> Vec<u8> {
    let [high, low] = ((7 + payload.len()) as u16).to_be_bytes();
    let head = [0xff, 0xf1, 0x4c, 0x80 | high >> 3, high << 5 | low >> 3, low << 5 | 0x1f, 0xfc];
    [&head, payload].concat()
}

//! Sections of program specific information (ISO/IEC 13818-1, 2.4.4). Purpose: put PAT and PMT
//! sections together from packets and give out those that are whole, current and sound. Non-goals:
//! private sections, tables longer than 1024 bytes. Bound: one section per reader.

use super::packet::Packet;
use crate::base::limits::{PSI_SECTION_BYTES_MAX, TS_OPEN_SECTIONS_MAX};

/// Bytes before a section's body: from table_id to last_section_number.
const HEAD_BYTES: usize = 8;
const CRC_BYTES: usize = 4;
/// A section never begins with it: the rest of the packet is stuffing.
const STUFFING: u8 = 0xff;

/// A section of a PAT or PMT that is in force and whose CRC is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PsiSection<'a> {
    /// 0 for a PAT, 2 for a PMT.
    pub(super) table: u8,
    /// transport_stream_id of a PAT, program_number of a PMT.
    pub(super) extension: u16,
    pub(super) number: u8,
    pub(super) last_number: u8,
    pub(super) body: &'a [u8],
}

impl<'a> PsiSection<'a> {
    /// Reads a whole section; `None` if it is damaged, not yet in force, or of another shape.
    fn parse(bytes: &'a [u8]) -> Option<PsiSection<'a>> {
        if crc32(bytes) != 0 {
            return None;
        }
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let [table, syntax, _, high, low, version, number, last_number] = *head;
        let body = rest.get(..rest.len().checked_sub(CRC_BYTES)?)?;
        let (has_syntax, is_current) = (syntax & 0x80 != 0, version & 1 != 0);
        (has_syntax && is_current).then_some(PsiSection {
            table,
            extension: u16::from_be_bytes([high, low]),
            number,
            last_number,
            body,
        })
    }
}

/// The section's CRC (annex A): 0 over a sound section with its CRC. Bit by bit: there are some
/// hundred bytes of it in a tenth of a second.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            let carry = crc & 1 << 31 != 0;
            crc << 1 ^ if carry { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// The whole length of a section that begins with these bytes, once they tell.
fn section_bytes(bytes: &[u8]) -> Option<usize> {
    let [_, high, low] = bytes.first_chunk::<3>()?;
    Some(3 + usize::from(u16::from_be_bytes([high & 0x0f, *low])))
}

/// Puts the sections of one PID together.
pub(super) struct SectionReader {
    bytes: [u8; PSI_SECTION_BYTES_MAX],
    held: usize,
    counter: Option<u8>,
}

impl SectionReader {
    pub(super) const fn new() -> SectionReader {
        SectionReader { bytes: [0; PSI_SECTION_BYTES_MAX], held: 0, counter: None }
    }

    /// Forgets a section that is not whole.
    pub(super) fn reset(&mut self) {
        self.held = 0;
        self.counter = None;
    }

    /// Takes a packet and gives out the sections that end in it. Returns whether a section was
    /// given up because the packets do not follow each other.
    pub(super) fn packet(
        &mut self,
        packet: &Packet<'_>,
        mut found: impl FnMut(PsiSection<'_>),
    ) -> bool {
        let Some(payload) = packet.payload else { return false };
        let last = self.counter.replace(packet.counter);
        if last == Some(packet.counter) && self.held > 0 {
            return false;
        }
        let follows = last.is_none_or(|last| packet.counter == (last + 1) & 0x0f);
        let given_up = !follows && self.held > 0;
        if !follows {
            self.held = 0;
        }
        if !packet.unit_start {
            if self.held > 0 {
                self.take(payload, &mut found);
            }
            return given_up;
        }
        // pointer_field: so many bytes still belong to the section before.
        let Some((pointer, rest)) = payload.split_first() else { return given_up };
        let Some((tail, mut rest)) = rest.split_at_checked(usize::from(*pointer)) else {
            self.held = 0;
            return given_up;
        };
        if self.held > 0 {
            self.take(tail, &mut found);
        }
        self.held = 0;
        while rest.first().is_some_and(|table| *table != STUFFING) {
            rest = self.take(rest, &mut found);
        }
        given_up
    }

    /// Whether a section has begun and not ended.
    fn is_open(&self) -> bool {
        self.held > 0
    }

    /// Appends to the open section, or begins one; returns what stands behind its end.
    fn take<'a>(&mut self, bytes: &'a [u8], found: &mut impl FnMut(PsiSection<'_>)) -> &'a [u8] {
        if self.held == 0 {
            if let Some((whole, rest)) =
                section_bytes(bytes).and_then(|n| bytes.split_at_checked(n))
            {
                PsiSection::parse(whole).into_iter().for_each(found);
                return rest;
            }
        }
        let start = self.held;
        let room = self.bytes.get_mut(start..).unwrap_or_default();
        self.held = start + room.len().min(bytes.len());
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        let held = self.bytes.get(..self.held).unwrap_or_default();
        match section_bytes(held) {
            Some(whole) if whole > PSI_SECTION_BYTES_MAX => self.held = 0,
            Some(whole) if whole <= held.len() => {
                held.get(..whole).and_then(PsiSection::parse).into_iter().for_each(found);
                self.held = 0;
                return bytes.get(whole.saturating_sub(start)..).unwrap_or_default();
            }
            _ => {}
        }
        &[]
    }
}

/// Section readers shared by the PIDs of all PMT: a reader belongs to a PID while a section of it
/// is open. When all are taken the longest open gives way; its section will be repeated.
pub(super) struct SectionReaders {
    readers: [(Option<u16>, SectionReader); TS_OPEN_SECTIONS_MAX],
    next: usize,
}

impl SectionReaders {
    pub(super) const fn new() -> SectionReaders {
        SectionReaders {
            readers: [const { (None, SectionReader::new()) }; TS_OPEN_SECTIONS_MAX],
            next: 0,
        }
    }

    /// As [`SectionReader::packet`], for the packet's PID.
    pub(super) fn packet(
        &mut self,
        packet: &Packet<'_>,
        found: impl FnMut(PsiSection<'_>),
    ) -> bool {
        let pid = Some(packet.pid);
        let place = self.readers.iter().position(|(owner, _)| *owner == pid);
        let place = match place {
            Some(place) => place,
            None if !packet.unit_start => return false,
            None => self.readers.iter().position(|(owner, _)| owner.is_none()).unwrap_or(self.next),
        };
        let Some((owner, reader)) = self.readers.get_mut(place) else { return false };
        if *owner != pid {
            reader.reset();
            *owner = pid;
            self.next = (place + 1) % TS_OPEN_SECTIONS_MAX;
        }
        let given_up = reader.packet(packet, found);
        if !reader.is_open() {
            *owner = None;
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pat, pmt, section, Writer};
    use super::*;

    fn read(writer: &mut Writer, mut each: impl FnMut(&Packet<'_>)) {
        for packet in writer.packets.drain(..) {
            each(&Packet::parse(&packet).expect("a packet"));
        }
    }

    fn bodies(writer: &mut Writer, reader: &mut SectionReader) -> (Vec<Vec<u8>>, usize) {
        let (mut found, mut given_up) = (Vec::new(), 0);
        read(writer, |packet| {
            given_up +=
                usize::from(reader.packet(packet, |section| found.push(section.body.to_vec())));
        });
        (found, given_up)
    }

    #[test]
    fn a_known_section_has_the_crc_of_its_multiplexer() {
        // PAT of an ffmpeg stream: programme 1 on PID 0x1000.
        let bytes = [0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 4, 0xb2];
        assert_eq!(crc32(&bytes), 0);
        assert!(PsiSection::parse(&bytes).is_some());
        for place in 0..bytes.len() {
            let mut damaged = bytes;
            damaged[place] ^= 0x10;
            assert_eq!(PsiSection::parse(&damaged), None, "byte {place}");
        }
    }

    #[test]
    fn a_section_that_is_not_yet_in_force_is_left() {
        let mut bytes = pat(&[(1, 0x20)]);
        bytes.truncate(bytes.len() - 4);
        bytes[5] &= 0xfe;
        let crc = crc32(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        assert_eq!(crc32(&bytes), 0);
        assert_eq!(PsiSection::parse(&bytes), None);
    }

    #[test]
    fn sections_span_packets_and_share_them() {
        let sections: Vec<Vec<u8>> = [10, 300, 1, 700, 40]
            .iter()
            .map(|n| section(2, *n, &vec![*n as u8; usize::from(*n)]))
            .collect();
        let stream: Vec<u8> = sections.concat();
        // A pointer in each packet in which a section begins.
        let mut starts = Vec::new();
        let mut at = 0;
        for section in &sections {
            starts.push(at);
            at += section.len();
        }
        let (mut writer, mut done) = (Writer::default(), 0);
        while done < stream.len() {
            let first = starts.iter().find(|start| (done..done + 183).contains(*start));
            let mut payload: Vec<u8> =
                first.map(|start| (start - done) as u8).into_iter().collect();
            let taken = (184 - payload.len()).min(stream.len() - done);
            payload.extend_from_slice(&stream[done..done + taken]);
            payload.resize(184, STUFFING);
            writer.packet(0x20, first.is_some(), None, &payload);
            done += taken;
        }
        let packets = writer.packets.clone();
        let (found, given_up) = bodies(&mut writer, &mut SectionReader::new());
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [10, 300, 1, 700, 40]);
        assert_eq!(given_up, 0);
        // A packet lost in the 700 bytes costs that section only, a packet doubled nothing.
        writer.packets = packets.clone();
        writer.packets.remove(3);
        let (found, given_up) = bodies(&mut writer, &mut SectionReader::new());
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [10, 300, 1, 40]);
        assert_eq!(given_up, 1);
        writer.packets = packets;
        writer.packets.insert(3, writer.packets[3]);
        let (found, given_up) = bodies(&mut writer, &mut SectionReader::new());
        assert_eq!((found.len(), given_up), (5, 0));
    }

    #[test]
    fn sections_too_long_and_pointers_too_far_are_skipped() {
        let (mut writer, mut reader) = (Writer::default(), SectionReader::new());
        writer.section(0x20, &section(2, 1, &[1; 2000]));
        writer.packet(0x20, true, None, &[183; 184]);
        writer.packet(0x20, true, None, &[184; 184]);
        writer.section(0x20, &pmt(1, &[]));
        let (found, _) = bodies(&mut writer, &mut reader);
        assert_eq!(found, [vec![0xe1, 0, 0xf0, 0]]);
    }

    #[test]
    fn readers_are_shared_and_given_back() {
        let mut readers = SectionReaders::new();
        let mut writer = Writer::default();
        // Twenty long sections, one after the other, then four interleaved.
        for pid in 0x20..0x34 {
            writer.section(pid, &section(2, pid, &[1; 400]));
        }
        let mut packets = Vec::new();
        for pid in 0x40..0x44 {
            let mut writer = Writer::default();
            writer.section(pid, &section(2, pid, &[1; 400]));
            packets.push(writer.packets);
        }
        for n in 0..packets[0].len() {
            writer.packets.extend(packets.iter().map(|of_pid| of_pid[n]));
        }
        let mut found = Vec::new();
        read(&mut writer, |packet| {
            readers.packet(packet, |section| found.push(section.extension));
        });
        assert_eq!(found, Vec::from_iter((0x20..0x34).chain(0x40..0x44)));
        // Five that never end do not lock the sixth out.
        for pid in 0x50..0x56 {
            writer.section(pid, &section(2, pid, &[1; 400]));
            if pid < 0x55 {
                writer.packets.truncate(writer.packets.len() - 2);
            }
        }
        found.clear();
        read(&mut writer, |packet| {
            readers.packet(packet, |section| found.push(section.extension));
        });
        assert_eq!(found, [0x55]);
    }
}

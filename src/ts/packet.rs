//! A transport packet's header and adaptation field (ISO/IEC 13818-1, 2.4.3.2 to 2.4.3.5).
//! Purpose: one look per packet tells where it belongs and what it carries. Non-goals: PCR, splice
//! points and private data, which are measured only to tell them from stuffing. Bound: 188 bytes.

use std::fmt;

/// Bytes of a transport packet.
pub const PACKET_BYTES: usize = 188;
/// The first byte of every packet.
pub const SYNC_BYTE: u8 = 0x47;
/// The PID of packets that only fill the channel.
pub const NULL_PID: u16 = 0x1fff;
/// The largest payload: a packet without adaptation field.
pub const PAYLOAD_BYTES_MAX: usize = PACKET_BYTES - 4;

/// A packet, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Packet identifier, 13 bits.
    pub pid: u16,
    /// `payload_unit_start_indicator`: a PES packet or a section begins in the payload.
    pub unit_start: bool,
    /// `transport_scrambling_control` is not zero: the payload cannot be read.
    pub scrambled: bool,
    /// Continuity counter, 4 bits.
    pub counter: u8,
    /// `discontinuity_indicator`: the counter may jump here.
    pub discontinuity: bool,
    /// The adaptation field holds bytes that its flags do not explain.
    pub stuffed: bool,
    /// The payload; `None` when the packet is adaptation field only.
    pub payload: Option<&'a [u8]>,
}

/// Why a packet cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// `transport_error_indicator`: a receiver upstream could not correct it.
    TransportError,
    /// `adaptation_field_control` 0, which decoders shall discard (2.4.3.3).
    ReservedControl,
    /// The adaptation field, of this length, reaches past the packet.
    AdaptationOverrun(u8),
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PacketError::TransportError => f.write_str("the packet is marked as damaged"),
            PacketError::ReservedControl => {
                f.write_str("the packet has neither payload nor adaptation field")
            }
            PacketError::AdaptationOverrun(length) => {
                write!(f, "the adaptation field of {length} bytes reaches past the packet")
            }
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet. The sync byte is the framer's business and not looked at.
    pub fn parse(bytes: &'a [u8; PACKET_BYTES]) -> Result<Packet<'a>, PacketError> {
        let [_, b1, b2, b3, rest @ ..] = bytes;
        if b1 & 0x80 != 0 {
            return Err(PacketError::TransportError);
        }
        let mut packet = Packet {
            pid: u16::from_be_bytes([b1 & 0x1f, *b2]),
            unit_start: b1 & 0x40 != 0,
            scrambled: b3 & 0xc0 != 0,
            counter: b3 & 0x0f,
            discontinuity: false,
            stuffed: false,
            payload: None,
        };
        let payload = match b3 & 0x30 {
            0x00 => return Err(PacketError::ReservedControl),
            0x10 => rest.as_slice(),
            _ => {
                let (length, rest) = rest.split_first().unwrap_or((&0, &[]));
                let (field, payload) = rest
                    .split_at_checked(usize::from(*length))
                    .ok_or(PacketError::AdaptationOverrun(*length))?;
                packet.discontinuity = field.first().is_some_and(|flags| flags & 0x80 != 0);
                packet.stuffed = is_stuffed(field);
                payload
            }
        };
        packet.payload = (b3 & 0x10 != 0).then_some(payload);
        Ok(packet)
    }
}

/// Whether an adaptation field (without its length byte) holds bytes its flags do not explain. A
/// field of length 0, and one with no flag set at all, stand there only to fill the packet.
fn is_stuffed(field: &[u8]) -> bool {
    let Some((&flags, mut rest)) = field.split_first() else { return true };
    if flags == 0 {
        return true;
    }
    let fixed = [(0x10, 6), (0x08, 6), (0x04, 1)];
    for (flag, bytes) in fixed {
        if flags & flag != 0 {
            rest = rest.get(bytes..).unwrap_or(&[]);
        }
    }
    // Private data and the extension state their own length.
    for flag in [0x02, 0x01] {
        if flags & flag != 0 {
            let (length, behind) = rest.split_first().unwrap_or((&0, &[]));
            rest = behind.get(usize::from(*length)..).unwrap_or(&[]);
        }
    }
    !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(head: &[u8]) -> [u8; PACKET_BYTES] {
        let mut bytes = [0xff; PACKET_BYTES];
        bytes[..head.len()].copy_from_slice(head);
        bytes
    }

    #[test]
    fn a_plain_packet_is_all_payload() {
        let bytes = packet(&[0x47, 0x41, 0x00, 0x1a, 7]);
        let read = Packet::parse(&bytes).unwrap();
        assert_eq!((read.pid, read.unit_start, read.counter), (0x100, true, 10));
        assert!(!read.stuffed);
        assert!(!read.scrambled);
        assert!(!read.discontinuity);
        assert_eq!(read.payload.map(|p| (p.len(), p[0])), Some((184, 7)));
    }

    #[test]
    fn the_adaptation_field_is_cut_off() {
        let bytes = packet(&[0x47, 0x01, 0x00, 0x30, 7, 0x90, 1, 2, 3, 4, 5, 6, 99]);
        let read = Packet::parse(&bytes).unwrap();
        assert!(read.discontinuity, "flags and PCR explain all seven bytes");
        assert!(!read.stuffed, "flags and PCR explain all seven bytes");
        assert_eq!(read.payload.map(|p| (p.len(), p[0])), Some((176, 99)));
    }

    #[test]
    fn adaptation_field_only_has_no_payload_and_an_overrun_is_an_error() {
        let bytes = packet(&[0x47, 0x01, 0x00, 0x20, 183, 0x10]);
        assert_eq!(Packet::parse(&bytes).unwrap().payload, None);
        let bytes = packet(&[0x47, 0x01, 0x00, 0x30, 184, 0x10]);
        assert_eq!(Packet::parse(&bytes), Err(PacketError::AdaptationOverrun(184)));
        let bytes = packet(&[0x47, 0x01, 0x00, 0x00]);
        assert_eq!(Packet::parse(&bytes), Err(PacketError::ReservedControl));
        let bytes = packet(&[0x47, 0x81, 0x00, 0x10]);
        assert_eq!(Packet::parse(&bytes), Err(PacketError::TransportError));
        let bytes = packet(&[0x47, 0x01, 0x00, 0xd0]);
        assert!(Packet::parse(&bytes).unwrap().scrambled);
    }

    #[test]
    fn stuffing_is_what_the_flags_do_not_explain() {
        assert!(is_stuffed(&[]));
        assert!(is_stuffed(&[0x00]));
        assert!(!is_stuffed(&[0x40]), "random access flag alone is no stuffing");
        assert!(is_stuffed(&[0x40, 0xff]));
        assert!(!is_stuffed(&[0x50, 1, 2, 3, 4, 5, 6]));
        assert!(is_stuffed(&[0x50, 1, 2, 3, 4, 5, 6, 0xff]));
        assert!(!is_stuffed(&[0x02, 2, 8, 8]), "private data");
        assert!(is_stuffed(&[0x02, 2, 8, 8, 0xff]));
        assert!(!is_stuffed(&[0x07, 9, 1, 8, 2, 8, 8]), "splice, private data, extension");
        assert!(!is_stuffed(&[0x02, 200]), "a length that lies is not followed");
    }
}

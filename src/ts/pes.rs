//! PES packets put together from the payloads of one PID (ISO/IEC 13818-1, 2.4.3.6 and 2.4.3.7).
//! Purpose: say where each begins, when it is due, and hand its body on piece by piece. Non-goals:
//! what the body means; anything in the header but its length and its times. Bound: the header's
//! first 19 bytes are kept while it is split over packets.

use std::fmt;

/// The part of the header that is read: nine fixed bytes, PTS and DTS.
const HEAD_BYTES_MAX: usize = 19;
const HEAD_BYTES_FIXED: usize = 9;

/// The times of a PES packet as they stand on the wire: 33 bits, 90 kHz.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PesTimes {
    pub(super) pts: Option<u64>,
    pub(super) dts: Option<u64>,
}

/// What a PES header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PesHeader {
    pub(super) times: PesTimes,
    /// Bytes of the body, modulo 65,536 because encoders let it overflow; `None` when the packet
    /// does not state its length.
    pub(super) body_bytes: Option<u16>,
    header_bytes: usize,
}

/// Why a PES packet cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PesError {
    /// No start code where a PES packet begins.
    StartCode,
    /// A stream id whose packets have no times and no elementary stream in them.
    StreamId(u8),
    /// The two bits `10` in front of the flags are missing.
    Marker,
    /// Scrambled.
    Scrambled,
}

impl fmt::Display for PesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PesError::StartCode => f.write_str("no start code where a PES packet begins"),
            PesError::StreamId(id) => write!(f, "stream id {id:#04x} is neither audio nor video"),
            PesError::Marker => f.write_str("the PES header is not of MPEG-2"),
            PesError::Scrambled => f.write_str("the PES packet is scrambled"),
        }
    }
}

impl PesHeader {
    /// Reads the header from a PES packet's first bytes; `None` while they are too few. Marker
    /// bits between the parts of a time are not looked at: encoders get them wrong.
    fn parse(bytes: &[u8]) -> Result<Option<PesHeader>, PesError> {
        let Some((fixed, options)) = bytes.split_first_chunk::<HEAD_BYTES_FIXED>() else {
            return Ok(None);
        };
        let [s0, s1, s2, stream_id, high, low, marks, flags, options_bytes] = *fixed;
        if [s0, s1, s2] != [0, 0, 1] {
            return Err(PesError::StartCode);
        }
        // Table 2-21: program_stream_map, padding, private_stream_2, ECM, EMM, DSM-CC,
        // H.222.1 type E, program_stream_directory.
        if matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xf2 | 0xf8 | 0xff) {
            return Err(PesError::StreamId(stream_id));
        }
        if marks & 0xc0 != 0x80 {
            return Err(PesError::Marker);
        }
        if marks & 0x30 != 0 {
            return Err(PesError::Scrambled);
        }
        let options_wanted = usize::from(options_bytes);
        if options.len() < options_wanted.min(HEAD_BYTES_MAX - HEAD_BYTES_FIXED) {
            return Ok(None);
        }
        let options = options.get(..options_wanted).unwrap_or(options);
        let pts = options.first_chunk().filter(|_| flags & 0x80 != 0).map(wire_time);
        let dts = options.get(5..).and_then(<[u8]>::first_chunk).filter(|_| flags & 0xc0 == 0xc0);
        // What the length counts besides the body: the three bytes before the options, and these.
        let counted = u16::from(options_bytes).wrapping_add(3);
        let stated = u16::from_be_bytes([high, low]);
        let body_bytes = (stated != 0).then_some(stated.wrapping_sub(counted));
        Ok(Some(PesHeader {
            times: PesTimes { pts, dts: dts.map(wire_time) },
            body_bytes,
            header_bytes: HEAD_BYTES_FIXED + options_wanted,
        }))
    }
}

/// The 33 bits of a time in its five bytes.
fn wire_time(bytes: &[u8; 5]) -> u64 {
    let [a, b, c, d, e] = bytes.map(u64::from);
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

/// What a payload brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PesPart<'a> {
    /// A PES packet begins in it, or its header became whole with it.
    pub(super) begun: Option<PesHeader>,
    /// The next bytes of the open PES packet's body.
    pub(super) body: &'a [u8],
}

/// Where a PID's PES packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// None is open.
    Idle,
    /// The header is not whole.
    Header,
    /// So many header bytes are still to be skipped before the body.
    Body { skip: usize },
}

/// Puts the PES packets of one PID together. The caller knows about losses and ends.
pub(super) struct PesReader {
    phase: Phase,
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
}

impl PesReader {
    pub(super) const fn new() -> PesReader {
        PesReader { phase: Phase::Idle, head: [0; HEAD_BYTES_MAX], head_bytes: 0 }
    }

    /// Whether a PES packet has begun and not been closed.
    pub(super) fn is_open(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// The open PES packet is over, or a part of it lost: what comes before the next start is not
    /// read.
    pub(super) fn close(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Takes a packet's payload; `start` says that a PES packet begins with it. After an error
    /// nothing comes before the next start.
    pub(super) fn payload<'a>(
        &mut self,
        start: bool,
        payload: &'a [u8],
    ) -> Result<PesPart<'a>, PesError> {
        if start {
            self.phase = Phase::Header;
            self.head_bytes = 0;
        }
        let begun = if self.phase == Phase::Header { self.header(payload)? } else { None };
        let Phase::Body { skip } = &mut self.phase else { return Ok(PesPart::default()) };
        let skipped = (*skip).min(payload.len());
        *skip -= skipped;
        Ok(PesPart { begun, body: payload.get(skipped..).unwrap_or_default() })
    }

    fn header(&mut self, payload: &[u8]) -> Result<Option<PesHeader>, PesError> {
        let before = self.head_bytes;
        let room = self.head.get_mut(before..).unwrap_or_default();
        self.head_bytes = before + room.len().min(payload.len());
        for (to, from) in room.iter_mut().zip(payload) {
            *to = *from;
        }
        let header = PesHeader::parse(self.head.get(..self.head_bytes).unwrap_or_default())
            .inspect_err(|_| self.phase = Phase::Idle)?;
        if let Some(header) = &header {
            self.phase = Phase::Body { skip: header.header_bytes.saturating_sub(before) };
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with the given flags and options, markers all zero.
    fn header(length: u16, flags: u8, options: &[u8]) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut bytes = vec![0, 0, 1, 0xe0, high, low, 0x80, flags, options.len() as u8];
        bytes.extend_from_slice(options);
        bytes
    }

    fn time(wire: u64) -> [u8; 5] {
        let byte = |shift: u32| (wire >> shift & 0xff) as u8;
        [byte(30) << 1 & 0xe, byte(22), byte(15) << 1, byte(7), byte(0) << 1]
    }

    #[test]
    fn times_are_33_bits_and_their_markers_are_not_asked_for() {
        for (pts, dts) in [(0x1_ffff_ffff, 0x1_5555_5555), (1, 0), (0x0_aaaa_aaaa, 0x1_0000_8000)] {
            let bytes = header(0, 0xc0, &[time(pts), time(dts)].concat());
            let read = PesHeader::parse(&bytes).unwrap().unwrap();
            assert_eq!(read.times, PesTimes { pts: Some(pts), dts: Some(dts) });
            let marked: Vec<u8> = bytes
                .iter()
                .enumerate()
                .map(|(n, b)| match n {
                    9 | 11 | 13 | 14 | 16 | 18 => b | 1,
                    _ => *b,
                })
                .collect();
            assert_eq!(PesHeader::parse(&marked).unwrap().unwrap().times, read.times);
        }
    }

    #[test]
    fn times_that_are_announced_but_not_there_are_missing() {
        let read = PesHeader::parse(&header(0, 0xc0, &time(9))).unwrap().unwrap();
        assert_eq!(read.times, PesTimes { pts: Some(9), dts: None });
        let read = PesHeader::parse(&header(0, 0x80, &[])).unwrap().unwrap();
        assert_eq!(read.times, PesTimes::default());
        let read = PesHeader::parse(&header(0, 0x40, &time(9))).unwrap().unwrap();
        assert_eq!(read.times, PesTimes::default(), "DTS alone is forbidden");
    }

    #[test]
    fn the_stated_length_counts_from_behind_itself() {
        let read = PesHeader::parse(&header(108, 0x80, &time(9))).unwrap().unwrap();
        assert_eq!(read.body_bytes, Some(100));
        let read = PesHeader::parse(&header(0, 0x80, &time(9))).unwrap().unwrap();
        assert_eq!(read.body_bytes, None);
        let read = PesHeader::parse(&header(2, 0x80, &time(9))).unwrap().unwrap();
        assert_eq!(read.body_bytes, Some(65_530), "65,538 did not fit");
    }

    #[test]
    fn what_is_no_elementary_stream_is_refused() {
        let mut bytes = header(0, 0, &[]);
        bytes[3] = 0xbe;
        assert_eq!(PesHeader::parse(&bytes), Err(PesError::StreamId(0xbe)));
        bytes[3] = 0xe0;
        bytes[6] = 0x90;
        assert_eq!(PesHeader::parse(&bytes), Err(PesError::Scrambled));
        bytes[6] = 0x0f;
        assert_eq!(PesHeader::parse(&bytes), Err(PesError::Marker));
        bytes[2] = 2;
        assert_eq!(PesHeader::parse(&bytes), Err(PesError::StartCode));
    }

    #[test]
    fn the_header_may_be_split_anywhere() {
        let options = [&time(77)[..], &time(44)[..], &[0xff; 60][..]].concat();
        let bytes = [header(0, 0xc0, &options), b"body".to_vec()].concat();
        for cut in 1..bytes.len() {
            for second in [cut, (cut + 3).min(bytes.len())] {
                let mut reader = PesReader::new();
                let (mut begun, mut body) = (Vec::new(), Vec::new());
                for (n, part) in
                    [&bytes[..cut], &bytes[cut..second], &bytes[second..]].iter().enumerate()
                {
                    let part = reader.payload(n == 0, part).unwrap();
                    begun.extend(part.begun);
                    body.extend_from_slice(part.body);
                }
                assert_eq!(begun.len(), 1, "cut at {cut}");
                assert_eq!(begun[0].times, PesTimes { pts: Some(77), dts: Some(44) });
                assert_eq!(body, b"body", "cut at {cut}");
            }
        }
    }

    #[test]
    fn nothing_comes_before_a_start_or_after_an_error() {
        let mut reader = PesReader::new();
        assert_eq!(reader.payload(false, b"tail"), Ok(PesPart::default()));
        assert_eq!(reader.payload(true, &[9; 20]), Err(PesError::StartCode));
        assert_eq!(reader.payload(false, b"tail"), Ok(PesPart::default()));
        assert!(!reader.is_open());
    }
}

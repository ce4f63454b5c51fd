//! Writes a transport stream of one programme (ISO/IEC 13818-1): H.264 and AAC, every PES packet
//! in transport packets of its own, the last one stuffed, as muxers do. Non-goals: PCR, anything
//! the generated stream does not need. Bound: one datagram.

const PACKET_BYTES: usize = 188;
const PAYLOAD_BYTES: usize = PACKET_BYTES - 4;
const PMT_PID: u16 = 0x1000;
/// The wire's clock, 33 bits.
pub const CLOCK_PERIOD: i64 = 1 << 33;

/// An elementary stream: PID, PES stream_id, place of its continuity counter.
#[derive(Clone, Copy)]
pub struct Stream(u16, u8, usize);

/// The picture.
pub const VIDEO: Stream = Stream(0x100, 0xe0, 2);
/// The sound.
pub const AUDIO: Stream = Stream(0x101, 0xc0, 3);

/// The writer: packets of the datagram in hand.
pub struct TsWriter {
    datagram: Vec<u8>,
    counters: [u8; 4],
    pat: Vec<u8>,
    pmt: Vec<u8>,
    pes: Vec<u8>,
}

impl TsWriter {
    pub fn new() -> TsWriter {
        let pat = section(0, &[0, 1, 0xe0 | (PMT_PID >> 8) as u8, PMT_PID as u8]);
        let streams = [0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0];
        let pmt = section(2, &streams);
        TsWriter { datagram: Vec::new(), counters: [0; 4], pat, pmt, pes: Vec::new() }
    }

    /// Begins the next datagram.
    pub fn clear(&mut self) {
        self.datagram.clear();
    }

    /// What was written since.
    pub fn datagram(&self) -> &[u8] {
        &self.datagram
    }

    /// PAT and PMT.
    pub fn tables(&mut self) {
        for (pid, place) in [(0, 0), (PMT_PID, 1)] {
            let section = if place == 0 { self.pat.clone() } else { self.pmt.clone() };
            self.packet(Stream(pid, 0, place), true, &section);
        }
    }

    /// A PES packet; times wrap here. One whose DTS is its PTS has no DTS of its own.
    pub fn pes(&mut self, stream: Stream, dts: i64, pts: i64, body: &[u8]) {
        let mut pes = std::mem::take(&mut self.pes);
        pes.clear();
        let (flags, option_bytes) = if pts == dts { (0x80, 5) } else { (0xc0, 10) };
        let length = if stream.1 == AUDIO.1 { 3 + option_bytes + body.len() } else { 0 };
        let [high, low] = (length as u16).to_be_bytes();
        pes.extend([0, 0, 1, stream.1, high, low, 0x80, flags, option_bytes as u8]);
        pes.extend(time(if pts == dts { 0x21 } else { 0x31 }, pts));
        if pts != dts {
            pes.extend(time(0x11, dts));
        }
        pes.extend_from_slice(body);
        for (n, payload) in pes.chunks(PAYLOAD_BYTES).enumerate() {
            self.packet(stream, n == 0, payload);
        }
        self.pes = pes;
    }

    fn packet(&mut self, Stream(pid, _, place): Stream, start: bool, payload: &[u8]) {
        let counter = self.counters.get_mut(place).expect("four PIDs");
        let [high, low] = (pid | u16::from(start) << 14).to_be_bytes();
        let free = PAYLOAD_BYTES - payload.len();
        let control = if free > 0 { 0x30 } else { 0x10 };
        self.datagram.extend([0x47, high, low, control | *counter]);
        *counter = (*counter + 1) & 15;
        if let Some(field) = free.checked_sub(1) {
            self.datagram.push(field as u8);
            if let Some(stuffing) = field.checked_sub(1) {
                self.datagram.push(0);
                self.datagram.resize(self.datagram.len() + stuffing, 0xff);
            }
        }
        self.datagram.extend_from_slice(payload);
    }
}

/// A time of 33 bits behind its marker bits (2.4.3.7).
fn time(marker: u8, time: i64) -> [u8; 5] {
    let wire = time.rem_euclid(CLOCK_PERIOD);
    let byte = |shift: u32| (wire >> shift & 0xff) as u8;
    [marker | byte(30) << 1 & 0x0e, byte(22), byte(15) << 1 | 1, byte(7), byte(0) << 1 | 1]
}

/// A section of number 1, behind its pointer field, filled up to a packet.
fn section(table: u8, body: &[u8]) -> Vec<u8> {
    let length = 5 + body.len() + 4;
    let mut section = vec![table, 0xb0, length as u8, 0, 1, 0xc1, 0, 0];
    section.extend_from_slice(body);
    section.extend(crc32(&section).to_be_bytes());
    section.insert(0, 0);
    section.resize(PAYLOAD_BYTES, 0xff);
    section
}

/// The CRC of sections (2.4.4, annex A).
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

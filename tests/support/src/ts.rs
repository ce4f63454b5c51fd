//! MPEG-TS (ISO/IEC 13818-1) written in every way that is legal and occurs: where PES packets
//! begin and end in the byte stream, what they state, how they lie in transport packets.

use fastrand::Rng;

use crate::aac;
use crate::units::{AccessUnit, Track};

/// PID of the video.
pub const VIDEO_PID: u16 = 0x100;
/// PID of the sound.
pub const AUDIO_PID: u16 = 0x101;
const PMT_PID: u16 = 0x1000;
const PAYLOAD_BYTES: usize = 184;

/// Where a video PES packet ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Behind so many access units, from one number to another.
    Units(usize, usize),
    /// Behind each NAL unit.
    Nals,
    /// Behind each slice; what stands before it goes with it.
    Slices,
    /// In the tail of each access unit, which goes on in the next one's PES packet.
    Tails,
    /// Behind each access unit, and wherever a PES packet holds so many bytes.
    Bytes(usize),
    /// Anywhere, so many bytes apart at most.
    Anywhere(usize),
}

/// Which PES packets state their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// None of the video.
    No,
    /// All that are short enough.
    Yes,
    /// Some, by chance.
    Some,
}

/// How a muxer packs.
#[derive(Clone, Debug)]
pub struct Muxer {
    /// Where video PES packets end.
    pub cut: Cut,
    /// Which of them state their length.
    pub stated: Stated,
    /// Of so many PES packets in which an access unit commences, the first has times.
    pub times_every: usize,
    /// PES packets in which none commences have the times of the unit they go on with.
    pub times_repeated: bool,
    /// Four-byte start codes before the NAL units within an access unit, too.
    pub long_start_codes: bool,
    /// A trailing zero byte behind each access unit (B.1.2).
    pub trailing_zero: bool,
    /// Transport packets are stuffed in the middle of PES packets, of a hundred so many.
    pub stuffed_percent: u8,
    /// Private data in adaptation fields, of a hundred packets so many.
    pub private_percent: u8,
    /// PAT and PMT before each so many PES packets.
    pub tables_every: usize,
    /// Stuffing bytes in PES headers.
    pub header_stuffing: u8,
    /// ADTS frames in a PES packet, at most.
    pub audio_frames: usize,
    /// PES packets of sound end within frames.
    pub audio_spans: bool,
    /// How long sound is held back behind the picture of its time, 90 kHz.
    pub audio_late: i64,
    /// A PCR in a packet of its own before each PES packet of video: the pace for a sender.
    pub clocked: bool,
}

impl Default for Muxer {
    /// As ffmpeg packs.
    fn default() -> Muxer {
        Muxer {
            cut: Cut::Units(1, 1),
            stated: Stated::No,
            times_every: 1,
            times_repeated: false,
            long_start_codes: false,
            trailing_zero: false,
            stuffed_percent: 0,
            private_percent: 0,
            tables_every: 40,
            header_stuffing: 0,
            audio_frames: 4,
            audio_spans: false,
            audio_late: 0,
            clocked: false,
        }
    }
}

/// A transport stream.
#[derive(Clone, Debug, Default)]
pub struct Muxed {
    /// Whole transport packets.
    pub bytes: Vec<u8>,
    /// The video units whose own times are stated, by their number.
    pub timed: Vec<usize>,
}

/// A PES packet to be written.
struct Pes {
    pid: u16,
    /// PTS and DTS.
    times: Option<(i64, i64)>,
    /// The video unit whose times these are, if it commences here.
    unit: Option<usize>,
    /// When it leaves, 90 kHz.
    due: i64,
    body: Vec<u8>,
    stated: bool,
}

impl Muxer {
    /// A muxer chosen by chance.
    pub fn random(rng: &mut Rng) -> Muxer {
        let cut = match rng.u8(0..8) {
            0 => Cut::Units(1, 1),
            1 => Cut::Units(1, 15),
            2 => Cut::Units(2, 2),
            3 => Cut::Nals,
            4 => Cut::Slices,
            5 => Cut::Tails,
            6 => Cut::Bytes(rng.usize(200..4000)),
            _ => Cut::Anywhere(rng.usize(300..5000)),
        };
        let stated = match rng.u8(0..3) {
            0 => Stated::No,
            1 => Stated::Yes,
            _ => Stated::Some,
        };
        Muxer {
            cut,
            stated,
            times_every: if rng.u8(0..4) == 0 { rng.usize(2..20) } else { 1 },
            times_repeated: rng.bool(),
            long_start_codes: rng.bool(),
            trailing_zero: rng.u8(0..4) == 0,
            // Where no length is stated it may cost a frame: it is not to be told from an end.
            stuffed_percent: if stated == Stated::Yes { rng.u8(0..20) } else { 0 },
            private_percent: if rng.bool() { rng.u8(1..30) } else { 0 },
            tables_every: rng.usize(3..60),
            header_stuffing: if rng.u8(0..4) == 0 { rng.u8(1..60) } else { 0 },
            audio_frames: rng.usize(1..12),
            audio_spans: rng.bool(),
            audio_late: rng.i64(0..60_000),
            clocked: false,
        }
    }

    /// A transport stream of both tracks' units, each in its order; those of sound encoded by
    /// `audio`.
    pub fn mux(&self, units: &[AccessUnit], audio: &aac::Encoder, rng: &mut Rng) -> Muxed {
        let track = |track| units.iter().filter(move |unit| unit.track == track);
        let mut pes = self.video(&track(Track::Video).collect::<Vec<_>>(), rng);
        pes.extend(self.audio(&track(Track::Audio).collect::<Vec<_>>(), audio, rng));
        // Stable: the order within a track is kept, whatever the times.
        pes.sort_by_key(|pes| pes.due);
        let mut out = Packets::default();
        for (n, pes) in pes.iter().enumerate() {
            if n % self.tables_every == 0 {
                out.tables();
            }
            if self.clocked && pes.pid == VIDEO_PID {
                out.clock(pes.due);
            }
            self.write(pes, &mut out, rng);
        }
        let timed = pes.iter().filter(|pes| pes.times.is_some()).filter_map(|pes| pes.unit);
        Muxed { bytes: out.bytes, timed: timed.collect() }
    }

    fn video(&self, units: &[&AccessUnit], rng: &mut Rng) -> Vec<Pes> {
        let mut stream = Vec::new();
        let (mut starts, mut cuts) = (Vec::new(), vec![0]);
        let mut whole_units = 0;
        for unit in units {
            let start = stream.len();
            starts.push(start);
            let mut has_slice = false;
            for (n, nal) in unit.nals.iter().enumerate() {
                let is_slice = nal.first().is_some_and(|header| (1..=5).contains(&(header & 0x1f)));
                let is_cut = match self.cut {
                    Cut::Nals => true,
                    Cut::Slices => n == 0 || (is_slice && has_slice),
                    _ => false,
                };
                has_slice |= is_slice;
                if is_cut {
                    cuts.push(stream.len());
                }
                if n == 0 || self.long_start_codes {
                    stream.push(0);
                }
                stream.extend([0, 0, 1]);
                stream.extend(nal);
            }
            if self.trailing_zero {
                stream.push(0);
            }
            let end = stream.len();
            match self.cut {
                Cut::Units(least, most) => {
                    whole_units += 1;
                    if whole_units >= rng.usize(least..=most) {
                        cuts.push(end);
                        whole_units = 0;
                    }
                }
                Cut::Tails => cuts.push(end - rng.usize(1..=(end - start) / 2)),
                Cut::Bytes(most) => {
                    cuts.extend((start..end).step_by(most));
                    cuts.push(end);
                }
                Cut::Nals | Cut::Slices | Cut::Anywhere(_) => {}
            }
        }
        if let Cut::Anywhere(most) = self.cut {
            let mut at = 0;
            while at < stream.len() {
                at += rng.usize(8..=most);
                // Between the zero_byte and its start code it would be a trailing zero as well.
                at += usize::from(starts.binary_search(&(at - 1)).is_ok());
                cuts.push(at.min(stream.len()));
            }
        }
        cuts.push(stream.len());
        cuts.dedup();
        self.pes_of(units, &stream, &starts, &cuts, rng)
    }

    fn pes_of(
        &self,
        units: &[&AccessUnit],
        stream: &[u8],
        starts: &[usize],
        cuts: &[usize],
        rng: &mut Rng,
    ) -> Vec<Pes> {
        let mut pes = Vec::new();
        let mut commencing = 0;
        for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
            let first = starts.partition_point(|start| start < from);
            let is_commencing = starts.get(first).is_some_and(|start| start < to);
            // The unit that commences in it, or goes on.
            let unit = if is_commencing { first } else { first.saturating_sub(1) };
            let Some(unit) = units.get(unit) else { continue };
            let has_times = if is_commencing {
                commencing += 1;
                (commencing - 1) % self.times_every == 0
            } else {
                self.times_repeated && self.times_every == 1
            };
            let body = stream.get(*from..*to).unwrap_or_default().to_vec();
            let stated = match self.stated {
                Stated::No => false,
                Stated::Yes => true,
                Stated::Some => rng.bool(),
            };
            pes.push(Pes {
                pid: VIDEO_PID,
                times: has_times.then_some((unit.pts, unit.dts)),
                unit: is_commencing.then_some(first),
                due: unit.dts,
                stated: stated && body.len() < 65_400,
                body,
            });
        }
        pes
    }

    fn audio(&self, units: &[&AccessUnit], audio: &aac::Encoder, rng: &mut Rng) -> Vec<Pes> {
        let mut stream = Vec::new();
        let (mut starts, mut cuts) = (Vec::new(), vec![0]);
        let mut frames = 0;
        for unit in units {
            starts.push(stream.len());
            stream.extend(audio.adts(&unit.payload()));
            frames += 1;
            if frames >= rng.usize(1..=self.audio_frames) {
                cuts.push(stream.len() - if self.audio_spans { rng.usize(0..10) } else { 0 });
                frames = 0;
            }
        }
        cuts.push(stream.len());
        cuts.dedup();
        let mut pes = Vec::new();
        for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
            let first = starts.partition_point(|start| start < from);
            let commences = starts.get(first).filter(|start| *start < to).and(units.get(first));
            let last = starts.partition_point(|start| start < to).saturating_sub(1);
            let Some(last) = units.get(last) else { continue };
            pes.push(Pes {
                pid: AUDIO_PID,
                times: commences.map(|unit| (unit.pts, unit.dts)),
                unit: None,
                due: last.dts + self.audio_late,
                body: stream.get(*from..*to).unwrap_or_default().to_vec(),
                stated: true,
            });
        }
        pes
    }

    fn write(&self, pes: &Pes, out: &mut Packets, rng: &mut Rng) {
        let mut options = Vec::new();
        let mut flags = 0;
        if let Some((pts, dts)) = pes.times {
            let is_both = pts != dts;
            flags = if is_both { 0xc0 } else { 0x80 };
            options.extend(time(if is_both { 3 } else { 2 }, pts));
            if is_both {
                options.extend(time(1, dts));
            }
        }
        options.extend(vec![0xff; usize::from(self.header_stuffing)]);
        let length = if pes.stated { 3 + options.len() + pes.body.len() } else { 0 };
        let [high, low] = u16::try_from(length).unwrap_or(0).to_be_bytes();
        let stream_id = if pes.pid == VIDEO_PID { 0xe0 } else { 0xc0 };
        let options_bytes = u8::try_from(options.len()).unwrap_or(u8::MAX);
        let head = [0, 0, 1, stream_id, high, low, 0x80, flags, options_bytes];
        let bytes = [&head, &options[..], &pes.body].concat();
        let mut rest = &bytes[..];
        let mut is_start = true;
        while !rest.is_empty() {
            let by_chance = |percent: u8, rng: &mut Rng| rng.u8(0..100) < percent;
            let private = if by_chance(self.private_percent, rng) { rng.usize(1..20) } else { 0 };
            let room = PAYLOAD_BYTES - if private > 0 { 3 + private } else { 0 };
            let room =
                if by_chance(self.stuffed_percent, rng) { rng.usize(20..room) } else { room };
            let (payload, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            out.packet(pes.pid, is_start, private, payload);
            rest = behind;
            is_start = false;
        }
    }
}

/// The 33 bits of a time behind its marker.
fn time(marker: u8, ticks: i64) -> [u8; 5] {
    let ticks = ticks.rem_euclid(1 << 33);
    let byte = |shift: u32| u8::try_from(ticks >> shift & 0xff).unwrap_or(0);
    let first = marker << 4 | byte(30) << 1 & 0x0e | 1;
    [first, byte(22), byte(15) << 1 | 1, byte(7), byte(0) << 1 | 1]
}

/// Transport packets written so far.
#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    /// Continuity counters: PAT, PMT, video, audio.
    counters: [u8; 4],
}

impl Packets {
    fn packet(&mut self, pid: u16, is_start: bool, private: usize, payload: &[u8]) {
        let place = match pid {
            0 => 0,
            PMT_PID => 1,
            VIDEO_PID => 2,
            _ => 3,
        };
        let counter = self.counters.get_mut(place).map_or(0, |counter| {
            *counter = (*counter + 1) & 15;
            *counter
        });
        let [high, low] = (pid | u16::from(is_start) << 14).to_be_bytes();
        let mut field = Vec::new();
        if private > 0 {
            field = vec![2, u8::try_from(private).unwrap_or(0)];
            field.extend(vec![0x55; private]);
        }
        let free = PAYLOAD_BYTES - payload.len();
        let control = if free > 0 { 0x30 } else { 0x10 };
        self.bytes.extend([0x47, high, low, control | counter]);
        if free > 0 {
            if field.is_empty() && free > 1 {
                field.push(0);
            }
            field.resize(free - 1, 0xff);
            self.bytes.push(u8::try_from(field.len()).unwrap_or(0));
            self.bytes.extend(field);
        }
        self.bytes.extend(payload);
    }

    /// A PCR of these ticks and no payload (2.4.3.5); its counter stays (2.4.3.3).
    fn clock(&mut self, ticks: i64) {
        let [_, _, video, _] = self.counters;
        let [high, low] = VIDEO_PID.to_be_bytes();
        let bits = u64::try_from(ticks.rem_euclid(1 << 33)).unwrap_or(0) << 15 | 0x7e00;
        let [_, _, pcr @ ..] = bits.to_be_bytes();
        let start = self.bytes.len();
        self.bytes.extend([0x47, high, low, 0x20 | video, 183, 0x10]);
        self.bytes.extend(pcr);
        self.bytes.resize(start + 188, 0xff);
    }

    fn tables(&mut self) {
        let [pmt_high, pmt_low] = (0xe000 | PMT_PID).to_be_bytes();
        self.section(0, &section(0, 7, &[0, 1, pmt_high, pmt_low]));
        let mut body = vec![0xe1, 0, 0xf0, 0];
        for (kind, pid) in [(0x1b, VIDEO_PID), (0x0f, AUDIO_PID)] {
            let [high, low] = (0xe000 | pid).to_be_bytes();
            body.extend([kind, high, low, 0xf0, 0]);
        }
        self.section(PMT_PID, &section(2, 1, &body));
    }

    fn section(&mut self, pid: u16, section: &[u8]) {
        let mut payload = [&[0], section].concat();
        payload.resize(PAYLOAD_BYTES, 0xff);
        self.packet(pid, true, 0, &payload);
    }
}

/// A section with its head and CRC (2.4.4).
fn section(table: u8, extension: u16, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(5 + body.len() + 4).unwrap_or(u8::MAX);
    let [high, low] = extension.to_be_bytes();
    let mut bytes = [&[table, 0xb0, length, high, low, 0xc1, 0, 0], body].concat();
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    });
    bytes.extend(crc.to_be_bytes());
    bytes
}

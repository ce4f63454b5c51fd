//! AAC frames out of ADTS (ISO/IEC 13818-7, 6.2; ISO/IEC 14496-3, 1.A.2), as the bytes arrive.
//! Purpose: hand each frame over without its header, with a time of its own, whatever the
//! fragments and however many frames a PES packet holds or a frame spans.
//! Where channel_configuration is 0, a program config element in the frames says what the channels
//! are (shaka-packager #598, mpegts.js #157, ExoPlayer #7770); frames before the first are left out.
//! Non-goals: LATM, several raw data blocks in one frame (they cannot be told apart without
//! decoding): counted and left out. CRCs are removed, not checked.
//! Bound: the 9 bytes of a header, and `PCE_BYTES_MAX` of a frame that may begin with such an
//! element; other payload is not kept.
//!
//! Where a frame begins is certain while each header stands where the frame before it ended. After
//! a loss it is not: 12 set bits are found in any payload. So a frame found by searching is handed
//! over only when the next header confirms its end.

use super::access_unit::{AacConfig, Track, TrackConfig, UnitSink, UnitStart};
use super::audio_config::{channels, sample_rate_hz, short_record};
use super::program_config::{self, at_block_start, BlockStart, ProgramConfig, PCE_BYTES_MAX};
use crate::base::time::Ticks;

/// Samples in a raw data block.
const FRAME_SAMPLES: i64 = 1024;

/// The most an encoder may use for one channel of a raw data block, 6144 bits (ISO/IEC 14496-3,
/// 4.5.3).
const CHANNEL_BYTES_MAX: usize = 768;

const HEADER_BYTES: usize = 7;
const HEADER_AND_CRC_BYTES: usize = 9;

/// What an audio track's frames came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdtsCounters {
    /// Frames handed over whole.
    pub frames: u64,
    /// Frames given up because a part was lost, or because no header stood where they ended.
    pub broken: u64,
    /// Times no header stood where one had to be.
    pub resyncs: u64,
    /// Bytes skipped in search of a header.
    pub skipped_bytes: u64,
    /// Frames left out: no program config element has come that would say what their channels are,
    /// or several raw data blocks.
    pub unsupported: u64,
    /// Frames left out because no PTS had come yet, or none since a loss.
    pub without_time: u64,
}

/// An ADTS header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AdtsHeader {
    /// profile_ObjectType + 1: the audio object type.
    object_type: u8,
    rate_index: u8,
    sample_rate_hz: u32,
    channel_configuration: u8,
    /// The header's own bytes, CRC included.
    header_bytes: usize,
    /// Bytes behind the header and CRC.
    payload_bytes: usize,
    raw_blocks: i64,
}

impl AdtsHeader {
    /// Reads the fixed and the variable header.
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<AdtsHeader> {
        let bits = bytes.iter().fold(0u64, |bits, &byte| (bits << 8) | u64::from(byte));
        // `width` bits whose first is the header's bit `at`.
        let field = |at: u32, width: u32| (bits >> (56 - at - width)) & ((1 << width) - 1);
        let byte = |at, width| u8::try_from(field(at, width)).unwrap_or(u8::MAX);
        const SYNC: u64 = 0xfff;
        const LAYER: u64 = 0;
        if field(0, 12) != SYNC || field(13, 2) != LAYER {
            return None;
        }
        let header_bytes = if field(15, 1) == 1 { HEADER_BYTES } else { HEADER_AND_CRC_BYTES };
        let frame_bytes = usize::try_from(field(30, 13)).ok()?;
        Some(AdtsHeader {
            object_type: byte(16, 2) + 1,
            rate_index: byte(18, 4),
            sample_rate_hz: sample_rate_hz(byte(18, 4))?,
            channel_configuration: byte(23, 3),
            header_bytes,
            payload_bytes: frame_bytes.checked_sub(header_bytes).filter(|&bytes| bytes > 0)?,
            raw_blocks: i64::from(byte(54, 2)) + 1,
        })
    }

    /// Channels, if the frame can be carried.
    fn carried_channels(&self) -> Option<u8> {
        channels(self.channel_configuration).filter(|_| self.raw_blocks == 1)
    }

    /// Whether a program config element is to say what the channels are.
    const fn has_program_config(&self) -> bool {
        self.channel_configuration == 0 && self.raw_blocks == 1
    }

    /// The configuration by the program config element at the beginning of the frame.
    fn program_config(&self, block: &[u8], program: &ProgramConfig) -> Option<AacConfig> {
        let channels = Some(program.channels()).filter(|channels| *channels > 0)?;
        let record = program_config::record(self.object_type, self.rate_index, block, program)?;
        let AacConfig { object_type, sample_rate_hz, .. } = self.config(channels);
        Some(AacConfig { record, object_type, sample_rate_hz, channels })
    }

    /// Whether both belong to the same run of frames: what may not change between them is equal.
    fn is_like(&self, other: &AdtsHeader) -> bool {
        (self.object_type, self.rate_index, self.channel_configuration)
            == (other.object_type, other.rate_index, other.channel_configuration)
    }

    /// Whether an encoder could have made a frame of this size.
    fn is_plausible(&self) -> bool {
        // Unknown channels: as many as there may be.
        let channels = channels(self.channel_configuration).unwrap_or(8);
        let blocks = usize::try_from(self.raw_blocks).unwrap_or(1);
        self.payload_bytes <= CHANNEL_BYTES_MAX * usize::from(channels) * blocks
    }

    fn config(&self, channels: u8) -> AacConfig {
        AacConfig {
            record: short_record(self.object_type, self.rate_index, self.channel_configuration),
            object_type: self.object_type,
            sample_rate_hz: self.sample_rate_hz,
            channels,
        }
    }
}

/// The frame being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// None: a header is awaited or being collected.
    None,
    /// The beginning of a raw data block is collected, which may be a program config element; so
    /// many bytes of it are still to come.
    Block { header: AdtsHeader, pts: Ticks, left: usize },
    /// Payload bytes still to come; whether they go to the sink.
    Body { left: usize, carried: bool },
}

/// Makes AAC frames of one ADTS elementary stream.
#[derive(Debug)]
pub struct AdtsAssembler {
    partial: [u8; HEADER_AND_CRC_BYTES],
    partial_bytes: usize,
    /// How many of the partial header's bytes came before the current PES packet.
    partial_before_packet: usize,
    /// If some did: the PTS of the packet in which it begins, unless a frame before it had that, and
    /// whether it begins with that packet.
    partial_pts: Option<Ticks>,
    partial_begins_packet: bool,
    frame: Frame,
    /// Headers are where they are expected.
    locked: bool,
    /// The header of the frame last found by searching, not confirmed yet.
    unconfirmed: Option<AdtsHeader>,
    /// That frame is in the sink, whole but not committed.
    held: bool,
    /// Nothing of the current PES packet was looked at yet.
    packet_begins: bool,
    config: Option<AacConfig>,
    header: Option<AdtsHeader>,
    /// The beginning of a raw data block.
    block: heapless::Vec<u8, PCE_BYTES_MAX>,
    /// What the last program config element said, and the header of its frame.
    program: Option<(AdtsHeader, AacConfig)>,
    clock: FrameClock,
    counters: AdtsCounters,
}

impl Default for AdtsAssembler {
    fn default() -> AdtsAssembler {
        AdtsAssembler::new()
    }
}

impl AdtsAssembler {
    /// An assembler that knows nothing of its stream yet.
    pub fn new() -> AdtsAssembler {
        AdtsAssembler {
            partial: [0; HEADER_AND_CRC_BYTES],
            partial_bytes: 0,
            partial_before_packet: 0,
            partial_pts: None,
            partial_begins_packet: false,
            frame: Frame::None,
            locked: false,
            unconfirmed: None,
            held: false,
            packet_begins: false,
            config: None,
            header: None,
            block: heapless::Vec::new(),
            program: None,
            clock: FrameClock::default(),
            counters: AdtsCounters::default(),
        }
    }

    /// The payload of a PES packet begins. The first frame whose first byte is in it has this
    /// PTS; without one, frames go on being counted.
    pub fn begin(&mut self, pts: Option<Ticks>) {
        // A header cut in three still begins where it began.
        if self.partial_before_packet == 0 {
            let is_cut = self.partial_bytes > 0;
            self.partial_pts = self.clock.next_pts.filter(|_| is_cut);
            self.partial_begins_packet = is_cut && self.packet_begins;
        }
        self.partial_before_packet = self.partial_bytes;
        self.packet_begins = true;
        self.clock.next_pts = pts;
    }

    /// A fragment of the payload.
    pub fn data<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        let mut input = bytes;
        while !input.is_empty() {
            match self.frame {
                Frame::Body { left, carried } => {
                    let (body, rest) = input.split_at_checked(left).unwrap_or((input, &[]));
                    if carried {
                        sink.write(Track::Audio, body);
                    }
                    input = rest;
                    self.frame = Frame::Body { left: left - body.len(), carried };
                    if left == body.len() {
                        self.end_frame(carried, sink);
                    }
                }
                Frame::Block { header, pts, left } => {
                    input = self.collect_block(&header, pts, left, input, sink);
                }
                Frame::None => input = self.collect_header(input, sink),
            }
        }
    }

    /// Bytes were lost: the partial frame is given up, and what follows is searched for a header.
    /// Time is unknown until the next PTS.
    pub fn lost<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if self.partial_bytes > 0 || self.frame != Frame::None || self.held {
            self.counters.broken += 1;
        }
        if self.held || matches!(self.frame, Frame::Body { carried: true, .. }) {
            sink.abort(Track::Audio);
        }
        self.held = false;
        self.frame = Frame::None;
        self.forget_partial();
        self.unlock();
    }

    fn forget_partial(&mut self) {
        (self.partial_bytes, self.partial_before_packet) = (0, 0);
        (self.partial_pts, self.partial_begins_packet) = (None, false);
    }

    /// What the frames came to.
    pub fn counters(&self) -> AdtsCounters {
        self.counters
    }

    fn unlock(&mut self) {
        self.locked = false;
        self.unconfirmed = None;
        self.clock.anchor = None;
    }

    /// Takes bytes of a header; gives back the input behind them.
    fn collect_header<'a, S: UnitSink + ?Sized>(
        &mut self,
        input: &'a [u8],
        sink: &mut S,
    ) -> &'a [u8] {
        let mut input = input;
        if self.partial_bytes == 0 && !self.locked && self.unconfirmed.is_none() {
            let skipped = memchr::memchr(0xff, input).unwrap_or(input.len());
            self.skip(skipped);
            input = input.get(skipped..).unwrap_or_default();
        }
        while let Some((&byte, rest)) = input.split_first() {
            if let Some(place) = self.partial.get_mut(self.partial_bytes) {
                *place = byte;
                self.partial_bytes += 1;
            }
            input = rest;
            if self.look_at_header(sink) {
                break;
            }
        }
        input
    }

    /// Looks at the header collected so far. True when a frame begins, or nothing is left of it.
    fn look_at_header<S: UnitSink + ?Sized>(&mut self, sink: &mut S) -> bool {
        while self.partial_bytes > 0 {
            let partial = self.partial.get(..self.partial_bytes).unwrap_or_default();
            match partial.first_chunk::<HEADER_BYTES>() {
                None if may_be_header(partial) => return false,
                None => {}
                Some(bytes) => match AdtsHeader::parse(bytes).filter(|header| self.accepts(header))
                {
                    Some(header) if partial.len() < header.header_bytes => return false,
                    Some(header) => {
                        self.begin_frame(header, sink);
                        return true;
                    }
                    None => {}
                },
            }
            self.refuse_header(sink);
        }
        true
    }

    /// Whether a header is believed here.
    fn accepts(&self, header: &AdtsHeader) -> bool {
        match self.unconfirmed {
            Some(before) => header.is_like(&before),
            None => self.locked || header.is_plausible(),
        }
    }

    /// No header stands here: searches on, one byte further.
    fn refuse_header<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if self.held {
            sink.abort(Track::Audio);
            self.held = false;
            self.counters.broken += 1;
        }
        if self.locked {
            self.counters.resyncs += 1;
        }
        if self.locked || self.unconfirmed.is_some() {
            self.unlock();
        }
        self.partial.copy_within(1.., 0);
        self.partial_bytes -= 1;
        self.partial_before_packet = self.partial_before_packet.saturating_sub(1);
        self.partial_begins_packet = false;
        self.skip(1);
    }

    fn skip(&mut self, bytes: usize) {
        if bytes > 0 {
            self.packet_begins = false;
        }
        self.counters.skipped_bytes += bytes as u64;
    }

    fn begin_frame<S: UnitSink + ?Sized>(&mut self, header: AdtsHeader, sink: &mut S) {
        if self.unconfirmed.take().is_some() {
            self.locked = true;
        }
        if self.held {
            self.held = false;
            self.commit(sink);
        }
        let (stated, begins_packet) = match self.partial_before_packet {
            0 => (self.clock.next_pts.take(), self.packet_begins),
            _ => (self.partial_pts, self.partial_begins_packet),
        };
        let pts = self.clock.frame(stated, header.sample_rate_hz, header.raw_blocks);
        // A muxer aligns frames with PES packets, so the beginning of one is as good as a header
        // in its place; what is found elsewhere may not change the configuration unconfirmed.
        let known = self.header.is_some_and(|before| before.is_like(&header));
        let trusted = self.locked || known || begins_packet;
        self.unconfirmed = if self.locked { None } else { Some(header) };
        self.forget_partial();
        self.packet_begins = false;
        let mut carried = false;
        if let (true, true, Some(pts)) = (trusted, header.has_program_config(), pts) {
            self.block.clear();
            self.frame = Frame::Block { header, pts, left: header.payload_bytes };
            return;
        }
        match (header.carried_channels(), pts) {
            _ if !trusted => {}
            (None, _) => self.counters.unsupported += 1,
            (_, None) => self.counters.without_time += 1,
            (Some(channels), Some(pts)) => {
                carried = true;
                self.configure(&header, channels, sink);
                sink.begin(UnitStart { track: Track::Audio, dts: pts, pts, key: false });
            }
        }
        self.frame = Frame::Body { left: header.payload_bytes, carried };
    }

    /// Takes bytes of a frame that may begin with a program config element; gives back the input
    /// behind them.
    fn collect_block<'a, S: UnitSink + ?Sized>(
        &mut self,
        header: &AdtsHeader,
        pts: Ticks,
        left: usize,
        input: &'a [u8],
        sink: &mut S,
    ) -> &'a [u8] {
        let room = left.min(PCE_BYTES_MAX - self.block.len());
        let (bytes, rest) = input.split_at_checked(room).unwrap_or((input, &[]));
        self.block.extend_from_slice(bytes).unwrap_or_default();
        let left = left - bytes.len();
        let start = at_block_start(&self.block);
        if start == BlockStart::Cut && left > 0 && self.block.len() < PCE_BYTES_MAX {
            self.frame = Frame::Block { header: *header, pts, left };
            return rest;
        }
        if let BlockStart::Program(program) = start {
            let config = header.program_config(&self.block, &program);
            self.program = config.map(|config| (*header, config));
        }
        let program = self.program.as_ref().filter(|(before, _)| before.is_like(header));
        let carried = program.is_some();
        if let Some((_, config)) = program.cloned() {
            self.header = Some(*header);
            self.announce(config, sink);
            sink.begin(UnitStart { track: Track::Audio, dts: pts, pts, key: false });
            sink.write(Track::Audio, &self.block);
        } else {
            self.counters.unsupported += 1;
        }
        self.frame = Frame::Body { left, carried };
        if left == 0 {
            self.end_frame(carried, sink);
        }
        rest
    }

    fn configure<S: UnitSink + ?Sized>(&mut self, header: &AdtsHeader, channels: u8, sink: &mut S) {
        if self.header.is_some_and(|before| before.is_like(header)) {
            return;
        }
        self.header = Some(*header);
        self.announce(header.config(channels), sink);
    }

    fn announce<S: UnitSink + ?Sized>(&mut self, config: AacConfig, sink: &mut S) {
        if self.config.as_ref() != Some(&config) {
            sink.config(&TrackConfig::Aac(config.clone()));
            self.config = Some(config);
        }
    }

    fn end_frame<S: UnitSink + ?Sized>(&mut self, carried: bool, sink: &mut S) {
        self.frame = Frame::None;
        if carried && self.unconfirmed.is_some() {
            self.held = true;
        } else if carried {
            self.commit(sink);
        }
    }

    fn commit<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        sink.commit(Track::Audio);
        self.counters.frames += 1;
    }
}

/// Whether fewer than seven bytes can be a header's beginning.
fn may_be_header(partial: &[u8]) -> bool {
    match partial {
        [0xff] => true,
        [0xff, second, ..] => second & 0xf6 == 0xf0,
        _ => false,
    }
}

/// The times of frames: a PTS, and the samples since.
#[derive(Debug, Default)]
struct FrameClock {
    /// The PTS of the current PES packet, until a frame begins in it.
    next_pts: Option<Ticks>,
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    pts: Ticks,
    sample_rate_hz: u32,
    /// Samples from the anchor's PTS to the next frame.
    samples: i64,
}

impl FrameClock {
    /// The PTS of the frame that begins, `blocks` raw data blocks long; `stated`: that of the PES
    /// packet in which its first byte is, if it is the first there.
    fn frame(&mut self, stated: Option<Ticks>, sample_rate_hz: u32, blocks: i64) -> Option<Ticks> {
        if let Some(pts) = stated {
            self.anchor = Some(Anchor { pts, sample_rate_hz, samples: 0 });
        }
        let anchor = self.anchor.as_mut()?;
        let pts = anchor.pts + Ticks::from_samples(anchor.samples, anchor.sample_rate_hz);
        if anchor.sample_rate_hz != sample_rate_hz {
            *anchor = Anchor { pts, sample_rate_hz, samples: 0 };
        }
        anchor.samples = anchor.samples.saturating_add(FRAME_SAMPLES.saturating_mul(blocks));
        Some(pts)
    }
}

#[cfg(test)]
#[path = "aac_tests.rs"]
mod tests;

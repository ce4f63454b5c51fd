//! The demultiplexer: datagrams in, access units of one programme out. Purpose: join the parts of
//! this module and say what the stream holds. Non-goals and bound: the module's.

use super::audio::AudioStream;
use super::clock::Clock;
pub use super::counters::TsCounters;
use super::packet::{Packet, NULL_PID, PACKET_BYTES};
pub use super::programmes::ProgrammeState;
use super::programmes::Programmes;
use super::psi::{SectionReader, SectionReaders};
use super::repeats::RecentDatagrams;
use super::rtp;
use super::streams::PmtStreams;
pub use super::streams::StreamInfo;
use super::sync::{Framer, Stride, SyncPiece};
use super::video::VideoStream;
use crate::codec::aac::AdtsCounters;
use crate::codec::access_unit::UnitSink;
use crate::codec::h264::{AccessUnitOrigin, H264Counters};

const PAT_PID: u16 = 0;

/// Takes an MPEG-TS apart.
pub struct Demux {
    framer: Framer,
    recent: RecentDatagrams,
    multiplex: Multiplex,
}

impl Demux {
    /// A demultiplexer for the programme of this number, or by default for the first one with a
    /// picture that can be carried.
    pub fn new(programme: Option<u16>) -> Demux {
        Demux {
            framer: Framer::default(),
            recent: RecentDatagrams::default(),
            multiplex: Multiplex::new(programme),
        }
    }

    /// Takes a datagram: TS packets of 188 or 204 bytes, bare or in RTP, whole or not.
    pub fn datagram<S: UnitSink + ?Sized>(&mut self, bytes: &[u8], sink: &mut S) {
        let Demux { framer, recent, multiplex } = self;
        let mut packets = bytes;
        if !framer.continues(bytes) {
            let unwrapped = rtp::payload(bytes);
            packets = unwrapped.unwrap_or(bytes);
            // A piece of a byte stream may well look like another; whole packets do not.
            let is_whole = unwrapped.is_some() || Stride::of_whole_packets(bytes).is_some();
            if is_whole && recent.is_repeated(bytes) {
                multiplex.counters.duplicate_packets += meaning_packets(packets);
                return;
            }
        }
        multiplex.datagram();
        framer.datagram(packets, |piece| match piece {
            SyncPiece::Packet(packet) => multiplex.packet(packet, sink),
            SyncPiece::Gap => multiplex.gap(sink),
        });
        multiplex.counters.sync_lost_bytes = framer.lost_bytes();
    }

    /// Takes the next bytes of a file. No network has doubled, wrapped or delayed anything in
    /// them: parts that are equal are equal, and follow each other as they stand. `place` is where
    /// they stand in the file.
    pub fn file_part<S: UnitSink + ?Sized>(&mut self, place: u64, bytes: &[u8], sink: &mut S) {
        let Demux { framer, multiplex, .. } = self;
        multiplex.place = place;
        framer.datagram(bytes, |piece| match piece {
            SyncPiece::Packet(packet) => multiplex.packet(packet, sink),
            SyncPiece::Gap => multiplex.gap(sink),
        });
        multiplex.counters.sync_lost_bytes = framer.lost_bytes();
    }

    /// The next bytes stand elsewhere in the same file: what is open is given up, grid and clock
    /// are forgotten. Tables, parameter sets and what was learnt stay: what comes may be far from
    /// the next PAT. Video units are left out until one states its time, if `needs_time`.
    pub fn jump<S: UnitSink + ?Sized>(&mut self, needs_time: bool, sink: &mut S) {
        self.framer.reset();
        self.multiplex.jump(needs_time, sink);
    }

    /// Where the video unit begun since the last call can be found once more; if there were
    /// several, the last key unit.
    pub fn take_begun(&mut self) -> Option<AccessUnitOrigin> {
        self.multiplex.video.as_mut().and_then(VideoStream::take_begun)
    }

    /// The file has ended: the video unit in hand is whole, unless its length or a packet cut
    /// short says otherwise.
    pub fn finish<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if self.framer.is_inside() {
            self.multiplex.gap(sink);
        } else {
            self.multiplex.finish(sink);
        }
        self.jump(false, sink);
    }

    /// PID of the video stream carried.
    pub fn video_pid(&self) -> Option<u16> {
        self.multiplex.video.as_ref().map(|video| video.pid)
    }

    /// What the units of the video stream carried came to, since it was taken.
    pub fn video_counters(&self) -> Option<H264Counters> {
        self.multiplex.video.as_ref().map(VideoStream::unit_counters)
    }

    /// PID of the audio stream carried, or of one that may prove to be AAC.
    pub fn audio_pid(&self) -> Option<u16> {
        self.multiplex.audio.as_ref().map(|audio| audio.pid)
    }

    /// What the frames of that audio stream came to, since it was taken.
    pub fn audio_counters(&self) -> Option<AdtsCounters> {
        self.multiplex.audio.as_ref().map(AudioStream::frame_counters)
    }

    /// Whether an audio stream is carried, or may prove to be one that can be.
    pub fn has_audio(&self) -> bool {
        self.multiplex.audio.is_some()
    }

    /// The source changed or fell silent: what is open is given up; grid, tables, clock and
    /// configurations are forgotten. The counters go on. The sink is told the configurations
    /// again, be they the same, and likewise when a PMT gives a track another PID.
    pub fn reset<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.framer.reset();
        self.recent = RecentDatagrams::default();
        self.multiplex.reset(sink);
        self.multiplex.counters.sync_lost_bytes = self.framer.lost_bytes();
    }

    /// What went wrong or was put right.
    pub fn counters(&self) -> &TsCounters {
        &self.multiplex.counters
    }

    /// Where the choice of the programme stands.
    pub fn programme_state(&self) -> ProgrammeState {
        self.multiplex.programmes.state()
    }

    /// The programme taken.
    pub fn programme_number(&self) -> Option<u16> {
        self.multiplex.programmes.taken()
    }

    /// Programmes the PAT lists, as far as they are remembered.
    pub fn programmes(&self) -> usize {
        self.multiplex.programmes.count()
    }

    /// Their numbers, in the order of the PAT.
    pub fn programme_numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.multiplex.programmes.numbers()
    }

    /// The elementary streams of the programme taken, in the order of its PMT.
    pub fn streams(&self) -> impl Iterator<Item = StreamInfo> + '_ {
        self.multiplex.streams.infos()
    }
}

/// How many of these whole packets are not null packets, of which a constant bit rate makes
/// datagrams that are all alike.
fn meaning_packets(packets: &[u8]) -> u64 {
    let stride = Stride::of_whole_packets(packets).map_or(PACKET_BYTES, Stride::bytes);
    let packets = packets.chunks_exact(stride).filter_map(<[u8]>::first_chunk);
    let pids = packets.filter_map(|packet| Packet::parse(packet).ok()).map(|packet| packet.pid);
    pids.fold(0, |count, pid| count + u64::from(pid != NULL_PID))
}

/// Everything behind the packet grid.
struct Multiplex {
    wanted: Option<u16>,
    counters: TsCounters,
    pat: SectionReader,
    pmts: SectionReaders,
    programmes: Programmes,
    streams: PmtStreams,
    clock: Clock,
    /// Where the packet in hand stands in a file.
    place: u64,
    video: Option<VideoStream>,
    audio: Option<AudioStream>,
}

impl Multiplex {
    fn new(wanted: Option<u16>) -> Multiplex {
        Multiplex {
            wanted,
            counters: TsCounters::default(),
            pat: SectionReader::new(),
            pmts: SectionReaders::new(),
            programmes: Programmes::new(wanted),
            streams: PmtStreams::default(),
            clock: Clock::default(),
            place: 0,
            video: None,
            audio: None,
        }
    }

    fn reset<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        self.take_streams(PmtStreams::default(), sink);
        *self = Multiplex { counters: self.counters, ..Multiplex::new(self.wanted) };
    }

    fn datagram(&mut self) {
        if let Some(video) = &mut self.video {
            video.datagram();
        }
        if let Some(audio) = &mut self.audio {
            audio.datagram();
        }
    }

    fn packet<S: UnitSink + ?Sized>(&mut self, bytes: &[u8; PACKET_BYTES], sink: &mut S) {
        let packet = match Packet::parse(bytes) {
            Ok(packet) if packet.pid == NULL_PID => return,
            Ok(packet) => packet,
            Err(_) => {
                self.counters.unusable_packets += 1;
                return;
            }
        };
        let Multiplex { video, audio, clock, counters, streams, place, .. } = self;
        if let Some(video) = video.as_mut().filter(|video| video.pid == packet.pid) {
            video.packet(&packet, *place, clock, counters, sink);
        } else if let Some(audio) = audio.as_mut().filter(|audio| audio.pid == packet.pid) {
            let was_adts = audio.is_adts;
            audio.packet(&packet, clock, counters, sink);
            if audio.is_adts && !was_adts {
                streams.audio_is_adts();
            }
        } else if packet.pid == PAT_PID {
            self.pat_packet(&packet, sink);
        } else if self.programmes.has_pmt_on(packet.pid) {
            self.pmt_packet(&packet, sink);
        }
    }

    /// Datagrams are missing, maybe 16 packets of a PID, which its counter would not show.
    fn gap<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if let Some(video) = &mut self.video {
            video.give_up(&mut self.counters, sink);
        }
        if let Some(audio) = &mut self.audio {
            audio.give_up(&mut self.counters, sink);
        }
    }

    fn jump<S: UnitSink + ?Sized>(&mut self, needs_time: bool, sink: &mut S) {
        self.pat.reset();
        self.pmts = SectionReaders::new();
        self.clock = Clock::default();
        if let Some(video) = &mut self.video {
            video.jump(needs_time, sink);
        }
        if let Some(audio) = &mut self.audio {
            audio.jump(&mut self.counters, sink);
        }
    }

    fn finish<S: UnitSink + ?Sized>(&mut self, sink: &mut S) {
        if let Some(video) = &mut self.video {
            video.finish(&mut self.counters, sink);
        }
    }

    fn pat_packet<S: UnitSink + ?Sized>(&mut self, packet: &Packet<'_>, sink: &mut S) {
        let programmes = &mut self.programmes;
        let given_up = self.pat.packet(packet, |section| programmes.pat(&section));
        self.counters.continuity_errors += u64::from(given_up);
        if self.programmes.taken().is_none() {
            self.take_streams(PmtStreams::default(), sink);
        }
    }

    fn pmt_packet<S: UnitSink + ?Sized>(&mut self, packet: &Packet<'_>, sink: &mut S) {
        let taken = self.programmes.taken();
        let programmes = &mut self.programmes;
        let mut streams = None;
        let given_up = self.pmts.packet(packet, |section| {
            if let Some(found) = programmes.pmt(packet.pid, &section) {
                streams = Some(found);
            }
        });
        self.counters.continuity_errors += u64::from(given_up);
        if let Some(streams) = streams {
            self.take_streams(streams, sink);
        } else if self.programmes.taken() != taken {
            // Another programme was taken whose PMT is not this one: its streams come with it.
            self.take_streams(PmtStreams::default(), sink);
        }
    }

    /// The programme's streams are now these. Those that stay as they are are not disturbed.
    fn take_streams<S: UnitSink + ?Sized>(&mut self, mut streams: PmtStreams, sink: &mut S) {
        let counters = &mut self.counters;
        if self.video.as_ref().map(|video| video.pid) != streams.video {
            if let Some(video) = &mut self.video {
                video.give_up(counters, sink);
            }
            self.video = streams.video.map(VideoStream::new);
        }
        let proven = self.audio.as_ref().filter(|audio| audio.is_adts).map(|audio| audio.pid);
        if proven.is_some() && streams.audio_maybe == proven {
            streams.audio_is_adts();
        }
        let wanted = streams.audio.or(streams.audio_maybe);
        let is_adts = streams.audio.is_some();
        let same = self.audio.as_ref().map(|audio| (audio.pid, audio.is_adts));
        if same != wanted.map(|pid| (pid, is_adts)) {
            if let Some(audio) = &mut self.audio {
                audio.give_up(counters, sink);
            }
            self.audio = wanted.map(|pid| AudioStream::new(pid, is_adts));
        }
        self.streams = streams;
    }
}

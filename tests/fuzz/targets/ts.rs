//! MPEG-TS: datagrams into the demultiplexer. The first byte of an input says how many packets a
//! datagram holds, and whether the CRCs of sections are put right, without which hardly a mutated
//! table would be read.

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::container::{ContainerReader, Progress};
use streamcaster::ts::demux::Demux;
use streamcaster::ts::file::TsFile;
use streamcaster::ts::plausible::is_plausible;

const PACKET_BYTES: usize = 188;

/// Feeds an input, and holds the demultiplexer to the contract of its sink.
pub fn run(input: &[u8]) {
    let mut demux = Demux::new(None);
    let mut judge = Judge::default();
    for datagram in datagrams(input) {
        is_plausible(&datagram);
        demux.datagram(&datagram, &mut judge);
    }
    for stream in demux.streams() {
        assert!(stream.carried || !stream.reason.is_empty(), "what is left out has a reason");
    }
    demux.reset(&mut judge);
    judge.assert_closed();
    // A start code of three bytes becomes a length of four.
    assert!(judge.largest <= 2 * input.len(), "a unit of {} bytes", judge.largest);
    assert_eq!(demux.streams().count(), 0);
    let file: Vec<u8> = datagrams(input).flatten().collect();
    play(&mut file.as_slice());
}

/// Reads the same bytes as a file, to its end, from two places.
fn play(file: &mut &[u8]) {
    let Ok(mut reader) = TsFile::open(file) else { return };
    assert!(reader.contents().duration.is_none_or(|duration| duration > Ticks(0)));
    let mut judge = Judge::default();
    for to in [Ticks(0), Ticks(90_000)] {
        reader.seek(file, to, &mut judge).expect("memory does not fail");
        while reader.next(file, &mut judge).expect("memory does not fail") == Progress::More {}
        assert!(judge.open.iter().all(Option::is_none), "nothing is open at the end");
    }
}

/// An input's datagrams.
pub fn datagrams(input: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let (first, stream) = input.split_first().unwrap_or((&0, &[]));
    let bytes = (1 + usize::from(first & 7)) * PACKET_BYTES + usize::from(first >> 3 & 7) * 2;
    let repairs = first & 0x80 != 0;
    stream.chunks(bytes).map(move |datagram| {
        let mut datagram = datagram.to_vec();
        if repairs {
            datagram.chunks_exact_mut(PACKET_BYTES).for_each(repair);
        }
        datagram
    })
}

/// Puts the CRC of a section right that begins and ends in this packet.
fn repair(packet: &mut [u8]) {
    let [0x47, flags, _, 0x10..=0x1f, 0, table @ (0 | 2), length_high, length_low, ..] = *packet
    else {
        return;
    };
    let bytes = 3 + usize::from(length_high & 0x0f) * 256 + usize::from(length_low);
    let section = packet.get_mut(5..5 + bytes).filter(|_| flags & 0x40 != 0 && table <= 2);
    if let Some((body, crc)) = section.and_then(|section| section.split_last_chunk_mut::<4>()) {
        *crc = crc32(body).to_be_bytes();
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// A sink that stores nothing and believes nothing.
#[derive(Default)]
pub struct Judge {
    /// Bytes of each track's open unit.
    open: [Option<usize>; 2],
    configured: [bool; 2],
    /// Bytes of the largest unit.
    largest: usize,
}

impl Judge {
    /// Every unit was closed.
    pub fn assert_closed(&self) {
        assert!(self.open.iter().all(Option::is_none), "a unit is left open");
    }

    fn open(&mut self, track: Track) -> &mut Option<usize> {
        let [video, audio] = &mut self.open;
        match track {
            Track::Video => video,
            Track::Audio => audio,
        }
    }
}

impl UnitSink for Judge {
    fn config(&mut self, config: &TrackConfig) {
        let track = config.track();
        assert!(self.open(track).is_none(), "a configuration in the middle of a unit");
        assert!(!config.record().is_empty());
        if let Some(configured) = self.configured.get_mut(track as usize) {
            *configured = true;
        }
    }

    fn begin(&mut self, start: UnitStart) {
        assert!(self.configured.get(start.track as usize) == Some(&true), "no configuration");
        assert!(start.pts >= start.dts);
        assert!((start.track == Track::Video || !start.key));
        assert!(self.open(start.track).replace(0).is_none(), "a unit within a unit");
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        let written = self.open(track).as_mut().expect("an open unit");
        *written += bytes.len();
        self.largest = self.largest.max(self.open(track).unwrap_or(0));
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        let written = self.open(track).expect("an open unit");
        let nal = u32::from_be_bytes(bytes) as usize;
        assert!(offset + 4 + nal <= written, "{nal} bytes at {offset} of {written}");
    }

    fn commit(&mut self, track: Track) {
        let written = self.open(track).take().expect("an open unit");
        assert!(written > 0 || track == Track::Audio, "a picture of nothing");
    }

    fn abort(&mut self, track: Track) {
        self.open(track).take().expect("an open unit");
    }
}

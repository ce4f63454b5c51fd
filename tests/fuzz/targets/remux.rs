//! TS re-mux: media of a synthetic encoder, packed in a legal way that an input describes (units per
//! PES and PES per unit, stated lengths, stuffing, tables, interleave), cut into datagrams of any
//! size, must come out as the units that went in.

use fastrand::Rng;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::ts::demux::Demux;
use test_support::ts::{Muxer, Stated};
use test_support::{aac, h264, units};

use super::take::Take;

const START: i64 = 900_000;

/// Encodes, packs, takes apart, compares.
pub fn run(input: &[u8]) {
    let mut take = Take(input);
    let rng = &mut Rng::with_seed(u64::from(take.word()));
    let encoder = h264::Encoder::random(rng);
    let mut muxer = Muxer::random(rng);
    muxer.trailing_zero = take.byte() & 1 != 0;
    let stuffed_percent = take.byte() % 20;
    // Where no length is stated, stuffing is not to be told from an end.
    if muxer.stated == Stated::Yes {
        muxer.stuffed_percent = stuffed_percent;
    }
    muxer.private_percent = take.byte() % 30;
    muxer.header_stuffing = take.byte() % 60;
    let frames = 4 + i64::from(take.byte() % 24);
    let sound = aac::Encoder::default();
    let mut units = encoder.encode(frames, START, rng);
    let end = units.last().map_or(START, |unit| unit.dts);
    units.extend(sound.encode(START, end, rng));
    let muxed = muxer.mux(&units, &sound, rng);

    let (mut came, mut demux) = (Came::default(), Demux::new(None));
    let mut rest = &muxed.bytes[..];
    // Where packets lie is to be seen in the first; after that a datagram may be of any size.
    let mut bytes = 188 * 7;
    while !rest.is_empty() {
        let (datagram, behind) = rest.split_at_checked(bytes).unwrap_or((rest, &[]));
        demux.datagram(datagram, &mut came);
        rest = behind;
        bytes = match take.byte() {
            0 => 188 * 7,
            size => usize::from(size) * 8,
        };
    }
    demux.finish(&mut came);
    for (track, of) in [(Track::Video, units::Track::Video), (Track::Audio, units::Track::Audio)] {
        let sent = units.iter().filter(|unit| unit.track == of);
        let is_key = |unit: &units::AccessUnit| unit.key && track == Track::Video;
        let sent: Vec<_> = sent.map(|unit| (is_key(unit), unit.payload())).collect();
        let came: Vec<_> = came.units.iter().filter(|(start, _)| start.track == track).collect();
        assert_eq!(came.len(), sent.len(), "{track:?} {muxer:?} {:?}", demux.counters());
        for (number, ((start, payload), sent)) in came.into_iter().zip(&sent).enumerate() {
            assert_eq!((start.key, payload), (sent.0, &sent.1), "{track:?} {number} {muxer:?}");
        }
    }
}

/// Keeps what is whole.
#[derive(Default)]
struct Came {
    open: [Option<(UnitStart, Vec<u8>)>; 2],
    units: Vec<(UnitStart, Vec<u8>)>,
}

impl Came {
    fn open(&mut self, track: Track) -> &mut Option<(UnitStart, Vec<u8>)> {
        let [video, audio] = &mut self.open;
        match track {
            Track::Video => video,
            Track::Audio => audio,
        }
    }
}

impl UnitSink for Came {
    fn config(&mut self, _: &TrackConfig) {}

    fn begin(&mut self, start: UnitStart) {
        assert!(self.open(start.track).replace((start, Vec::new())).is_none(), "within a unit");
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.open(track).as_mut().expect("an open unit").1.extend_from_slice(bytes);
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        let (_, payload) = self.open(track).as_mut().expect("an open unit");
        payload.get_mut(offset..offset + 4).expect("written before").copy_from_slice(&bytes);
    }

    fn commit(&mut self, track: Track) {
        let unit = self.open(track).take().expect("an open unit");
        self.units.push(unit);
    }

    fn abort(&mut self, track: Track) {
        self.open(track).take().expect("an open unit");
    }
}

//! What is stored, looked at as it is. Bound: what was handed over and not seen yet.

use std::collections::HashSet;

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::Track;
use streamcaster::flv::tag::{self, AacPacket};
use streamcaster::program::reader::{ReadOrder, Reader, ReaderStep};
use streamcaster::program::ring::{Lookup, Ring};
use streamcaster::program::source::Source;
use streamcaster::program::switcher::Switcher;
use streamcaster::program::unit::Unit;

use super::recording::{config, Identity, SOURCES};

/// What units of a track are apart at least.
const STEP_MIN: Ticks = Ticks(90);

/// Takes the ring's units, and has readers of every order step behind it.
pub struct Viewer {
    read: u64,
    /// Whole, and not seen yet.
    pending: HashSet<Identity>,
    last_ms: [Option<i64>; 2],
    /// The newest unit of each track.
    newest: [Option<Identity>; 2],
    /// What was added to the newest picture's time, if that is known.
    offset: Option<Ticks>,
    video_dts: Ticks,
    /// When the picture shown last is shown.
    shown_ms: Option<i64>,
    readers: [(Reader, [Option<u32>; 2]); 3],
}

impl Default for Viewer {
    fn default() -> Viewer {
        let orders = [ReadOrder::Arrival, ReadOrder::Viewer, ReadOrder::Time];
        Viewer {
            read: 0,
            pending: HashSet::new(),
            last_ms: [None; 2],
            newest: [None; 2],
            offset: None,
            video_dts: Ticks(0),
            shown_ms: None,
            readers: orders.map(|order| (Reader::ordered(order), [None; 2])),
        }
    }
}

impl Viewer {
    /// This one is whole.
    pub fn sent(&mut self, unit: Option<Identity>) {
        self.pending.extend(unit);
    }

    /// Looks at what is new: of one of these sources.
    pub fn look(&mut self, switcher: &Switcher, sources: [Source; 2]) {
        let ring = switcher.ring();
        for seq in self.read..ring.head() {
            let Lookup::Unit(unit) = ring.get(seq) else { panic!("unit {seq} is held") };
            let dts_ms = unit.dts.to_ms();
            let last = self.last_ms[unit.track as usize].replace(dts_ms);
            assert!(last.is_none_or(|last| last < dts_ms), "{:?}: {dts_ms}", unit.track);
            assert!(ring.config(unit.track, unit.configs[unit.track]).is_some());
            let body = ring.payload(&unit).concat();
            let identity = match unit.track {
                Track::Video => Some(self.video(&unit, &body)),
                Track::Audio => audio(&body),
            };
            let Some(identity) = identity else { continue };
            self.follows(ring, &unit, identity);
            let source = SOURCES[usize::from(identity.source)];
            assert!(sources.contains(&source), "{source:?} is not on air: {identity:?}");
        }
        self.read = ring.head();
        for (reader, last_ms) in &mut self.readers {
            step(reader, last_ms, ring);
        }
    }

    /// A unit of a source is stored once, in its order, with its configuration.
    fn follows(&mut self, ring: &Ring, unit: &Unit, identity: Identity) {
        assert!(self.pending.remove(&identity), "not whole, or twice: {identity:?}");
        let side = unit.track as usize;
        let last = self.newest[side].replace(identity);
        if let Some(last) = last.filter(|last| last.source == identity.source) {
            let grows = (last.play, last.number) < (identity.play, identity.number);
            assert!(grows || last.play > identity.play, "{identity:?} behind {last:?}");
        }
        let known = ring.config(unit.track, unit.configs[unit.track]).expect("looked at before");
        let own = config(unit.track, identity.source, identity.version);
        assert_eq!(known.record(), own.record(), "{identity:?}");
    }

    fn video(&mut self, unit: &Unit, body: &[u8]) -> Identity {
        let (header, mut rest) = tag::parse_video(body).expect("our own header");
        assert_eq!(header.key, unit.key);
        let mut nals = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk() {
            let nal = behind.split_at_checked(u32::from_be_bytes(*length) as usize);
            let (nal, behind) = nal.expect("a whole NAL unit");
            nals.push(nal);
            rest = behind;
        }
        let (nal, sets) = nals.split_last().expect("a slice");
        assert!(sets.is_empty() || sets.len() == 2 && unit.key, "{} units before it", sets.len());
        let identity = Identity::read(nal, false).expect("whole");
        assert_eq!(unit.key, nal.first() == Some(&0x65));

        let last = self.newest[0];
        let begins =
            last.map(|last| (last.source, last.play)) != Some((identity.source, identity.play));
        assert!(unit.key || !begins, "a recording begins with a key unit: {identity:?}");
        let offset = unit.dts - Ticks(identity.dts);
        // A unit that had to give way to the one before it says nothing of the offset.
        let offset = Some(offset).filter(|_| unit.dts != self.video_dts + STEP_MIN);
        let known = std::mem::replace(&mut self.offset, offset).zip(offset);
        let jumps = last.is_some_and(|last| identity.dts < last.dts)
            || known.is_some_and(|(known, offset)| known != offset);
        let shown_ms = unit.dts.to_ms() + i64::from(header.composition_ms);
        assert!(
            !begins && !jumps || self.shown_ms < Some(shown_ms),
            "{identity:?} is shown at {shown_ms}, {:?} was before",
            self.shown_ms
        );
        self.video_dts = unit.dts;
        self.shown_ms = self.shown_ms.max(Some(shown_ms));
        identity
    }
}

/// `None`: silence that stands in.
fn audio(body: &[u8]) -> Option<Identity> {
    let (packet, frame) = tag::parse_audio(body).expect("our own header");
    assert_eq!(packet, AacPacket::Raw);
    let identity = Identity::read(frame, true);
    let is_ours = matches!(frame, &[0x21, 0x80..=0xff, ..]);
    assert_eq!(identity.is_some(), is_ours, "not whole");
    identity
}

/// A reader goes on: its time grows, and what it is to send is remembered.
fn step(reader: &mut Reader, last_ms: &mut [Option<u32>; 2], ring: &Ring) {
    loop {
        match reader.step(ring) {
            ReaderStep::Wait => return,
            ReaderStep::Configure { changed, .. } => {
                for (track, generation) in changed.iter() {
                    let missing = generation.is_some_and(|g| ring.config(track, g).is_none());
                    assert!(!missing, "a configuration to be sent is remembered");
                }
            }
            ReaderStep::Send { unit, timestamp_ms } => {
                assert!(ring.holds(&unit));
                let last = last_ms[unit.track as usize].replace(timestamp_ms);
                assert!(last.is_none_or(|last| last < timestamp_ms), "a reader's time grows");
                reader.sent(&unit);
            }
        }
    }
}

//! Access units on their way from a file's reader to the programme. Purpose: what a reader says to
//! a [`UnitSink`] is written down, payload and all, in pieces of a fixed size that go round between
//! the thread that may wait for the disk and the one that must not. Non-goals: threads, time.
//! Bounds: [`READ_AHEAD_BYTES`], [`READ_AHEAD_CALLS_MAX`] and [`READ_AHEAD_CONFIGS_MAX`], allocated once.

use std::ops::Range;

use crate::base::limits::{
    READ_AHEAD_BYTES, READ_AHEAD_CALLS_MAX, READ_AHEAD_CALL_BYTES, READ_AHEAD_CONFIGS_MAX,
    READ_AHEAD_CONFIG_BYTES,
};
use crate::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::per_track::PerTrack;

/// Some of what a reader said, in order.
pub struct ReadAhead {
    bytes: Vec<u8>,
    calls: Vec<Call>,
    configs: Vec<TrackConfig>,
    /// Units left out before they were written down.
    pub left_out: u64,
    /// What comes behind the last call.
    pub ending: Option<FileEnding>,
}

/// How a file's units end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEnding {
    /// That was all.
    Whole,
    /// The file cannot be read on; a sentence for a person.
    Failed(String),
}

/// A step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// The configuration of this number in the read-ahead buffer.
    Config(u8),
    /// A unit begins.
    Begin(UnitStart),
    /// These bytes of the read-ahead buffer are payload.
    Write(Track, u32, u32),
    /// Four bytes of the open unit become others.
    Patch(Track, u32, [u8; 4]),
    /// The open unit is whole.
    Commit(Track),
    /// The open unit is broken.
    Abort(Track),
}

const _: () = assert!(std::mem::size_of::<Call>() <= READ_AHEAD_CALL_BYTES);
const _: () = assert!(std::mem::size_of::<TrackConfig>() <= READ_AHEAD_CONFIG_BYTES);

impl Default for ReadAhead {
    fn default() -> ReadAhead {
        ReadAhead {
            bytes: Vec::with_capacity(READ_AHEAD_BYTES),
            calls: Vec::with_capacity(READ_AHEAD_CALLS_MAX),
            configs: Vec::with_capacity(READ_AHEAD_CONFIGS_MAX),
            left_out: 0,
            ending: None,
        }
    }
}

impl ReadAhead {
    /// Empties it, to be filled again.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.calls.clear();
        self.configs.clear();
        self.left_out = 0;
        self.ending = None;
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.ending.is_none()
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Says one of its calls again.
    pub(super) fn replay(&self, call: Call, sink: &mut dyn UnitSink) {
        match call {
            Call::Config(number) => {
                if let Some(config) = self.configs.get(usize::from(number)) {
                    sink.config(config);
                }
            }
            Call::Begin(start) => sink.begin(start),
            Call::Write(track, from, to) => {
                let range: Range<usize> = from as usize..to as usize;
                sink.write(track, self.bytes.get(range).unwrap_or_default());
            }
            Call::Patch(track, offset, bytes) => sink.patch(track, offset as usize, bytes),
            Call::Commit(track) => sink.commit(track),
            Call::Abort(track) => sink.abort(track),
        }
    }

    fn is_full(&self) -> bool {
        self.calls.len() >= READ_AHEAD_CALLS_MAX
    }

    /// Keeps as much of a payload as there is room for, and returns the rest.
    fn write<'b>(&mut self, track: Track, bytes: &'b [u8]) -> &'b [u8] {
        let from = self.bytes.len();
        let room = READ_AHEAD_BYTES.saturating_sub(from);
        let (now, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        let to = from + now.len();
        // Offsets stay below READ_AHEAD_BYTES.
        let (from, to) = (from as u32, to as u32);
        let full = self.is_full();
        match self.calls.last_mut() {
            Some(Call::Write(last, _, end)) if *last == track && *end == from => *end = to,
            _ if now.is_empty() || full => return bytes,
            _ => self.calls.push(Call::Write(track, from, to)),
        }
        self.bytes.extend_from_slice(now);
        rest
    }
}

/// Where filled read-ahead buffers go and empty ones come from.
pub trait ReadAheadQueue {
    /// Takes a filled read-ahead buffer and gives an empty one, after as long as it takes. `None`: nobody
    /// wants any more.
    fn swap(&mut self, full: ReadAhead) -> Option<ReadAhead>;
}

/// A sink that writes down, from the first key unit on. Once nobody wants any more it forgets what
/// it is told.
pub struct ReadAheadWriter<E> {
    read_ahead: Option<ReadAhead>,
    queue: E,
    /// A key unit has begun, and is not known to be broken before any picture was whole.
    begun: bool,
    /// A picture was whole.
    shown: bool,
    /// Whether each track's open unit is written down.
    kept: PerTrack<bool>,
    /// Units that became whole.
    whole: u64,
}

impl<E: ReadAheadQueue> ReadAheadWriter<E> {
    /// Begins with an empty read-ahead buffer.
    pub fn new(read_ahead: ReadAhead, queue: E) -> ReadAheadWriter<E> {
        ReadAheadWriter {
            read_ahead: Some(read_ahead),
            queue,
            begun: false,
            shown: false,
            kept: PerTrack::default(),
            whole: 0,
        }
    }

    /// Units written down whole so far.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// So many units were left out before they came here.
    pub fn leave_out(&mut self, units: u64) {
        if let Some(read_ahead) = &mut self.read_ahead {
            read_ahead.left_out += units;
        }
    }

    /// Whether somebody still wants what is written down.
    pub fn is_wanted(&self) -> bool {
        self.read_ahead.is_some()
    }

    /// Hands over what there is, though the read-ahead buffer is not full.
    pub fn flush(&mut self) {
        if self.read_ahead.as_ref().is_some_and(|read_ahead| !read_ahead.is_empty()) {
            self.turn();
        }
    }

    /// Nothing comes behind this.
    pub fn end(&mut self, ending: FileEnding) {
        if let Some(mut read_ahead) = self.read_ahead.take() {
            read_ahead.ending = Some(ending);
            self.queue.swap(read_ahead);
        }
    }

    /// The open unit of a track ends.
    fn close(&mut self, track: Track, call: Call) {
        if self.kept[track] {
            self.kept[track] = false;
            self.say(call);
        }
    }

    fn turn(&mut self) {
        if let Some(full) = self.read_ahead.take() {
            self.read_ahead = self.queue.swap(full);
        }
    }

    fn say(&mut self, call: Call) {
        if self.read_ahead.as_ref().is_some_and(ReadAhead::is_full) {
            self.turn();
        }
        if let Some(read_ahead) = &mut self.read_ahead {
            read_ahead.calls.push(call);
        }
    }
}

impl<E: ReadAheadQueue> UnitSink for ReadAheadWriter<E> {
    fn config(&mut self, config: &TrackConfig) {
        if self
            .read_ahead
            .as_ref()
            .is_some_and(|read_ahead| read_ahead.configs.len() >= READ_AHEAD_CONFIGS_MAX)
        {
            self.turn();
        }
        // First the room for the call, so that both stand in one read-ahead buffer.
        if self.read_ahead.as_ref().is_some_and(ReadAhead::is_full) {
            self.turn();
        }
        let Some(read_ahead) = &mut self.read_ahead else { return };
        // The number stays below READ_AHEAD_CONFIGS_MAX.
        let number = read_ahead.configs.len() as u8;
        read_ahead.configs.push(config.clone());
        self.say(Call::Config(number));
    }

    fn begin(&mut self, start: UnitStart) {
        self.begun |= start.key;
        self.kept[start.track] = self.begun;
        if self.begun {
            self.say(Call::Begin(start));
        }
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        let mut rest = if self.kept[track] { bytes } else { &[] };
        while !rest.is_empty() {
            let Some(read_ahead) = &mut self.read_ahead else { return };
            rest = read_ahead.write(track, rest);
            if !rest.is_empty() {
                self.turn();
            }
        }
    }

    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        // A unit is far smaller than 4 GiB; a patch behind that is none.
        if let Some(offset) = u32::try_from(offset).ok().filter(|_| self.kept[track]) {
            self.say(Call::Patch(track, offset, bytes));
        }
    }

    fn commit(&mut self, track: Track) {
        self.whole += u64::from(self.kept[track]);
        self.shown |= self.kept[track] && track == Track::Video;
        self.close(track, Call::Commit(track));
    }

    fn abort(&mut self, track: Track) {
        // What builds on a first key unit that is broken can never be shown: written down, it would
        // fill all read-ahead buffers before the next key unit comes.
        if track == Track::Video && self.kept[track] && !self.shown {
            self.begun = false;
        }
        self.close(track, Call::Abort(track));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Ticks;
    use crate::codec::collector::{Collector, Random};
    use crate::program::testing::{configs, Pile};

    fn start(track: Track, ms: i64) -> UnitStart {
        UnitStart {
            track,
            dts: Ticks::from_ms(ms),
            pts: Ticks::from_ms(ms),
            key: ms == 0 && track == Track::Video,
        }
    }

    /// Says the same to two sinks.
    fn say(random: &mut Random, units: i64, sinks: [&mut dyn UnitSink; 2]) {
        for sink in sinks {
            let mut random = Random(random.0);
            configs().iter().for_each(|config| sink.config(config));
            for n in 0..units {
                sink.begin(start(Track::Video, n));
                sink.begin(start(Track::Audio, n));
                for _ in 0..1 + random.below(4) {
                    sink.write(Track::Video, &vec![random.byte(); 4 + random.below(90_000)]);
                    sink.write(Track::Audio, &vec![random.byte(); random.below(300)]);
                }
                sink.patch(Track::Video, 0, [random.byte(); 4]);
                sink.commit(Track::Audio);
                match random.below(9) {
                    0 => sink.abort(Track::Video),
                    _ => sink.commit(Track::Video),
                }
            }
        }
    }

    fn replay(pile: &Pile) -> Collector {
        let mut heard = Collector::default();
        for read_ahead in pile.full.borrow().iter() {
            assert!(read_ahead.bytes.len() <= READ_AHEAD_BYTES);
            assert!(read_ahead.bytes.capacity() == READ_AHEAD_BYTES);
            assert!(read_ahead.calls.capacity() == READ_AHEAD_CALLS_MAX);
            read_ahead.calls().iter().for_each(|call| read_ahead.replay(*call, &mut heard));
        }
        heard
    }

    #[test]
    fn what_was_said_is_said_again_across_read_aheads() {
        let mut random = Random(11);
        let pile = Pile::default();
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
        let mut direct = Collector::default();
        say(&mut random, 40, [&mut direct, &mut writer]);
        writer.end(FileEnding::Whole);
        assert!(pile.full.borrow().len() > 8, "the units filled many buffers");
        assert_eq!(replay(&pile).said, direct.said);
        assert_eq!(
            pile.full.borrow().last().and_then(|last| last.ending.clone()),
            Some(FileEnding::Whole)
        );
    }

    #[test]
    fn what_stands_before_the_first_key_unit_is_left_out() {
        let pile = Pile::default();
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
        configs().iter().for_each(|config| writer.config(config));
        for (track, ms, key) in [(Track::Video, 1, false), (Track::Video, 2, true)] {
            writer.begin(start(Track::Audio, ms));
            writer.begin(UnitStart { key, ..start(track, ms) });
            writer.write(Track::Audio, &[1]);
            writer.write(track, &[2; 5]);
            writer.patch(track, 0, [3; 4]);
            writer.commit(track);
            writer.commit(Track::Audio);
            writer.begin(start(Track::Audio, ms + 10));
            writer.commit(Track::Audio);
        }
        writer.flush();
        let heard = replay(&pile);
        assert_eq!(heard.configs().len(), 2);
        let units: Vec<_> = heard.units().into_iter().map(|(unit, _)| unit.dts.to_ms()).collect();
        assert_eq!(units, [2, 12], "the key unit and what began behind it");
        assert_eq!(writer.whole(), 2);
    }

    #[test]
    fn behind_a_first_key_unit_that_breaks_the_next_one_is_waited_for() {
        let pile = Pile::default();
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
        configs().iter().for_each(|config| writer.config(config));
        let unit = |writer: &mut ReadAheadWriter<Pile>, ms: i64, key: bool, is_whole: bool| {
            writer.begin(UnitStart { key, ..start(Track::Video, ms) });
            writer.write(Track::Video, &[1; 5]);
            match is_whole {
                true => writer.commit(Track::Video),
                false => writer.abort(Track::Video),
            }
        };
        unit(&mut writer, 1, true, false);
        unit(&mut writer, 2, false, true);
        unit(&mut writer, 3, true, true);
        writer.begin(start(Track::Audio, 4));
        writer.abort(Track::Audio);
        // Later ones cost themselves alone.
        unit(&mut writer, 5, true, false);
        unit(&mut writer, 6, false, true);
        writer.flush();
        let units: Vec<_> =
            replay(&pile).units().into_iter().map(|(unit, _)| unit.dts.to_ms()).collect();
        assert_eq!((units, writer.whole()), (vec![3, 6], 2));
    }

    #[test]
    fn many_small_calls_and_configurations_fill_a_read_ahead_too() {
        let pile = Pile::default();
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
        let mut direct = Collector::default();
        for n in 0..2_000 {
            let sinks: [&mut dyn UnitSink; 2] = [&mut direct, &mut writer];
            for sink in sinks {
                if n % 300 < 12 {
                    let [avc, aac] = configs();
                    let TrackConfig::Avc(mut avc) = avc else { unreachable!() };
                    avc.width = 100 + n;
                    sink.config(&TrackConfig::Avc(avc));
                    if n == 0 {
                        sink.config(&aac);
                    }
                }
                let track = if n == 0 { Track::Video } else { Track::Audio };
                sink.begin(start(track, i64::from(n)));
                sink.write(track, &n.to_be_bytes());
                sink.commit(track);
            }
        }
        writer.flush();
        assert_eq!(replay(&pile).said, direct.said);
    }

    #[test]
    fn nobody_who_wants_it_is_no_reason_to_grow() {
        let pile = Pile { room: Some(2), ..Pile::default() };
        let mut writer = ReadAheadWriter::new(ReadAhead::default(), pile.clone());
        let mut nowhere = Collector::default();
        say(&mut Random(3), 40, [&mut nowhere, &mut writer]);
        assert!(!writer.is_wanted());
        writer.end(FileEnding::Whole);
        assert_eq!(pile.full.borrow().len(), 2);
    }
}

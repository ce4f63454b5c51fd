//! MPEG-TS: the demultiplexer on datagrams of any size, and the reader of files.

use std::collections::HashMap;

use fastrand::Rng;
use streamcaster::base::time::Ticks;
use streamcaster::codec::container::{ContainerReader, Progress};
use streamcaster::ts::demux::Demux;
use streamcaster::ts::file::TsFile;
use test_support::recipes::{transport_streams, Recipe};
use test_support::ts::{Muxed, Muxer};
use test_support::units::{AccessUnit, Track};
use test_support::{aac, h264};

use super::compared::{difference, kinds, of_track};
use crate::recorder::Recorder;

const START: i64 = 900_000;

/// Media of a recipe, and its transport stream.
pub struct Stream {
    pub units: Vec<AccessUnit>,
    pub muxed: Muxed,
    /// The first unit whose times can be known exactly.
    pub timed_from: usize,
}

impl Stream {
    pub fn new(encoder: &h264::Encoder, muxer: &Muxer, frames: i64, seed: u64) -> Stream {
        let rng = &mut Rng::with_seed(seed);
        let sound = aac::Encoder::default();
        let mut units = encoder.encode(frames, START, rng);
        let end = units.last().map_or(START, |unit| unit.dts);
        let timed_by_sps = encoder.timing;
        units.extend(sound.encode(START, end, rng));
        let muxed = muxer.mux(&units, &sound, rng);
        // Without a frame rate in the SPS, frames are taken to last 3600 ticks until two times were
        // stated; those that last less are then ahead, and caught up with.
        let all_timed = muxed.timed.len() as i64 == frames;
        let frame = encoder.durations.first().copied().unwrap_or(3600);
        let caught_up =
            muxed.timed.get(1).map(|n| n * 3600usize.div_ceil(frame as usize).max(1) + 1);
        let timed_from =
            if all_timed || timed_by_sps { 0 } else { caught_up.unwrap_or(usize::MAX) };
        Stream { units, muxed, timed_from }
    }

    fn differences(&self, came: &Recorder, shift: i64) -> Option<String> {
        let video = of_track(&self.units, Track::Video, shift);
        let audio = of_track(&self.units, Track::Audio, shift);
        difference(&video, &came.video(), self.timed_from, 0)
            .map(|what| format!("video: {what}"))
            // The encoder's rounding and the reader's.
            .or_else(|| {
                difference(&audio, &came.audio(), 0, 2).map(|what| format!("sound: {what}"))
            })
    }

    /// In datagrams of any size.
    pub fn demultiplexed(&self, seed: u64) -> (Recorder, Demux) {
        let rng = &mut Rng::with_seed(seed);
        let (mut came, mut demux) = (Recorder::default(), Demux::new(None));
        let mut rest = &self.muxed.bytes[..];
        while !rest.is_empty() {
            // Where packets lie is to be seen in the first; after that it may be any size.
            let is_first = rest.len() == self.muxed.bytes.len();
            let is_whole = is_first || rng.bool();
            let bytes = if is_whole { 188 * rng.usize(3..=7) } else { rng.usize(1..2000) };
            let (datagram, behind) = rest.split_at_checked(bytes).unwrap_or((rest, &[]));
            demux.datagram(datagram, &mut came);
            rest = behind;
        }
        demux.finish(&mut came);
        (came, demux)
    }

    fn demux_fault(&self, seed: u64) -> Option<String> {
        let (came, demux) = self.demultiplexed(seed);
        let counters = demux.counters();
        let wrong = counters.broken_units + counters.early_end_failures;
        self.differences(&came, 0)
            .map(|what| format!("{what}; {counters:?}"))
            .or_else(|| (wrong > 0).then(|| format!("counted as wrong: {counters:?}")))
    }

    /// As a file: from its beginning, and from the key unit before any time.
    fn file_fault(&self, seed: u64) -> Option<String> {
        let mut file = self.muxed.bytes.as_slice();
        let mut reader = match TsFile::open(&mut file) {
            Ok(reader) => reader,
            Err(error) => return Some(format!("not opened: {error}")),
        };
        let came = played(&mut reader, &mut file, usize::MAX);
        // What the file's beginning did not tell its end has, by the time it is opened.
        let whole = self.differences(&came, START);
        if whole.is_some() {
            return whole.map(|what| format!("played: {what}"));
        }
        let video = of_track(&self.units, Track::Video, START);
        let length = video.last().map_or(0, |unit| unit.dts);
        let rng = &mut Rng::with_seed(seed);
        for _ in 0..6 {
            let to = rng.i64(1..=length);
            let found =
                reader.seek(&mut file, Ticks(to), &mut Recorder::default()).expect("memory");
            let key = video.iter().rposition(|unit| unit.key && unit.dts <= to).unwrap_or(0);
            let came = played(&mut reader, &mut file, 30);
            let there = came.video();
            let wanted = video.get(key..).unwrap_or_default();
            let wanted = wanted.get(..there.len()).unwrap_or(wanted);
            let timed_from = if key >= self.timed_from { 0 } else { usize::MAX };
            let fault = difference(wanted, &there, timed_from, 0);
            let fault = fault.or_else(|| {
                let first = wanted.first().map(|unit| unit.dts);
                let is_there = there.len().min(30) == wanted.len().min(30) && !there.is_empty();
                (!is_there || (timed_from == 0 && Some(found.0) != first))
                    .then(|| format!("{found:?} for {first:?}, {} units", there.len()))
            });
            if fault.is_some() {
                return fault.map(|what| format!("sought {to}, unit {key}: {what}"));
            }
        }
        None
    }
}

/// Reads on until so many units of video have come.
fn played(reader: &mut TsFile, file: &mut &[u8], units: usize) -> Recorder {
    let mut came = Recorder::default();
    while came.video().len() < units {
        if reader.next(file, &mut came).expect("memory does not fail") == Progress::End {
            break;
        }
    }
    reader.give_up(&mut came);
    came
}

/// A failure names everything that fails.
fn assert_none(faults: Vec<String>, of: usize) {
    assert!(faults.is_empty(), "{} of {of} fail:\n{}", faults.len(), faults.join("\n"));
}

fn faults_of_recipes(fault: impl Fn(&Stream, u64) -> Option<String>) {
    let recipes = transport_streams();
    let of = |recipe: &Recipe| {
        (1..=3).find_map(|seed| {
            let stream = Stream::new(&recipe.encoder, &recipe.muxer, 150, seed);
            fault(&stream, seed).map(|what| format!("{}, seed {seed}: {what}", recipe.name))
        })
    };
    assert_none(recipes.iter().filter_map(of).collect(), recipes.len());
}

fn faults_of_chance(seeds: u64, fault: impl Fn(&Stream, u64) -> Option<String>) {
    let of = |seed| {
        let rng = &mut Rng::with_seed(seed);
        let (encoder, muxer) = (h264::Encoder::random(rng), Muxer::random(rng));
        let stream = Stream::new(&encoder, &muxer, 150, seed);
        fault(&stream, seed).map(|what| format!("seed {seed}: {what}\n  {encoder:?}\n  {muxer:?}"))
    };
    assert_none((1..=seeds).filter_map(of).collect(), seeds as usize);
}

#[test]
fn ts_recipes_come_out_of_the_demultiplexer_as_they_were_packed() {
    faults_of_recipes(Stream::demux_fault);
}

#[test]
fn ts_recipes_are_played_and_sought_in_files() {
    faults_of_recipes(Stream::file_fault);
}

#[test]
fn ts_of_every_kind_comes_out_of_the_demultiplexer_as_it_was_packed() {
    faults_of_chance(200, Stream::demux_fault);
}

#[test]
fn ts_of_every_kind_is_played_and_sought_in_files() {
    faults_of_chance(60, Stream::file_fault);
}

/// AAC 5.1(side): channel_configuration 0, a program config element in each frame, or in one of
/// several.
#[test]
fn ts_with_sound_whose_channels_have_no_number_comes_out() {
    let element = [0xa0, 0x99, 8, 0x80, 4, 0, 0x18, 0x80, 0];
    let sound = aac::Encoder { channels: 0, element: element.to_vec(), ..aac::Encoder::default() };
    for (seed, every) in [(1, 1), (2, 5)] {
        let rng = &mut Rng::with_seed(seed);
        let mut units = h264::Encoder::default().encode(50, START, rng);
        let frames = sound.encode(START, START + 50 * 3600, rng).into_iter().enumerate();
        units.extend(frames.map(|(n, mut frame)| {
            if n % every != 0 {
                frame.nals = vec![[&[0x21], &frame.nals.concat()[element.len()..]].concat()];
            }
            frame
        }));
        let muxed = Muxer { audio_spans: true, ..Muxer::default() }.mux(&units, &sound, rng);
        let stream = Stream { units, muxed, timed_from: 0 };
        let (came, _) = stream.demultiplexed(seed);
        assert_eq!(stream.differences(&came, 0), None);
        let record = [0x11, 0x80, 4, 0xc8, 0x44, 0, 0x20, 0, 0xc4, 0];
        assert!(came.configs.iter().any(|config| config.record() == record), "{:?}", came.configs);
    }
}

/// Packets lost here and there: what comes out is what was sent, at its own time.
#[test]
fn ts_with_losses_gives_only_whole_units() {
    let mut faults = Vec::new();
    let recipes = transport_streams();
    for (recipe, seed) in recipes.iter().flat_map(|recipe| [(recipe, 1), (recipe, 2)]) {
        let mut stream = Stream::new(&recipe.encoder, &recipe.muxer, 300, seed);
        let rng = &mut Rng::with_seed(seed);
        let packets = stream.muxed.bytes.chunks(188);
        // The tables and the first units stay.
        let stay = |n: usize, rng: &mut Rng| n < 40 || rng.u8(0..100) > 0;
        let kept = packets.enumerate().filter(|(n, _)| stay(*n, rng));
        stream.muxed.bytes = kept.flat_map(|(_, packet)| packet).copied().collect();
        let (came, _) = stream.demultiplexed(seed);
        let sent: HashMap<Vec<u8>, (i64, i64)> =
            stream.units.iter().map(|unit| (unit.payload(), (unit.dts, unit.pts))).collect();
        let strange = came.video().iter().position(|(_, unit)| !sent.contains_key(unit));
        if let Some(n) = strange {
            let (start, unit) = came.video()[n];
            let kinds = kinds(unit);
            faults.push(format!("{}, seed {seed}: never sent: {start:?} {kinds:?}", recipe.name));
        }
        if came.video().len() < 30 {
            faults.push(format!("{}, seed {seed}: {} of 300", recipe.name, came.video().len()));
        }
    }
    assert_none(faults, 2 * recipes.len());
}

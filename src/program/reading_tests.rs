use std::io;
use std::sync::Arc;

use super::*;
use crate::codec::access_unit::AacConfig;
use crate::codec::collector::Random;
use crate::codec::container::ContainerReader;
use crate::codec::container::Timing;
use crate::program::testing::configs;

const FRAME: i64 = 3_600;
const SOUND: i64 = 1_920;
/// Frames in a group of pictures.
const GOP: i64 = 25;

/// A unit in a file, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    track: Track,
    dts: i64,
    key: bool,
    bytes: usize,
    /// It begins, and breaks off.
    broken: bool,
}

fn picture(n: i64) -> Piece {
    Piece { track: Track::Video, dts: n * FRAME, key: n % GOP == 0, bytes: 4_000, broken: false }
}

fn sound(n: i64) -> Piece {
    Piece { track: Track::Audio, dts: n * SOUND, key: false, bytes: 200, broken: false }
}

/// So many frames and their sound, which stands so much behind its picture in the file.
fn interleaved(frames: i64, behind: i64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = (0..frames).map(picture).collect();
    pieces.extend((0..frames * FRAME / SOUND).map(sound));
    let place = |piece: &Piece| match piece.track {
        Track::Video => piece.dts,
        Track::Audio => piece.dts + behind,
    };
    pieces.sort_by_key(place);
    pieces
}

/// Bytes that nobody looks at.
struct Blank;

impl ReadAt for Blank {
    fn size(&self) -> u64 {
        u64::MAX
    }
    fn read_at(&mut self, _: u64, into: &mut [u8]) -> io::Result<usize> {
        Ok(into.len())
    }
}

/// Reads pieces, each of as many bytes of the file as it has.
struct Pieces {
    contents: Contents,
    pieces: Arc<Vec<Piece>>,
    next: usize,
    at: u64,
    /// Where sound cannot be read.
    breaks_at: usize,
    /// An audio unit has begun, of which the rest comes with the next step.
    open: Option<Piece>,
    timing: Timing,
}

impl ContainerReader for Pieces {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn timing(&self) -> Timing {
        self.timing
    }

    fn step(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        if self.next >= self.breaks_at {
            return Err(FileError::Broken { what: "it was made so", at: self.at });
        }
        let Some(piece) = self.pieces.get(self.next) else { return Ok(Progress::End) };
        let (track, time) = (piece.track, piece.dts.to_be_bytes());
        let [head, rest] = [&time[..4], &time[4..]];
        if self.open.take().is_some() {
            sink.write(track, rest);
            sink.commit(track);
            self.next += 1;
            return Ok(Progress::More);
        }
        // Sound changes in the middle of the file.
        if self.next == 0 || self.next == self.pieces.len() / 2 {
            self.configs(self.next > 0).iter().for_each(|config| sink.config(config));
        }
        let read = file.read_at(self.at, &mut vec![0; piece.bytes])?;
        self.at += read as u64;
        let dts = Ticks(piece.dts);
        sink.begin(UnitStart { track, dts, pts: dts, key: piece.key });
        match track {
            _ if piece.broken => sink.abort(track),
            Track::Audio => {
                sink.write(track, head);
                self.open = Some(*piece);
                return Ok(Progress::More);
            }
            Track::Video => {
                sink.write(track, head);
                sink.write(track, &[0; 4]);
                sink.patch(track, 4, [time[4], time[5], time[6], time[7]]);
                sink.commit(track);
            }
        }
        self.next += 1;
        Ok(Progress::More)
    }

    fn give_up(&mut self, _: &mut dyn UnitSink) {}

    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        _: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        let keys = self.pieces.iter().enumerate().filter(|(_, piece)| piece.key);
        let found = keys.take_while(|(index, piece)| *index == 0 || piece.dts <= to.0).last();
        let (index, piece) = found.ok_or(FileError::NoVideo)?;
        // As in a transport stream, the beginning is the file's.
        let index = if to > Ticks(0) { index } else { 0 };
        (self.next, self.open) = (index, None);
        self.at = self.pieces.iter().take(index).map(|piece| piece.bytes as u64).sum();
        file.read_at(self.at, &mut [])?;
        Ok(Ticks(piece.dts))
    }
}

impl Pieces {
    fn configs(&self, later: bool) -> [TrackConfig; 2] {
        let [avc, aac] = configs();
        let TrackConfig::Aac(aac) = aac else { unreachable!() };
        let sample_rate_hz = if later { 44_100 } else { aac.sample_rate_hz };
        [avc, TrackConfig::Aac(AacConfig { sample_rate_hz, ..aac })]
    }
}

fn place(pieces: &Arc<Vec<Piece>>, breaks_at: usize) -> FilePlace {
    let [TrackConfig::Avc(avc), TrackConfig::Aac(aac)] = configs() else { unreachable!() };
    let contents = Contents { video: Some(avc), audio: Some(aac), ..Contents::default() };
    let (pieces, open, timing) = (Arc::clone(pieces), None, Timing::Clock);
    let reader = Pieces { contents, pieces, next: 0, at: 0, breaks_at, open, timing };
    FilePlace::new(Box::new(Blank), Box::new(reader))
}

fn reading(pieces: Vec<Piece>) -> FileReading {
    let pieces = Arc::new(pieces);
    FileReading::new(place(&pieces, usize::MAX), Some(place(&pieces, usize::MAX)))
}

/// What is handed over, in order.
#[derive(Default)]
struct Handed {
    units: Vec<(Track, i64)>,
    /// Configurations, and the number of units before each.
    configs: Vec<(TrackConfig, usize)>,
    open: Option<(Track, Vec<u8>)>,
    broken: usize,
}

impl Handed {
    fn payload(&mut self, of: Track) -> &mut Vec<u8> {
        let (track, payload) = self.open.as_mut().expect("it has begun");
        assert_eq!(*track, of);
        payload
    }
}

impl UnitSink for Handed {
    fn config(&mut self, config: &TrackConfig) {
        self.configs.push((config.clone(), self.units.len()));
    }
    fn begin(&mut self, start: UnitStart) {
        assert!(self.open.is_none(), "one after the other");
        self.open = Some((start.track, Vec::new()));
        self.units.push((start.track, start.dts.0));
    }
    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.payload(track).extend(bytes);
    }
    fn patch(&mut self, track: Track, offset: usize, bytes: [u8; 4]) {
        self.payload(track)[offset..offset + 4].copy_from_slice(&bytes);
    }
    fn commit(&mut self, track: Track) {
        let own = self.units.last().map(|(_, dts)| dts.to_be_bytes());
        let payload = self.payload(track);
        assert_eq!(own.as_ref().map(<[u8; 8]>::as_slice), Some(&payload[..]), "its own payload");
        self.open = None;
    }
    fn abort(&mut self, track: Track) {
        self.payload(track);
        (self.open, self.broken) = (None, self.broken + 1);
        self.units.pop();
    }
}

impl Handed {
    fn of(&self, track: Track) -> Vec<i64> {
        self.units.iter().filter(|(of, _)| *of == track).map(|(_, dts)| *dts).collect()
    }

    /// The farthest that a unit stands behind a later one.
    fn disorder(&self) -> i64 {
        let mut newest = i64::MIN;
        let behind = self.units.iter().map(|(_, dts)| {
            newest = newest.max(*dts);
            newest - dts
        });
        behind.max().unwrap_or(0)
    }
}

fn read(reading: &mut FileReading) -> Handed {
    let mut handed = Handed::default();
    while reading.next(&mut handed).expect("readable") == Progress::More {}
    handed
}

#[test]
fn sound_leaves_beside_its_picture_wherever_it_stands() {
    let frames = 1_500;
    for behind_ms in [0, 40, 400, 2_000, 5_000, 30_000, 120_000, -2_000, -5_000, -120_000] {
        let pieces = interleaved(frames, behind_ms * 90);
        let mut reading = reading(pieces);
        let handed = read(&mut reading);
        assert_eq!(handed.disorder(), 0, "{behind_ms} ms behind");
        assert_eq!(handed.of(Track::Video).len() as i64, frames);
        assert_eq!(handed.of(Track::Audio).len() as i64, frames * FRAME / SOUND);
        assert_eq!(reading.take_left_out(), 0);
    }
}

#[test]
fn any_order_in_a_file_becomes_the_order_of_time() {
    for seed in 1..200 {
        let mut random = Random(seed);
        let behind = random.below(1_800_000) as i64 - 900_000;
        let mut pieces = interleaved(400, behind);
        // A muxer that writes several at once.
        let run = 1 + random.below(60);
        for chunk in pieces.chunks_mut(run) {
            chunk.sort_by_key(|piece| (piece.track as usize, piece.dts));
        }
        let handed = read(&mut reading(pieces));
        assert_eq!(handed.disorder(), 0, "seed {seed}");
        assert_eq!(handed.units.len() as i64, 400 + 400 * FRAME / SOUND, "seed {seed}");
    }
}

#[test]
fn what_stands_too_far_behind_is_left_out_and_counted_and_the_picture_is_whole() {
    let mut pieces = interleaved(1_500, 30_000 * 90);
    // 24 Mbit/s: the sound stands 90 MB behind.
    pieces.iter_mut().filter(|piece| piece.track == Track::Video).for_each(|p| p.bytes = 120_000);
    let mut reading = reading(pieces);
    let handed = read(&mut reading);
    assert_eq!(handed.of(Track::Video).len(), 1_500);
    assert!(handed.disorder() <= 90_000, "{}", handed.disorder());
    let sound = 1_500 * FRAME / SOUND;
    let (left_out, left) = (reading.take_left_out() as i64, handed.of(Track::Audio).len() as i64);
    assert_eq!(left_out + left, sound);
    assert!(left_out > sound / 2, "{left_out} of {sound}");
}

#[test]
fn joined_recordings_are_read_one_after_the_other() {
    for (second, behind_ms) in [(0, 0), (0, 2_000), (0, -2_000), (900, 700), (100_000, 2_000)] {
        let mut pieces = interleaved(750, behind_ms * 90);
        let shift = second * FRAME;
        let later = interleaved(750, behind_ms * 90).into_iter();
        pieces.extend(later.map(|piece| Piece { dts: piece.dts + shift, ..piece }));
        let mut reading = reading(pieces);
        let handed = read(&mut reading);
        assert_eq!(handed.of(Track::Video).len(), 1_500);
        let join = handed.units.iter().position({
            let mut pictures = 0;
            move |(track, _)| {
                pictures += i64::from(*track == Track::Video);
                pictures == 751
            }
        });
        let (first, last) = handed.units.split_at(join.expect("the second recording"));
        for (part, from) in [(first, 0), (last, shift)] {
            let part = Handed { units: part.to_vec(), ..Handed::default() };
            assert_eq!(part.disorder(), 0, "{second} {behind_ms}");
            let sound = part.of(Track::Audio);
            assert_eq!(sound.len() as i64, 750 * FRAME / SOUND, "{second} {behind_ms}");
            assert_eq!(sound.first(), Some(&from));
        }
        assert_eq!(reading.take_left_out(), 0);
    }
}

/// For ten seconds nobody knows which of the tracks goes on as before; from then on sound leaves
/// beside its picture again, as far as its time fits.
#[test]
fn a_track_that_jumps_alone_costs_some_of_the_sound_and_no_picture() {
    for (track, jump_ms) in [
        (Track::Audio, -20_000),
        (Track::Audio, -1_500),
        (Track::Video, -1_500),
        (Track::Video, -20_000),
        (Track::Audio, 5_000),
    ] {
        let mut pieces = interleaved(2_000, 0);
        let from = pieces.len() / 4;
        let jump = jump_ms * 90;
        let jumping = pieces.iter_mut().skip(from).filter(|piece| piece.track == track);
        jumping.for_each(|piece| piece.dts += jump);
        let mut handed = read(&mut reading(pieces));
        assert_eq!(handed.of(Track::Video).len(), 2_000, "{track:?} {jump_ms}");
        // The last twenty seconds.
        let pictures = handed.units.iter().rev().filter(|(track, _)| *track == Track::Video);
        let &(_, last) = pictures.clone().nth(500).expect("so many");
        let from = handed.units.iter().rposition(|unit| *unit == (Track::Video, last));
        handed.units.drain(..from.expect("it is there"));
        assert_eq!(handed.disorder(), 0, "{track:?} {jump_ms}");
        let sound = handed.of(Track::Audio).len() as i64;
        // By as much as sound is ahead of its picture now, it goes on behind the last.
        let ahead = if track == Track::Audio { jump } else { -jump };
        let all = (500 * FRAME + ahead) / SOUND;
        // A frame at each end, and the picture's length.
        let due = all - 3..=all + 3;
        assert!(due.contains(&sound), "{track:?} {jump_ms}: {sound} of {all}");
    }
}

#[test]
fn seeking_finds_the_sound_of_its_picture() {
    for behind_ms in [0, 400, 2_000, 5_000, -400, -2_000, -5_000] {
        let mut reading = reading(interleaved(1_500, behind_ms * 90));
        let mut handed = Handed::default();
        for _ in 0..300 {
            reading.next(&mut handed).expect("readable");
        }
        for to_ms in [30_500, 5_000, 0, 59_000] {
            let key = reading.seek(Ticks::from_ms(to_ms), &mut Handed::default()).expect("found");
            assert_eq!(key.to_ms(), to_ms / 1_000 * 1_000);
            // What stands behind its picture is not looked for before it.
            let sound_at = reading.sound.as_ref().map(Sound::at).expect("sound is sought");
            let (picture_at, second) = (reading.picture.file.at, 25 * 4_000 + 47 * 200);
            assert!(behind_ms < 0 || sound_at + second >= picture_at, "{behind_ms} {to_ms}");
            let handed = read(&mut reading);
            assert_eq!(handed.disorder(), 0);
            assert_eq!(handed.of(Track::Video).first(), Some(&key.0));
            let sound = handed.of(Track::Audio);
            let first = sound.first().copied().expect("sound");
            assert!((0..SOUND).contains(&(first - key.0)), "{behind_ms} ms behind, to {to_ms}");
            let before = (key.0 + SOUND - 1) / SOUND;
            assert_eq!(sound.len() as i64, 1_500 * FRAME / SOUND - before);
            assert_eq!(reading.take_left_out(), 0);
        }
    }
}

#[test]
fn sound_that_was_announced_and_does_not_come_holds_nothing_up() {
    let pieces: Vec<Piece> = (0..50_000).map(picture).collect();
    let mut reading = reading(pieces);
    let mut handed = Handed::default();
    reading.next(&mut handed).expect("readable");
    assert_eq!(handed.units, [(Track::Video, 0)]);
    let sound_at = reading.sound.as_ref().map(Sound::at).expect("sound is sought");
    assert!(
        sound_at <= FILE_SOUND_AHEAD_BYTES_MAX + 2 * 4_000,
        "not to the file's end: {sound_at}"
    );
    assert_eq!(read(&mut reading).units.len(), 49_999);
}

#[test]
fn a_song_under_one_picture_is_not_read_to_its_end_before_it_begins() {
    // Three hours.
    let mut pieces = vec![picture(0)];
    pieces.extend((0..3 * 3_600 * 90_000 / SOUND).map(sound));
    let whole = pieces.len();
    let mut reading = reading(pieces);
    let mut handed = Handed::default();
    while handed.units.len() < 10 {
        reading.next(&mut handed).expect("readable");
    }
    let read_to = reading.bytes_read();
    assert!(read_to <= FILE_SOUND_AHEAD_BYTES_MAX + 8_000, "{read_to}");
    assert_eq!(handed.units.len() + read(&mut reading).units.len(), whole);
}

#[test]
fn sound_that_cannot_be_read_ends_alone() {
    let pieces = Arc::new(interleaved(750, 0));
    let mut reading =
        FileReading::new(place(&pieces, usize::MAX), Some(place(&pieces, pieces.len() / 2)));
    let handed = read(&mut reading);
    assert_eq!(handed.of(Track::Video).len(), 750);
    let half = 750 * FRAME / SOUND / 2;
    assert!((half - 2..=half + 2).contains(&(handed.of(Track::Audio).len() as i64)));
    assert!(reading.sound_error().is_some());
}

#[cfg(test)]
#[path = "reading_apart_tests.rs"]
mod apart_tests;

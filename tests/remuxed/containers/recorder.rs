//! What comes out of a reader.

use std::io;

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::container::{ContainerReader, FileError, Progress, ReadAt};
use streamcaster::flv::file::{is_flv, FlvFile};
use streamcaster::mkv::file::{is_mkv, MkvFile};
use streamcaster::mp4::file::{is_mp4, Mp4File};

/// A file in memory.
pub struct Bytes(pub Vec<u8>);

impl ReadAt for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let from = self.0.get(offset..).unwrap_or_default();
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

/// The reader for a file, by what it begins with.
pub fn open(file: &mut Bytes) -> Result<Box<dyn ContainerReader>, FileError> {
    if is_flv(&file.0) {
        Ok(Box::new(FlvFile::open(file)?))
    } else if is_mkv(&file.0) {
        Ok(Box::new(MkvFile::open(file)?))
    } else {
        assert!(is_mp4(&file.0), "none of the containers");
        Ok(Box::new(Mp4File::open(file)?))
    }
}

/// A unit that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub track: Track,
    pub dts: i64,
    pub pts: i64,
    pub key: bool,
    pub payload: Vec<u8>,
}

impl Unit {
    /// Whether one of its NAL units is a slice of an IDR.
    pub fn is_idr(&self) -> bool {
        self.track == Track::Video
            && nals(&self.payload)
                .iter()
                .any(|nal| nal.first().is_some_and(|kind| kind & 0x1f == 5))
    }
}

/// NAL units behind lengths of four bytes.
pub fn nals(mut payload: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    while let Some((length, rest)) = payload.split_first_chunk::<4>() {
        let (nal, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        nals.push(nal);
        payload = rest;
    }
    nals
}

/// A sink that holds the producer to its contract and keeps everything.
#[derive(Default)]
pub struct Recorder {
    open: [Option<(UnitStart, Vec<u8>)>; 2],
    pub units: Vec<Unit>,
    pub configs: Vec<TrackConfig>,
    pub aborted: usize,
}

impl Recorder {
    pub fn of(&self, track: Track) -> Vec<&Unit> {
        self.units.iter().filter(|unit| unit.track == track).collect()
    }
}

impl UnitSink for Recorder {
    fn config(&mut self, config: &TrackConfig) {
        assert!(self.open[config.track().index()].is_none(), "a configuration within a unit");
        let last = self.configs.iter().rfind(|known| known.track() == config.track());
        assert_ne!(last, Some(config), "a configuration repeated");
        self.configs.push(config.clone());
    }

    fn begin(&mut self, start: UnitStart) {
        assert!(start.pts >= start.dts);
        assert!(self.configs.iter().any(|config| config.track() == start.track));
        let open = self.open[start.track.index()].replace((start, Vec::new()));
        assert!(open.is_none(), "a unit within a unit");
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        self.open[track.index()].as_mut().expect("an open unit").1.extend_from_slice(bytes);
    }

    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {
        panic!("what has lengths needs none");
    }

    fn commit(&mut self, track: Track) {
        let (start, payload) = self.open[track.index()].take().expect("an open unit");
        let UnitStart { dts, pts, key, .. } = start;
        self.units.push(Unit { track, dts: dts.0, pts: pts.0, key, payload });
    }

    fn abort(&mut self, track: Track) {
        self.open[track.index()].take().expect("an open unit");
        self.aborted += 1;
    }
}

/// Reads on to the end.
pub fn read_on(reader: &mut dyn ContainerReader, file: &mut Bytes) -> Recorder {
    let mut recorder = Recorder::default();
    while reader.next(file, &mut recorder).expect("nothing is wrong") == Progress::More {}
    assert!(recorder.open.iter().all(Option::is_none), "nothing is left open");
    recorder
}

/// Goes to a time, and says which unit of the whole file's video it came to: a key unit whose DTS
/// is what the reader says, and everything behind it follows.
pub fn seek(
    reader: &mut dyn ContainerReader,
    file: &mut Bytes,
    to: i64,
    whole: &Recorder,
) -> usize {
    let went = reader.seek(file, Ticks(to), &mut Recorder::default()).expect("a place");
    let rest = read_on(reader, file);
    let (rest, all) = (rest.of(Track::Video), whole.of(Track::Video));
    let first = rest.first().expect("a picture");
    assert!(first.key && first.dts == went.0, "to {to}: {went:?} is no key unit's time");
    let at = all.len().checked_sub(rest.len()).expect("no more than there are");
    let payload = |units: &[&Unit]| units.iter().map(|u| u.payload.clone()).collect::<Vec<_>>();
    assert!(payload(&rest) == payload(&all[at..]), "to {to}: other pictures");
    at
}

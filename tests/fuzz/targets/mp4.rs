//! MP4: a file's bytes into the reader. What opens can be read and sought in, with bounded work
//! a call and nothing left open.

use std::io;

use streamcaster::base::limits::FILE_WINDOW_BYTES;
use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::container::{ContainerReader, Progress, ReadAt};
use streamcaster::mp4::file::{is_mp4, Mp4File};

/// Calls of `next` between two seeks.
const CALLS: usize = 400;
/// Reads one of them may make.
const READS_MAX: usize = 1000;

struct File<'a> {
    bytes: &'a [u8],
    reads: usize,
}

impl ReadAt for File<'_> {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        assert!(into.len() <= FILE_WINDOW_BYTES, "a read of {} bytes", into.len());
        self.reads += 1;
        self.bytes.read_at(offset, into)
    }
}

/// Holds the reader to the contract of its sink.
#[derive(Default)]
struct Judge {
    open: Option<Track>,
    configured: Vec<Track>,
}

impl UnitSink for Judge {
    fn config(&mut self, config: &TrackConfig) {
        assert!(self.open.is_none());
        assert!(!config.record().is_empty());
        self.configured.push(config.track());
    }

    fn begin(&mut self, start: UnitStart) {
        assert!(self.open.replace(start.track).is_none(), "a unit within a unit");
        assert!(self.configured.contains(&start.track), "no configuration");
        assert!(start.pts >= start.dts);
        assert!((start.track == Track::Video || !start.key));
    }

    fn write(&mut self, track: Track, bytes: &[u8]) {
        assert!(self.open == Some(track));
        assert!(!bytes.is_empty());
    }

    fn patch(&mut self, _track: Track, _offset: usize, _bytes: [u8; 4]) {
        panic!("lengths are known beforehand");
    }

    fn commit(&mut self, track: Track) {
        assert_eq!(self.open.take(), Some(track));
    }

    fn abort(&mut self, track: Track) {
        assert_eq!(self.open.take(), Some(track));
    }
}

/// Opens an input, reads on, and seeks about.
pub fn run(input: &[u8]) {
    is_mp4(input);
    let mut file = File { bytes: input, reads: 0 };
    let mut reader = match Mp4File::open(&mut file) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(reader.contents().video.is_some());
    let mut judge = Judge::default();
    walk(&mut reader, &mut file, &mut judge);
    let end = reader.contents().duration.unwrap_or_default().0;
    for to in [end / 2, 0, i64::MAX, i64::MIN, end] {
        let sought = reader.seek(&mut file, Ticks(to), &mut judge);
        assert!(judge.open.is_none(), "a seek leaves nothing open");
        judge.configured.clear();
        if sought.is_ok() {
            walk(&mut reader, &mut file, &mut judge);
        }
    }
}

fn walk(reader: &mut Mp4File, file: &mut File<'_>, judge: &mut Judge) {
    for _ in 0..CALLS {
        let before = file.reads;
        let progress = reader.next(file, judge);
        assert!(file.reads - before <= READS_MAX, "the work of a call is bounded");
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::End) | Err(_) => {
                assert!(judge.open.is_none(), "nothing is left open");
                return;
            }
        }
    }
}

//! Files of the library: opened, played to the end, and entered in the middle. What a reader
//! promises: its work is bounded by its file, its sink's contract is kept, nothing is left open.

use std::io;

use streamcaster::base::time::Ticks;
use streamcaster::codec::container::{ContainerReader, FileError, Progress, ReadAt};
use streamcaster::flv::file::FlvFile;
use streamcaster::mkv::file::MkvFile;

use super::ts::Judge;

/// FLV.
pub fn flv(input: &[u8]) {
    play_all(input, |file| Ok(Box::new(FlvFile::open(file)?)));
}

/// Matroska.
pub fn mkv(input: &[u8]) {
    play_all(input, |file| Ok(Box::new(MkvFile::open(file)?)));
}

type Opened = Result<Box<dyn ContainerReader>, FileError>;

struct InMemory<'a> {
    bytes: &'a [u8],
    reads: usize,
}

impl ReadAt for InMemory<'_> {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        self.bytes.read_at(offset, into)
    }
}

fn play_all(input: &[u8], open: impl Fn(&mut dyn ReadAt) -> Opened) {
    let mut file = InMemory { bytes: input, reads: 0 };
    let Ok(mut reader) = open(&mut file) else { return };
    assert!(reader.contents().video.is_some(), "nothing goes on air without a picture");
    play(reader.as_mut(), &mut file);
    for to_ms in [0, 100, 1 << 20, i64::MAX / 180, i64::MIN / 180, 50] {
        let mut judge = Judge::default();
        reader.seek(&mut file, Ticks::from_ms(to_ms), &mut judge).expect("memory does not fail");
        judge.assert_closed();
        play(reader.as_mut(), &mut file);
    }
    assert!(file.reads < 200 * (input.len() + 100), "{} reads", file.reads);
}

/// Every call brings the reader on: there are no more of them than bytes, and frames of laces.
fn play(reader: &mut dyn ContainerReader, file: &mut InMemory<'_>) {
    let mut judge = Judge::default();
    for _ in 0..300 * (file.bytes.len() + 1) {
        match reader.next(file, &mut judge) {
            Ok(Progress::More) => {}
            Ok(Progress::End) | Err(_) => {
                judge.assert_closed();
                return;
            }
        }
    }
    panic!("it does not end");
}

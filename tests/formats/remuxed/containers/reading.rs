//! A file's reader, by what the file begins with, and what comes out of it.

use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::Track;
use streamcaster::codec::container::{ContainerReader, FileError, Progress};
use streamcaster::flv::file::{is_flv, FlvFile};
use streamcaster::mkv::file::{is_mkv, MkvFile};
use streamcaster::mp4::file::{is_mp4, Mp4File};

use crate::recorder::{nal_units, Recorder, Unit};

/// The reader for a file.
pub fn open(file: &mut &[u8]) -> Result<Box<dyn ContainerReader>, FileError> {
    if is_flv(file) {
        Ok(Box::new(FlvFile::open(file)?))
    } else if is_mkv(file) {
        Ok(Box::new(MkvFile::open(file)?))
    } else {
        assert!(is_mp4(file), "none of the containers");
        Ok(Box::new(Mp4File::open(file)?))
    }
}

/// Whether one of a picture's NAL units is a slice of an IDR.
pub fn is_idr((start, payload): &Unit) -> bool {
    let is_idr = |nal: &&[u8]| nal.first().is_some_and(|kind| kind & 0x1f == 5);
    start.track == Track::Video && nal_units(payload).iter().any(is_idr)
}

/// Reads on to the end.
pub fn read_on(reader: &mut dyn ContainerReader, file: &mut &[u8]) -> Recorder {
    let mut recorder = Recorder::default();
    while reader.next(file, &mut recorder).expect("nothing is wrong") == Progress::More {}
    assert!(recorder.is_closed(), "nothing is left open");
    assert_eq!(recorder.patched, 0, "what has lengths needs no patch");
    for track in Track::ALL {
        let configs: Vec<_> = recorder.configs.iter().filter(|own| own.track() == track).collect();
        assert!(configs.windows(2).all(|two| two[0] != two[1]), "a configuration repeated");
    }
    recorder
}

/// Goes to a time, and says which unit of the whole file's video it came to: a key unit whose DTS
/// is what the reader says, and everything behind it follows.
pub fn seek(
    reader: &mut dyn ContainerReader,
    file: &mut &[u8],
    to: i64,
    whole: &Recorder,
) -> usize {
    let went = reader.seek(file, Ticks(to), &mut Recorder::default()).expect("a place");
    let rest = read_on(reader, file);
    let (rest, all) = (rest.video(), whole.video());
    let (first, _) = rest.first().expect("a picture");
    assert!(first.key, "to {to}: {went:?} is no key unit's time");
    assert!(first.dts == went, "to {to}: {went:?} is no key unit's time");
    let at = all.len().checked_sub(rest.len()).expect("no more than there are");
    let payloads = |units: &[&Unit]| units.iter().map(|unit| unit.1.clone()).collect::<Vec<_>>();
    assert!(payloads(&rest) == payloads(&all[at..]), "to {to}: other pictures");
    at
}

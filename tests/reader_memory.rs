//! What the readers of video files hold, counted by the allocator while real files are opened,
//! read and sought in. Purpose: the budget's claim for each reader is held. One test in a process
//! of its own, for whatever else runs would be counted with it.
#![cfg(test)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use streamcaster::base::limits::{
    FILE_READER_BYTES_MAX, FILE_WINDOW_BYTES, MP4_READER_BYTES, TAGGED_READER_BYTES,
    TS_READER_BYTES,
};
use streamcaster::base::time::Ticks;
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::container::{ContainerReader, FileError, Progress, ReadAt};
use streamcaster::flv::file::FlvFile;
use streamcaster::mkv::file::MkvFile;
use streamcaster::mp4::file::Mp4File;
use streamcaster::system::heap::{usage, CountedHeap};
use streamcaster::ts::file::TsFile;

#[global_allocator]
static HEAP: CountedHeap = CountedHeap;

/// A file, and the most that was held while it was read.
struct Disk {
    file: File,
    size: u64,
    most: usize,
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.most = self.most.max(usage().used_bytes);
        self.file.read_at(into, offset)
    }
}

/// Counts units, and looks at the heap at every word.
#[derive(Default)]
struct Watch {
    units: usize,
    most: usize,
}

impl Watch {
    fn look(&mut self) {
        self.most = self.most.max(usage().used_bytes);
    }
}

impl UnitSink for Watch {
    fn config(&mut self, _: &TrackConfig) {
        self.look();
    }
    fn begin(&mut self, _: UnitStart) {
        self.look();
    }
    fn write(&mut self, _: Track, _: &[u8]) {
        self.look();
    }
    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}
    fn commit(&mut self, _: Track) {
        self.units += 1;
        self.look();
    }
    fn abort(&mut self, _: Track) {}
}

/// Lets ffmpeg make a file of two seconds.
fn make(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"])
        .args(["-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "2"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10"])
        .args(["-bf", "2", "-c:a", "aac"])
        .args(arguments)
        .arg(&path)
        .output()
        .expect("ffmpeg is needed: apt-get install ffmpeg");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    path
}

/// The most a reader held of the heap, itself included.
fn held<R: ContainerReader>(
    path: &Path,
    open: impl Fn(&mut dyn ReadAt) -> Result<R, FileError>,
) -> usize {
    let file = File::open(path).expect("the file made");
    let size = file.metadata().expect("its size").len();
    let mut disk = Disk { file, size, most: 0 };
    let mut watch = Watch::default();
    let before = usage().used_bytes;
    let mut reader = Box::new(open(&mut disk).expect("a whole file"));
    watch.look();
    for to in [0, 1_500, 300] {
        reader.seek(&mut disk, Ticks::from_ms(to), &mut watch).expect("a key unit");
        while reader.next(&mut disk, &mut watch).expect("a whole file") == Progress::More {}
    }
    assert!(watch.units > 200, "{}: {} units", path.display(), watch.units);
    let most = watch.most.max(disk.most) - before;
    drop(reader);
    assert_eq!(usage().used_bytes, before, "{}: all of it is given back", path.display());
    most
}

#[test]
fn a_reader_holds_no_more_than_the_budget_says() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reader-memory");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let fragments = ["-movflags", "frag_every_frame+empty_moov+default_base_moof"];
    let mixed = ["-movflags", "frag_keyframe"];
    let of_mp4 = |name: &str, arguments: &[&str]| {
        let path = make(&folder, name, arguments);
        (path.clone(), held(&path, Mp4File::open), MP4_READER_BYTES)
    };
    let mut measured = vec![
        of_mp4("a.mp4", &[]),
        of_mp4("b.mp4", &fragments),
        of_mp4("c.mp4", &mixed),
        of_mp4("d.mov", &[]),
    ];
    let path = make(&folder, "a.ts", &[]);
    measured.push((path.clone(), held(&path, TsFile::open), TS_READER_BYTES));
    let path = make(&folder, "a.flv", &[]);
    measured.push((path.clone(), held(&path, FlvFile::open), TAGGED_READER_BYTES));
    let path = make(&folder, "a.mkv", &[]);
    measured.push((path.clone(), held(&path, MkvFile::open), TAGGED_READER_BYTES));
    for (path, held, claimed) in measured {
        println!("{}: {held} of {claimed} bytes", path.display());
        assert!(held <= claimed, "{}: {held} of {claimed} bytes", path.display());
        assert!(held > FILE_WINDOW_BYTES, "{}: only {held} bytes", path.display());
        assert!(claimed <= FILE_READER_BYTES_MAX);
    }
    std::fs::remove_dir_all(folder).expect("the temporary folder");
}

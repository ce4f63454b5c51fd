//! The inputs that once came out wrong: files of public test folders and made ones, when they are
//! there: in a folder named by `STREAMCASTER_MEDIA`, or in `../shared/media`, below `field`. They
//! are not ours to carry along; what the tests make themselves stands beside this.

use std::path::PathBuf;

use crate::case::{play, Way};
use crate::compare::{compare, Expected, Sound};
use crate::pool;
use test_support::peers::capture;

/// An input and what must come out.
#[derive(Clone, Copy, Debug)]
struct File {
    name: &'static str,
    way: Way,
    expected: Expected,
}

const fn file(name: &'static str, way: Way, tail: usize, sound: Sound) -> File {
    File { name, way, expected: Expected { tail, sound } }
}

const FILES: [File; 29] = [
    file("real-shaka-hls-ts-h264_fileSequence0.ts", Way::Udp, 1, Sound::Silence),
    file("real-mediabunny-0-head.ts", Way::Udp, 1, Sound::Beside),
    file("bounded.ts", Way::Udp, 1, Sound::Beside),
    file("perslice_pts.ts", Way::Udp, 1, Sound::Beside),
    file("multi_noaud.ts", Way::Udp, 1, Sound::Beside),
    file("side51.ts", Way::Udp, 1, Sound::Beside),
    file("real-shaka-hls-ts-h264_fileSequence0.ts", Way::Library, 0, Sound::Silence),
    file("bounded.ts", Way::Library, 0, Sound::Beside),
    file("perslice_pts.ts", Way::Library, 0, Sound::Beside),
    file("multi_noaud.ts", Way::Library, 0, Sound::Beside),
    file("ilv2.ts", Way::Library, 0, Sound::Beside),
    file("ilv5.flv", Way::Library, 0, Sound::Beside),
    file("nokey.flv", Way::Publish, 0, Sound::Beside),
    file("allkey.flv", Way::Publish, 0, Sound::Beside),
    file("nokey.flv", Way::Library, 0, Sound::Beside),
    file("nokey.mkv", Way::Library, 0, Sound::Beside),
    file("stss_empty.mp4", Way::Library, 0, Sound::Beside),
    file("mp4a_second_noesds.mp4", Way::Library, 0, Sound::Beside),
    file("real-mediabunny-cursed-vfr.mp4", Way::Library, 0, Sound::Silence),
    file("real-media3-iibbibb_editlist_videoonly.mp4", Way::Library, 0, Sound::Silence),
    file("real-media3-sample_missing_stsd.mp4", Way::Library, 0, Sound::Silence),
    file("real-media3-sample_with_chapters.mkv", Way::Library, 0, Sound::Beside),
    file("real-media3-sample_without_stss.mp4", Way::Library, 0, Sound::Silence),
    file("slides_aud.mp4", Way::Library, 0, Sound::Beside),
    file("slides_noaud.mp4", Way::Library, 0, Sound::Silence),
    file("still_audio.mp4", Way::Library, 0, Sound::All),
    // Its sound's clock is ten seconds ahead: named, and dropped.
    file("audiobase.flv", Way::Publish, 0, Sound::Silence),
    file("ilv5.flv", Way::Publish, 0, Sound::Any),
    file("vfr_noaud.mp4", Way::Library, 0, Sound::Silence),
];

/// The folder, when it is there.
pub fn folder() -> Option<PathBuf> {
    capture("field")
}

#[test]
fn every_file_of_the_field_comes_out_picture_by_picture() {
    let Some(folder) = folder() else { return };
    let only = std::env::var("STREAMCASTER_ONLY").unwrap_or_default();
    let cases: Vec<File> = FILES.into_iter().filter(|f| f.name.contains(&only)).collect();
    pool::run(
        &cases,
        |file| format!("{} by {:?}", file.name, file.way),
        |file| {
            let path = folder.join(file.name);
            let outcome = play(file.way, &path);
            compare(file.name, &path, &outcome, file.expected);
        },
    );
}

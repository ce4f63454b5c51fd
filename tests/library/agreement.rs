//! What the listing says of a file is what a switch to it comes to: every file is surveyed, and
//! then read by a file reader and paced by a pacer, as playing does, but against a clock of the test's.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use streamcaster::base::time::{Mono, Ticks};
use streamcaster::codec::access_unit::{Track, TrackConfig, UnitSink, UnitStart};
use streamcaster::codec::container::FileError;
use streamcaster::inputs::file_reader::{
    Delivery, FileReader, FileReaders, ReaderThread, ReaderThreads, Readers,
};
use streamcaster::library::listing::{FileState, LibraryEntry};
use streamcaster::library::Library;
use streamcaster::operator::commands::{Declined, DeclinedKind, FileName};
use streamcaster::program::pacer::{Pacer, Readiness};
use streamcaster::program::read_ahead::FileEnding;

use crate::folder::{age, codes, surveyed, Folder, ENCODED, PICTURE, SOUND};

/// How much of a file is played.
const PLAYED: Duration = Duration::from_secs(15);

/// What was played.
#[derive(Default)]
struct Played {
    pictures: Vec<(Mono, UnitStart)>,
    sounds: Vec<(Mono, UnitStart)>,
    now: Mono,
}

impl UnitSink for Played {
    fn config(&mut self, _: &TrackConfig) {}
    fn begin(&mut self, start: UnitStart) {
        match start.track {
            Track::Video => self.pictures.push((self.now, start)),
            Track::Audio => self.sounds.push((self.now, start)),
        }
    }
    fn write(&mut self, _: Track, _: &[u8]) {}
    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}
    fn commit(&mut self, _: Track) {}
    fn abort(&mut self, _: Track) {}
}

impl Played {
    /// The farthest that sound left before or behind the time of its picture.
    fn apart(&self) -> Duration {
        let Some((began, first)) = self.pictures.first() else { return Duration::ZERO };
        let off = |(at, start): &(Mono, UnitStart)| {
            let due = *began + (start.dts - first.dts).to_duration();
            at.since(due).max(due.since(*at))
        };
        self.sounds.iter().map(off).max().unwrap_or_default()
    }
}

/// A switch to a file: refused with these words, or played, and how it ended meanwhile.
fn switch(
    file_readers: &ReaderThreads,
    name: &str,
    at: Ticks,
) -> Result<(Played, Option<FileEnding>), String> {
    let name = FileName::try_from(name).expect("a short name");
    let mut file_reader = file_readers.open(&name, at).expect("a thread");
    let (mut pacer, mut played) = (Pacer::default(), Played::default());
    let since = Instant::now();
    let mut ready = false;
    loop {
        assert!(since.elapsed() < Duration::from_secs(60), "{name}: the disk does not answer");
        take(&mut file_reader, &mut pacer)?;
        match pacer.readiness() {
            _ if ready => {}
            Readiness::Waits => std::thread::yield_now(),
            Readiness::Ready => {
                ready = true;
                pacer.start(played.now);
            }
            Readiness::Never => {
                return Err(match pacer.ending() {
                    Some(FileEnding::Failed(words)) => words.clone(),
                    _ => format!("{name} cannot be played: {}", FileError::NoVideo),
                })
            }
        }
        let now = played.now;
        if ready && pacer.due(now).is_some_and(|due| due <= now) {
            pacer.play(now, &mut played);
        } else if ready {
            match pacer.due(now).into_iter().chain(pacer.end().filter(|end| *end > now)).min() {
                Some(due) if due.since(Mono::default()) < PLAYED => played.now = due,
                None if pacer.ending().is_none() => std::thread::yield_now(),
                _ => return Ok((played, pacer.ending().cloned())),
            }
        }
    }
}

fn take(file_reader: &mut ReaderThread, pacer: &mut Pacer) -> Result<(), String> {
    while let Some(read_ahead) = pacer.take_spent() {
        file_reader.give_back(read_ahead);
    }
    file_reader.hurry();
    match file_reader.take() {
        Some(Delivery::Opened(times)) => pacer.set_times(times),
        Some(Delivery::Refused(declined)) => return Err(declined.words),
        Some(Delivery::ReadAhead(read_ahead)) => pacer.push(read_ahead),
        None => {}
    }
    Ok(())
}

fn file_readers(library: &Library) -> ReaderThreads {
    let library = library.clone();
    let (file_readers, _news) = ReaderThreads::new(
        Arc::new(move |name| match library.open(name) {
            Ok(opened) => Ok(opened.reading),
            Err(error) => {
                let words = format!("{name} cannot be played: {error}");
                Err(Declined { kind: DeclinedKind::Unplayable, words })
            }
        }),
        Readers::default(),
    );
    file_readers
}

/// Switches to a file, from its beginning and from its middle, and holds what comes of it to what
/// the listing says.
fn agree(file_readers: &ReaderThreads, entry: &LibraryEntry) {
    let name = &entry.name;
    let outcome = switch(file_readers, name, Ticks(0));
    let details = match &entry.state {
        FileState::Ready(details) => details,
        _ => {
            let words = entry.words().expect("a reason");
            assert_eq!(outcome.err(), Some(format!("{name} cannot be played: {words}")));
            return;
        }
    };
    let (played, ending) = outcome.expect("what is listed as ready can be played");
    let (_, first) = played.pictures.first().expect("a picture");
    assert!(first.key, "{name}");
    match (&details.breaks_off, ending) {
        (None, Some(FileEnding::Failed(words))) => panic!("{name} was to play whole: {words}"),
        (Some(why), Some(FileEnding::Failed(words))) => {
            assert_eq!(words, format!("{name} cannot be played: {why}"));
        }
        (Some(why), ending) => panic!("{name} was to break off: {why}, not {ending:?}"),
        (None, _) => {}
    }
    let shown = played.pictures.last().map_or(Ticks(0), |(_, last)| last.dts - first.dts);
    let faults = codes(details).into_iter().any(|code| code.starts_with("SOUND"));
    match details.audio {
        None => assert_eq!(played.sounds.len(), 0, "{name}"),
        Some(_) if faults || shown < Ticks::from_ms(1_000) => {}
        Some(_) => assert!(!played.sounds.is_empty(), "{name}"),
    }
    // A timer's grain, and a picture that is handed over whole.
    let apart = played.apart();
    // What comes too late to be sought in time is of use for a second.
    let too_far = codes(details).contains(&"SOUND_TOO_FAR_BEHIND");
    let apart_max = Duration::from_millis(if too_far { 1_100 } else { 100 });
    assert!(apart <= apart_max, "{name}: sound is {apart:?} off its time");
    let middle = Ticks::from_ms(i64::try_from(details.duration_ms.unwrap_or(2_000) / 2).unwrap());
    let (played, _) = switch(file_readers, name, middle).expect("a file that can be sought in");
    assert!(played.pictures.first().is_some_and(|(_, first)| first.key), "{name} from its middle");
    assert!(played.apart() <= apart_max, "{name} from its middle");
}

fn all_agree(folder: &Folder) -> Library {
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = surveyed(&library);
    let file_readers = file_readers(&library);
    for entry in &listing.entries {
        println!("{}: {} {:?}", entry.name, entry.state.name(), entry.words());
        if let Some(details) = entry.details() {
            println!("    {:?}", codes(details));
        }
        agree(&file_readers, entry);
    }
    library
}

/// A second of each kind that is worth a look.
fn constructed(folder: &Folder) {
    let both =
        [&PICTURE[..], &SOUND, &["-t", "6"], &ENCODED, &["-c:a", "aac", "-g", "25"]].concat();
    let make = |name: &str, more: &[&str]| folder.ffmpeg(name, &[&both[..], more].concat());
    for name in ["whole.mp4", "whole.mkv", "whole.flv", "whole.ts"] {
        make(name, &[]);
    }
    make("fragments.mp4", &["-movflags", "frag_keyframe+empty_moov+default_base_moof"]);
    make(
        "late-fragments.mp4",
        &[
            "-movflags",
            "frag_keyframe+empty_moov+default_base_moof",
            "-output_ts_offset",
            "3600",
            "-avoid_negative_ts",
            "disabled",
        ],
    );
    make("smooth.mp4", &["-f", "ismv"]);
    folder.ffmpeg("audio.mp4", &[&SOUND[..], &["-t", "3", "-c:a", "aac"]].concat());
    folder.ffmpeg("audio.ts", &[&SOUND[..], &["-t", "3", "-c:a", "aac"]].concat());
    folder.ffmpeg("audio.mkv", &[&SOUND[..], &["-t", "3", "-c:a", "aac"]].concat());
    folder.write("empty.mp4", b"");
    folder.write("noise.ts", &[0x47; 20_000]);
    for whole in ["whole.mp4", "whole.mkv", "whole.flv", "whole.ts", "fragments.mp4"] {
        let bytes = fs::read(folder.path(whole)).expect("just written");
        for (part, percent) in [("half", 50), ("head", 2)] {
            let length = bytes.len() * percent / 100;
            folder.write(&format!("{part}-{whole}"), bytes.get(..length).unwrap_or_default());
        }
    }
}

#[test]
fn what_is_listed_is_what_a_switch_comes_to() {
    let folder = Folder::new("agreement");
    constructed(&folder);
    let library = all_agree(&folder);
    for name in ["whole.mp4", "whole.ts", "half-whole.ts", "half-whole.flv", "fragments.mp4"] {
        let entry = library.entry(name).expect("listed");
        assert_eq!(entry.state.name(), "ready", "{name}: {:?}", entry.words());
    }
    for name in ["audio.mp4", "audio.ts", "empty.mp4", "noise.ts", "half-whole.mp4"] {
        assert_eq!(library.entry(name).expect("listed").state.name(), "refused", "{name}");
    }
}

#[test]
fn a_file_that_grows_is_refused_with_the_listings_words() {
    let folder = Folder::new("agreement-growing");
    folder.ffmpeg("a.ts", &[&PICTURE[..], &["-t", "2"], &ENCODED].concat());
    let file = fs::File::options().write(true).open(folder.path("a.ts")).expect("the file");
    // As if the clock of who writes it were ahead: it stays young.
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(2)).expect("a time");
    let library = Library::start(folder.videos()).expect("a thread");
    let listing = crate::folder::wait_for(&library, |listing| listing.is_known);
    let entry = listing.entry("a.ts").expect("listed");
    assert_eq!(entry.state, FileState::Growing);
    agree(&file_readers(&library), entry);
}

/// An FLV file whose sound stands behind all of its picture.
fn sound_last(flv: &[u8]) -> Vec<u8> {
    let (header, mut rest) = flv.split_at(13);
    let (mut first, mut sounds) = (header.to_vec(), Vec::new());
    while let Some(head) = rest.get(..11) {
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize + 15;
        let (tag, behind) = rest.split_at(length.min(rest.len()));
        // The configuration stays in front.
        let is_sound = tag[0] == 8 && tag.get(12) == Some(&1);
        if is_sound { &mut sounds } else { &mut first }.extend_from_slice(tag);
        rest = behind;
    }
    first.extend(sounds);
    first
}

#[test]
fn sound_too_far_behind_is_said_and_the_command_helps() {
    let folder = Folder::new("agreement-far");
    let both =
        [&PICTURE[..], &SOUND, &["-t", "24"], &ENCODED, &["-c:a", "aac", "-g", "25"]].concat();
    folder.ffmpeg("near.flv", &both);
    let near = fs::read(folder.path("near.flv")).expect("just written");
    folder.write("near.flv", &sound_last(&near));
    // More than is surveyed and read ahead together.
    folder.ffmpeg("far.flv", &[&both[..], &["-qp", "0", "-s", "1280x720"]].concat());
    let far = fs::read(folder.path("far.flv")).expect("just written");
    assert!(far.len() > 32 << 20, "{} bytes", far.len());
    folder.write("far.flv", &sound_last(&far));
    let library = all_agree(&folder);
    let near = library.entry("near.flv").expect("listed");
    assert!(!codes(near.details().expect("ready")).contains(&"SOUND_TOO_FAR_BEHIND"));
    assert_eq!(near.remedy(), None);
    let far = library.entry("far.flv").expect("listed");
    assert!(codes(far.details().expect("ready")).contains(&"SOUND_TOO_FAR_BEHIND"), "{far:?}");
    let command = far.remedy().expect("a command");
    let done = Command::new("sh").arg("-c").arg(&command).current_dir(folder.videos()).output();
    assert!(done.expect("sh runs").status.success(), "{command}");
    age(&folder.path("far-mended.mp4"));
    drop(library);
    let library = all_agree(&folder);
    let mended = library.entry("far-mended.mp4").expect("listed");
    let found = codes(mended.details().expect("ready"));
    assert!(found.iter().all(|code| !code.starts_with("SOUND")), "{found:?}");
}

/// The files the field has sent, where they are there.
#[test]
fn the_fields_files_agree_too() {
    let media = std::env::var_os("STREAMCASTER_MEDIA").map(std::path::PathBuf::from);
    let media = media
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media"))
        .join("field");
    let Ok(found) = fs::read_dir(&media) else {
        println!("{} is absent: not tested", media.display());
        return;
    };
    let folder = Folder::new("agreement-field");
    for file in found.flatten() {
        let name = file.file_name();
        let name = name.to_str().expect("a name in UTF-8");
        folder.write(name, &fs::read(file.path()).expect("readable"));
    }
    let library = all_agree(&folder);
    for (name, code) in [
        ("slides_noaud.mp4", Some("LONG_PAUSES")),
        ("vfr_noaud.mp4", Some("LONG_PAUSES")),
        ("real-mediabunny-cursed-vfr.mp4", Some("LONG_PAUSES")),
        ("audiobase.flv", Some("SOUND_BEGINS_LATE")),
        ("ilv2.ts", None),
        ("ilv5.flv", None),
    ] {
        let Some(entry) = library.entry(name) else { continue };
        let codes = codes(entry.details().expect("ready"));
        match code {
            Some(code) => assert!(codes.contains(&code), "{name}: {codes:?}"),
            None => {
                assert!(codes.iter().all(|code| !code.starts_with("SOUND")), "{name}: {codes:?}")
            }
        }
    }
}

//! `GET /api/videos`: the library in the words of the HTTP API. Purpose: the list of files, by
//! name, with what is known of each and what a platform would object to. Non-goals: looking at
//! files. Bound: [`HTTP_ANSWER_BYTES_MAX`]: where the details of all do not fit they are left out,
//! and where even the names do not, the list is cut and says where to go on.

use serde::Serialize;

use crate::base::limits::{HTTP_ANSWER_BYTES_MAX, LIBRARY_FILES_MAX};
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::moment::CivilTime;
use crate::control::api::names::{decoded, parameter};
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::library::listing::{FileState, LibraryEntry, Listing};
use crate::library::objections::{objections, Objection, OnAir};
use crate::library::survey::{self, AudioDetails, VideoDetails};
#[cfg(test)]
use serde_json::{json, Value};

/// Room for what stands around the list.
const FRAME_BYTES: usize = 2 << 10;
/// An answer grows by this much at a time: doubling would hold three times what it needs.
const GROW_BYTES: usize = 256 << 10;

/// A file of the library. What stands behind playable is there when details is true.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Video"))]
struct VideoFile<'a> {
    filename: &'a str,
    /// Bytes.
    size: u64,
    modified: CivilTime,
    #[cfg_attr(test, schemars(extend("const" = "local")))]
    source: &'static str,
    /// It can be put on air now.
    playable: bool,
    #[serde(flatten)]
    details: Option<Details<'a>>,
}

/// A file of the library. What stands behind playable is there when details is true.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Details<'a> {
    #[cfg_attr(test, schemars(extend("enum" = ["pending", "ready", "refused", "growing"])))]
    state: &'static str,
    duration_s: Option<f64>,
    video: Option<VideoTrack>,
    audio: Option<AudioTrack>,
    bit_rate: Option<u64>,
    keyframe_interval_s: Option<f64>,
    b_frames: Option<bool>,
    left_out: Option<&'static str>,
    objections: Vec<ObjectionAnswer>,
    error: Option<&'a str>,
    /// A command line that makes the file playable.
    remedy: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct VideoTrack {
    codec: &'static str,
    width: u32,
    height: u32,
    frame_rate: f32,
    profile: &'static str,
    level: f64,
    bit_rate: u32,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AudioTrack {
    codec: &'static str,
    sample_rate_hz: u32,
    channels: u8,
    bit_rate: u32,
}

/// What a platform would object to.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Objection"))]
pub struct ObjectionAnswer {
    pub code: &'static str,
    pub text: String,
}

fn seconds(ms: impl Into<u64>) -> f64 {
    ms.into() as f64 / 1000.0
}

impl<'a> VideoFile<'a> {
    fn of(entry: &'a LibraryEntry, detailed: Option<OnAir<'_>>) -> VideoFile<'a> {
        VideoFile {
            filename: &entry.name,
            size: entry.size(),
            modified: CivilTime(entry.modified()),
            source: "local",
            playable: matches!(entry.state, FileState::Ready(_)),
            details: detailed.map(|on_air| Details::of(entry, on_air)),
        }
    }
}

impl<'a> Details<'a> {
    fn of(entry: &'a LibraryEntry, on_air: OnAir<'_>) -> Details<'a> {
        let known: Option<&survey::FileDetails> = entry.details();
        let objections = known.map(|details| objections(details, on_air)).unwrap_or_default();
        let text = |Objection { code, words }| ObjectionAnswer { code, text: words };
        Details {
            state: entry.state.name(),
            duration_s: known.and_then(|details| details.duration_ms).map(seconds),
            video: known.map(|details| video(&details.video)),
            audio: known.and_then(|details| details.audio.as_ref()).map(audio),
            bit_rate: known.map(|details| details.bps),
            keyframe_interval_s: known
                .and_then(|details| details.keyframe_interval_ms)
                .map(seconds),
            b_frames: known.map(|details| details.b_frames),
            left_out: known.and_then(|details| details.left_out),
            objections: objections.into_iter().map(text).collect(),
            error: entry.words(),
            remedy: entry.remedy(),
        }
    }
}

fn video(details: &VideoDetails) -> VideoTrack {
    VideoTrack {
        codec: VideoDetails::CODEC,
        width: details.width,
        height: details.height,
        frame_rate: details.frame_rate,
        profile: details.profile(),
        level: f64::from(details.level_idc) / 10.0,
        bit_rate: details.bps,
    }
}

fn audio(details: &AudioDetails) -> AudioTrack {
    AudioTrack {
        codec: details.codec,
        sample_rate_hz: details.sample_rate_hz,
        channels: details.channels,
        bit_rate: details.bps,
    }
}

/// What of the list is wanted.
struct Wanted {
    offset: usize,
    limit: usize,
    /// In lower case.
    search: String,
}

impl Wanted {
    fn of(target: &str) -> Result<Wanted, &'static str> {
        let number = |name, default| match parameter(target, name) {
            None => Some(default),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            Some(_) => None,
        };
        let search = decoded(parameter(target, "search").unwrap_or_default(), true);
        Ok(Wanted {
            offset: number("offset", 0).ok_or("`offset` must be a number, 0 or more.")?,
            limit: number("limit", LIBRARY_FILES_MAX)
                .filter(|limit| *limit > 0)
                .ok_or("`limit` must be a number, 1 or more.")?,
            search: search.ok_or("`search` must be UTF-8 in percent-encoding.")?.to_lowercase(),
        })
    }
}

/// A list in the making.
struct List {
    body: Vec<u8>,
    /// Files in it.
    count: usize,
    /// Files that match.
    total: usize,
    /// There was no room for one.
    full: bool,
}

impl List {
    fn make(listing: &Listing, wanted: &Wanted, detailed: Option<OnAir<'_>>) -> List {
        let mut list = List { body: b"{\"videos\":[".to_vec(), count: 0, total: 0, full: false };
        let matches =
            |name: &str| wanted.search.is_empty() || name.to_lowercase().contains(&wanted.search);
        for entry in listing.entries.iter().filter(|entry| matches(&entry.name)) {
            let at = list.total;
            list.total += 1;
            if at >= wanted.offset && list.count < wanted.limit && !list.full {
                list.add(&VideoFile::of(entry, detailed));
            }
        }
        list
    }

    fn add(&mut self, video: &VideoFile<'_>) {
        // Our own struct of numbers and texts: there is nothing JSON could not say.
        let entry = serde_json::to_vec(video).unwrap_or_default();
        let needed = self.body.len() + entry.len() + 1;
        if needed > HTTP_ANSWER_BYTES_MAX - FRAME_BYTES {
            self.full = true;
            return;
        }
        if needed > self.body.capacity() {
            self.body.reserve_exact(entry.len() + GROW_BYTES);
        }
        if self.count > 0 {
            self.body.push(b',');
        }
        self.body.extend_from_slice(&entry);
        self.count += 1;
    }

    fn finish(mut self, listing: &Listing, wanted: &Wanted, details: bool) -> Vec<u8> {
        let next = wanted.offset.saturating_add(self.count);
        let rest = Rest {
            count: self.count,
            total: self.total,
            offset: wanted.offset,
            next_offset: (next < self.total).then_some(next),
            details,
            unlisted: listing.more,
            complete: listing.is_known,
            problem: listing.problem.as_deref(),
        };
        // As above.
        let rest = serde_json::to_vec(&rest).unwrap_or_default();
        self.body.reserve_exact(rest.len() + 1);
        self.body.extend_from_slice(b"],");
        self.body.extend_from_slice(rest.get(1..).unwrap_or_default());
        self.body
    }
}

/// Sorted by name.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Rest<'a> {
    /// Files in this answer.
    count: usize,
    /// Files that match.
    total: usize,
    offset: usize,
    /// Where the list goes on.
    next_offset: Option<usize>,
    /// What is known of each file stands there.
    details: bool,
    /// Files beyond what is listed at all.
    unlisted: usize,
    /// The folder has been read since the start.
    complete: bool,
    /// Why it cannot be read.
    problem: Option<&'a str>,
}

/// Answers. `on_air` is what the files are compared with.
pub fn answer(target: &str, listing: &Listing, on_air: OnAir<'_>) -> Answer {
    let wanted = match Wanted::of(target) {
        Ok(wanted) => wanted,
        Err(why) => return Problem::Invalid.answer(why),
    };
    let list = List::make(listing, &wanted, Some(on_air));
    if !list.full {
        return answer::json_bytes(200, list.finish(listing, &wanted, true));
    }
    drop(list);
    let bare = List::make(listing, &wanted, None);
    answer::json_bytes(200, bare.finish(listing, &wanted, false))
}

/// Sorted by name.
#[cfg(test)]
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Videos")]
struct VideosDocument<'a> {
    videos: Vec<VideoFile<'a>>,
    #[serde(flatten)]
    rest: Rest<'a>,
}

/// What the API's document says of it.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let number = |least: u64| json!({ "type": "integer", "minimum": least, "maximum": u64::MAX });
    let search = json!({ "type": "string", "example": "clip" });
    document
        .operation("GET /api/videos", "library", "videos", "The library")
        .parameter("query", "offset", "Files to leave out", number(0))
        .parameter("query", "limit", "Files at most", number(1))
        .parameter("query", "search", "A part of the name, in any case", search)
        .answers::<VideosDocument<'_>>(200, "The list, or the part of it that fits", Value::Null);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use serde_json::{json, Value};

    use crate::codec::container::Remedy;
    use crate::library::open::FileIdentity;

    /// So many files with names of so many bytes.
    fn listing(files: usize, name_bytes: usize) -> Listing {
        let identity =
            FileIdentity { device: 1, inode: 1, size: 1 << 30, modified_ns: 0, changed_ns: 0 };
        let state = FileState::Ready(survey::FileDetails {
            duration_ms: Some(60_500),
            video: VideoDetails {
                width: 1920,
                height: 1080,
                frame_rate: 29.97,
                profile_idc: 100,
                constraints: 0,
                level_idc: 41,
                bps: 7_000_000,
            },
            audio: Some(AudioDetails {
                codec: "AAC-LC",
                sample_rate_hz: 48_000,
                channels: 2,
                bps: 128_000,
            }),
            bps: 7_200_000,
            keyframe_interval_ms: Some(10_000),
            b_frames: true,
            left_out: None,
            pause_ms: 33,
            sound_delay_ms: 0,
            sound_fault: None,
            breaks_off: None,
        });
        let name = |at| format!("{at:0width$}.mp4", width = name_bytes - 4).into_boxed_str();
        let entry = |at| Arc::new(LibraryEntry { name: name(at), identity, state: state.clone() });
        Listing { entries: (0..files).map(entry).collect(), is_known: true, ..Listing::default() }
    }

    fn list(target: &str, files: usize, name_bytes: usize) -> Value {
        let answer = answer(target, &listing(files, name_bytes), OnAir::default());
        assert!(answer.body.len() <= HTTP_ANSWER_BYTES_MAX, "{}", answer.body.len());
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn a_file_is_told_with_the_original_fields_and_what_is_known() {
        let told = list("/api/videos", 2, 10);
        assert_eq!((&told["count"], &told["total"]), (&2.into(), &2.into()));
        let mut first = told["videos"][0].clone();
        let codes: Vec<_> =
            first["objections"].as_array().unwrap().iter().map(|o| &o["code"]).collect();
        assert_eq!(codes, ["B_FRAMES", "KEYFRAMES_FAR_APART", "VIDEO_BIT_RATE"]);
        first["objections"] = Value::Null;
        first["video"]["frame_rate"] = Value::Null;
        assert_eq!(
            first,
            json!({
                "filename": "000000.mp4", "size": 1 << 30, "modified": "1970-01-01T00:00:00.000Z",
                "source": "local", "playable": true, "state": "ready", "duration_s": 60.5,
                "video": {
                    "codec": "H.264", "width": 1920, "height": 1080, "frame_rate": null,
                    "profile": "High", "level": 4.1, "bit_rate": 7_000_000
                },
                "audio": {
                    "codec": "AAC-LC", "sample_rate_hz": 48_000, "channels": 2, "bit_rate": 128_000
                },
                "bit_rate": 7_200_000, "keyframe_interval_s": 10.0, "b_frames": true,
                "left_out": null, "objections": null, "error": null, "remedy": null
            })
        );
        assert_eq!((&told["details"], &told["next_offset"]), (&true.into(), &Value::Null));
        let none = list("/api/videos", 0, 10);
        assert_eq!((&none["videos"], &none["count"]), (&Value::Array(Vec::new()), &0.into()));
    }

    #[test]
    fn a_file_that_cannot_be_played_says_why_and_what_would_help() {
        let mut listing = listing(1, 10);
        let words = "it holds VP9 video, which cannot be carried".into();
        let remedy = Some(Remedy::Video);
        let state = FileState::Refused { words, remedy, is_passing: false };
        let entry = LibraryEntry { state, ..(*listing.entries[0]).clone() };
        listing.entries = vec![Arc::new(entry)];
        listing.more = 3;
        let answer = answer("/api/videos", &listing, OnAir::default());
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        let first = &told["videos"][0];
        assert_eq!((&first["state"], &first["playable"]), (&"refused".into(), &false.into()));
        assert_eq!(first["error"], "it holds VP9 video, which cannot be carried");
        assert!(first["remedy"].as_str().unwrap().starts_with("ffmpeg -i 000000.mp4 "));
        assert_eq!((&first["duration_s"], &told["unlisted"]), (&Value::Null, &3.into()));
    }

    #[test]
    fn a_part_can_be_asked_for() {
        let told = list("/api/videos?search=1.MP4&limit=3&offset=2", 100, 10);
        assert_eq!((&told["count"], &told["total"]), (&3.into(), &10.into()));
        assert_eq!(told["videos"][0]["filename"], "000021.mp4");
        assert_eq!((&told["offset"], &told["next_offset"]), (&2.into(), &5.into()));
        let end = list("/api/videos?offset=99", 100, 10);
        assert_eq!((&end["count"], &end["next_offset"]), (&1.into(), &Value::Null));
        let beyond = list("/api/videos?offset=18446744073709551615", 100, 10);
        assert_eq!((&beyond["count"], &beyond["next_offset"]), (&0.into(), &Value::Null));
        for target in ["limit=0", "limit=-1", "limit=", "offset=x", "search=%ff", "limit=1e3"] {
            let refused =
                answer(&format!("/api/videos?{target}"), &listing(1, 9), OnAir::default());
            assert_eq!(refused.status, 400, "{target}");
        }
    }

    #[test]
    fn ten_thousand_files_are_answered() {
        let told = list("/api/videos", 10_000, 40);
        assert_eq!((&told["count"], &told["details"]), (&10_000.into(), &false.into()));
        let last = &told["videos"][9_999];
        assert_eq!((&last["playable"], &last["state"]), (&true.into(), &Value::Null));
        let part = list("/api/videos?limit=1000", 10_000, 40);
        assert_eq!((&part["count"], &part["details"]), (&1000.into(), &true.into()));
    }

    #[test]
    fn what_does_not_fit_says_where_to_go_on() {
        let mut seen = 0;
        while let Some(told) = Some(list(&format!("/api/videos?offset={seen}"), 10_000, 255)) {
            let count = told["count"].as_u64().unwrap();
            assert!(count > 0);
            seen += count;
            match told["next_offset"].as_u64() {
                Some(next) => assert_eq!(next, seen),
                None => break,
            }
        }
        assert_eq!(seen, 10_000);
    }
}

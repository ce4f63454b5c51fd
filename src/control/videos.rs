//! `GET /api/videos`: the library in the words of the HTTP API. Purpose: the list of files, by
//! name, with what is known of each and what a platform would object to. Non-goals: looking at
//! files. Bound: [`HTTP_ANSWER_BYTES_MAX`]: where the details of all do not fit they are left out,
//! and where even the names do not, the list is cut and says where to go on.

use std::borrow::Cow;

use serde::Serialize;

use crate::base::limits::{HTTP_ANSWER_BYTES_MAX, LIBRARY_FILES_MAX};
use crate::control::names::{decoded, parameter};
use crate::control::routes::{self, Answer};

/// Room for what stands around the list.
const FRAME_BYTES: usize = 512;
/// An answer grows by this much at a time: doubling would hold three times what it needs.
const GROW_BYTES: usize = 256 << 10;

/// A file, as the API tells it. The first four fields are the original controller's.
#[derive(Clone, Debug, Serialize)]
pub struct Video<'a> {
    /// Its name.
    pub filename: &'a str,
    /// Bytes.
    pub size: u64,
    /// ISO 8601 in UTC.
    pub modified: String,
    /// Where it lies.
    pub source: &'static str,
    /// It can be put on air now.
    pub playable: bool,
    /// What else is known.
    #[serde(flatten)]
    pub details: Option<Details<'a>>,
}

/// What is known of a file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Details<'a> {
    /// `ready`, `pending`, `growing` or `refused`.
    pub state: &'static str,
    /// How long it plays.
    pub duration_s: Option<f64>,
    /// Its video.
    pub video: Option<VideoTrack<'a>>,
    /// Its audio.
    pub audio: Option<AudioTrack<'a>>,
    /// Of all tracks together, bit/s.
    pub bit_rate: Option<u64>,
    /// The longest distance of two key frames that was seen.
    pub keyframe_interval_s: Option<f64>,
    /// Frames are shown in another order than they are sent in.
    pub b_frames: Option<bool>,
    /// What a platform will object to.
    pub objections: Vec<Objection>,
    /// Why it cannot be played, for a person.
    pub error: Option<Cow<'a, str>>,
    /// The command line that would mend it.
    pub remedy: Option<Cow<'a, str>>,
}

/// A video track.
#[derive(Clone, Debug, Serialize)]
pub struct VideoTrack<'a> {
    /// `H.264`.
    pub codec: Cow<'a, str>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second; 0 when unknown.
    pub frame_rate: f64,
    /// The profile's name.
    pub profile: Cow<'a, str>,
    /// The level, as in 4.1.
    pub level: f64,
}

/// An audio track.
#[derive(Clone, Debug, Serialize)]
pub struct AudioTrack<'a> {
    /// `AAC`.
    pub codec: Cow<'a, str>,
    /// Hertz.
    pub sample_rate_hz: u32,
    /// Channels.
    pub channels: u8,
}

/// What a platform will object to.
#[derive(Clone, Debug, Serialize)]
pub struct Objection {
    /// A stable name for scripts.
    pub code: &'static str,
    /// One sentence for a person.
    pub text: String,
}

/// Where the library's state comes from.
pub trait Shelf {
    /// Hands over every file, sorted by name.
    fn each(&self, take: &mut dyn FnMut(Video<'_>));

    /// What would mend a file that cannot be played: a command line.
    fn remedy(&self, name: &str) -> Option<String> {
        let mut remedy = None;
        self.each(&mut |video| {
            if video.filename == name {
                remedy = video.details.and_then(|details| details.remedy).map(Cow::into_owned);
            }
        });
        remedy
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
    fn make(shelf: &dyn Shelf, wanted: &Wanted, detailed: bool) -> List {
        let mut list = List { body: b"{\"videos\":[".to_vec(), count: 0, total: 0, full: false };
        shelf.each(&mut |mut video| {
            if !video.filename.to_lowercase().contains(&wanted.search) {
                return;
            }
            let at = list.total;
            list.total += 1;
            if at < wanted.offset || list.count >= wanted.limit || list.full {
                return;
            }
            if !detailed {
                video.details = None;
            }
            list.add(&video);
        });
        list
    }

    fn add(&mut self, video: &Video<'_>) {
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

    fn finish(mut self, wanted: &Wanted, detailed: bool) -> Vec<u8> {
        let next = wanted.offset.saturating_add(self.count);
        let next = if next < self.total { next.to_string() } else { "null".to_owned() };
        let (count, total, offset) = (self.count, self.total, wanted.offset);
        let end = format!(
            "],\"count\":{count},\"total\":{total},\"offset\":{offset},\"next_offset\":{next},\
             \"details\":{detailed}}}"
        );
        self.body.reserve_exact(end.len());
        self.body.extend_from_slice(end.as_bytes());
        self.body
    }
}

/// Answers.
pub fn answer(target: &str, shelf: &dyn Shelf) -> Answer {
    let wanted = match Wanted::of(target) {
        Ok(wanted) => wanted,
        Err(why) => return routes::error(400, "INVALID_REQUEST", why),
    };
    let list = List::make(shelf, &wanted, true);
    if !list.full {
        return routes::json_bytes(200, list.finish(&wanted, true));
    }
    drop(list);
    routes::json_bytes(200, List::make(shelf, &wanted, false).finish(&wanted, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Files with names of so many bytes.
    struct Many {
        files: usize,
        name_bytes: usize,
    }

    impl Shelf for Many {
        fn each(&self, take: &mut dyn FnMut(Video<'_>)) {
            for at in 0..self.files {
                let filename = format!("{at:0width$}.mp4", width = self.name_bytes - 4);
                let objection = Objection { code: "b_frames", text: "It has B-frames.".to_owned() };
                take(Video {
                    filename: &filename,
                    size: 1 << 30,
                    modified: "2026-11-22T12:27:54.018Z".to_owned(),
                    source: "local",
                    playable: true,
                    details: Some(Details {
                        state: "ready",
                        duration_s: Some(60.5),
                        objections: vec![objection; 2],
                        ..Details::default()
                    }),
                });
            }
        }
    }

    fn list(target: &str, files: usize, name_bytes: usize) -> Value {
        let answer = answer(target, &Many { files, name_bytes });
        assert!(answer.body.len() <= HTTP_ANSWER_BYTES_MAX, "{}", answer.body.len());
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn a_file_is_told_with_the_original_fields_and_what_is_known() {
        let told = list("/api/videos", 2, 10);
        assert_eq!((&told["count"], &told["total"]), (&2.into(), &2.into()));
        let first = &told["videos"][0];
        assert_eq!(first["filename"], "000000.mp4");
        assert_eq!(first["size"], 1 << 30);
        assert_eq!(first["modified"], "2026-11-22T12:27:54.018Z");
        assert_eq!(first["source"], "local");
        assert_eq!((&first["state"], &first["playable"]), (&"ready".into(), &true.into()));
        assert_eq!(first["objections"][1]["code"], "b_frames");
        assert_eq!((&told["details"], &told["next_offset"]), (&true.into(), &Value::Null));
        let none = list("/api/videos", 0, 10);
        assert_eq!((&none["videos"], &none["count"]), (&Value::Array(Vec::new()), &0.into()));
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
                answer(&format!("/api/videos?{target}"), &Many { files: 1, name_bytes: 9 });
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

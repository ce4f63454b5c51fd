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

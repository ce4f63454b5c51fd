//! FLV files, whatever their length (Adobe FLV specification 10.1, E.2 to E.4). Purpose: play and
//! seek in constant memory. Non-goals: configurations that change in the middle of a file without
//! being repeated before the next key unit, which a seek would miss; files of more than 24 days.
//! Bound: a window of `FILE_WINDOW_BYTES` and what [`TagUnits`] keeps; a seek looks at no more than
//! `FLV_SEEK_TAGS_MAX` tags.

use memchr::memmem;

use crate::base::limits::{ACCESS_UNIT_HEAD_BYTES_MAX, FLV_OPENING_TAGS_MAX};
use crate::base::time::Ticks;
use crate::codec::access_unit::{AvcConfig, Track, TrackConfig, UnitSink, UnitStart};
use crate::codec::container::{
    ContainerReader, Contents, Damage, FileError, Progress, ReadAt, Remedy,
};
use crate::codec::per_track::PerTrack;
use crate::codec::window::FileWindow;

use super::reader::TagKind;
use super::seek::{self, TagPlace, TagSearch, BACK_POINTER_BYTES, TAG_HEADER_BYTES};
use super::tag::VIDEO_HEADER_BYTES;
use super::units::{TagCounters, TagUnits};

/// FLV header and the back pointer behind it.
const FILE_HEADER_BYTES: usize = 13;
/// The header's flag that there are audio tags (E.2).
const HAS_AUDIO: u8 = 0x04;
/// Of a tag this much is looked at when a file is opened: a video header, and the longest head of
/// an access unit with a slice behind it.
const TAG_BEGINNING_BYTES: usize = ACCESS_UNIT_HEAD_BYTES_MAX + VIDEO_HEADER_BYTES + 8;
/// Time after the first video unit in which audio is still waited for when a file is opened that
/// does not say that it has some.
const AUDIO_LATE: Ticks = Ticks::from_ms(3_000);
/// Tags looked at from the end for the last timestamp.
const LAST_TAGS: usize = 16;

/// Whether a file that begins with these bytes is FLV.
pub fn is_flv(head: &[u8]) -> bool {
    head.starts_with(b"FLV\x01")
}

/// A tag whose body is being read.
#[derive(Clone, Copy, Debug)]
struct OpenTag {
    kind: TagKind,
    /// Bytes of the body still to come.
    left: u64,
}

/// A reader of one FLV file.
#[derive(Debug)]
pub struct FlvFile {
    contents: Contents,
    window: FileWindow,
    units: TagUnits,
    /// The first key unit's tag.
    first_key: TagPlace,
    /// The timestamp that is 0.
    base_ms: u32,
    /// The next byte to read.
    at: u64,
    open: Option<OpenTag>,
    /// Of the units, those that were judged.
    judged: TagCounters,
    damage: Damage,
}

impl FlvFile {
    /// Reads the file's beginning, as far as its tracks' configurations, and its last timestamp.
    ///
    /// # Errors
    /// It is no FLV file, has no H.264, or the disk fails.
    pub fn open(file: &mut dyn ReadAt) -> Result<FlvFile, FileError> {
        let mut window = FileWindow::new();
        let head = window.get(file, 0, FILE_HEADER_BYTES)?;
        let header = head.first_chunk::<9>().filter(|_| is_flv(head));
        let [_, _, _, _, flags, o0, o1, o2, o3] = *header.ok_or(FileError::NotRecognised)?;
        let data = u64::from(u32::from_be_bytes([o0, o1, o2, o3])) + BACK_POINTER_BYTES;
        if data > file.size() {
            return Err(FileError::Truncated { at: file.size() });
        }
        let mut found = FlvOpening::look(file, &mut window, data, flags & HAS_AUDIO != 0)?;
        let (video, first_key) = found.video()?;
        let audio = found.units.audio().cloned();
        let left_out = found.units.complaint(Track::Audio).filter(|_| audio.is_none());
        let left_out =
            left_out.map(|complaint| complaint.holds().unwrap_or("unreadable AAC audio"));
        let base_ms = found.base_ms();
        let last = last_ms(file, &mut window, data, base_ms)?;
        let duration = last.or(found.stated_ms).map(Ticks::from_ms);
        let units = found.give_units();
        Ok(FlvFile {
            contents: Contents { video: Some(video), audio, duration, left_out },
            window,
            judged: units.counters(),
            damage: Damage::default(),
            units,
            first_key,
            base_ms,
            at: data,
            open: None,
        })
    }

    /// Begins the tag at the current place.
    fn begin_tag(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        let size = file.size();
        if self.at >= size {
            return Ok(Progress::End);
        }
        let Some(tag) = seek::read_tag(file, &mut self.window, self.at)? else {
            return Err(FileError::Truncated { at: size });
        };
        let end = tag.end();
        if end > size {
            return Err(FileError::Truncated { at: size });
        }
        if tag.encrypted {
            return Err(FileError::Encrypted { what: "encrypted tags" });
        }
        let Some(kind) = tag.kind else {
            // A type yet to come, or no tag at all: what stands behind it tells.
            let behind = self.window.get(file, end, 4)?;
            if behind.len() == 4 && behind != seek::back_pointer(tag.body_bytes) {
                return Err(FileError::Broken { what: "no tag starts there", at: self.at });
            }
            self.at = end + BACK_POINTER_BYTES;
            return Ok(Progress::More);
        };
        let bytes = usize::try_from(tag.body_bytes).unwrap_or(usize::MAX);
        self.units.begin(kind, tag.timestamp_ms.wrapping_sub(self.base_ms), bytes, sink);
        self.at += TAG_HEADER_BYTES;
        self.open = Some(OpenTag { kind, left: u64::from(tag.body_bytes) });
        Ok(Progress::More)
    }

    /// Hands on the next piece of the open tag.
    fn body(
        &mut self,
        file: &mut dyn ReadAt,
        open: OpenTag,
        sink: &mut dyn UnitSink,
    ) -> Result<(), FileError> {
        if open.kind == TagKind::Script {
            self.close(open, sink);
            return Ok(());
        }
        let wanted = usize::try_from(open.left).unwrap_or(usize::MAX);
        let bytes = self.window.get(file, self.at, wanted)?;
        if bytes.is_empty() && open.left > 0 {
            return Err(FileError::Truncated { at: self.at });
        }
        self.units.data(open.kind, bytes, sink);
        let came = bytes.len() as u64;
        self.at += came;
        let open = OpenTag { left: open.left.saturating_sub(came), ..open };
        self.open = Some(open);
        if open.left == 0 {
            self.close(open, sink);
        }
        Ok(())
    }

    fn close(&mut self, open: OpenTag, sink: &mut dyn UnitSink) {
        self.units.end(open.kind, sink);
        self.at += open.left + BACK_POINTER_BYTES;
        self.open = None;
    }

    fn judge(&mut self) -> Result<(), FileError> {
        let now = self.units.counters();
        let before = std::mem::replace(&mut self.judged, now);
        self.damage.count(now.units - before.units, now.broken - before.broken);
        self.damage.judge(self.at)
    }
}

impl ContainerReader for FlvFile {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn step(
        &mut self,
        file: &mut dyn ReadAt,
        sink: &mut dyn UnitSink,
    ) -> Result<Progress, FileError> {
        if self.open.is_none() && self.begin_tag(file, sink)? == Progress::End {
            return Ok(Progress::End);
        }
        if let Some(open) = self.open {
            self.body(file, open, sink)?;
        }
        self.judge()?;
        Ok(Progress::More)
    }

    fn give_up(&mut self, sink: &mut dyn UnitSink) {
        self.units.restart(sink);
        self.open = None;
    }

    fn seek(
        &mut self,
        file: &mut dyn ReadAt,
        to: Ticks,
        sink: &mut dyn UnitSink,
    ) -> Result<Ticks, FileError> {
        self.give_up(sink);
        let mut search = TagSearch {
            file,
            window: &mut self.window,
            first: self.first_key,
            base_ms: self.base_ms,
            to_ms: to.to_ms(),
            length_bytes: self.units.length_bytes(),
        };
        let key = search.find_key()?;
        self.at = seek::with_headers(file, &mut self.window, key.at)?;
        Ok(Ticks::from_ms(seek::since(key.timestamp_ms, self.base_ms)))
    }
}

/// What is found in a file's first tags. It takes the units they begin, and stores nothing.
struct FlvOpening {
    units: TagUnits,
    /// The first key unit, and when the first unit of each track is shown.
    first_key: Option<TagPlace>,
    key_began: bool,
    began: PerTrack<Option<u32>>,
    /// The tag being looked at.
    tag: TagPlace,
    /// The header says that there is audio.
    has_audio: bool,
    /// What onMetaData says of the duration, milliseconds.
    stated_ms: Option<i64>,
}

impl FlvOpening {
    fn look(
        file: &mut dyn ReadAt,
        window: &mut FileWindow,
        data: u64,
        has_audio: bool,
    ) -> Result<FlvOpening, FileError> {
        let mut opening = FlvOpening {
            units: TagUnits::of_file(),
            first_key: None,
            key_began: false,
            began: PerTrack::default(),
            tag: TagPlace { at: data, timestamp_ms: 0 },
            has_audio,
            stated_ms: None,
        };
        let mut at = data;
        for _ in 0..FLV_OPENING_TAGS_MAX {
            let Some(tag) = seek::read_tag(file, window, at)? else { break };
            if tag.end() > file.size() {
                break;
            }
            opening.tag = TagPlace { at, timestamp_ms: tag.timestamp_ms };
            let body = at + TAG_HEADER_BYTES;
            let bytes = usize::try_from(tag.body_bytes).unwrap_or(usize::MAX);
            match tag.kind {
                Some(TagKind::Script) => {
                    let script = window.get(file, body, bytes)?;
                    opening.stated_ms = opening.stated_ms.or_else(|| stated_ms(script));
                }
                Some(kind) => {
                    let beginning = bytes.min(TAG_BEGINNING_BYTES);
                    opening.take(kind, window.get(file, body, beginning)?, bytes);
                }
                None => {}
            }
            if opening.is_enough() {
                break;
            }
            at = tag.end() + BACK_POINTER_BYTES;
        }
        Ok(opening)
    }

    /// Takes a tag of which only the beginning is read: enough for a configuration and to know
    /// that a unit begins.
    fn take(&mut self, kind: TagKind, beginning: &[u8], bytes: usize) {
        // The reader of tags speaks to a sink, which is the rest of this struct.
        let mut units = std::mem::take(&mut self.units);
        units.begin(kind, self.tag.timestamp_ms, bytes, self);
        units.data(kind, beginning, self);
        units.end(kind, self);
        self.units = units;
    }

    /// The reader of tags, which knows the configurations and has told nobody.
    fn give_units(&mut self) -> TagUnits {
        let mut units = std::mem::take(&mut self.units);
        units.restart(self);
        units
    }

    fn is_enough(&self) -> bool {
        let PerTrack { video, audio } = self.began;
        let audio_known = audio.is_some() || self.units.complaint(Track::Audio).is_some();
        // Sound may stand seconds behind its picture: where the header promises some, it is looked
        // for as far as tags are looked at.
        let is_late = !self.has_audio
            && video.is_some_and(|began| {
                seek::since(self.tag.timestamp_ms, began) > AUDIO_LATE.to_ms()
            });
        self.first_key.is_some() && (audio_known || is_late)
    }

    fn video(&self) -> Result<(AvcConfig, TagPlace), FileError> {
        let audio_too =
            self.units.audio().is_none() && self.units.complaint(Track::Audio).is_some();
        match (self.units.video(), self.first_key, self.units.complaint(Track::Video)) {
            (Some(video), Some(key), _) => Ok((video.clone(), key)),
            (_, _, Some(complaint)) => Err(match complaint.holds() {
                Some(what) => FileError::Unsupported {
                    what: what.to_owned(),
                    remedy: if audio_too { Remedy::Both } else { Remedy::Video },
                },
                None => FileError::NoParameterSets,
            }),
            _ if self.units.lacks_parameter_sets() => Err(FileError::NoParameterSets),
            (None, None, None) if self.units.audio().is_some() || audio_too => {
                Err(FileError::AudioOnly)
            }
            _ => Err(FileError::NoVideo),
        }
    }

    /// When the first of both tracks is shown.
    fn base_ms(&self) -> u32 {
        match self.began {
            PerTrack { video: Some(video), audio: Some(audio) }
                if seek::since(audio, video) < 0 =>
            {
                audio
            }
            PerTrack { video, audio } => video.or(audio).unwrap_or(0),
        }
    }
}

impl UnitSink for FlvOpening {
    fn config(&mut self, _: &TrackConfig) {}

    fn begin(&mut self, start: UnitStart) {
        let composition = u32::try_from((start.pts - start.dts).to_ms()).unwrap_or(0);
        let shown = self.tag.timestamp_ms.wrapping_add(composition);
        self.began[start.track].get_or_insert(shown);
        self.key_began = start.key;
    }

    fn write(&mut self, track: Track, _: &[u8]) {
        if track == Track::Video && self.key_began {
            self.first_key.get_or_insert(self.tag);
        }
    }

    fn patch(&mut self, _: Track, _: usize, _: [u8; 4]) {}

    fn commit(&mut self, _: Track) {}

    fn abort(&mut self, _: Track) {}
}

/// onMetaData's duration: its name in AMF0 and the number behind it (AMF0 specification, 2.2).
fn stated_ms(script: &[u8]) -> Option<i64> {
    const NAME: &[u8] = b"\0\x08duration\0";
    let at = memmem::find(script, NAME)?;
    let number = script.get(at + NAME.len()..)?.first_chunk()?;
    let ms = f64::from_be_bytes(*number) * 1000.0;
    // Years would be a lie.
    (ms >= 1.0 && ms < f64::from(i32::MAX)).then_some(ms as i64)
}

/// The greatest time of the last tags, found by the back pointers; `None` when these do not fit.
fn last_ms(
    file: &mut dyn ReadAt,
    window: &mut FileWindow,
    data: u64,
    base_ms: u32,
) -> Result<Option<i64>, FileError> {
    let mut last = None;
    let mut end = file.size();
    for _ in 0..LAST_TAGS {
        let Some(tag) = seek::tag_before(file, window, end)?.filter(|tag| tag.at >= data) else {
            break;
        };
        if matches!(tag.kind, Some(TagKind::Audio | TagKind::Video)) {
            last = last.max(Some(seek::since(tag.timestamp_ms, base_ms)));
        }
        end = tag.at;
    }
    Ok(last.filter(|ms| *ms >= 0))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;

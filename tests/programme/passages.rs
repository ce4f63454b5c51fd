//! What was on air, told by a viewer's frames: each is looked up among those of the sources, and
//! frames that follow each other as they do in their source make a passage.

use std::collections::{HashMap, HashSet};

use crate::frames::{Frame, Recording};

/// Rounding of two clocks to milliseconds.
const ROUNDING_MS: i64 = 2;
/// An AAC frame at 44.1 kHz, and rounding.
const AUDIO_FRAME_MS: i64 = 24;
/// Kinds of silent frames: one for each configuration of the sound on air.
const SILENCES_MAX: usize = 4;

/// A source and its frames.
pub struct Known {
    /// For messages.
    pub name: &'static str,
    /// Its frames.
    pub frames: Recording,
    /// Frames of it may be on air again and again, and its sound repeats itself.
    pub repeats: bool,
    /// The longest a viewer may wait for its first frame, beside two frames' durations.
    pub late_ms: i64,
}

/// A run of frames of one source.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    /// Which source.
    pub source: usize,
    /// The number of its first frame in the source.
    pub first: usize,
    /// Frames.
    pub frames: usize,
    /// Programme time of the first and the last frame.
    pub span_ms: (i64, i64),
    /// When its first frame is shown, and the last to be shown.
    pub shown_ms: (i64, i64),
    /// Programme time less the source's: the smallest and the largest of its frames, both times.
    pub offset_ms: (i64, i64),
    /// Distance of the frames before its first two.
    pub frame_ms: i64,
}

/// Where a frame stands: source and number.
pub type Place = (usize, usize);

/// All sources' frames.
pub struct Atlas {
    sources: Vec<Known>,
    video: HashMap<u64, Place>,
    audio: HashMap<u64, Place>,
}

impl Atlas {
    /// Enters them all; no picture may be in two of them.
    pub fn of(sources: Vec<Known>) -> Atlas {
        let (mut video, mut audio) = (HashMap::new(), HashMap::new());
        for (source, known) in sources.iter().enumerate() {
            for (number, frame) in known.frames.video.iter().enumerate() {
                let twin = video.insert(frame.picture, (source, number));
                let name = known.name;
                assert!(twin.is_none() || known.repeats, "{name}: frame {number} is {twin:?}");
            }
            for (number, frame) in known.frames.audio.iter().enumerate() {
                // The sound behind a clip's end may be the same in all.
                audio.entry(frame.digest).or_insert((source, number));
            }
        }
        Atlas { sources, video, audio }
    }

    /// Where a picture is from.
    pub fn picture(&self, frame: &Frame) -> Option<Place> {
        self.video.get(&frame.picture).copied()
    }

    /// Asserts all that must hold for a viewer over many switches; the passages of the pictures.
    pub fn check(&self, what: &str, received: &Recording) -> Vec<Passage> {
        let stranger = received.video.iter().find(|frame| self.picture(frame).is_none());
        assert!(stranger.is_none(), "{what}: {stranger:?} is of no source");
        let video = self.passages(&received.video, true);
        self.gaps(what, &video);
        self.changes(what, &received.video);
        let unknown = received.audio.iter().filter(|frame| !self.audio.contains_key(&frame.digest));
        let silences: HashSet<u64> = unknown.map(|frame| frame.digest).collect();
        assert!(silences.len() <= SILENCES_MAX, "{what}: {} unknown sounds", silences.len());
        for passage in self.passages(&received.audio, false) {
            self.beside_its_picture(what, &passage, &video);
        }
        video
    }

    /// Asserts that a frame is as it is in its source, unless it follows a cut.
    fn changes(&self, what: &str, frames: &[Frame]) {
        for (at, pair) in frames.windows(2).enumerate() {
            let [before, frame] = pair else { continue };
            let [Some(before), Some((source, number))] = [before, frame].map(|f| self.picture(f))
            else {
                continue;
            };
            let known = self.sources.get(source).and_then(|k| k.frames.video.get(number));
            let follows_cut = before != (source, number.wrapping_sub(1));
            let is_same = known.is_some_and(|known| known.digest == frame.digest);
            assert!(is_same || follows_cut, "{what}: frame {} was changed", at + 1);
            assert!(frame.key || !follows_cut, "{what}: a cut to {frame:?}");
        }
    }

    fn passages(&self, frames: &[Frame], is_video: bool) -> Vec<Passage> {
        let mut passages: Vec<Passage> = Vec::new();
        for frame in frames {
            let place = if is_video { &self.video } else { &self.audio }.get(&frame.picture);
            let Some(&(source, number)) = place else { continue };
            let Some(known) = self.sources.get(source) else { continue };
            let track = if is_video { &known.frames.video } else { &known.frames.audio };
            let Some(origin) = track.get(number) else { continue };
            let offsets = [frame.dts_ms - origin.dts_ms, frame.pts_ms - origin.pts_ms];
            let [low, high] =
                [offsets.iter().min(), offsets.iter().max()].map(|o| *o.unwrap_or(&0));
            let last = passages.last_mut();
            match last.filter(|last| {
                last.source == source && (known.repeats || last.first + last.frames == number)
            }) {
                Some(last) => {
                    last.frames += 1;
                    last.span_ms.1 = frame.dts_ms;
                    last.shown_ms.1 = last.shown_ms.1.max(frame.pts_ms);
                    last.offset_ms = (last.offset_ms.0.min(low), last.offset_ms.1.max(high));
                }
                None => passages.push(Passage {
                    source,
                    first: number,
                    frames: 1,
                    span_ms: (frame.dts_ms, frame.dts_ms),
                    shown_ms: (frame.pts_ms, frame.pts_ms),
                    offset_ms: (low, high),
                    frame_ms: match track.as_slice() {
                        [first, second, ..] => second.dts_ms - first.dts_ms,
                        _ => 0,
                    },
                }),
            }
        }
        passages
    }

    /// Asserts that nobody waits at a cut, and that within a passage no time is lost.
    fn gaps(&self, what: &str, video: &[Passage]) {
        for passage in video {
            let Some(known) = self.sources.get(passage.source) else { continue };
            let spread = passage.offset_ms.1 - passage.offset_ms.0;
            let name = known.name;
            assert!(known.repeats || spread <= ROUNDING_MS, "{what}: {name}: {passage:?}");
        }
        for pair in video.windows(2) {
            let [old, new] = pair else { continue };
            let late_ms = self.sources.get(new.source).map_or(0, |known| known.late_ms);
            let gap = new.shown_ms.0 - old.shown_ms.1;
            // B-frames have their first frame shown later than it is decoded.
            let late_ms = late_ms + new.shown_ms.0 - new.span_ms.0;
            let most = 2 * old.frame_ms.max(new.frame_ms) + ROUNDING_MS + late_ms;
            assert!(gap > 0 && gap <= most, "{what}: {gap} ms between {old:?} and {new:?}");
        }
    }

    /// Asserts that a passage of sound has the offset of the picture beside it.
    fn beside_its_picture(&self, what: &str, sound: &Passage, video: &[Passage]) {
        let known = self.sources.get(sound.source).expect("a source that was entered");
        if known.repeats {
            return;
        }
        let near = |picture: &&Passage| {
            picture.source == sound.source
                && picture.span_ms.0 - 1000 <= sound.span_ms.1
                && sound.span_ms.0 <= picture.span_ms.1 + 1000
        };
        let apart = |picture: &Passage| {
            let differences =
                [sound.offset_ms.0 - picture.offset_ms.1, sound.offset_ms.1 - picture.offset_ms.0];
            differences.map(i64::abs).into_iter().max().unwrap_or(i64::MAX)
        };
        let least = video.iter().filter(near).map(apart).min();
        let name = known.name;
        assert!(
            least.is_some_and(|least| least <= AUDIO_FRAME_MS),
            "{what}: sound of {name} is {least:?} ms from its picture: {sound:?}"
        );
    }
}

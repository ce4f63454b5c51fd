//! Cuts the programme into movie fragments. Purpose: what a preview is to get next, out of the
//! ring: an init segment when parameters change, and fragments of whole units. Non-goals: waiting,
//! copying payloads. Bound: this struct, [`PREVIEW_UNITS_MAX`] units of each track in it.
//!
//! Times begin at 0 with one offset for both tracks. A picture lasts until the next one begins, so
//! the newest is kept back until that has come, or must leave without: then it lasts as long as the
//! one before. A sound lasts as long as its samples do; sounds follow each other without a gap
//! unless the programme's clock is off by half of one.

use crate::base::limits::{PREVIEW_FRAGMENT_TICKS_MAX, PREVIEW_UNITS_MAX};
use crate::base::time::{Ticks, TICKS_PER_MS, TICKS_PER_S};
use crate::codec::access_unit::{AacConfig, AvcConfig, Track, TrackConfig};
use crate::codec::per_track::PerTrack;
use crate::flv::tag::{self, AacPacket, AvcPacket, AUDIO_HEADER_BYTES, VIDEO_HEADER_BYTES};
use crate::mp4::fragment::{self, RunSample, SampleRun};
use crate::mp4::init::{codecs, init_segment};
use crate::program::reader::{Reader, ReaderStep};
use crate::program::ring::{Lookup, Ring};
use crate::program::unit::{Generation, Unit};

/// A preview is skipped to a key frame that lies further ahead than this.
const PREVIEW_LAG_TICKS_MAX: Ticks = Ticks(TICKS_PER_S);
/// A preview has no sound if none comes within so much of the picture.
const PREVIEW_TRACK_TICKS: Ticks = Ticks(TICKS_PER_S);
/// Its sound is gone if none has come for so long.
const PREVIEW_TRACK_GONE_TICKS: Ticks = Ticks(2 * TICKS_PER_S);
/// How long a picture lasts of which nothing is known: a frame of 25 per second.
const FRAME_TICKS: Ticks = Ticks::from_ms(40);

/// What comes next.
pub(super) enum PreviewCut {
    /// Nothing before the ring moves.
    Wait,
    /// The tracks as they are from here on.
    Init {
        /// The media type's `codecs` parameter.
        codecs: String,
        /// The init segment.
        bytes: Vec<u8>,
    },
    /// A fragment.
    Fragment(Fragment),
    /// Sound has come or gone: what was announced no longer holds.
    OtherTracks,
}

/// A fragment that is to leave.
pub(super) struct Fragment {
    /// What stands before the media.
    pub(super) head: Vec<u8>,
    /// The units whose payloads follow it, in this order: [`PREVIEW_UNITS_MAX`] of each track.
    pub(super) units: Vec<Unit>,
}

/// Bytes of a unit's payload that are FLV's and not the sample's.
pub(super) const fn header_bytes(track: Track) -> usize {
    match track {
        Track::Video => VIDEO_HEADER_BYTES,
        Track::Audio => AUDIO_HEADER_BYTES,
    }
}

/// A unit that waits for its fragment.
#[derive(Clone, Copy)]
struct Pending {
    unit: Unit,
    /// 90 kHz.
    composition: i32,
}

type Waiting = heapless::Vec<Pending, PREVIEW_UNITS_MAX>;

/// What was announced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Announced {
    video: Generation,
    /// `None`: there is no sound.
    audio: Option<Generation>,
}

/// How much of what waits is to leave.
#[derive(Clone, Copy)]
enum Extent {
    /// All, and this is when the next picture begins.
    UpTo(Ticks),
    /// All but the newest picture.
    KeepNewest,
    /// All: nothing is known of the next picture.
    All,
}

/// A cutter.
pub(super) struct Cutter {
    reader: Reader,
    /// Programme time of time 0.
    base: Option<Ticks>,
    /// Whether there is sound, once that is known.
    has_audio: Option<bool>,
    announced: Option<Announced>,
    waiting: PerTrack<Waiting>,
    sequence: u32,
    frame: Ticks,
    /// Samples a second.
    audio_rate: u32,
    audio_frame: u32,
    /// Where the next sound begins if it follows the last one, samples.
    audio_next: Option<i64>,
    last_audio: Ticks,
    skips: u64,
    reader_skips: u64,
}

impl Cutter {
    /// A cutter that begins at the newest key frame.
    pub(super) fn new() -> Cutter {
        Cutter {
            reader: Reader::new(),
            base: None,
            has_audio: None,
            announced: None,
            waiting: PerTrack::default(),
            sequence: 0,
            frame: FRAME_TICKS,
            audio_rate: 0,
            audio_frame: 0,
            audio_next: None,
            last_audio: Ticks(0),
            skips: 0,
            reader_skips: 0,
        }
    }

    /// Times it was skipped to the newest key frame.
    pub(super) fn skips(&self) -> u64 {
        self.skips
    }

    /// What comes next. What a fragment borrows from the ring is there when this returns.
    pub(super) fn next(&mut self, ring: &Ring) -> PreviewCut {
        loop {
            let unit = match self.reader.step(ring) {
                ReaderStep::Wait => return PreviewCut::Wait,
                // Which configurations hold stands in each unit as well.
                ReaderStep::Configure { .. } => continue,
                ReaderStep::Send { unit, .. } => unit,
            };
            if self.reader.skips() != self.reader_skips {
                self.reader_skips = self.reader.skips();
                self.forget(&unit);
            }
            let Some(has_audio) = self.has_audio.or_else(|| has_audio(ring, &unit)) else {
                return PreviewCut::Wait;
            };
            self.has_audio = Some(has_audio);
            if self.base.is_none() {
                (self.base, self.last_audio) = (Some(unit.dts), unit.dts);
            }
            if is_far_behind(ring, &unit) || self.has_lost(ring) {
                self.reader.restart();
                self.forget(&unit);
                continue;
            }
            if self.tracks_changed(&unit, has_audio) {
                return PreviewCut::OtherTracks;
            }
            let PerTrack { video, audio } = unit.configs;
            let needed = Announced { video, audio: has_audio.then_some(audio) };
            if self.announced != Some(needed) {
                if let Some(fragment) = self.cut(Extent::before(&unit, Extent::All)) {
                    return PreviewCut::Fragment(fragment);
                }
                return self.announce(ring, needed);
            }
            if self.is_due(&unit) {
                if let Some(fragment) = self.cut(Extent::before(&unit, Extent::KeepNewest)) {
                    return PreviewCut::Fragment(fragment);
                }
            }
            self.keep(ring, unit);
        }
    }

    /// Begins again at this unit: what waited is not sent.
    fn forget(&mut self, unit: &Unit) {
        self.waiting.values_mut().for_each(Waiting::clear);
        self.audio_next = None;
        self.last_audio = self.last_audio.max(unit.dts);
        self.skips += 1;
    }

    /// Whether something of what waits has been overwritten.
    fn has_lost(&self, ring: &Ring) -> bool {
        self.waiting.values().flatten().any(|pending| !ring.holds(&pending.unit))
    }

    fn tracks_changed(&mut self, unit: &Unit, has_audio: bool) -> bool {
        match unit.track {
            Track::Audio => {
                self.last_audio = self.last_audio.max(unit.dts);
                !has_audio
            }
            Track::Video => has_audio && unit.dts - self.last_audio > PREVIEW_TRACK_GONE_TICKS,
        }
    }

    fn announce(&mut self, ring: &Ring, needed: Announced) -> PreviewCut {
        let Some(TrackConfig::Avc(video)) = ring.config(Track::Video, needed.video) else {
            return PreviewCut::OtherTracks;
        };
        let audio = match needed.audio.map(|generation| ring.config(Track::Audio, generation)) {
            None => None,
            Some(Some(TrackConfig::Aac(audio))) => Some(audio),
            Some(_) => return PreviewCut::OtherTracks,
        };
        if let Some(audio) = audio {
            if self.audio_rate != audio.sample_rate_hz {
                self.audio_next = None;
            }
            (self.audio_rate, self.audio_frame) = (audio.sample_rate_hz, audio.frame_samples());
        }
        self.announced = Some(needed);
        init(video, audio)
    }

    /// Whether what waits should leave before this unit is added to it.
    fn is_due(&self, unit: &Unit) -> bool {
        let waiting = &self.waiting[unit.track];
        let (Some(first), Some(last)) = (waiting.first(), waiting.last()) else {
            return unit.key;
        };
        let end = unit.dts + (unit.dts - last.unit.dts);
        let too_long = end - first.unit.dts > PREVIEW_FRAGMENT_TICKS_MAX;
        unit.key || waiting.is_full() || too_long
    }

    /// Takes a unit.
    fn keep(&mut self, ring: &Ring, unit: Unit) {
        self.reader.sent(&unit);
        let payload = ring.payload(&unit);
        let composition = match unit.track {
            Track::Video => composition(payload),
            Track::Audio => is_sound(payload).then_some(0),
        };
        if let Some(composition) = composition {
            // There is room: a full list is sent before.
            let _ = self.waiting[unit.track].push(Pending { unit, composition });
        }
    }

    /// Makes a fragment of what waits; `None` if that is nothing.
    fn cut(&mut self, extent: Extent) -> Option<Fragment> {
        let base = self.base?;
        let PerTrack { video, audio } = &mut self.waiting;
        let kept = match extent {
            Extent::KeepNewest => video.pop(),
            Extent::UpTo(_) | Extent::All => None,
        };
        let next = match extent {
            Extent::UpTo(next) => Some(next),
            Extent::KeepNewest => kept.map(|pending| pending.unit.dts),
            Extent::All => None,
        };
        let pictures = pictures(video, next, &mut self.frame);
        let (sounds_start, sounds) =
            sounds(audio, base, self.audio_rate, self.audio_frame, &mut self.audio_next);
        let video_start = video.first().map_or(0, |first| (first.unit.dts - base).0);
        let runs = [
            SampleRun { track: Track::Video, start: time(video_start), samples: &pictures },
            SampleRun { track: Track::Audio, start: time(sounds_start), samples: &sounds },
        ];
        let units: Vec<Unit> =
            video.iter().chain(audio.iter()).map(|pending| pending.unit).collect();
        video.clear();
        audio.clear();
        video.extend(kept);
        if units.is_empty() {
            return None;
        }
        self.sequence = self.sequence.wrapping_add(1);
        fragment::head(self.sequence, &runs).map(|head| Fragment { head, units })
    }
}

impl Extent {
    /// What is to leave before `unit`: all if that is a picture, for then it is known how long the
    /// one before it lasts.
    fn before(unit: &Unit, otherwise: Extent) -> Extent {
        match unit.track {
            Track::Video => Extent::UpTo(unit.dts),
            Track::Audio => otherwise,
        }
    }
}

fn init(video: &AvcConfig, audio: Option<&AacConfig>) -> PreviewCut {
    PreviewCut::Init { codecs: codecs(video, audio), bytes: init_segment(video, audio) }
}

/// A time that is not before the beginning, as a fragment states it.
fn time(units: i64) -> u64 {
    u64::try_from(units).unwrap_or_default()
}

/// The run of the pictures; the last one lasts until `next`.
fn pictures(
    waiting: &Waiting,
    next: Option<Ticks>,
    frame: &mut Ticks,
) -> heapless::Vec<RunSample, PREVIEW_UNITS_MAX> {
    let begins = waiting.iter().skip(1).map(|pending| Some(pending.unit.dts));
    let pairs = waiting.iter().zip(begins.chain([next]));
    pairs
        .map(|(pending, next)| {
            if let Some(next) = next {
                *frame = next - pending.unit.dts;
            }
            RunSample {
                duration: u32::try_from(frame.0).unwrap_or_default(),
                ..sample(pending, pending.unit.key)
            }
        })
        .collect()
}

/// The run of the sounds, and where it begins, in samples.
fn sounds(
    waiting: &Waiting,
    base: Ticks,
    rate: u32,
    frame: u32,
    next: &mut Option<i64>,
) -> (i64, heapless::Vec<RunSample, PREVIEW_UNITS_MAX>) {
    let frame_samples = i64::from(frame);
    let mut begins: heapless::Vec<i64, PREVIEW_UNITS_MAX> = heapless::Vec::new();
    for pending in waiting {
        let ticks = (pending.unit.dts - base).0.max(0);
        let by_clock = ticks.saturating_mul(i64::from(rate)) / TICKS_PER_S;
        let begin = next.filter(|next| (by_clock - next).abs() <= frame_samples / 2);
        let begin = begin.unwrap_or(by_clock);
        *next = Some(begin.saturating_add(frame_samples));
        // As many as wait, for which there is room.
        let _ = begins.push(begin);
    }
    let start = begins.first().copied().unwrap_or_default();
    let ends = begins.iter().skip(1).copied().chain(*next);
    let runs = waiting.iter().zip(begins.iter().zip(ends));
    let run = runs.map(|(pending, (begin, end))| RunSample {
        duration: u32::try_from(end - begin).unwrap_or_default(),
        ..sample(pending, true)
    });
    (start, run.collect())
}

fn sample(pending: &Pending, key: bool) -> RunSample {
    let Pending { unit, composition } = pending;
    let bytes = unit.len.saturating_sub(header_bytes(unit.track));
    RunSample {
        bytes: u32::try_from(bytes).unwrap_or_default(),
        duration: 0,
        composition: *composition,
        key,
    }
}

/// Composition time of a picture, 90 kHz; `None` if it is none.
fn composition(payload: [&[u8]; 2]) -> Option<i32> {
    let head: heapless::Vec<u8, VIDEO_HEADER_BYTES> =
        payload.into_iter().flatten().copied().take(VIDEO_HEADER_BYTES).collect();
    let (header, _) = tag::parse_video(&head).ok()?;
    // 24 bits of milliseconds.
    let ticks = i64::from(header.composition_ms) * TICKS_PER_MS;
    (header.packet == AvcPacket::Nalu).then(|| i32::try_from(ticks).unwrap_or_default())
}

fn is_sound(payload: [&[u8]; 2]) -> bool {
    let head: heapless::Vec<u8, AUDIO_HEADER_BYTES> =
        payload.into_iter().flatten().copied().take(AUDIO_HEADER_BYTES).collect();
    matches!(tag::parse_audio(&head), Ok((AacPacket::Raw, _)))
}

/// Whether there is sound from `first` on; `None` while it is too early to tell.
fn has_audio(ring: &Ring, first: &Unit) -> Option<bool> {
    let newer = (ring.tail()..ring.head()).rev().map_while(|seq| match ring.get(seq) {
        Lookup::Unit(unit) if unit.track == Track::Audio || unit.dts >= first.dts => Some(unit),
        _ => None,
    });
    let mut newest = first.dts;
    for unit in newer.filter(|unit| unit.dts >= first.dts) {
        if unit.track == Track::Audio {
            return Some(true);
        }
        newest = newest.max(unit.dts);
    }
    (newest - first.dts >= PREVIEW_TRACK_TICKS).then_some(false)
}

/// Whether the newest key frame lies so far ahead of a picture that going on there is better.
fn is_far_behind(ring: &Ring, unit: &Unit) -> bool {
    let key = ring.newest_key().map(|key| ring.get(key));
    match key {
        Some(Lookup::Unit(key)) if unit.track == Track::Video => {
            key.dts - unit.dts > PREVIEW_LAG_TICKS_MAX
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "cutter_tests.rs"]
mod tests;

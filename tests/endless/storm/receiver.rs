//! Who receives in the storm, and what is wrong with what was received. Bound: the messages of a
//! storm.

use std::collections::HashSet;
use std::time::Duration;

use streamcaster::base::time::Mono;
use streamcaster::codec::access_unit::Track;
use streamcaster::flv::tag::{self, AacPacket, AvcPacket};
use streamcaster::program::reader::{ReadOrder, Reader, ReaderStep};
use streamcaster::program::ring::Ring;
use test_support::oracle::{self, Fault, Message, Oracle, Rules};

use super::arrivals::{is_silence, kind};
use super::media::Recording;

/// Silence begins where sound ended. That there is none is known when the picture has gone on for
/// 600 ms without it, or behind a cut has gone on so long; an AAC frame and a rounding.
const SILENCE_LAG_MS_MAX: i64 = 600 + SILENT_LAG_MS_MAX;
/// An AAC frame at 44.1 kHz, rounded up, and a rounding.
const SILENT_LAG_MS_MAX: i64 = 25;
/// Sound that joins behind a cut comes so late at most, by then silence stands in. Where its first
/// stands before the last pictures of a source that had none, it is moved behind them, and only
/// then: those were not to wait for it.
const JOINS_MAX: Duration = Duration::from_millis(700);
/// Each of the sounds that were moved stands a millisecond behind the one before it, five in a tenth
/// of a second, and with them the picture they were to stand before.
const JOINED_MS_MAX: i64 = 5;

/// Faults by their kinds.
pub type Findings = Vec<(&'static str, String)>;

/// Who receives.
pub struct Receiver {
    reader: Reader,
    rules: Rules,
    took: Vec<Took>,
    /// The DTS whose timestamp is 0.
    base_ms: Option<i64>,
    /// Units whose time was moved though it is none of sound that joins behind a cut, in words.
    moved: Vec<String>,
}

/// A message, and what was so when it came.
struct Took {
    kind: u8,
    time_ms: u32,
    body: Vec<u8>,
    /// The unit's DTS.
    dts_ms: i64,
    at: Mono,
    /// Since the last cut, and the DTS of the first picture behind it.
    aired: Duration,
    shows_ms: i64,
}

impl Receiver {
    /// One that has not got anything yet.
    pub fn new(order: ReadOrder, rules: Rules) -> Receiver {
        Receiver {
            reader: Reader::ordered(order),
            rules: Rules { unknown_sounds_max: 8, ..rules },
            took: Vec::new(),
            base_ms: None,
            moved: Vec::new(),
        }
    }

    /// Takes what may leave now; since when the source that is shown has been, and the DTS of its
    /// first picture.
    pub fn take(&mut self, ring: &Ring, at: Mono, (aired, shows_ms): (Duration, i64)) {
        loop {
            match self.reader.step(ring) {
                ReaderStep::Wait => return,
                ReaderStep::Configure { changed, timestamp_ms, .. } => {
                    for (track, &generation) in changed.iter() {
                        let Some(generation) = generation else { continue };
                        let config = ring.config(track, generation).expect("remembered");
                        let (kind, head) = match track {
                            Track::Video => (
                                oracle::VIDEO,
                                tag::video_header(true, AvcPacket::SequenceHeader, 0).to_vec(),
                            ),
                            Track::Audio => (
                                oracle::AUDIO,
                                tag::audio_header(AacPacket::SequenceHeader).to_vec(),
                            ),
                        };
                        let body = [&head, config.record()].concat();
                        let (time_ms, dts_ms) = (timestamp_ms, i64::MIN);
                        self.took.push(Took { kind, time_ms, body, dts_ms, at, aired, shows_ms });
                    }
                }
                ReaderStep::Send { unit, timestamp_ms } => {
                    let (kind, time_ms) = (kind(unit.track), timestamp_ms);
                    let (body, dts_ms) = (ring.payload(&unit).concat(), unit.dts.to_ms());
                    self.took.push(Took { kind, time_ms, body, dts_ms, at, aired, shows_ms });
                    let moved = self.reader.moved();
                    self.reader.sent(&unit);
                    let base_ms = *self.base_ms.get_or_insert(dts_ms - i64::from(time_ms));
                    let by_ms = i64::from(time_ms) - (dts_ms - base_ms);
                    let joins = aired <= JOINS_MAX
                        && (unit.track == Track::Audio || by_ms <= JOINED_MS_MAX);
                    if self.reader.moved() > moved && !joins {
                        self.moved.push(format!("{:?} {dts_ms} by {by_ms} ms", unit.track));
                    }
                }
            }
        }
    }

    /// What is wrong with what it got. At a viewer these units may come behind the other track.
    pub fn judge(
        &self,
        who: &str,
        recordings: &[Recording],
        records: &HashSet<(u8, i64)>,
        findings: &mut Findings,
    ) {
        let known = recordings.iter().map(|recording| recording.known.clone()).collect();
        let messages = self.took.iter().map(|took| Message {
            kind: took.kind,
            time_ms: took.time_ms,
            body: &took.body,
            arrived: Some(Duration::from_micros(took.at.0)),
        });
        let report = Oracle::judge(self.rules, known, messages);
        for violation in &report.violations {
            let Some(took) = self.took.get(violation.at) else { continue };
            let excused = records.contains(&(took.kind, took.dts_ms));
            let kind = match &violation.fault {
                Fault::Lag { .. } if excused => continue,
                Fault::Lag { lag_ms, .. } if self.is_silence_in_time(took, *lag_ms) => continue,
                Fault::Lag { .. } => "order of time",
                Fault::Seam { .. } => "seam",
                Fault::CutToNoKey => "cut to no key",
                Fault::WrongConfig { .. } | Fault::NoConfig(_) | Fault::ConfigInBandOnly => {
                    "configuration"
                }
                Fault::DtsNotGrowing { .. } => "time of a track",
                Fault::Sync { .. } => "sound apart from its picture",
                Fault::Unknown(_) => "unknown",
                _ => "other",
            };
            findings.push((kind, format!("{who}, {}: {}", violation.at, violation.fault)));
        }
    }

    /// Silence at a viewer that comes so far behind the newest picture: in front of a cut it may
    /// stand as far before the first picture as the programme stood still.
    fn is_silence_in_time(&self, took: &Took, lag_ms: i64) -> bool {
        let is_viewers = self.rules.lag_ms_max > 0 && took.kind == oracle::AUDIO;
        let newest_ms = took.dts_ms + lag_ms;
        let since_ms = took.dts_ms.max(took.shows_ms);
        is_viewers && is_silence(&took.body) && newest_ms - since_ms <= SILENCE_LAG_MS_MAX
    }

    /// All of it comes, each unit with its own time: nothing of a storm is later than it was to be
    /// waited for.
    pub fn is_in_time(&self, findings: &mut Findings) {
        let left_out = self.reader.left_out();
        if left_out > 0 {
            findings.push(("left out at a destination", format!("{left_out} sounds")));
        }
        for moved in &self.moved {
            findings.push(("moved at a destination", moved.clone()));
        }
    }

    /// Silence that goes on leaves before the picture that follows it.
    pub fn silence_in_time(&self, findings: &mut Findings) {
        let (mut newest, mut began) = (None, None);
        for (nth, took) in self.took.iter().enumerate() {
            let is_unit = took.body.get(1) == Some(&1);
            if !is_unit {
                continue;
            }
            if took.kind == oracle::VIDEO {
                newest = Some(took.time_ms);
                continue;
            }
            let lag = newest.map_or(0, |newest: u32| i64::from(newest) - i64::from(took.time_ms));
            // Behind a cut it begins once more.
            let is_before_cut = |began: &Mono| took.at.since(*began) > took.aired;
            began = began.filter(|began| !is_before_cut(began));
            if !is_silence(&took.body) {
                began = None;
            } else if *began.get_or_insert(took.at) != took.at && lag > SILENT_LAG_MS_MAX {
                findings.push(("silence behind its picture", format!("viewer, {nth}: {lag} ms")));
            }
        }
    }
}

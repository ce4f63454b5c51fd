//! What the oracle found, in words for a failed test.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::Passage;
use crate::units::Track;

/// Faults named in full when a test fails; the count tells of the rest.
const NAMED_MAX: usize = 20;

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No audio, video or data.
    UnknownKind(u8),
    /// It cannot be read.
    Malformed(&'static str),
    /// The first byte is not 0x17 or 0x27, or not 0xAF.
    CodecByte(u8),
    /// Shown before it is decoded.
    CompositionNegative(i64),
    /// The frame type says other than the NAL units.
    KeyFlag {
        /// What the frame type says.
        flag: bool,
    },
    /// A decoding time repeats or goes back.
    DtsNotGrowing {
        /// Which track.
        track: Track,
        /// The largest before it.
        before_ms: i64,
        /// Its own.
        dts_ms: i64,
    },
    /// A hole in a track.
    Step {
        /// Which track.
        track: Track,
        /// Its length.
        step_ms: i64,
    },
    /// It comes too far behind the newest of the other track.
    Lag {
        /// Its own track.
        track: Track,
        /// How far.
        lag_ms: i64,
    },
    /// No configuration of its track came before it.
    NoConfig(Track),
    /// The configuration that holds is not the one of its source.
    WrongConfig {
        /// Which track.
        track: Track,
        /// The source it is from.
        source: String,
    },
    /// Parameter sets in the unit are not those of the sequence header.
    ConfigInBandOnly,
    /// A cut, or the very beginning, on a picture that no decoder can start with.
    CutToNoKey,
    /// A picture behind a cut is shown before, or with, the last one before the cut.
    Seam {
        /// The source that came on air.
        to: String,
        /// Not above 0.
        gap_ms: i64,
    },
    /// A unit of no source.
    Unknown(Track),
    /// Sound apart from its picture.
    Sync {
        /// Their source.
        source: String,
        /// By how much.
        apart_ms: i64,
    },
    /// It took too long from its source.
    Late {
        /// Which track.
        track: Track,
        /// How long.
        latency: Duration,
    },
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Fault::UnknownKind(kind) => write!(f, "message type {kind} is none of 8, 9, 18"),
            Fault::Malformed(what) => f.write_str(what),
            Fault::CodecByte(byte) => write!(f, "the first byte {byte:#04x} is not of AVC or AAC"),
            Fault::CompositionNegative(ms) => write!(f, "composition time {ms} ms"),
            Fault::KeyFlag { flag: true } => f.write_str("flagged as key frame without an IDR"),
            Fault::KeyFlag { flag: false } => f.write_str("an IDR not flagged as key frame"),
            Fault::DtsNotGrowing { track, before_ms, dts_ms } => {
                write!(f, "{track:?}: decoding time {dts_ms} ms follows {before_ms} ms")
            }
            Fault::Step { track, step_ms } => write!(f, "{track:?}: a hole of {step_ms} ms"),
            Fault::Lag { track, lag_ms } => {
                write!(f, "{track:?} comes {lag_ms} ms behind the other track's newest")
            }
            Fault::NoConfig(track) => write!(f, "{track:?} before any configuration"),
            Fault::WrongConfig { track, source } => {
                write!(f, "{track:?} of {source} under another source's configuration")
            }
            Fault::ConfigInBandOnly => f.write_str("parameter sets that no sequence header holds"),
            Fault::CutToNoKey => f.write_str("a cut to a picture that no decoder can start with"),
            Fault::Seam { to, gap_ms } => {
                write!(f, "a picture of {to} is shown {gap_ms} ms behind the last before the cut")
            }
            Fault::Unknown(track) => write!(f, "{track:?} of no source"),
            Fault::Sync { source, apart_ms } => {
                write!(f, "sound of {source} is {apart_ms} ms from its picture")
            }
            Fault::Late { track, latency } => write!(f, "{track:?} took {latency:?}"),
        }
    }
}

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The number of the message.
    pub at: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What was found in a viewer's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Faults in the order of the messages.
    pub violations: Vec<Violation>,
    /// What was on air, by its pictures.
    pub video: Vec<Passage>,
    /// The same by its sound.
    pub audio: Vec<Passage>,
    /// Video sequence headers.
    pub video_configs: usize,
    /// Audio sequence headers.
    pub audio_configs: usize,
    /// Messages taken.
    pub messages: usize,
    /// The furthest a unit came behind the other track's newest; negative when none did.
    pub lag_ms_max: Option<i64>,
    /// Units that were moved forward for the order of time.
    pub moved: usize,
    /// From source to viewer, of each unit for which both ends are known.
    pub latencies: Vec<Duration>,
}

impl Report {
    /// Asserts that nothing is wrong.
    #[track_caller]
    pub fn assert_clean(&self, what: &str) {
        assert!(self.violations.is_empty(), "{what}: {self}");
    }

    /// The faults of the kind that `is` picks.
    pub fn count(&self, is: impl Fn(&Fault) -> bool) -> usize {
        self.violations.iter().filter(|violation| is(&violation.fault)).count()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults in {} messages", self.violations.len(), self.messages)?;
        for Violation { at, fault } in self.violations.iter().take(NAMED_MAX) {
            write!(f, "\n  message {at}: {fault}")?;
        }
        for passage in &self.video {
            let Passage { source, at, first, last, units, shown_ms: (from, to), .. } = passage;
            write!(f, "\n  from message {at}: source {source}, pictures {first} to {last} ")?;
            write!(f, "({units} of them), shown {from} to {to} ms")?;
        }
        Ok(())
    }
}

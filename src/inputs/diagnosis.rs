//! Why a live input is not on air. Purpose: pure functions from what has come to the one reason
//! that counts; the first that holds, in the order in which one has to be put right before the next
//! matters. Non-goals: logging, since when. Bound: values.

use std::time::Duration;

use crate::base::time::Mono;
use crate::codec::aac::AdtsCounters;
use crate::codec::access_unit::Track;
use crate::codec::h264::H264Counters;
use crate::codec::per_track::PerTrack;
use crate::flv::complaint::Complaint;
use crate::operator::reason::Why;
use crate::program::source::Source;
use crate::program::switcher::Switcher;
use crate::program::timeline::SKEW_MAX;
use crate::system::text::{text, Text};
use crate::ts::demux::{ProgrammeState, StreamInfo};

use super::watch::Watch;

/// A track of which no unit came whole for so long brings none: longer than the slowest slides
/// take.
const GONE: Duration = Duration::from_secs(15);
/// Time sound may come later than the picture at the beginning.
const SOUND_LATE: Duration = Duration::from_secs(5);

/// What is on air, as far as the inputs' reasons depend on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Air {
    /// What is on air.
    pub on_air: Source,
    /// Since when.
    pub since: Mono,
    /// What the operator has chosen.
    pub choice: Option<Source>,
}

impl Air {
    /// Of this programme, now.
    pub fn of(switcher: &Switcher) -> Air {
        let (on_air, since) = (switcher.on_air(), switcher.on_air_since());
        Air { on_air, since, choice: switcher.choice() }
    }

    /// Whether the source would be on air if it could be.
    fn wants(&self, source: Source) -> bool {
        let is_live = |source| matches!(source, Source::Udp | Source::Rtmp | Source::Pull);
        match self.choice {
            Some(choice) if choice == source => true,
            Some(choice) => is_live(choice) && self.on_air == Source::Standby,
            None => !is_live(self.on_air),
        }
    }
}

/// What has come of a transport stream.
pub(super) struct TsFacts<'a> {
    pub(super) programme: ProgrammeState,
    /// The programmes there are.
    pub(super) present: Text,
    pub(super) streams: &'a [StreamInfo],
    /// What the video stream's units came to; `None`: none is carried.
    pub(super) video: Option<H264Counters>,
    pub(super) audio: Option<AdtsCounters>,
    /// Scrambled packets came just now.
    pub(super) is_scrambled: bool,
    pub(super) runs_away: bool,
    pub(super) over_rate: bool,
    pub(super) watch: &'a Watch,
}

/// Why a transport stream that comes is not on air.
pub(super) fn ts(facts: &TsFacts<'_>, air: Air, now: Mono) -> Option<Why> {
    if air.on_air == Source::Udp {
        return None;
    }
    if facts.over_rate {
        return Some(Why::OverRate);
    }
    match facts.programme {
        ProgrammeState::NoTable => return Some(Why::NoPat),
        ProgrammeState::Waiting => return Some(Why::NoPmt),
        ProgrammeState::Absent(wanted) => {
            return Some(Why::WrongProgramme(wanted, facts.present.clone()))
        }
        ProgrammeState::Taken(_) => {}
    }
    let Some(units) = facts.video else { return Some(no_picture(facts.streams)) };
    let seen = facts.watch.seen(Track::Video);
    let is_gone = seen.last.is_none_or(|last| now.since(last) >= GONE);
    if facts.is_scrambled && (is_gone || units.units == 0) {
        return Some(Why::Scrambled);
    }
    if facts.runs_away {
        return Some(Why::TooFast);
    }
    if is_gone {
        return Some(nothing_whole(units));
    }
    Some(usable(Source::Udp, facts.watch, air))
}

/// No stream of the programme is a picture that can be carried.
fn no_picture(streams: &[StreamInfo]) -> Why {
    let picture = streams.iter().find(|stream| stream.is_picture());
    let sound = streams.iter().find_map(|stream| Some((stream.codec, stream.sound()?)));
    match (picture, sound) {
        (Some(stream), _) if stream.codec == "H.264 (encrypted)" => Why::Scrambled,
        (Some(stream), _) => Why::VideoCodec(text(stream.codec)),
        (None, Some((codec, _))) => Why::AudioOnly(text(codec)),
        (None, None) => Why::NoStreams,
    }
}

/// A picture is announced and no unit of it comes whole.
fn nothing_whole(units: H264Counters) -> Why {
    let H264Counters { without_config, keys_without_config, bad_parameter_sets, broken, .. } =
        units;
    if units.units > 0 {
        Why::NoVideo
    } else if bad_parameter_sets > 0 {
        Why::BadParameterSets(text("they do not follow the standard"))
    } else if keys_without_config > 0 {
        Why::NoParameterSets
    } else if without_config > 0 {
        Why::AwaitsKeyFrame
    } else if broken > 0 {
        Why::BrokenVideo
    } else {
        Why::NoVideo
    }
}

/// Its units come whole.
fn usable(source: Source, watch: &Watch, air: Air) -> Why {
    match watch.key {
        None => Why::AwaitsKeyFrame,
        // It is wanted, so its next key frame puts it on air: the last one came before that was
        // possible, or broke.
        Some(_) if air.wants(source) => Why::AwaitsKeyFrame,
        Some(_) => Why::NotChosen(air.on_air),
    }
}

/// Why a transport stream's sound is not carried, or `None`: it is, or it is too early to say.
pub(super) fn ts_sound(facts: &TsFacts<'_>, now: Mono) -> Option<Why> {
    if !matches!(facts.programme, ProgrammeState::Taken(_)) || facts.streams.is_empty() {
        return None;
    }
    let is_carried = |stream: &&StreamInfo| stream.carried && stream.sound().is_some();
    if !facts.streams.iter().any(|stream| is_carried(&stream)) {
        let left_out = facts.streams.iter().find(|stream| stream.sound().is_some());
        return Some(match left_out {
            Some(stream) => Why::SoundCodec(text(stream.codec)),
            None => Why::NoSound,
        });
    }
    let unsupported =
        facts.audio.is_some_and(|frames| frames.frames == 0 && frames.unsupported > 0);
    if unsupported {
        return Some(Why::SoundUnusable(text(
            "its number of channels is not stated, or one ADTS frame holds several raw blocks",
        )));
    }
    sound_beside(facts.watch, now)
}

/// Sound is announced: whether it comes, and at the picture's time.
fn sound_beside(watch: &Watch, now: Mono) -> Option<Why> {
    let [video, audio] = Track::ALL.map(|track| watch.seen(track));
    let flows = video.last.is_some_and(|last| now.since(last) < GONE);
    let began = video.first.filter(|first| flows && now.since(*first) >= SOUND_LATE)?;
    if audio.last.is_none_or(|last| now.since(last) >= GONE) {
        return (audio.last.is_some() || now.since(began) >= SOUND_LATE)
            .then_some(Why::SoundMissing);
    }
    let apart = watch.apart.filter(|apart| apart.0.saturating_abs() > SKEW_MAX.0)?;
    Some(Why::SoundTimes(apart.to_ms()))
}

/// What has come of RTMP's media messages.
pub(super) struct RtmpFacts<'a> {
    pub(super) source: Source,
    /// Media messages that came whole.
    pub(super) messages: PerTrack<u64>,
    /// What is wrong with each track.
    pub(super) complaints: PerTrack<Option<Complaint>>,
    /// Whether each track's configuration has come.
    pub(super) configured: PerTrack<bool>,
    pub(super) runs_away: bool,
    pub(super) watch: &'a Watch,
}

/// The codec's own name, where what the track holds has one in front.
fn codec_name(holds: &str) -> Text {
    let end = [" video", " audio"].into_iter().find_map(|kind| holds.find(kind));
    let name = end.filter(|_| !holds.contains("sent as")).and_then(|end| holds.get(..end));
    text(name.unwrap_or(holds))
}

/// Why a publisher or a pull that is connected is not on air.
pub(super) fn rtmp(facts: &RtmpFacts<'_>, air: Air, now: Mono) -> Option<Why> {
    if air.on_air == facts.source {
        return None;
    }
    if let Some(complaint) = &facts.complaints.video {
        return Some(match complaint.holds() {
            Some(codec) => Why::VideoCodec(codec_name(codec)),
            None => Why::BadParameterSets(text(complaint)),
        });
    }
    let sound = facts.complaints.audio.as_ref().and_then(Complaint::holds);
    let codec = || codec_name(sound.unwrap_or("AAC"));
    Some(match (facts.messages.video, facts.messages.audio) {
        (0, 0) => Why::NoMedia,
        (0, _) => Why::AudioOnly(codec()),
        _ if facts.runs_away => Why::TooFast,
        _ if !facts.configured.video => Why::NoParameterSets,
        _ if facts.watch.seen(Track::Video).last.is_none_or(|last| now.since(last) >= GONE) => {
            Why::NoVideo
        }
        _ => usable(facts.source, facts.watch, air),
    })
}

/// Why its sound is not carried, or `None`: it is, or it is too early to say.
pub(super) fn rtmp_sound(facts: &RtmpFacts<'_>, now: Mono) -> Option<Why> {
    if let Some(complaint) = &facts.complaints.audio {
        return Some(match complaint.holds() {
            Some(codec) => Why::SoundCodec(codec_name(codec)),
            None => Why::SoundUnusable(text(complaint)),
        });
    }
    let began = facts.watch.seen(Track::Video).first?;
    if facts.messages.audio == 0 {
        return (now.since(began) >= SOUND_LATE).then_some(Why::NoSound);
    }
    if !facts.configured.audio {
        let words = "no sequence header with its configuration was received";
        return Some(Why::SoundUnusable(text(words)));
    }
    sound_beside(facts.watch, now)
}

#[cfg(test)]
#[path = "diagnosis_tests.rs"]
mod tests;

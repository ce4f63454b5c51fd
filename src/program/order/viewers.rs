//! The order of time for viewers, where it costs them no more than a frame or two; players sort
//! what they get. Bound: this struct.

use std::time::Duration;

use super::interleave::JITTER;
use crate::base::time::{Mono, Ticks};
use crate::codec::access_unit::Track;
use crate::codec::per_track::PerTrack;

/// The most that order may cost a viewer; where it costs more, units leave as they come.
const VIEWER_LAG_MAX: Ticks = Ticks::from_ms(50);

/// What may leave to viewers.
#[derive(Default)]
pub(super) struct ViewerOrder {
    /// When each track's newest unit came, and what it is.
    newest: PerTrack<Option<(Ticks, Mono)>>,
    until: PerTrack<Option<Ticks>>,
    /// How long the units of each track have to wait: as far as the other's come behind them.
    waits: PerTrack<Ticks>,
}

impl ViewerOrder {
    /// These are the newest units now, of a source whose tracks come so far behind each other.
    pub(super) fn stored(
        &mut self,
        newest: PerTrack<Option<(Ticks, Mono)>>,
        lags: PerTrack<Ticks>,
        now: Mono,
    ) {
        (self.newest, self.waits) = (newest, PerTrack { video: lags.audio, audio: lags.video });
        self.settle(now);
    }

    /// Lets time pass.
    pub(super) fn settle(&mut self, now: Mono) {
        let PerTrack { video, audio } = self.newest;
        // Within a track units come in order: none is to come that is older than its newest.
        let both = video.zip(audio).map(|((video, _), (audio, _))| video.min(audio));
        for track in Track::ALL {
            let (Some((newest, at)), wait) = (self.newest[track], self.waits[track]) else {
                continue;
            };
            let by_lag = if now >= at + hold(wait) { newest } else { newest - wait };
            self.until[track] = self.until[track].max(Some(by_lag)).max(both);
        }
    }

    /// When time lets a unit leave, if nothing comes before.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let due = self.newest.iter().filter_map(|(track, newest)| {
            let (dts, at) = (*newest)?;
            (Some(dts) > self.until[track]).then(|| at + hold(self.waits[track]))
        });
        due.min()
    }

    /// Units up to these times may leave; `None`: they leave as they come.
    pub(super) fn settled(&self) -> Option<PerTrack<Ticks>> {
        let is_cheap = self.waits.values().all(|wait| *wait <= VIEWER_LAG_MAX);
        is_cheap.then(|| PerTrack::of(|track| self.until[track].unwrap_or(Ticks(i64::MIN))))
    }
}

/// How long a track's newest unit is held where nothing follows it: longer than the other's units
/// come behind it, for they jitter. A unit that is followed waits no longer than its followers say.
fn hold(wait: Ticks) -> Duration {
    match wait {
        Ticks(0) => Duration::ZERO,
        wait => (wait + JITTER).to_duration(),
    }
}

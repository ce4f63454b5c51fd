//! The order of time for viewers, where it costs them no more than a frame or two; players sort
//! what they get. Bound: this struct.

use std::time::Duration;

use super::JITTER;
use crate::base::time::{Mono, Ticks};

/// The most that order may cost a viewer; where it costs more, units leave as they come.
const VIEWER_LAG_MAX: Ticks = Ticks::from_ms(50);

/// What may leave to viewers.
#[derive(Default)]
pub(super) struct Viewers {
    /// When each track's newest unit came, and what it is.
    newest: [Option<(Ticks, Mono)>; 2],
    until: [Option<Ticks>; 2],
    /// How long the units of each track have to wait: as far as the other's come behind them.
    waits: [Ticks; 2],
}

impl Viewers {
    /// These are the newest units now, of a source whose tracks come so far behind each other.
    pub(super) fn stored(
        &mut self,
        newest: [Option<(Ticks, Mono)>; 2],
        [video, audio]: [Ticks; 2],
        now: Mono,
    ) {
        (self.newest, self.waits) = (newest, [audio, video]);
        self.settle(now);
    }

    /// Lets time pass.
    pub(super) fn settle(&mut self, now: Mono) {
        let [video, audio] = self.newest;
        // Within a track units come in order: none is to come that is older than its newest.
        let both = video.zip(audio).map(|((video, _), (audio, _))| video.min(audio));
        let tracks = self.newest.iter().zip(self.waits).zip(&mut self.until);
        for ((newest, wait), until) in tracks {
            let Some((newest, at)) = *newest else { continue };
            let by_lag = if now >= at + hold(wait) { newest } else { newest - wait };
            *until = (*until).max(Some(by_lag)).max(both);
        }
    }

    /// When time lets a unit leave, if nothing comes before.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let tracks = self.newest.iter().zip(self.waits).zip(self.until);
        let due = tracks.filter_map(|((newest, wait), until)| {
            let (dts, at) = (*newest)?;
            (Some(dts) > until).then(|| at + hold(wait))
        });
        due.min()
    }

    /// Units up to these times may leave, by [`Track::index`]; `None`: they leave as they come.
    pub(super) fn settled(&self) -> Option<[Ticks; 2]> {
        let is_cheap = self.waits.iter().all(|wait| *wait <= VIEWER_LAG_MAX);
        is_cheap.then(|| self.until.map(|until| until.unwrap_or(Ticks(i64::MIN))))
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

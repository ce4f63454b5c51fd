//! What a bit rate was over the last minutes. Purpose: a line a person sees at a glance. Pure:
//! `now` comes in. Bound: [`BPS_HISTORY_SAMPLES_MAX`] samples, one each [`BPS_HISTORY_STEP_MS`].

use std::sync::Arc;
use std::time::Duration;

use super::limits::{BPS_DAY_SAMPLES_MAX, BPS_HISTORY_SAMPLES_MAX};
use super::time::Mono;

/// Time between two of them.
const BPS_HISTORY_STEP_MS: u64 = 5_000;

/// The samples, oldest first, bit/s.
pub type BpsSamples = heapless::Vec<u64, BPS_HISTORY_SAMPLES_MAX>;

/// Time between two samples of a day.
const BPS_DAY_STEP_MS: u64 = 300_000;

/// A bit rate's past day: means over five minutes, in kbit/s. Who only looks shares it.
#[derive(Debug, Default)]
pub struct DayHistory {
    samples: Arc<[u32]>,
    /// When the mean began, and the bytes counted by then.
    from: Option<(Mono, u64)>,
}

impl DayHistory {
    /// So many bytes are counted by now.
    pub fn take(&mut self, now: Mono, bytes: u64) {
        let (from, before) = *self.from.get_or_insert((now, bytes));
        let span_ms = now.since(from).as_millis();
        if span_ms < u128::from(BPS_DAY_STEP_MS) {
            return;
        }
        let kbps = u128::from(bytes.saturating_sub(before)) * 8 / span_ms;
        let oldest = (self.samples.len() + 1).saturating_sub(BPS_DAY_SAMPLES_MAX);
        let kept = self.samples.iter().skip(oldest).copied();
        self.samples = kept.chain([u32::try_from(kbps).unwrap_or(u32::MAX)]).collect();
        self.from = Some((now, bytes));
    }

    /// The samples, oldest first, kbit/s.
    pub fn samples(&self) -> Arc<[u32]> {
        Arc::clone(&self.samples)
    }
}

/// A bit rate's past.
#[derive(Debug, Default)]
pub struct History {
    samples: heapless::HistoryBuf<u64, BPS_HISTORY_SAMPLES_MAX>,
    due: Option<Mono>,
}

impl History {
    /// Takes the rate as a sample, if it is time for one.
    pub fn take(&mut self, now: Mono, bps: u64) {
        let step = Duration::from_millis(BPS_HISTORY_STEP_MS);
        let due = self.due.unwrap_or(now);
        if now < due {
            return;
        }
        self.samples.write(bps);
        // After a pause it goes on from now: samples that nobody took are not made up.
        let next = due + step;
        self.due = Some(if next > now { next } else { now + step });
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> BpsSamples {
        self.samples.oldest_ordered().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_kept_in_means_over_five_minutes_and_no_more() {
        let mut day = DayHistory::default();
        // 3 Mbit/s for 26 h, in the last two of them half of that.
        let mut bytes = 0;
        for s in 0..=26 * 3600_u64 {
            day.take(Mono::from_ms(s * 1000), bytes);
            bytes += if s < 24 * 3600 { 375_000 } else { 187_500 };
        }
        let samples = day.samples();
        assert_eq!(samples.len(), BPS_DAY_SAMPLES_MAX);
        let (full, half) = samples.split_at(BPS_DAY_SAMPLES_MAX - 24);
        assert!(full.iter().all(|kbps| *kbps == 3000), "{full:?}");
        assert!(half.iter().all(|kbps| *kbps == 1500), "{half:?}");
    }

    #[test]
    fn a_sample_is_taken_every_step_however_often_one_looks() {
        let mut history = History::default();
        for ms in (0..=5 * BPS_HISTORY_STEP_MS).step_by(250) {
            history.take(Mono::from_ms(ms + 100), ms);
        }
        let step = BPS_HISTORY_STEP_MS;
        assert_eq!(history.samples().as_slice(), [0, step, 2 * step, 3 * step, 4 * step, 5 * step]);
    }

    #[test]
    fn only_the_newest_stay_and_a_pause_is_not_made_up() {
        let mut history = History::default();
        for number in 0..BPS_HISTORY_SAMPLES_MAX as u64 + 5 {
            history.take(Mono::from_ms(number * BPS_HISTORY_STEP_MS), number);
        }
        let samples = history.samples();
        assert_eq!((samples.len(), samples.first()), (BPS_HISTORY_SAMPLES_MAX, Some(&5)));
        history.take(Mono::from_ms(900 * BPS_HISTORY_STEP_MS), 7);
        history.take(Mono::from_ms(900 * BPS_HISTORY_STEP_MS + 1), 8);
        assert_eq!(history.samples().iter().rev().take(2).collect::<Vec<_>>(), [&7, &64]);
    }
}

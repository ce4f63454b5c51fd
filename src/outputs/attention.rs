//! Whether somebody is there who watches. Purpose: a viewer from which nothing comes any more, no
//! answer to pings, no acknowledgement, is ended, though its socket takes everything: what takes it
//! may be a buffer on the way whose other end is gone. Non-goals: sockets, clocks; who takes
//! nothing, which is seen by that. Bound: this struct.
//!
//! Any byte counts as an answer. What players answer, by their sources: ffmpeg, librtmp, GStreamer's
//! rtmp2src, nginx-rtmp and SRS answer pings. go2rtc sends nothing from its `play` on (its
//! pkg/rtmp/conn.go), and reads all the same: who has taken more than the buffers on the way hold
//! ([`VIEWER_BUFFERED_BYTES_MAX`]) has read it, and is left alone. It only makes room for others
//! before those who answer do.

use std::time::Duration;

use crate::base::limits::{RTMP_PING_MS, VIEWER_BUFFERED_BYTES_MAX, VIEWER_UNHEARD_MS_MAX};
use crate::base::time::Mono;

/// How long is waited for viewers.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Pause between two pings.
    pub ping: Duration,
    /// Time without a byte, after which nobody may be there.
    pub unheard: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            ping: Duration::from_millis(RTMP_PING_MS),
            unheard: Duration::from_millis(VIEWER_UNHEARD_MS_MAX),
        }
    }
}

/// When a viewer was last heard.
pub(super) struct Attention {
    unheard_max: Duration,
    heard: Mono,
    /// Bytes it had taken by then.
    taken: u64,
}

impl Attention {
    /// It has just been heard, and taken nothing.
    pub(super) fn new(patience: Patience, now: Mono) -> Attention {
        Attention { unheard_max: patience.unheard, heard: now, taken: 0 }
    }

    /// Something has come from it, which has taken so many bytes.
    pub(super) fn heard(&mut self, taken: u64, now: Mono) {
        (self.heard, self.taken) = (now, taken);
    }

    /// Nothing has come for so long that it may be gone.
    pub(super) fn is_unheard(&self, now: Mono) -> bool {
        now.since(self.heard) >= self.unheard_max
    }

    /// Nothing has come, and what it has taken since need not have been read by anybody.
    pub(super) fn is_gone(&self, taken: u64, now: Mono) -> bool {
        let since = taken.saturating_sub(self.taken);
        self.is_unheard(now) && since <= VIEWER_BUFFERED_BYTES_MAX as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every four seconds for an hour at a viewer that takes `bps` and is heard at these
    /// seconds; the second at which it is found gone.
    fn gone_at(bps: u64, heard_at: impl Fn(u64) -> bool) -> Option<u64> {
        let mut attention = Attention::new(Patience::default(), Mono(0));
        (1..3600).find(|&s| {
            let (taken, now) = (s * bps / 8, Mono::from_ms(s * 1000));
            if heard_at(s) {
                attention.heard(taken, now);
            }
            s % 4 == 0 && attention.is_gone(taken, now)
        })
    }

    #[test]
    fn who_answers_each_ping_or_acknowledges_now_and_then_stays() {
        let ping_s = RTMP_PING_MS / 1000;
        for bps in [0, 60_000, 500_000, 3_000_000] {
            // Answers that wait behind ten seconds of media.
            assert_eq!(gone_at(bps, |s| s > 10 && s % ping_s == 10), None, "{bps} bit/s");
            // An acknowledgement each 2,500,000 bytes, and no answer to pings.
            let window_s = |s: u64| s * bps / 8 / 2_500_000;
            let acks = |s: u64| s > 0 && window_s(s) > window_s(s - 1);
            assert_eq!(gone_at(bps, acks).is_none(), bps >= 500_000, "{bps} bit/s");
        }
    }

    #[test]
    fn who_answers_nothing_is_gone_unless_it_must_have_read() {
        let limit_s = VIEWER_UNHEARD_MS_MAX / 1000;
        assert_eq!(gone_at(60_000, |_| false), Some(limit_s.next_multiple_of(4)));
        assert_eq!(gone_at(60_000, |s| s <= 1000), Some((1000 + limit_s).next_multiple_of(4)));
        // go2rtc, of a programme of 1.5 Mbit/s.
        assert_eq!(gone_at(1_500_000, |_| false), None);
    }

    #[test]
    fn who_is_unheard_is_the_first_to_make_room_whatever_it_takes() {
        let mut attention = Attention::new(Patience::default(), Mono(0));
        let end = Mono::from_ms(VIEWER_UNHEARD_MS_MAX);
        assert!(!attention.is_unheard(Mono::from_ms(VIEWER_UNHEARD_MS_MAX - 1)));
        assert!(attention.is_unheard(end));
        assert!(!attention.is_gone(1 << 30, end));
        attention.heard(1 << 30, end);
        assert!(!attention.is_unheard(end));
    }
}

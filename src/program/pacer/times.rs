//! What a file says of its times. Purpose: tell a pause, which is played, from a jump, which is
//! not. Bound: this struct.

use crate::base::time::Ticks;
use crate::codec::container::{ContainerReader, Timing};

/// A longer step is a pause only where the file says so. Players take the same ten seconds for
/// transport streams (ffplay's `max_frame_duration`).
const PAUSE_MAX: Ticks = Ticks::from_ms(10_000);
/// Sound that outlasts its picture by less gives way to what follows: it is the rounding of an encoder
/// or a muxer. An AAC encoder's delay and padding are a few frames of at most 64 ms (1024 samples at
/// 16 kHz).
const SOUND_REST: Ticks = Ticks::from_ms(250);
/// Frame durations a pause may last in any case.
pub(super) const PAUSE_FRAMES: i64 = 3;

/// A file's times, as far as it states them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTimes {
    /// How far they can be believed.
    pub timing: Timing,
    /// How long it plays.
    pub duration: Option<Ticks>,
    /// When its last picture has been shown.
    pub picture_end: Option<Ticks>,
}

impl FileTimes {
    /// What a reader knows of its file.
    pub fn of(reader: &dyn ContainerReader) -> FileTimes {
        let contents = reader.contents();
        let silent = contents.audio.is_none() && contents.left_out.is_none();
        let picture_end = reader.picture_end().or(contents.duration.filter(|_| silent));
        FileTimes { timing: reader.timing(), duration: contents.duration, picture_end }
    }

    /// Whether the file leads from `latest` up to a later time: what lies between is a pause.
    pub(super) fn leads_to(&self, time: Ticks, latest: Ticks, frame: Ticks) -> bool {
        let frames = Ticks(frame.0.saturating_mul(PAUSE_FRAMES));
        time - latest <= PAUSE_MAX.max(frames)
            || match self.timing {
                Timing::Tables => true,
                Timing::Stated => self.duration.is_some_and(|duration| time <= duration),
                Timing::Clock => false,
            }
    }

    /// When the last picture has been shown, of which the units alone tell that it is shown until
    /// `shown`.
    pub(super) fn picture_end(&self, shown: Ticks) -> Ticks {
        let believed = |end: &Ticks| self.timing == Timing::Tables || *end - shown <= PAUSE_MAX;
        self.picture_end.filter(believed).map_or(shown, |end| end.max(shown))
    }

    /// Whether sound that ends then is waited for behind a picture that ends before it.
    pub(super) fn is_waited_for(sound_end: Ticks, picture_end: Ticks) -> bool {
        sound_end - picture_end > SOUND_REST
    }
}

//! The programme: one writer, one ring, many readers. Pure policy: `now` comes in, units and
//! verdicts go out; nothing here waits, allocates per unit, or knows a socket.

#[cfg(test)]
mod model;
mod order;
mod payload;
mod silence;
#[cfg(test)]
pub(crate) mod testing;

pub mod bell;
pub mod pacer;
pub mod playlist;
pub mod read_ahead;
pub mod reader;
pub mod reading;
pub mod ring;
pub mod source;
pub mod switcher;
pub mod timeline;
pub mod unit;

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::base::time::Mono;
use crate::codec::access_unit::Track;

use bell::{Bell, Listener};
use ring::Ring;
use source::Source;
use switcher::{Cut, SourceSink, Switcher};

/// The programme as the shells of the data plane's one thread share it.
pub struct Programme {
    switcher: RefCell<Switcher>,
    bell: Rc<Bell>,
    /// Since when sound waits for the picture it will leave with.
    sound_waits: Cell<Option<Mono>>,
}

/// The longest sound waits for a picture: more than a frame lasts in Europe's 25 per second.
const SOUND_RIDES_MAX: Duration = Duration::from_millis(50);

impl Programme {
    /// Shares a switcher.
    pub fn new(switcher: Switcher) -> Programme {
        Programme {
            switcher: RefCell::new(switcher),
            bell: Rc::default(),
            sound_waits: Cell::default(),
        }
    }

    /// Takes what a source has for it: one batch, after which readers are woken once. Returns the
    /// change of what is on air, if it made one.
    pub fn feed(
        &self,
        source: Source,
        now: Mono,
        batch: impl FnOnce(&mut SourceSink<'_>),
    ) -> Option<Cut> {
        let mut switcher = self.switcher.borrow_mut();
        batch(&mut switcher.sink(source, now));
        self.after(&mut switcher, now)
    }

    /// The operator chooses what is to be on air; see [`Switcher::choose`]. Returns the change of
    /// what is on air, if it is made at once.
    pub fn choose(&self, choice: Option<Source>, now: Mono) -> Option<Cut> {
        let mut switcher = self.switcher.borrow_mut();
        switcher.choose(choice, now);
        self.after(&mut switcher, now)
    }

    /// From now on a source silent for `silence` is covered by the standby card.
    pub fn set_silence(&self, silence: Duration) {
        self.switcher.borrow_mut().set_silence(silence);
    }

    /// When `source`, which is paced by the clock, will hand over its next video unit; see
    /// [`Switcher::expect`].
    pub fn expect(&self, source: Source, until: Mono) {
        self.switcher.borrow_mut().expect(source, until);
    }

    /// Lets time pass; see [`Switcher::tick`].
    pub fn tick(&self, now: Mono) -> Option<Cut> {
        let mut switcher = self.switcher.borrow_mut();
        switcher.tick(now);
        self.after(&mut switcher, now)
    }

    /// How much later what follows behind a cut may come, where the source on air is paced by the
    /// clock; see [`Timeline::take_ahead`](timeline::Timeline::take_ahead).
    pub fn take_ahead(&self) -> Duration {
        self.switcher.borrow_mut().take_ahead()
    }

    /// Rings whenever the ring has moved or what is on air has changed.
    pub fn listen(&self) -> Listener {
        self.bell.listen()
    }

    /// The ring, for reading. Held across no `await`.
    pub fn ring(&self) -> Ref<'_, Ring> {
        Ref::map(self.switcher.borrow(), Switcher::ring)
    }

    /// The switcher, for looking at it. Held across no `await`.
    pub fn switcher(&self) -> Ref<'_, Switcher> {
        self.switcher.borrow()
    }

    /// Wakes the readers for video and for cuts. Sound rides with the picture behind it: what a
    /// reader costs is its system calls, and no player needs the one before the other.
    fn after(&self, switcher: &mut Switcher, now: Mono) -> Option<Cut> {
        let cut = switcher.take_cut();
        let rings = match switcher.take_moved() {
            None => cut.is_some(),
            Some(Track::Video) => true,
            Some(Track::Audio) => {
                let waits_since = self.sound_waits.get().unwrap_or(now);
                self.sound_waits.set(Some(waits_since));
                cut.is_some() || now.since(waits_since) >= SOUND_RIDES_MAX
            }
        };
        if rings {
            self.sound_waits.set(None);
            self.bell.ring();
        }
        cut
    }
}

#[cfg(test)]
mod destination_tests;
#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod switching_tests;
#[cfg(test)]
mod takeover_tests;

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::ring::Capacity;
    use super::switcher::FillAudio;
    use super::*;
    use crate::base::time::Ticks;
    use crate::codec::access_unit::{UnitSink, UnitStart};

    fn unit(sink: &mut SourceSink<'_>, track: Track, ms: i64) {
        let time = Ticks::from_ms(ms);
        sink.begin(UnitStart { track, dts: time, pts: time, key: track == Track::Video });
        sink.write(track, b"unit");
        sink.commit(track);
    }

    fn programme() -> Programme {
        let capacity =
            Capacity { video_bytes: 4096, audio_bytes: 4096, units: 64, unit_bytes_max: 1024 };
        Programme::new(Switcher::new(
            Ring::new(capacity),
            Duration::from_millis(500),
            FillAudio::No,
        ))
    }

    #[test]
    fn the_shells_get_each_change_of_what_is_on_air_when_it_is_made() {
        let (programme, at) = (programme(), Mono::from_ms);
        programme.feed(Source::Standby, at(0), |sink| unit(sink, Track::Video, 0));
        assert_eq!(programme.choose(Some(Source::File), at(10)), None, "it is not there yet");
        let (standby, file) = (Source::Standby, Source::File);
        let to_file = Some(Cut { from: standby, to: file, silent: None });
        let begins = |ms| {
            programme.feed(file, at(ms), |sink| {
                sink.restart();
                unit(sink, Track::Video, 0);
            })
        };
        assert_eq!(begins(20), to_file);
        let stopped = programme.choose(Some(standby), at(30));
        assert_eq!(stopped, Some(Cut { from: file, to: standby, silent: None }));
        programme.choose(Some(file), at(40));
        assert_eq!(begins(40), to_file);
        // Its next picture is due in nine seconds, and silence is a tenth of a second.
        programme.set_silence(Duration::from_millis(100));
        programme.expect(file, at(9_000));
        assert_eq!(programme.tick(at(9_099)), None);
        let silent = Some(Duration::from_millis(9_060));
        let covered = Some(Cut { from: file, to: standby, silent });
        assert_eq!(programme.tick(at(9_100)), covered);
    }

    /// A file that follows a burst begins so much later.
    #[test]
    fn what_a_burst_has_run_ahead_is_made_up_for_once() {
        let (programme, at) = (programme(), Mono::from_ms);
        for ms in [0, 40, 80, 120, 160, 1000] {
            programme.feed(Source::Standby, at(0), |sink| unit(sink, Track::Video, ms));
        }
        programme.choose(Some(Source::File), at(0));
        programme.feed(Source::File, at(0), |sink| unit(sink, Track::Video, 0));
        assert!(programme.take_ahead() > Duration::from_millis(900));
        assert!(programme.take_ahead() < Duration::from_millis(2));
    }

    #[test]
    fn sound_leaves_with_the_picture_behind_it_or_when_none_comes() {
        let programme = programme();
        let mut listener = programme.listen();
        let mut cx = Context::from_waker(Waker::noop());
        let mut feed = |at_ms, track, ms| {
            programme.feed(Source::Standby, Mono::from_ms(at_ms), |sink| unit(sink, track, ms));
            listener.poll_heard(&mut cx).is_ready()
        };
        assert!(feed(1000, Track::Video, 0));
        assert!(!feed(1010, Track::Audio, 0));
        assert!(!feed(1030, Track::Audio, 21));
        assert!(feed(1033, Track::Video, 33), "the picture takes it along");
        assert!(!feed(1040, Track::Audio, 42));
        assert!(!feed(1089, Track::Audio, 64));
        assert!(feed(1090, Track::Audio, 85), "no picture came");
        assert!(!feed(1100, Track::Audio, 106), "the wait begins again");
    }
}

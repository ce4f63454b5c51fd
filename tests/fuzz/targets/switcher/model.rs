//! Who may be on air, and for how long without a byte. Bound: this struct.

use std::time::Duration;

use streamcaster::base::time::Mono;
use streamcaster::program::source::Source;
use streamcaster::program::switcher::{Cut, Switcher};

/// No pause of a source is waited for longer, whatever its rhythm, and no paced one's frames are
/// so long that three of them last longer.
const PATIENCE_MAX: Duration = Duration::from_millis(8_250);
/// The shortest silence that is set.
pub const SILENCE_MIN: Duration = Duration::from_millis(100);
/// Bytes that flow without a unit coming whole are believed for so long at least.
const UNITS_BREAK_MIN: Duration = Duration::from_secs(3);
/// After a look at the clock that comes late, because the machine stood still, a live source is waited
/// for this much longer, once for each silence.
const CATCH_UP: Duration = Duration::from_millis(250);
/// A file that is no longer wanted goes on for so long at most.
const HANDOVER_MAX: Duration = Duration::from_secs(10);

/// What ought to be so.
pub struct Model {
    pub silence: Duration,
    pub on_air: Source,
    choice: Option<Source>,
    /// How often the operator has chosen.
    choices: u64,
    /// When the choice of a file was taken back.
    unwanted: Mono,
    /// When the last byte on air came.
    heard: Mono,
    /// The same, or when what is on air started over, which is waited for as well, once.
    flowed: Mono,
    /// When the file's next picture is due.
    due: Mono,
    /// The silence for which a live source was waited for once more, and until when.
    silent_since: Option<Mono>,
    catches_up: Mono,
    /// By source: since when a key unit is open that was wanted by this choice.
    wanted: [Option<(u64, Mono)>; 5],
    cuts: u64,
}

impl Model {
    pub fn new(silence: Duration) -> Model {
        Model {
            silence,
            on_air: Source::Standby,
            choice: None,
            choices: 0,
            unwanted: Mono::default(),
            heard: Mono::default(),
            flowed: Mono::default(),
            due: Mono::default(),
            silent_since: None,
            catches_up: Mono::default(),
            wanted: [None; 5],
            cuts: 0,
        }
    }

    pub fn chooses(&mut self, choice: Option<Source>, now: Mono) {
        if self.choice.is_some() {
            self.unwanted = now;
        }
        (self.choice, self.choices) = (choice, self.choices + 1);
    }

    /// A key unit begins.
    pub fn begins(&mut self, source: Source, now: Mono) {
        let is_chosen = self.choice == Some(source);
        self.wanted[source as usize] = is_chosen.then_some((self.choices, now));
    }

    /// The open video unit breaks off.
    pub fn breaks(&mut self, source: Source) {
        self.wanted[source as usize] = None;
    }

    /// A video unit was handed over whole: if it was a key unit of the operator's choice from its
    /// first byte on, it has gone on air; unless it took so long that another took its place.
    pub fn commits(&mut self, source: Source, [before, on_air]: [Source; 2], now: Mono) {
        let Some((choice, began)) = self.wanted[source as usize].take() else { return };
        if choice == self.choices && now.since(began) < SILENCE_MIN {
            assert_eq!(on_air, source, "chosen, and {before:?} was on air");
        }
    }

    /// Bytes came.
    pub fn flows(&mut self, switcher: &Switcher, source: Source, now: Mono) {
        if switcher.on_air() == source {
            (self.heard, self.flowed) = (self.heard.max(now), self.flowed.max(now));
        }
    }

    /// What is paced by the clock comes so much later.
    pub fn waits(&mut self, ahead: Duration) {
        (self.heard, self.flowed) = (self.heard + ahead, self.flowed + ahead);
    }

    /// A source starts over or leaves.
    pub fn restarts(&mut self, switcher: &Switcher, source: Source, now: Mono) {
        self.wanted[source as usize] = None;
        if switcher.on_air() == source {
            self.flowed = now;
        }
        if source == Source::File {
            self.due = Mono::default();
        }
    }

    /// The file says when its next picture is due.
    pub fn expects(&mut self, until: Mono) {
        self.due = until;
    }

    pub fn cuts(&mut self, cut: Cut, now: Mono) {
        assert!(cut.from != cut.to, "{cut:?}");
        assert!(cut.from == self.on_air, "{cut:?}");
        if let Some(silent) = cut.silent {
            assert_eq!(cut.to, Source::Standby, "{cut:?}");
            let no_bytes = now.since(self.heard) >= self.silence;
            let no_units = silent >= self.silence.max(UNITS_BREAK_MIN);
            assert!(no_bytes || no_units, "{cut:?} with {:?} of silence", self.silence);
        }
        let allowed = match (cut.to, self.choice) {
            (Source::Standby, _) => true,
            (to, Some(choice)) if to == choice => true,
            (to, Some(choice)) => is_live(to) && is_live(choice) && cut.from == Source::Standby,
            (to, None) => is_live(to) && !is_live(cut.from),
        };
        assert!(allowed, "{cut:?} with {:?} chosen", self.choice);
        (self.on_air, self.heard, self.flowed) = (cut.to, now, now);
        // What it had open is given up.
        self.wanted[cut.from as usize] = None;
        self.cuts += 1;
    }

    pub fn assert_allowed(&self, switcher: &Switcher, now: Mono) {
        let on_air = switcher.on_air();
        assert_eq!(on_air, self.on_air, "every change is said");
        assert_eq!(switcher.choice(), self.choice);
        assert!(switcher.counters().cuts >= self.cuts);
        if self.choice == Some(Source::Standby) {
            assert_eq!(on_air, Source::Standby);
        }
        if on_air == Source::File && self.choice.is_none() {
            assert!(now <= self.unwanted + HANDOVER_MAX, "a file that nobody wants");
        }
    }

    /// Behind a tick, what is on air was heard of lately.
    pub fn assert_patience(&mut self, switcher: &Switcher, now: Mono) {
        let due = if self.on_air == Source::File { self.due } else { Mono::default() };
        let until = self.flowed.max(due) + self.silence.max(PATIENCE_MAX);
        // Its patience may have ended earlier than the longest there is, but no later than now.
        if now >= until && is_live(self.on_air) && self.silent_since != Some(self.flowed) {
            (self.silent_since, self.catches_up) = (Some(self.flowed), now + CATCH_UP);
        }
        let is_heard = self.on_air == Source::Standby || now < until.max(self.catches_up);
        assert!(is_heard, "{:?} at {now:?}, silent", switcher.on_air());
    }
}

fn is_live(source: Source) -> bool {
    [Source::Udp, Source::Rtmp, Source::Pull].contains(&source)
}

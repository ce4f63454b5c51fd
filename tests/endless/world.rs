//! The program without its sockets, and time as a number: the parts joined as the shells join
//! them. Purpose: runs from event to event, the encoder's next datagram, the card's next unit, a
//! source that falls silent. Bound: the ring, the players.

use std::time::Duration;

use streamcaster::base::time::{Mono, Ticks};
use streamcaster::program::ring::{Capacity, Ring};
use streamcaster::program::source::Source;
use streamcaster::program::switcher::{Cut, FillAudio, Switcher, SwitcherCounters};
use streamcaster::program::Programme;
use streamcaster::ts::demux::Demux;

use crate::card::Card;
use crate::encoder::Encoder;
use crate::player::{Player, Seen, ROUNDING};

/// A live input silent this long is covered, as the program has it by default.
pub const SILENCE: Duration = Duration::from_millis(500);

/// Everything.
pub struct World {
    pub now: Mono,
    programme: Programme,
    pub demux: Demux,
    card: Card,
    card_plays: bool,
    heard: Option<Mono>,
    pub players: Vec<Player>,
    /// What of the encoder's datagrams is lost, in a thousand.
    pub lost_permille: u64,
    pub random: fastrand::Rng,
    pub cuts: u64,
    silence: Duration,
    live_since: Mono,
    /// How long encoders were on air before the last cut.
    aired: Duration,
    /// The programme's time less the wall clock's, each since the first unit.
    since: Option<(Ticks, Mono)>,
}

impl World {
    pub fn new(seed: u64, silence: Duration, players: Vec<Player>) -> World {
        let capacity = Capacity {
            video_bytes: 256 << 10,
            audio_bytes: 128 << 10,
            units: 4096,
            unit_bytes_max: 64 << 10,
        };
        World {
            now: Mono::default(),
            programme: Programme::new(Switcher::new(Ring::new(capacity), silence, FillAudio::No)),
            demux: Demux::new(None),
            card: Card::default(),
            card_plays: false,
            heard: None,
            players,
            lost_permille: 0,
            random: fastrand::Rng::with_seed(seed),
            cuts: 0,
            silence,
            live_since: Mono::default(),
            aired: Duration::ZERO,
            since: None,
        }
    }

    /// Lets this much time pass while the encoder sends.
    pub fn run(&mut self, span: Duration, encoder: &mut Encoder) {
        self.run_until(self.now + span, Some(encoder));
    }

    /// Lets this much time pass while nobody sends.
    pub fn silence(&mut self, span: Duration) {
        self.run_until(self.now + span, None);
    }

    pub fn on_air(&self) -> Source {
        self.programme.switcher().on_air()
    }

    pub fn counters(&self) -> SwitcherCounters {
        self.programme.switcher().counters()
    }

    /// How far the programme has run ahead of the wall clock since its beginning, 90 kHz.
    pub fn ahead(&self) -> i64 {
        let Some((programme, wall)) = self.since else { return 0 };
        let newest = self.programme.ring().newest().map_or(programme, |unit| unit.dts);
        (newest - programme - Ticks::from_duration(self.now.since(wall))).0
    }

    /// How long encoders were on air until the last cut away from them.
    pub fn aired(&self) -> Duration {
        self.aired
    }

    fn run_until(&mut self, end: Mono, mut encoder: Option<&mut Encoder>) {
        loop {
            let is_card = self.on_air() == Source::Standby;
            if is_card && !self.card_plays {
                self.card.begin(self.now);
            }
            self.card_plays = is_card;
            let sends = encoder.as_ref().map(|encoder| encoder.due());
            let plays = is_card.then(|| self.card.due());
            let ticks = self.programme.switcher().deadline();
            let next = [sends, plays, ticks].into_iter().flatten().min().unwrap_or(end);
            if next >= end {
                self.now = self.now.max(end);
                return;
            }
            self.now = self.now.max(next);
            let cut = self.programme.tick(self.now);
            self.note(cut);
            if let Some(encoder) = encoder.as_mut().filter(|_| sends.is_some_and(|at| at <= next)) {
                self.datagram(encoder.datagram());
            }
            if plays.is_some_and(|at| at <= next) {
                let (card, now) = (&mut self.card, self.now);
                let cut = self.programme.feed(Source::Standby, now, |sink| card.play(now, sink));
                self.note(cut);
            }
            self.serve();
        }
    }

    fn datagram(&mut self, datagram: &[u8]) {
        if self.random.u64(..1000) < self.lost_permille {
            return;
        }
        let (demux, now) = (&mut self.demux, self.now);
        // As the UDP input does with a sender that was silent.
        let is_new = self.heard.replace(now).is_none_or(|heard| now.since(heard) >= self.silence);
        let cut = self.programme.feed(Source::Udp, now, |sink| {
            if is_new {
                demux.reset(sink);
            }
            demux.datagram(datagram, sink);
        });
        self.note(cut);
    }

    fn note(&mut self, cut: Option<Cut>) {
        let Some(Cut { to, silent, .. }) = cut else { return };
        self.cuts += 1;
        match to {
            Source::Udp => self.live_since = self.now,
            Source::Standby => {
                let silent = silent.expect("the card comes because of silence");
                assert!(silent >= self.silence, "left after {silent:?}");
                self.aired += self.now.since(self.live_since) - silent;
            }
            other => unreachable!("nobody feeds {other:?} here"),
        }
    }

    fn serve(&mut self) {
        let ring = self.programme.ring();
        if self.since.is_none() {
            self.since = ring.newest().map(|unit| (unit.dts, self.now));
        }
        for player in &mut self.players {
            player.take(&ring, self.now);
        }
    }

    /// What each player saw, after a look at what holds for all of them: the tracks stayed
    /// together within an audio frame, and on their sources' time.
    pub fn judge(&self, audio_frame: i64) -> Vec<Seen> {
        let seen: Vec<Seen> = self.players.iter().map(Player::seen).collect();
        for (n, seen) in seen.iter().enumerate() {
            assert!(seen.skew <= audio_frame, "player {n}: {} ticks apart", seen.skew);
            assert!(seen.stray <= ROUNDING, "player {n}: {} ticks astray", seen.stray);
            let [video, audio] = seen.units;
            assert!(video > 0, "player {n} saw both tracks");
            assert!(audio > 0, "player {n} saw both tracks");
            assert!(seen.apart <= audio / 50, "player {n}: {} of {audio} apart", seen.apart);
        }
        seen
    }
}

//! The program without its sockets in a storm: who comes and goes, what the operator chooses, and
//! what a viewer and a destination receive of it.

use std::collections::HashSet;
use std::time::Duration;

use streamcaster::base::time::{Mono, Ticks};
use streamcaster::codec::access_unit::Track;
use streamcaster::program::reader::ReadOrder;
use streamcaster::program::ring::{Capacity, Lookup, Ring};
use streamcaster::program::source::Source;
use streamcaster::program::switcher::{FillAudio, Switcher};
use streamcaster::program::Programme;
use test_support::oracle::Rules;

use super::arrivals::{Arrivals, JITTER_MS_MAX};
use super::media::{Recording, Way};
use super::receiver::{Findings, Receiver};

const SILENCE: Duration = Duration::from_millis(500);
/// How long the storm lasts, and how long standby plays behind it.
const RAGES: Duration = Duration::from_secs(15);
const CALMS: Duration = Duration::from_secs(5);
/// Sound lies in packets of 16 frames, 372 ms at 44.1 kHz, begins 20 ms beside its picture at most,
/// and jitters.
const VIEWER_LAG_MS_MAX: i64 = 372 + 20 + JITTER_MS_MAX as i64;
/// What the programme may be ahead of where it began once standby has played for a while: what
/// cuts may leave, a frame for each of two, and roundings.
const AHEAD_MS_MAX: i64 = 250;

pub struct World {
    rng: fastrand::Rng,
    now: Mono,
    programme: Programme,
    card: Recording,
    card_since: Option<Mono>,
    live: [(Source, Option<Recording>); 3],
    file: Option<Recording>,
    /// All recordings that have ended or gone.
    gone: Vec<Recording>,
    ids: u32,
    receivers: [Receiver; 2],
    next_event: Mono,
    cuts: u64,
    /// Programme time less wall time, at the beginning and now, of video.
    lead: Option<(Ticks, Ticks)>,
    read: u64,
    arrivals: Arrivals,
}

impl World {
    pub fn new(seed: u64, fill: FillAudio) -> World {
        let capacity = Capacity {
            video_bytes: 256 << 10,
            audio_bytes: 128 << 10,
            units: 4096,
            unit_bytes_max: 64 << 10,
        };
        let viewer = Rules { lag_ms_max: VIEWER_LAG_MS_MAX, ..Rules::VIEWER };
        World {
            rng: fastrand::Rng::with_seed(seed),
            now: Mono::from_ms(50),
            programme: Programme::new(Switcher::new(Ring::new(capacity), SILENCE, fill)),
            card: Recording::card(1),
            card_since: None,
            live: [Source::Udp, Source::Rtmp, Source::Pull].map(|source| (source, None)),
            file: None,
            gone: Vec::new(),
            ids: 1,
            receivers: [
                Receiver::new(ReadOrder::Viewer, viewer),
                Receiver::new(ReadOrder::Time, Rules::DESTINATION),
            ],
            next_event: Mono::from_ms(500),
            cuts: 0,
            lead: None,
            read: 0,
            arrivals: Arrivals::default(),
        }
    }

    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// The storm, and the calm behind it.
    pub fn rage(&mut self) {
        self.run_until(Mono::default() + RAGES, true);
        for nth in 0..self.live.len() {
            self.gone.extend(self.live[nth].1.take());
        }
        let cut = self.programme.choose(Some(Source::Standby), self.now);
        self.note(cut.is_some());
        self.run_until(self.now + CALMS, false);
    }

    fn run_until(&mut self, end: Mono, rages: bool) {
        while self.now < end {
            self.standby();
            let card = (self.on_air() == Source::Standby).then_some(&self.card);
            let recordings = self.live.iter().filter_map(|(_, recording)| recording.as_ref());
            let dues = recordings.chain(&self.file).chain(card).filter_map(Recording::due);
            let deadline = self.programme.switcher().deadline();
            let event = rages.then_some(self.next_event);
            let next = dues.chain(deadline).chain(event).min().unwrap_or(end);
            self.now = next.max(self.now).min(end);
            let cut = self.programme.tick(self.now);
            self.note(cut.is_some());
            if rages && self.now >= self.next_event {
                self.happens();
            }
            self.deliver();
            self.receive();
        }
    }

    fn on_air(&self) -> Source {
        self.programme.switcher().on_air()
    }

    /// The card begins whenever it is put on air.
    fn standby(&mut self) {
        let since = {
            let switcher = self.programme.switcher();
            (switcher.on_air() == Source::Standby).then(|| switcher.on_air_since())
        };
        if since.is_some() && (since != self.card_since || self.card.due().is_none()) {
            let ended = since == self.card_since;
            self.card.begin(self.now);
            let (card, now) = (&mut self.card, self.now);
            self.programme.feed(Source::Standby, now, |sink| {
                if ended {
                    sink.restart();
                }
                card.play(now, sink);
            });
            self.card.began = self.card.began + self.programme.take_ahead();
        }
        self.card_since = since;
    }

    /// Somebody comes or goes, or the operator chooses.
    fn happens(&mut self) {
        let now = self.now;
        self.next_event = now + Duration::from_micros(self.rng.u64(50_000..2_500_000));
        match self.rng.u8(..10) {
            0..=3 => {
                let nth = self.rng.usize(..3);
                self.comes(nth);
            }
            4 | 5 => {
                let nth = self.rng.usize(..3);
                self.goes(nth);
            }
            6 | 7 => {
                self.gone.extend(self.file.take());
                self.ids += 1;
                let file = Recording::draw(&mut self.rng, self.ids, Way::Paced, now);
                self.file = Some(file);
                let cut = self.programme.choose(Some(Source::File), now);
                self.note(cut.is_some());
                self.play_file(true);
            }
            8 => {
                let choice = [Source::Udp, Source::Rtmp, Source::Pull, Source::Standby];
                let choice = choice[self.rng.usize(..4)];
                let cut = self.programme.choose(Some(choice), now);
                self.note(cut.is_some());
            }
            _ => {
                let cut = self.programme.choose(None, now);
                self.note(cut.is_some());
            }
        }
    }

    /// A sender comes, or another in its place.
    fn comes(&mut self, nth: usize) {
        self.ids += 1;
        let (source, now) = (self.live[nth].0, self.now);
        let way = match source {
            Source::Udp => Way::Datagrams,
            _ => Way::Connection,
        };
        let recording = Recording::draw(&mut self.rng, self.ids, way, now);
        self.gone.extend(self.live[nth].1.replace(recording));
        let cut = self.programme.feed(source, now, |sink| sink.restart());
        self.note(cut.is_some());
    }

    /// A sender goes; one by TCP does so with a goodbye.
    fn goes(&mut self, nth: usize) {
        let (source, now) = (self.live[nth].0, self.now);
        if self.live[nth].1.is_none() {
            return;
        }
        self.gone.extend(self.live[nth].1.take());
        if source != Source::Udp {
            let cut = self.programme.feed(source, now, |sink| sink.leave());
            self.note(cut.is_some());
            assert_ne!(self.on_air(), source, "a goodbye is certain");
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        for nth in 0..self.live.len() {
            let (source, recording) = &mut self.live[nth];
            let (source, Some(recording)) = (*source, recording.as_mut()) else { continue };
            if recording.due().is_some_and(|due| due <= now) {
                let cut = self.programme.feed(source, now, |sink| recording.play(now, sink));
                self.note(cut.is_some());
            } else if recording.due().is_none() {
                self.goes(nth);
            }
        }
        self.play_file(false);
        self.standby();
        let (card, is_card) =
            (&mut self.card, self.programme.switcher().on_air() == Source::Standby);
        if is_card && card.due().is_some_and(|due| due <= now) {
            self.programme.feed(Source::Standby, now, |sink| card.play(now, sink));
        }
    }

    /// As the player of files does.
    fn play_file(&mut self, begins: bool) {
        let now = self.now;
        let Some(file) = &mut self.file else { return };
        let (choice, on_air) =
            (self.programme.switcher().choice(), self.programme.switcher().on_air());
        if choice != Some(Source::File) && on_air != Source::File {
            self.gone.extend(self.file.take());
            return;
        }
        let Some(due) = file.due() else {
            self.gone.extend(self.file.take());
            if choice == Some(Source::File) {
                let cut = self.programme.choose(None, now);
                self.note(cut.is_some());
            }
            return;
        };
        if due > now {
            return;
        }
        let cut = self.programme.feed(Source::File, now, |sink| {
            if begins {
                sink.restart();
            }
            file.play(now, sink);
        });
        if begins {
            file.began = file.began + self.programme.take_ahead();
        }
        if let Some(next) = file.next_picture() {
            self.programme.expect(Source::File, next);
        }
        self.note(cut.is_some() || begins);
    }

    fn note(&mut self, cut: bool) {
        if cut {
            self.cuts += 1;
        }
    }

    fn receive(&mut self) {
        let (now, ring) = (self.now, self.programme.ring());
        for seq in self.read..ring.head() {
            let Lookup::Unit(unit) = ring.get(seq) else { continue };
            self.arrivals.take(&unit, &ring.payload(&unit).concat(), now);
            if unit.track == Track::Video {
                let lead = unit.dts - Ticks::from_duration(now.since(Mono::default()));
                let (first, _) = self.lead.unwrap_or((lead, lead));
                self.lead = Some((first, lead));
            }
        }
        self.read = ring.head();
        let (cut, shows_ms) = self.arrivals.cut();
        let aired = now.since(cut);
        for receiver in &mut self.receivers {
            receiver.take(&ring, now, (aired, shows_ms));
        }
    }

    /// What is wrong with all that was received.
    pub fn findings(mut self) -> Findings {
        self.gone.push(self.card);
        self.gone.extend(self.file);
        self.gone.extend(self.live.into_iter().filter_map(|(_, recording)| recording));
        let mut findings = Findings::new();
        let [viewer, destination] = self.receivers;
        viewer.judge("viewer", &self.gone, self.arrivals.excused(), &mut findings);
        viewer.silence_in_time(&mut findings);
        destination.judge("destination", &self.gone, &HashSet::new(), &mut findings);
        destination.is_in_time(&mut findings);
        let (first, last) = self.lead.unwrap_or_default();
        let ahead_ms = (last - first).to_ms();
        if !(-AHEAD_MS_MAX..=AHEAD_MS_MAX).contains(&ahead_ms) {
            findings.push(("the lead is not given back", format!("{ahead_ms} ms ahead")));
        }
        findings
    }
}

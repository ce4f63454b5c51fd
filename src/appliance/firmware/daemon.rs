//! `streamcaster firmware`: carries out orders as root, for a programme that may write to nothing
//! of the system. Purpose: the one process that writes slots and the boot loader's variables, but
//! for `streamcaster confirm`; it tells the state at its start and at each change. Non-goals: who
//! may order, which is who may open the socket; the restart, and the look whether the programme is on
//! air, which are handed in. Of the disk it reads and writes root's own folder alone, never what the
//! programme's user can write. Bounds: one order at a time, on one thread; one thread that looks;
//! others are told `BUSY`. It starts nothing asynchronous and does not limit its heap: what it holds
//! is a piece of an update.

use std::io::{self, BufReader, ErrorKind, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::downgrade::{self, Candidate, Downgrade, Proof, Unproven};
use super::environment::{self, EnvironmentError, GrubEnvironment, TRIES_ON_TRIAL};
use super::install::{self, InstallError, InstallProgress, SlotPartitions, UpdateTerms};
use super::orders::{self, FirmwareAnswer, FirmwareOrder, FirmwareRequest, NotDone, RefusalCode};
use super::package::{PackageHeader, PublicKey, SystemIdentity};
use super::slots::{Partitions, Places, Slot};
use super::socket::listen;
use super::state::{self, Busy, FirmwareChange, FirmwareReport, Left, Systems, TrialOutcome, What};
use crate::base::limits::{FIRMWARE_ORDER_MS_MAX, FIRMWARE_PIECE_BYTES};
use crate::system::clock;

/// Time a client may be silent, or not take its answer.
const FIRMWARE_SILENCE_MS_MAX: u64 = 30_000;
/// Pause between two lines about how far an update is.
const FIRMWARE_PROGRESS_MS: u64 = 250;
/// Pause between the answer and the restart of the machine, so that the answer gets out.
const FIRMWARE_RESTART_MS: u64 = 2_000;
/// A machine that still runs so long after it was told to start again takes orders again.
const FIRMWARE_RESTART_MS_MAX: u64 = 120_000;
/// How often it is looked whether something has changed.
const FIRMWARE_LOOK_MS: u64 = 1_000;
/// Time the programme is waited for after a start, to tell how long it was off air.
const FIRMWARE_ON_AIR_MS_MAX: u64 = 900_000;
/// There once the disk is.
const STARTED: &str = "started";
/// The daemon.
pub struct Daemon {
    places: Places,
    partitions: Partitions,
    running: Slot,
    release: SystemIdentity,
    keys: Vec<PublicKey>,
    hands: Hands,
    /// Whether an order is being carried out.
    taken: AtomicBool,
    known: Mutex<Known>,
    downgrade: Mutex<Downgrade>,
}

/// What the daemon has others do.
pub struct Hands {
    /// Starts the machine again.
    pub restart: Box<dyn Fn() + Send + Sync>,
    /// Whether the caller at the other end is root, who needs no confirmation.
    pub is_root: fn(&UnixStream) -> bool,
    /// Whether the programme is on air; takes a few seconds at most.
    pub is_on_air: Box<dyn Fn() -> bool + Send + Sync>,
}

struct Known {
    variables: GrubEnvironment,
    systems: Systems,
    busy: Option<Busy>,
    /// The last change; nothing before the disk is there.
    last: Option<FirmwareChange>,
    /// That change is why the machine started.
    is_news: bool,
    /// Why the system before this start gave itself up.
    left: Option<Left>,
    disk_is_there: bool,
    told: Option<FirmwareReport>,
}

/// What came of a request.
enum Obeyed {
    Started(Started),
    Taken(String),
}

/// What an order is answered, before the machine starts again.
struct Started {
    done: &'static str,
    system: SystemIdentity,
}

impl Daemon {
    /// Looks at the machine.
    ///
    /// # Errors
    /// What is missing, for a person: this is no appliance.
    pub fn new(places: Places, hands: Hands) -> Result<Daemon, String> {
        let running = places.running().ok_or("this system does not run from a slot")?;
        let partitions = places.partitions().ok_or("the slots' partitions are missing")?;
        let release = places.release().ok_or("the system does not say which it is")?;
        let keys = places.keys().ok_or("the system has no key for updates")?;
        let level = if release.debug { log::Level::Warn } else { log::Level::Info };
        log::log!(level, "this is {}", release.described());
        let variables = state::settle(&partitions, running).map_err(|error| error.to_string())?;
        let systems = Systems::look(running, &release, &keys, &partitions);
        let known = Known {
            variables,
            systems,
            busy: None,
            last: None,
            is_news: false,
            left: None,
            disk_is_there: false,
            told: None,
        };
        let (taken, known) = (AtomicBool::new(false), Mutex::new(known));
        let downgrade = Mutex::default();
        Ok(Daemon { places, partitions, running, release, keys, hands, taken, known, downgrade })
    }

    /// Listens for good.
    ///
    /// # Errors
    /// The socket cannot be made, or no thread.
    pub fn serve(self) -> io::Result<()> {
        let listener = listen(&self.places)?;
        let daemon = Arc::new(self);
        daemon.look();
        let own = Arc::clone(&daemon);
        std::thread::Builder::new().name("look".to_owned()).spawn(move || own.keep_looking())?;
        loop {
            let (stream, _) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let silence = Some(Duration::from_millis(FIRMWARE_SILENCE_MS_MAX));
            stream.set_read_timeout(silence)?;
            stream.set_write_timeout(silence)?;
            if daemon.taken.swap(true, Ordering::AcqRel) {
                let why = "another update or rollback is under way";
                refuse(&stream, NotDone::new(RefusalCode::Busy, why));
                continue;
            }
            let own = Arc::clone(&daemon);
            std::thread::Builder::new().name("order".to_owned()).spawn(move || {
                // Given back even if the order breaks the thread.
                own.carry_out(&stream, Taken(&own));
            })?;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One order, its answer, and what follows from it.
    fn carry_out(&self, stream: &UnixStream, taken: Taken<'_>) {
        let started = match self.obey(stream) {
            Ok(Obeyed::Started(started)) => started,
            Ok(Obeyed::Taken(taken_for)) => {
                self.is_over(taken);
                let _ = orders::send(&mut &*stream, &FirmwareAnswer::Taken { taken: taken_for });
                return;
            }
            Err(refusal) => {
                log::warn!("not done: {}", refusal.why);
                self.is_over(taken);
                return refuse(stream, refusal);
            }
        };
        self.is_at(Busy::Restarting);
        let Started { done, system } = started;
        log::warn!("{done}: {system}; the machine restarts");
        let answer = FirmwareAnswer::Done {
            done: done.to_owned(),
            version: system.version.to_string(),
            revision: system.revision,
            slot: self.running.other(),
        };
        // Anybody who ordered it may be gone; it is done all the same.
        let _ = orders::send(&mut &*stream, &answer);
        let _ = stream.shutdown(Shutdown::Both);
        std::thread::sleep(Duration::from_millis(FIRMWARE_RESTART_MS));
        (self.hands.restart)();
        // Nothing else is begun while the machine goes down.
        std::thread::sleep(Duration::from_millis(FIRMWARE_RESTART_MS_MAX));
        self.is_over(taken);
    }

    fn downgrade(&self) -> MutexGuard<'_, Downgrade> {
        self.downgrade.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn obey(&self, stream: &UnixStream) -> Result<Obeyed, NotDone> {
        // The order itself has as long as a silence may last, however it comes.
        let within = |ms| Instant::now() + Duration::from_millis(ms);
        let source = Patient { from: stream, deadline: within(FIRMWARE_SILENCE_MS_MAX) };
        let mut from = BufReader::with_capacity(FIRMWARE_PIECE_BYTES, source);
        let request = orders::receive(&mut from)?;
        from.get_mut().deadline = within(FIRMWARE_ORDER_MS_MAX);
        if !self.finds_the_disk() {
            return Err(NotDone::new(RefusalCode::Busy, "the machine is still starting"));
        }
        let started = match request {
            FirmwareRequest::Proof(proof) => return self.believe(proof).map(Obeyed::Taken),
            FirmwareRequest::Order(order @ FirmwareOrder::Install { .. }) => {
                self.install(&mut from, stream, order)?
            }
            FirmwareRequest::Order(FirmwareOrder::Rollback) => self.roll_back(stream)?,
        };
        Ok(Obeyed::Started(started))
    }

    /// Takes what somebody says they know, and says what it is about.
    fn believe(&self, proof: Proof) -> Result<String, NotDone> {
        let taken = match proof {
            Proof::Confirm { confirmation } => {
                let mut downgrade = self.downgrade();
                let confirmed = downgrade.confirm(&confirmation, &self.places, Instant::now());
                confirmed.map(SystemIdentity::to_string)
            }
            Proof::Password { current, hash } => {
                let changed = downgrade::change_password(&current, &hash, &self.places);
                changed.map(|()| "the password".to_owned())
            }
        };
        if taken == Err(Unproven::Wrong) {
            std::thread::sleep(downgrade::WRONG_PAUSE);
        }
        taken.map_err(|unproven| match unproven {
            Unproven::Wrong => NotDone::new(
                RefusalCode::WrongConfirmation,
                "this is neither the password nor the code on the machine's console",
            ),
            Unproven::Nothing => {
                NotDone::new(RefusalCode::NothingToConfirm, "there is nothing to confirm")
            }
            Unproven::Unavailable => {
                NotDone::new(RefusalCode::Busy, "this cannot be checked now; try again in a moment")
            }
        })
    }

    /// Whether this older system may take the place of the one that runs: root says so, or somebody
    /// has confirmed it.
    fn is_allowed(&self, candidate: &Candidate, stream: &UnixStream) -> bool {
        (self.hands.is_root)(stream)
            || self.downgrade().is_confirmed(candidate, &self.places, Instant::now())
    }

    fn install(
        &self,
        from: &mut dyn Read,
        stream: &UnixStream,
        order: FirmwareOrder,
    ) -> Result<Started, NotDone> {
        let bytes = order.package_bytes();
        let (allow_downgrade, allow_debug) = order.allows();
        let idle = self.running.other();
        let mut disk = SlotPartitions::open(&self.partitions, idle).map_err(|error| {
            NotDone::new(RefusalCode::Disk, format!("slot {}: {error}", idle.letter()))
        })?;
        let mut source = from.take(bytes);
        let (running, release, keys) = (self.running, &self.release, &self.keys);
        let is_confirmed =
            &|header: &PackageHeader| self.is_allowed(&Candidate::Package(header.clone()), stream);
        let terms =
            UpdateTerms { running, release, keys, allow_downgrade, allow_debug, is_confirmed };
        let mut told: Option<Instant> = None;
        let mut tell = |progress| match progress {
            InstallProgress::Writing(came) => {
                self.is_at(Busy::Writing);
                let pause = Duration::from_millis(FIRMWARE_PROGRESS_MS);
                if told.is_none_or(|told| told.elapsed() >= pause) {
                    told = Some(Instant::now());
                    let progress = "writing".to_owned();
                    // One that does not listen may still send.
                    let words = FirmwareAnswer::Writing { progress, bytes: came, of: bytes };
                    let _ = orders::send(&mut &*stream, &words);
                }
            }
            InstallProgress::Verifying => {
                self.is_at(Busy::Verifying);
                let words = FirmwareAnswer::Step { progress: "verifying".to_owned() };
                let _ = orders::send(&mut &*stream, &words);
            }
        };
        let header = install::install(&terms, bytes, &mut source, &mut disk, &mut tell)?;
        state::forget_good(&self.places, idle);
        self.remember(What::Update, &header.identity);
        Ok(Started { done: "installed", system: header.identity })
    }

    fn roll_back(&self, stream: &UnixStream) -> Result<Started, NotDone> {
        let other = self.running.other();
        let disk = |error: EnvironmentError| NotDone::new(RefusalCode::Disk, error.to_string());
        let variables = environment::read(&self.partitions.environment).map_err(disk)?;
        let system = self.known().systems.other(&variables).cloned();
        let system = system.ok_or_else(|| {
            NotDone::new(RefusalCode::NoOtherSystem, "there is no other system to go back to")
        })?;
        // One on trial would fall back by itself.
        if variables.on_trial() != Some(self.running) {
            self.demand_confirmed(&system, stream)?;
        }
        environment::change(&self.partitions.environment, |variables| {
            variables.set_tries(other, TRIES_ON_TRIAL);
            variables.put_first(other);
            variables.set_on_trial(Some(other));
        })
        .map_err(disk)?;
        self.remember(What::Rollback, &system);
        Ok(Started { done: "rolling back", system })
    }

    /// The way back leads to an older system only if somebody has confirmed it, and to none that the
    /// running one excludes.
    fn demand_confirmed(
        &self,
        system: &SystemIdentity,
        stream: &UnixStream,
    ) -> Result<(), NotDone> {
        if self.release.excludes(system) {
            let (update, running) = (Box::new(system.clone()), Box::new(self.release.clone()));
            return Err(InstallError::Excluded { update, running }.into());
        }
        let candidate = Candidate::Other(system.clone());
        if system.is_older_than(&self.release) && !self.is_allowed(&candidate, stream) {
            return Err(InstallError::Unconfirmed(Box::new(system.clone())).into());
        }
        Ok(())
    }

    fn remember(&self, what: What, to: &SystemIdentity) {
        let change =
            FirmwareChange::ordered(what, self.running.other(), &self.release, to, clock::utc());
        self.keep(&mut self.known(), change);
    }

    fn keep(&self, known: &mut Known, change: FirmwareChange) {
        if let Err(error) = state::remember(&self.places, &change) {
            log::warn!("the change cannot be recorded: {error}");
        }
        known.last = Some(change);
    }

    /// Says more of the last change, unless another one came meanwhile.
    fn amend(&self, before: &FirmwareChange, after: FirmwareChange) {
        let mut known = self.known();
        if known.last.as_ref() == Some(before) {
            self.keep(&mut known, after);
        }
    }

    /// Says what the daemon is at.
    fn is_at(&self, busy: Busy) {
        if self.known().busy.replace(busy) != Some(busy) {
            self.look();
        }
    }

    /// Anybody who sees that nothing is being done, or is told why not, may order at once.
    fn is_over(&self, taken: Taken<'_>) {
        let mut known = self.known();
        known.busy = None;
        drop(taken);
        drop(known);
        self.look();
    }

    /// Looks at what may have changed, and tells it if it has.
    fn look(&self) {
        let variables = environment::read(&self.partitions.environment);
        let mut known = self.known();
        match variables {
            Ok(variables) => known.variables = variables,
            Err(error) => log::warn!("{error}"),
        }
        if known.busy != Some(Busy::Restarting) {
            known.systems =
                Systems::look(self.running, &self.release, &self.keys, &self.partitions);
        }
        let busy = known.busy.or((!known.disk_is_there).then_some(Busy::Starting));
        let told = known.systems.told(&known.variables, busy, known.last.clone());
        if known.told.as_ref() == Some(&told) {
            return;
        }
        match state::tell(&self.places, &told) {
            Ok(()) => known.told = Some(told),
            Err(error) => log::warn!("{}: {error}", state::TOLD),
        }
    }

    /// Whether the disk is there; as soon as it is, what it remembers is known. An order does not
    /// wait for the next look: it would be refused for up to [`FIRMWARE_LOOK_MS`] after the start.
    fn finds_the_disk(&self) -> bool {
        let mut known = self.known();
        if !known.disk_is_there && self.places.appliance(STARTED).exists() {
            known.last = state::remembered(&self.places);
            known.is_news =
                known.last.as_ref().is_some_and(|last| last.outcome == TrialOutcome::OnTrial);
            known.left = state::left(&self.places);
            known.disk_is_there = true;
        }
        known.disk_is_there
    }

    fn keep_looking(&self) {
        let period = Duration::from_millis(FIRMWARE_LOOK_MS);
        while !self.finds_the_disk() {
            std::thread::sleep(period);
        }
        self.judge();
        self.look();
        self.measure();
        loop {
            std::thread::sleep(period);
            self.downgrade().expire(&self.places, Instant::now());
            self.judge();
            self.look();
        }
    }

    /// How the last change ended, once it has.
    fn judge(&self) {
        let Ok(variables) = environment::read(&self.partitions.environment) else { return };
        let known = self.known();
        let Some(last) = known.last.clone().filter(|_| known.busy.is_none()) else { return };
        let left = known.left.clone();
        drop(known);
        let outcome = last.outcome(self.running, &variables);
        if outcome != last.outcome {
            let left = left.filter(|_| outcome == TrialOutcome::FellBack);
            let because = left.as_ref().map_or("", |left| left.why.because());
            log::warn!("{} → {}: {outcome:?} {because}", last.from, last.to);
            self.amend(&last, FirmwareChange { outcome, left, ..last.clone() });
        }
    }

    /// Waits until the programme is on air and puts down how long it was not, where a change was
    /// why.
    fn measure(&self) {
        let since = Instant::now();
        let limit = Duration::from_millis(FIRMWARE_ON_AIR_MS_MAX);
        let mut is_on_air = false;
        while !is_on_air && state::is_off_air_marked(&self.places) && since.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(FIRMWARE_PROGRESS_MS));
            is_on_air = (self.hands.is_on_air)();
            self.judge();
            self.look();
        }
        // Read in any case, which takes the mark away: it is of this restart alone.
        let off_air_s = state::off_air_s(&self.places, SystemTime::now()).filter(|_| is_on_air);
        let known = self.known();
        let last = known.last.clone().filter(|_| known.is_news);
        drop(known);
        if let (Some(_), Some(last)) = (off_air_s, last) {
            self.amend(&last, FirmwareChange { off_air_s, ..last.clone() });
        }
    }
}

/// An order that is being carried out.
struct Taken<'a>(&'a Daemon);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
    }
}

/// A source that comes to an end in time.
struct Patient<'a> {
    from: &'a UnixStream,
    deadline: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        self.from.read(into)
    }
}

fn refuse(stream: &UnixStream, refusal: NotDone) {
    let NotDone { code, why } = refusal;
    // It may be gone: then it does not matter to it.
    let _ = orders::send(&mut &*stream, &FirmwareAnswer::Error { error: why, code });
}

#[cfg(test)]
#[path = "daemon_tests.rs"]
mod tests;

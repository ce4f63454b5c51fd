//! What is known of the two systems, and of the last change from one to the other. Purpose:
//! `/run/appliance/firmware.json` for anybody who wants to show it, and a memory of the last change
//! that outlives the restart, in a folder of the disk that is root's alone: how it ended and why, and
//! how long the programme was off air. Non-goals: changing anything but that memory. Bounds: a few
//! small files.
//!
//! How long it was off air is told by two clocks that are one: the time of the file that the
//! machine's last act leaves ([`OFF_AIR`]), and the time at which the programme first says that it
//! is on air again.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::environment::{self, GrubEnvironment};
use super::package::{PublicKey, SystemIdentity};
use super::slots::{self, Partitions, Places, Slot};
use crate::base::limits::FIRMWARE_TEXT_BYTES_MAX;
use crate::base::time::Utc;
use crate::system::store;
use crate::system::text::one_line;

/// Where the state is told, in the folder of the [appliance](slots::APPLIANCE).
pub const TOLD: &str = "firmware.json";
/// Where the last change is remembered, below `/`.
const MEMORY: &str = "data/system/firmware/last.json";
/// Made when the machine ends the programme, below `/`: its time is what counts.
const OFF_AIR: &str = "data/system/off-air";
/// Made when the machine gives itself up, below `/`: a [`RollbackReason`] as a word, and a line for a person.
const LEFT: &str = "data/system/left";
/// The configuration that a slot's system last ran well with, below `/`, without the slot's letter.
const GOOD: &str = "data/system/config.good";
/// A longer pause was no restart, or one of the clocks was wrong.
const OFF_AIR_S_MAX: f64 = 6.0 * 3600.0;

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FirmwareChangeKind"))]
pub enum What {
    /// Another system was written and started.
    Update,
    /// The one before was started again.
    Rollback,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TrialOutcome {
    /// It has not ended: the system has not proven itself.
    #[serde(rename = "on trial")]
    OnTrial,
    /// The system has proven itself.
    Confirmed,
    /// The system did not get well, and the other one runs.
    #[serde(rename = "fell back")]
    FellBack,
}

/// Why the machine left a system on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RollbackReason {
    /// Its programme did not answer, through two new starts.
    Silent,
    /// It answered, and was not well for long enough in the time it had.
    Ill,
    /// It had no network address, and the system before had one.
    Network,
    /// It could not use the disk of the data as it is.
    Disk,
    /// It does not take the configuration that the system before ran with.
    Config,
}

impl RollbackReason {
    /// For the log.
    pub const fn because(self) -> &'static str {
        match self {
            RollbackReason::Silent => "because its programme did not answer",
            RollbackReason::Ill => "because it did not become healthy in time",
            RollbackReason::Network => "because it had no network",
            RollbackReason::Disk => "because it could not use the data disk",
            RollbackReason::Config => "because it did not accept the configuration",
        }
    }
}

/// What a machine says of itself when it gives itself up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FirmwareLeft"))]
pub struct Left {
    /// Why.
    pub why: RollbackReason,
    /// What was found, for a person; empty where there is nothing to add.
    pub detail: String,
}

/// The last change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FirmwareChange {
    /// What kind it is.
    pub what: What,
    /// The slot it started.
    pub slot: Slot,
    /// The system before, version and revision.
    pub from: String,
    /// The system after.
    pub to: String,
    /// When it was ordered, UTC.
    #[cfg_attr(test, schemars(extend("example" = "2026-11-22T22:00:00Z")))]
    #[cfg_attr(test, schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}Z$")))]
    pub at: String,
    /// How it ended.
    pub outcome: TrialOutcome,
    /// How long the programme was off air, seconds; `None`: not known.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub off_air_s: Option<f64>,
    /// Why the machine fell back; `None`: it did not, or the system did not come far enough to say.
    #[serde(default)]
    pub left: Option<Left>,
}

/// Puts a change down, before the machine starts again. `at` is now.
///
/// # Errors
/// The disk's own.
pub fn remember(places: &Places, change: &FirmwareChange) -> io::Result<()> {
    let path = places.below(MEMORY);
    let bytes = serde_json::to_vec_pretty(change).map_err(io::Error::other)?;
    store::write_private(&path, &bytes)?;
    path.parent()
        .map_or(Ok(()), |folder| fs::set_permissions(folder, Permissions::from_mode(0o700)))
}

/// The change that was put down last; one that cannot be read is none.
pub fn remembered(places: &Places) -> Option<FirmwareChange> {
    serde_json::from_slice(&store::read(&places.below(MEMORY)).ok()??).ok()
}

impl FirmwareChange {
    /// A change to the system in `slot` that was just ordered.
    pub fn ordered(
        what: What,
        slot: Slot,
        from: &SystemIdentity,
        to: &SystemIdentity,
        at: Utc,
    ) -> FirmwareChange {
        let (from, to, at) = (from.to_string(), to.to_string(), at.to_string());
        FirmwareChange {
            what,
            slot,
            from,
            to,
            at,
            outcome: TrialOutcome::OnTrial,
            off_air_s: None,
            left: None,
        }
    }

    /// How it stands, by the slot that runs and the boot loader's variables.
    pub fn outcome(&self, running: Slot, variables: &GrubEnvironment) -> TrialOutcome {
        if self.outcome != TrialOutcome::OnTrial || variables.on_trial() == Some(running) {
            return self.outcome;
        }
        if self.slot == running {
            return TrialOutcome::Confirmed;
        }
        // With a try left it has not been started yet.
        let was_tried = variables.tries(self.slot) == 0;
        if was_tried {
            TrialOutcome::FellBack
        } else {
            TrialOutcome::OnTrial
        }
    }
}

/// Whether the machine's last act left its mark.
pub fn is_off_air_marked(places: &Places) -> bool {
    places.below(OFF_AIR).exists()
}

/// How long the programme was off air, seconds, if it came back at `now`. The mark that says since
/// when is taken away: it tells of one restart.
pub fn off_air_s(places: &Places, now: SystemTime) -> Option<f64> {
    let path = places.below(OFF_AIR);
    let since = fs::symlink_metadata(&path).and_then(|mark| mark.modified()).ok()?;
    // One that stays would be taken for the next restart's only if that leaves none of its own.
    let _ = fs::remove_file(&path);
    let seconds = now.duration_since(since).ok()?.as_secs_f64();
    (seconds <= OFF_AIR_S_MAX).then_some((seconds * 10.0).round() / 10.0)
}

/// Why the machine gave itself up before this start, if it did. The file is taken away: it tells of
/// one restart.
pub fn left(places: &Places) -> Option<Left> {
    let path = places.below(LEFT);
    let text = slots::text_of(&path, FIRMWARE_TEXT_BYTES_MAX).ok()?;
    let _ = fs::remove_file(&path);
    let (word, detail) = text.split_once('\n')?;
    let why = serde_json::from_value(word.into()).ok()?;
    Some(Left { why, detail: one_line(detail.trim()) })
}

/// Forgets what the system that a slot held ran with: another one takes its place.
pub fn forget_good(places: &Places, slot: Slot) {
    let path = places.below(&format!("{GOOD}.{}", slot.letter()));
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => log::warn!("{GOOD}: {error}"),
        _ => {}
    }
}

/// What the daemon is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "FirmwareBusy"))]
pub enum Busy {
    /// The machine has just started and the disk is not there yet: no order is taken.
    Starting,
    /// An update comes and is written.
    Writing,
    /// It is read back.
    Verifying,
    /// The machine is about to start again.
    Restarting,
}

/// Without the appliance: available is false, reason says why, and nothing else is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FirmwareReport {
    /// Which one runs.
    #[cfg_attr(test, schemars(extend("enum" = ["A", "B"])))]
    slot: &'static str,
    #[serde(flatten)]
    running: SystemIdentity,
    /// SHA-256 of the list of sums that the boot loader checks before it starts the slot;
    /// manifest.json of the image and the update's header name the same.
    digest: Option<String>,
    /// The keys whose updates it takes, named as `key` is.
    accepts: Vec<String>,
    /// It runs for the first time and is not confirmed yet.
    on_trial: bool,
    slots: Slots,
    can_roll_back: bool,
    busy: Option<Busy>,
    last: Option<FirmwareChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Slots {
    #[serde(rename = "A")]
    a: Option<Held>,
    #[serde(rename = "B")]
    b: Option<Held>,
}

/// A system that is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "HeldSystem"))]
struct Held {
    /// Starts it has left; 3 when it is confirmed.
    #[cfg_attr(test, schemars(range(max = environment::TRIES_TRUSTED)))]
    tries_left: u8,
    #[serde(flatten)]
    identity: SystemIdentity,
    /// SHA-256 of the list of sums that the boot loader checks before it starts the slot;
    /// manifest.json of the image and the update's header name the same.
    digest: Option<String>,
}

/// What the slots hold, looked at once: it changes only by what the daemon itself does.
#[derive(Clone, Debug, PartialEq)]
pub struct Systems {
    /// The slot that runs.
    pub running: Slot,
    /// The system that runs.
    pub release: SystemIdentity,
    /// What the slot beside it holds.
    pub idle: Option<SystemIdentity>,
    /// What both slots' systems are by their sums: the one that runs, the other.
    pub digests: (Option<String>, Option<String>),
    /// The keys whose updates are taken, by their names.
    pub accepts: Vec<String>,
}

impl Systems {
    /// Looks at both.
    pub fn look(
        running: Slot,
        release: &SystemIdentity,
        keys: &[PublicKey],
        partitions: &Partitions,
    ) -> Systems {
        let (own, other) = (partitions.of(running), partitions.of(running.other()));
        let idle = slots::identity(other);
        let digests = (slots::digest(own), slots::digest(other));
        let accepts = keys.iter().map(PublicKey::id).collect();
        Systems { running, release: release.clone(), idle, digests, accepts }
    }

    /// The system a rollback would start: one that is whole and that nobody gave up.
    pub fn other(&self, variables: &GrubEnvironment) -> Option<&SystemIdentity> {
        self.idle.as_ref().filter(|_| variables.tries(self.running.other()) > 0)
    }

    /// All that is known.
    pub fn told(
        &self,
        variables: &GrubEnvironment,
        busy: Option<Busy>,
        last: Option<FirmwareChange>,
    ) -> FirmwareReport {
        let held = |slot| {
            let identity =
                if slot == self.running { Some(&self.release) } else { self.idle.as_ref() };
            let tries_left = variables.tries(slot);
            let (own, other) = &self.digests;
            let digest = if slot == self.running { own.clone() } else { other.clone() };
            identity.map(|identity| Held { tries_left, identity: identity.clone(), digest })
        };
        FirmwareReport {
            slot: self.running.letter(),
            running: self.release.clone(),
            digest: self.digests.0.clone(),
            accepts: self.accepts.clone(),
            on_trial: variables.on_trial() == Some(self.running),
            slots: Slots { a: held(Slot::A), b: held(Slot::B) },
            can_roll_back: busy.is_none() && self.other(variables).is_some(),
            busy,
            last,
        }
    }
}

/// Tells the state.
///
/// # Errors
/// The file system's own.
pub fn tell(places: &Places, told: &FirmwareReport) -> io::Result<()> {
    let path = places.appliance(TOLD);
    let bytes = serde_json::to_vec(told).map_err(io::Error::other)?;
    store::write(&path, &bytes)?;
    fs::set_permissions(&path, Permissions::from_mode(0o644))
}

/// After a start: where the first slot has no tries left and another one runs, the machine fell back
/// to that; it comes first from now on, and nothing is on trial. The variables, afterwards.
///
/// # Errors
/// The boot loader's variables cannot be read or written.
pub fn settle(
    partitions: &Partitions,
    running: Slot,
) -> Result<GrubEnvironment, environment::EnvironmentError> {
    environment::change(&partitions.environment, |variables| {
        let other = running.other();
        if variables.first() == other && variables.tries(other) == 0 {
            variables.put_first(running);
            variables.set_on_trial(None);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::environment::tests::{block, partition};
    use super::super::slots::tests::places;
    use super::*;

    fn identity(version: &str) -> SystemIdentity {
        SystemIdentity::parse(&format!("version {version}\nrevision abc\nmade 1763\n")).unwrap()
    }

    /// From 0.1.0 in slot A to 0.2.0 in slot B.
    fn change(what: What) -> FirmwareChange {
        FirmwareChange::ordered(what, Slot::B, &identity("0.1.0"), &identity("0.2.0"), Utc(1000))
    }

    fn variables(lines: &str) -> GrubEnvironment {
        GrubEnvironment::parse(&block(lines)).unwrap()
    }

    #[test]
    fn the_state_is_told_in_the_agreed_words() {
        let (release, idle) = (identity("0.2.0"), Some(identity("0.1.0")));
        let digests = (Some("cd".to_owned()), Some("ab".to_owned()));
        let accepts = vec!["12".to_owned()];
        let systems = Systems { running: Slot::B, release, idle, digests, accepts };
        let variables = variables("order=BA\nA_left=3\nB_left=0\ntrial=B\n");
        let last = FirmwareChange { off_air_s: Some(41.2), ..change(What::Update) };
        let told = systems.told(&variables, None, Some(last));
        let expected = serde_json::json!({
            "slot": "B", "version": "0.2.0", "revision": "abc", "made": 1763,
            "build": 19_700_101_002_923_u64, "kernel": null, "key": null, "debug": false,
            "digest": "cd", "accepts": ["12"], "on_trial": true,
            "slots": {
                "A": {"tries_left": 3, "version": "0.1.0", "revision": "abc", "made": 1763,
                    "build": 19_700_101_002_923_u64, "kernel": null, "key": null, "debug": false,
                    "digest": "ab"},
                "B": {"tries_left": 0, "version": "0.2.0", "revision": "abc", "made": 1763,
                    "build": 19_700_101_002_923_u64, "kernel": null, "key": null, "debug": false,
                    "digest": "cd"},
            },
            "can_roll_back": true, "busy": null,
            "last": {"what": "update", "slot": "B", "from": "0.1.0 (abc)", "to": "0.2.0 (abc)",
                "at": "1970-01-01T00:00:01.000Z", "outcome": "on trial", "off_air_s": 41.2,
                "left": null},
        });
        assert_eq!(serde_json::to_value(&told).unwrap(), expected);
        let places = places("told");
        tell(&places, &told).unwrap();
        let mode = fs::metadata(places.appliance(TOLD)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        let busy = systems.told(&variables, Some(Busy::Writing), None);
        let busy = serde_json::to_value(&busy).unwrap();
        assert_eq!((&busy["busy"], &busy["can_roll_back"]), (&"writing".into(), &false.into()));
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn there_is_no_way_back_to_nothing_or_to_what_was_given_up() {
        let systems = |idle| Systems {
            running: Slot::A,
            release: identity("0.2.0"),
            idle,
            digests: (None, None),
            accepts: Vec::new(),
        };
        let tried = variables("B_left=0\n");
        let good = variables("B_left=1\n");
        assert_eq!(systems(None).other(&good), None);
        assert_eq!(systems(Some(identity("0.1.0"))).other(&tried), None);
        assert!(systems(Some(identity("0.1.0"))).other(&good).is_some());
        let told = serde_json::to_value(systems(None).told(&good, None, None)).unwrap();
        assert_eq!((&told["slots"]["B"], &told["last"]), (&().into(), &().into()));
    }

    #[test]
    fn a_change_is_on_trial_then_confirmed_or_undone() {
        let change = change(What::Update);
        for (running, lines, outcome) in [
            (Slot::A, "order=BA\nB_left=1\ntrial=B\n", TrialOutcome::OnTrial),
            (Slot::B, "order=BA\nB_left=0\ntrial=B\n", TrialOutcome::OnTrial),
            (Slot::B, "order=BA\nB_left=3\n", TrialOutcome::Confirmed),
            (Slot::A, "order=BA\nB_left=0\ntrial=B\n", TrialOutcome::FellBack),
            (Slot::A, "order=AB\nB_left=0\n", TrialOutcome::FellBack),
        ] {
            assert_eq!(change.outcome(running, &variables(lines)), outcome, "{lines}");
        }
        let ended = FirmwareChange { outcome: TrialOutcome::FellBack, ..change };
        assert_eq!(ended.outcome(Slot::B, &variables("B_left=3\n")), TrialOutcome::FellBack);
    }

    #[test]
    fn a_change_outlives_the_restart_for_root_alone() {
        let places = places("memory");
        assert_eq!(remembered(&places), None);
        let change = change(What::Rollback);
        remember(&places, &change).unwrap();
        assert_eq!(remembered(&places), Some(change));
        for (path, mode) in [(MEMORY, 0o600), ("data/system/firmware", 0o700)] {
            let own = fs::metadata(places.below(path)).unwrap().permissions().mode();
            assert_eq!(own & 0o777, mode, "{path}");
        }
        fs::write(places.below(MEMORY), b"{\"what\":\"else\"}").unwrap();
        assert_eq!(remembered(&places), None);
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn why_a_system_was_left_is_told_once_and_in_known_words() {
        let places = places("left");
        let left_by = |why, detail: &str| Some(Left { why, detail: detail.to_owned() });
        for (text, wanted) in [
            ("silent\n\n", left_by(RollbackReason::Silent, "")),
            ("ill\nunhealthy: cpu\n", left_by(RollbackReason::Ill, "unhealthy: cpu")),
            ("network\nhealthy", left_by(RollbackReason::Network, "healthy")),
            ("config\na\u{1b}[2J\nb\n", left_by(RollbackReason::Config, "a [2J b")),
            ("", None),
            ("silent", None),
            ("bored\n\n", None),
        ] {
            store::write(&places.below(LEFT), text.as_bytes()).unwrap();
            assert_eq!(left(&places), wanted, "{text}");
            assert_eq!(left(&places), None, "only once");
        }
        let long = format!("ill\n{}\n", "x".repeat(9999));
        store::write(&places.below(LEFT), long.as_bytes()).unwrap();
        assert!(left(&places).is_some_and(|left| left.detail.len() < 1024));
        // A memory written before there was a reason.
        let mut memory = serde_json::to_value(change(What::Update)).unwrap();
        memory.as_object_mut().unwrap().remove("left");
        store::write(&places.below(MEMORY), memory.to_string().as_bytes()).unwrap();
        assert_eq!(remembered(&places), Some(change(What::Update)));
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn the_time_off_air_is_told_once_and_never_by_a_clock_that_jumped() {
        let places = places("off-air");
        let path = places.below(OFF_AIR);
        let mark = || {
            store::write(&path, b"").unwrap();
            fs::metadata(&path).unwrap().modified().unwrap()
        };
        let since = mark();
        let later = |ms| since + Duration::from_millis(ms);
        assert_eq!(off_air_s(&places, later(41_240)), Some(41.2));
        assert_eq!(off_air_s(&places, later(41_240)), None, "only once");
        mark();
        assert_eq!(off_air_s(&places, SystemTime::UNIX_EPOCH), None, "1970");
        let since = mark();
        assert_eq!(off_air_s(&places, since + Duration::from_secs(86_400)), None);
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn what_the_machine_fell_back_to_comes_first() {
        let places = places("settle");
        for (lines, first) in [
            ("order=BA\nA_left=2\nB_left=0\ntrial=B\n", Slot::A),
            ("order=BA\nA_left=2\nB_left=1\n", Slot::B),
            ("order=AB\nA_left=2\nB_left=0\n", Slot::A),
        ] {
            let path = places.below("env");
            partition(&path, &block(lines));
            let partitions = Partitions::at(path);
            let settled = settle(&partitions, Slot::A).unwrap();
            assert_eq!((settled.first(), settled.on_trial()), (first, None), "{lines}");
        }
        fs::remove_dir_all(&places.root).unwrap();
    }
}

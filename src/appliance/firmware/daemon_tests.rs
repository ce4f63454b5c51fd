//! The daemon over files that stand for a disk, asked through its socket.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use super::super::environment::tests::{block, partition as write_environment};
use super::super::orders::SOCKET;
use super::super::package::tests::{key, package};
use super::super::slots::tests::{partition, places, system};
use super::super::socket::group;
use super::*;
use crate::system::store;

const PATIENCE: Duration = Duration::from_secs(20);

struct Machine {
    places: Places,
    environment: PathBuf,
    slot_b: PathBuf,
    restarts: Receiver<()>,
}

impl Machine {
    /// One that runs slot A, 0.1.0, signed by key 7; slot B holds `other`.
    fn new(name: &str, variables: &str, other: &[u8]) -> Machine {
        let machine = Machine::start(name, variables, other);
        fs::write(machine.places.appliance(STARTED), b"").unwrap();
        machine
    }

    /// One whose disk is not there yet.
    fn before_the_disk(name: &str, variables: &str) -> Machine {
        Machine::start(name, variables, &system("0.2.0", b"kernel"))
    }

    fn start(name: &str, variables: &str, other: &[u8]) -> Machine {
        let places = places(name);
        let environment = partition(&places, "vda", 3, "env");
        let slot_a = partition(&places, "vda", 4, "slot-a");
        let slot_b = partition(&places, "vda", 5, "slot-b");
        write_environment(&environment, &block(variables));
        fs::write(slot_a, system("0.1.0", b"kernel")).unwrap();
        let mut bytes = other.to_vec();
        bytes.resize(1 << 20, 0);
        fs::write(&slot_b, bytes).unwrap();
        let release = "version 0.1.0\nrevision abc1234\nmade 1763\noldest 0.0.5\n";
        fs::write(places.below("etc/streamcaster/release"), release).unwrap();
        let hex: String = key(7).0.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(places.below("etc/streamcaster/update.pub"), hex).unwrap();
        let (restart, restarts) = mpsc::channel();
        let hands = Hands {
            restart: Box::new(move || {
                // The test may have ended.
                let _ = restart.send(());
            }),
            // The tests may be run by root.
            is_root: |_| false,
            is_on_air: Box::new(|| false),
        };
        let daemon = Daemon::new(places.clone(), hands);
        let daemon = daemon.unwrap();
        std::thread::spawn(move || daemon.serve());
        let machine = Machine { places, environment, slot_b, restarts };
        machine.tells(|told| told["slot"] == "A");
        machine
    }

    fn stream(&self) -> UnixStream {
        UnixStream::connect(self.places.appliance(SOCKET)).unwrap()
    }

    fn told(&self) -> serde_json::Value {
        let bytes = fs::read(self.places.appliance(state::TOLD)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Waits until the state is as wanted.
    fn tells(&self, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let since = Instant::now();
        loop {
            let told = self.told();
            if is_so(&told) {
                return told;
            }
            assert!(since.elapsed() < PATIENCE, "{told}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Orders it until it is not too early or too busy.
    fn order(
        &self,
        order: FirmwareOrder,
        body: &[u8],
    ) -> Result<Vec<FirmwareAnswer>, Vec<FirmwareAnswer>> {
        let since = Instant::now();
        loop {
            let mut answers = Vec::new();
            let body = Box::new(io::Cursor::new(body.to_vec()));
            let socket = self.places.appliance(SOCKET);
            let done = orders::order(&socket, order, body, &mut |answer| {
                answers.push(answer.clone());
            });
            match (done, answers.last()) {
                (Ok(_), _) => return Ok(answers),
                (Err(_), Some(FirmwareAnswer::Error { code: RefusalCode::Busy, .. }))
                    if since.elapsed() < PATIENCE => {}
                (Err(_), _) => return Err(answers),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn install(&self, package: &[u8]) -> Result<Vec<FirmwareAnswer>, Vec<FirmwareAnswer>> {
        self.order(
            FirmwareOrder::Install {
                bytes: package.len() as u64,
                allow_downgrade: false,
                allow_debug: false,
            },
            package,
        )
    }

    /// Proves something, once nothing else is being done.
    fn prove(&self, proof: &Proof) -> Result<String, Option<RefusalCode>> {
        let since = Instant::now();
        loop {
            let socket = self.places.appliance(SOCKET);
            match orders::prove(&socket, proof.clone(), PATIENCE) {
                Err((Some(RefusalCode::Busy), _)) if since.elapsed() < PATIENCE => {}
                Err((code, _)) => return Err(code),
                Ok(taken) => return Ok(taken),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Confirms what waits, with the code on the console.
    fn confirm(&self) -> String {
        let shown = fs::read_to_string(self.places.appliance("firmware.code")).unwrap();
        let confirmation = shown.split(' ').next().unwrap().to_owned();
        self.prove(&Proof::Confirm { confirmation }).unwrap()
    }

    fn variables(&self) -> GrubEnvironment {
        environment::read(&self.environment).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.places.root);
    }
}

fn code(answers: Result<Vec<FirmwareAnswer>, Vec<FirmwareAnswer>>) -> RefusalCode {
    match answers.unwrap_err().last() {
        Some(FirmwareAnswer::Error { code, .. }) => *code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_is_written_told_and_started() {
    let machine = Machine::new("update", "order=AB\nA_left=2\nB_left=0\n", b"");
    let told = machine.told();
    assert_eq!((&told["slots"]["B"], &told["can_roll_back"]), (&().into(), &false.into()));
    let ran_with = |slot: &str| machine.places.below(&format!("data/system/config.good.{slot}"));
    for slot in ["A", "B"] {
        store::write(&ran_with(slot), b"").unwrap();
    }
    let blob = system("0.2.0", &vec![3; 400_000]);
    let answers = machine.install(&package(&blob, "0.2.0", 2000, 7)).unwrap();
    assert!(ran_with("A").exists(), "it is not the new one's");
    assert!(!ran_with("B").exists(), "it is not the new one's");
    let last = answers.last().unwrap();
    let FirmwareAnswer::Done { done, version, slot, .. } = last else { panic!("{last:?}") };
    assert_eq!((done.as_str(), version.as_str(), *slot), ("installed", "0.2.0", Slot::B));
    assert!(
        answers.iter().any(|answer| matches!(answer, FirmwareAnswer::Writing { .. })),
        "{answers:?}"
    );
    assert!(fs::read(&machine.slot_b).unwrap().starts_with(&blob));
    let told = machine.tells(|told| told["busy"] == "restarting");
    assert_eq!(told["last"]["to"], "0.2.0 (abc1234)");
    assert_eq!(told["last"]["outcome"], "on trial", "it has not been started yet");
    assert_eq!(told["slots"]["A"]["tries_left"], 2);
    assert_eq!(code_at_once(&machine), RefusalCode::Busy, "nothing else until then");
    machine.restarts.recv_timeout(PATIENCE).unwrap();
    let variables = machine.variables();
    assert_eq!((variables.first(), variables.tries(Slot::B)), (Slot::B, 1));
}

/// One order, once.
fn code_at_once(machine: &Machine) -> RefusalCode {
    let mut last = None;
    let socket = machine.places.appliance(SOCKET);
    let hear = &mut |answer: &FirmwareAnswer| last = Some(answer.clone());
    orders::order(&socket, FirmwareOrder::Rollback, Box::new(io::empty()), hear).unwrap_err();
    code(Err(last.into_iter().collect()))
}

#[test]
fn what_is_refused_says_why_and_the_next_order_is_taken() {
    let other = system("0.0.9", b"before");
    let machine = Machine::new("refused", "order=AB\nA_left=3\nB_left=3\n", &other);
    let blob = system("0.2.0", &vec![3; 700_000]);
    let good = package(&blob, "0.2.0", 2000, 7);
    assert_eq!(
        code(machine.install(&package(&blob, "0.2.0", 2000, 8))),
        RefusalCode::WrongSignature
    );
    assert_eq!(code(machine.install(&vec![7; 700_000])), RefusalCode::NotAnUpdate);
    assert_eq!(code(machine.install(&package(&blob, "0.0.8", 9, 7))), RefusalCode::OlderVersion);
    assert_eq!(code(machine.install(&good[..good.len() - 1])), RefusalCode::CutShort);
    assert!(fs::read(&machine.slot_b).unwrap().starts_with(&other), "nothing was written");
    assert_eq!(machine.variables().tries(Slot::B), 3);
    // It says that more comes, and stops.
    let order = FirmwareOrder::Install {
        bytes: good.len() as u64,
        allow_downgrade: false,
        allow_debug: false,
    };
    assert_eq!(code(machine.order(order, &good[..300_000])), RefusalCode::CutShort);
    assert_eq!(machine.variables().tries(Slot::B), 0);
    let told = machine.tells(|told| told["busy"].is_null());
    assert_eq!((&told["slots"]["B"], &told["can_roll_back"]), (&().into(), &false.into()));
    assert_eq!(code(machine.order(FirmwareOrder::Rollback, b"")), RefusalCode::NoOtherSystem);
    let mut stream = machine.stream();
    stream.write_all(b"reboot\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.contains("\"INVALID_REQUEST\""), "{said}");
    assert!(machine.restarts.try_recv().is_err());
    assert!(machine.install(&good).is_ok());
}

#[test]
fn the_way_back_is_one_try_too() {
    let other = system("0.0.9", b"before");
    let machine = Machine::new("rollback", "order=AB\nA_left=3\nB_left=3\n", &other);
    assert_eq!(
        machine.tells(|told| told["can_roll_back"] == true)["slots"]["B"]["version"],
        "0.0.9"
    );
    assert_eq!(
        code(machine.order(FirmwareOrder::Rollback, b"")),
        RefusalCode::ConfirmationRequired
    );
    machine.confirm();
    let answers = machine.order(FirmwareOrder::Rollback, b"").unwrap();
    assert!(
        matches!(answers.last(), Some(FirmwareAnswer::Done { done, .. }) if done == "rolling back")
    );
    machine.restarts.recv_timeout(PATIENCE).unwrap();
    let variables = machine.variables();
    assert_eq!((variables.first(), variables.tries(Slot::B)), (Slot::B, 1));
    assert_eq!((variables.tries(Slot::A), variables.on_trial()), (3, Some(Slot::B)));
    assert_eq!(machine.told()["last"]["what"], "rollback");
}

#[test]
fn a_system_that_did_not_get_well_is_left_and_that_is_told() {
    // As an update leaves it, and the boot loader after one try.
    let variables = "order=BA\nA_left=2\nB_left=0\ntrial=B\n";
    let machine = Machine::before_the_disk("fell-back", variables);
    let release = machine.places.release().unwrap();
    let change = FirmwareChange::ordered(What::Update, Slot::B, &release, &release, clock::utc());
    state::remember(&machine.places, &change).unwrap();
    // As the guard of that one left it.
    fs::write(machine.places.below("data/system/left"), "network\nhealthy\n").unwrap();
    fs::write(machine.places.appliance(STARTED), b"").unwrap();
    let told = machine.tells(|told| told["last"]["outcome"] == "fell back");
    let left = serde_json::json!({"why": "network", "detail": "healthy"});
    assert_eq!(told["last"]["left"], left);
    assert_eq!((&told["slot"], &told["on_trial"]), (&"A".into(), &false.into()));
    let variables = machine.variables();
    assert_eq!((variables.first(), variables.on_trial()), (Slot::A, None));
    assert_eq!(state::remembered(&machine.places).unwrap().outcome, TrialOutcome::FellBack);
}

#[test]
fn an_order_is_taken_as_soon_as_the_disk_is_there() {
    let machine = Machine::before_the_disk("early", "order=AB\nA_left=2\nB_left=0\n");
    assert_eq!(machine.told()["busy"], "starting");
    fs::write(machine.places.appliance(STARTED), b"").unwrap();
    assert_eq!(
        code_at_once(&machine),
        RefusalCode::NoOtherSystem,
        "it does not wait for the next look"
    );
}

#[test]
fn a_confirmation_is_noticed() {
    let machine = Machine::before_the_disk("confirmed", "order=AB\nA_left=0\nB_left=3\ntrial=A\n");
    let release = machine.places.release().unwrap();
    let change = FirmwareChange::ordered(What::Update, Slot::A, &release, &release, clock::utc());
    state::remember(&machine.places, &change).unwrap();
    assert_eq!(machine.told()["busy"], "starting");
    assert_eq!(code_at_once(&machine), RefusalCode::Busy, "there is no disk yet");
    assert_eq!(machine.told()["busy"], "starting", "still");
    fs::write(machine.places.appliance(STARTED), b"").unwrap();
    let told = machine.tells(|told| told["last"]["outcome"] == "on trial");
    assert_eq!((&told["on_trial"], &told["busy"]), (&true.into(), &().into()));
    environment::change(&machine.environment, |variables| variables.confirm(Slot::A)).unwrap();
    let told = machine.tells(|told| told["last"]["outcome"] == "confirmed");
    assert_eq!((&told["on_trial"], &told["slots"]["A"]["tries_left"]), (&false.into(), &3.into()));
}

#[test]
fn what_is_no_appliance_has_no_daemon() {
    let places = places("none");
    let hands =
        || Hands { restart: Box::new(|| ()), is_root: |_| false, is_on_air: Box::new(|| false) };
    let missing = |places: &Places| Daemon::new(places.clone(), hands()).err().unwrap();
    assert!(missing(&places).contains("partitions"));
    fs::write(places.below("proc/cmdline"), "quiet\n").unwrap();
    assert!(missing(&places).contains("slot"));
    fs::remove_dir_all(&places.root).unwrap();
}

#[test]
fn the_group_is_the_programmes() {
    let places = places("group");
    let path = places.below("etc/group");
    assert_eq!(group(&path), None);
    fs::write(&path, "root:x:0:\nstreamcaster:x:100:\n").unwrap();
    assert_eq!(group(&path), Some(100));
    fs::remove_dir_all(&places.root).unwrap();
}

#[test]
fn an_older_system_needs_a_word_that_the_programme_does_not_know() {
    let machine = Machine::new("older", "order=AB\nA_left=3\nB_left=0\n", b"");
    let blob = system("0.0.9", &vec![3; 400_000]);
    let older = package(&blob, "0.0.9", 9, 7);
    let anyway = |package: &[u8]| {
        let bytes = package.len() as u64;
        machine.order(
            FirmwareOrder::Install { bytes, allow_downgrade: true, allow_debug: false },
            package,
        )
    };
    let wrong = Proof::Confirm { confirmation: "let me".to_owned() };
    assert_eq!(machine.prove(&wrong), Err(Some(RefusalCode::NothingToConfirm)));
    assert_eq!(code(machine.install(&older)), RefusalCode::OlderVersion);
    assert_eq!(code(anyway(&older)), RefusalCode::ConfirmationRequired);
    assert_eq!(machine.prove(&wrong), Err(Some(RefusalCode::WrongConfirmation)));
    assert_eq!(code(anyway(&older)), RefusalCode::ConfirmationRequired);
    assert_eq!(machine.confirm(), "0.0.9 (abc1234)");
    // What is confirmed is this one, and no other of the same version.
    let other = package(&system("0.0.9", &vec![4; 400_000]), "0.0.9", 9, 7);
    assert_eq!(code(anyway(&other)), RefusalCode::ConfirmationRequired);
    assert_eq!(code(anyway(&older)), RefusalCode::ConfirmationRequired, "the other waits now");
    machine.confirm();
    // One that is excluded is not asked about.
    let excluded = package(&system("0.0.4", b"kernel"), "0.0.4", 9, 7);
    assert_eq!(code(machine.install(&excluded)), RefusalCode::TooOld);
    assert_eq!(code(anyway(&excluded)), RefusalCode::TooOld);
    assert_eq!(machine.variables().tries(Slot::B), 0);
    assert!(anyway(&older).is_ok());
    machine.restarts.recv_timeout(PATIENCE).unwrap();
    assert_eq!(machine.variables().first(), Slot::B);
}

#[test]
fn the_way_back_leads_to_nothing_that_is_excluded_but_from_a_trial() {
    let other = system("0.0.4", b"before");
    let machine = Machine::new("excluded", "order=AB\nA_left=3\nB_left=3\n", &other);
    assert_eq!(code(machine.order(FirmwareOrder::Rollback, b"")), RefusalCode::TooOld);
    let variables = "order=AB\nA_left=0\nB_left=3\ntrial=A\n";
    let machine = Machine::new("excluded-trial", variables, &other);
    assert!(machine.order(FirmwareOrder::Rollback, b"").is_ok());
    machine.restarts.recv_timeout(PATIENCE).unwrap();
}

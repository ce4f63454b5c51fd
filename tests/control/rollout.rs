//! `cargo xtask rollout` and `fleet` for three machines: their real API, each with a stand-in for its
//! update service, of which one falls back.

use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use ring::digest::{digest, SHA256};
use serde_json::{json, Value};
use test_support::tools::xtask;

use super::*;
use test_support::peers::update_service::{fresh, length, system, take, tell, Appliance};

const KEY: &str = "01c840c29dba2a32";
const NEW: &str = "0.2.0 (abc1234)";

/// A machine whose update service answers as the real one does, and how many packages it has taken.
struct Stand {
    control: ControlHandle,
    appliance: Arc<Appliance>,
    taken: Arc<AtomicUsize>,
}

/// The state after an update that ended so.
fn after(digest: &str, outcome: &str) -> Value {
    let mut state = fresh();
    let fell_back = outcome == "fell back";
    if !fell_back {
        state["slot"] = "B".into();
        state["digest"] = digest.into();
        state["build"] = 20_261_128_025_300_u64.into();
        state["slots"]["B"] =
            system("0.2.0", "abc1234", if outcome == "confirmed" { 3 } else { 0 });
    }
    state["on_trial"] = (outcome == "on trial").into();
    let left = json!({"why": "network", "detail": "no lease in 60 s"});
    state["last"] = json!({
        "what": "update", "slot": "B", "from": "0.1.0 (f141df0)", "to": NEW,
        "at": "2026-11-28T03:00:00.000Z", "outcome": outcome, "off_air_s": 14.0,
        "left": if fell_back { left } else { Value::Null },
    });
    state
}

impl Stand {
    /// One on which an update ends so.
    fn new(name: &str, ending: &'static str) -> Stand {
        let folder = format!("rollout-{name}-{}", std::process::id());
        let appliance =
            Arc::new(Appliance::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder)));
        appliance.write_down(&fresh());
        let taken = Arc::new(AtomicUsize::new(0));
        let (own, count) = (Arc::downgrade(&appliance), Arc::clone(&taken));
        appliance.serve(move |order, line| {
            assert_eq!(order["order"], "install");
            assert_eq!((&order["allow_downgrade"], &order["allow_debug"]), (&false.into(), &false.into()));
            let package = take(line, length(order));
            assert_eq!(package, update(), "it came otherwise than it was made");
            count.fetch_add(1, Ordering::SeqCst);
            let Some(appliance) = own.upgrade() else { return };
            appliance.write_down(&after(&slots_digest(), "on trial"));
            tell(line, &json!({"done": "installed", "version": "0.2.0", "revision": "abc1234", "slot": "B"}));
            appliance.write_down(&after(&slots_digest(), ending));
        });
        let board = Board::default();
        board.publish(snapshot());
        let options =
            ControlOptions { appliance: appliance.folder().to_owned(), ..options(ANY, ANY, board) };
        Stand { control: start(options).expect("two free ports"), appliance, taken }
    }

    fn address(&self) -> String {
        self.control.http().to_string()
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

fn slots_digest() -> String {
    "cd".repeat(32)
}

/// As `cargo xtask sign` makes one; the signature is the service's to judge.
fn update() -> Vec<u8> {
    let slot = b"a slot".repeat(300_000);
    let sum: String = digest(&SHA256, &slot).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let mut package = format!(
        "streamcaster-update 1\nversion 0.2.0\nrevision abc1234\nmade 1795834380\n\
         build 20261128025300\nkernel 6.12.9-1\nkey {KEY}\ndigest {}\nbytes {}\nsha256 {sum}\n",
        slots_digest(),
        slot.len()
    )
    .into_bytes();
    package.resize(960, b'\n');
    package.resize(1024, 7);
    package.extend_from_slice(&slot);
    package
}

fn typed(command: &str, arguments: &[&str], hosts: &[String]) -> (bool, String) {
    let mut xtask = xtask(&[command]);
    xtask.args(arguments).args(hosts).env("STREAMCASTER_TOKEN", TOKEN);
    let Output { status, stdout, stderr } = xtask.output().expect("cargo starts");
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(!said.contains(TOKEN), "the token is shown: {said}");
    (status.success(), said)
}

#[test]
fn a_rollout_stops_at_the_machine_that_falls_back_and_goes_on_where_it_stopped() {
    let good = Stand::new("good", "confirmed");
    let bad = Stand::new("bad", "fell back");
    let last = Stand::new("last", "confirmed");
    let hosts = [good.address(), bad.address(), last.address()];
    let file = good.appliance.folder().join("streamcaster.update");
    std::fs::write(&file, update()).expect("a file");
    let file = file.display().to_string();
    let rollout = ["--update", &file, "--batch", "1", "--minutes", "1"];

    let (is_well, said) = typed("rollout", &rollout, &hosts);
    assert!(!is_well, "{said}");
    assert!(said.contains(&format!("{}: confirmed", good.address())), "{said}");
    let why = "FAILED: it fell back to the system before: network no lease in 60 s";
    assert!(said.contains(&format!("{}: {why}", bad.address())), "{said}");
    assert!(said.contains("1 confirmed, 0 had it, 1 failed, 1 not begun"), "{said}");
    assert_eq!((good.taken(), bad.taken(), last.taken()), (1, 1, 0));

    // Again, all of them at once, after the bad one was looked after: who has it is passed over.
    bad.appliance.write_down(&after(&slots_digest(), "confirmed"));
    let rollout = ["--update", &file, "--batch", "3", "--minutes", "1"];
    let (is_well, said) = typed("rollout", &rollout, &hosts);
    assert!(is_well, "{said}");
    assert!(said.contains("1 confirmed, 2 had it, 0 failed, 0 not begun"), "{said}");
    assert_eq!((good.taken(), bad.taken(), last.taken()), (1, 1, 1));

    let away = ["127.0.0.1:1".to_owned()];
    let (is_well, said) = typed("fleet", &[], &[&hosts[..], &away].concat());
    assert!(!is_well && said.contains("1 of 4 machines are not well"), "{said}");
    let of =
        |host: &String| said.lines().find(|line| line.starts_with(host.as_str())).unwrap_or("");
    for host in &hosts {
        let line = of(host);
        for part in ["20261128025300", "6.12.9-1", "B cdcdcdcdcdcd", "update confirmed"] {
            assert!(line.contains(part), "{part}: {said}");
        }
    }
    assert!(of(&away[0]).contains("no answer"), "{said}");
}

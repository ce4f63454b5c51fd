//! Three machines and one update for all of them, by `cargo xtask rollout` and `cargo xtask fleet` as a
//! person types them: the first takes it, the second falls back, the third is not given it. Only in the
//! long form (`cargo xtask test --long image`): a system is trusted after three healthy minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use test_support::seed::is_long_form;

use crate::firmware::{changed, firmware, signed_now};
use crate::machine::{opened, target, Disk, Machine, Parts, USUAL};
use crate::shell::Shell;
use crate::wait::{holds, seconds};
use crate::{xtask, PATIENCE};

/// Enough for a system in memory, its update's pages and the programme.
const MEMORY_MB: u32 = 256;
/// A trial that ends either way, on machines that share processors.
const TRIAL_S: u64 = 1200;

#[test]
fn an_update_goes_from_machine_to_machine_until_one_falls_back() {
    if !is_long_form() {
        println!("not run: three machines and two trials are a quarter of an hour; see --long");
        return;
    }
    let update = Update::make();
    let fleet: Vec<(Disk, Machine)> = ["one", "two", "three"].map(started).into();
    let [(_, one), (_, two), (_, three)] = &fleet[..] else { panic!("three machines") };
    let machines = [one, two, three];
    let hosts = [one, two, three].map(|machine| machine.http.to_string());

    // The first has been waiting while the others started.
    for machine in machines {
        machine.is_healthy(PATIENCE);
    }
    is_told_before(&hosts, machines);

    // The second is well until the update's programme there is gone for good.
    let began = two.console_end();
    let mut rollout = update.rollout(&hosts);
    let said = || fs::read_to_string(&update.log).unwrap_or_default();
    let on_trial = format!("{}: runs it on trial", hosts[1]);
    let come = holds(seconds(TRIAL_S), || said().contains(&on_trial));
    assert!(come, "{}\n{}", said(), two.console_from(began));
    assert!(said().contains(&format!("{}: confirmed\n", hosts[0])), "{}", said());
    println!("{:.0?}: one has confirmed it, two has it on trial", one.power_on.elapsed());
    let shell = Shell::of(two, began);
    shell.run("touch /run/appliance/stopping; kill $(cat /run/appliance/service.pid)");
    let mut ended = None;
    let has_ended = holds(seconds(TRIAL_S), || {
        ended = rollout.try_wait().expect("a child of this process");
        ended.is_some()
    });
    let (said, console) = (said(), two.console_from(began));
    assert!(has_ended, "{said}\n{console}");
    assert!(ended.is_some_and(|status| !status.success()), "{said}\n{console}");
    println!("{:.0?}: the rollout has stopped:\n{said}", one.power_on.elapsed());
    let failed = format!("{}: FAILED: it fell back to the system before: silent", hosts[1]);
    assert!(said.contains(&failed), "{said}");
    assert!(said.contains("1 confirmed, 0 had it, 1 failed, 1 not begun"), "{said}");
    assert!(!said.contains(&format!("{}: sending", hosts[2])), "{said}");

    two.is_healthy(PATIENCE);
    let (table, is_well) = inventory(&hosts, "password");
    println!("{table}");
    assert!(is_well, "{table}");
    let last = ["update confirmed", "update fell back", "none"];
    for ((host, slot), last) in hosts.iter().zip([" B ", " A ", " A "]).zip(last) {
        let row = row(&table, host);
        assert!(row.contains(slot), "{host}: {table}");
        assert!(row.ends_with(last), "{host}: {table}");
    }
    let digests = [one, two, three].map(|machine| {
        let told = firmware(machine).unwrap_or_default();
        told["digest"].as_str().unwrap_or_default().to_owned()
    });
    for (host, digest) in hosts.iter().zip(&digests) {
        let short = digest.get(..12).expect("a digest");
        assert!(row(&table, host).contains(short), "{host}: {digest}: {table}");
    }
    assert!(digests[0] != digests[1], "{digests:?}");
    assert!(digests[1] == digests[2], "{digests:?}");
    goes_on_where_it_stopped(&update, &hosts[0]);
    let [_, _, off] = <[_; 3]>::try_from(fleet).unwrap_or_else(|_| panic!("three machines"));
    drop(off);
    let (table, is_well) = inventory(&hosts[2..], "password");
    assert!(!is_well, "{table}");
    assert!(table.contains("no answer"), "{table}");
    update.remove();
}

/// The inventory of three machines that run what they were made with, and nobody's without the password.
fn is_told_before(hosts: &[String; 3], machines: [&Machine; 3]) {
    let (table, is_well) = inventory(hosts, "password");
    println!("{table}");
    let consoles = || machines.map(Machine::console).join("\n====\n");
    assert!(is_well, "{table}\n{}", consoles());
    for host in hosts {
        let row = row(&table, host);
        assert!(row.contains(" A "), "{table}");
        assert!(row.ends_with("none"), "{table}");
    }
    let (table, is_well) = inventory(hosts, "another");
    assert!(!is_well, "{table}");
    assert!(row(&table, &hosts[0]).contains("it does not know the password"), "{table}");
}

/// Typed again for one that has it, it sends nothing.
fn goes_on_where_it_stopped(update: &Update, host: &str) {
    let mut again = update.rollout(&[host.to_owned()]);
    let well = again.wait().expect("a child of this process").success();
    let said = fs::read_to_string(&update.log).unwrap_or_default();
    assert!(well, "{said}");
    assert!(said.contains("runs it already"), "{said}");
    assert!(!said.contains("sending"), "{said}");
}

/// A machine that is on air and lets the others have the processor.
fn started(name: &str) -> (Disk, Machine) {
    let disk = Disk::open(&format!("fleet-{name}"));
    let mut machine = Machine::start(&disk, Parts { memory_mb: MEMORY_MB, ..USUAL });
    let healthy = machine.is_healthy(PATIENCE);
    println!("{name}: healthy {healthy:.1?} after power-on");
    machine.lets_go();
    (disk, machine)
}

/// Another system than the machines', as far as its sums go, and made later.
struct Update {
    file: PathBuf,
    log: PathBuf,
}

impl Update {
    fn make() -> Update {
        let stage = target().join(format!("tmp/fleet-{}", std::process::id()));
        fs::create_dir_all(&stage).expect("a folder");
        let slot = fs::read(opened().join("streamcaster.slot")).expect("it is made");
        let slot = changed(&slot, "version", |text| {
            let at = text.windows(9).position(|word| word == b"revision ").expect("a revision") + 9;
            text[at] = if text[at] == b'0' { b'1' } else { b'0' };
        });
        let (from, file) = (stage.join("slot"), stage.join("update"));
        fs::write(&from, slot).expect("a file");
        fs::write(&file, signed_now(&from, &stage)).expect("a file");
        Update { file, log: stage.join("log") }
    }

    fn rollout(&self, hosts: &[String]) -> Child {
        let log = fs::File::create(&self.log).expect("a file");
        let mut rollout = xtask(&["rollout", "--update"]);
        rollout.arg(&self.file).args(hosts).env("STREAMCASTER_PASSWORD", "password");
        let errors = log.try_clone().expect("a file");
        rollout.stdin(Stdio::null()).stdout(log).stderr(errors);
        rollout.spawn().expect("cargo, which runs this, starts")
    }

    fn remove(&self) {
        let stage = self.file.parent().unwrap_or(Path::new("/nowhere"));
        fs::remove_dir_all(stage).expect("our own folder");
    }
}

/// `cargo xtask fleet`: its table, and whether it ended well.
fn inventory(hosts: &[String], password: &str) -> (String, bool) {
    let mut fleet = xtask(&["fleet"]);
    let output = fleet.args(hosts).env("STREAMCASTER_PASSWORD", password).output();
    let output = output.expect("cargo, which runs this, starts");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

/// A machine's line.
fn row<'a>(table: &'a str, host: &str) -> &'a str {
    let row = table.lines().find(|line| line.starts_with(host));
    row.unwrap_or_else(|| panic!("no {host} in {table}"))
}

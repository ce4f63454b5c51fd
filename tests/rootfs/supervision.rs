//! Who keeps the programme running, and what the console says of it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::world::{World, TIMEOUT};

/// A run that ends at once when the configuration is wrong, and else ends everything.
pub fn runs(world: &World) {
    let root = world.path("").display().to_string();
    let text = format!(
        "case $* in *'streamcaster run '*) ;; *) shift; exec \"$@\" ;; esac\n\
         echo \"$*\" >> {root}/runs\nstreamcaster check --data {root}/data > /dev/null || exit 78\n\
         touch {root}/run/appliance/stopping"
    );
    world.program("setpriv", &text);
    // The half minute after which a configuration is one to go back to does not pass.
    let pid = world.path("run/appliance/service.pid").display().to_string();
    world.program(
        "sleep",
        &format!(
            "[ \"$1\" = 30 ] || exit 0\nexec > /dev/null 2>&1\n\
             while [ -e {pid} ]; do /bin/busybox sleep 0.1; done\nexit 1"
        ),
    );
}

#[test]
fn the_programme_runs_without_rights_below_its_budget() {
    let world = World::new("service");
    runs(&world);
    assert!(world.run("service", &[], &[]).status.success());
    let run = world.read("runs");
    assert!(
        run.starts_with("--nnp streamcaster as streamcaster streamcaster run --data "),
        "{run}"
    );
    assert!(run.contains(" --supervised"), "{run}");
    assert_eq!(run.lines().count(), 1, "{run}");
    assert_eq!(world.read("sys/fs/cgroup/streamcaster/pids.max"), "64\n");
    let most: u64 =
        world.read("sys/fs/cgroup/streamcaster/memory.max").trim().parse().expect("bytes");
    assert!((64 << 20..512 << 20).contains(&most), "{most}");
    assert!(world.read("data/config.toml").contains("password_hash"));
}

#[test]
fn one_that_is_asked_to_restart_is_started_again_and_nobody_is_alarmed() {
    let world = World::new("again");
    let root = world.path("").display().to_string();
    world.program(
        "setpriv",
        &format!(
            "case $* in *'streamcaster run '*) ;; *) shift; exec \"$@\" ;; esac\n\
             echo run >> {root}/runs\n[ -e {root}/asked ] || {{ touch {root}/asked; exit 75; }}\n\
             touch {root}/run/appliance/stopping"
        ),
    );
    assert!(world.run("service", &[], &[]).status.success());
    assert_eq!(world.read("runs"), "run\nrun\n");
    assert!(!world.read("dev/kmsg").contains("ended"), "{}", world.read("dev/kmsg"));
}

#[test]
fn a_small_machine_keeps_its_share() {
    let world = World::new("small");
    runs(&world);
    world.write("proc/meminfo", "MemTotal:         196608 kB\n");
    assert!(world.run("service", &[], &[]).status.success());
    let most = world.read("sys/fs/cgroup/streamcaster/memory.max");
    assert_eq!(most.trim(), ((192 - 64) << 20).to_string());
}

/// A configuration that runs, with a password.
pub const GOOD: &str = "[programme]\nsilence_ms = 700\n[http]\npassword_hash = \
    \"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA\"\n";

#[test]
fn a_wrong_configuration_gives_way_to_the_last_that_ran() {
    let world = World::new("wrong");
    runs(&world);
    world.write("data/system/config.good.B", GOOD);
    world.write("data/system/config.good.A", "[programme]\nof_another_version = 1\n");
    world.write("data/config.toml", "[htp]\n");
    assert!(world.run("service", &[], &[]).status.success());
    assert_eq!(world.read("data/config.toml"), GOOD);
    assert_eq!(world.read("data/config.toml.wrong"), "[htp]\n");
    assert_eq!(world.read("runs").lines().count(), 2);
    assert!(world.read("run/appliance/config.warning").contains("htp"));
}

/// A change that the page took, the power cut right away, and then a file that is wrong: what was taken
/// is gone back to, and not what ran before.
#[test]
fn what_was_taken_last_is_gone_back_to() {
    let hash = GOOD.split_once("[http]").expect("a section").1;
    let taken = format!("[programme]\nsilence_ms = 701\n[http]{hash}");
    // One that another version took, or that somebody cut, is passed over.
    for (own, expected) in [(taken.as_str(), taken.as_str()), ("[htp]\nx = 1\n", GOOD), ("", GOOD)]
    {
        let world = World::new("taken");
        runs(&world);
        world.write("data/system/config.good.B", GOOD);
        world.write("data/state/config.taken", own);
        world.write("data/config.toml", "[htp]\n");
        assert!(world.run("service", &[], &[]).status.success());
        assert_eq!(world.read("data/config.toml"), expected);
        assert_eq!(world.read("data/config.toml.wrong"), "[htp]\n");
    }
    // Neither is right: as at the first start.
    let world = World::new("taken-wrong");
    runs(&world);
    tries(&world, false);
    world.write("data/state/config.taken", "[htp]\nx = 1\n");
    world.write("data/config.toml", "[htp]\n");
    assert!(world.run("service", &[], &[]).status.success());
    assert!(world.read("data/config.toml").contains("# Made at the first start"));
}

/// A programme that is on trial or not.
fn tries(world: &World, is_on_trial: bool) {
    let product = env!("CARGO_BIN_EXE_streamcaster");
    let ask = u8::from(!is_on_trial);
    let text = format!("[ \"$1\" != confirm ] || exit {ask}\nexec {product} \"$@\"");
    world.program("streamcaster", &text);
}

#[test]
fn an_update_that_does_not_take_the_configuration_is_left_with_it() {
    let world = World::new("refused");
    runs(&world);
    tries(&world, true);
    world.recorder("reboot");
    world.write("data/config.toml", "[htp]\n");
    assert!(world.run("service", &[], &[]).status.success());
    assert_eq!(world.read("reboot").lines().count(), 1);
    assert_eq!(world.read("data/config.toml"), "[htp]\n");
    let left = world.read("data/system/left");
    assert!(left.starts_with("config\n"), "{left}");
    assert!(left.contains("htp"), "{left}");
    assert_eq!(left.lines().count(), 2, "{left}");

    // One that ran here before is gone back to by a rollback.
    world.write("data/system/config.good.B", GOOD);
    assert!(world.run("service", &[], &[]).status.success());
    assert_eq!(world.read("data/config.toml"), GOOD);
    assert_eq!(world.read("reboot").lines().count(), 1, "not again");
}

#[test]
fn a_wrong_configuration_without_one_to_go_back_to_begins_again() {
    let world = World::new("never-right");
    runs(&world);
    tries(&world, false);
    world.write("data/config.toml", "[htp]\n");
    assert!(world.run("service", &[], &[]).status.success());
    assert!(world.read("data/config.toml").contains("password_hash"));
    assert_eq!(world.read("data/config.toml.wrong"), "[htp]\n");
}

/// What a probe says of what it found.
fn probed(code: u8) -> &'static str {
    match code {
        0 => "healthy",
        1 => "degraded: a line",
        2 => "unhealthy: a line",
        _ => "no answer: a line",
    }
}

/// A guard that ends itself after so many rounds, over a program that says `line` and ends with
/// `code`.
fn guarded(world: &World, code: u8, line: &str, rounds: u32) -> Option<i32> {
    let mut service = Command::new("/bin/busybox").args(["sleep", "600"]).spawn().expect("busybox");
    world.write("run/appliance/service.pid", &service.id().to_string());
    world.write("run/appliance/started", "");
    world.program("streamcaster", &format!("echo '{line}'; exit {code}"));
    let count = world.path("rounds").display().to_string();
    let sleep = format!("echo >> {count}\n[ $(wc -l < {count}) -lt {rounds} ] || kill $PPID");
    world.program("sleep", &sleep);
    world.run("guard", &[], &[]);
    let _ = fs::remove_file(world.path("rounds"));
    let ended = service.try_wait().expect("the process");
    let _ = service.kill();
    let _ = service.wait();
    ended.and_then(|status| status.signal())
}

#[test]
fn a_program_that_is_silent_is_killed_and_one_that_answers_is_not() {
    let world = World::new("guard");
    for code in [0, 1, 2] {
        let line = probed(code);
        assert_eq!(guarded(&world, code, line, 9), None, "code {code}");
        assert_eq!(world.read("run/appliance/probe"), format!("{code} {line}\n"));
    }
    // The first sleep is before the first question, and three silences are not four.
    assert_eq!(guarded(&world, 3, probed(3), 4), None);
    assert_eq!(guarded(&world, 3, probed(3), 9), Some(9));
}

#[test]
fn a_program_that_only_ends_with_a_probes_code_has_not_answered() {
    let world = World::new("wordless");
    for (code, line, said) in [
        (0, "", "0"),
        (1, "su: not allowed", "1, saying: su: not allowed"),
        (1, "healthy", "1, saying: healthy"),
        (127, "", "127"),
    ] {
        assert_eq!(guarded(&world, code, line, 9), Some(9), "{code} {line}");
        let told = format!("3 no answer: the probe ended with {said}\n");
        assert_eq!(world.read("run/appliance/probe"), told);
    }
}

#[test]
fn a_machine_that_does_not_get_well_starts_again() {
    let world = World::new("give-up");
    world.recorder("reboot");
    let uptime = world.path("proc/uptime").display().to_string();
    world.program(
        "timeout",
        &format!("case $* in *probe*) ;; *) {TIMEOUT} ;; esac\necho 900.00 > {uptime}; exit 3"),
    );
    guarded(&world, 3, probed(3), 3);
    assert_eq!(world.read("reboot").lines().count(), 1);
    assert_eq!(world.read("data/system/left"), "silent\nno answer: the probe ended with 3\n");
}

/// A guard over a program that answers `code`, four minutes after each other: what it did besides.
fn tried(world: &World, code: u8, is_on_trial: bool) -> (String, usize) {
    world.recorder("reboot");
    let (asked, ask) = (world.path("asked").display().to_string(), u8::from(!is_on_trial));
    let text = format!(
        "case $1 in confirm) echo \"$*\" >> {asked}; [ \"$2\" = --ask ] || exit 0; exit {ask} ;; esac\n\
         echo '{}'; exit {code}",
        probed(code)
    );
    world.write("run/appliance/started", "");
    world.program("streamcaster", &text);
    // Each rest is four minutes; the fifth is the end.
    let count = world.path("rests").display().to_string();
    let uptime = world.path("proc/uptime").display().to_string();
    let sleep = format!(
        "echo >> {count}\nrests=$(wc -l < {count})\necho $((rests * 240)).00 > {uptime}\n\
         [ $rests -lt 5 ] || kill $PPID"
    );
    world.program("sleep", &sleep);
    world.run("guard", &[], &[]);
    (world.read("asked"), world.read("reboot").lines().count())
}

#[test]
fn a_system_is_confirmed_once_it_has_been_well_for_a_while() {
    for code in [0, 1] {
        let world = World::new("well");
        assert_eq!(tried(&world, code, true), ("confirm\n".to_owned(), 0), "code {code}");
    }
}

#[test]
fn a_system_on_trial_that_is_not_well_is_left_and_no_other() {
    let on_trial = World::new("ill-on-trial");
    assert_eq!(tried(&on_trial, 2, true), ("confirm --ask\n".to_owned(), 1));
    assert_eq!(on_trial.read("data/system/left"), "ill\nunhealthy: a line\n");
    assert_eq!(tried(&World::new("ill"), 2, false), ("confirm --ask\n".to_owned(), 0));
}

/// What `ip` says of a card with an address.
const ADDRESS: &str = "echo '2: eth0    inet 10.0.2.15/24 brd x scope global eth0'";

#[test]
fn a_system_on_trial_that_lost_the_network_or_the_disk_is_left_and_no_other() {
    let machine = |name, now: Option<&str>| {
        let world = World::new(name);
        world.program("ip", ADDRESS);
        assert!(world.run("stop", &[], &[]).status.success());
        assert_eq!(world.read("data/system/addresses"), "10.0.2.15\n");
        world.program("ip", now.unwrap_or("exit 0"));
        fs::remove_file(world.path("run/appliance/stopping")).expect("removed");
        world
    };
    let lost = machine("lost-on-trial", None);
    let (asked, restarts) = tried(&lost, 0, true);
    assert!(asked.lines().all(|line| line == "confirm --ask"), "{asked}");
    assert_eq!((restarts, lost.read("data/system/left")), (1, "network\nhealthy\n".to_owned()));
    let diskless = World::new("diskless");
    diskless.write("run/appliance/data.warning", "no data disk\n");
    assert_eq!(tried(&diskless, 0, true).1, 1);
    assert_eq!(diskless.read("data/system/left"), "disk\nno data disk\n");

    let confirmed = ("confirm\n".to_owned(), 0);
    assert_eq!(tried(&machine("connected", Some(ADDRESS)), 0, true), confirmed);
    let asked_before = ("confirm --ask\nconfirm\n".to_owned(), 0);
    assert_eq!(tried(&machine("lost", None), 0, false), asked_before, "it may be the network");
}

#[test]
fn the_machines_last_act_marks_when_the_programme_ended() {
    let world = World::new("stop");
    world.recorder("umount");
    let mut service = Command::new("/bin/busybox").args(["sleep", "600"]).spawn().expect("busybox");
    world.write("run/appliance/service.pid", &service.id().to_string());
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(2);
    assert!(world.run("stop", &[], &[]).status.success());
    let _ = service.kill();
    let _ = service.wait();
    let mark = fs::metadata(world.path("data/system/off-air")).expect("the mark");
    assert!(mark.modified().expect("its time") >= before);
    assert!(world.read("umount").contains("/data"));
}

#[test]
fn the_console_says_what_the_machine_is() {
    let world = World::new("console");
    world.recorder("hostname");
    let tentative = "2: eth0    inet6 fd00::2/64 scope global tentative dynamic";
    let with_tentative = format!("{ADDRESS}; echo '{tentative}'");
    world.program("ip", &with_tentative);
    world.program("nc", "cat > /dev/null; printf '{\"current_video_source\":\"udp\",\"a\":1}'");
    world.write("data/state/http.address", "127.0.0.1:8088\n");
    world.write("run/streamcaster/data.token", "0123456789abcdef\n");
    world.write("data/system/first-password", "abcdefgh2345\n\"hash\"\n");
    world.write("data/config.toml", "[http]\npassword_hash = \"hash\"\n");
    world.write("data/state/setup", "qrstuvwxyz23\nabcdefgh2345\nhash\n2000000000\n");
    world.write("run/appliance/probe", "1 degraded: disk\u{1b}[2J 85 %\n");
    let output = world.run("console", &[], &[("ONCE", "1")]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in [
        "  streamcaster 0.",
        "  slot       B\n",
        "  address    10.0.2.15\n",
        "  page       http://10.0.2.15:8088\n",
        "  set up     http://10.0.2.15:8088/#setup=qrstuvwxyz23\n",
        "  password   abcdefgh2345\n",
        "  on air     yes: udp; degraded: disk[2J 85 %\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(!text.contains("fd00::2"), "it answers nobody: {text}");
    // The page has set another password, and the code is used.
    world.write("data/config.toml", "[http]\npassword_hash = \"other\"\n");
    fs::remove_file(world.path("data/state/setup")).expect("removed");
    let output = world.run("console", &[], &[("ONCE", "1")]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("password"), "{text}");
    assert!(!text.contains("set up"), "{text}");
    world.write("run/appliance/probe", "3 no answer: it took too long\n");
    let output = world.run("console", &[], &[("ONCE", "1")]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("  on air     NO: no answer: it took too long\n"), "{text}");
    assert!(!text.contains("  clock "), "{text}");
    world.write("run/appliance/clock.warning", "not set yet: no time server has answered\n");
    let output = world.run("console", &[], &[("ONCE", "1")]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("  clock      not set yet"), "{text}");
}

//! The programme killed, leaking and stopped, its disk full and read-only, the power button, a guard
//! that hangs and a kernel that panics: it is on air again by itself.

use std::time::Duration;

use crate::hardening;
use crate::machine::{Disk, Machine, USUAL};
use crate::player::Player;
use crate::shell::Shell;
use crate::wait::{holds, seconds};
use crate::{DATA, PATIENCE};

/// The hash in `start.toml`.
const PASSWORD: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
/// For a stopped service, in seconds of the machine's own time: the appliance promises 90, and an
/// emulated processor that shares a busy machine's cores needs longer for each look of the guard.
/// Later than this the guard starts the whole machine again.
const BACK_S: f64 = 170.0;
/// For one whose end is seen at once: sooner than the guard, which looks four times in 40 s, would.
const BACK_SOON_S: f64 = 40.0;
/// Bytes into a file system: its state, 1 when it was let go of cleanly, and the features without
/// which it is not mounted, 4 of which is a journal to be replayed (ext4's documentation, "Super
/// Block").
const STATE: u64 = DATA + 1024 + 0x3A;
const FEATURES: u64 = DATA + 1024 + 0x60;

#[test]
fn whatever_happens_to_the_service_it_is_on_air_again() {
    let disk = Disk::open("service");
    let machine = Machine::start(&disk, USUAL);
    let shell = Shell::of(&machine, 0);
    shell.on_air_after("true");
    hardening::is_in_force(&shell);
    hardening::is_confined(&machine, &shell);
    is_broken_into(&shell);
    is_killed(&shell);
    leaks(&shell);
    is_stopped(&shell);
    has_a_full_disk(&machine, &shell);
    has_a_disk_that_is_read_only(&machine, &shell);
    shell.run(&format!("echo a film > {FILM}"));
    is_switched_off(machine, &disk);

    // The file system has grown, and its superblock is lost: the next start mends it, and the one
    // after that has nothing to mend.
    disk.write(&[0; 1024], DATA + 1024);
    disk.set_environment("order=AB\nA_left=3\nB_left=0\n");
    let machine = Machine::start(&disk, USUAL);
    let shell = Shell::of(&machine, 0);
    shell.on_air_after("true");
    let mended = "the data disk was damaged and has been mended\na film";
    assert_eq!(shell.run(WARNING_AND_FILM), mended);
    let began = machine.console_end();
    shell.begin("kill -STOP $(pidof guard)");
    starts_again("the watchdog", &machine, began);
    let shell = Shell::of(&machine, began);
    assert_eq!(shell.run(WARNING_AND_FILM), format!("{NO_WARNING}\na film"));
    // A change that was taken, and then a file that is wrong, before anything else was done.
    assert_eq!(change(&machine, 707), Some(200));
    shell.run(&format!(
        "{AS_SERVICE} 'cd /data && printf \"[htp]\" > config.toml && sync config.toml'"
    ));
    let began = machine.console_end();
    shell.begin("echo c > /proc/sysrq-trigger");
    starts_again("the kernel's panic", &machine, began);
    assert!(disk.environment().contains("A_left=0\n"), "{}", disk.environment());
    assert!(answers_in(&machine));
    assert_eq!(silence_ms(&machine), Some(707), "what the page took is gone back to");
}

/// A file that must outlast whatever becomes of its disk.
const FILM: &str = "/data/videos/film";
const WARNING_AND_FILM: &str = "cat /run/appliance/data.warning /data/videos/film";
/// What `cat` says of a file that is not there.
const NO_WARNING: &str = "cat: can't open '/run/appliance/data.warning': No such file or directory";

/// Root's files, with what they hold: what a programme that was broken into would want to change.
const ROOTS: &str = "find /etc /usr/lib /run/appliance/victim /data/system -type f \
                     ! -name clock ! -name config.good.A -exec sha256sum {} + | sort | sha256sum";
/// As the programme's user, from a shell without its limits: more than a programme that was broken
/// into could do.
const AS_SERVICE: &str = "su -s /bin/sh streamcaster -c";

/// Links, pipes, endless files and crafted words in the place of everything of the programme's user
/// that root looks at, while the machine runs: root's files stay what they are, what only root may
/// read is not shown, and the programme is on air.
fn is_broken_into(shell: &Shell<'_>) {
    shell.run(
        "mkdir /run/appliance/victim; cd /run/appliance/victim; umask 077; \
               echo rootonlysecret234567 > secret; cd /",
    );
    let before = shell.run(ROOTS);
    // A second name or a link in root's own folder, and its removal, are refused.
    let tried = shell.run(&format!(
        "{AS_SERVICE} 'ls /data/system; mv /data/system /data/s; ln -s /etc /data/system/x; \
         ln /data/system/addresses /data/y; cat /run/appliance/victim/secret'"
    ));
    assert!(!tried.contains("rootonly"), "{tried}");
    let plants = [
        "ln -s /run/appliance/victim/secret $f",
        "ln -s /run/appliance/victim $f",
        "ln -s /run/appliance/victim/made $f",
        "mkfifo $f",
        "mkdir $f",
        "dd if=/dev/zero of=$f bs=1 count=0 seek=16G",
        "echo \"1:1|w /run/appliance/victim/made\" > $f",
        "printf \"\\\\033]0;x\\\\007\\\\033[2J-F/etc/shadow\" > $f",
    ];
    for plant in plants {
        let began = shell.console_end();
        shell.run(&format!(
            "{AS_SERVICE} 'cd /data; for f in state/http.address state/probe.token state/setup \
             state/setup.new config.toml.new config.toml.wrong; do rm -rf $f; {plant}; done'"
        ));
        // What runs by itself has run, and the screen is drawn.
        let screen = shell.screen();
        shell.run("/usr/lib/appliance/first; rm /run/appliance/name.seen; /usr/lib/appliance/name");
        assert!(!screen.contains("rootonly"), "{plant}: {screen}");
        assert!(!screen.contains('\u{1b}'), "{plant}: {screen}");
        let said = shell.console_from(began);
        assert!(!said.contains("rootonly"), "{plant}: {said}");
        assert!(!said.contains('\u{1b}'), "{plant}: {said}");
        assert_eq!(shell.run(ROOTS), before, "{plant}");
    }
    // The configuration itself: the programme does not start with it, and it gives way.
    let back_s = ["ln -s /data/system/left config.toml", "mkfifo config.toml"].map(|plant| {
        shell.run(&format!("{AS_SERVICE} 'cd /data; rm -rf config.toml*; {plant}'"));
        shell.on_air_after(&format!("kill -KILL {}", shell.service()))
    });
    println!("its configuration a link, a pipe: back after {back_s:.1?} s of its time");
    assert_eq!(shell.run("ls /run/appliance/victim"), "secret");
    // Its configuration, whose password is known, has not run long enough to be gone back to.
    shell.run(&format!(
        "printf '[http]\\npassword_hash = \"{PASSWORD}\"\\n' > /run/appliance/own; \
         . /usr/lib/appliance/functions; put_theirs config.toml < /run/appliance/own"
    ));
    shell.on_air_after(&format!("kill -KILL {}", shell.service()));
    shell.run("rm -r /run/appliance/victim /run/appliance/own");
}

fn is_killed(shell: &Shell<'_>) {
    let before = shell.service();
    let s = shell.on_air_after(&format!("kill -KILL {before}"));
    println!("killed: back after {s:.1} s of its time");
    assert!(s <= BACK_SOON_S, "{s}");
    assert_ne!(shell.service(), before);
}

/// Something eats the memory that the programme may have; the kernel ends both, and nothing else.
fn leaks(shell: &Shell<'_>) {
    let before = shell.service();
    let group = "/sys/fs/cgroup/streamcaster";
    let s = shell
        .on_air_after(&format!("(echo 0 > {group}/cgroup.procs; exec tail /dev/zero); sleep 1"));
    println!("out of its memory: back after {s:.1} s of its time");
    assert!(s <= BACK_S, "{s}");
    assert_ne!(shell.service(), before);
    let events = shell.run(&format!("cat {group}/memory.events"));
    assert!(events.contains("oom_group_kill 1"), "{events}");
}

fn is_stopped(shell: &Shell<'_>) {
    let before = shell.service();
    let s = shell.on_air_after(&format!("kill -STOP {before}"));
    println!("stopped: back after {s:.1} s of its time");
    assert!(s <= BACK_S, "{s}");
    assert_ne!(shell.service(), before);
}

fn has_a_full_disk(machine: &Machine, shell: &Shell<'_>) {
    assert_eq!(change(machine, 701), Some(200));
    let full = shell.run(
        "for bs in 64k 4k 512 1; do dd if=/dev/zero of=/data/videos/fill.$bs bs=$bs; done; \
         df /data | tail -n 1; echo x > /data/videos/more",
    );
    assert!(full.contains("No space left"), "{full}");
    assert!(full.contains(" 0 100% "), "{full}");
    // Nothing is free: what cannot be written whole is refused, and the old stays.
    let refused = change(machine, 702);
    assert!(refused.is_some_and(|code| code >= 400), "{refused:?}");
    let s = shell.on_air_after(&format!("kill -KILL {}", shell.service()));
    println!("killed with a full disk: back after {s:.1} s of its time");
    assert!(s <= BACK_SOON_S, "{s}");
    assert_eq!(silence_ms(machine), Some(701));
    // The probe of that start has its right all the same: its token is in memory.
    let allowed = shell.run(
        "ls /data/state/probe.token; su -s /bin/sh streamcaster -c 'printf \"GET /api/status \
         HTTP/1.0\\r\\nHost: localhost\\r\\nAuthorization: Bearer %s\\r\\n\\r\\n\" \
         $(cat /run/streamcaster/data.token) | nc 127.0.0.1 8080 | head -n 1'",
    );
    assert!(allowed.contains("No such file"), "{allowed}");
    assert!(allowed.contains(" 200 "), "{allowed}");
    let health = machine.ask_in("GET", "/api/status", "").unwrap_or_default();
    assert!(health.contains("delete videos or enlarge the disk"), "{health}");
    shell.run("rm /data/videos/*");
    assert_eq!(change(machine, 703), Some(200));
}

fn has_a_disk_that_is_read_only(machine: &Machine, shell: &Shell<'_>) {
    let said = shell.run("sync; echo u > /proc/sysrq-trigger; sleep 2; grep /data /proc/mounts");
    assert!(said.contains("ext4 ro,"), "{said}");
    let refused = change(machine, 704);
    assert!(refused.is_some_and(|code| code >= 400), "{refused:?}");
    let s = shell.on_air_after(&format!("kill -KILL {}", shell.service()));
    println!("killed with a disk that is read-only: back after {s:.1} s of its time");
    assert!(s <= BACK_SOON_S, "{s}");
    assert_eq!(silence_ms(machine), Some(703));
    let said = shell.run("mount -o remount,rw /data; grep /data /proc/mounts");
    assert!(said.contains("ext4 rw,"), "{said}");
    assert_eq!(change(machine, 705), Some(200));
}

/// Changes a setting by the API; the answer's code.
pub fn change(machine: &Machine, silence_ms: u32) -> Option<u16> {
    let body = format!("{{\"programme.silence_ms\":{silence_ms}}}");
    let answer = machine.ask_in("PATCH", "/api/settings", &body)?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// The setting, as the API tells it.
pub fn silence_ms(machine: &Machine) -> Option<u64> {
    let answer = machine.ask_in("GET", "/api/settings", "")?;
    let told: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    let settings = told.pointer("/settings")?.as_array()?.clone();
    let setting = settings.into_iter().find(|setting| setting["key"] == "programme.silence_ms")?;
    setting.pointer("/value")?.as_u64()
}

/// Whether the configuration is the one that it was made with: its password is known.
pub fn answers_in(machine: &Machine) -> bool {
    let is_in = || {
        let answer = machine.ask_in("GET", "/api/status", "");
        answer.is_some_and(|answer| answer.contains(" 200 "))
    };
    holds(PATIENCE, is_in)
}

/// The power button: viewers see the end, the disk is let go of, the power goes.
fn is_switched_off(machine: Machine, disk: &Disk) {
    machine.is_healthy(PATIENCE);
    let player = Player::start(machine.rtmp, "stream");
    assert!(holds(PATIENCE, || player.video_frames() > 0), "nothing is played");
    let began = machine.console_end();
    machine.tell("system_powerdown");
    let sees_the_end = || player.look(|seen| seen.end.is_some());
    assert!(holds(PATIENCE, sees_the_end), "{}", machine.console_from(began));
    machine.shows_from(began, "the stream has ended, unmounting the disk", PATIENCE);
    assert!(machine.goes_off(PATIENCE).success());
    let (state, features) = (u16::from_le_bytes(disk.read(STATE)), disk.read::<1>(FEATURES)[0]);
    assert_eq!((state, features & 4), (1, 0), "the file system was not let go of");
}

fn starts_again(why: &str, machine: &Machine, began: usize) {
    let since = machine.power_on.elapsed();
    machine.shows_from(began, "StreamCaster: slot A", PATIENCE);
    let loader = machine.power_on.elapsed() - since;
    let is_healthy = || machine.get("/api/health").is_some_and(|answer| answer.contains(" 200 "));
    // The connections of before may still be answered for: from now on it is the new start.
    let healthy = holds(PATIENCE + Duration::ZERO, is_healthy);
    assert!(healthy, "{}", machine.console_from(began));
    let after = machine.power_on.elapsed() - since;
    println!("{why}: boot loader after {loader:.1?}, healthy after {after:.1?}");
    assert!(after > seconds(5), "it has not been away");
}

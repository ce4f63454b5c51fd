//! A programme that was broken into, at the firmware daemon's socket: whatever it says, it changes nothing
//! and the daemon goes on.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use crate::firmware::is_untouched;
use crate::machine::{target, Disk, Machine};
use crate::offers::{Offers, Reply};
use crate::shell::Shell;

/// What it tries (`insider.rs`), and what must be said to it.
const REFUSED: [(&str, &str); 19] = [
    ("nothing", "INVALID_REQUEST"),
    ("unfinished", "INVALID_REQUEST"),
    ("no end", "INVALID_REQUEST"),
    ("too long", "INVALID_REQUEST"),
    ("deep", "INVALID_REQUEST"),
    ("no text", "INVALID_REQUEST"),
    ("unknown", "INVALID_REQUEST"),
    ("two orders", "INVALID_REQUEST"),
    ("a path", "INVALID_REQUEST"),
    ("a slot", "NOT_AN_UPDATE"),
    ("no length", "INVALID_REQUEST"),
    ("no bytes", "NOT_AN_UPDATE"),
    ("fewer than none", "INVALID_REQUEST"),
    ("all bytes", "NOT_AN_UPDATE"),
    ("noise", "NOT_AN_UPDATE"),
    ("rollback", "NO_OTHER_SYSTEM"),
    ("confirmation", "NOTHING_TO_CONFIRM"),
    ("password", "WRONG_CONFIRMATION"),
    ("afterwards", "INVALID_REQUEST"),
];

/// As the service's user.
pub fn change_nothing(machine: &Machine, disk: &Disk, shell: &Shell<'_>, offers: &Offers) {
    offers.set("insider", Reply::File(Arc::new(insider())));
    let before = daemon(shell);
    // Nothing that the machine mounts may hold programs, but what root mounts for this.
    shell.run(&format!(
        "mkdir /run/insider; mount -t tmpfs -o size=4m,mode=0755 tmpfs /run/insider; \
         wget -q -O /run/insider/insider {}; chmod 755 /run/insider/insider",
        offers.url("insider")
    ));
    let said = shell.run("su -s /bin/sh streamcaster -c /run/insider/insider");
    for (name, code) in REFUSED {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        assert!(line.is_some_and(|line| line.contains(&format!("\"{code}\""))), "{name}: {said}");
    }
    assert!(said.contains("connections: 5000"), "{said}");
    assert!(!said.contains("connection 0"), "{said}");
    assert_eq!(daemon(shell), before, "the daemon was started again");
    is_untouched(machine, disk, "bad orders");
    shell.run("umount /run/insider; rmdir /run/insider");
    println!("attacks: {} orders refused, 5000 connections", REFUSED.len());
}

/// The daemon's process. What it says of each order may come between, on the console.
fn daemon(shell: &Shell<'_>) -> u32 {
    let said = shell.run("ps -o pid,args | grep '[s]treamcaster firmware$'");
    let mut lines = said.lines().map(str::trim);
    let own =
        lines.find_map(|line| line.strip_suffix("streamcaster firmware")?.trim().parse().ok());
    own.unwrap_or_else(|| panic!("no daemon: {said}"))
}

/// The program that says them, for the machine.
fn insider() -> Vec<u8> {
    let out = target().join(format!("tmp/insider-{}", std::process::id()));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc)
        .args(["--edition", "2021", "-C", "target-feature=+crt-static", "-C", "opt-level=s"])
        .args(["-C", "panic=abort", "-C", "strip=symbols", "-o"])
        .arg(&out)
        .arg("tests/image/insider.rs")
        .output()
        .expect("rustc starts");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "it is not built:\n{said}");
    let program = fs::read(&out).expect("it is built");
    let _ = fs::remove_file(&out);
    program
}

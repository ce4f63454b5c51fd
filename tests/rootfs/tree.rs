//! The files as they stand.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::wait::{holds, seconds};
use crate::world::{applets, rootfs};

fn scripts() -> Vec<PathBuf> {
    let folder = fs::read_dir(rootfs().join("usr/lib/appliance")).expect("the scripts");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    paths.push(rootfs().join("init"));
    paths.push(rootfs().join("etc/acpi/PWRF/00000080"));
    paths
}

fn busybox(arguments: &[&str]) -> String {
    let output = Command::new("/bin/busybox").args(arguments).output().expect("busybox-static");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "busybox {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_script_is_one_that_busybox_reads_and_says_what_it_is_for() {
    for path in scripts() {
        let text = fs::read_to_string(&path).expect("text");
        busybox(&["ash", "-n", path.to_str().expect("a path")]);
        let opening = text.lines().find(|line| !line.starts_with("#!"));
        let opening = opening.unwrap_or_default();
        let is_only_sourced = path.ends_with("functions");
        assert!(opening.starts_with("# "), "{}: opens without a comment", path.display());
        assert!(is_only_sourced || text.starts_with("#!/bin/sh\n"), "{}", path.display());
    }
}

#[test]
fn every_applet_is_one_of_busyboxs_and_named_once() {
    let known = busybox(&["--list"]);
    let mut names = applets();
    for name in &names {
        assert!(known.lines().any(|line| line == name), "busybox has no {name}");
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "an applet is named twice");
}

#[test]
fn init_starts_only_what_is_there() {
    let inittab = fs::read_to_string(rootfs().join("etc/inittab")).expect("the inittab");
    let mut started = 0;
    for line in inittab.lines().filter(|line| line.starts_with(':')) {
        let process = line.splitn(4, ':').nth(3).expect("four fields");
        let program = process.split(' ').next().expect("a program");
        match program.strip_prefix("/sbin/") {
            Some(applet) => assert!(applets().iter().any(|name| name == applet), "{applet}"),
            None => assert!(rootfs().join(program.trim_start_matches('/')).is_file(), "{line}"),
        }
        started += 1;
    }
    assert!(started >= 8, "{inittab}");
}

/// What the appliance's crond makes of the crontab. Its jobs name a program that is only there in
/// the appliance; here each of them does nothing.
#[test]
fn crond_takes_each_job() {
    let text = fs::read_to_string(rootfs().join("etc/crontabs/streamcaster")).expect("the crontab");
    let jobs: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(jobs.len(), 3, "{text}");
    assert!(jobs.iter().any(|job| job.starts_with("* * * * * ") && job.contains("--recover")));
    assert!(jobs.iter().any(|job| job.starts_with("7 4 * * * ") && job.contains("--rotate")));
    assert!(jobs.iter().any(|job| job.starts_with("*/5 * * * * ") && job.contains(" latest ")));
    let said = crond_says(&text.replace("/usr/bin/streamcaster", "true"), &"1".repeat(60));
    let seven = format!("{:0>8}{}", 1, "0".repeat(52));
    let at_four = format!("{:0>5}{}", 1, "0".repeat(19));
    assert!(said.contains(&format!("{seven}\n{at_four}\n")), "{said}");
    let always = format!("{}\n{}\n", "1".repeat(60), "1".repeat(24));
    assert!(said.contains(&always), "{said}");
    let each_five_minutes = format!("{}\n{}\n", "10000".repeat(12), "1".repeat(24));
    assert!(said.contains(&each_five_minutes), "{said}");
    assert!(!said.contains("parse error"), "{said}");
    crond_says("61 4 * * * true\n", "parse error");
}

/// What busybox's crond says while it reads a crontab, until `last` has come: of each line the
/// minutes, hours, days, months and weekdays it is for, a digit each.
fn crond_says(crontab: &str, last: &str) -> String {
    let folder = std::env::temp_dir().join(format!("rootfs-crontabs-{}", std::process::id()));
    fs::create_dir_all(folder.join("tabs")).expect("a folder");
    // Names are users', and crond passes over those that a machine does not have.
    fs::write(folder.join("tabs/root"), crontab).expect("a crontab");
    let (log, tabs) = (folder.join("log"), folder.join("tabs"));
    let mut crond = Command::new("/bin/busybox")
        .args(["crond", "-f", "-l", "0", "-L"])
        .args([&log, &PathBuf::from("-c"), &tabs])
        .spawn()
        .expect("busybox");
    let read = || fs::read(&log).map(|said| String::from_utf8_lossy(&said).into_owned());
    let mut said = String::new();
    let come = holds(seconds(30), || {
        said = read().unwrap_or_default();
        // The hours follow the minutes at once; a whole line behind `last` has them.
        said.split_once(last).is_some_and(|(_, rest)| rest.matches('\n').count() >= 2)
            || said.contains("parse error")
    });
    let _ = crond.kill();
    let _ = crond.wait();
    let _ = fs::remove_dir_all(&folder);
    assert!(come, "{said}");
    assert!(said.contains(last), "{said}");
    said
}

#[test]
fn every_card_that_has_a_driver_may_come_late() {
    let text = |path: &str| fs::read_to_string(rootfs().join(path)).expect("text");
    let modules = text("modules");
    let cards = modules.split("# Network cards").nth(1).and_then(|rest| rest.split("\n\n").next());
    let named: Vec<&str> = cards.expect("a part").lines().skip(1).collect();
    let seal = text("usr/lib/appliance/seal");
    assert!(seal.contains(&format!("CARDS=\"{}\"\n", named.join(" "))), "{named:?}");
}

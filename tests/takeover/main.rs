//! `cargo xtask flash` against a stock Debian 12 in QEMU: checked and left alone, a damaged flasher
//! that leads back to the old system, and the appliance in its place, on air; by BIOS and by UEFI.
#![cfg(test)]

use test_support::peers::processor::Processor;
use test_support::peers::wait;

mod machine;

use std::process::Output;
use std::time::{Duration, Instant};

use machine::{xtask, Firmware, Machine};
use wait::{holds, seconds};

/// An emulated processor that shares a busy machine's cores takes its time.
const PATIENCE: Duration = seconds(600);
/// Its own port shows that the configuration came with the image. The password is "appliance".
const CONFIG: &str = "[http]\nlisten = \"0.0.0.0:8088\"\n\
    password_hash = \"$argon2id$v=19$m=7168,t=5,p=1$DibhSXmEMfdVT6ue/k12/Q$WEwinKAj9BqdH10dMIBMjVh0koNwQdnxeUUgbceQ0FQ\"\n";

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], b"\n", &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn a_stock_debian_becomes_the_appliance_or_stays_what_it_is() {
    let _processor = Processor::take();
    let began = Instant::now();
    let passed = |what: &str| println!("{:6.1?} {what}", began.elapsed());
    let image = xtask(&["image"]);
    assert!(image.status.success(), "{}", said(&image));
    passed("image");

    let debian = Machine::start(Firmware::Bios);
    let first = debian.has_started("", PATIENCE);
    passed("Debian answers");

    let without = debian.flash(&["--yes"]);
    assert!(!without.status.success(), "{}", said(&without));
    assert!(said(&without).contains("--config"), "{}", said(&without));
    let config = debian.file("config.toml", CONFIG);
    let dry = debian.flash(&["--dry-run", "--config", &config]);
    assert!(dry.status.success(), "{}", said(&dry));
    assert!(said(&dry).contains("Nothing was changed."), "{}", said(&dry));
    let untouched = "test ! -e /boot/streamcaster-flash -a ! -e /boot/grub/custom.cfg";
    assert!(debian.root(untouched).is_some(), "a dry run left something behind");
    passed("checked");

    let ready = debian.flash(&["--yes", "--no-restart", "--config", &config]);
    assert!(ready.status.success(), "{}", said(&ready));
    let damage = "printf XXXX | dd of=/boot/streamcaster-flash/flash.initrd bs=1 seek=9000000 \
                  conv=notrunc && { (sleep 1; systemctl reboot) > /dev/null 2>&1 < /dev/null & }";
    assert!(debian.root(damage).is_some(), "the flasher is not there");
    let second = debian.has_started(&first, PATIENCE);
    assert!(debian.console().contains("the image is damaged"), "{}", debian.console());
    passed("a damaged flasher has led back to Debian");

    let flashed = is_taken_over(&debian, &config);
    assert!(flashed.contains("firmware: BIOS"), "{flashed}");
    let gone = || debian.root("true").is_none();
    assert!(holds(seconds(30), gone), "{second} still answers by ssh");
    passed("a frame of the appliance is played");
}

#[test]
fn a_stock_debian_of_uefi_becomes_the_appliance() {
    let _processor = Processor::take();
    let began = Instant::now();
    let image = xtask(&["image"]);
    assert!(image.status.success(), "{}", said(&image));
    let debian = Machine::start(Firmware::Uefi);
    debian.has_started("", PATIENCE);
    let flashed = is_taken_over(&debian, &debian.file("config.toml", CONFIG));
    assert!(flashed.contains("firmware: UEFI"), "{flashed}");
    println!("{:6.1?} a frame of the appliance is played", began.elapsed());
}

/// Flashes it for good; what was said of it.
fn is_taken_over(debian: &Machine, config: &str) -> String {
    let [before, _] = debian.identities();
    let flashed = debian.flash(&["--yes", "--config", config]);
    let words = said(&flashed);
    assert!(flashed.status.success(), "{words}\n{}", debian.console());
    assert!(words.contains(&format!("http://{}", debian.page)), "{words}");
    let frame = debian.is_played(PATIENCE);
    assert!(frame.starts_with("1280,I"), "the card's key frame: {frame}");
    // Where /data has grown to, the old system's copy of the table has given way.
    let [table, copy] = debian.identities();
    assert_eq!(table, copy);
    assert_ne!(table, before);
    words
}

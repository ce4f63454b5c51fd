//! `cargo xtask flash` against a stock Debian 12 in QEMU: checked and left alone, a damaged flasher
//! that leads back to the old system, and the appliance in its place, on air.
#![cfg(test)]

mod machine;
#[path = "../peers/wait.rs"]
mod wait;

use std::process::Output;
use std::time::{Duration, Instant};

use machine::{xtask, Machine};
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
    let began = Instant::now();
    let passed = |what: &str| println!("{:6.1?} {what}", began.elapsed());
    let image = xtask(&["image"]);
    assert!(image.status.success(), "{}", said(&image));
    passed("image");

    let debian = Machine::start();
    let first = debian.has_started("", PATIENCE);
    passed("Debian answers");

    let without = debian.flash(&["--yes"]);
    assert!(!without.status.success() && said(&without).contains("--config"), "{}", said(&without));
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
                  conv=notrunc; systemctl reboot";
    // The connection may end before the command has.
    let _ = debian.root(damage);
    let second = debian.has_started(&first, PATIENCE);
    assert!(debian.console().contains("the image is damaged"), "{}", debian.console());
    passed("a damaged flasher has led back to Debian");

    let flashed = debian.flash(&["--yes", "--config", &config]);
    assert!(flashed.status.success(), "{}\n{}", said(&flashed), debian.console());
    assert!(said(&flashed).contains(&format!("http://{}", debian.page)), "{}", said(&flashed));
    passed("the appliance's page answers");
    let frame = debian.is_played(PATIENCE);
    assert!(frame.starts_with("1280,I"), "the card's key frame: {frame}");
    let gone = || debian.root("true").is_none();
    assert!(holds(seconds(30), gone), "{second} still answers by ssh");
    passed("a frame of it is played");
}

//! `cargo xtask parts`: the Debian packages that an image is made of, beside what Debian offers.
//! Purpose: what is pinned is renewed by one command, which shows what changes. Non-goals: judging
//! whether an update is urgent. Bound: the packages of `xtask/image-parts.txt`.

use argh::FromArgs;

use crate::image::files::write;
use crate::image::pins::{self, Pin, Pins, FILE};
use crate::image::{offered, parts};
use crate::setup;
use crate::step::root;

/// compare the Debian packages that an image is made of with what Debian offers
#[derive(FromArgs)]
#[argh(subcommand, name = "parts")]
pub struct Parts {
    /// pin what Debian offers now
    #[argh(switch)]
    renew: bool,
}

/// The command as it is typed.
pub fn run(options: &Parts) -> Result<(), String> {
    if options.renew {
        // Without root the lists stay what they are, and their day is told.
        setup::renew_lists()?;
    }
    let lists = offered::lists_s().ok_or("apt has no lists here: type `sudo apt-get update`")?;
    let lists = pins::day_of(lists)?;
    let before = parts::pinned().ok();
    let mut now = vec![offered::kernel()?];
    for package in parts::PACKAGES {
        now.push(offered::record(package)?);
    }
    let now = Pins { snapshot: lists.clone(), parts: now };
    if let Some(before) = &before {
        println!("pinned {}, offered {lists}", before.snapshot);
    }
    let changes = compared(before.as_ref(), &now);
    changes.iter().for_each(|line| println!("{line}"));
    if !options.renew {
        before.as_ref().and_then(parts::behind).iter().for_each(|line| println!("{line}"));
        return Ok(());
    }
    write(&root().join(FILE), now.text().as_bytes())?;
    println!("{FILE} is written. Type `cargo xtask test image`, and commit it.");
    Ok(())
}

/// A line for each package.
fn compared(before: Option<&Pins>, now: &Pins) -> Vec<String> {
    let is_it = |old: &&Pin, new: &Pin| {
        old.package == new.package || pins::is_kernel(&old.package) && pins::is_kernel(&new.package)
    };
    let line = |new: &Pin| {
        let old = before.and_then(|pins| pins.parts.iter().find(|old| is_it(old, new)));
        let name = &new.package;
        match old {
            Some(old) if old == new => format!("  {name} {}: the same", new.version),
            Some(old) if old.version == new.version => {
                format!("! {name} {}: ANOTHER SUM OR PATH under the same version", new.version)
            }
            Some(old) => format!("* {name}: {} -> {}", old.version, new.version),
            None => format!("+ {name} {}", new.version),
        }
    };
    now.parts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_shown() {
        let pin = |package: &str, version: &str, sum: &str| Pin {
            package: package.to_owned(),
            version: version.to_owned(),
            sha256: sum.repeat(64),
            path: "pool/x".to_owned(),
            source: (package.to_owned(), version.to_owned()),
        };
        let pins = |parts| Pins { snapshot: String::new(), parts };
        let before =
            pins(vec![pin("linux-image-1", "1", "a"), pin("b", "1", "a"), pin("c", "1", "a")]);
        let now = pins(vec![
            pin("linux-image-2", "2", "a"),
            pin("b", "1", "a"),
            pin("c", "1", "b"),
            pin("d", "1", "a"),
        ]);
        let lines = compared(Some(&before), &now);
        assert_eq!(lines.first().map(String::as_str), Some("* linux-image-2: 1 -> 2"));
        assert!(lines.get(1).is_some_and(|line| line.ends_with("the same")), "{lines:?}");
        assert!(lines.get(2).is_some_and(|line| line.contains("ANOTHER SUM")), "{lines:?}");
        assert_eq!(lines.get(3).map(String::as_str), Some("+ d 1"));
    }
}

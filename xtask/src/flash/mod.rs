//! `cargo xtask flash HOST`: puts the appliance in the place of a running Debian or Ubuntu, over
//! ssh, for clouds that take no image of one's own. Purpose: everything that can be known before is
//! checked before; the first start of the flasher is chosen for one time, so that until it writes,
//! every failure leads back to the old system. Non-goals: keeping anything of the old system, other
//! boot loaders than GRUB. Bound: one host, twenty minutes.

mod checks;
mod facts;
mod options;
mod place;
mod ssh;
mod wait;

use std::io::Write;
use std::path::Path;

use crate::image::made::Made;
use crate::image::starting::Password;
use crate::step::step;
use checks::Finding;
use facts::Facts;
pub use options::Flash;
use ssh::SshHost;
use wait::FlashEnd;

/// The command as it is typed.
pub fn run(options: &Flash) -> Result<(), String> {
    let made = ours(options)?;
    let flasher = made.flasher()?;
    let host = SshHost::connect(options)?;
    println!("ok       ssh: {} at {} answers, root may be had", options.host, host.address);
    let facts = Facts::ask(&host, options.disk.as_deref())?;
    let size = |bytes: &[u8]| bytes.len() as u64;
    let needs =
        checks::Needs { image: size(&made.image), boot: size(&made.vmlinuz) + size(&flasher) };
    judge(&checks::look(&facts, &needs), options.yes || options.dry_run)?;
    advise(&facts);
    if options.dry_run {
        println!("\nNothing was changed.");
        return Ok(());
    }
    confirm(options)?;
    step("to the host", || {
        place::prepare(&host, &facts, &made, &flasher).map_err(|why| {
            let cleared = place::clear(&host);
            let left = cleared.err().map_or(String::new(), |more| format!(" ({more})"));
            format!("{why}. The host is as it was{left}.")
        })
    })?;
    if options.no_restart {
        println!("The next start of {} replaces its system.", options.host);
        return Ok(());
    }
    let page = options.page.clone().unwrap_or_else(|| page_of(&host.address));
    step("restart, and the appliance's first start", || {
        place::restart(&host)?;
        told(wait::wait(&host, &page, facts.get("boot_id")), &host, &page)
    })
}

/// The image and its configuration, held against what made them.
fn ours(options: &Flash) -> Result<Made, String> {
    let mut made = Made::open()?;
    println!("ok       image: {}, whole", made.version);
    if let Some(config) = &options.config {
        made.set_config(config)?;
    }
    let advice = "name one by --config: without a password in it nobody could log in, for such a \
                  machine has no console that shows one";
    let config = made.config()?.ok_or_else(|| format!("there is no configuration: {advice}"))?;
    let name = options.config.as_deref().unwrap_or(Path::new("the image's config.toml"));
    if made.check(&config, &name.display().to_string())? == Password::None {
        return Err(format!("the configuration has no password_hash: {advice}"));
    }
    println!("ok       configuration: valid, with a password");
    Ok(made)
}

/// Prints the findings; an error where they forbid to go on. `passed_over`: doubts do not.
fn judge(findings: &[(&str, Finding)], passed_over: bool) -> Result<(), String> {
    let (mut wrong, mut doubtful) = (0, 0);
    for (what, finding) in findings {
        match finding {
            Finding::Fine(told) => println!("ok       {what}: {told}"),
            Finding::Doubtful(told) => {
                doubtful += 1;
                println!("doubtful {what}: {told}");
            }
            Finding::Wrong(told) => {
                wrong += 1;
                println!("NOT OK   {what}: {told}");
            }
        }
    }
    if wrong > 0 {
        return Err("this host cannot be taken over as it is; nothing was changed".to_owned());
    }
    if doubtful > 0 && !passed_over {
        return Err("if what is doubtful is meant, add --yes; nothing was changed".to_owned());
    }
    Ok(())
}

/// What to type first: after it there is a way back even when the flasher has written.
fn advise(facts: &Facts) {
    println!(
        "\nThe whole disk is overwritten, and there is no ssh afterwards. Take a snapshot first:"
    );
    if facts.get("vendor").contains("Amazon") {
        println!(
            "  aws lightsail create-instance-snapshot --instance-name NAME \
             --instance-snapshot-name NAME-before-streamcaster\n  (on EC2: aws ec2 create-snapshot \
             --volume-id VOLUME)"
        );
    } else {
        println!("  as the provider of {} has it", facts.get("name"));
    }
}

fn confirm(options: &Flash) -> Result<(), String> {
    if options.yes {
        return Ok(());
    }
    print!("\nType the host's name, {}, to overwrite it: ", options.host);
    let mut line = String::new();
    let read = std::io::stdout().flush().and_then(|()| std::io::stdin().read_line(&mut line));
    if read.is_ok() && line.trim() == options.host {
        return Ok(());
    }
    Err("not confirmed; nothing was changed".to_owned())
}

fn page_of(address: &str) -> String {
    if address.contains(':') {
        return format!("[{address}]:8080");
    }
    format!("{address}:8080")
}

fn told(end: FlashEnd, host: &SshHost, page: &str) -> Result<(), String> {
    match end {
        FlashEnd::Page => {
            println!("The appliance is up. Its page: http://{page}");
            Ok(())
        }
        FlashEnd::OldSystem => {
            let cleared = place::clear(host);
            let left = cleared.err().map_or(String::new(), |more| format!(" ({more})"));
            Err(format!(
                "the old system is back, untouched: the flasher turned back and said why on the \
                 console. What was put on it is gone again{left}."
            ))
        }
        FlashEnd::Nobody => Err(format!(
            "nobody answers, neither the page at {page} nor ssh. Does the firewall let you reach \
             port 8080? Otherwise restore the snapshot."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_stop_unless_they_are_passed_over_and_faults_always() {
        let fine = || ("a", Finding::Fine(String::new()));
        let doubt = || ("b", Finding::Doubtful(String::new()));
        let wrong = || ("c", Finding::Wrong(String::new()));
        assert!(judge(&[fine()], false).is_ok());
        assert!(judge(&[fine(), doubt()], false).unwrap_err().contains("--yes"));
        assert!(judge(&[fine(), doubt()], true).is_ok());
        assert!(judge(&[fine(), wrong()], true).is_err());
    }

    #[test]
    fn a_page_is_a_host_and_a_port() {
        assert_eq!(page_of("192.0.2.1"), "192.0.2.1:8080");
        assert_eq!(page_of("2001:db8::1"), "[2001:db8::1]:8080");
    }
}

//! What a host is. Purpose: one script asks for all of it at once, and changes nothing; the answers
//! are kept under their names. Non-goal: what they mean for a take-over. Bound: the answer of one
//! ssh command, of which only known letters go into what is written to the host later.

use std::collections::BTreeMap;

use super::ssh::SshHost;

const SCRIPT: &str = include_str!("facts.sh");

/// What was found, by name. What was not is empty.
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Asks a host. `disk` is the device to write to, where it is not the root file system's.
    pub fn ask(host: &SshHost, disk: Option<&str>) -> Result<Facts, String> {
        let facts = Facts::parse(&host.script(SCRIPT, &[disk.unwrap_or_default()])?);
        if facts.get("end") == "yes" {
            return Ok(facts);
        }
        Err("the host stopped in the middle of telling what it is".to_owned())
    }

    /// Lines of a name, a space and a value.
    pub fn parse(text: &str) -> Facts {
        let lines = text.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
        Facts(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    /// A fact; empty where nothing was found.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A fact that is a number; 0 where it is none.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }

    /// A fact that goes into a boot menu: an identity of a file system, or a path. Nothing where
    /// other letters stand in it.
    pub fn plain(&self, name: &str) -> Option<&str> {
        let value = self.get(name);
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
        value.chars().all(is_plain).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::step::fed;

    #[test]
    fn facts_are_a_name_and_a_value_a_line() {
        let facts = Facts::parse("system Debian GNU/Linux 12\nmemory_kib 991232\ncontainer \nend");
        assert_eq!(facts.get("system"), "Debian GNU/Linux 12");
        assert_eq!((facts.number("memory_kib"), facts.number("system")), (991_232, 0));
        assert_eq!((facts.get("container"), facts.get("end"), facts.get("other")), ("", "", ""));
    }

    #[test]
    fn what_would_end_a_line_of_a_boot_menu_is_not_plain() {
        let facts = Facts::parse("a 1-2/x_y.z\nb a;b\nc $x\nd a b\n");
        assert_eq!(facts.plain("a"), Some("1-2/x_y.z"));
        assert!(["b", "c", "d"].iter().all(|name| facts.plain(name).is_none()));
    }

    #[test]
    fn the_script_is_one_that_every_shell_reads() {
        for shell in ["sh", "bash"] {
            assert_eq!(fed(Command::new(shell).arg("-n"), SCRIPT), Ok(()));
        }
    }
}

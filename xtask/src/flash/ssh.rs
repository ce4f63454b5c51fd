//! The host, over ssh. Purpose: OpenSSH's client does the work, with its own configuration, agent
//! and questions; one connection serves all commands. Non-goals: another implementation of SSH,
//! passwords for sudo. Bound: what a command says is read whole, so ask for short answers.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::options::Flash;
use crate::step::{piped, said};

/// Uploads go in pieces of this size, for the progress to be seen.
const PIECE_BYTES: usize = 256 << 10;

/// A host one may be root on.
pub struct SshHost {
    /// Options and the host, as ssh takes them.
    words: Vec<String>,
    folder: PathBuf,
    /// What makes a command root's.
    sudo: &'static str,
    /// Its name or address as the network knows it, behind what ssh's configuration says.
    pub address: String,
    /// The port of its ssh.
    pub port: u16,
}

impl SshHost {
    /// Connects. ssh asks its own questions (a key's passphrase, an unknown host) in the terminal.
    pub fn connect(options: &Flash) -> Result<SshHost, String> {
        let folder = std::env::temp_dir().join(format!("flash-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut words: Vec<String> = vec!["-o".to_owned(), "ConnectTimeout=15".to_owned()];
        words.extend(["-o", "ServerAliveInterval=5", "-l", &options.user].map(str::to_owned));
        if let Some(port) = options.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(identity) = &options.identity {
            words.extend(["-i".to_owned(), identity.display().to_string()]);
        }
        for option in &options.ssh_option {
            words.extend(["-o".to_owned(), option.clone()]);
        }
        // A name that begins with a hyphen is no option.
        words.extend(["--".to_owned(), options.host.clone()]);
        let known = said(Command::new("ssh").arg("-G").args(&words))?;
        let find =
            |name: &str| known.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let address = find("hostname").unwrap_or(&options.host).to_owned();
        let port = find("port").and_then(|port| port.parse().ok()).unwrap_or(22);
        let mut host = SshHost { words, folder, sudo: "", address, port };
        let mut master = host.ssh(&["-M", "-N", "-f"]);
        let status = master.args(&host.words).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!("{} cannot be reached by ssh", options.host));
        }
        host.sudo = match host.ask("id -u; sudo -n true 2>/dev/null && echo sudo")? {
            root if root.lines().next() == Some("0") => "",
            sudo if sudo.ends_with("sudo") => "sudo -n ",
            _ => {
                return Err(format!(
                    "{} may neither be root nor use sudo there without a password",
                    options.user
                ))
            }
        };
        Ok(host)
    }

    /// ssh with the connection that is there; the caller adds `words` and a command.
    fn ssh(&self, first: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(first).arg("-o").arg(format!("ControlPath={}/connection", self.folder.display()));
        ssh
    }

    fn ask(&self, command: &str) -> Result<String, String> {
        // Whether its last word succeeds is part of the answer.
        said(self.ssh(&["-T"]).args(&self.words).arg(format!("{command} || true")))
    }

    /// Runs a script as root, with arguments; what it says.
    pub fn script(&self, script: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = format!("{}sh -s --", self.sudo);
        for argument in arguments {
            command.push(' ');
            command += &quoted(argument);
        }
        let answer = piped(self.ssh(&["-T"]).args(&self.words).arg(command), script.as_bytes())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Writes a file as root, for root alone to read.
    pub fn upload(&self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let script = format!("umask 077; cat > {}", quoted(path));
        let command = format!("{}sh -c {}", self.sudo, quoted(&script));
        let mut ssh = self.ssh(&["-T"]);
        let child = ssh.args(&self.words).arg(command).stdin(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("ssh does not start: {error}"))?;
        let mut stdin = child.stdin.take();
        let mut sent = 0;
        for piece in bytes.chunks(PIECE_BYTES) {
            // One that ends early says why by its status.
            if stdin.as_mut().is_none_or(|stdin| stdin.write_all(piece).is_err()) {
                break;
            }
            sent += piece.len();
            progress(&format!("   {path}: {} of {} MiB", sent >> 20, bytes.len() >> 20));
        }
        drop(stdin);
        println!();
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{path} was not written ({status})")),
            Err(error) => Err(format!("ssh: {error}")),
        }
    }

    /// Which start of the host answers ssh now, by a connection of its own; none where nobody does.
    pub fn boot_id(&self) -> Option<String> {
        let mut ssh = Command::new("ssh");
        ssh.args(["-T", "-o", "ControlPath=none", "-o", "BatchMode=yes", "-o", "LogLevel=QUIET"]);
        ssh.args(["-o", "ConnectTimeout=5"]).args(&self.words);
        said(ssh.arg("cat /proc/sys/kernel/random/boot_id")).ok()
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        // Gone already, where the host has restarted.
        let mut end = self.ssh(&["-O", "exit"]);
        let _ = end.args(&self.words).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A line that is written over by the next; nothing where nobody sees it happen.
pub fn progress(line: &str) {
    if std::io::stdout().is_terminal() {
        print!("\r{line}\x1b[K");
        // A progress that cannot be shown changes nothing.
        let _ = std::io::stdout().flush();
    }
}

/// A word of a shell that is taken as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_one_word_whatever_is_in_it() {
        for word in ["a b", "it's", "$(id)", "`id`", "", "a\nb", "\\'"] {
            let script = format!("printf %s {}", quoted(word));
            let said = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), word);
        }
    }
}

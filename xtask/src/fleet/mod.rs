//! Several machines: `cargo xtask fleet`, an inventory, and `cargo xtask rollout`, one update for all
//! of them. Purpose: by the API of each machine's page and nothing else, so that a computer that can
//! open the pages can do it. Non-goals: finding machines, remembering them: the list is the operator's.
//! Bounds: answers of [`ANSWER_BYTES_MAX`], one package in memory.

pub mod client;
pub mod inventory;
pub mod rollout;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What an answer may weigh.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Where pages are unless said otherwise.
const PORT: u16 = 8080;
/// The secrets of machines that the file does not name.
const PASSWORD: &str = "STREAMCASTER_PASSWORD";
const TOKEN: &str = "STREAMCASTER_TOKEN";
/// In the file of secrets: every machine that is not named.
const ANY: &str = "*";

/// What lets one in.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The page's password.
    Password(String),
    /// A token.
    Token(String),
}

/// The secrets of all machines.
#[derive(Default)]
pub struct Secrets {
    by_host: BTreeMap<String, Secret>,
}

impl Secrets {
    /// Those of a file, `HOST password SECRET` or `HOST token SECRET` a line, and of the environment
    /// for all machines that it does not name.
    pub fn read(file: Option<&Path>) -> Result<Secrets, String> {
        let mut secrets = Secrets::default();
        let environment = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let of_all = environment(TOKEN).map(Secret::Token);
        if let Some(secret) = of_all.or_else(|| environment(PASSWORD).map(Secret::Password)) {
            secrets.by_host.insert(ANY.to_owned(), secret);
        }
        let Some(file) = file else { return Ok(secrets) };
        let failed = |error| format!("{}: {error}", file.display());
        let mode = fs::metadata(file).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            let file = file.display();
            return Err(format!("{file}: others may read it. Type `chmod 600 {file}`."));
        }
        let text = fs::read_to_string(file).map_err(failed)?;
        secrets.add(&text).map_err(|line| {
            let wanted = "expected `HOST password SECRET` or `HOST token SECRET`";
            format!("{}: line {line}: {wanted}", file.display())
        })?;
        Ok(secrets)
    }

    /// Takes a file's lines; the number of one that is none.
    fn add(&mut self, text: &str) -> Result<(), usize> {
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(3, ' ');
            let secret = match (words.next(), words.next(), words.next()) {
                (Some(host), Some("password"), Some(secret)) => {
                    (host, Secret::Password(secret.to_owned()))
                }
                (Some(host), Some("token"), Some(secret)) => {
                    (host, Secret::Token(secret.to_owned()))
                }
                _ => return Err(number + 1),
            };
            self.by_host.insert(secret.0.to_owned(), secret.1);
        }
        Ok(())
    }

    /// What lets one into a machine.
    pub fn of(&self, host: &str) -> Option<&Secret> {
        self.by_host.get(host).or_else(|| self.by_host.get(ANY))
    }
}

/// A machine: what the operator calls it, and where its page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetHost {
    /// As it was typed.
    pub name: String,
    /// `http://ADDRESS:PORT`.
    pub base: String,
}

impl FleetHost {
    /// `HOST`, `HOST:PORT`, or an address that begins with http:// or https://.
    pub fn parse(text: &str) -> Result<FleetHost, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest.trim_end_matches('/')),
            None => ("http", text),
            Some(_) => return Err(format!("{text:?}: expected http:// or https://")),
        };
        let strange = |c: char| !(c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
        if rest.is_empty() || rest.starts_with('-') || rest.contains(strange) {
            // A password in front of the host would be shown.
            return Err("a host is HOST, HOST:PORT or http(s)://HOST, and nothing else".to_owned());
        }
        let port = rest.rsplit_once(':').filter(|(before, port)| {
            let is_inside = before.starts_with('[') && !before.ends_with(']');
            !is_inside && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        let base = match port {
            None if scheme == "http" => format!("http://{rest}:{PORT}"),
            _ => format!("{scheme}://{rest}"),
        };
        Ok(FleetHost { name: text.to_owned(), base })
    }
}

/// The machines of a command line: each a host, or `@FILE` with one a line.
pub fn hosts(arguments: &[String]) -> Result<Vec<FleetHost>, String> {
    let mut hosts: Vec<FleetHost> = Vec::new();
    let mut add = |text: &str| -> Result<(), String> {
        let host = FleetHost::parse(text)?;
        if hosts.iter().any(|other| other.base == host.base) {
            return Err(format!("{text} is named twice"));
        }
        hosts.push(host);
        Ok(())
    };
    for argument in arguments {
        match argument.strip_prefix('@') {
            None => add(argument)?,
            Some(file) => {
                let path = PathBuf::from(file);
                let text = fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
                let lines = text.lines().map(str::trim);
                let mut hosts = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
                hosts.try_for_each(&mut add)?;
            }
        }
    }
    if hosts.is_empty() {
        return Err("name at least one machine: HOST, HOST:PORT, https://HOST or @FILE".to_owned());
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_pages_port_unless_it_says_another() {
        for (text, base) in [
            ("studio-1", "http://studio-1:8080"),
            ("192.0.2.7:80", "http://192.0.2.7:80"),
            ("[2001:db8::1]", "http://[2001:db8::1]:8080"),
            ("[2001:db8::1]:81", "http://[2001:db8::1]:81"),
            ("https://live.example.com/", "https://live.example.com"),
            ("http://live.example.com:81", "http://live.example.com:81"),
        ] {
            assert_eq!(FleetHost::parse(text).unwrap().base, base);
        }
        for wrong in ["", "ftp://a", "u:secret@host", "https://u:secret@host", "a/b", "-x", "a b"] {
            let error = FleetHost::parse(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        let twice = ["a".to_owned(), "a:8080".to_owned()];
        assert!(hosts(&twice).is_err() && hosts(&[]).is_err());
    }

    #[test]
    fn a_file_names_secrets_for_some_and_for_all() {
        let mut secrets = Secrets::default();
        secrets.add("# mine\nstudio-1 password a b c\n\n* token xyz\n").unwrap();
        assert!(secrets.of("studio-1") == Some(&Secret::Password("a b c".to_owned())));
        assert!(secrets.of("studio-2") == Some(&Secret::Token("xyz".to_owned())));
        assert_eq!(secrets.add("studio-1 secret\n"), Err(1));
        assert_eq!(secrets.add("\nstudio-1 key x\n"), Err(2));
    }

    #[test]
    fn a_file_of_secrets_that_others_may_read_is_refused() {
        let path = std::env::temp_dir().join(format!("xtask-secrets-{}", std::process::id()));
        fs::write(&path, "* password x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let open = Secrets::read(Some(&path)).err().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let own = Secrets::read(Some(&path));
        fs::remove_file(&path).unwrap();
        assert!(open.contains("chmod 600"), "{open}");
        assert!(own.unwrap().of("any") == Some(&Secret::Password("x".to_owned())));
    }
}

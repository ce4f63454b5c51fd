//! The configuration that an image starts with. Purpose: `cargo xtask image` and `cargo xtask flash`
//! ask the product itself whether it takes one, before a machine has it that nobody can log in to.
//! Non-goal: putting it onto the disk. Bound: one run of the product.

use std::path::Path;
use std::process::Command;

use super::files::write;

/// What `streamcaster check` says of a configuration without one, at the beginning of a line.
const NO_PASSWORD: &str = "password: none";

/// Whether a valid configuration lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// It has the hash of one.
    Set,
    /// It has none.
    None,
}

impl Password {
    /// What that means for a machine with a console.
    pub fn said(self) -> &'static str {
        match self {
            Password::Set => "valid, with a password",
            Password::None => {
                "valid, without a password: the first start makes one and shows it on the console"
            }
        }
    }
}

/// Whether `program` takes a configuration, which came from `name`. Nothing of this machine's
/// environment counts, as it does not on the appliance.
///
/// # Errors
/// What is wrong, by line, and what to do.
pub fn check(program: &Path, config: &[u8], name: &str, stage: &Path) -> Result<Password, String> {
    let folder = stage.join("check");
    write(&folder.join("config.toml"), config)?;
    let mut command = Command::new(std::path::absolute(program).unwrap_or(program.to_owned()));
    let output = command.env_clear().arg("check").arg("--data").arg(&folder).output();
    let output = output.map_err(|error| format!("the product does not start: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let file = folder.join("config.toml").display().to_string();
        let said = said.replace(&file, name).replace(&format!("{}/", folder.display()), "");
        return Err(format!(
            "the configuration is wrong, and nothing was made or changed:\n{}\nCorrect {name} and \
             type the command again; `streamcaster check` says the same.",
            said.trim()
        ));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let has_none = said.lines().any(|line| line.starts_with(NO_PASSWORD));
    Ok(if has_none { Password::None } else { Password::Set })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// What a program that answers a check like this one is taken to say.
    fn checked(name: &str, script: &str) -> Result<Password, String> {
        let stage = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let program = stage.join("program");
        write(&program, format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let found = check(&program, b"[http]\n", "my.toml", &stage);
        fs::remove_dir_all(&stage).unwrap();
        found
    }

    #[test]
    fn it_is_the_products_word_that_counts() {
        assert_eq!(checked("set", "echo password: set"), Ok(Password::Set));
        let none = "[ \"$1 $2\" = 'check --data' ] && cat $3/config.toml && echo password: none: x";
        assert_eq!(checked("none", none), Ok(Password::None));
    }

    #[test]
    fn what_is_wrong_is_said_by_line_of_the_file_that_was_named() {
        let script = "echo \"$3/config.toml:2: [http] x: expected y\" >&2; exit 78";
        let said = checked("wrong", script).unwrap_err();
        assert!(said.contains("\nmy.toml:2: [http] x: expected y\n"), "{said}");
        assert!(said.contains("Correct my.toml"), "{said}");
    }
}

//! Steps: a name, the time it took, and what to do when it fails. Purpose: anybody who reads the
//! output sees at once where it stopped. Bound: steps run one after another.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs one step under its name and prints how long it took.
pub fn step(name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("── {name}");
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "done" } else { "FAILED" };
    println!("── {name}: {verdict} after {:.1} s", start.elapsed().as_secs_f64());
    outcome
}

/// Runs a command whose output the reader sees; `advice` is what to do when it fails.
pub fn run(command: &mut Command, advice: &str) -> Result<(), String> {
    let shown = shown(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed ({status}). {advice}")),
        Err(error) => Err(format!("`{shown}` did not start: {error}. {advice}")),
    }
}

/// Whether a command can be started and ends well; its output is thrown away.
pub fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a command prints, without the white space around it; the error holds what it complained of.
pub fn said(command: &mut Command) -> Result<String, String> {
    let shown = shown(command);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{shown}` did not start: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{shown}` failed ({}): {}", output.status, complaint.trim()))
}

/// Runs a command that reads a short text.
pub fn fed(command: &mut Command, text: &str) -> Result<(), String> {
    let shown = shown(command);
    let child = command.stdin(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("`{shown}` did not start: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends early says why by its status.
        let _ = stdin.write_all(text.as_bytes());
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed ({status})")),
        Err(error) => Err(format!("`{shown}`: {error}")),
    }
}

/// Runs a command as a filter: what it makes of `input`.
pub fn piped(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    let shown = shown(command);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("`{shown}` did not start: {error}"))?;
    let stdin = child.stdin.take();
    // Both ends at once: neither pipe holds a whole file.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let output = output.map_err(|error| format!("`{shown}`: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("`{shown}` failed ({})", output.status))
}

/// Removes a folder and what is in it, if it is there.
pub fn remove_folder(folder: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Where builds go: cargo's own target folder, as an absolute path.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::env::current_dir().unwrap_or_default().join(folder),
        None => root().join("target"),
    }
}

/// A cargo command in the project's root, by the same cargo that runs this one, and as if typed into a
/// shell: what cargo has told this program of its package, ring's build script would take for a
/// change, and half of the product would be built again.
pub fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
        command.env_remove(name);
    }
    command
}

/// Whether cargo sets a variable for programs that it runs, about their package (The Cargo Book,
/// "Environment Variables").
fn is_of_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "OUT_DIR" || ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|own| name.starts_with(own))
}

/// The project's root: the folder above this package.
pub fn root() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.pop();
    folder
}

fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let mut line = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Two digits a byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_names_itself_and_the_advice() {
        let error = run(&mut Command::new("false"), "Think again.").unwrap_err();
        assert!(error.contains("`false` failed") && error.ends_with("Think again."), "{error}");
        let error = run(&mut Command::new("/no/such/tool"), "Install it.").unwrap_err();
        assert!(error.contains("`tool` did not start"), "{error}");
        assert!(run(&mut Command::new("true"), "").is_ok());
    }

    #[test]
    fn what_a_command_says_or_complains_of_is_handed_over() {
        assert_eq!(said(Command::new("printf").arg(" a b \n")), Ok("a b".to_owned()));
        let error = said(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(error.contains("exit status: 3") && error.ends_with("why"), "{error}");
    }

    #[test]
    fn a_cargo_command_knows_nothing_of_the_package_that_runs_it() {
        // Cargo, which runs this test, has set it.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let command = cargo(&["build"]);
        let removed = |name: &str| command.get_envs().any(|(own, to)| own == name && to.is_none());
        assert!(removed("CARGO_MANIFEST_DIR"));
        assert!(!is_of_a_package("CARGO_HOME".as_ref()));
    }

    #[test]
    fn a_command_is_fed() {
        assert_eq!(fed(Command::new("grep").args(["-q", "b"]), "a\nb\n"), Ok(()));
        assert!(fed(Command::new("grep").args(["-q", "c"]), "a\nb\n").is_err());
    }

    #[test]
    fn a_filter_takes_more_than_a_pipe_holds() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(piped(&mut Command::new("cat"), &input).as_deref(), Ok(&input[..]));
        assert!(piped(&mut Command::new("false"), &input).unwrap_err().contains("`false` failed"));
    }

    #[test]
    fn an_absent_tool_does_not_answer() {
        assert!(!answers("/no/such/tool", &[]));
        assert!(!answers("false", &[]));
        assert!(answers("true", &[]));
    }
}

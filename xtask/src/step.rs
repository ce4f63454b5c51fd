//! Steps: a name, the time it took, and what to do when it fails. Purpose: whoever reads the
//! output sees at once where it stopped. Bound: steps run one after another.

use std::path::PathBuf;
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

/// A cargo command in the project's root, by the same cargo that runs this one.
pub fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    command
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
    fn an_absent_tool_does_not_answer() {
        assert!(!answers("/no/such/tool", &[]));
        assert!(!answers("false", &[]));
        assert!(answers("true", &[]));
    }
}

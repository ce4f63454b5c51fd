//! A person at the terminal. Purpose: asks for a password, twice and without showing it; one line
//! when it is piped in; never as an argument, which every user of the machine could read. Shows what
//! is for that person only. Non-goals: what a password must be like. Bound: [`LINE_BYTES_MAX`].

use std::io::{self, BufRead, IsTerminal, Read, StdinLock, Write};

use rustix::termios::{tcgetattr, tcsetattr, LocalModes, OptionalActions, Termios};

/// More than the longest password, so that a longer one is told from a cut one.
const LINE_BYTES_MAX: u64 = 4096;
/// What Ctrl-C sends while it is not a signal.
const INTERRUPT: char = '\u{3}';

/// A new password, as a person typed it.
///
/// # Errors
/// Why there is none, for a person: the two differ, it is no UTF-8, nothing came.
pub fn new_password() -> Result<String, String> {
    let stdin = io::stdin();
    let mut input = stdin.lock();
    if !input.is_terminal() {
        return line(&mut input);
    }
    let first = hidden(&mut input, "Password: ")?;
    let second = hidden(&mut input, "Repeat it: ")?;
    if first == second {
        Ok(first)
    } else {
        Err("The two differ; nothing was made.".to_owned())
    }
}

/// Shows a line that no log may keep: on a terminal, where a person reads along. Standard error that
/// leads into a file or a journal is none, nor is that of process 1: it is a container's, whose log
/// keeps what is printed, terminal or not.
pub fn show(line: &str) {
    let mut terminal = io::stderr();
    if terminal.is_terminal() && std::process::id() != 1 {
        // A terminal that is gone has nobody who could read it.
        let _ = writeln!(terminal, "{line}");
    }
}

/// One line that is not shown.
fn hidden(input: &mut StdinLock<'_>, prompt: &str) -> Result<String, String> {
    let silent = Silent::new();
    let silent = silent.map_err(|error| {
        format!(
            "The terminal's echo cannot be switched off: \
                                                 {error}."
        )
    })?;
    let mut terminal = io::stderr();
    // A terminal that shows nothing can still be typed on.
    let _ = write!(terminal, "{prompt}");
    let typed = line(input);
    drop(silent);
    let _ = writeln!(terminal);
    typed.and_then(|typed| match typed.contains(INTERRUPT) {
        true => Err("Nothing was made.".to_owned()),
        false => Ok(typed),
    })
}

fn line(input: &mut impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    let read = input.take(LINE_BYTES_MAX).read_line(&mut line);
    read.map_err(|error| format!("The password cannot be read: {error}."))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err("No password was given; type one, or pipe it in as one line.".to_owned());
    }
    Ok(line.to_owned())
}

/// Standard input's terminal without echo, and without signals: a Ctrl-C would leave it silent.
struct Silent(Termios);

impl Silent {
    fn new() -> rustix::io::Result<Silent> {
        let before = tcgetattr(io::stdin())?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Flush, &modes)?;
        Ok(Silent(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // There is nobody to tell who could do anything about it.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_without_its_end() {
        for (input, wanted) in [
            (&b"pass word \n"[..], Some("pass word ")),
            (b"one\r\ntwo\n", Some("one")),
            (b"no end", Some("no end")),
            (b"\n", None),
            (b"", None),
            (b"\xff\n", None),
        ] {
            let mut input = input;
            assert_eq!(line(&mut input).ok().as_deref(), wanted);
        }
        let long = vec![b'x'; 10_000];
        assert_eq!(line(&mut &long[..]).map(|line| line.len() as u64), Ok(LINE_BYTES_MAX));
    }
}

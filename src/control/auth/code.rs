//! The code of a program without a password. Purpose: a person who reads it where the program runs, off
//! its terminal or from `state/page.code`, which only the program's user may read, may change
//! things; everybody else on this machine, a proxy or a browser's page, may only look. It is good for
//! any number of log-ins until the program ends or a password is set, and another at each start.
//! Non-goals: the first start's code, which is good for a password (`setup`). Bound: one line.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::redact::{register, Secret};
use crate::system::{random, store};

/// Name of the file in the folder for remembered state.
pub const FILE_NAME: &str = "page.code";

/// The code, and where it stands.
pub struct Code {
    path: PathBuf,
    code: Secret,
    is_written: bool,
}

impl Code {
    /// Makes one; it is nowhere yet but in memory.
    ///
    /// # Errors
    /// The kernel has no random bytes.
    pub fn new(state: &Path) -> io::Result<Code> {
        let code = random::code()?;
        register(&code);
        let path = state.join(FILE_NAME);
        // Anybody who is to read it need not be in the program's folder.
        let path = std::path::absolute(&path).unwrap_or(path);
        Ok(Code { path, code, is_written: false })
    }

    /// Writes it down, whole; the file.
    ///
    /// # Errors
    /// The disk's own; the code is good all the same.
    pub fn write_down(&mut self) -> io::Result<&Path> {
        store::write_private(&self.path, format!("{}\n", self.code.expose()).as_bytes())?;
        self.is_written = true;
        Ok(&self.path)
    }

    /// The file it stands in, if it could be written.
    pub fn file(&self) -> Option<&Path> {
        self.is_written.then_some(self.path.as_path())
    }

    /// The code, for the program's own terminal only.
    pub fn secret(&self) -> &Secret {
        &self.code
    }

    /// Whether a caller typed it, in whatever case and with blanks around it.
    pub fn matches(&self, typed: &str) -> bool {
        self.code.matches(&typed.trim().to_ascii_lowercase())
    }

    /// Removes the file of an earlier code, or of this one.
    ///
    /// # Errors
    /// The disk's own.
    pub fn remove(state: &Path) -> io::Result<()> {
        store::remove(&state.join(FILE_NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_stands_in_a_private_file_and_each_start_has_another() {
        let state = std::env::temp_dir().join(format!("page-code-{}", std::process::id()));
        let path = state.join(FILE_NAME);
        fs::create_dir_all(&state).unwrap();
        fs::write(&path, "old").unwrap();
        let mut first = Code::new(&state).unwrap();
        assert_eq!(first.file(), None);
        first.write_down().unwrap();
        let mut code = Code::new(&state).unwrap();
        code.write_down().unwrap();
        let text = code.secret().expose().to_owned();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text}\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for typed in [text.clone(), format!(" {}\n", text.to_ascii_uppercase())] {
            assert!(code.matches(&typed) && !first.matches(&typed), "{typed:?}");
        }
        for typed in ["", "abc", text.get(1..).unwrap()] {
            assert!(!code.matches(typed), "{typed:?}");
        }
        Code::remove(&state).unwrap();
        assert!(!path.exists());
        Code::remove(&state).unwrap();
        fs::remove_dir_all(&state).unwrap();
        fs::write(&state, "no folder").unwrap();
        assert!(code.write_down().is_err());
        fs::remove_file(&state).unwrap();
    }
}

//! The private folder of the socket between the gate and the HTTP server. Purpose: nobody but
//! this user reaches the socket, and what a killed process left behind hinders nobody. Bound:
//! one folder with one socket, removed when dropped.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Names tried in one place. A name carries the process id and a number; one that exists is left
/// over from an earlier process of that id, or belongs to one in another container.
const NAMES_MAX: u32 = 64;

/// Folders looked at in one place in search of what killed processes left behind.
const SWEPT_MAX: usize = 1024;

const PREFIX: &str = "streamcaster";

/// Where a service's sockets belong, if this process may write there.
const RUN_DIR: &str = "/run";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder that only this user may enter.
pub struct SocketDir(PathBuf);

impl SocketDir {
    /// Makes the folder and listens in it: where sockets belong, or with the temporary files, or,
    /// on a system that has neither, below `state`, which is made if need be.
    pub fn create(state: &Path) -> io::Result<(SocketDir, UnixListener)> {
        SocketDir::create_in_one_of(&[PathBuf::from(RUN_DIR), std::env::temp_dir()], state)
    }

    fn create_in_one_of(places: &[PathBuf], state: &Path) -> io::Result<(SocketDir, UnixListener)> {
        for place in places {
            if let Ok(made) = SocketDir::create_in(place) {
                return Ok(made);
            }
        }
        std::fs::create_dir_all(state).and_then(|()| SocketDir::create_in(state)).map_err(|e| {
            let text = format!("cannot make a private folder in {}: {e}", state.display());
            io::Error::new(e.kind(), text)
        })
    }

    fn create_in(place: &Path) -> io::Result<(SocketDir, UnixListener)> {
        sweep(place);
        let mut result = Err(io::Error::from(io::ErrorKind::AlreadyExists));
        for _ in 0..NAMES_MAX {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}-{}-{number}", std::process::id());
            result = SocketDir::make(place.join(name));
            if !matches!(&result, Err(e) if e.kind() == io::ErrorKind::AlreadyExists) {
                break;
            }
        }
        result
    }

    fn make(path: PathBuf) -> io::Result<(SocketDir, UnixListener)> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match builder.create(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                remove_stale(&path)?;
                builder.create(&path)?;
            }
            other => other?,
        }
        let dir = SocketDir(path);
        let listener = UnixListener::bind(dir.socket())?;
        Ok((dir, listener))
    }

    /// The socket in it.
    pub fn socket(&self) -> PathBuf {
        self.0.join("http")
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        // Both may be gone already, and what stays is one empty folder.
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Removes what processes that are no more left in `place`. Nothing depends on its success.
fn sweep(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.take(SWEPT_MAX).flatten() {
        if owner(&entry.file_name()).is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // The socket is asked too: with another container's folder in sight, a process id
            // that means nothing here may mean something there.
            let _ = remove_stale(&entry.path());
        }
    }
}

/// The process id in the name of a folder of ours.
fn owner(name: &std::ffi::OsStr) -> Option<String> {
    let mut parts = name.to_str()?.split('-');
    let (prefix, pid, number) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = prefix == PREFIX && parts.next().is_none();
    (ours && pid.parse::<u32>().is_ok() && number.parse::<u32>().is_ok()).then(|| pid.to_owned())
}

/// Removes a folder whose socket nobody answers; one that lives is an `AlreadyExists`.
fn remove_stale(path: &Path) -> io::Result<()> {
    let socket = path.join("http");
    if UnixStream::connect(&socket).is_ok() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    match std::fs::remove_file(&socket) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Not empty: it is none of ours.
    std::fs::remove_dir(path).map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place(name: &str) -> PathBuf {
        let place = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        place
    }

    #[test]
    fn the_folder_is_private_and_goes_away() {
        let place = place("socket-dir-private");
        let (dir, _listener) = SocketDir::create_in(&place).unwrap();
        let path = dir.0.clone();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(dir);
        assert!(!path.exists());
        std::fs::remove_dir(place).unwrap();
    }

    #[test]
    fn a_system_without_the_usual_places_has_the_data_folder() {
        let place = place("socket-dir-state");
        let absent = [place.join("run"), place.join("tmp")];
        let state = place.join("state");
        let (dir, _listener) = SocketDir::create_in_one_of(&absent, &state).unwrap();
        assert!(dir.socket().starts_with(&state) && dir.socket().exists());
        std::fs::create_dir(&absent[1]).unwrap();
        let (dir, _listener) = SocketDir::create_in_one_of(&absent, &state).unwrap();
        assert!(dir.socket().starts_with(&absent[1]));
        drop(dir);
        let file = place.join("file");
        std::fs::write(&file, "").unwrap();
        let error = SocketDir::create_in_one_of(&absent[..1], &file).err().unwrap().to_string();
        assert!(error.contains(&file.display().to_string()), "{error}");
        std::fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_replaced_and_what_lives_is_not() {
        let place = place("socket-dir-stale");
        let path = place.join("left");
        let (dir, listener) = SocketDir::make(path.clone()).unwrap();
        let lives = SocketDir::make(path.clone()).map(drop).unwrap_err();
        assert_eq!(lives.kind(), io::ErrorKind::AlreadyExists);
        drop(listener);
        std::mem::forget(dir);
        assert!(path.join("http").exists());
        drop(SocketDir::make(path).unwrap());
        std::fs::remove_dir(place).unwrap();
    }

    #[test]
    fn leftovers_of_dead_processes_are_swept_and_nothing_else() {
        let place = place("socket-dir-sweep");
        // Linux gives no process an id this high (PID_MAX_LIMIT is 2^22).
        let left = place.join("streamcaster-4294967-0");
        let lives = place.join("streamcaster-4294967-1");
        let foreign = place.join("streamcaster-4294967-x");
        for path in [&left, &lives, &foreign] {
            std::fs::create_dir(path).unwrap();
        }
        drop(UnixListener::bind(left.join("http")).unwrap());
        let listener = UnixListener::bind(lives.join("http")).unwrap();
        drop(SocketDir::create_in(&place).unwrap());
        assert!(!left.exists());
        assert!(lives.exists() && foreign.exists());
        drop(listener);
        std::fs::remove_dir_all(place).unwrap();
    }
}

//! Addresses from which somebody logged in. Purpose: strangers that guess do not keep out who was
//! here before, after a restart neither: the addresses are written down, whole or not at all.
//! Non-goals: proof of anything; an address only has its tries judged apart. Bounds:
//! [`KNOWN_SOURCES_MAX`] addresses (an IPv6 /64 is one), the one used longest ago goes; one file.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use log::warn;

use crate::base::limits::KNOWN_SOURCES_MAX;
use crate::system::store;

/// The file's name in the folder of remembered state.
const FILE_NAME: &str = "known-addresses";

/// The addresses.
#[derive(Default)]
pub struct KnownSources {
    /// The last one used last.
    sources: Mutex<Vec<IpAddr>>,
    file: OnceLock<PathBuf>,
    /// Held while the file is written, so that the newest state is written last.
    writing: Mutex<()>,
}

impl KnownSources {
    /// Reads those written down, and writes them down there from now on. Waits for the disk.
    pub fn keep_in(&self, state: &Path) {
        let file = state.join(FILE_NAME);
        match store::read(&file) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default();
                let sources = text.lines().filter_map(|line| line.trim().parse().ok());
                *lock(&self.sources) = sources.take(KNOWN_SOURCES_MAX).collect();
            }
            Err(error) => warn!("state/{FILE_NAME} cannot be read: {error}"),
        }
        // It is set once.
        let _ = self.file.set(file);
    }

    /// Whether somebody logged in from there.
    pub fn knows(&self, source: IpAddr) -> bool {
        lock(&self.sources).contains(&source)
    }

    /// Somebody did. Waits for the disk if it is for the first time.
    pub fn keep(&self, source: IpAddr) {
        let is_new = {
            let mut sources = lock(&self.sources);
            let before = sources.iter().position(|known| *known == source);
            match before {
                Some(at) => drop(sources.remove(at)),
                None if sources.len() >= KNOWN_SOURCES_MAX => drop(sources.remove(0)),
                None => {}
            }
            sources.push(source);
            before.is_none()
        };
        let Some(file) = self.file.get().filter(|_| is_new) else { return };
        let _turn = lock(&self.writing);
        let text: String = lock(&self.sources).iter().map(|source| format!("{source}\n")).collect();
        if let Err(error) = store::write_private(file, text.as_bytes()) {
            warn!(
                "state/{FILE_NAME} cannot be written: {error}; after a restart a log-in from \
                 {source} counts as a stranger's"
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No step leaves it half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("known-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn the_one_used_longest_ago_goes() {
        let known = KnownSources::default();
        for last in 0..KNOWN_SOURCES_MAX as u8 {
            known.keep(source(last));
        }
        known.keep(source(0));
        known.keep(source(200));
        assert!(known.knows(source(0)) && known.knows(source(200)) && !known.knows(source(1)));
        assert_eq!(lock(&known.sources).len(), KNOWN_SOURCES_MAX);
    }

    #[test]
    fn a_restart_forgets_none_and_a_broken_file_harms_nobody() {
        let state = folder("restart");
        let before = KnownSources::default();
        before.keep_in(&state);
        before.keep(source(1));
        before.keep("2001:db8::".parse().expect("an address"));
        let after = KnownSources::default();
        after.keep_in(&state);
        assert!(after.knows(source(1)) && after.knows("2001:db8::".parse().expect("an address")));
        assert!(!after.knows(source(2)));
        fs::write(state.join(FILE_NAME), b"\xFF\xFEwhat\n").expect("written");
        let broken = KnownSources::default();
        broken.keep_in(&state);
        assert!(!broken.knows(source(1)));
        fs::write(state.join(FILE_NAME), "192.0.2.9\nnone\n192.0.2.8 \n").expect("written");
        let edited = KnownSources::default();
        edited.keep_in(&state);
        assert!(edited.knows(source(9)) && edited.knows(source(8)));
        fs::write(state.join(FILE_NAME), "192.0.2.7\n".repeat(5000)).expect("written");
        edited.keep_in(&state);
        assert!(lock(&edited.sources).len() <= KNOWN_SOURCES_MAX);
        fs::remove_dir_all(state).expect("removed");
    }

    #[test]
    fn a_disk_that_takes_nothing_keeps_nobody_out() {
        let state = folder("full");
        fs::create_dir_all(state.join(format!("{FILE_NAME}.new"))).expect("a folder in the way");
        let known = KnownSources::default();
        known.keep_in(&state);
        known.keep(source(1));
        assert!(known.knows(source(1)));
        fs::remove_dir_all(state).expect("removed");
    }
}

//! Who runs on a data folder. Purpose: `state/streamcaster.pid` holds the process's id, and is
//! locked (flock(2)) for as long as it lives: a file without a lock on it says nothing, so that a
//! stale number is never taken for the program. Beside it `state/http.address` tells where the API
//! really listens. Non-goal: keeping a second one from starting; its ports do. Bound: two short
//! files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;

use super::store::{self, Links};

/// The file of the process's id.
const PID: &str = "streamcaster.pid";
/// The file of the API's address.
const ADDRESS: &str = "http.address";
/// The longest text read from either.
const TEXT_BYTES_MAX: u64 = 64;

/// The lock; dropped, or when the process ends in whatever way, it is free.
#[derive(Debug)]
pub struct PidFile {
    _locked: Option<File>,
}

impl PidFile {
    /// Says that this process runs on the folder, and answers at `http`. What cannot be written is
    /// told in the log: then nobody can restart this process from outside, and it runs on.
    pub fn take(state: &Path, http: SocketAddr) -> PidFile {
        let taken = lock(state).and_then(|file| {
            fs::write(state.join(ADDRESS), format!("{}\n", reachable(http)))?;
            Ok(file)
        });
        match taken {
            Ok(file) => PidFile { _locked: Some(file) },
            Err(error) => {
                let path = state.join(PID);
                log::warn!(
                    "{}: {error}; `streamcaster probe` cannot restart the program the program the \
                     program",
                    path.display()
                );
                PidFile { _locked: None }
            }
        }
    }
}

fn lock(state: &Path) -> io::Result<File> {
    fs::create_dir_all(state)?;
    let path = state.join(PID);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => io::Error::other("another program is running on this data folder"),
        other => other.into(),
    })?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// The address at which this machine itself reaches what listens there. `[::]` takes IPv4 too, and
/// 127.0.0.1 is there where IPv6 is off.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The id of the process that runs on the folder; `None`: none does.
///
/// # Errors
/// The disk's own, and a file that holds no id although it is locked.
pub fn running(state: &Path) -> io::Result<Option<u32>> {
    let mut file = match store::open(&state.join(PID), Links::Refused) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        // Closing it gives the lock back.
        Ok(()) => return Ok(None),
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error.into()),
    }
    let mut text = String::new();
    (&mut file).take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
    let id = text.trim().parse().ok().filter(|id| *id > 1);
    id.map(Some).ok_or_else(|| io::Error::other("it contains no process id"))
}

/// Where the API of the program that runs, or last ran, on the folder listens.
pub fn address(state: &Path) -> Option<SocketAddr> {
    let mut text = String::new();
    let file = store::open(&state.join(ADDRESS), Links::Refused).ok()?;
    file.take(TEXT_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_running_exactly_as_long_as_it_holds_its_lock() {
        let state = std::env::temp_dir().join(format!("pid-file-{}", std::process::id()));
        let _ = fs::remove_dir_all(&state);
        assert_eq!(running(&state).unwrap(), None);
        let listen = "0.0.0.0:8080".parse().unwrap();
        let held = PidFile::take(&state, listen);
        assert_eq!(running(&state).unwrap(), Some(std::process::id()));
        assert_eq!(address(&state), "127.0.0.1:8080".parse().ok());
        assert!(PidFile::take(&state, listen)._locked.is_none(), "only one at a time");
        assert_eq!(running(&state).unwrap(), Some(std::process::id()));
        drop(held);
        assert_eq!(running(&state).unwrap(), None, "the number is still there, the process is not");
        fs::remove_dir_all(state).unwrap();
    }

    #[test]
    fn what_listens_everywhere_is_reached_on_loopback() {
        for (listen, reached) in
            [("[::]:1", "127.0.0.1:1"), ("0.0.0.0:1", "127.0.0.1:1"), ("10.0.0.1:2", "10.0.0.1:2")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap());
        }
    }
}

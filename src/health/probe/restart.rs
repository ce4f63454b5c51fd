//! Ending the program from outside. Purpose: SIGTERM, and after [`PROBE_FAREWELL_MS_MAX`] SIGKILL,
//! to the process that holds the data folder's lock and to no other; by a descriptor of the
//! process (pidfd_open(2)), so that a number given to somebody else meanwhile is never hit.
//! Non-goal: starting it again, which is its supervisor's. Bound: twice that time.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::process::{pidfd_open, pidfd_send_signal, Pid, PidfdFlags, Signal};

use crate::system::pid_file;

/// Time the program has to end politely before it is killed.
const PROBE_FAREWELL_MS_MAX: u64 = 10_000;

/// Ends the program that runs on the data folder; what happened, for a person.
///
/// # Errors
/// Why nothing could be ended, for a person.
pub fn end(state: &Path) -> Result<String, String> {
    let Some(id) = running(state)? else {
        return Err("no program is running on this data folder; its supervisor must start \
                    it"
        .into());
    };
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(
        "its pid file contains no \
                                                                    process id",
    )?;
    let process = pidfd_open(pid, PidfdFlags::empty())
        .map_err(|error| format!("process {id} cannot be watched: {error}"))?;
    // With the descriptor in hand: the number still is the program's, and so the descriptor is.
    if running(state)? != Some(id) {
        return Err(format!("process {id} has just ended by itself"));
    }
    if !is_this_program(id) {
        return Err(format!("process {id} is another program and is left alone"));
    }
    let say = |signal| {
        pidfd_send_signal(&process, signal)
            .map_err(|error| format!("process {id} cannot be ended: {error}"))
    };
    say(Signal::TERM)?;
    if has_ended(&process) {
        return Ok(format!("process {id} ended on SIGTERM"));
    }
    say(Signal::KILL)?;
    match has_ended(&process) {
        true => Ok(format!("process {id} did not end on SIGTERM and was killed")),
        false => Err(format!("process {id} does not end on SIGKILL either: its disk hangs")),
    }
}

fn running(state: &Path) -> Result<Option<u32>, String> {
    pid_file::running(state).map_err(|error| format!("its process id cannot be read: {error}"))
}

/// Whether the process runs a file of this program's name: an update may have replaced the file
/// meanwhile, and `/proc` then says so behind the name.
fn is_this_program(id: u32) -> bool {
    let name = |process: &str| -> io::Result<Option<String>> {
        let path = fs::read_link(format!("/proc/{process}/exe"))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(name.map(|name| name.trim_end_matches(" (deleted)").to_owned()))
    };
    match (name(&id.to_string()), name("self")) {
        (Ok(Some(its)), Ok(Some(own))) => its == own,
        _ => false,
    }
}

/// Waits for the end.
fn has_ended(process: &OwnedFd) -> bool {
    let (s, ms) = (PROBE_FAREWELL_MS_MAX / 1000, PROBE_FAREWELL_MS_MAX % 1000);
    let limit = Timespec {
        tv_sec: i64::try_from(s).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ms * 1_000_000).unwrap_or(0),
    };
    let mut ends = [PollFd::new(process, PollFlags::IN)];
    poll(&mut ends, Some(&limit)).is_ok_and(|ready| ready > 0)
}

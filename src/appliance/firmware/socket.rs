//! Where the daemon is met, and by whom. Purpose: a unix socket that root and the programme's group may
//! open, and the kernel's word for who is at its other end. Non-goal: what is said. Bound: one socket.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::orders::SOCKET;
use super::slots::{text_of, Places};
use crate::base::limits::FIRMWARE_LINE_BYTES_MAX;

/// The group that may order.
const GROUP: &str = "streamcaster";

/// Whether the process at the other end of the socket is root's, by the kernel's word (unix(7),
/// SO_PEERCRED).
pub fn is_root(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root())
}

/// The socket: root's, and the programme's group may order.
pub(super) fn listen(places: &Places) -> io::Result<UnixListener> {
    let path = places.appliance(SOCKET);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o660))?;
    if let Some(group) = group(&places.below("etc/group")) {
        std::os::unix::fs::chown(&path, None, Some(group))?;
    }
    Ok(listener)
}

/// The number of the programme's group (group(5)).
pub(super) fn group(file: &Path) -> Option<u32> {
    let text = text_of(file, FIRMWARE_LINE_BYTES_MAX as u64).ok()?;
    let own = text.lines().map(|line| line.split(':')).find_map(|mut fields| {
        (fields.next() == Some(GROUP)).then(|| fields.nth(1).and_then(|id| id.parse().ok()))
    });
    own.flatten()
}

//! Asking the data plane itself. Purpose: whether the programme goes on can be found out while the
//! control plane is busy, full or hung, so that nothing ends a programme that its viewers see.
//! Non-goals: orders, secrets: anybody who may connect is told no more than any viewer sees. Bounds:
//! nothing is read from who asks, and one short line is written to each, which its socket holds.
//!
//! The socket is an abstract one (unix(7)), named after the process: it leaves no file behind, and
//! needs none on a disk that may be full.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use super::reactor::{Sleep, Watched};

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 16;
/// The longest answer read.
const ANSWER_BYTES_MAX: u64 = 256;
/// Pause after a failed accept: no descriptor is left, or the like. It passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the data plane says of itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct PlaneState {
    /// What is on air, by its API name.
    pub on_air: String,
    /// Milliseconds since the last access unit of it was stored; 0 while a pause is being played.
    pub unit_age_ms: u64,
}

fn name(process: u32) -> io::Result<SockAddr> {
    SockAddr::unix(format!("\0streamcaster-{process}"))
}

/// Opens the socket of this process.
///
/// # Errors
/// The kernel's.
pub fn bind() -> io::Result<Watched<UnixListener>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&name(std::process::id())?)?;
    socket.listen(BACKLOG)?;
    Watched::new(UnixListener::from(socket))
}

/// Answers everybody who asks, for ever.
pub async fn serve(listener: &Watched<UnixListener>, state: impl Fn() -> PlaneState) {
    loop {
        match listener.try_read(UnixListener::accept) {
            // It holds so little without being read; who has left again is not waited for.
            Ok((stream, _)) => drop(answer(&stream, &state())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.readable().await,
            Err(_) => Sleep::after(ACCEPT_PAUSE).await,
        }
    }
}

fn answer(mut stream: &UnixStream, state: &PlaneState) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.write_all(&serde_json::to_vec(state)?)
}

/// Asks the data plane of a process, within a time.
///
/// # Errors
/// `NotFound` or `ConnectionRefused`: the process has no such socket. `WouldBlock` or `TimedOut`:
/// it does not answer. `InvalidData`: what answers is not this program.
pub fn ask(process: u32, within: Duration) -> io::Result<PlaneState> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full backlog makes connect(2) wait for as long as a write may take.
    socket.set_write_timeout(Some(within))?;
    socket.set_read_timeout(Some(within))?;
    socket.connect(&name(process)?)?;
    let mut text = Vec::new();
    socket.take(ANSWER_BYTES_MAX).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::reactor;
    use smol::future::or;

    #[test]
    fn who_asks_is_answered_and_who_never_reads_holds_nothing_up() {
        let state = || PlaneState { on_air: "udp".to_owned(), unit_age_ms: 7 };
        let (said, asked) = std::sync::mpsc::channel();
        let asker = std::thread::spawn(move || {
            let process = std::process::id();
            asked.recv().expect("it listens");
            let deaf: Vec<_> = (0..BACKLOG)
                .map(|_| {
                    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
                    socket.connect(&name(process).expect("short")).expect("it listens");
                    socket
                })
                .collect();
            let answers: Vec<_> =
                (0..3).map(|_| ask(process, Duration::from_secs(20)).expect("answered")).collect();
            drop(deaf);
            answers
        });
        let answers = reactor::run(async {
            let listener = bind().expect("nobody else has this process's name");
            said.send(()).expect("it waits");
            let done = async {
                while !asker.is_finished() {
                    Sleep::after(Duration::from_millis(5)).await;
                }
            };
            or(done, serve(&listener, state)).await;
            asker.join().expect("it does not panic")
        });
        assert_eq!(answers, [state(), state(), state()]);
        assert!(ask(u32::MAX, Duration::from_secs(1)).is_err(), "nobody is there");
    }
}

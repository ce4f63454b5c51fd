//! What an operator says to this program. Purpose: a command as HTTP/1.1, whose way from its
//! first byte on is timed. Bound: one connection for each command, and a short answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// A command that has been sent.
pub struct Asked {
    socket: TcpStream,
    /// When its first byte was sent.
    pub at: Instant,
}

/// Sends a command of somebody who knows the program's token.
pub fn post(to: SocketAddr, path: &str, json: &str, token: &str) -> Result<Asked, String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{json}",
        json.len()
    );
    let sent = TcpStream::connect(to).and_then(|mut socket| {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let at = Instant::now();
        socket.write_all(request.as_bytes())?;
        Ok(Asked { socket, at })
    });
    sent.map_err(|error| format!("{to}{path}: {error}"))
}

impl Asked {
    /// Waits for the answer.
    ///
    /// # Errors
    /// None comes, or it is not 200; then the answer.
    pub fn answer(self) -> Result<(), String> {
        let mut answer = Vec::new();
        let read = self.socket.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
        read.map_err(|error| format!("no answer to a command: {error}"))?;
        if answer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(format!("a command is refused: {}", String::from_utf8_lossy(&answer)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answered(answer: &[u8]) -> (Result<(), String>, String) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let asked = post(server.local_addr().unwrap(), "/api/switch", "{}", "0a").unwrap();
        let (mut client, _) = server.accept().unwrap();
        client.write_all(answer).unwrap();
        let mut request = [0; 1024];
        let count = client.read(&mut request).unwrap();
        drop(client);
        (asked.answer(), String::from_utf8_lossy(&request[..count]).into_owned())
    }

    #[test]
    fn a_command_is_sent_and_its_answer_told() {
        let (answer, request) = answered(b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(answer, Ok(()));
        assert!(request.starts_with("POST /api/switch HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer 0a\r\n"), "{request}");
        assert!(request.contains("Content-Length: 2\r\n") && request.ends_with("\r\n\r\n{}"));
        let (answer, _) = answered(b"HTTP/1.1 404 Not Found\r\n\r\nno such file");
        assert!(answer.unwrap_err().ends_with("no such file"));
    }
}

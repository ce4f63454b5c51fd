//! After the restart: until the page answers, or the old system is back. Purpose: anybody who started a
//! take-over is told how it ended; there is no other view of that machine. Non-goal: mending it.
//! Bound: `PATIENCE`.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::ssh::{progress, SshHost};

/// A cloud's disk takes the image within a minute or two.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// One question to the page.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum FlashEnd {
    /// The page answers, and the old system does not.
    Page,
    /// The old system answers, after another start.
    OldSystem,
    /// Nobody does.
    Nobody,
}

/// Waits for the end of a take-over. `page` is the page's host and port, `before` the start of the
/// host that was told to restart.
pub fn wait(host: &SshHost, page: &str, before: &str) -> FlashEnd {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        progress(&format!("   {} s", began.elapsed().as_secs()));
        // The old system may have a page as well: who answers ssh is the old system.
        if greets(&host.address, host.port) {
            match host.boot_id() {
                Some(now) if now != before => return FlashEnd::OldSystem,
                _ => {}
            }
        } else if is_page(page) {
            return FlashEnd::Page;
        }
        std::thread::sleep(PAUSE);
    }
    FlashEnd::Nobody
}

/// Whether there is an SSH server (RFC 4253, 4.2: it says its version first).
fn greets(address: &str, port: u16) -> bool {
    let mut greeting = [0; 4];
    connect((address, port))
        .is_some_and(|mut stream| stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-")
}

/// Whether the appliance's page is there, well or not; one by HTTPS sends plain requests there.
fn is_page(page: &str) -> bool {
    let Some(mut stream) = connect(page) else { return false };
    let request = format!("GET /api/health HTTP/1.0\r\nHost: {page}\r\n\r\n");
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).is_err()
        || stream.take(64 << 10).read_to_string(&mut answer).is_err()
    {
        return false;
    }
    is_ours(&answer)
}

fn is_ours(answer: &str) -> bool {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let code = head.split(' ').nth(1).unwrap_or_default();
    match code {
        "200" | "503" => body.contains("\"status\""),
        _ => code.starts_with('3') && head.contains("https://"),
    }
}

fn connect(to: impl ToSocketAddrs) -> Option<TcpStream> {
    let address = to.to_socket_addrs().ok()?.next()?;
    let stream = TcpStream::connect_timeout(&address, ANSWER).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    Some(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_page_is_told_from_others() {
        assert!(is_ours("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}"));
        assert!(is_ours("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"unhealthy\"}"));
        assert!(is_ours("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://a/\r\n\r\n"));
        assert!(!is_ours("HTTP/1.1 404 Not Found\r\n\r\n{\"status\":\"x\"}"));
        assert!(!is_ours("HTTP/1.1 200 OK\r\n\r\n<h1>It works!</h1>"));
        assert!(!is_ours(""));
    }

    #[test]
    fn an_ssh_server_is_known_by_its_greeting() {
        for (greeting, is_ssh) in
            [(&b"SSH-2.0-x\r\n"[..], true), (b"HTTP/1.1", false), (b"", false)]
        {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = server.local_addr().unwrap().port();
            std::thread::scope(|scope| {
                scope.spawn(|| server.accept().unwrap().0.write_all(greeting).unwrap());
                assert_eq!(greets("127.0.0.1", port), is_ssh);
            });
        }
    }
}

//! The handshake (RTMP 1.0, 5.2), simple and with digest. Purpose: lend rml_rtmp's handshake to
//! strangers safely. It answers whatever its peer does: a first packet without a valid digest is
//! echoed, as the specification has it (librtmp, OBS, VLC), one with a digest is answered with
//! one (ffmpeg, Flash).
//!
//! What rml_rtmp's part does and does not do, read in its source (0.8.0): it accepts version 3
//! only; it keeps all bytes it is given, hence they are given to it only as far as the handshake
//! reaches; it does not verify the peer's last packet, nor does anything depend on that. Its
//! random bytes come from the operating system: the one thing below the shells that is not a
//! function of its input. Nothing but those bytes depends on it.
//!
//! Non-goals: RTMPE (version 6). Bound: 1 + 2 * 1536 bytes each way, given back when done.

use std::fmt;

use rml_rtmp::handshake::{Handshake as Exchange, HandshakeProcessResult, PeerType};

/// C0, C1 and C2, or S0, S1 and S2.
const PEER_BYTES: usize = 1 + 1536 + 1536;

/// How a header of the PROXY protocol begins (HAProxy's proxy-protocol.txt, 2): what a load balancer
/// sends that is set up for servers who read it.
const PROXY_STARTS: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// The peer does not speak this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The first byte is not 3.
    Version,
    /// The first bytes are a PROXY header's, which is the shell's to read if anybody's.
    ProxyHeader,
    /// The first bytes are those of a TLS handshake (RFC 8446, 5.1).
    Tls,
    /// The exchange failed in another way.
    Failed,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Version => write!(f, "the peer does not use RTMP version 3"),
            HandshakeError::ProxyHeader => write!(f, "a PROXY header stands before the handshake"),
            HandshakeError::Tls => write!(f, "the peer speaks TLS, and no certificate is set"),
            HandshakeError::Failed => write!(f, "the RTMP handshake failed"),
        }
    }
}

impl std::error::Error for HandshakeError {}

/// One side of a handshake under way.
pub struct Handshake {
    exchange: Box<Exchange>,
    due: usize,
}

impl Handshake {
    /// The server's side: it answers.
    pub fn server() -> Handshake {
        Handshake { exchange: Box::new(Exchange::new(PeerType::Server)), due: PEER_BYTES }
    }

    /// The client's side, and C0 and C1, which it sends unasked.
    pub fn client() -> Result<(Handshake, Vec<u8>), HandshakeError> {
        let mut exchange = Box::new(Exchange::new(PeerType::Client));
        let hello = exchange.generate_outbound_p0_and_p1().map_err(|_| HandshakeError::Failed)?;
        Ok((Handshake { exchange, due: PEER_BYTES }, hello))
    }

    /// Whether everything the peer owes has come.
    pub fn is_done(&self) -> bool {
        self.due == 0
    }

    /// Takes the handshake's part of `input`, shortening it; returns what is to be sent.
    pub fn input(&mut self, input: &mut &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let (taken, rest) = input.split_at_checked(self.due).unwrap_or((*input, &[]));
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        // Looked at before anything is answered: a stray HTTP request costs us no random bytes.
        if self.due == PEER_BYTES && taken.first() != Some(&3) {
            return Err(match taken {
                _ if PROXY_STARTS.iter().any(|start| taken.starts_with(start)) => {
                    HandshakeError::ProxyHeader
                }
                [0x16, 3, ..] => HandshakeError::Tls,
                _ => HandshakeError::Version,
            });
        }
        *input = rest;
        self.due -= taken.len();
        match self.exchange.process_bytes(taken) {
            Ok(
                HandshakeProcessResult::InProgress { response_bytes }
                | HandshakeProcessResult::Completed { response_bytes, .. },
            ) => Ok(response_bytes),
            Err(_) => Err(HandshakeError::Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(step: usize) {
        let mut server = Handshake::server();
        let (mut client, mut to_server) = Handshake::client().unwrap();
        let mut to_client = Vec::new();
        to_server.extend(b"");
        for _ in 0..10 {
            for piece in std::mem::take(&mut to_server).chunks(step) {
                to_client.extend(server.input(&mut &piece[..]).unwrap());
            }
            for piece in std::mem::take(&mut to_client).chunks(step) {
                to_server.extend(client.input(&mut &piece[..]).unwrap());
            }
        }
        assert!(server.is_done());
        assert!(client.is_done());
    }

    #[test]
    fn both_sides_agree_in_fragments_of_any_size() {
        for step in [1, 7, 1536, 1537, 4096] {
            exchange(step);
        }
    }

    #[test]
    fn a_simple_client_gets_its_first_packet_back() {
        let mut server = Handshake::server();
        let c1: Vec<u8> = (0..1536_u32).map(|i| if i < 8 { 0 } else { (i * 31) as u8 }).collect();
        let hello = [&[3], &c1[..]].concat();
        let answer = server.input(&mut &hello[..]).unwrap();
        assert_eq!(answer.len(), PEER_BYTES);
        assert_eq!(answer[0], 3);
        assert!(answer[1537..] == c1);
        let mut last = &[&answer[1..1537], b"chunks"].concat()[..];
        assert_eq!(server.input(&mut last), Ok(vec![]));
        assert!(server.is_done());
        assert_eq!(last, b"chunks", "what follows the handshake is left in the input");
        assert_eq!(server.input(&mut last), Ok(vec![]));
    }

    #[test]
    fn other_protocols_and_versions_are_refused_at_their_first_byte() {
        for hello in [&b"GET / HTTP/1.1\r\n"[..], &[6], &[0x16], &[0x16, 2, 0]] {
            assert_eq!(Handshake::server().input(&mut &hello[..]), Err(HandshakeError::Version));
        }
        let hello = [0x16, 3, 1];
        assert_eq!(Handshake::server().input(&mut &hello[..]), Err(HandshakeError::Tls));
        for hello in [&b"PROXY UNKNOWN\r\n\x03"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
            let refused = Handshake::server().input(&mut &hello[..]);
            assert_eq!(refused, Err(HandshakeError::ProxyHeader));
        }
    }
}

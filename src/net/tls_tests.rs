//! A server of rustls on a thread of its own, with certificates as an operator makes them.

use std::io::{IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::PrivateKeyDer;
use futures_rustls::rustls::version::{TLS12, TLS13};
use futures_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};

use smol::future::FutureExt;
use test_support::peers::authority::{Authority, Signed};

use super::*;
use crate::net::certificate::certificates;
use crate::net::reactor;

/// Bytes that go each way: many records.
const MUCH: usize = 1 << 20;
const YEAR_S: u64 = 366 * 86_400;

/// An authority, and a certificate for localhost that it has signed.
struct Parties {
    authority: Authority,
    own: Signed,
}

impl Parties {
    fn new() -> Parties {
        let authority = Authority::new();
        let own = authority.signs("DNS:localhost,DNS:live.example.com");
        Parties { authority, own }
    }

    /// Who believes the authority.
    fn believer(&self) -> Authorities {
        Authorities::with(Some(&AuthorityFile::read(self.authority.certificate()).unwrap()))
    }
}

fn server_config(own: &Signed, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let chain = certificates(&own.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&own.key).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

/// Serves one connection as `serve` does; where it listens.
fn listening(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        serve(socket);
    });
    address
}

/// Speaks TLS with one client, and then does as `serve` does.
fn encrypted(
    config: Arc<ServerConfig>,
    serve: impl FnOnce(&mut StreamOwned<ServerConnection, TcpStream>) + Send + 'static,
) -> SocketAddr {
    listening(move |socket| {
        let session = ServerConnection::new(config).unwrap();
        serve(&mut StreamOwned::new(session, socket));
    })
}

fn shaken(authorities: &Authorities, to: SocketAddr, host: &str) -> Result<ByteStream, TlsError> {
    let socket = Watched::new(TcpStream::connect(to).unwrap()).unwrap();
    reactor::run(authorities.shake(socket, host))
}

fn pattern() -> Vec<u8> {
    (0..MUCH).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Writes all of it, as a socket that is full lets it.
async fn write_all(stream: &ByteStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut writer = stream;
        match writer.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll_fn(|cx| stream.poll_writable(true, cx)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads until the peer closes, sending what still waits.
async fn read_all(stream: &ByteStream) -> Vec<u8> {
    let (mut all, mut portion) = (Vec::new(), [0; 3000]);
    loop {
        match stream.read(&mut portion) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&portion[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll_fn(|cx| {
                    let _ = stream.poll_writable(false, cx);
                    stream.poll_readable(cx)
                })
                .await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn much_goes_each_way_in_either_version_and_comes_out_unchanged() {
    let parties = Parties::new();
    let authorities = parties.believer();
    for version in [&TLS12, &TLS13] {
        for closes_well in [true, false] {
            let to = encrypted(server_config(&parties.own, version), move |stream| {
                let mut taken = vec![0; MUCH];
                stream.read_exact(&mut taken).unwrap();
                stream.write_all(&taken).unwrap();
                if closes_well {
                    stream.conn.send_close_notify();
                }
                stream.flush().unwrap();
            });
            let stream = shaken(&authorities, to, "localhost").unwrap();
            let given = pattern();
            let back = reactor::run(async {
                write_all(&stream, &given).await;
                read_all(&stream).await
            });
            assert!(back == given, "{version:?}: {} bytes back", back.len());
        }
    }
}

#[test]
fn what_a_server_does_not_take_is_bounded_and_leaves_once_it_does() {
    let parties = Parties::new();
    let (go, told) = std::sync::mpsc::channel();
    let to = encrypted(server_config(&parties.own, &TLS13), move |stream| {
        stream.conn.complete_io(&mut stream.sock).unwrap();
        told.recv().unwrap();
        let mut taken = Vec::new();
        let _ = stream.read_to_end(&mut taken);
        assert!(pattern().starts_with(&taken[..MUCH / 4]));
    });
    let stream = shaken(&parties.believer(), to, "localhost").unwrap();
    let bytes = pattern();
    let mut writer = &stream;
    let mut sent = 0;
    loop {
        let slices = [IoSlice::new(&bytes[sent % MUCH..]), IoSlice::new(b"more")];
        match writer.write_vectored(&slices) {
            Ok(count) => {
                assert!(count <= RTMPS_UNSENT_BYTES_MAX, "{count} bytes at once");
                sent += count;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    assert!(sent > RTMPS_UNSENT_BYTES_MAX, "the kernel takes some");
    go.send(()).unwrap();
    reactor::run(poll_fn(|cx| stream.poll_writable(true, cx)));
    assert!(writer.write(b"again").is_ok());
    stream.finish().unwrap();
}

#[test]
fn a_server_that_is_somebody_else_is_refused_in_a_sentence() {
    struct At(u64);
    impl TimeProvider for At {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
        }
    }
    impl fmt::Debug for At {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} s", self.0)
        }
    }
    let parties = Parties::new();
    let now_s = UnixTime::now().as_secs();
    let at = |s: u64| {
        let own = certificates(&parties.authority.certificate()).unwrap();
        let authorities = Authorities::default();
        authorities.config.set(client(&own, Arc::new(At(s)))).unwrap();
        authorities
    };
    for (authorities, host, words) in [
        (at(now_s), "ingest.example.com", "is for localhost, not for ingest.example.com"),
        (at(now_s), "127.0.0.1", "not for 127.0.0.1"),
        (Authorities::default(), "localhost", "not signed by a known authority"),
        (at(now_s + YEAR_S), "localhost", "its certificate expired on 20"),
        (at(0), "localhost", "this machine's clock says 1970-01-01; check the clock"),
    ] {
        let to = encrypted(server_config(&parties.own, &TLS13), |stream| {
            let _ = stream.conn.complete_io(&mut stream.sock);
        });
        let error = shaken(&authorities, to, host).err().expect("it is refused").to_string();
        assert!(error.contains(words), "{host}: {error}");
    }
}

#[test]
fn what_speaks_no_tls_is_named() {
    let parties = Parties::new();
    for (answer, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "does not use TLS on this port"),
        (b"\x15\x03\x03\0\x02\x02\x28", "refused the TLS handshake (HandshakeFailure)"),
        (b"", "closed the connection during the TLS handshake"),
    ] {
        let to = listening(move |mut socket| {
            let mut hello = [0; 4096];
            assert!(socket.read(&mut hello).unwrap() > 0);
            socket.write_all(answer).unwrap();
        });
        let error = shaken(&parties.believer(), to, "localhost").err().expect("none").to_string();
        assert!(error.contains(words), "{error}");
    }
    let socket = Watched::new(TcpStream::connect(listening(drop)).unwrap()).unwrap();
    let error = reactor::run(parties.believer().shake(socket, "no name")).err().expect("none");
    assert!(matches!(error, TlsError::Name(_)), "{error}");
}

/// OpenSSL's server asks for another handshake in the middle, which TLS 1.2 allows and we do not.
#[test]
fn a_server_that_renegotiates_is_refused_it_and_the_connection_ends_in_words() {
    let parties = Parties::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut openssl = Command::new("openssl")
        .args(["s_server", "-tls1_2", "-accept", &free.to_string(), "-cert"])
        .arg(&parties.own.both)
        .args(["-key", &parties.own.key.display().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let accepts =
        test_support::peers::wait::poll(Duration::from_secs(10), || TcpStream::connect(free).ok());
    // Which it takes for a client that left.
    drop(accepts.expect("it listens"));
    let stream = shaken(&parties.believer(), free, "localhost").unwrap();
    openssl.stdin.as_mut().unwrap().write_all(b"R\n").unwrap();
    let ended = async {
        let mut portion = [0; 3000];
        loop {
            match stream.read(&mut portion) {
                Ok(0) => return "closed".to_owned(),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll_fn(|cx| {
                        let _ = stream.poll_writable(false, cx);
                        stream.poll_readable(cx)
                    })
                    .await;
                }
                Err(error) => return in_words(&error),
            }
        }
    };
    let late = async {
        reactor::Sleep::after(Duration::from_secs(10)).await;
        "still there".to_owned()
    };
    let words = reactor::run(ended.or(late));
    openssl.kill().unwrap();
    openssl.wait().unwrap();
    assert_eq!(words, "the peer ended the TLS connection (HandshakeFailure)");
}

//! A bad line to a server: what the server sends comes through whole for some records of TLS, and then
//! as a fault has it. Purpose: the faults of servers and of the ways to them that no good server shows,
//! before any server that speaks TLS. Non-goals: what lies in the records, which are passed on as they
//! come. Bound: one thread each way for a connection, which end with it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// What happens to the record that is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Half of it comes, and then nothing; the connection stays.
    Silence,
    /// Half of it comes, and the connection ends in order, without TLS's goodbye.
    Close,
    /// Half of it comes, and the connection is reset.
    Reset,
    /// Its last byte is another.
    Damage,
    /// It and all that follow come byte by byte, with this pause before each.
    Drip(Duration),
}

/// The line; it takes connections until the test's process ends.
pub struct Relay {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl Relay {
    /// A line to a server that passes on so many whole records of each connection before the fault.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(to: SocketAddr, records: usize, fault: Fault) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port it got");
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let cut = Arc::clone(&cut);
                // What the ends of the line do to it is their test's to say.
                thread::spawn(move || drop(pass(&client, to, (records, fault), &cut)));
            }
        });
        Relay { address, is_cut }
    }

    /// A line without a fault, until it is [`cut`](Relay::cut).
    pub fn whole(to: SocketAddr, fault: Fault) -> Relay {
        Relay::start(to, usize::MAX, fault)
    }

    /// Where it takes connections.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fault happens now, to a record that the server never sent, and to every connection to come
    /// as soon as its server is silent.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }
}

/// How often a line looks whether it is cut.
const LOOK: Duration = Duration::from_millis(20);
/// A record of a server's data, as its head says.
const RECORD: [u8; 69] = {
    let mut record = [0x5a; 69];
    [record[0], record[1], record[2], record[3], record[4]] = [0x17, 3, 3, 0, 64];
    record
};

fn pass(
    client: &TcpStream,
    to: SocketAddr,
    (records, fault): (usize, Fault),
    cut: &AtomicBool,
) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    let (mut up, mut away) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut up, &mut away);
        let _ = away.shutdown(Shutdown::Both);
    });
    for _ in 0..records {
        match record(&server, cut)? {
            Some(record) => (&mut &*client).write_all(&record)?,
            None => return break_off(client, &RECORD, fault),
        }
    }
    loop {
        let record = record(&server, cut)?.unwrap_or(RECORD.to_vec());
        break_off(client, &record, fault)?;
        if !matches!(fault, Fault::Drip(_)) {
            return Ok(());
        }
    }
}

/// The next record, with its head; `None` when the line is cut before it begins.
fn record(mut server: &TcpStream, cut: &AtomicBool) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 5];
    server.set_read_timeout(Some(LOOK))?;
    loop {
        match server.peek(&mut head) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => break,
            Err(_) if cut.load(Ordering::Relaxed) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    server.set_read_timeout(None)?;
    server.read_exact(&mut head)?;
    let [_, _, _, high, low] = head;
    let mut record = head.to_vec();
    record.resize(head.len() + usize::from(u16::from_be_bytes([high, low])), 0);
    server.read_exact(record.get_mut(head.len()..).unwrap_or_default())?;
    Ok(Some(record))
}

fn break_off(mut client: &TcpStream, record: &[u8], fault: Fault) -> io::Result<()> {
    let (half, _) = record.split_at(record.len() / 2);
    match fault {
        // It stays for as long as the client does, whose bytes are still passed on.
        Fault::Silence => client.write_all(half)?,
        Fault::Close => {
            client.write_all(half)?;
            client.shutdown(Shutdown::Write)?;
        }
        Fault::Reset => {
            client.write_all(half)?;
            SockRef::from(client).set_linger(Some(Duration::ZERO))?;
            // Who passes on what the client sends lets go of it.
            client.shutdown(Shutdown::Read)?;
        }
        Fault::Damage => {
            let mut damaged = record.to_vec();
            damaged.last_mut().into_iter().for_each(|byte| *byte ^= 1);
            client.write_all(&damaged)?;
        }
        Fault::Drip(pause) => {
            for byte in record {
                thread::sleep(pause);
                client.write_all(&[*byte])?;
            }
        }
    }
    Ok(())
}

//! A router and DNS server of IPv6 on an emulated machine's network, beside QEMU's own: it advertises
//! itself as DNS server, answers for one name, and hands on datagrams. Purpose: QEMU's user network
//! names a DNS server only where its host has one of IPv6, and forwards no port to a guest's IPv6
//! address. Non-goals: routes, which QEMU's own gives; TCP. Bound: frames of 2 KiB.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Its own addresses.
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x53, 0x53, 0x53];
pub const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x53);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The one name there is, and where it leads: to this host, by QEMU's network.
pub const NAME: &str = "origin.test";
const ORIGIN: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x5c, 0, 0, 0, 0, 0, 2);
/// Between two advertisements.
const PERIOD: Duration = Duration::from_secs(3);
const UDP: u8 = 17;
const ICMP: u8 = 58;
/// The port of MPEG-TS.
const MEDIA_PORT: u16 = 1234;

/// A router that runs.
pub struct Router {
    /// Where QEMU sends its frames, and from where.
    pub wire: (SocketAddr, SocketAddr),
    /// What comes here goes on to the machine's UDP input.
    pub feed: SocketAddr,
    /// Names it was asked for.
    asked: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    /// Switches one on.
    pub fn start() -> Router {
        let bound = || UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (wire, feed) = (bound(), bound());
        let at = |socket: &UdpSocket| socket.local_addr().expect("it is bound");
        // QEMU takes no port 0: one that nobody had a moment ago.
        let qemu = at(&bound());
        for socket in [&wire, &feed] {
            socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        }
        let (asked, ends) = (Arc::default(), Arc::default());
        let (own_wire, own_feed) = (at(&wire), at(&feed));
        let run = Run { wire, feed, qemu, machine: None, asked: Arc::clone(&asked) };
        let end = Arc::clone(&ends);
        let thread = Some(std::thread::spawn(move || run.until(&end)));
        Router { wire: (own_wire, qemu), feed: own_feed, asked, ends, thread }
    }

    /// Whether somebody has asked for a name.
    pub fn was_asked_for(&self, name: &str) -> bool {
        self.asked.lock().expect("no panic").iter().any(|asked| asked == name)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Run {
    wire: UdpSocket,
    feed: UdpSocket,
    qemu: SocketAddr,
    /// The machine's addresses, once it has said something by its own.
    machine: Option<([u8; 6], Ipv6Addr)>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Run {
    fn until(mut self, ends: &AtomicBool) {
        let (mut frame, mut advertised) = ([0; 2048], None::<Instant>);
        while !ends.load(Ordering::Acquire) {
            if advertised.is_none_or(|then| then.elapsed() >= PERIOD) {
                advertised = Some(Instant::now());
                self.advertise();
            }
            if let Ok(read) = self.wire.recv(&mut frame) {
                self.hear(&frame[..read]);
            }
            while let Some(read) = self.fed(&mut frame) {
                if let Some((mac, address)) = self.machine {
                    let datagram = datagram(MEDIA_PORT, MEDIA_PORT, &frame[..read]);
                    self.send(mac, address, UDP, &datagram);
                }
            }
        }
    }

    /// What has come to be handed on, without a wait once the first is there.
    fn fed(&self, frame: &mut [u8]) -> Option<usize> {
        self.feed.set_nonblocking(true).expect("a socket");
        self.feed.recv(frame).ok()
    }

    /// RFC 4861, 4.2; RFC 8106, 5.1. No default router: that is QEMU's own.
    fn advertise(&self) {
        let mut body = vec![134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        body.extend(MAC);
        body.extend([25, 3, 0, 0]);
        body.extend(1200_u32.to_be_bytes());
        body.extend(ADDRESS.octets());
        self.send([0x33, 0x33, 0, 0, 0, 1], ALL_NODES, ICMP, &body);
    }

    fn hear(&mut self, frame: &[u8]) {
        let Some((head, payload)) = frame.split_first_chunk::<54>() else { return };
        if head[12..14] != [0x86, 0xdd] {
            return;
        }
        let address =
            |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&head[at..at + 16]).expect("16 bytes"));
        let mac: [u8; 6] = head[6..12].try_into().expect("6 bytes");
        let (from, to) = (address(22), address(38));
        let own_link = from.is_unicast_link_local();
        // Of QEMU's own router nothing comes here but its frames to everybody.
        match (head[20], payload) {
            (ICMP, [133, ..]) => self.advertise(),
            (ICMP, [135, _, _, _, _, _, _, _, target @ ..])
                if target.starts_with(&ADDRESS.octets()) && !from.is_unspecified() =>
            {
                // RFC 4861, 4.4: solicited, and in the place of what was known.
                let mut body = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
                body.extend(ADDRESS.octets());
                body.extend([2, 1]);
                body.extend(MAC);
                self.machine = own_link.then_some((mac, from)).or(self.machine);
                self.send(mac, from, ICMP, &body);
            }
            (UDP, [a, b, 0, 53, _, _, _, _, question @ ..]) if to == ADDRESS => {
                if let Some(answer) = self.answer(question) {
                    let port = u16::from_be_bytes([*a, *b]);
                    self.machine = Some((mac, from));
                    self.send(mac, from, UDP, &datagram(53, port, &answer));
                }
            }
            _ => {}
        }
    }

    /// RFC 1035, 4.1; RFC 3596, 2.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (head, rest) = question.split_first_chunk::<12>()?;
        let (mut name, mut at) = (Vec::new(), 0);
        while let Some(length @ 1..) = rest.get(at).map(|length| usize::from(*length)) {
            name.push(String::from_utf8_lossy(rest.get(at + 1..at + 1 + length)?).into_owned());
            at += 1 + length;
        }
        let question = rest.get(..at + 5)?;
        let name = name.join(".");
        let is_known = name == NAME;
        self.asked.lock().expect("no panic").push(name);
        let has_address = is_known && rest.get(at + 1..at + 3) == Some(&[0, 28]);
        let mut answer = head[..2].to_vec();
        answer.extend([0x81, if is_known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(has_address)]);
        answer.extend([0; 4]);
        answer.extend(question);
        if has_address {
            answer.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 60, 0, 16]);
            answer.extend(ORIGIN.octets());
        }
        Some(answer)
    }

    /// Sends a packet of its own; its checksum is put in, where the protocol has it.
    fn send(&self, mac: [u8; 6], to: Ipv6Addr, protocol: u8, payload: &[u8]) {
        let mut payload = payload.to_vec();
        let length = u16::try_from(payload.len()).expect("a short packet");
        let mut summed = [ADDRESS.octets(), to.octets()].concat();
        summed.extend(u32::from(length).to_be_bytes());
        summed.extend([0, 0, 0, protocol]);
        summed.extend(&payload);
        let at = if protocol == UDP { 6 } else { 2 };
        payload[at..at + 2].copy_from_slice(&checksum(&summed).to_be_bytes());
        let mut frame = [mac, MAC].concat();
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(length.to_be_bytes());
        frame.extend([protocol, 255]);
        frame.extend(ADDRESS.octets());
        frame.extend(to.octets());
        frame.extend(payload);
        // A machine that is off hears nothing.
        let _ = self.wire.send_to(&frame, self.qemu);
    }
}

/// A UDP datagram without its checksum.
fn datagram(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a short datagram");
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
    bytes.extend(payload);
    bytes
}

/// RFC 1071; zero means none in UDP.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [a, b] => u32::from(u16::from_be_bytes([a, b])),
        [a] => u32::from(a) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !u16::try_from(sum).expect("folded") {
        0 => 0xffff,
        sum => sum,
    }
}

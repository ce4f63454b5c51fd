//! A time server (SNTP: RFC 4330) on an emulated machine's network, which tells the time of this host, or
//! what no client may believe. Bound: one answer a question.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::machine::HOST;

const EPOCH_S: u64 = 2_208_988_800;
/// What one that is not to be believed says, where it says a time: ten years from now.
const AHEAD_S: u64 = 10 * 365 * 86_400;

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The time.
    Right,
    /// Half a packet.
    Short,
    /// A kiss of death: `DENY`.
    Refusal,
    /// That it does not know the time itself.
    Unsynchronised,
    /// As a client would.
    NoServer,
    /// To a question that nobody asked.
    Stranger,
    /// That it had the question for longer than the answer took.
    Held,
    /// No time at all.
    Empty,
}

/// A server that runs until its process ends.
pub struct TimeServer {
    /// Where the machine finds it.
    pub address: String,
    answer: Arc<Mutex<Answer>>,
}

impl TimeServer {
    /// Switches one on.
    pub fn start() -> TimeServer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = format!("{HOST}:{}", socket.local_addr().expect("it is bound").port());
        let answer = Arc::new(Mutex::new(Answer::Right));
        let own = Arc::clone(&answer);
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((bytes, from)) = socket.recv_from(&mut question) {
                let nonce = question.get(40..bytes).and_then(|rest| rest.first_chunk::<8>());
                if let Some(nonce) = nonce {
                    let answer = *own.lock().expect("no panic");
                    let _ = socket.send_to(&packet(answer, *nonce), from);
                }
            }
        });
        TimeServer { address, answer }
    }

    /// From now on it answers so.
    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().expect("no panic") = answer;
    }
}

/// RFC 5905, 7.3.
fn packet(answer: Answer, nonce: [u8; 8]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("this host's clock is set");
    let ahead_s = if answer == Answer::Right { 0 } else { AHEAD_S };
    let stamp = |ahead: Duration| {
        let time = now + ahead;
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        ((time.as_secs() + EPOCH_S) << 32 | fraction).to_be_bytes()
    };
    let ahead = Duration::from_secs(ahead_s);
    let held = if answer == Answer::Held { Duration::from_secs(60) } else { Duration::ZERO };
    let mode = if answer == Answer::NoServer { 3 } else { 4 };
    let leap = if answer == Answer::Unsynchronised { 3 } else { 0 };
    let stratum = if answer == Answer::Refusal { 0 } else { 2 };
    let mut packet = vec![leap << 6 | 4 << 3 | mode, stratum, 6, 0xec];
    packet.extend([0; 8]);
    packet.extend(b"DENY");
    packet.extend(stamp(ahead));
    packet.extend(if answer == Answer::Stranger { [7; 8] } else { nonce });
    packet.extend(if answer == Answer::Empty { [0; 8] } else { stamp(ahead) });
    packet.extend(if answer == Answer::Empty { [0; 8] } else { stamp(ahead + held) });
    if answer == Answer::Short {
        packet.truncate(24);
    }
    packet
}

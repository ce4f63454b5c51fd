use super::*;

const NONCE: [u8; 8] = [9, 1, 8, 2, 7, 3, 6, 4];
const TRIP: Duration = Duration::from_millis(40);

/// A timestamp of a time in ns since 1970.
fn stamp(ns: i128) -> [u8; 8] {
    let since = ns + EPOCH_S * NS_PER_S;
    let (s, rest) = (since.div_euclid(NS_PER_S), since.rem_euclid(NS_PER_S));
    let fraction = (rest << 32) / NS_PER_S;
    u64::try_from((s % ERA_S) << 32 | fraction).unwrap().to_be_bytes()
}

/// A good answer of a server whose clock shows `ns` while it holds the question for 10 ms.
fn answer(ns: i128) -> Vec<u8> {
    let mut packet = vec![4 << 3 | 4, 2, 6, 0xec];
    packet.resize(12, 0);
    packet.extend(b"GPS\0");
    packet.extend(stamp(ns - 60 * NS_PER_S));
    packet.extend(NONCE);
    packet.extend(stamp(ns));
    packet.extend(stamp(ns + 10 * NS_PER_MS));
    packet
}

const NOW: i128 = 1_800_000_000 * NS_PER_S;

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = answer(NOW);
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

fn near(one: i128, other: i128) -> bool {
    (one - other).abs() < 1000
}

#[test]
fn a_question_says_what_it_is_and_nothing_else() {
    let packet = question(NONCE);
    assert_eq!(packet[0], 0x23);
    assert_eq!(packet[40..], NONCE);
    assert!(packet[1..40].iter().all(|&byte| byte == 0));
}

#[test]
fn half_of_the_trip_is_the_way_there() {
    // The question arrives after 15 ms; the server's clock is 5 s ahead.
    let sent = NOW - 15 * NS_PER_MS - 5 * NS_PER_S;
    let off = offset(&answer(NOW), NONCE, sent, TRIP).unwrap();
    assert!(near(off, 5 * NS_PER_S), "{off}");
    // What follows the packet, a key's digest, changes nothing.
    let mut longer = answer(NOW);
    longer.extend([7; 20]);
    assert_eq!(offset(&longer, NONCE, sent, TRIP), Ok(off));
    // A clock that begins in 1970, and one that is ahead of its time.
    let off = offset(&answer(NOW), NONCE, 0, TRIP).unwrap();
    assert!(near(off, NOW - 15 * NS_PER_MS), "{off}");
    let off = offset(&answer(NOW), NONCE, 2 * NOW, TRIP).unwrap();
    assert!(near(off, -NOW - 15 * NS_PER_MS), "{off}");
}

#[test]
fn the_era_changes_in_2036() {
    const TURN_S: i128 = ERA_S - EPOCH_S;
    assert_eq!(TURN_S, 2_085_978_496, "7 February 2036, 06:28:16");
    for s in [0, 1, TURN_S - 1, TURN_S + 1, TURN_S + (1 << 31) - 1] {
        let time = since_1970(stamp(s * NS_PER_S)).unwrap();
        assert_eq!(time, s * NS_PER_S);
    }
    assert_eq!(since_1970([0, 0, 0, 0, 0, 0, 0, 1]), Some(TURN_S * NS_PER_S));
    assert_eq!(since_1970([0; 8]), None);
    // Asked before the turn, answered behind it.
    let turn = TURN_S * NS_PER_S;
    let off = offset(&answer(turn + 5 * NS_PER_MS), NONCE, turn - 10 * NS_PER_MS, TRIP).unwrap();
    assert!(near(off, 0), "{off}");
}

#[test]
fn what_is_wrong_is_not_believed() {
    let sent = NOW - 15 * NS_PER_MS;
    let cases: [(&str, Vec<u8>, BadAnswer); 14] = [
        ("nothing", vec![], BadAnswer::Short),
        ("cut", answer(NOW)[..47].to_vec(), BadAnswer::Short),
        ("our own question", question(NONCE).to_vec(), BadAnswer::NotAServer),
        ("a broadcast", with(0, &[4 << 3 | 5]), BadAnswer::NotAServer),
        ("a control message", with(0, &[4 << 3 | 6]), BadAnswer::NotAServer),
        ("version 2", with(0, &[2 << 3 | 4]), BadAnswer::NotAServer),
        ("another's nonce", with(24, &[0]), BadAnswer::NotOurs),
        ("leap alarm", with(0, &[3 << 6 | 4 << 3 | 4]), BadAnswer::Unsynchronised),
        ("stratum 16", with(1, &[16]), BadAnswer::Unsynchronised),
        ("kiss of death", [&with(1, &[0])[..12], b"RATE", &answer(NOW)[16..]].concat(), {
            BadAnswer::Refused(*b"RATE")
        }),
        ("no transmit time", with(40, &[0; 8]), BadAnswer::NoTime),
        ("no receive time", with(32, &[0; 8]), BadAnswer::NoTime),
        ("sent before it came", with(40, &stamp(NOW - NS_PER_MS)), BadAnswer::NoTime),
        ("held longer than it took", with(40, &stamp(NOW + 50 * NS_PER_MS)), BadAnswer::NoTime),
    ];
    for (what, packet, bad) in cases {
        assert_eq!(offset(&packet, NONCE, sent, TRIP), Err(bad), "{what}");
    }
    assert!(offset(&answer(NOW), NONCE, sent, TRIP).is_ok());
    let slow = Duration::from_millis(CLOCK_ROUND_TRIP_MS_MAX);
    assert_eq!(offset(&answer(NOW), NONCE, sent, slow), Err(BadAnswer::TooSlow));
    // A stranger who does not know the nonce cannot make us leave the server alone.
    let mut forged = with(1, &[0]);
    forged[24] ^= 1;
    assert_eq!(offset(&forged, NONCE, sent, TRIP), Err(BadAnswer::NotOurs));
}

#[test]
fn no_answer_whatever_it_holds_brings_more_than_a_sentence() {
    let mut dice = fastrand::Rng::with_seed(1123);
    let good = answer(NOW);
    for _ in 0..20_000 {
        let mut packet = good.clone();
        packet.truncate(dice.usize(..=good.len()));
        for _ in 0..dice.usize(..6) {
            if let Some(byte) = dice.choose_multiple(packet.iter_mut(), 1).pop() {
                *byte = dice.u8(..);
            }
        }
        if let Err(bad) = offset(&packet, NONCE, i128::from(dice.i64(..)), TRIP) {
            assert!(bad.to_string().bytes().all(|byte| (32..127).contains(&byte)), "{bad}");
        }
    }
}

#[test]
fn a_server_is_a_name_or_an_address_with_or_without_a_port() {
    let port = |server: &str| addresses(server).map(|found| found[0].port()).ok();
    assert_eq!(port("127.0.0.1"), Some(123));
    assert_eq!(port("127.0.0.1:4321"), Some(4321));
    assert_eq!(port("::1"), Some(123));
    assert_eq!(port("[::1]"), Some(123));
    assert_eq!(port("[::1]:4321"), Some(4321));
    assert_eq!(port("127.0.0.1:x"), None);
}

/// What a server makes of a question.
type Answer = fn(&[u8]) -> Vec<u8>;

/// A time server on loopback that gives one answer to each question, made from it.
fn server(answers: Vec<Answer>) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut packet = [0; 128];
        let (bytes, from) = socket.recv_from(&mut packet).unwrap();
        for answer in answers {
            socket.send_to(&answer(&packet[..bytes]), from).unwrap();
        }
    });
    address
}

/// The answer of a server whose clock is right but for `off`.
fn honest(question: &[u8], off: i128) -> Vec<u8> {
    let mut packet = answer(now() + off);
    packet[24..32].copy_from_slice(&question[40..48]);
    let received: [u8; 8] = packet[32..40].try_into().unwrap();
    packet[40..48].copy_from_slice(&received);
    packet
}

#[test]
fn a_server_on_loopback_is_asked_and_believed() {
    let said = set(&server(vec![|question| honest(question, 0)]), true).unwrap();
    assert!(said.starts_with("right: "), "{said}");
    assert!(said.contains(" ms "), "{said}");
    let said = set(&server(vec![|question| honest(question, 3600 * NS_PER_S)]), true).unwrap();
    assert!(said.starts_with("not set: 3600 s slow by 127.0.0.1:"), "{said}");
    let said =
        set(&server(vec![|question| honest(question, -(20_636 * 86_400 + 3600) * NS_PER_S)]), true)
            .unwrap();
    assert!(said.starts_with("not set: 20636 days fast by "), "{said}");
}

#[test]
fn a_forged_answer_does_not_end_the_wait_and_a_bad_one_does() {
    let answers: Vec<Answer> = vec![|_| answer(0), |question| honest(question, 20 * NS_PER_S)];
    let said = set(&server(answers), true).unwrap();
    assert!(said.starts_with("not set: "), "{said}");
    assert!(said.contains(" s slow "), "{said}");
    let why = set(&server(vec![|_| vec![0; 3]]), true).unwrap_err();
    assert!(why.ends_with("the answer is too short"), "{why}");
}

#[test]
fn nobody_there_is_an_error_in_time() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    assert!(set(&free.to_string(), true).is_err());
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let why = set(&silent.local_addr().unwrap().to_string(), true).unwrap_err();
    assert!(why.contains("no answer"), "{why}");
    assert!(begun.elapsed() < 3 * Duration::from_millis(CLOCK_ASK_MS_MAX));
}

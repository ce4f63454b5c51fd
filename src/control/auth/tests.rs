use super::*;
use crate::control::auth::caller::{Credentials, NOBODY};
use crate::control::auth::remembered::REMEMBERED_MS_MAX;
use crate::control::auth::throttle::TRIES_FREE;
use crate::system::password::cheap;

const WORD: &str = "correct horse";
/// `u:correct horse`, and `u:wrong`.
const RIGHT: &str = "Basic dTpjb3JyZWN0IGhvcnNl";
const WRONG: &str = "Basic dTp3cm9uZw==";
const TOKEN: &str = "00112233";
const NOON: Mono = Mono::from_ms(43_200_000);

fn caller<'a>(peer: &str, cookie: &'a str, authorization: &'a str) -> Caller<'a> {
    Caller {
        peer: peer.parse().ok(),
        host: "localhost:8080",
        credentials: Credentials { cookie, authorization },
        ..NOBODY
    }
}

fn guarded() -> (Auth, MutexGuard<'static, ()>) {
    let (hash, alone) = cheap(WORD);
    (Auth::new(Some(hash), Some(Secret::new(TOKEN))).unwrap(), alone)
}

fn known(auth: &Auth, caller: &Caller<'_>, now: Mono) -> Result<Who, Refused> {
    auth.judge(caller, Right::Known, true, now)
}

#[test]
fn the_probes_token_counts_on_this_machine_only() {
    let (auth, _alone) = guarded();
    let bearer = format!("Bearer {TOKEN}");
    for (peer, authorization, wanted) in [
        ("127.0.0.1", bearer.as_str(), Ok(Who::Probe)),
        ("::1", &bearer, Ok(Who::Probe)),
        ("192.168.1.2", &bearer, Err(Refused::LoginNeeded)),
        ("127.0.0.1", "Bearer 00112234", Err(Refused::LoginNeeded)),
        ("127.0.0.1", "Bearer ", Err(Refused::LoginNeeded)),
        ("127.0.0.1", "Basic 00112233", Err(Refused::WrongPassword)),
    ] {
        assert_eq!(known(&auth, &caller(peer, "", authorization), NOON), wanted, "{authorization}");
    }
    let open = Auth::new(None, Some(Secret::new(TOKEN))).unwrap();
    assert_eq!(known(&open, &caller("127.0.0.1", "", &bearer), NOON), Ok(Who::Probe));
    let without = Auth::new(None, None).unwrap();
    for (auth, authorization) in [(&open, RIGHT), (&open, ""), (&without, "Bearer ")] {
        let asking = caller("127.0.0.1", "", authorization);
        assert_eq!(known(auth, &asking, NOON), Err(Refused::CodeNeeded), "{authorization}");
        assert_eq!(auth.judge(&asking, Right::Known, false, NOON), Ok(Who::Loopback));
    }
}

/// Without a password, and with a code.
fn open() -> (Auth, String) {
    let auth = Auth::new(None, None).unwrap();
    let code = Code::new(std::path::Path::new("/dev/null/none")).unwrap();
    let typed = code.secret().expose().to_owned();
    auth.take_code(Some(code));
    (auth, typed)
}

#[test]
fn the_code_opens_sessions_until_a_password_is_set() {
    let ((auth, typed), here) = (open(), "127.0.0.1".parse().unwrap());
    let enter = |typed: &str| auth.open_by_code(typed, here, NOON).map(Result::unwrap);
    let tokens = [enter(&typed).unwrap(), enter(&format!(" {} ", typed.to_uppercase())).unwrap()];
    assert_eq!(enter("abcdefghjkmn"), Err(Refused::WrongPageCode));
    let fields = tokens.map(|token| format!("{}={token}", cookie::NAME));
    let who = |field: &str| known(&auth, &caller("127.0.0.1", field, ""), NOON);
    let ids = fields.each_ref().map(|field| match who(field) {
        Ok(Who::Session(id)) => id,
        other => panic!("{other:?}"),
    });
    assert_eq!(
        known(&auth, &caller("192.0.2.1", &fields[0], ""), NOON),
        Err(Refused::PasswordNotSet),
        "a session of this machine is not for others"
    );
    let (hash, _alone) = cheap(WORD);
    auth.replace_password(Some(hash), Some(ids[0]));
    assert_eq!(who(&fields[0]), Ok(Who::Session(ids[0])), "who sets it goes on");
    assert_eq!(who(&fields[1]), Err(Refused::LoginNeeded));
    assert_eq!(enter(&typed), Err(Refused::LoginNeeded));
    auth.set_password(None);
    assert_eq!(who(&fields[0]), Err(Refused::CodeNeeded));
}

#[test]
fn who_guesses_the_code_waits() {
    let ((auth, typed), here) = (open(), "127.0.0.1".parse().unwrap());
    let enter = |typed: &str, now| auth.open_by_code(typed, here, now).map(Result::unwrap);
    for _ in 0..TRIES_FREE {
        assert_eq!(enter("abcdefghjkmn", NOON), Err(Refused::WrongPageCode));
    }
    assert_eq!(enter(&typed, NOON), Err(Refused::TooManyTries(1)));
    assert!(enter(&typed, NOON + std::time::Duration::from_secs(1)).is_ok());
}

#[test]
fn a_session_goes_before_a_wrong_password() {
    let (auth, _alone) = guarded();
    let token = auth.open_session(NOON).unwrap();
    let cookie = format!("a=b; {}={token}", cookie::NAME);
    let who = known(&auth, &caller("192.0.2.1", &cookie, WRONG), NOON);
    assert!(matches!(who, Ok(Who::Session(_))), "{who:?}");
    let same = auth.lock().password.clone();
    auth.set_password(same);
    let who = known(&auth, &caller("192.0.2.1", &cookie, ""), NOON);
    assert_eq!(who, Err(Refused::LoginNeeded), "another password ends all sessions");
}

#[test]
fn a_wrong_password_of_basic_makes_wait_and_remembered_ones_are_no_way_round() {
    let (auth, _alone) = guarded();
    let ask = |peer, field, now| known(&auth, &caller(peer, "", field), now);
    assert_eq!(ask("192.0.2.1", RIGHT, NOON), Ok(Who::Basic));
    for _ in 0..TRIES_FREE {
        assert_eq!(ask("192.0.2.1", WRONG, NOON), Err(Refused::WrongPassword));
    }
    // What is remembered from there does not tell either whether a guess was right.
    for field in [WRONG, RIGHT] {
        assert_eq!(ask("192.0.2.1", field, NOON), Err(Refused::TooManyTries(1)));
    }
    let later = NOON + std::time::Duration::from_secs(1);
    assert_eq!(ask("192.0.2.1", RIGHT, later), Ok(Who::Basic));
    assert_eq!(ask("192.0.2.1", WRONG, later), Err(Refused::WrongPassword));
    let wait = ask("192.0.2.1", RIGHT, later);
    assert_eq!(wait, Err(Refused::TooManyTries(2)), "a remembered one takes nothing back");
}

#[test]
fn a_right_password_is_not_computed_again_for_a_while() {
    let (auth, _alone) = guarded();
    let ask = |field, now| known(&auth, &caller("127.0.0.1", "", field), now);
    assert_eq!(ask(RIGHT, NOON), Ok(Who::Basic));
    // With another hash in its place, which sessions and memory do not hear of.
    let other = PasswordHash::parse(
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    );
    auth.lock().password = other.ok();
    let last = Mono::from_ms(NOON.to_ms() + REMEMBERED_MS_MAX - 1);
    assert_eq!(ask(RIGHT, last), Ok(Who::Basic));
    let after = Mono::from_ms(NOON.to_ms() + REMEMBERED_MS_MAX);
    assert_eq!(ask(RIGHT, after), Err(Refused::WrongPassword));
    let again = Auth::new(auth.lock().password.clone(), None).unwrap();
    assert_eq!(known(&again, &caller("127.0.0.1", "", RIGHT), NOON), Err(Refused::WrongPassword));
}

#[test]
fn a_change_of_the_password_forgets_the_one_before() {
    let (auth, alone) = guarded();
    assert_eq!(known(&auth, &caller("127.0.0.1", "", RIGHT), NOON), Ok(Who::Basic));
    drop(alone);
    let (hash, _alone) = cheap("another one");
    auth.set_password(Some(hash));
    let who = known(&auth, &caller("127.0.0.1", "", RIGHT), NOON);
    assert_eq!(who, Err(Refused::WrongPassword));
}

#[test]
fn a_botnet_does_not_keep_sessions_nor_this_machine_out() {
    let (auth, _alone) = guarded();
    let token = auth.open_session(NOON).unwrap();
    let cookie = format!("{}={token}", cookie::NAME);
    let tried =
        (1..=50).map(|n| known(&auth, &caller(&format!("198.51.100.{n}"), "", WRONG), NOON));
    let computed = tried.filter(|who| *who == Err(Refused::WrongPassword)).count();
    assert!((1..10).contains(&computed), "{computed}");
    assert!(known(&auth, &caller("192.0.2.1", &cookie, ""), NOON).is_ok());
    assert_eq!(known(&auth, &caller("127.0.0.1", "", RIGHT), NOON), Ok(Who::Basic));
    let stranger = known(&auth, &caller("192.0.2.1", "", RIGHT), NOON);
    assert_eq!(stranger, Err(Refused::TooManyTries(1)));
}

/// A botnet that guesses since long, and asks again before each of these.
fn besiege(auth: &Auth, now: Mono) {
    for n in 1..=50 {
        let _ = known(auth, &caller(&format!("{n}.51.100.7"), "", WRONG), now);
    }
}

#[test]
fn a_botnet_does_not_keep_out_who_logged_in_before() {
    let (auth, _alone) = guarded();
    let at = |s: u64| Mono::from_ms(NOON.to_ms() + s * 1000);
    assert_eq!(known(&auth, &caller("203.0.113.5", "", RIGHT), at(0)), Ok(Who::Basic));
    let token = auth.open_session(at(0)).unwrap();
    let cookie = format!("{}={token}", cookie::NAME);
    // A day later the session is over, and what was remembered of the password too.
    besiege(&auth, at(86_400));
    assert_eq!(known(&auth, &caller("203.0.113.5", "", RIGHT), at(86_400)), Ok(Who::Basic));
    besiege(&auth, at(86_410));
    let elsewhere = known(&auth, &caller("192.0.2.77", "", RIGHT), at(86_410));
    assert!(matches!(elsewhere, Err(Refused::TooManyTries(_))), "{elsewhere:?}");
    let elsewhere = known(&auth, &caller("192.0.2.77", &cookie, RIGHT), at(86_410));
    assert_eq!(elsewhere, Ok(Who::Basic), "its browser was logged in before");
    // Wrong ones make known addresses wait as they make any other.
    let asked = (0..9).map(|_| known(&auth, &caller("203.0.113.5", "", WRONG), at(90_000)));
    let refused = asked.filter(|who| *who == Err(Refused::WrongPassword)).count();
    assert_eq!(refused, TRIES_FREE as usize);
}

#[test]
fn from_a_new_address_a_log_in_waits_for_its_turn_among_those_who_guess() {
    let (auth, _alone) = guarded();
    // With a number in whose lanes these two networks are apart.
    auth.lock().throttle = Throttle::new(3);
    // One network guesses for ten minutes.
    let mut ms = 0;
    while ms < 600_000 {
        let bot = format!("198.51.100.{}", ms / 100 % 250);
        let _ = known(&auth, &caller(&bot, "", WRONG), Mono::from_ms(NOON.to_ms() + ms));
        ms += 100;
    }
    let mut waited_s = 0;
    loop {
        let now = Mono::from_ms(NOON.to_ms() + ms + waited_s * 1000);
        let _ = known(&auth, &caller("198.51.100.251", "", WRONG), now);
        match known(&auth, &caller("203.0.113.5", "", RIGHT), now) {
            Err(Refused::TooManyTries(s)) => waited_s += s,
            who => {
                assert_eq!(who, Ok(Who::Basic));
                break;
            }
        }
    }
    assert!(waited_s <= 2, "{waited_s}");
}

use std::fs;

use super::super::{Auth, Refused};
use super::*;
use crate::control::auth::throttle::TRIES_FREE;
use crate::system::password::cheap;

const CODE: &str = "abcdefghjkmn";
const WORD: &str = "pqrstuvwxyz2";
const FROM: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 9));
/// A day in 2026, seconds of the epoch, and the hours since then.
const MADE_S: u64 = 1_795_350_474;
const HOUR_MS: u64 = 3_600_000;

/// A folder for state with a code in it, and a program whose password is `WORD`.
struct Place {
    state: PathBuf,
    auth: Auth,
}

impl Place {
    fn new(name: &str, made_s: u64) -> Place {
        let name = format!("streamcaster-setup-{name}-{}", std::process::id());
        let state = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state).unwrap();
        let (hash, _alone) = cheap(WORD);
        let text = format!("{CODE}\n{WORD}\n{}\n{made_s}\n", hash.secret().expose());
        fs::write(state.join(FILE_NAME), text).unwrap();
        let place = Place { state, auth: Auth::new(Some(hash), None).unwrap() };
        place.begin(0);
        place
    }

    /// What a start of the program does.
    fn begin(&self, ms: u64) {
        self.auth.offer(Setup::load(&self.state, Mono::from_ms(ms)));
    }

    fn is_there(&self) -> bool {
        self.state.join(FILE_NAME).exists()
    }

    fn use_at(&self, code: &str, (ms, utc_ms): (u64, u64)) -> Result<String, Refused> {
        let password = self.auth.redeem(code, FROM, (Mono::from_ms(ms), Utc(utc_ms)));
        password.map(|password| password.expose().to_owned())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.state);
    }
}

/// So many milliseconds after the code was made, by both clocks.
const fn after(ms: u64) -> (u64, u64) {
    (ms, MADE_S * 1000 + ms)
}

#[test]
fn the_code_is_good_once_and_its_file_goes_before_the_answer() {
    let place = Place::new("once", MADE_S);
    for (hour, wrong) in ["", "abcdefghjkmm", "abcdefghjkm", WORD].into_iter().enumerate() {
        let at = after((hour as u64 + 2) * HOUR_MS);
        assert_eq!(place.use_at(wrong, at), Err(Refused::WrongCode), "{wrong}");
    }
    assert!(place.is_there());
    assert_eq!(place.use_at(CODE, after(9 * HOUR_MS)).as_deref(), Ok(WORD));
    assert!(!place.is_there());
    assert_eq!(place.use_at(CODE, after(9 * HOUR_MS)), Err(Refused::WrongCode));
    place.begin(0);
    assert_eq!(place.use_at(CODE, after(9 * HOUR_MS)), Err(Refused::WrongCode));
}

#[test]
fn a_disk_that_cannot_be_written_to_gives_no_password_away_twice() {
    let place = Place::new("stays", MADE_S);
    fs::remove_file(place.state.join(FILE_NAME)).unwrap();
    // A folder in the file's place is not removed as a file, whoever asks.
    fs::create_dir(place.state.join(FILE_NAME)).unwrap();
    assert_eq!(place.use_at(CODE, after(0)), Err(Refused::CodeStays));
    fs::remove_dir(place.state.join(FILE_NAME)).unwrap();
    assert_eq!(place.use_at(CODE, after(0)).as_deref(), Ok(WORD), "it was not used");
}

#[test]
fn wrong_codes_are_rationed_like_passwords() {
    let place = Place::new("rationed", MADE_S);
    for _ in 0..TRIES_FREE {
        assert_eq!(place.use_at("wrong", after(0)), Err(Refused::WrongCode));
    }
    assert!(matches!(place.use_at(CODE, after(0)), Err(Refused::TooManyTries(_))));
    assert_eq!(place.use_at(CODE, after(60_000)).as_deref(), Ok(WORD));
}

#[test]
fn it_dies_after_a_day_by_either_clock() {
    for (name, at, good) in [
        ("young", after(SETUP_MS_MAX - 1000), true),
        ("old", after(SETUP_MS_MAX), false),
        // The machine was off meanwhile.
        ("slept", (0, MADE_S * 1000 + SETUP_MS_MAX), false),
        // The clock went back.
        ("back", (SETUP_MS_MAX, MADE_S * 1000 - SETUP_MS_MAX), false),
    ] {
        let place = Place::new(name, MADE_S);
        assert_eq!(place.use_at(CODE, at).is_ok(), good, "{name}");
        let place = Place::new(name, MADE_S);
        place.auth.tend_setup(Mono::from_ms(at.0), Utc(at.1));
        assert_eq!(place.is_there(), good, "{name}");
    }
}

#[test]
fn a_clock_in_1970_dates_it_once_it_is_set() {
    let place = Place::new("unset", 30);
    let now = |hours: u64| (hours * HOUR_MS, MADE_S * 1000 + hours * HOUR_MS);
    place.auth.tend_setup(Mono::from_ms(1000), Utc(31_000));
    let (ms, utc_ms) = now(2);
    place.auth.tend_setup(Mono::from_ms(ms), Utc(utc_ms));
    assert!(place.is_there(), "56 years are no age");
    // The program begins again, and counts from when the clock was set.
    place.begin(0);
    assert!(place.use_at(CODE, (0, now(26).1)).is_err());
    assert_eq!(place.use_at(CODE, (0, now(25).1)).as_deref(), Ok(WORD));
}

#[test]
fn it_dies_with_another_password() {
    let place = Place::new("another", MADE_S);
    let (other, _alone) = cheap(WORD);
    place.auth.set_password(Some(other));
    assert_eq!(place.use_at(CODE, after(0)), Err(Refused::WrongCode));
    place.auth.tend_setup(Mono::from_ms(0), Utc(MADE_S * 1000));
    assert!(!place.is_there());
}

#[test]
fn what_is_no_code_is_removed_and_no_secret_is_shown() {
    let place = Place::new("garbage", MADE_S);
    let whole = fs::read_to_string(place.state.join(FILE_NAME)).unwrap();
    for cut in 0..whole.len() - 1 - "1795350474".len() {
        fs::write(place.state.join(FILE_NAME), whole.get(..cut).unwrap()).unwrap();
        assert!(Setup::load(&place.state, Mono::from_ms(0)).is_none(), "{cut}");
        assert!(!place.is_there());
    }
    for bytes in ["a\nb\nc\n1\n".as_bytes(), b"\xff\xfe", &[b'x'; 70_000]] {
        fs::write(place.state.join(FILE_NAME), bytes).unwrap();
        assert!(Setup::load(&place.state, Mono::from_ms(0)).is_none());
    }
}

//! The password of the control page, as its hash. Purpose: a password is made into an argon2id hash
//! (RFC 9106) in the PHC string format, and checked against one. Non-goals: who may do what, how
//! often somebody may try. Bounds: one hash is computed at a time in the process, in one area of
//! memory kept for it, as large as [`PasswordHash::bytes`] says, and [`PASSWORD_WAITING_MAX`] wait
//! for their turn; a configured hash asks for [`PASSWORD_HASH_KIB_MAX`] KiB,
//! [`PASSWORD_HASH_PASSES_MAX`] passes and [`PASSWORD_HASH_LANES_MAX`] lanes at most.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::password_hash::{Output, ParamsString, PasswordHash as Phc, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::random;
use crate::base::limits::{
    PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PASSWORD_HASH_KIB, PASSWORD_HASH_KIB_MAX,
    PASSWORD_HASH_LANES_MAX, PASSWORD_HASH_PASSES, PASSWORD_HASH_PASSES_MAX,
    PASSWORD_HASH_TEXT_BYTES_MAX, PASSWORD_WAITING_MAX,
};
use crate::base::redact::Secret;

/// Time a request waits for the one hash that may be computed at a time.
const PASSWORD_WAIT_MS_MAX: u64 = 2_000;
/// Bytes of the salt of a hash made here (RFC 9106, 3.1: 16 are recommended).
const SALT_BYTES: usize = 16;
/// Fewer bytes of hash are guessed rather than computed.
const OUTPUT_BYTES_MIN: usize = 16;
/// The longest salt the PHC string format has.
const SALT_BYTES_MAX: usize = 48;

/// Why a text is no hash that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// Not a PHC string of argon2id, version 19, with salt and hash.
    Syntax,
    /// It asks for more memory, passes or lanes than there may be.
    TooCostly,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashError::Syntax => f.write_str(
                "expected an argon2id hash as `streamcaster hash-password` prints it, never the \
                 password itself",
            ),
            HashError::TooCostly => write!(
                f,
                "expected an argon2id hash with m={PASSWORD_HASH_KIB_MAX}, \
                 t={PASSWORD_HASH_PASSES_MAX} and p={PASSWORD_HASH_LANES_MAX} at most"
            ),
        }
    }
}

/// Why a hash cannot be computed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashUnavailable {
    /// Others are being computed.
    Busy,
    /// There is not enough memory.
    Memory,
    /// The kernel has no random bytes.
    Random,
}

impl fmt::Display for HashUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HashUnavailable::Busy => "Other passwords are being checked; try again in a moment.",
            HashUnavailable::Memory => {
                "There is not enough memory to check a password; try again in a moment."
            }
            HashUnavailable::Random => "The system has no random numbers; try again later.",
        })
    }
}

/// Why a new password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    Short,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    Long,
    /// It holds a control character, which no form would send.
    Control,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Short => {
                write!(f, "The password must have {PASSWORD_CHARS_MIN} characters at least.")
            }
            Unfit::Long => write!(f, "The password may have {PASSWORD_BYTES_MAX} bytes at most."),
            Unfit::Control => f.write_str("The password may not have control characters."),
        }
    }
}

/// Whether a text may become a password.
///
/// # Errors
/// The first reason why not.
pub fn fit(password: &str) -> Result<(), Unfit> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Unfit::Long);
    }
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Unfit::Short);
    }
    if password.chars().any(char::is_control) {
        return Err(Unfit::Control);
    }
    Ok(())
}

/// An argon2id hash of a password; neither `Debug` nor an error shows any of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    text: Secret,
    kib: u32,
}

impl PasswordHash {
    /// Reads a PHC string, `$argon2id$v=19$m=7168,t=5,p=1$salt$hash`.
    ///
    /// # Errors
    /// It is none, or it would cost too much.
    pub fn parse(text: &str) -> Result<PasswordHash, HashError> {
        let kib = Parts::of(text)?.params.m_cost();
        Ok(PasswordHash { text: Secret::new(text), kib })
    }

    /// Makes the hash of a password with a salt of its own.
    ///
    /// # Errors
    /// It cannot be computed now.
    pub fn of(password: &str) -> Result<PasswordHash, HashUnavailable> {
        let cost = Params::new(PASSWORD_HASH_KIB, PASSWORD_HASH_PASSES, 1, None);
        Self::with(&cost.map_err(|_| HashUnavailable::Memory)?, password)
    }

    fn with(params: &Params, password: &str) -> Result<PasswordHash, HashUnavailable> {
        let salt = random::bytes::<SALT_BYTES>().map_err(|_| HashUnavailable::Random)?;
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        compute(params, password, &salt, &mut output)?;
        // The lengths of salt and output are our own, and the format holds both.
        let salt = SaltString::encode_b64(&salt).map_err(|_| HashUnavailable::Random)?;
        let whole = Phc {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(params).map_err(|_| HashUnavailable::Memory)?,
            salt: Some(salt.as_salt()),
            hash: Output::new(&output).ok(),
        };
        Ok(PasswordHash { text: Secret::new(whole.to_string()), kib: params.m_cost() })
    }

    /// Memory that checking a password takes, bytes.
    pub fn bytes(&self) -> usize {
        self.kib as usize * 1024
    }

    /// The PHC string, to be written down and hidden.
    pub fn secret(&self) -> &Secret {
        &self.text
    }

    /// Whether this is the password, compared in constant time. Computes for some ten
    /// milliseconds, after waiting for its turn for [`PASSWORD_WAIT_MS_MAX`] at most.
    ///
    /// # Errors
    /// It cannot be computed now.
    pub fn verify(&self, password: &str) -> Result<bool, HashUnavailable> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        // It was read before.
        let Ok(parts) = Parts::of(self.text.expose()) else { return Ok(false) };
        let mut room = [0; Output::MAX_LENGTH];
        let output = room.get_mut(..parts.output.len()).unwrap_or_default();
        compute(&parts.params, password, &parts.salt, output)?;
        Ok(Output::new(output).is_ok_and(|output| output == parts.output))
    }
}

/// What stands in a PHC string.
struct Parts {
    params: Params,
    salt: Vec<u8>,
    output: Output,
}

impl Parts {
    fn of(text: &str) -> Result<Parts, HashError> {
        if text.len() > PASSWORD_HASH_TEXT_BYTES_MAX {
            return Err(HashError::Syntax);
        }
        let whole = Phc::new(text).map_err(|_| HashError::Syntax)?;
        let known = whole.algorithm == Algorithm::Argon2id.ident()
            && whole.version == Some(Version::V0x13.into());
        let output = whole.hash.filter(|output| known && output.len() >= OUTPUT_BYTES_MIN);
        let (Some(output), Some(salt)) = (output, whole.salt) else {
            return Err(HashError::Syntax);
        };
        let params = Params::try_from(&whole).map_err(|_| HashError::Syntax)?;
        let costly = params.m_cost() > PASSWORD_HASH_KIB_MAX
            || params.t_cost() > PASSWORD_HASH_PASSES_MAX
            || params.p_cost() > PASSWORD_HASH_LANES_MAX;
        if costly {
            return Err(HashError::TooCostly);
        }
        Ok(Parts { params, salt: decoded(salt)?, output })
    }
}

fn decoded(salt: Salt<'_>) -> Result<Vec<u8>, HashError> {
    let mut room = [0; SALT_BYTES_MAX];
    let bytes = salt.decode_b64(&mut room).map_err(|_| HashError::Syntax)?;
    let fits = bytes.len() >= argon2::MIN_SALT_LEN;
    fits.then(|| bytes.to_vec()).ok_or(HashError::Syntax)
}

/// Computes a hash when it is its turn.
fn compute(
    params: &Params,
    password: &str,
    salt: &[u8],
    output: &mut [u8],
) -> Result<(), HashUnavailable> {
    let _turn = HashTurn::take(&QUEUE, Duration::from_millis(PASSWORD_WAIT_MS_MAX))?;
    let mut area = AREA.lock().unwrap_or_else(PoisonError::into_inner);
    let blocks = sized(&mut area, params.block_count())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let computed = argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, blocks);
    // Lengths and costs were seen to before.
    computed.map_err(|_| HashUnavailable::Memory)
}

/// Where hashes are computed, kept from one to the next: an allocator that gets megabytes back and
/// hands them out again, in one thread after the other, ends up holding many times as much.
static AREA: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// The area with so many blocks: costs change only when another hash is configured.
fn sized(area: &mut Vec<Block>, count: usize) -> Result<&mut [Block], HashUnavailable> {
    if area.len() != count {
        // The old one goes first, so that both are never held at once.
        *area = Vec::new();
        // The heap's limit is an answer here, not the end of the process.
        area.try_reserve_exact(count).map_err(|_| HashUnavailable::Memory)?;
        area.resize(count, Block::default());
    }
    Ok(area)
}

/// Who computes, and how many wait for it.
#[derive(Default)]
struct Queue {
    state: Mutex<(bool, usize)>,
    free: Condvar,
}

static QUEUE: Queue = Queue { state: Mutex::new((false, 0)), free: Condvar::new() };

impl Queue {
    fn lock(&self) -> MutexGuard<'_, (bool, usize)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to compute; given on when dropped.
struct HashTurn<'q>(&'q Queue);

impl HashTurn<'_> {
    fn take(queue: &Queue, patience: Duration) -> Result<HashTurn<'_>, HashUnavailable> {
        let mut state = queue.lock();
        if state.0 && state.1 >= PASSWORD_WAITING_MAX {
            return Err(HashUnavailable::Busy);
        }
        state.1 += 1;
        let waited = queue.free.wait_timeout_while(state, patience, |(taken, _)| *taken);
        let (mut state, late) = waited.unwrap_or_else(PoisonError::into_inner);
        state.1 -= 1;
        if late.timed_out() {
            return Err(HashUnavailable::Busy);
        }
        state.0 = true;
        Ok(HashTurn(queue))
    }
}

impl Drop for HashTurn<'_> {
    fn drop(&mut self) {
        self.0.lock().0 = false;
        self.0.free.notify_one();
    }
}

/// A hash that costs next to nothing, for tests, which then have the hashing to themselves until
/// they drop the guard.
#[cfg(test)]
pub fn cheap(password: &str) -> (PasswordHash, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let params = Params::new(8, 1, 1, None).expect("the least there is");
    (PasswordHash::with(&params, password).expect("nobody else computes"), alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: &str = "$argon2id$v=19$m=8,t=1,p=1$";

    /// From the tests of the reference implementation (P-H-C/phc-winner-argon2, src/test.c).
    #[test]
    fn a_hash_of_the_reference_implementation_is_understood() {
        let _alone = cheap("x").1;
        let text = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$\
                    nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = PasswordHash::parse(text).unwrap();
        assert_eq!(hash.bytes(), 256 << 10);
        for (word, right) in [("password", true), ("differentpassword", false)] {
            assert_eq!(hash.verify(word), Ok(right), "{word}");
        }
    }

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let (hash, alone) = cheap("correct horse");
        assert!(hash.secret().expose().starts_with(COSTS));
        for (word, right) in [
            ("correct horse", true),
            ("correct hors", false),
            ("", false),
            ("Correct horse", false),
        ] {
            assert_eq!(hash.verify(word), Ok(right), "{word}");
        }
        assert_eq!(hash.verify(&"x".repeat(PASSWORD_BYTES_MAX + 1)), Ok(false));
        drop(alone);
        assert_ne!(cheap("correct horse").0, hash, "the salt is new");
        assert_eq!(PasswordHash::parse(hash.secret().expose()), Ok(hash));
    }

    #[test]
    fn nothing_of_a_hash_is_shown() {
        let (hash, _alone) = cheap("correct horse");
        let tail = hash.secret().expose().rsplit('$').next().unwrap().to_owned();
        assert!(!format!("{hash:?}").contains(&tail));
    }

    #[test]
    fn what_is_no_hash_or_costs_too_much_is_refused() {
        let tail = cheap("x").0.secret().expose().strip_prefix(COSTS).unwrap().to_owned();
        let (salt, output) = tail.split_once('$').unwrap();
        let long = "x".repeat(5000);
        for text in [
            "",
            "my password",
            "$argon2id$",
            &format!("$argon2i$v=19$m=8,t=1,p=1${tail}"),
            &format!("$argon2d$v=19$m=8,t=1,p=1${tail}"),
            &format!("$argon2id$v=16$m=8,t=1,p=1${tail}"),
            &format!("$argon2id$m=8,t=1,p=1${tail}"),
            &format!("$argon2id$v=19$m=7,t=1,p=1${tail}"),
            &format!("$argon2id$v=19$m=8,t=0,p=1${tail}"),
            &format!("$argon2id$v=19$m=-8,t=1,p=1${tail}"),
            &format!("$argon2id$v=19$m=8,t=1,p=1${salt}"),
            &format!("$argon2id$v=19$m=8,t=1,p=1$AAAA${output}"),
            &format!("$argon2id$v=19$m=8,t=1,p=1${salt}$AAAAAAAAAAAAAAAA"),
            &format!("$2b$12${tail}"),
            &format!("$argon2id$v=19$m=8,t=1,p=1${long}"),
        ] {
            assert_eq!(PasswordHash::parse(text), Err(HashError::Syntax), "{text}");
        }
        for (costs, taken) in [
            ("m=65536,t=20,p=4", true),
            ("m=65537,t=1,p=1", false),
            ("m=8,t=21,p=1", false),
            ("m=64,t=1,p=5", false),
            ("m=4294967295,t=1,p=1", false),
        ] {
            let judged = PasswordHash::parse(&format!("$argon2id$v=19${costs}${tail}"));
            assert_eq!(judged.is_ok(), taken, "{costs}");
            assert!(taken || judged == Err(HashError::TooCostly), "{costs}");
        }
    }

    #[test]
    fn passwords_have_a_length() {
        assert_eq!(fit("1234567"), Err(Unfit::Short));
        assert_eq!(fit("ééééééé"), Err(Unfit::Short), "characters, not bytes");
        assert_eq!(fit("12345678"), Ok(()));
        assert_eq!(fit(&"x".repeat(PASSWORD_BYTES_MAX)), Ok(()));
        assert_eq!(fit(&"x".repeat(PASSWORD_BYTES_MAX + 1)), Err(Unfit::Long));
        assert_eq!(fit("1234567\n"), Err(Unfit::Control));
    }

    #[test]
    fn one_computes_one_waits_and_the_next_is_told() {
        let queue = Queue::default();
        let first = HashTurn::take(&queue, Duration::ZERO).ok();
        assert!(first.is_some());
        assert_eq!(
            HashTurn::take(&queue, Duration::ZERO).err(),
            Some(HashUnavailable::Busy),
            "too late"
        );
        std::thread::scope(|scope| {
            let second = scope.spawn(|| HashTurn::take(&queue, Duration::from_secs(30)).is_ok());
            while queue.lock().1 < PASSWORD_WAITING_MAX {
                std::thread::yield_now();
            }
            let third = HashTurn::take(&queue, Duration::from_secs(30)).err();
            assert_eq!(third, Some(HashUnavailable::Busy), "at once");
            drop(first);
            assert!(second.join().unwrap());
        });
        assert!(HashTurn::take(&queue, Duration::ZERO).is_ok(), "it was given back");
    }
}

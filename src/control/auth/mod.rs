//! Who may. Purpose: tells who sent a request, and whether what it wants is theirs to have. Without
//! a password this machine may look and nobody else anything, and what changes something needs the
//! [`Code`] or the probe's token: a proxy, a browser's page or another user on this machine has
//! neither. With a password, who proves to know it may: by a session's cookie, by HTTP Basic, or, on
//! this machine only, by the probe's token.
//! Non-goals: which route needs what (`routes`); users, of whom there is one; sessions that survive
//! a restart; TLS. Bounds: those of its tables, and one password checked at a time.

mod authorization;
mod bucket;
mod code;
pub mod cookie;
mod known;
mod lanes;
mod probe;
mod refused;
mod remembered;
mod seal;
mod sessions;
mod setup;
mod throttle;

pub mod caller;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::code::{Code, FILE_NAME as CODE_FILE};
pub use self::probe::{issue as issue_probe_token, FILE_NAME as PROBE_TOKEN_FILE};
pub use self::refused::Refused;
pub use self::sessions::SessionId;
pub use self::setup::Setup;

use self::authorization::Authorization;
use self::known::KnownSources;
use self::remembered::Remembered;
use self::seal::Seal;
use self::sessions::Sessions;
use self::throttle::{Standing, Throttle};
use crate::base::redact::{register, Secret};
use crate::base::time::{Mono, Utc};
use crate::control::auth::caller::Caller;
use crate::system::password::PasswordHash;
use crate::system::random;

/// What remembered passwords are sealed for.
const REMEMBERED: u8 = 2;

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nothing was proved.
    Nobody,
    /// This machine, while there is no password: it may look.
    Loopback,
    /// Who logged in, by the password or by the code.
    Session(SessionId),
    /// Who sent the password along.
    Basic,
    /// Who could read the probe's token on this machine.
    Probe,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Nobody => "nobody",
            Who::Loopback => "loopback",
            Who::Session(_) => "session",
            Who::Basic => "basic",
            Who::Probe => "probe",
        })
    }
}

impl Who {
    /// Something was proved that lets them change things.
    pub fn may_change(self) -> bool {
        matches!(self, Who::Session(_) | Who::Basic | Who::Probe)
    }
}

/// Who a route is for, once there is a password. Without one, this machine may look at all of them,
/// and changes those for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Everybody; nobody asks who it is.
    Public,
    /// Everybody, but who proves to be somebody may be told more.
    Open,
    /// Somebody.
    Known,
}

/// Everything that is known of who may.
pub struct Auth {
    seal: Seal,
    probe: Option<Secret>,
    state: Mutex<State>,
    /// From where somebody logged in.
    known: KnownSources,
    /// Held while a password is written down and taken into force, so that the file's follower
    /// neither takes the old one again nor the new one twice. Taken before `state`.
    changing: Mutex<()>,
    /// The first start's code while it is good. Taken before `state`.
    setup: Mutex<Option<Setup>>,
    /// What lets in while there is no password. Taken before `state`.
    code: Mutex<Option<Code>>,
}

struct State {
    password: Option<PasswordHash>,
    /// How often the password changed: a check of the one before counts for nothing.
    changes: u64,
    sessions: Sessions,
    /// How often somebody lost a right they had.
    endings: u64,
    throttle: Throttle,
    remembered: Remembered,
}

impl Auth {
    /// With the configured password, if there is one, and the probe's token, if it could be
    /// written down.
    ///
    /// # Errors
    /// The kernel has no random bytes.
    pub fn new(password: Option<PasswordHash>, probe: Option<Secret>) -> io::Result<Auth> {
        let state = State {
            password,
            changes: 0,
            sessions: Sessions::default(),
            endings: 0,
            throttle: Throttle::new(u64::from_ne_bytes(random::bytes()?)),
            remembered: Remembered::default(),
        };
        Ok(Auth {
            seal: Seal::new()?,
            probe,
            state: Mutex::new(state),
            known: KnownSources::default(),
            changing: Mutex::default(),
            setup: Mutex::default(),
            code: Mutex::default(),
        })
    }

    /// Remembers in this folder from where somebody logged in. Waits for the disk.
    pub fn remember_in(&self, state: &Path) {
        self.known.keep_in(state);
    }

    /// Lets those in who know this code, as long as there is no password; the one before is good for
    /// nothing.
    pub fn take_code(&self, code: Option<Code>) {
        *self.code() = code;
    }

    /// Whether there is a code; there may be one though a password has been set meanwhile.
    pub fn has_code(&self) -> bool {
        self.code().is_some()
    }

    /// The file whose code lets in, while there is no password.
    pub fn code_file(&self) -> Option<PathBuf> {
        let code = self.code();
        let file = code.as_ref()?.file()?;
        (!self.is_password_set()).then(|| file.to_owned())
    }

    /// Lets the password of the first start be had for a code.
    pub fn offer(&self, setup: Option<Setup>) {
        *self.setup() = setup;
    }

    /// Looks after the first start's code: it is dated once the clock is set, and its file goes when
    /// it is over. Waits for the disk.
    pub fn tend_setup(&self, now: Mono, utc: Utc) {
        let mut offered = self.setup();
        let Some(setup) = offered.as_mut() else { return };
        setup.date(utc);
        // What cannot be removed is tried again at the next look, and no longer good meanwhile.
        if setup.is_over(self.lock().password.as_ref(), now, utc) && setup.remove().is_ok() {
            *offered = None;
        }
    }

    /// The first start's password, for its code: once.
    ///
    /// # Errors
    /// It is not the code, or no longer good; too many were tried; its file cannot be removed.
    pub(in crate::control) fn redeem(
        &self,
        code: &str,
        source: IpAddr,
        (now, utc): (Mono, Utc),
    ) -> Result<Secret, Refused> {
        let standing = self.standing(source);
        self.lock().throttle.begin(source, standing, now).map_err(Refused::TooManyTries)?;
        let mut offered = self.setup();
        let good = offered.as_ref().filter(|setup| {
            setup.matches(code) && !setup.is_over(self.lock().password.as_ref(), now, utc)
        });
        let setup = good.ok_or(Refused::WrongCode)?;
        setup.remove().map_err(|_| Refused::CodeStays)?;
        let password = setup.password().clone();
        *offered = None;
        self.lock().throttle.right(source);
        Ok(password)
    }

    /// Opens a session for the code, while there is no password; its token.
    ///
    /// # Errors
    /// It is not the code; too many were tried; a password has been set.
    pub(in crate::control) fn open_by_code(
        &self,
        typed: &str,
        source: IpAddr,
        now: Mono,
    ) -> Result<io::Result<String>, Refused> {
        // Only this machine comes here: without a password nobody else is answered.
        self.lock().throttle.begin(source, Standing::Proven, now).map_err(Refused::TooManyTries)?;
        let is_right = self.code().as_ref().is_some_and(|code| code.matches(typed));
        let mut state = self.lock();
        // In one step: a password that is set now ends the session, or keeps it from being opened.
        if state.password.is_some() {
            return Err(Refused::LoginNeeded);
        }
        if !is_right {
            return Err(Refused::WrongPageCode);
        }
        state.throttle.right(source);
        Ok(state.sessions.open(&self.seal, now))
    }

    fn code(&self) -> MutexGuard<'_, Option<Code>> {
        self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn setup(&self) -> MutexGuard<'_, Option<Setup>> {
        self.setup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes another password, or none. Ends all sessions; those who know the new one log in again.
    pub fn set_password(&self, password: Option<PasswordHash>) {
        self.replace_password(password, None);
    }

    /// Takes the password that `told` tells the configuration to have, unless it is the one
    /// already. Waits for anybody who is just changing it.
    pub fn adopt(&self, told: impl FnOnce() -> Option<PasswordHash>) {
        let _turn = self.turn_to_change();
        let password = told();
        if self.lock().password != password {
            self.set_password(password);
        }
    }

    /// How often somebody lost a right they had, by a new password or by logging out: what was
    /// granted for long is to be asked for again when this has grown.
    pub fn endings(&self) -> u64 {
        self.lock().endings
    }

    pub(in crate::control) fn turn_to_change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one.
    pub fn is_password_set(&self) -> bool {
        self.lock().password.is_some()
    }

    /// Who it is, if they may. `changes`: the request is not only a look.
    ///
    /// # Errors
    /// Why they may not.
    pub fn judge(
        &self,
        caller: &Caller<'_>,
        right: Right,
        changes: bool,
        now: Mono,
    ) -> Result<Who, Refused> {
        let password_set = self.is_password_set();
        if !password_set && !caller.is_here() {
            return Err(Refused::PasswordNotSet);
        }
        if !password_set && !caller.uses_local_name() {
            return Err(Refused::ForeignName);
        }
        let looks_in = right != Right::Public && caller.is_part_of_another_page();
        if changes && !caller.is_own_page() || looks_in {
            return Err(Refused::CrossSite);
        }
        if password_set && right == Right::Public {
            return Ok(Who::Nobody);
        }
        match self.identify(caller, password_set, now)? {
            Who::Nobody if !password_set && !changes => Ok(Who::Loopback),
            Who::Nobody if !password_set && right == Right::Known => Err(Refused::CodeNeeded),
            Who::Nobody if right == Right::Known => Err(Refused::LoginNeeded),
            who => Ok(who),
        }
    }

    fn identify(&self, caller: &Caller<'_>, password_set: bool, now: Mono) -> Result<Who, Refused> {
        let authorization = Authorization::read(caller.credentials.authorization);
        if let Some(Authorization::Bearer(token)) = &authorization {
            if self.is_probe(caller, token) {
                return Ok(Who::Probe);
            }
        }
        if let Some(id) = self.session(caller, now) {
            return Ok(Who::Session(id));
        }
        match authorization {
            Some(Authorization::Basic(password)) if password_set => {
                self.check_basic(password.as_deref(), caller, now).map(|()| Who::Basic)
            }
            _ => Ok(Who::Nobody),
        }
    }

    fn is_probe(&self, caller: &Caller<'_>, token: &str) -> bool {
        caller.may_be_here() && self.probe.as_ref().is_some_and(|probe| probe.matches(token))
    }

    fn session(&self, caller: &Caller<'_>, now: Mono) -> Option<SessionId> {
        let mut state = self.lock();
        let mut tokens = cookie::tokens(caller.credentials.cookie);
        tokens.find_map(|token| state.sessions.find(&self.seal, token, now))
    }

    /// What speaks for who sends a password: a tunnel to this machine stays open to the operator
    /// whatever strangers do, and so does a browser that was logged in before, wherever it is now.
    fn standing_of(&self, caller: &Caller<'_>, now: Mono) -> Standing {
        if self.session(caller, now).is_some() {
            return Standing::Proven;
        }
        let state = self.lock();
        let mut tokens = cookie::tokens(caller.credentials.cookie);
        if tokens.any(|token| state.sessions.was_open(&self.seal, token)) {
            return Standing::Known;
        }
        drop(state);
        self.standing(caller.source())
    }

    /// What an address alone speaks for.
    fn standing(&self, source: IpAddr) -> Standing {
        match source.is_loopback() {
            true => Standing::Proven,
            false if self.known.knows(source) => Standing::Known,
            false => Standing::Stranger,
        }
    }

    /// Checks a password of HTTP Basic, which comes with every request.
    fn check_basic(
        &self,
        password: Option<&str>,
        caller: &Caller<'_>,
        now: Mono,
    ) -> Result<(), Refused> {
        let source = caller.source();
        let sealed = password.map(|password| self.seal.digest(REMEMBERED, password));
        {
            let mut state = self.lock();
            // Before the look at what is remembered, or that would be the place to guess.
            state.throttle.may_try(source, now).map_err(Refused::TooManyTries)?;
            if sealed.is_some_and(|sealed| state.remembered.knows(source, &sealed, now)) {
                return Ok(());
            }
        }
        let changes = self.check(password, caller, now)?;
        let mut state = self.lock();
        if let (Some(sealed), true) = (sealed, state.changes == changes) {
            state.remembered.keep(source, sealed, now);
        }
        Ok(())
    }

    /// Checks a password, which takes a while; which password it was checked against.
    pub(in crate::control) fn check(
        &self,
        password: Option<&str>,
        caller: &Caller<'_>,
        now: Mono,
    ) -> Result<u64, Refused> {
        let (source, standing) = (caller.source(), self.standing_of(caller, now));
        let (hash, changes) = {
            let mut state = self.lock();
            let hash = state.password.clone().ok_or(Refused::PasswordNotSet)?;
            state.throttle.begin(source, standing, now).map_err(Refused::TooManyTries)?;
            (hash, state.changes)
        };
        let judged = password.map_or(Ok(false), |password| hash.verify(password));
        let mut state = self.lock();
        match judged {
            Ok(true) if state.changes == changes => {
                state.throttle.right(source);
                drop(state);
                if !source.is_loopback() {
                    self.known.keep(source);
                }
                Ok(changes)
            }
            Ok(_) => Err(Refused::WrongPassword),
            Err(why) => {
                state.throttle.take_back(source, now);
                Err(Refused::Unavailable(why))
            }
        }
    }

    /// Opens a session; its token.
    pub(in crate::control) fn open_session(&self, now: Mono) -> io::Result<String> {
        self.lock().sessions.open(&self.seal, now)
    }

    pub(in crate::control) fn close_session(&self, id: SessionId) {
        let mut state = self.lock();
        state.endings += 1;
        state.sessions.close(id);
    }

    pub(in crate::control) fn replace_password(
        &self,
        password: Option<PasswordHash>,
        stays: Option<SessionId>,
    ) {
        password.iter().for_each(|hash| register(hash.secret()));
        let mut state = self.lock();
        state.password = password;
        state.changes += 1;
        state.endings += 1;
        state.remembered.forget();
        state.sessions.close_others(stays);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step of it leaves the tables half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

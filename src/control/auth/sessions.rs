//! Open sessions. Purpose: knows who logged in, for [`SESSION_IDLE_MS_MAX`] without a request and
//! [`SESSION_MS_MAX`] at most. Non-goals: cookies; surviving a restart, which logs everybody out:
//! nothing that opens the page ever lies on the disk. Bound: [`SESSIONS_MAX`]; one more ends the
//! one that was idle longest. Of [`SESSIONS_PAST_MAX`] that were not ended on purpose the digest is
//! kept: their cookie opens nothing, and tells that its browser was logged in before.

use std::collections::VecDeque;
use std::io;

use crate::base::limits::{SESSIONS_MAX, SESSIONS_PAST_MAX, SESSION_MS_MAX};
use crate::base::time::Mono;
use crate::control::auth::seal::{Digest, Seal};
use crate::system::random;

/// Time a session may be idle.
const SESSION_IDLE_MS_MAX: u64 = 12 * 3_600_000;
/// What tokens are sealed for.
const PURPOSE: u8 = 1;

/// Which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(u64);

struct Session {
    id: SessionId,
    token: Digest,
    opened: Mono,
    used: Mono,
}

impl Session {
    fn lasts(&self, now: Mono) -> bool {
        let ms = |since| u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        ms(self.used) < SESSION_IDLE_MS_MAX && ms(self.opened) < SESSION_MS_MAX
    }
}

/// The table of them.
#[derive(Default)]
pub struct Sessions {
    open: Vec<Session>,
    opened: u64,
    /// Those that are over, the oldest first.
    past: VecDeque<Digest>,
}

impl Sessions {
    /// Opens one; its token, which is known to nobody else.
    ///
    /// # Errors
    /// The kernel has no random bytes.
    pub fn open(&mut self, seal: &Seal, now: Mono) -> io::Result<String> {
        let token = random::token()?;
        self.end_old(now);
        if self.open.len() >= SESSIONS_MAX {
            let idle = self.open.iter().enumerate().min_by_key(|(_, session)| session.used);
            if let Some((at, _)) = idle {
                let ended = self.open.swap_remove(at);
                self.remember(ended.token);
            }
        }
        self.opened += 1;
        let (id, digest) = (SessionId(self.opened), seal.digest(PURPOSE, &token));
        self.open.push(Session { id, token: digest, opened: now, used: now });
        Ok(token)
    }

    /// Whose token it is; the session counts as used.
    pub fn find(&mut self, seal: &Seal, token: &str, now: Mono) -> Option<SessionId> {
        let digest = seal.digest(PURPOSE, token);
        self.end_old(now);
        let session = self.open.iter_mut().find(|session| session.token == digest)?;
        session.used = now;
        Some(session.id)
    }

    /// Whether the token opened a session that is over, and was not ended on purpose.
    pub fn was_open(&self, seal: &Seal, token: &str) -> bool {
        self.past.contains(&seal.digest(PURPOSE, token))
    }

    fn end_old(&mut self, now: Mono) {
        while let Some(at) = self.open.iter().position(|session| !session.lasts(now)) {
            let ended = self.open.swap_remove(at);
            self.remember(ended.token);
        }
    }

    fn remember(&mut self, token: Digest) {
        if self.past.len() >= SESSIONS_PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(token);
    }

    /// Ends one.
    pub fn close(&mut self, id: SessionId) {
        self.open.retain(|session| session.id != id);
    }

    /// Ends all but one, or all. Nothing of what was before counts any more.
    pub fn close_others(&mut self, than: Option<SessionId>) {
        self.past.clear();
        self.open.retain(|session| Some(session.id) == than);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new().expect("random bytes")
    }

    const NOON: Mono = Mono::from_ms(12 * 3_600_000);

    #[test]
    fn a_token_opens_its_session_until_it_is_closed() {
        let (seal, mut sessions) = (seal(), Sessions::default());
        let one = sessions.open(&seal, NOON).unwrap();
        let other = sessions.open(&seal, NOON).unwrap();
        let id = sessions.find(&seal, &one, NOON);
        assert!(id.is_some() && id != sessions.find(&seal, &other, NOON));
        assert_eq!(sessions.find(&seal, "", NOON), None);
        assert_eq!(sessions.find(&seal, &one.to_uppercase(), NOON), None);
        sessions.close(id.unwrap());
        assert_eq!(sessions.find(&seal, &one, NOON), None);
        assert!(sessions.find(&seal, &other, NOON).is_some());
        sessions.close_others(None);
        assert_eq!(sessions.find(&seal, &other, NOON), None);
    }

    #[test]
    fn closing_the_others_leaves_ones_own() {
        let (seal, mut sessions) = (seal(), Sessions::default());
        let tokens: Vec<_> = (0..3).map(|_| sessions.open(&seal, NOON).unwrap()).collect();
        let own = sessions.find(&seal, &tokens[1], NOON);
        sessions.close_others(own);
        let alive: Vec<_> =
            tokens.iter().map(|token| sessions.find(&seal, token, NOON).is_some()).collect();
        assert_eq!(alive, [false, true, false]);
    }

    #[test]
    fn sessions_end_by_idling_and_by_age() {
        let (seal, mut sessions) = (seal(), Sessions::default());
        let idle = sessions.open(&seal, Mono(0)).unwrap();
        let used = sessions.open(&seal, Mono(0)).unwrap();
        let mut ms = 0;
        while ms + SESSION_IDLE_MS_MAX <= SESSION_MS_MAX {
            ms += SESSION_IDLE_MS_MAX - 1;
            assert!(sessions.find(&seal, &used, Mono::from_ms(ms)).is_some(), "{ms}");
        }
        assert!(sessions.find(&seal, &used, Mono::from_ms(SESSION_MS_MAX - 1)).is_some());
        assert_eq!(sessions.find(&seal, &used, Mono::from_ms(SESSION_MS_MAX)), None);
        assert_eq!(sessions.find(&seal, &idle, Mono::from_ms(SESSION_IDLE_MS_MAX)), None);
    }

    #[test]
    fn a_session_that_ended_by_itself_is_remembered_and_opens_nothing() {
        let (seal, mut sessions) = (seal(), Sessions::default());
        let later = Mono::from_ms(NOON.to_ms() + SESSION_IDLE_MS_MAX);
        let (idle, ended) =
            (sessions.open(&seal, NOON).unwrap(), sessions.open(&seal, NOON).unwrap());
        let id = sessions.find(&seal, &ended, NOON).unwrap();
        sessions.close(id);
        assert!(!sessions.was_open(&seal, &idle), "it is open");
        assert_eq!(sessions.find(&seal, &idle, later), None);
        assert!(sessions.was_open(&seal, &idle) && !sessions.was_open(&seal, &ended));
        assert!(!sessions.was_open(&seal, ""));
        for _ in 0..SESSIONS_MAX + SESSIONS_PAST_MAX {
            sessions.open(&seal, later).unwrap();
        }
        assert_eq!(sessions.past.len(), SESSIONS_PAST_MAX);
        assert!(!sessions.was_open(&seal, &idle), "others came after it");
        sessions.close_others(None);
        assert!(sessions.past.is_empty(), "another password forgets them");
    }

    #[test]
    fn one_too_many_ends_the_one_idle_longest() {
        let (seal, mut sessions) = (seal(), Sessions::default());
        let at = |n: usize| Mono::from_ms(n as u64);
        let tokens: Vec<_> =
            (0..SESSIONS_MAX).map(|n| sessions.open(&seal, at(n)).unwrap()).collect();
        assert!(sessions.find(&seal, &tokens[0], at(SESSIONS_MAX)).is_some(), "used again");
        sessions.open(&seal, at(SESSIONS_MAX + 1)).unwrap();
        let now = at(SESSIONS_MAX + 2);
        assert_eq!(sessions.find(&seal, &tokens[1], now), None);
        let alive = tokens.iter().filter(|token| sessions.find(&seal, token, now).is_some());
        assert_eq!(alive.count(), SESSIONS_MAX - 1);
    }
}

//! Why somebody may not, and the answer that says what to do. Non-goals: deciding it. Bound: one
//! short answer.

use crate::control::http::answer::Answer;
use crate::control::http::problem::Problem;
use crate::system::password::HashUnavailable;

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no password, and the peer is not this machine.
    PasswordNotSet,
    /// There is no password, and the Host is neither a name of loopback nor the address that was
    /// connected to.
    ForeignName,
    /// There is no password, and nothing proves that the caller may change something.
    CodeNeeded,
    /// Another site's page sent it.
    CrossSite,
    /// Nobody said who it is.
    LoginNeeded,
    /// The password is another.
    WrongPassword,
    /// Too many were; the seconds to wait.
    TooManyTries(u64),
    /// The first start's code is another, was used, or is too old.
    WrongCode,
    /// The code of a program without a password is another.
    WrongPageCode,
    /// The first start's code cannot be made good for nothing.
    CodeStays,
    /// The password cannot be checked now.
    Unavailable(HashUnavailable),
}

/// The challenge of HTTP Basic (RFC 7617, 2 and 2.1).
const CHALLENGE: &str = "Basic realm=\"StreamCaster\", charset=\"UTF-8\"";
/// That of a token (RFC 6750, 3), for which no browser asks its user.
const TOKEN_CHALLENGE: &str = "Bearer realm=\"StreamCaster\"";

impl Refused {
    /// The answer. `challenge`: a client that is told so may ask its user for the password.
    pub fn answer(self, challenge: bool) -> Answer {
        let mut answer = self.problem().answer(self.words());
        match self {
            Refused::LoginNeeded | Refused::WrongPassword if challenge => {
                answer.fields.push(("WWW-Authenticate", CHALLENGE.into()));
            }
            Refused::CodeNeeded => {
                answer.fields.push(("WWW-Authenticate", TOKEN_CHALLENGE.into()));
            }
            Refused::TooManyTries(s) => answer.fields.push(("Retry-After", s.to_string().into())),
            Refused::Unavailable(_) => answer.fields.push(("Retry-After", "1".into())),
            _ => {}
        }
        answer
    }

    const fn problem(self) -> Problem {
        match self {
            Refused::PasswordNotSet => Problem::OnlyThisMachine,
            Refused::ForeignName | Refused::CrossSite => Problem::Forbidden,
            Refused::LoginNeeded => Problem::LoginNeeded,
            Refused::WrongPassword => Problem::WrongPassword,
            Refused::CodeNeeded => Problem::CodeNeeded,
            Refused::WrongCode => Problem::WrongCode,
            Refused::WrongPageCode => Problem::WrongPageCode,
            Refused::CodeStays => Problem::Failed,
            Refused::TooManyTries(_) => Problem::TooManyTries,
            Refused::Unavailable(_) => Problem::Busy,
        }
    }

    fn words(self) -> String {
        let words = match self {
            Refused::PasswordNotSet => {
                "No password is set, so only the machine itself is answered. An appliance makes one \
                 at its next start and shows it on its console: restart the machine. Elsewhere run \
                 `streamcaster hash-password` on the machine, put the line it prints under [http] \
                 in config.toml and restart; or open the page there, or through a tunnel to it."
            }
            Refused::ForeignName => {
                "While no password is set, this port answers only as localhost or under the address \
                 of this machine that was connected to; open the page as http://localhost, or set \
                 a password with `streamcaster hash-password`."
            }
            Refused::CodeNeeded => {
                "No password is set, so this machine may only look. To change something, log in \
                 with the code in state/page.code of the data folder, on the page or by POST \
                 /api/login {\"code\"}; or send the token in state/probe.token as Authorization: \
                 Bearer; or set a password with `streamcaster hash-password`."
            }
            Refused::CrossSite => {
                "A page of another site sent this; commands are taken from this machine's own \
                 page only."
            }
            Refused::LoginNeeded => {
                "Log in first: on the page, by POST /api/login, or with HTTP Basic and any user \
                 name."
            }
            Refused::WrongPassword => "This is not the password.",
            Refused::WrongCode => {
                "This code is wrong, was used before, or is too old. Log in with the password on \
                 the machine's console."
            }
            Refused::WrongPageCode => {
                "This is not the code. It stands in state/page.code of the data folder, and is \
                 another one after each start."
            }
            Refused::CodeStays => {
                "The disk cannot be written to, so the code cannot be used. Log in with the \
                 password on the machine's console."
            }
            Refused::TooManyTries(1) => {
                return "Too many passwords were tried; try again in a second.".to_owned();
            }
            Refused::TooManyTries(s) => {
                return format!("Too many passwords were tried; try again in {s} seconds.");
            }
            Refused::Unavailable(why) => return why.to_string(),
        };
        words.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_asked_for_a_password_is_challenged_and_others_are_not() {
        let has = |refused: Refused, challenge, name| {
            refused.answer(challenge).fields.iter().any(|field| field.0 == name)
        };
        for refused in [Refused::LoginNeeded, Refused::WrongPassword] {
            assert!(has(refused, true, "WWW-Authenticate"));
            assert!(!has(refused, false, "WWW-Authenticate"));
        }
        // For a token: no browser asks its user for one.
        let field = Refused::CodeNeeded.answer(false).fields.pop();
        assert_eq!(field, Some(("WWW-Authenticate", TOKEN_CHALLENGE.into())));
        assert!(!has(Refused::PasswordNotSet, true, "WWW-Authenticate"));
        assert!(has(Refused::TooManyTries(7), false, "Retry-After"));
        assert!(has(Refused::Unavailable(HashUnavailable::Busy), false, "Retry-After"));
    }
}

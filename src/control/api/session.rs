//! The calls about who it is: `POST /api/login`, `POST /api/logout`, `GET /api/session`,
//! `POST /api/password`, `POST /api/setup`. Non-goals: who may call them, which is judged before;
//! where a new password is written down. Bound: the body's, which the gate keeps.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::base::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
use crate::base::time::{Mono, Utc};
use crate::control::api::asked::Asked;
use crate::control::api::body::{self, wrong};
#[cfg(test)]
use crate::control::api::document::Document;
use crate::control::api::done::done;
#[cfg(test)]
use crate::control::api::done::CarriedOut;
use crate::control::api::firmware;
use crate::control::api::firmware::Appliance;
use crate::control::auth::{cookie, Auth, Refused, Who};
use crate::control::http::answer::{self, Answer};
use crate::control::http::problem::Problem;
use crate::system::password::{self, PasswordHash};
#[cfg(test)]
use serde_json::json;

/// Writes the hash of a new password down, where it is found at the next start.
pub type StoreHash = dyn Fn(&str) -> Result<(), NotStored> + Send + Sync;

/// Why a new password could not be written down, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// It is set in a place that goes before the file, or the file must be put right first.
    Elsewhere(String),
    /// The disk would not take it.
    Failed(String),
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotStored::Elsewhere(words) | NotStored::Failed(words) => f.write_str(words),
        }
    }
}

/// What is told of a session.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Session {
    /// It may look.
    authenticated: bool,
    /// It may change things; this machine alone, without a password, only looks.
    may_change: bool,
    password_set: bool,
    /// It came by TLS.
    secure: bool,
    /// While no password is set: the file with the code for POST /api/login.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "String"))]
    code_file: Option<String>,
}

/// `GET /api/session`.
pub fn session(secure: bool, auth: &Auth, who: Who) -> Answer {
    let told = Session {
        authenticated: who != Who::Nobody,
        may_change: who.may_change(),
        password_set: auth.is_password_set(),
        secure,
        code_file: auth.code_file().map(|file| file.display().to_string()),
    };
    answer::json(200, &told)
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LoginRequest {
    #[cfg_attr(test, schemars(extend("format" = "password")))]
    password: Option<String>,
    /// While no password is set: what DATA/state/page.code says, new at each start.
    code: Option<String>,
}

/// `POST /api/login` `{"password"}`, or `{"code"}` while there is no password: a session, its token
/// in a cookie.
pub fn login(asked: &Asked<'_>, auth: &Auth, now: Mono) -> Result<Answer, Answer> {
    let LoginRequest { password, code } = body::read(asked.body)?;
    if !auth.is_password_set() {
        return login_by_code(code, asked, auth, now);
    }
    let password = password.ok_or_else(|| wrong("`password` is missing."))?;
    let checked = auth.check(Some(&password), &asked.caller, now);
    checked.map_err(|refused| refused.answer(false))?;
    with_session(done("You are logged in."), asked, auth.open_session(now))
}

fn login_by_code(
    code: Option<String>,
    asked: &Asked<'_>,
    auth: &Auth,
    now: Mono,
) -> Result<Answer, Answer> {
    let code = code.ok_or_else(|| {
        let words = "No password is set: log in with {\"code\"}, the code in state/page.code of \
                     the data folder.";
        Problem::PasswordNotSet.answer(words)
    })?;
    let opened = auth.open_by_code(&code, asked.caller.source(), now);
    let token = opened.map_err(|refused| refused.answer(false))?;
    with_session(done("You are logged in by the code."), asked, token)
}

/// `POST /api/logout`. Who has no session has none afterwards either.
pub fn logout(secure: bool, auth: &Auth, who: Who) -> Answer {
    if let Who::Session(id) = who {
        auth.close_session(id);
    }
    let mut answer = done("You are logged out.");
    answer.fields.push(("Set-Cookie", cookie::clear(secure).into()));
    answer
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PasswordRequest {
    /// Needed when there is one.
    current: Option<String>,
    /// At most 128 bytes, no control characters.
    #[cfg_attr(test, schemars(with = "String", length(min = PASSWORD_CHARS_MIN, max = PASSWORD_BYTES_MAX), extend("format" = "password")))]
    new: Option<String>,
}

/// `POST /api/password` `{"current", "new"}`. Ends all sessions but the one that asks.
pub fn change_password(
    asked: &Asked<'_>,
    (who, now): (Who, Mono),
    auth: &Auth,
    store_hash: &StoreHash,
    appliance: &Appliance,
) -> Result<Answer, Answer> {
    let PasswordRequest { current, new } = body::read(asked.body)?;
    let new = new.ok_or_else(|| wrong("`new` must be the new password."))?;
    password::fit(&new).map_err(wrong)?;
    let mut before = None;
    if auth.is_password_set() {
        let current = current.as_deref().ok_or_else(|| wrong("`current` is missing."))?;
        before = Some(current);
        let checked = auth.check(Some(current), &asked.caller, now);
        checked.map_err(|refused| refused.answer(false))?;
    }
    let hash = PasswordHash::of(&new).map_err(|why| Refused::Unavailable(why).answer(false))?;
    let _turn = auth.turn_to_change();
    if before.is_none() && auth.is_password_set() {
        // Somebody else has set the first one meanwhile.
        return Err(Refused::LoginNeeded.answer(false));
    }
    store_hash(hash.secret().expose()).map_err(|why| {
        let problem = match why {
            NotStored::Elsewhere(_) => Problem::SetElsewhere,
            NotStored::Failed(_) => Problem::Failed,
        };
        problem.answer(why)
    })?;
    if let Some(before) = before {
        firmware::tell_password(appliance, before, hash.secret().expose());
    }
    let answer = done("The password is changed; all other sessions are logged out.");
    match who {
        Who::Session(id) => {
            auth.replace_password(Some(hash), Some(id));
            Ok(answer)
        }
        // Who reads the token goes on with it.
        Who::Basic | Who::Probe | Who::Loopback | Who::Nobody => {
            auth.set_password(Some(hash));
            Ok(answer)
        }
    }
}

/// What the first start's code is good for.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Redeemed<'a> {
    #[cfg_attr(test, schemars(extend("const" = true)))]
    success: bool,
    #[cfg_attr(test, schemars(extend("format" = "password")))]
    password: &'a str,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SetUpRequest {
    #[cfg_attr(test, schemars(required))]
    code: Option<String>,
}

/// `POST /api/setup` `{"code"}`: the password that was made at the first start, once.
pub fn set_up(asked: &Asked<'_>, auth: &Auth, now: (Mono, Utc)) -> Result<Answer, Answer> {
    let SetUpRequest { code } = body::read(asked.body)?;
    let code = code.ok_or_else(|| wrong("`code` is missing."))?;
    let redeemed = auth.redeem(&code, asked.caller.source(), now);
    let password = redeemed.map_err(|refused| refused.answer(false))?;
    Ok(answer::json(200, &Redeemed { success: true, password: password.expose() }))
}

/// The same answer, with the cookie of a session that was opened.
fn with_session(
    mut answer: Answer,
    asked: &Asked<'_>,
    opened: io::Result<String>,
) -> Result<Answer, Answer> {
    let token = opened.map_err(|_| {
        let words = "The system has no random numbers for a session; try again later.";
        Problem::Unavailable.answer(words)
    })?;
    answer.fields.push(("Set-Cookie", cookie::set(&token, asked.secure).into()));
    Ok(answer)
}

/// What the API's document says of them.
#[cfg(test)]
pub fn describe(document: &mut Document) {
    let done = |message| json!({ "success": true, "message": message });
    document
        .operation(
            "POST /api/setup",
            "access",
            "setUp",
            "Tells the password of the first start, once, for the code on the machine's console",
        )
        .about(
            "The code dies when it is used, when it is a day old, and when another password is set. \
             Wrong ones are rationed like passwords.",
        )
        .takes::<SetUpRequest>(json!({ "code": "abcdefghjkmn" }))
        .answers::<Redeemed<'_>>(
            200,
            "The code is used",
            json!({ "success": true, "password": "pqrstuvwxyz2" }),
        );
    document
        .operation(
            "POST /api/password",
            "access",
            "changePassword",
            "Sets the password and ends all other sessions",
        )
        .takes::<PasswordRequest>(json!({ "current": "the old one", "new": "a longer one" }))
        .answers::<CarriedOut>(
            200,
            "Done",
            done("The password is changed; all other sessions are logged out."),
        )
        .refuses(&[409]);
    document
        .operation("POST /api/login", "access", "login", "Begins a session")
        .takes::<LoginRequest>(json!({ "password": "the password" }))
        .answers::<CarriedOut>(200, "Logged in", done("You are logged in."))
        .sets_cookie()
        .refuses(&[401, 409]);
    document
        .operation("POST /api/logout", "access", "logout", "Ends the session")
        .answers::<CarriedOut>(200, "Done", done("You are logged out."))
        .sets_cookie();
    let session = json!({
        "authenticated": true, "may_change": true, "password_set": true, "secure": false,
    });
    document
        .operation("GET /api/session", "access", "session", "Whether the client is logged in")
        .answers::<Session>(200, "Who it is", session);
}

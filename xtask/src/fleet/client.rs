//! What is asked of one machine. Purpose: two questions and one order, each answered in a bounded
//! time; a secret goes into one header and nowhere else. Non-goals: sessions, other calls.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::{FleetHost, Secret, Secrets, ANSWER_BYTES_MAX};

/// How long a machine may take to be reached, and to say a word.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// How long a package may be on its way, with being written and read back.
const PACKAGE: Duration = Duration::from_secs(1800);

/// One machine's API.
pub struct Client {
    /// Which.
    pub host: FleetHost,
    authorization: Option<String>,
    agent: Agent,
}

/// Why there is no answer that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It does not answer, or not in time.
    Away(String),
    /// It says no: the status, the code, the sentence.
    Refused(u16, String, String),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unanswered::Away(why) => write!(f, "no answer: {why}"),
            Unanswered::Refused(401, ..) => f.write_str(
                "it does not know the password: name it in STREAMCASTER_PASSWORD or --secrets FILE",
            ),
            Unanswered::Refused(status, code, words) => {
                write!(f, "refused ({status} {code}): {words}")
            }
        }
    }
}

impl Client {
    /// For one machine.
    pub fn new(host: &FleetHost, secrets: &Secrets) -> Client {
        let authorization = secrets.of(&host.name).map(|secret| match secret {
            Secret::Password(password) => basic(password),
            Secret::Token(token) => format!("Bearer {token}"),
        });
        // No redirects: the secret goes to the machine that was named.
        let agent = Agent::config_builder()
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .new_agent();
        Client { host: host.clone(), authorization, agent }
    }

    /// `GET PATH`.
    pub fn get(&self, path: &str) -> Result<Value, Unanswered> {
        let mut request = self.agent.get(format!("{}{path}", self.host.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let answer = request.config().timeout_global(Some(ANSWER)).build().call();
        // The verdict on a machine that is not well is told with a status of its own.
        read(answer, |status| status == 503 && path == "/api/health")
    }

    /// `POST /api/firmware` with a package.
    pub fn install(&self, package: &[u8]) -> Result<Value, Unanswered> {
        let mut request = self.agent.post(format!("{}/api/firmware", self.host.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let request = request.header("Content-Type", "application/octet-stream");
        let answer = request.config().timeout_global(Some(PACKAGE)).build().send(package);
        read(answer, |_| false)
    }
}

fn read(
    answer: Result<Response<Body>, ureq::Error>,
    counts: impl Fn(u16) -> bool,
) -> Result<Value, Unanswered> {
    let mut answer = answer.map_err(|error| Unanswered::Away(error.to_string()))?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let text = text.map_err(|error| Unanswered::Away(error.to_string()))?;
    let value: Result<Value, _> = serde_json::from_str(&text);
    match value {
        Ok(value) if status == 200 || counts(status) => Ok(value),
        Ok(value) => {
            let word = |name: &str| shown(value.get(name).and_then(Value::as_str).unwrap_or(""));
            Err(Unanswered::Refused(status, word("code"), word("error")))
        }
        Err(_) => {
            Err(Unanswered::Refused(status, "NOT_JSON".to_owned(), "is this its page?".to_owned()))
        }
    }
}

/// What a machine says, as one line that moves no cursor.
pub fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// The header's value for a password (RFC 7617); the page takes any user name.
fn basic(password: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("u:{password}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_as_basic_whatever_its_length() {
        for (password, wanted) in
            [("", "dTo="), ("f", "dTpm"), ("fo", "dTpmbw=="), ("password", "dTpwYXNzd29yZA==")]
        {
            assert_eq!(basic(password), format!("Basic {wanted}"));
        }
    }

    #[test]
    fn what_a_machine_says_moves_no_cursor() {
        assert_eq!(shown("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}

//! An answer, as those who make it see it. Purpose: one form for all that answers, the gate and the routes.
//! Non-goals: which answer; printing it; refusals, which are in `problem`. Bound: its maker's.

use std::borrow::Cow;

use serde::Serialize;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Fields besides those that every answer has.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Answer {
    /// Its own fields behind those of every answer.
    pub fn all_fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let own = self.fields.iter().map(|(name, value)| (*name, value.as_ref()));
        COMMON_FIELDS.iter().copied().chain(own)
    }
}

/// Fields of every answer: no guessing of types, no referrer, no frame, nothing loaded from
/// elsewhere, and nothing of it loaded by other sites (Fetch Standard, 3.7).
pub const COMMON_FIELDS: [(&str, &str); 5] = [
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Server", "StreamCaster"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
];

const FRESH: (&str, Cow<'static, str>) = ("Cache-Control", Cow::Borrowed("no-store"));
const JSON: (&str, Cow<'static, str>) =
    ("Content-Type", Cow::Borrowed("application/json; charset=utf-8"));

/// An answer in JSON.
pub fn json(status: u16, value: &impl Serialize) -> Answer {
    // Our own structs of numbers, texts and lists: there is nothing JSON could not say.
    json_bytes(status, serde_json::to_vec(value).unwrap_or_default())
}

/// An answer that is JSON already.
pub fn json_bytes(status: u16, body: Vec<u8>) -> Answer {
    Answer { status, fields: vec![JSON, FRESH], body: Cow::Owned(body) }
}

/// What is asked for is elsewhere (RFC 9110, 15.4.9).
pub fn redirect(location: String) -> Answer {
    let fields = vec![("Location", location.into())];
    Answer { status: 308, fields, body: Cow::Borrowed(&[]) }
}

/// An answer that is text of some kind.
pub fn text(status: u16, kind: &'static str, body: impl Into<Cow<'static, str>>) -> Answer {
    let body = match body.into() {
        Cow::Borrowed(body) => Cow::Borrowed(body.as_bytes()),
        Cow::Owned(body) => Cow::Owned(body.into_bytes()),
    };
    Answer { status, fields: vec![("Content-Type", kind.into()), FRESH], body }
}

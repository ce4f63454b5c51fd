//! `/licences`: what all that the appliance's image holds is licensed under. Purpose: the text that
//! `cargo xtask image` puts into the image, compressed as it lies there. Non-goal: a program outside the
//! image, which has none. Bound: [`LICENCES_BYTES_MAX`].

use std::borrow::Cow;

use crate::control::http::answer::Answer;
use crate::control::http::problem::Problem;
use crate::system::licences;

/// The text; a client that takes no gzip is given the file.
pub fn answer(gzip: bool) -> Answer {
    let Some(packed) = licences::packed() else {
        let words = "This program was not installed by an image: its licences are in its source.";
        return Problem::NotFound.answer(words);
    };
    let mut fields = vec![("Vary", "Accept-Encoding".into())];
    if gzip {
        fields.push(("Content-Type", "text/plain; charset=utf-8".into()));
        fields.push(("Content-Encoding", "gzip".into()));
    } else {
        fields.push(("Content-Type", "application/gzip".into()));
    }
    Answer { status: 200, fields, body: Cow::Owned(packed) }
}

//! What a player heard, message by message, and its way into the oracle and into a file again.

use std::time::Instant;

use bytes::Bytes;

use super::flv::{self, Tag};
use crate::oracle::{Message, Source};

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// RTMP message type.
    pub kind: u8,
    /// Its timestamp.
    pub time_ms: u32,
    /// Its payload.
    pub body: Bytes,
    /// When it was whole.
    pub at: Instant,
}

impl Heard {
    /// The same for the oracle, with the time since `origin`.
    pub fn message(&self, origin: Instant) -> Message<'_> {
        let Heard { kind, time_ms, ref body, at } = *self;
        Message { kind, time_ms, body, arrived: at.checked_duration_since(origin) }
    }
}

/// Tags for the oracle; when they came, nobody knows any more.
pub fn messages(tags: &[Tag]) -> impl Iterator<Item = Message<'_>> {
    tags.iter().map(|(kind, time_ms, body)| Message {
        kind: *kind,
        time_ms: *time_ms,
        body,
        arrived: None,
    })
}

/// The source that these tags are.
pub fn source(name: &str, tags: &[Tag]) -> Source {
    Source::of_messages(name, messages(tags)).unwrap_or_else(|error| panic!("{error}"))
}

/// The standby card, from the same file the program was built with.
pub fn card() -> Source {
    let file = super::root().join("src/inputs/standby.flv");
    source("card", &flv::tags(&std::fs::read(file).expect("the card")))
}

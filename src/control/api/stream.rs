//! Long streams, by what they are: answers that do not end, and bodies too large to be held. Non-goals:
//! serving them. Bound: a few numbers.

use crate::appliance::firmware::orders::FirmwareOrder;
use crate::control::http::answer::Answer;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// An answer.
    Answer(Answer),
    /// A long stream, which the gate's side serves.
    Stream(Stream),
}

impl Answered {
    /// It is not refused.
    pub fn is_well(&self) -> bool {
        match self {
            Answered::Answer(answer) => answer.status < 400,
            Answered::Stream(_) => true,
        }
    }
}

/// A long stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The server-sent events.
    Events {
        /// The number of the last log line the client has.
        after: Option<u64>,
    },
    /// The picture as fragmented MP4.
    Preview,
    /// The body of a request that brings a piece of a file.
    Upload {
        /// Which upload.
        id: u64,
        /// Where in the file the body begins, bytes.
        offset: u64,
        /// Its length, bytes.
        bytes: u64,
    },
    /// An order to the update service, with the package that belongs to it.
    Firmware(FirmwareOrder),
}

impl Stream {
    /// What there are too many of.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Events { .. } => "clients of the events",
            Stream::Preview => "previews",
            Stream::Upload { .. } => "uploads",
            Stream::Firmware(_) => "updates",
        }
    }
}

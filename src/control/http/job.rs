//! A request on its way from the gate to the workers, and what comes back. Purpose: it is parsed once
//! and handed over as it is, in one process, through a bounded channel. Non-goals: deadlines: a client
//! that has waited enough leaves, and its job is passed over. Bound: one job for each connection.

use smol::channel::{bounded, Receiver, Sender};

use crate::base::limits::HTTP_CONNECTIONS_MAX;
use crate::control::door::Door;
use crate::control::head::{Body, Head, Refusal};
use crate::control::http::print::Printed;
use crate::control::stream::Stream;

/// A request, whole.
#[derive(Debug)]
pub struct Request {
    /// Its line and fields.
    pub head: Head,
    /// Where it comes from.
    pub client: Door,
    /// Its body; empty where the gate has not read it.
    pub body: Vec<u8>,
}

impl Request {
    /// Length of a body that is read only if the answer is a [`Stream`], bytes.
    pub fn unread_bytes(&self) -> Option<u64> {
        match self.head.body {
            Body::Piece(bytes) => Some(bytes),
            Body::Whole(_) => None,
        }
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Whole(Printed),
    /// A long stream, which the gate serves itself.
    Stream(Stream),
    /// There is no room for the answer.
    Refused(Refusal),
}

/// A request for the workers.
#[derive(Debug)]
pub struct Job {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes; closed when the client has left.
    pub reply: Sender<Reply>,
}

/// The way to the workers. Every connection has at most one job under way.
pub fn channel() -> (Sender<Job>, Receiver<Job>) {
    bounded(HTTP_CONNECTIONS_MAX)
}

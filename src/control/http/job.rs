//! A request on its way from the gate to the workers, and what comes back. Purpose: it is parsed once
//! and handed over as it is, in one process, through a bounded channel. Non-goals: deadlines: a client
//! that has waited enough leaves, and its job is passed over. Bound: one job for each connection.

use smol::channel::{bounded, Receiver, Sender};

use crate::base::limits::HTTP_CONNECTIONS_MAX;
use crate::control::http::client::Client;
use crate::control::http::head::{Body, Head, Refusal};
use crate::control::http::print::Printed;

/// A request, whole.
#[derive(Debug)]
pub struct Request {
    /// Its line and fields.
    pub head: Head,
    /// Where it comes from.
    pub client: Client,
    /// Its body; empty where the gate has not read it.
    pub body: Vec<u8>,
}

impl Request {
    /// Length of a body that is read only if the answer is a stream, bytes.
    pub fn unread_bytes(&self) -> Option<u64> {
        match self.head.body {
            Body::Piece(bytes) => Some(bytes),
            Body::Whole(_) => None,
        }
    }
}

/// What becomes of a request; `S` is what the service behind the gate calls a stream.
#[derive(Debug)]
pub enum Reply<S> {
    /// An answer.
    Whole(Printed),
    /// A long stream, which the gate serves itself.
    Stream(S),
    /// There is no room for the answer.
    Refused(Refusal),
}

/// A request for the workers.
#[derive(Debug)]
pub struct Job<S> {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes; closed when the client has left.
    pub reply: Sender<Reply<S>>,
}

/// The way to the workers. Every connection has at most one job under way.
pub fn channel<S>() -> (Sender<Job<S>>, Receiver<Job<S>>) {
    bounded(HTTP_CONNECTIONS_MAX)
}

//! What is served behind the gate, as far as HTTP knows it. Non-goals: which requests there are.

use std::future::Future;
use std::io;

use tiny_http::Method;

use crate::control::http::answer::Answer;
use crate::control::http::stream::Carrier;

/// What is served, besides what the workers answer.
pub trait Service: 'static {
    /// A long stream, as the workers name it.
    type Stream: Send + 'static;

    /// Whether a request to this target may bring a body that is too large to be held.
    fn may_be_large(method: &Method, target: &str) -> bool;

    /// Serves a stream until it ends. An answer that comes of it is sent by the caller, who closes the
    /// connection either way.
    ///
    /// # Errors
    /// The client is gone.
    fn serve(
        &self,
        stream: Self::Stream,
        carrier: &mut Carrier<'_>,
    ) -> impl Future<Output = io::Result<Option<Answer>>>;
}

//! The preview's way to a client.

use std::io;

use crate::control::routes::Answer;
use crate::control::stream::{unavailable, Carrier, Sources};

/// Serves the preview until the client leaves or the stream ends; an answer when there is none.
///
/// # Errors
/// The client is gone.
pub async fn serve(_: &mut Carrier<'_>, _: &Sources) -> io::Result<Option<Answer>> {
    Ok(Some(unavailable("There is no preview.")))
}

//! An upload's way from a client to the disk.

use std::io;

use crate::control::routes::Answer;
use crate::control::stream::{unavailable, Carrier, Sources};

/// Takes `bytes` bytes of upload `id` from `offset` on, and says what came of it.
///
/// # Errors
/// The client is gone: there is nobody to tell.
pub async fn receive(
    _: &mut Carrier<'_>,
    _: &Sources,
    _id: u64,
    _offset: u64,
    _bytes: u64,
) -> io::Result<Answer> {
    Ok(unavailable("There are no uploads."))
}

//! The preview's way to a client. Purpose: what the data plane makes is sent as it comes, as one
//! body that ends with the connection. Non-goals: making it. Bounds: one piece at a time; who
//! takes nothing for [`STREAM_SEND_MS_MAX`](crate::base::limits::STREAM_SEND_MS_MAX) is cut off,
//! and nobody waits for a piece longer than [`PREVIEW_IDLE_MS_MAX`].

use std::io;

use smol::future::or;

use crate::control::http::answer::Answer;
use crate::control::http::deadline::within;
use crate::control::http::problem::Problem;
use crate::control::http::stream::Carrier;
use crate::outputs::preview::{Preview, PreviewDesk, PreviewPiece};

/// Time who asks for a preview waits for its beginning; afterwards, without a piece, for the next.
const PREVIEW_IDLE_MS_MAX: u64 = 10_000;

/// What came first.
enum Next {
    /// A piece.
    Piece(PreviewPiece),
    /// The preview has ended, or brings nothing any more.
    End,
    /// The client is gone.
    Left,
}

/// Serves the preview until the client leaves or the stream ends; an answer when there is none.
///
/// # Errors
/// The client is gone, or takes nothing.
pub async fn serve(
    carrier: &mut Carrier<'_>,
    previews: &PreviewDesk,
) -> io::Result<Option<Answer>> {
    let preview = match previews.open() {
        Ok(preview) => preview,
        Err(refused) => return Ok(Some(Problem::Unavailable.answer(refused))),
    };
    let codecs = match next(carrier, &preview).await {
        Next::Piece(PreviewPiece::Codecs(codecs)) => codecs,
        Next::Left => return Ok(None),
        Next::Piece(PreviewPiece::Bytes(_)) | Next::End => {
            return Ok(Some(
                Problem::Unavailable.answer("There is no picture yet; try again in a moment."),
            ));
        }
    };
    carrier.begin(&format!("video/mp4; codecs=\"{codecs}\"")).await?;
    while let Next::Piece(piece) = next(carrier, &preview).await {
        // Other parameters come with an init segment of their own, which says all of it.
        if let PreviewPiece::Bytes(bytes) = piece {
            carrier.send(&bytes).await?;
        }
    }
    Ok(None)
}

async fn next(carrier: &mut Carrier<'_>, preview: &Preview) -> Next {
    let piece = async {
        let piece = within(PREVIEW_IDLE_MS_MAX, preview.next()).await;
        piece.flatten().map_or(Next::End, Next::Piece)
    };
    let left = async {
        carrier.left().await;
        Next::Left
    };
    or(piece, left).await
}

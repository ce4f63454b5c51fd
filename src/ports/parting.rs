//! How a refused peer is let go. Purpose: it reads why. Bound: [`PARTING`].

use std::time::Duration;

use smol::future::FutureExt;

use crate::net::link::{Link, LinkEnd, Wake};
use crate::net::reactor::Sleep;
use crate::rtmp::server::ServerSession;
use crate::system::clock;

/// Time a refused peer has to read why.
const PARTING: Duration = Duration::from_secs(1);

/// Lets a refused peer read why, and waits for it to close: closing with its bytes unread would
/// reset the connection and take the words with it.
pub(super) async fn part(mut link: Link, mut session: ServerSession) {
    let words = async {
        while !link.flush(&mut session)? {
            if link.wake(None, true).await == Wake::Readable {
                link.receive(&mut session, clock::mono())?;
            }
        }
        link.stream().finish().map_err(LinkEnd::Io)?;
        loop {
            link.wake(None, false).await;
            link.receive(&mut session, clock::mono())?;
        }
    };
    let late = async {
        Sleep::after(PARTING).await;
        Err::<(), LinkEnd>(LinkEnd::Closed)
    };
    // Whether it listened no longer matters.
    let _ = words.or(late).await;
}

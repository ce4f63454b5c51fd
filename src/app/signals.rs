//! Signals. Purpose: SIGTERM and SIGINT end the program politely; SIGHUP, SIGUSR1 and SIGUSR2, which
//! would kill it by default (signal(7)), are what other programs read their configuration again by:
//! here that needs none, and a terminal that closes must not end what is on air. Non-goal: ending.
//! Bound: nothing is kept here.

use async_signal::{Signal, Signals};
use log::{debug, info, warn};
use smol::stream::StreamExt;

use super::start_error::StartError;

const HEARD: [Signal; 5] = [Signal::Term, Signal::Int, Signal::Hup, Signal::Usr1, Signal::Usr2];

/// Begins to listen; from now on none of them ends the program by itself.
pub fn listen() -> Result<Signals, StartError> {
    Signals::new(HEARD).map_err(|cause| StartError {
        what: "signals cannot be received".to_owned(),
        hint: "",
        cause,
    })
}

/// Waits until one asks the program to end, or none can be received any more.
pub async fn asked_to_end(mut signals: Signals) {
    loop {
        match signals.next().await {
            Some(Ok(signal @ (Signal::Term | Signal::Int))) => {
                return info!("stopping: received {signal:?}");
            }
            Some(Ok(other)) => debug!("ignored {other:?}"),
            Some(Err(error)) => {
                return warn!("stopping: signals can no longer be received: {error}");
            }
            None => return warn!("stopping: signals can no longer be received"),
        }
    }
}

//! The sources' shells: what receives or paces bytes and feeds them to the programme. `udp`,
//! `publisher` and `pull` receive; the latter two share an `intake`, and all three are held to real
//! time by `pace`. `playout` and `standby` pace files, each a `playing_file` off a `file_reader`; behind standby
//! stands the built-in `card`. Bounds: those of each.

mod card;
pub mod diagnosis;
mod entry;
pub mod file_reader;
mod intake;
mod lock;
mod pace;
mod playing_file;
pub mod playout;
pub mod publisher;
pub mod pull;
pub mod reopen;
pub mod standby;
#[cfg(test)]
mod testing;
pub mod udp;
mod udp_socket;
mod watch;

use std::fmt;

use log::{info, warn};

use crate::operator::reason::ReasonNews;
use crate::program::switcher::Cut;

/// Logs that a reason begins or is over; `what` is its consequence.
fn log_reason(who: impl fmt::Display, what: &str, news: ReasonNews) {
    if let Some((why, lasted)) = news.over {
        info!("{who}: resolved after {} s: {why}", lasted.as_secs());
    }
    if let Some(why) = news.begins {
        warn!("{who}: {what}: {why}");
    }
}

/// Tells a change of what is on air.
fn log_cut(cut: Option<Cut>) {
    let Some(Cut { from, to, silent }) = cut else { return };
    match silent {
        Some(silent) => {
            let ms = silent.as_millis();
            info!("on air: {} ({} has been silent for {ms} ms)", to.name(), from.name());
        }
        None => info!("on air: {}", to.name()),
    }
}

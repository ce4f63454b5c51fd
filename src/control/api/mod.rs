//! The HTTP API: a file for each resource. Purpose: requests turned into commands and changes, the state
//! into JSON. Non-goals: HTTP itself (`http`), who may (`auth`).
//!
//! [`paths`] lists every path there is, [`routes`] leads from a request to the file that answers it,
//! [`worker`] calls that on a thread of its own, and [`streams`] serves what does not end.

pub mod asked;
pub mod audit;
pub mod backend;
mod body;
pub mod commands;
pub mod events;
pub mod firmware;
pub mod moment;
pub mod paths;
pub mod routes;
pub mod session;
pub mod stream;
pub mod streams;
pub mod worker;

mod changes;
mod checks;
mod destinations;
#[cfg(test)]
mod document;
mod done;
mod inputs;
mod licences;
mod logs;
mod machine;
mod maintenance;
mod media;
mod names;
#[cfg(test)]
mod openapi;
mod orders;
mod platforms;
mod playlists;
mod preview;
mod reasons;
#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod schemas;
mod settings;
mod status;
mod uploads;
mod videos;

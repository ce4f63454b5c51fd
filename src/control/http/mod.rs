//! HTTP: the gate and its connections, requests parsed and answers printed. Purpose: strangers meet this
//! code, which knows no route: what is served is a [`service::Service`], and what answers takes
//! [jobs](job::Job). Bounds: those of [`gate`], [`connection`] and [`print`].

pub mod answer;
pub mod budget;
pub mod client;
pub mod connection;
pub mod deadline;
pub mod forwarded;
pub mod gate;
pub mod head;
pub mod job;
pub mod meter;
pub mod port;
pub mod print;
pub mod problem;
pub mod service;
pub mod stream;
pub mod tls;
pub mod wire;

mod proxy_fields;
mod seats;
mod turns;

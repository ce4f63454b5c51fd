//! StreamCaster: MPEG-TS over UDP in, one programme that never stops, RTMP out.
//!
//! Imports point down only:
//!
//! ```text
//! main, app                     arguments; builds everything from the config; ordered shutdown
//! ports  control                what strangers connect to: RTMP 1935, HTTP 8080 and 8081
//! inputs  outputs               the other shells: UDP, publishers, pull, files; viewers, pushes
//! library  health  appliance    video library; checks and probe; the machine image's own
//! config                        settings: what config.toml says, and its changes
//! net                           reactor, links, tries, certificates
//! operator                      commands and the snapshot, between control and data plane
//! system                        the machine: clock, memory, logs, files
//! program                       switcher, timeline, ring, reader: pure policy
//! rtmp  flv  ts  mp4  mkv       formats and protocols, sans-I/O
//! codec                         access units, H.264, AAC: what those have in common
//! base                          limits, time, events, redaction
//! ```
//!
//! Nothing in `program` or below imports smol, tiny_http, `std::net`, `std::fs`, `std::thread`,
//! or reads a clock: bytes and `now` come in, bytes, events and a deadline go out. `rtmp`, `flv`,
//! `ts`, `mp4` and `mkv` do not import each other. `inputs` and `outputs` do not import each other:
//! they meet in `program`. `control` talks to the data plane by bounded commands and a snapshot.
//! `cargo xtask ci` holds the code to these rules.

pub mod app;
pub mod appliance;
pub mod base;
pub mod codec;
pub mod config;
pub mod control;
pub mod flv;
pub mod health;
pub mod inputs;
pub mod library;
pub mod mkv;
pub mod mp4;
pub mod net;
pub mod operator;
pub mod outputs;
pub mod ports;
pub mod program;
pub mod rtmp;
pub mod system;
pub mod ts;

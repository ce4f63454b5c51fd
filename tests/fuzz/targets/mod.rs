//! The fuzz targets: for every parser of strangers' bytes a function that takes any bytes and
//! panics when what the parser promises does not hold. Purpose: one body for both engines, the
//! seeded one of `cargo test` and the coverage-guided one of `cargo xtask fuzz`. Bound: one input.

mod amf;
mod api;
mod chunks;
mod config;
mod files;
mod firmware;
mod http;
mod mp4;
mod name_servers;
mod partitions;
mod playout;
mod preview;
mod programme;
mod proxy;
mod rechunk;
mod remux;
mod sessions;
mod switcher;
mod take;
mod ts;
mod url;

/// What a target does with an input.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folders below `seeds` and `crashers`.
pub const TARGETS: [(&str, Target); 23] = [
    ("ts", ts::run),
    ("flv", files::flv),
    ("mkv", files::mkv),
    ("programme", programme::run),
    ("chunks", chunks::run),
    ("server", sessions::server),
    ("publish", sessions::publish),
    ("client", sessions::client),
    ("amf", amf::run),
    ("url", url::run),
    ("config", config::run),
    ("http", http::run),
    ("api", api::run),
    ("mp4", mp4::run),
    ("firmware", firmware::run),
    ("rechunk", rechunk::run),
    ("preview", preview::run),
    ("playout", playout::run),
    ("partitions", partitions::run),
    ("remux", remux::run),
    ("switcher", switcher::run),
    ("proxy", proxy::run),
    ("name_servers", name_servers::run),
];

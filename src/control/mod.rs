//! The control plane: the page and API on one TCP port, `/stat` and `/health` on another.
//! Purpose: tell the state, take the operator's commands, and stand everything that strangers send,
//! beside a data plane that it can never hurt: it reads snapshots, and hands commands to a bounded
//! desk.
//!
//! ```text
//! TCP ─ gate (admission, strict HTTP, deadlines) ─ jobs, bounded ─ workers ─ routes
//! ```
//!
//! Bounds: [`HTTP_CONNECTIONS_MAX`](crate::base::limits::HTTP_CONNECTIONS_MAX) connections, each
//! with at most one request of limited size, and all answers together by
//! [`HTTP_ANSWERS_BYTES_MAX`](crate::base::limits::HTTP_ANSWERS_BYTES_MAX). Threads:
//! [`HTTP_THREADS_MAX`](crate::base::limits::HTTP_THREADS_MAX): one gate, [`HTTP_WORKERS`] workers;
//! async-io's thread, which wakes the gate, comes on top. A command may keep its worker waiting for
//! seconds: there is one more of them than commands under way, so that the state can always be told,
//! and two commands, so that a stop gets past a switch that waits for a slow disk.

pub mod api;
pub mod audit;
pub mod auth;
pub mod build_info;
pub mod caller;
pub mod firmware;
pub mod forwarded;
pub mod head;
pub mod meter;
pub mod paths;
pub mod routes;

mod changes;
mod checks;
mod connection;
mod destinations;
pub mod door;
mod events;
mod fields;
mod gate;
pub mod http;
mod inputs;
mod licences;
mod logs;
mod machine;
mod maintenance;
mod metrics;
mod names;
mod orders;
mod page;
mod preview;
mod proxy_fields;
mod reasons;
#[cfg(test)]
mod sample;
mod settings;
mod stat;
mod stream;
mod tls;
mod turns;
mod uploads;
mod videos;
mod wire;
mod worker;

use std::io;
use std::net::{self, SocketAddr};
use std::path::PathBuf;
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use async_net::TcpListener;
use smol::channel::Sender;
use socket2::Type;

use crate::base::limits::{HTTP_SOCKET_BUFFER_BYTES, HTTP_WORKERS, THREAD_STACK_BYTES};
use crate::config::settings::Settings;
use crate::control::door::Allowed;
use crate::health::host::Gauges;
use crate::library::clerk::Clerk;
use crate::library::Library;
use crate::net::certificate::TlsFiles;
use crate::net::proxy::Proxies;
use crate::net::sockets;
use crate::operator::commands::Desk;
use crate::operator::snapshot::Board;
use crate::outputs::preview::PreviewDesk;
use crate::system::logs::LogBook;
use auth::calls::StoreHash;
use auth::Auth;
use events::Newsroom;
use firmware::Appliance;
use http::job;
use meter::Meter;
use stream::Sources;
use tls::Tls;
use worker::Shop;

pub use build_info::BUILD;
pub use events::Revision;

/// How long stopping waits for a thread that does not end.
const STOP_MS_MAX: Duration = Duration::from_millis(1_000);

/// What the control plane needs.
pub struct ControlOptions {
    /// Where page and API listen; port 0 takes any.
    pub http: SocketAddr,
    /// Where `/stat` and `/health` listen; port 0 takes any.
    pub stat: SocketAddr,
    /// The certificate of page and API; without it they speak plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Who speaks for others.
    pub proxies: Proxies,
    /// Where the state hangs.
    pub board: Board,
    /// Where commands are given.
    pub desk: Desk,
    /// Where previews are asked for.
    pub previews: PreviewDesk,
    /// The library.
    pub library: Library,
    /// The log's newest lines.
    pub logs: LogBook,
    /// The revision of the settings; asked on the gate's thread, so it must not wait.
    pub revision: Revision,
    /// Who changes it.
    pub clerk: Clerk,
    /// Who may.
    pub auth: Arc<Auth>,
    /// Writes the hash of a new password down.
    pub store_hash: Box<StoreHash>,
    /// The machine.
    pub gauges: Gauges,
    /// The settings.
    pub settings: Settings,
    /// Where the appliance's own services are met; without such a folder this is none.
    pub appliance: PathBuf,
    /// Who may connect.
    pub allowed: Allowed,
}

/// The running control plane; dropped, it stops.
pub struct ControlHandle {
    http: SocketAddr,
    stat: SocketAddr,
    gate: Option<Sender<()>>,
    /// Closed when the last thread has ended.
    ended: mpsc::Receiver<()>,
}

impl ControlHandle {
    /// Where page and API listen.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where `/stat` and `/health` listen.
    pub fn stat(&self) -> SocketAddr {
        self.stat
    }

    /// Stops: closes the ports and all connections, ends the threads. Waits a second at most.
    pub fn stop(self) {}
}

impl Drop for ControlHandle {
    fn drop(&mut self) {
        // The workers end with the gate, which has the only way to them.
        self.gate = None;
        if self.ended.recv_timeout(STOP_MS_MAX) == Err(mpsc::RecvTimeoutError::Timeout) {
            log::warn!("control: a thread did not end in time and is left behind");
        }
    }
}

/// Starts the control plane. Both ports are bound when it returns; an error names the address.
pub fn start(options: ControlOptions) -> io::Result<ControlHandle> {
    let http = listen("page and API", options.http)?;
    let stat = listen("statistics", options.stat)?;
    let (http_addr, stat_addr) = (http.local_addr()?, stat.local_addr()?);
    let tls = options.tls.clone().map(Tls::new).transpose().map_err(io::Error::other)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (proxies, allowed) = (options.proxies.clone(), options.allowed.clone());
    let meter = Arc::<Meter>::default();
    let sources = sources(&options, &meter);
    let shop = Arc::new(Shop::new(options, meter));
    let (stay, ended) = mpsc::channel::<()>();
    let (gate, stop) = smol::channel::bounded(1);
    // From here on an error drops the handle, and that stops what has begun.
    let handle = ControlHandle { http: http_addr, stat: stat_addr, gate: Some(gate), ended };
    let (jobs, to_do) = job::channel();
    for number in 1..=HTTP_WORKERS {
        let (shop, to_do) = (Arc::clone(&shop), to_do.clone());
        spawn(format!("control-{number}"), &stay, move || worker::work(&shop, &to_do))?;
    }
    spawn("control-gate".to_owned(), &stay, move || {
        gate::run(http, stat, jobs, sources, (tls, proxies, allowed), stop);
    })?;
    log::info!("control: page on {scheme}://{http_addr}, statistics on http://{stat_addr}/stat");
    Ok(handle)
}

/// What the gate's side serves itself.
fn sources(options: &ControlOptions, meter: &Arc<Meter>) -> Sources {
    let (numbers, gauges) = (Arc::clone(meter), options.gauges.clone());
    let settings = options.settings.clone();
    let news = Newsroom::new(
        options.board.clone(),
        options.library.clone(),
        options.logs.clone(),
        Arc::clone(&options.revision),
        Box::new(move || worker::moment(numbers.read(), &gauges, &settings)),
    );
    let (previews, clerk) = (options.previews.clone(), options.clerk.clone());
    let appliance = Appliance::new(&options.appliance);
    let (meter, auth) = (Arc::clone(meter), Arc::clone(&options.auth));
    Sources { meter, auth, news, previews, clerk, appliance }
}

fn spawn(
    name: String,
    stay: &mpsc::Sender<()>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let stay = stay.clone();
    let body = move || {
        work();
        drop(stay);
    };
    thread::Builder::new().name(name).stack_size(THREAD_STACK_BYTES).spawn(body).map(drop)
}

/// Connections the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 128;

/// Binds a port. What is accepted inherits the buffers.
fn listen(what: &str, address: SocketAddr) -> io::Result<TcpListener> {
    let explain = |e: io::Error| {
        io::Error::new(e.kind(), format!("cannot listen on {address} for {what}: {e}"))
    };
    let listener = sockets::bind(address, Type::STREAM, |socket| {
        socket.set_reuse_address(true)?;
        socket.set_send_buffer_size(HTTP_SOCKET_BUFFER_BYTES)?;
        socket.set_recv_buffer_size(HTTP_SOCKET_BUFFER_BYTES)
    });
    let listener = listener.and_then(|socket| socket.listen(BACKLOG).map(|()| socket));
    TcpListener::try_from(net::TcpListener::from(listener.map_err(explain)?)).map_err(explain)
}

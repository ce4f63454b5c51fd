//! The control plane: the page and API on one TCP port, `/stat` and `/health` on another.
//! Purpose: tell the state, take the operator's commands, and stand everything that strangers send,
//! beside a data plane that it can never hurt: it reads snapshots, and hands commands to a bounded
//! desk.
//!
//! ```text
//! TCP ─ gate (admission, strict HTTP, deadlines) ─ jobs, bounded ─ workers ─ routes
//!          └──────────── long streams ◄──────────────────────────────┘
//! ```
//!
//! | floor | what |
//! |---|---|
//! | `http` | the gate, connections, requests parsed, answers printed; it knows no route |
//! | `auth` | who sent a request, and what they may |
//! | `api` | the routes, and a file for each resource |
//! | `page`, `metrics` | the control page's files; `/metrics` and `/stat` for tools |
//!
//! A request is parsed once, at the gate, and its answer printed once, by the worker that made it.
//!
//! Bounds: [`HTTP_CONNECTIONS_MAX`](crate::base::limits::HTTP_CONNECTIONS_MAX) connections, each
//! with at most one request of limited size, and all answers together by
//! [`HTTP_ANSWERS_BYTES_MAX`](crate::base::limits::HTTP_ANSWERS_BYTES_MAX). Threads:
//! [`HTTP_THREADS_MAX`](crate::base::limits::HTTP_THREADS_MAX): one gate, [`HTTP_WORKERS`] workers;
//! async-io's thread, which wakes the gate, comes on top. A command may keep its worker waiting for
//! seconds: there is one more of them than commands under way, so that the state can always be told,
//! and two commands, so that a stop gets past a switch that waits for a slow disk.

pub mod api;
pub mod auth;
pub mod build_info;
pub mod http;

mod metrics;
mod options;
mod page;

use std::io;
use std::net::{self, SocketAddr};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use async_net::TcpListener;
use smol::channel::Sender;
use socket2::Type;

use crate::base::limits::{HTTP_SOCKET_BUFFER_BYTES, HTTP_WORKERS, THREAD_STACK_BYTES};
use crate::control::api::backend::Backend;
use crate::control::api::events::EventSource;
use crate::control::api::firmware::Appliance;
use crate::control::api::moment::{Moment, Now};
use crate::control::api::streams::Streams;
use crate::control::api::worker::Workers;
use crate::control::http::meter::Meter;
use crate::control::http::tls::Tls;
use crate::control::http::{gate, job};
use crate::net::sockets;

pub use api::events::Revision;
pub use build_info::BUILD;
pub use options::ControlOptions;

/// How long stopping waits for a thread that does not end.
const STOP_MS_MAX: Duration = Duration::from_millis(1_000);

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
    let tls = options.tls.clone().map(Tls::new);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (proxies, allowed) = (options.proxies.clone(), options.allowed.clone());
    let meter = Arc::<Meter>::default();
    let now = now(&options, &meter);
    let service = (streams(&options, &meter, &now), meter);
    let workers = Arc::new(Workers::new(Backend::new(options, now)));
    let (stay, ended) = mpsc::channel::<()>();
    let (gate, stop) = smol::channel::bounded(1);
    // From here on an error drops the handle, and that stops what has begun.
    let handle = ControlHandle { http: http_addr, stat: stat_addr, gate: Some(gate), ended };
    let (jobs, to_do) = job::channel();
    for number in 1..=HTTP_WORKERS {
        let (workers, to_do) = (Arc::clone(&workers), to_do.clone());
        spawn(format!("control-{number}"), &stay, move || workers.work(&to_do))?;
    }
    spawn("control-gate".to_owned(), &stay, move || {
        gate::run(http, stat, jobs, service, (tls, proxies, allowed), stop);
    })?;
    log::info!("control: page on {scheme}://{http_addr}, statistics on http://{stat_addr}/stat");
    Ok(handle)
}

/// What tells the time, and what else the state is told with.
fn now(options: &ControlOptions, meter: &Arc<Meter>) -> Now {
    let (meter, gauges) = (Arc::clone(meter), options.gauges.clone());
    let settings = options.settings.clone();
    Arc::new(move || Moment::now(&meter, &gauges, &settings))
}

/// What the gate's side serves itself.
fn streams(options: &ControlOptions, meter: &Arc<Meter>, now: &Now) -> Streams {
    let events = EventSource::new(
        options.board.clone(),
        options.library.clone(),
        options.logs.clone(),
        Arc::clone(&options.revision),
        Arc::clone(now),
    );
    let (previews, library_writer) = (options.previews.clone(), options.library_writer.clone());
    let appliance = Appliance::new(&options.appliance);
    let (meter, auth) = (Arc::clone(meter), Arc::clone(&options.auth));
    Streams { meter, auth, events, previews, library_writer, appliance }
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

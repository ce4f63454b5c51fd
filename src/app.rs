//! The whole, put together. Purpose: binds every port, starts the control plane and the data
//! plane, and ends both in order. Threads: the one that calls [`run`] is the data plane (one
//! executor); the others are the log's, the library's, the control plane's, one for each file that
//! is open for playing, and the pool for name look-ups and remembered state:
//! [`THREADS_MAX`](crate::base::limits::THREADS_MAX) at most.

mod front;
mod meters;
mod plane;
mod signals;
mod start_error;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use log::{info, warn};

use self::plane::DataPlane;
pub use self::start_error::StartError;
use crate::base::budget::{Budget, Demand, Owner};
use crate::base::limits::{
    DESCRIPTORS_BESIDES, HTTP_CONNECTIONS_MAX, RTMP_LOBBY_MAX, RTMP_PENDING_MAX,
};
use crate::config::settings::{Environment, Settings};
use crate::config::{Arguments, Config};
use crate::control::http::client::Allowed;
use crate::control::{self, ControlOptions};
use crate::health::host::Gauges;
use crate::library::writer::LibraryWriter;
use crate::library::Library;
use crate::net::proxy::Proxies;
use crate::net::reactor;
use crate::net::served_certificate::ServedCertificate;
use crate::net::sockets::{descriptors_max, raise_descriptors};
use crate::operator::commands;
use crate::operator::snapshot::Board;
use crate::outputs::preview;
use crate::program::unit::Unit;
use crate::system::heap;
use crate::system::logs::LogBook;
use crate::system::password::PasswordHash;
use crate::system::pid_file::PidFile;
use crate::system::store;

/// What the memory budget is computed from.
pub fn demand(config: &Config) -> Demand {
    Demand {
        ring_bytes: config.programme.ring_bytes,
        unit_record_bytes: std::mem::size_of::<Option<Unit>>(),
        viewers: config.rtmp.viewers_max,
        destinations: config.rtmp.destinations_max,
        receive_buffer_bytes: config.udp.receive_buffer_bytes,
        has_certificate: config.http.tls.is_some(),
        password_bytes: config.http.password_hash.as_ref().map_or(0, PasswordHash::bytes),
    }
}

/// What is to come when the program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterExit {
    /// Nothing.
    Stay,
    /// The program again.
    Restart,
}

/// Runs until a signal asks to end, or the operator to begin again. `data` is the folder for what it
/// writes, `logs` what was logged; `environment` and `arguments` are those that `config` was made
/// with, and `appliance` the folder of the appliance's own services, which need not be there.
///
/// # Errors
/// A port that cannot be bound, a thread that cannot be started.
pub fn run(
    config: &Config,
    data: &Path,
    environment: Environment,
    arguments: Arguments,
    logs: LogBook,
    appliance: &Path,
) -> Result<AfterExit, StartError> {
    let budget = Budget::of(&demand(config));
    let heap_bytes = budget.total(Owner::Heap);
    heap::set_limit(usize::try_from(heap_bytes).unwrap_or(usize::MAX));
    allow_descriptors(config);
    store::remove_unfinished(data, |name| name == "config.toml");
    for folder in ["state", "backups/config"] {
        store::remove_unfinished(&data.join(folder), |_| true);
    }
    let board = Board::default();
    let library = Library::start(data.join("videos")).map_err(|cause| StartError {
        what: "the library cannot be started".to_owned(),
        hint: "",
        cause,
    })?;
    let library_writer = LibraryWriter::start(data.join("uploads"), library.clone(), board.clone())
        .map_err(|cause| StartError {
            what: "the thread for uploads cannot be started".to_owned(),
            hint: "",
            cause,
        })?;
    let occupied_bytes = heap_bytes.saturating_add(budget.total(Owner::Process));
    let gauges = Gauges::start(data, appliance, occupied_bytes);
    let gauges = gauges.map_err(|cause| StartError {
        what: "the thread that measures the machine cannot be started".to_owned(),
        hint: "",
        cause,
    })?;
    let (desk, inbox) = commands::channel();
    let (previews, asked) = preview::channel();
    let certificate = served_certificate(config)?;
    let plane =
        DataPlane::bind(config, data, library.clone(), certificate.clone(), (inbox, asked))?;
    let auth = Arc::new(front::who_may(config, data)?);
    let (settings, live) = Settings::new(data, environment, arguments, config.clone());
    let options = ControlOptions {
        http: config.http.listen,
        stat: config.stat.listen,
        tls: certificate.clone(),
        proxies: Proxies::new(&config.proxies),
        allowed: Allowed { http: config.http.allow.clone(), stat: config.stat.allow.clone() },
        board: board.clone(),
        desk,
        previews,
        library,
        logs,
        revision: front::revision(&settings),
        library_writer,
        auth: Arc::clone(&auth),
        store_hash: front::store_hash(&settings),
        gauges,
        settings: settings.clone(),
        appliance: appliance.to_owned(),
    };
    let control = control::start(options).map_err(|cause| StartError {
        what: "the control page cannot be started".to_owned(),
        hint: "Choose other addresses with [http] and [stat] listen, or --http and --stat",
        cause,
    })?;
    let signals = signals::listen()?;
    let _pid_file = PidFile::take(&data.join("state"), control.http());
    plane.announce(&control);
    let executor = Rc::clone(&plane.context.executor);
    settings.begin();
    reactor::run(executor.run(Rc::clone(&plane).live(board, signals, (settings, auth), live)));
    control.stop();
    info!("ended");
    Ok(if plane.restart.get() { AfterExit::Restart } else { AfterExit::Stay })
}

/// The certificate the page and the RTMP port are served with, if there is one. Its files were good
/// when the configuration was read.
fn served_certificate(config: &Config) -> Result<Option<Arc<ServedCertificate>>, StartError> {
    let served = config.http.tls.clone().map(ServedCertificate::new).transpose();
    let served = served.map_err(|error| StartError {
        what: "the certificate cannot be used".to_owned(),
        hint: "Correct tls_certificate and tls_key in [http]",
        cause: std::io::Error::other(error),
    })?;
    Ok(served.map(Arc::new))
}

/// Sees to it that every connection there may be can have a descriptor.
fn allow_descriptors(config: &Config) {
    let served = config.rtmp.viewers_max + config.rtmp.destinations_max;
    // A connection of the control plane may have a file or a service's socket open.
    let others = RTMP_PENDING_MAX + RTMP_LOBBY_MAX + 2 * HTTP_CONNECTIONS_MAX + DESCRIPTORS_BESIDES;
    let wanted = served + others;
    if let Err(error) = raise_descriptors(wanted) {
        warn!("the limit of open files cannot be raised: {error}");
    }
    let allowed = descriptors_max();
    if allowed < wanted {
        warn!(
            "{allowed} open files are allowed, {wanted} may be needed for {} viewers: \
             raise the hard limit (ulimit -Hn)",
            config.rtmp.viewers_max
        );
    }
}

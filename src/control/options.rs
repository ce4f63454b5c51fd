//! What the control plane is given at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::settings::Settings;
use crate::control::api::events::Revision;
use crate::control::api::session::StoreHash;
use crate::control::auth::Auth;
use crate::control::http::client::Allowed;
use crate::health::host::Gauges;
use crate::library::writer::LibraryWriter;
use crate::library::Library;
use crate::net::proxy::Proxies;
use crate::net::served_certificate::ServedCertificate;
use crate::operator::commands::Desk;
use crate::operator::snapshot::Board;
use crate::outputs::preview::PreviewDesk;
use crate::system::logs::LogBook;

/// What the control plane needs.
pub struct ControlOptions {
    /// Where page and API listen; port 0 takes any.
    pub http: SocketAddr,
    /// Where `/stat` and `/health` listen; port 0 takes any.
    pub stat: SocketAddr,
    /// The certificate of page and API; without it they speak plain HTTP.
    pub tls: Option<Arc<ServedCertificate>>,
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
    pub library_writer: LibraryWriter,
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

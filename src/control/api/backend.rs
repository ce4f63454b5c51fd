//! What answers are made from, all of it. Only the dispatcher (`routes`) sees the whole; a handler
//! is given the few things it uses.

use std::sync::Arc;

use crate::config::settings::Settings;
use crate::control::api::audit::Audit;
use crate::control::api::commands::Commands;
use crate::control::api::firmware::Appliance;
use crate::control::api::moment::Now;
use crate::control::api::session::StoreHash;
use crate::control::auth::Auth;
use crate::control::options::ControlOptions;
use crate::library::writer::LibraryWriter;
use crate::library::Library;
use crate::operator::snapshot::Board;
use crate::system::logs::LogBook;

/// What the workers share.
pub struct Backend {
    /// Where the state hangs.
    pub board: Board,
    /// The time, and what else the state is told with.
    pub now: Now,
    /// Where commands are given.
    pub commands: Commands,
    /// The files.
    pub library: Library,
    /// The uploads under way or broken off.
    pub uploads: LibraryWriter,
    /// The settings.
    pub settings: Settings,
    /// Who may.
    pub auth: Arc<Auth>,
    /// Where changes are noted.
    pub audit: Audit,
    /// Writes the hash of a new password down.
    pub store_hash: Box<StoreHash>,
    /// The log.
    pub log: LogBook,
    /// The appliance around this program, if there is one.
    pub appliance: Appliance,
}

impl Backend {
    /// From what the control plane is given; `now` tells the time.
    pub fn new(options: ControlOptions, now: Now) -> Backend {
        let ControlOptions { board, desk, library, library_writer, logs, auth, .. } = options;
        let uploads = library_writer.clone();
        Backend {
            commands: Commands::new(desk, board.clone(), library_writer),
            board,
            now,
            library,
            uploads,
            settings: options.settings,
            auth,
            audit: Audit::default(),
            store_hash: options.store_hash,
            log: logs,
            appliance: Appliance::new(&options.appliance),
        }
    }
}

//! What was said before it is known whether it holds together: destinations, the pull, the certificate.

use std::path::PathBuf;

use super::errors::Origin;
use super::model::OnWarning;
use super::reconnect::Reconnect;
use crate::base::redact::Secret;

/// A destination as it was said.
pub(super) struct DestinationDraft {
    /// Where its section or variable stands.
    pub(super) whole: Origin,
    /// Its name and where that stands, if it was given one.
    pub(super) name: Option<(String, Origin)>,
    /// Its URL and where that stands; `None` if it was wrong already.
    pub(super) url: Option<(String, Origin)>,
    /// Its other URL likewise.
    pub(super) backup_url: Option<(String, Origin)>,
    /// Its key, if it was given beside the URL.
    pub(super) key: Option<Secret>,
    /// When its session is ended on purpose.
    pub(super) reconnect: Reconnect,
    /// Whether it is pushed to.
    pub(super) enabled: bool,
    /// What becomes of a programme that its platform will not like.
    pub(super) on_warning: OnWarning,
}

/// A pull as it was said.
#[derive(Default)]
pub(super) struct PullDraft {
    pub(super) url: Option<String>,
    /// Its play key, if it was given beside the URL.
    pub(super) key: Option<Secret>,
    /// Whether it is pulled.
    pub(super) enabled: Option<bool>,
}

/// The control page's certificate as it was said: paths from the file's folder on.
#[derive(Default)]
pub(super) struct TlsDraft {
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

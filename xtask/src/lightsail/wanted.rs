//! What a plan is made for.

use super::values::{Bundle, Network, Place};

/// What has been found right.
pub struct Wanted {
    /// Region and zone.
    pub(super) place: Place,
    /// The instance's name, and the beginning of all others.
    pub(super) name: String,
    /// Whom the page answers.
    pub(super) admin: Network,
    /// The plan.
    pub(super) bundle: Bundle,
    /// Who sends MPEG-TS over UDP.
    pub(super) udp: Option<Network>,
    /// Whether 8081 is opened.
    pub(super) stat: bool,
}

//! The ports of the control plane.

/// The two TCP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Page and API.
    Http,
    /// `/stat` and `/health`.
    Stat,
}

impl Port {
    /// The name of its section in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Port::Http => "http",
            Port::Stat => "stat",
        }
    }
}

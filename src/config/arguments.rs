//! What the command line says.

/// What the command line says; it goes before the environment and the file.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// `--udp`
    pub udp: Option<String>,
    /// `--rtmp`
    pub rtmp: Option<String>,
    /// `--http`
    pub http: Option<String>,
    /// `--stat`
    pub stat: Option<String>,
    /// `--log-level`
    pub log_level: Option<String>,
    /// This is the appliance, whose defaults differ.
    pub is_appliance: bool,
}

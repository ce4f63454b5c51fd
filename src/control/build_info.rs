//! What the binary knows of its own making, set by `build.rs`.

/// A build's identity.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// The package's version.
    pub version: &'static str,
    /// The commit, abbreviated; `unknown` when built outside version control.
    pub git: &'static str,
    /// The compiler and its version.
    pub compiler: &'static str,
    /// The commit's date as C compilers write `__DATE__ " " __TIME__`, UTC: two builds of one
    /// commit are equal.
    pub built: &'static str,
}

/// This build.
pub const BUILD: BuildInfo = BuildInfo {
    version: env!("CARGO_PKG_VERSION"),
    git: env!("STREAMCASTER_GIT"),
    compiler: env!("STREAMCASTER_COMPILER"),
    built: env!("STREAMCASTER_BUILT"),
};

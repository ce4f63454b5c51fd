//! What may be said of an appliance that is to be put in place.

use std::path::PathBuf;

use argh::FromArgs;

/// put the appliance in the place of a running Debian or Ubuntu; its whole disk is overwritten
#[derive(FromArgs)]
#[argh(subcommand, name = "flash")]
pub struct Flash {
    /// the host, as ssh knows it
    #[argh(positional)]
    pub(super) host: String,
    /// who logs in there: root, or somebody with sudo; admin unless said otherwise
    #[argh(option, default = "String::from(\"admin\")")]
    pub(super) user: String,
    /// the port of its ssh
    #[argh(option)]
    pub(super) port: Option<u16>,
    /// the private key to log in with
    #[argh(option)]
    pub(super) identity: Option<PathBuf>,
    /// anything else for ssh, as its -o takes it; may be given again
    #[argh(option)]
    pub(super) ssh_option: Vec<String>,
    /// the configuration the appliance starts with, with a password in it
    #[argh(option)]
    pub(super) config: Option<PathBuf>,
    /// the disk to overwrite, where it is not the root file system's
    #[argh(option)]
    pub(super) disk: Option<String>,
    /// where the page is waited for, HOST:PORT; the host's port 8080 unless said otherwise
    #[argh(option)]
    pub(super) page: Option<String>,
    /// check everything, change nothing
    #[argh(switch)]
    pub(super) dry_run: bool,
    /// put everything in place, but leave the restart that begins it to you
    #[argh(switch)]
    pub(super) no_restart: bool,
    /// ask nothing, and pass over doubts
    #[argh(switch)]
    pub(super) yes: bool,
}

//! Real servers that end TLS before another server: HAProxy, nginx's `stream`, stunnel.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::authority::Signed;
use crate::child::Tool;
use crate::haproxy::free_address;
use crate::program::Folder;
use crate::wait::{self, seconds};

/// Who ends TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    HaProxy,
    Nginx,
    Stunnel,
}

/// All of them.
pub const KINDS: [Kind; 3] = [Kind::HaProxy, Kind::Nginx, Kind::Stunnel];

/// The one version that it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Tls12,
    Tls13,
}

/// A running one.
pub struct Terminator {
    address: SocketAddr,
    _tool: Tool,
    _folder: Folder,
}

impl Terminator {
    /// Starts it before a server, and waits until it accepts.
    pub fn start(kind: Kind, version: Version, own: &Signed, server: SocketAddr) -> Terminator {
        let (folder, address) = (Folder::new(), free_address());
        let file = folder.file("config");
        let (name, config) = match kind {
            Kind::HaProxy => ("haproxy", haproxy(version, own, address, server)),
            Kind::Nginx => ("nginx", nginx(&folder, version, own, address, server)),
            Kind::Stunnel => ("stunnel4", stunnel(version, own, address, server)),
        };
        fs::write(&file, &config).expect("its configuration");
        let mut command = Command::new(name);
        // Debian keeps some of them where a user's PATH does not look.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        match kind {
            Kind::HaProxy => command.args(["-db", "-f"]).arg(&file),
            Kind::Nginx => {
                command.arg("-p").arg(folder.path()).arg("-e").arg(folder.file("error.log"));
                command.arg("-c").arg(&file)
            }
            Kind::Stunnel => command.arg(&file),
        };
        let tool = Tool::start(&mut command, folder.path(), name);
        let accepts = wait::holds(seconds(10), || TcpStream::connect(address).is_ok());
        assert!(accepts, "{kind:?} does not accept:\n{}\n{config}", tool.output());
        Terminator { address, _tool: tool, _folder: folder }
    }

    /// The port it accepts at.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

fn haproxy(version: Version, own: &Signed, at: SocketAddr, server: SocketAddr) -> String {
    let versions = match version {
        Version::Tls12 => "ssl-max-ver TLSv1.2",
        Version::Tls13 => "ssl-min-ver TLSv1.3",
    };
    let own = own.both.display();
    format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\n\
         listen tls\n bind {at} ssl crt {own} {versions}\n server rtmp {server}\n"
    )
}

fn nginx(
    folder: &Folder,
    version: Version,
    own: &Signed,
    at: SocketAddr,
    server: SocketAddr,
) -> String {
    let version = match version {
        Version::Tls12 => "TLSv1.2",
        Version::Tls13 => "TLSv1.3",
    };
    let module = "modules/ngx_stream_module.so";
    let places = ["/usr/lib/nginx", "/usr/lib64/nginx"].map(|place| format!("{place}/{module}"));
    let module = places.into_iter().find(|place| fs::exists(place).unwrap_or(false));
    let module = module.expect("nginx's stream module: `cargo xtask setup` installs it");
    let (folder, own) = (folder.path().display(), own.both.display());
    format!(
        "load_module {module};\ndaemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n\
         error_log {folder}/error.log info;\nevents {{ worker_connections 64; }}\n\
         stream {{ server {{ listen {at} ssl; ssl_certificate {own}; ssl_certificate_key {own};\n\
         ssl_protocols {version}; proxy_pass {server}; }} }}\n"
    )
}

fn stunnel(version: Version, own: &Signed, at: SocketAddr, server: SocketAddr) -> String {
    let version = match version {
        Version::Tls12 => "TLSv1.2",
        Version::Tls13 => "TLSv1.3",
    };
    let own = own.both.display();
    format!(
        "foreground = yes\npid =\n[rtmps]\naccept = {at}\nconnect = {server}\ncert = {own}\n\
         sslVersion = {version}\n"
    )
}

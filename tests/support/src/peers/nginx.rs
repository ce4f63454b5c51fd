//! A real nginx with its RTMP module, which records whatever is pushed into it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use super::child::Tool;
use super::flv;
use super::frames::Recording;
use super::program::Folder;
use super::wait::{self, seconds};

const MODULES: [&str; 2] =
    ["/usr/lib/nginx/modules/ngx_rtmp_module.so", "/usr/lib64/nginx/modules/ngx_rtmp_module.so"];

/// The server, running or killed.
pub struct Nginx {
    folder: Folder,
    address: SocketAddr,
    running: Option<Tool>,
}

impl Nginx {
    /// Starts it on a free port.
    pub fn start() -> Nginx {
        let mut nginx = Nginx::stopped();
        nginx.restart();
        nginx
    }

    /// Starts it as a relay that pulls what is played there, whether somebody watches or not.
    pub fn pulling(url: &str) -> Nginx {
        let mut nginx = Nginx::with(&format!("pull {url} name=pulled static;"));
        nginx.restart();
        nginx
    }

    /// Chooses a port and starts nothing yet.
    pub fn stopped() -> Nginx {
        Nginx::with("")
    }

    /// The same, with more in its application's configuration.
    fn with(more: &str) -> Nginx {
        let folder = Folder::new();
        fs::create_dir(folder.file("recorded")).expect("a folder to record into");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("the port it got");
        let module = MODULES.into_iter().find(|module| fs::exists(module).unwrap_or(false));
        let module = module.expect("nginx's RTMP module: `cargo xtask setup` installs it");
        let at = folder.path().display();
        let config = format!(
            "load_module {module};\ndaemon off;\nmaster_process off;\npid {at}/nginx.pid;\n\
             error_log {at}/error.log info;\nevents {{ worker_connections 512; }}\n\
             rtmp {{ access_log {at}/access.log; server {{ listen {address}; chunk_size 4096;\n\
             application live {{ live on; record all; record_path {at}/recorded; \
             record_unique on; {more} }}\n}} }}\n"
        );
        fs::write(folder.file("nginx.conf"), config).expect("its configuration");
        Nginx { folder, address, running: None }
    }

    /// Starts it again, and returns when it accepts.
    pub fn restart(&mut self) {
        let mut command = Command::new("nginx");
        // Debian keeps it where a user's PATH does not look.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        command.arg("-p").arg(self.folder.path()).arg("-c").arg(self.folder.file("nginx.conf"));
        command.arg("-e").arg(self.folder.file("error.log"));
        self.running = Some(Tool::start(&mut command, self.folder.path(), "nginx"));
        let accepts = wait::holds(seconds(10), || TcpStream::connect(self.address).is_ok());
        assert!(accepts, "nginx does not accept:\n{}", self.log());
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// The program's configuration with this server as its one destination.
    pub fn as_destination(&self) -> String {
        let url = self.url();
        format!("[[destination]]\nname = \"nginx\"\nurl = \"{url}\"\nkey = \"pushed\"\n")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where one pushes to; a stream key follows.
    pub fn url(&self) -> String {
        format!("rtmp://{}/live", self.address)
    }

    /// Its error log, which tells each command at level info.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.file("error.log")).unwrap_or_default())
            .into_owned()
    }

    /// Whether a push ended as it should: by deleteStream, and only then by closing. (A
    /// connection that closes without one is logged the other way round.)
    pub fn push_ended_politely(&self) -> bool {
        let log = self.log();
        let pushed = log.split_once("publish: ").map_or("", |(_, pushed)| pushed);
        let [said, closed] = ["deleteStream", "disconnect"].map(|word| pushed.find(word));
        said.is_some_and(|said| closed.is_none_or(|closed| said < closed))
    }

    /// What it recorded, a recording for each push, in order.
    pub fn recordings(&self) -> Vec<Recording> {
        self.recorded().iter().map(|path| flv::read(path)).collect()
    }

    /// The same as the tags of each.
    pub fn recorded_tags(&self) -> Vec<Vec<flv::Tag>> {
        let tags = |path: &PathBuf| flv::tags(&fs::read(path).expect("a recording"));
        self.recorded().iter().map(tags).collect()
    }

    fn recorded(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.file("recorded")).expect("the folder exists");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a readable folder").path()).collect();
        paths.sort();
        paths
    }
}

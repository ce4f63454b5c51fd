//! What is measured: this program, the pair it replaces, the floor. Purpose: starts each on the
//! measured processor with enough file descriptors, and ends it. Bound: a folder in the target
//! folder.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{fadvise, Advice};

use super::crowd::Language;
use crate::step::remove_folder;

/// Descriptors for a thousand players and all else.
pub const FILES_MAX: u64 = 8192;
const START_PATIENCE: Duration = Duration::from_secs(10);
const NGINX_RTMP_MODULES: [&str; 2] =
    ["/usr/lib/nginx/modules/ngx_rtmp_module.so", "/usr/lib64/nginx/modules/ngx_rtmp_module.so"];

/// Who serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ServerKind {
    /// StreamCaster.
    Ours,
    /// ffmpeg, which receives, and nginx with its RTMP module.
    Pair,
    /// See [`super::floor`].
    Floor,
}

impl ServerKind {
    /// All, in the order of the table.
    pub const ALL: [ServerKind; 3] = [ServerKind::Ours, ServerKind::Pair, ServerKind::Floor];

    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            ServerKind::Ours => "StreamCaster",
            ServerKind::Pair => "ffmpeg + nginx-rtmp",
            ServerKind::Floor => "the floor",
        }
    }

    /// What it speaks to players.
    pub fn language(self) -> Language {
        match self {
            ServerKind::Ours | ServerKind::Pair => Language::Rtmp,
            ServerKind::Floor => Language::Bare,
        }
    }

    /// From the first datagram until nothing fills up any more: this program's ring takes 22 s at
    /// this rate, ffmpeg studies its input for five.
    pub fn settling(self) -> Duration {
        Duration::from_secs(match self {
            ServerKind::Ours => 26,
            ServerKind::Pair => 10,
            ServerKind::Floor => 1,
        })
    }
}

/// Where what is served comes from.
#[derive(Clone, Copy)]
pub enum Feed<'f> {
    /// MPEG-TS, sent to [`Server::udp`].
    Udp,
    /// A file, from so many seconds on. This program is told by [`Server::http`] when it runs,
    /// by its name in [`Places::videos`]; ffmpeg is started with it.
    File(&'f Path, u32),
}

/// Where everything is.
pub struct Places {
    /// The binary to measure.
    pub binary: PathBuf,
    /// A folder to work in.
    pub folder: PathBuf,
    /// The clip; none is needed where files are played.
    pub clip: PathBuf,
    /// The processor the measured processes are kept on, if there are several.
    pub processor: Option<usize>,
    /// File descriptors each may have.
    pub files: u64,
}

/// A running server.
pub struct Server {
    children: Vec<Child>,
    /// Where it takes MPEG-TS.
    pub udp: SocketAddr,
    /// Where players connect.
    pub tcp: SocketAddr,
    /// Where this program takes commands.
    pub http: SocketAddr,
    /// Where it tells its state to tools.
    pub stat: SocketAddr,
    /// Where this program writes down what lets command it from here.
    token: PathBuf,
}

impl Server {
    /// Starts it, and returns when it accepts.
    pub fn start(kind: ServerKind, places: &Places, feed: Feed<'_>) -> Result<Server, String> {
        let (udp, tcp, http, stat) = (free_udp()?, free_tcp()?, free_tcp()?, free_tcp()?);
        let token = places.data().join("state/probe.token");
        let mut server = Server { children: Vec::new(), udp, tcp, http, stat, token };
        match kind {
            ServerKind::Ours => server.start_ours(places)?,
            ServerKind::Pair => server.start_nginx(places)?,
            ServerKind::Floor => server.start_floor(places)?,
        }
        let until = Instant::now() + START_PATIENCE;
        while TcpStream::connect(tcp).is_err() {
            if Instant::now() > until {
                return Err(format!(
                    "{} does not accept; see its log in the bench's folder",
                    kind.name()
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if kind == ServerKind::Pair {
            server.start_ffmpeg(places, feed)?;
        }
        Ok(server)
    }

    /// What lets command this program from here.
    ///
    /// # Errors
    /// The file of it cannot be read.
    pub fn token(&self) -> Result<String, String> {
        let text = fs::read_to_string(&self.token);
        let text = text.map_err(|error| format!("{}: {error}", self.token.display()))?;
        Ok(text.trim().to_owned())
    }

    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    fn start_ours(&mut self, places: &Places) -> Result<(), String> {
        let data = places.data();
        // What was on air when it was last ended would be again.
        remove_folder(&data.join("state"))?;
        let config = format!(
            "[input.udp]\nlisten = \"{}\"\n[rtmp]\nlisten = \"{}\"\nviewers_max = 1200\n\
             [http]\nlisten = \"{}\"\n[stat]\nlisten = \"{}\"\n",
            self.udp, self.tcp, self.http, self.stat
        );
        write(&data, "config.toml", &config)?;
        forget_pages(&places.binary)?;
        let mut command = places.command(&places.binary);
        command.arg("run").arg("--data").arg(data);
        self.spawn(command, places, "streamcaster")
    }

    fn start_nginx(&mut self, places: &Places) -> Result<(), String> {
        let module = NGINX_RTMP_MODULES.into_iter().find(|module| Path::new(module).exists());
        let module = module.ok_or("nginx's RTMP module is missing: `cargo xtask setup`")?;
        let folder = places.folder.join("nginx");
        let (at, tcp, files) = (folder.display(), self.tcp, places.files);
        let config = format!(
            "load_module {module};\ndaemon off;\nmaster_process off;\npid {at}/nginx.pid;\n\
             worker_rlimit_nofile {files};\nerror_log {at}/error.log error;\n\
             events {{ worker_connections 4096; }}\nrtmp {{ access_log off; server {{\n\
             listen {tcp}; chunk_size 4096; application live {{ live on; }}\n}} }}\n"
        );
        write(&folder, "nginx.conf", &config)?;
        // Debian keeps it where a user's PATH does not look.
        let usual = Path::new("/usr/sbin/nginx");
        let mut command = places.command(if usual.exists() { usual } else { Path::new("nginx") });
        command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf"));
        command.arg("-e").arg(folder.join("error.log"));
        self.spawn(command, places, "nginx")
    }

    fn start_ffmpeg(&mut self, places: &Places, feed: Feed<'_>) -> Result<(), String> {
        let (udp, tcp) = (self.udp, self.tcp);
        let mut command = places.command(Path::new("ffmpeg"));
        command.args(["-nostdin", "-loglevel", "error"]);
        match feed {
            Feed::Udp => command.args(["-i", &format!("udp://{udp}")]),
            Feed::File(path, from_s) => {
                command.args(["-re", "-ss", &from_s.to_string(), "-i"]).arg(path)
            }
        };
        command.args(["-c", "copy", "-f", "flv", &format!("rtmp://{tcp}/live/stream")]);
        self.spawn(command, places, "ffmpeg")
    }

    fn start_floor(&mut self, places: &Places) -> Result<(), String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = places.command(&own);
        command.args(["bench", "--udp", &self.udp.to_string(), "--tcp", &self.tcp.to_string()]);
        command.arg("--floor").arg(&places.clip);
        self.spawn(command, places, "floor")
    }

    fn spawn(&mut self, mut command: Command, places: &Places, name: &str) -> Result<(), String> {
        let path = places.folder.join(format!("{name}.log"));
        let log =
            fs::File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(|error| format!("{name} did not start: {error}"))?;
        self.children.push(child);
        Ok(())
    }
}

impl Places {
    /// This program's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where this program looks for files.
    pub fn videos(&self) -> PathBuf {
        self.data().join("videos")
    }

    /// A command on the measured processor. Each wrapper becomes what it starts, so that the
    /// child's id is the program's.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={0}:{0}", self.files));
        if let Some(processor) = self.processor {
            command.args(["taskset", "--cpu-list", &processor.to_string()]);
        }
        command.arg(program);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended by itself needs no more than to be waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Has the kernel read a program from the disk when it starts, as after a boot. What has just been
/// built lies in memory in pieces of up to megabytes, and each is mapped, and counted, whole.
fn forget_pages(program: &Path) -> Result<(), String> {
    let forgotten = fs::File::open(program).and_then(|file| {
        file.sync_all()?;
        Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
    });
    forgotten.map_err(|error| format!("{}: {error}", program.display()))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(name), text));
    written.map_err(|error| format!("{}: {error}", folder.join(name).display()))
}

fn free_udp() -> Result<SocketAddr, String> {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    socket.local_addr().map_err(|error| error.to_string())
}

fn free_tcp() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

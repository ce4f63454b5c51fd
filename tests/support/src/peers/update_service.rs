//! A stand-in for the update service: listens where it would, says what a test has it say.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{json, Value};

/// A connection to it.
pub type Line = BufReader<UnixStream>;

/// The folder of an appliance, removed with it.
pub struct Appliance(PathBuf);

impl Appliance {
    /// A fresh folder; nobody listens in it.
    pub fn new(folder: PathBuf) -> Appliance {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        Appliance(folder)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Listens; each connection is served after the other, from its order on.
    pub fn serve(&self, serve: impl Fn(&Value, &mut Line) + Send + 'static) {
        let socket = UnixListener::bind(self.0.join("firmware.sock")).expect("a socket");
        thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                let mut line = BufReader::new(stream);
                let mut order = String::new();
                line.read_line(&mut order).expect("an order");
                serve(&serde_json::from_str(&order).expect("JSON"), &mut line);
            }
        });
    }

    /// Writes its state down, whole, as the service does.
    pub fn write_down(&self, state: &Value) {
        let part = self.0.join("part");
        fs::write(&part, state.to_string()).expect("the state");
        fs::rename(part, self.0.join("firmware.json")).expect("the state");
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Says a line. Its reader may have left.
pub fn tell(line: &mut Line, words: &Value) {
    let _ = line.get_mut().write_all(format!("{words}\n").as_bytes());
}

/// Takes so many bytes of a package, or as many as come.
pub fn take(line: &mut Line, bytes: u64) -> Vec<u8> {
    let mut taken = Vec::new();
    // What is missing shows in what came.
    let _ = line.take(bytes).read_to_end(&mut taken);
    taken
}

/// The length an order tells.
pub fn length(order: &Value) -> u64 {
    order["bytes"].as_u64().expect("a length")
}

/// How the service tells of a system in a slot.
pub fn system(version: &str, revision: &str, tries_left: u8) -> Value {
    let made = 1_795_384_800;
    json!({
        "tries_left": tries_left, "version": version, "revision": revision, "made": made,
        "build": 20_261_122_220_000_u64, "kernel": "6.12.9-1", "key": "01c840c29dba2a32",
        "debug": false, "digest": "ab".repeat(32),
    })
}

/// The state of a machine that runs 0.1.0 from slot A; the other one is empty.
pub fn fresh() -> Value {
    json!({
        "slot": "A", "version": "0.1.0", "revision": "f141df0", "made": 1_795_384_800,
        "build": 20_261_122_220_000_u64, "kernel": "6.12.9-1", "key": "01c840c29dba2a32",
        "debug": false, "digest": "ab".repeat(32), "accepts": ["01c840c29dba2a32"],
        "on_trial": false, "slots": {"A": system("0.1.0", "f141df0", 3), "B": null},
        "can_roll_back": false, "busy": null, "last": null,
    })
}

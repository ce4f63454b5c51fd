//! Chromium's own protocol over a pair of pipes: JSON messages, each ended by NUL, read by
//! Chromium on its descriptor 3 and written on 4. Purpose: no port, no library, no other program
//! in between. Non-goal: other browsers. Bound: one tab; what it tells is kept until asked for.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::program::Folder;

/// Chromium finds descriptors 3 and 4 where std gives a child 0 and 1.
const LAUNCH: &str = r#"log=$1; shift; exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>>"$log""#;
/// What no answer takes longer than, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const FLAGS: [&str; 16] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--password-store=basic",
    // Whatever it would like to ask of others finds no address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A running Chromium with one tab.
pub struct Pipe {
    child: Child,
    stdin: ChildStdin,
    told: Receiver<Value>,
    events: VecDeque<Value>,
    session: Option<String>,
    next: u64,
    folder: Folder,
}

impl Pipe {
    /// Starts it with a profile of its own.
    pub fn start() -> Pipe {
        let folder = Folder::new();
        let mut command = Command::new("sh");
        command.args(["-c", LAUNCH, "sh"]).arg(folder.file("chromium.log"));
        command.arg("chromium").args(FLAGS);
        command.arg(format!("--user-data-dir={}", folder.file("profile").display()));
        // The profile's folder is the only one it shall write to.
        command.env("HOME", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("a shell");
        let stdin = child.stdin.take().expect("its stdin is piped");
        let told = listen(child.stdout.take().expect("its stdout is piped"));
        let (events, session) = Default::default();
        let mut pipe = Pipe { child, stdin, told, events, session, next: 0, folder };
        let tab = pipe.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": tab["targetId"], "flatten": true});
        let attached = pipe.call("Target.attachToTarget", attach);
        pipe.session = attached["sessionId"].as_str().map(str::to_owned);
        assert!(pipe.session.is_some(), "no session: {attached}");
        pipe
    }

    /// Calls a method and hands over its result; an error ends the test.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls a method; the error is Chromium's own words.
    pub fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let sent = self.stdin.write_all(format!("{message}\0").as_bytes());
        sent.unwrap_or_else(|error| panic!("{method}: {error}\n{}", self.log()));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answer = self.next_message(deadline, method);
            if answer["id"] != id {
                self.events.push_back(answer);
                continue;
            }
            return match answer["error"]["message"].as_str() {
                Some(error) => Err(error.to_owned()),
                None => Ok(answer["result"].take()),
            };
        }
    }

    /// The oldest event that was told and not yet taken.
    pub fn event(&mut self) -> Option<Value> {
        self.events.extend(self.told.try_iter());
        self.events.pop_front()
    }

    /// Waits for an event of a name; those before it are handed over as well, in order.
    pub fn events_until(&mut self, name: &str) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let queued = self.events.pop_front();
            let event = queued.unwrap_or_else(|| self.next_message(deadline, name));
            let found = event["method"] == name;
            seen.push(event);
            if found {
                return seen;
            }
        }
    }

    fn next_message(&mut self, deadline: Instant, waited_for: &str) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.told.recv_timeout(left) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => panic!("{waited_for}: nothing came in {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => {
                panic!("Chromium is gone (`cargo xtask setup` installs it):\n{}", self.log())
            }
        }
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.file("chromium.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Its other processes end when their pipes to this one close.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stdout: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(stdout).split(0).map_while(Result::ok) {
            let Ok(value) = serde_json::from_slice(&message) else { return };
            if sender.send(value).is_err() {
                return;
            }
        }
    });
    receiver
}

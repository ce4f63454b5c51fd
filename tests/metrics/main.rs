//! What tools read on the statistics' port, by strict parsers of our own: nginx-rtmp's XML and
//! Prometheus's text format, of a program that runs, with destinations whose names try to break
//! out. Waits have deadlines as guards only.
#![cfg(test)]

mod prometheus;
mod stat;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use test_support::peers::http::Request;

/// In the configuration as it stands here; no answer may show it.
const KEY: &str = "live_4711_do-not-tell-anyone";

/// The program, its statistics' port, its viewer.
struct Running {
    child: Child,
    stat: SocketAddr,
    rtmp: SocketAddr,
}

impl Running {
    fn start() -> Running {
        let data =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("metrics-{}", std::process::id()));
        fs::create_dir_all(&data).expect("a folder");
        let names = [r#"a\"} 1 x{y=\"\\"#, "配信 é", "plain"];
        let destinations: String = names
            .iter()
            .map(|name| {
                format!("[[destination]]\nname = \"{name}\"\nurl = \"rtmp://127.0.0.1:9/app\"\nkey = \"{KEY}\"\n")
            })
            .collect();
        fs::write(data.join("config.toml"), destinations).expect("a file");
        let any = "127.0.0.1:0";
        let mut child = Command::new(env!("CARGO_BIN_EXE_streamcaster"))
            .args(["run", "--udp", any, "--rtmp", any, "--http", any, "--stat", any, "--data"])
            .arg(&data)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut text = String::new();
        for line in lines.by_ref().map_while(Result::ok) {
            text.push_str(&line);
            text.push('\n');
            if line.ends_with("ready") {
                break;
            }
        }
        // Its console keeps a reader.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = |name: &str| {
            let (_, behind) = text.split_once(&format!("listening: {name} ")).expect(&text);
            behind.split_whitespace().next().expect(&text).parse().expect("an address")
        };
        Running { stat: address("stat"), rtmp: address("rtmp"), child }
    }

    fn get(&self, path: &str) -> (String, String) {
        let answer = Request::get(path).send(self.stat).expect("an answer");
        let (head, body) = (answer.head.clone(), answer.text());
        assert_eq!(answer.status, 200, "{head}");
        for secret in [KEY, "do-not-tell"] {
            assert!(!head.contains(secret), "{head}");
            assert!(!body.contains(secret), "{body}");
        }
        (head, body)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_running_program_keeps_to_both_formats() {
    let running = Running::start();
    let url = format!("rtmp://{}/live/stream", running.rtmp);
    let mut viewer = Command::new("rtmpdump")
        .args(["-q", "-v", "-r", &url, "-o", "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("rtmpdump: `cargo xtask setup` installs it");
    let began = std::time::Instant::now();
    while !running.get("/metrics").1.contains("streamcaster_viewers 1\n") {
        assert!(began.elapsed().as_secs() < 30, "the viewer does not come");
        thread::sleep(std::time::Duration::from_millis(50));
    }
    let (head, text) = running.get("/metrics");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let families = prometheus::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let value = |family: &str, label: &str| {
        let samples = &families.iter().find(|f| f.name == family).expect(family).samples;
        let found = samples.iter().find(|s| s.labels.iter().any(|(_, value)| value == label));
        found.unwrap_or_else(|| panic!("{label:?} in {text}")).value
    };
    for name in ["a\"} 1 x{y=\"\\", "配信 é", "plain"] {
        assert!(value("streamcaster_destination_up", name) < 0.5);
    }
    assert!(value("streamcaster_on_air", "standby") > 0.5);
    let (head, xml) = running.get("/stat");
    assert!(head.contains("Content-Type: text/xml"), "{head}");
    let clients = stat::check(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    assert_eq!(clients, 2, "the viewer and the source");
    assert!(running.get("/stat.xsl").1.contains("<xsl:stylesheet"));
    assert!(running.get("/stat.css").0.contains("Content-Type: text/css"));
    let _ = viewer.kill();
    let _ = viewer.wait();
}

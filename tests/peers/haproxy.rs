//! HAProxy, as a test sets it up.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use crate::child::Tool;
use crate::program::Folder;
use crate::wait::{self, seconds};

/// A running HAProxy.
pub struct HaProxy {
    tool: Tool,
    _folder: Folder,
}

impl HaProxy {
    /// Starts it with this configuration and waits until it accepts at these addresses.
    pub fn start(config: &str, accepts: &[SocketAddr]) -> HaProxy {
        let folder = Folder::new();
        let file = folder.file("haproxy.cfg");
        fs::write(&file, config).expect("its configuration");
        let mut command = Command::new("haproxy");
        // Debian keeps it where a user's PATH does not look.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin")).args(["-db", "-f"]).arg(&file);
        let tool = Tool::start(&mut command, folder.path(), "haproxy");
        let all = || accepts.iter().all(|address| TcpStream::connect(address).is_ok());
        let accepts = wait::holds(seconds(10), all);
        assert!(accepts, "HAProxy does not accept:\n{}\n{config}", tool.output());
        HaProxy { tool, _folder: folder }
    }

    /// All it has printed.
    pub fn output(&self) -> String {
        self.tool.output()
    }
}

/// An address that is free now.
pub fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("the port it got")
}

/// The manual's own configurations, in their order.
pub fn of_the_manual(number: usize) -> String {
    let manual = include_str!("../../src/MANUAL.md");
    let block = manual.split("```haproxy\n").nth(number + 1);
    block.and_then(|rest| rest.split("```").next()).expect("the manual has one").to_owned()
}

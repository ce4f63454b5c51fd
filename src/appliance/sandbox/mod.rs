//! What the program may do once it runs. Purpose: it confines itself before its first thread starts:
//! to the files of its configuration (Landlock), and without the system calls that it never needs and
//! that most breaks of a kernel go through (seccomp). Anybody who takes the program over gets no more than
//! it has. Non-goals: users and capabilities (`rights`), the network's peers. Bound: once a process.
//!
//! A kernel that offers neither is no reason not to run: it is said, and the program goes on.

mod calls;
mod files;

use std::path::{Path, PathBuf};

use libc::c_long;

use self::files::{May, Rule};

use crate::config::Config;
use crate::system::licences;
use crate::system::runtime;
use crate::system::sandbox_state::{self, Files, InForce};

/// Set for the program when it restarts in its own place: the confinement of before is in force still,
/// and cannot be entered twice (Landlock: 16 layers).
pub const KEPT: &str = "STREAMCASTER_SANDBOX_KEPT";

/// How the program restarts when it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// It ends, and its supervisor starts it: it never starts a program.
    BySupervisor,
    /// It starts its own file in its own place, and no other.
    InPlace,
}

/// What is confined to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Without this folder nothing is confined: it may be made later.
    data: Option<PathBuf>,
    rules: Vec<Rule>,
    /// TCP ports that may be bound, where that is confined.
    ports: Option<[u16; 3]>,
    /// Calls that are not refused to this process.
    except: &'static [c_long],
}

impl Plan {
    /// What this configuration needs; `appliance` is the folder of the appliance's own services.
    pub fn of(config: &Config, data: &Path, appliance: &Path, restarts: Restarts) -> Plan {
        let mut rules = files::of_data(data);
        if let Some(tls) = &config.http.tls {
            let shown = [&tls.certificate, &tls.key];
            rules.extend(shown.into_iter().flat_map(|path| files::of_replaced(path)));
        }
        // Read again when the configuration is judged again.
        rules.extend(config.authorities.iter().map(|file| Rule::new(&file.path, May::Read)));
        rules.extend(files::of_interface(config.udp.interface.as_ref()));
        rules.extend(files::of_resolver());
        rules.extend(files::of_itself(match restarts {
            Restarts::InPlace => May::Start,
            Restarts::BySupervisor => May::Read,
        }));
        rules.push(Rule::new(appliance, May::Read));
        rules.push(Rule::new(runtime::FOLDER, May::Write));
        rules.push(Rule::new("/proc", May::Read));
        rules.push(Rule::new(licences::FILE, May::Read));
        rules.dedup();
        // In place it keeps the ports of its first start, and may be given others.
        let ports = [config.rtmp.listen, config.http.listen, config.stat.listen];
        let ports = (restarts == Restarts::BySupervisor).then(|| ports.map(|listen| listen.port()));
        let except = match restarts {
            Restarts::BySupervisor => &[][..],
            Restarts::InPlace => &calls::START,
        };
        Plan { data: Some(data.to_owned()), rules, ports, except }
    }

    /// What asking one time server needs: its name looked up, and the clock set.
    pub fn of_clock() -> Plan {
        Plan { data: None, rules: files::of_resolver(), ports: None, except: &calls::SET_CLOCK }
    }

    /// The folders and files, each with what it is for, in the order of the rules.
    pub fn paths(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        self.rules.iter().map(|rule| (rule.path.as_path(), rule.may.name()))
    }

    /// Confines the process. Only while it has one thread: Landlock (before Linux 7.0) confines the
    /// thread that asks and those it starts later.
    pub fn enter(&self) -> &'static InForce {
        let kept = std::env::var_os(KEPT).is_some();
        sandbox_state::set(|| match kept {
            true => InForce { files: Files::Kept, calls: Ok(calls::COUNT - self.except.len()) },
            false => InForce {
                files: files::confine(self.data.as_deref(), &self.rules, self.ports),
                calls: calls::refuse(self.except).map(|()| calls::COUNT - self.except.len()),
            },
        })
    }
}

/// What the kernel offers here, found out by a thread of its own that ends with it.
pub fn offered() -> InForce {
    InForce { files: files::offered(), calls: calls::offered().map(|()| calls::COUNT) }
}

/// The table of `streamcaster check`: what the kernel offers, and what would be in force.
pub fn table(plan: &Plan) -> String {
    let mut offered = offered();
    offered.calls = offered.calls.map(|count| count - plan.except.len());
    let mut text = format!("Sandbox, as this kernel offers it: {offered}\n");
    for (path, may) in plan.paths().filter(|(path, _)| path.exists()) {
        text += &format!("  {may:<13} {}\n", path.display());
    }
    text
}

//! The files a process may reach, by Landlock (landlock(7)). Purpose: each path that the configuration
//! makes necessary, with the rights it is needed with, and nothing else. What is replaced while the
//! program runs (a certificate, `resolv.conf`) is allowed by its folder: a rule holds for a file, and
//! the next one of that name is another file. Bound: a few dozen rules.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use landlock::{
    make_bitflags, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    ABI,
};

use crate::config::{self, Interface};
use crate::system::sandbox_state::Files;
use crate::system::store;

/// The rights that are known and asked for; a kernel that knows fewer confines by those.
const KNOWN: ABI = ABI::V6;
/// Links followed from one path.
const HOPS_MAX: usize = 16;
/// What the program keeps in its data folder, each of which may be a link to another disk.
const PARTS: [&str; 5] = ["videos", "uploads", "state", "logs", "backups"];
/// What a C library reads to look a name up (resolv.conf(5), hosts(5), services(5), nsswitch.conf(5),
/// gai.conf(5), host.conf(5)).
const RESOLVER: [&str; 5] =
    ["/etc/hosts", "/etc/services", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf"];
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What may be done with a path, and with all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// Files and folders: read, written, made, moved, removed.
    Write,
    /// Files read, folders listed.
    Read,
    /// Started.
    Start,
}

impl May {
    pub(super) const fn name(self) -> &'static str {
        match self {
            May::Write => "read, write",
            May::Read => "read",
            May::Start => "start",
        }
    }

    fn rights(self) -> BitFlags<AccessFs> {
        match self {
            May::Write => {
                let never = make_bitflags!(AccessFs::{
                    Execute | MakeChar | MakeBlock | MakeFifo | IoctlDev
                });
                AccessFs::from_all(KNOWN) & !never
            }
            May::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
            May::Start => make_bitflags!(AccessFs::{Execute | ReadFile}),
        }
    }
}

/// A path, and what may be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) path: PathBuf,
    pub(super) may: May,
}

impl Rule {
    pub(super) fn new(path: impl Into<PathBuf>, may: May) -> Rule {
        Rule { path: path.into(), may }
    }
}

/// The data folder, and where links in it lead.
pub(super) fn of_data(data: &Path) -> Vec<Rule> {
    let mut rules = vec![Rule::new(data, May::Write)];
    for part in PARTS.map(|part| data.join(part)) {
        rules.extend(leads(&part).then(|| Rule::new(part, May::Write)));
    }
    let file = data.join(config::FILE_NAME);
    if leads(&file) {
        // It is written by another that takes its name.
        rules.extend(
            hops(&file).iter().filter_map(|hop| folder(hop)).map(|at| Rule::new(at, May::Write)),
        );
    }
    rules
}

fn leads(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink())
}

/// A file that another of its name may replace: the folders of all links on the way to it. Of one that
/// stands in `/`, as a container's may, the file alone.
pub(super) fn of_replaced(path: &Path) -> Vec<Rule> {
    let rule = |hop: PathBuf| {
        let at = folder(&hop).filter(|at| at.parent().is_some());
        Rule::new(at.unwrap_or(hop), May::Read)
    };
    hops(path).into_iter().map(rule).collect()
}

/// A path, and each that a link leads to from there.
fn hops(path: &Path) -> Vec<PathBuf> {
    let mut hops = vec![path.to_owned()];
    while let Some(next) = hops.last().and_then(|last| {
        let target = fs::read_link(last).ok()?;
        Some(folder(last)?.join(target))
    }) {
        hops.push(next);
        if hops.len() > HOPS_MAX {
            break;
        }
    }
    hops
}

fn folder(path: &Path) -> Option<PathBuf> {
    path.parent()
        .map(|at| if at.as_os_str().is_empty() { PathBuf::from(".") } else { at.to_owned() })
}

/// The interface of a multicast group is looked up by its name.
pub(super) fn of_interface(interface: Option<&Interface>) -> Option<Rule> {
    match interface {
        Some(Interface::Name(name)) => {
            let device = fs::canonicalize(format!("/sys/class/net/{name}")).ok()?;
            Some(Rule::new(device, May::Read))
        }
        _ => None,
    }
}

/// What looking up a name reads. `resolv.conf` is replaced with the network: where it is a link, the
/// folder it leads to is enough; a container's is mounted there and stays the file it is.
pub(super) fn of_resolver() -> Vec<Rule> {
    let mut rules: Vec<Rule> = RESOLVER.map(|path| Rule::new(path, May::Read)).into();
    let all = hops(Path::new(RESOLV_CONF));
    let last = all.last().cloned().unwrap_or_default();
    let is_mounted = match (fs::metadata(&last), folder(&last).map(fs::metadata)) {
        (Ok(file), Some(Ok(folder))) => file.dev() != folder.dev(),
        _ => false,
    };
    let replaced = folder(&last).filter(|_| !is_mounted);
    rules.push(Rule::new(replaced.unwrap_or(last), May::Read));
    rules
}

/// The program itself: read for what a bug's report says; started again where nobody else does. What
/// is mapped as a program is its own file and, unless it is the static one, its loader and libraries.
pub(super) fn of_itself(may: May) -> Vec<Rule> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped = maps.lines().filter_map(|line| {
        let at = line.find(" /")?;
        let is_program = line.split(' ').nth(1).is_some_and(|rights| rights.contains('x'));
        is_program.then(|| line.get(at..).map(|path| Rule::new(path.trim(), may)))?
    });
    let mut rules: Vec<Rule> = mapped.collect();
    rules.dedup();
    if rules.len() > 1 {
        rules.push(Rule::new("/etc/ld.so.cache", May::Read));
    }
    rules
}

/// Confines this thread, and all that it starts, to these rules and, where that is confined, to binding
/// these TCP ports. Without the folder `data` nothing is confined: it may be made later.
pub(super) fn confine(data: Option<&Path>, rules: &[Rule], ports: Option<[u16; 3]>) -> Files {
    match offered() {
        // The first version lets no file go from one folder to another, which every upload does.
        Files::Landlock(1) => return Files::Open("this kernel's Landlock is too old".to_owned()),
        Files::Landlock(_) => {}
        without => return without,
    }
    // A rule needs a folder that is there.
    if let Some(Err(error)) = data.map(store::make_folder) {
        return Files::Open(format!("the data folder cannot be made: {error}"));
    }
    restrict(rules, ports).unwrap_or_else(|error| Files::Open(error.to_string()))
}

fn restrict(rules: &[Rule], ports: Option<[u16; 3]>) -> Result<Files, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?;
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    let mut created = ruleset.create()?;
    for rule in rules {
        // What is not there cannot be reached.
        if let Ok(path) = PathFd::new(&rule.path) {
            created = created.add_rule(PathBeneath::new(path, rule.may.rights()))?;
        }
    }
    for port in ports.iter().flatten() {
        created = created.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    Ok(told(&created.restrict_self()?.landlock))
}

fn told(status: &LandlockStatus) -> Files {
    match status {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            let own = u32::try_from(*effective_abi as i32).unwrap_or_default();
            Files::Landlock(kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(own))
        }
        LandlockStatus::NotEnabled => Files::Open("this kernel's Landlock is off".to_owned()),
        LandlockStatus::NotImplemented => Files::Open("this kernel has no Landlock".to_owned()),
    }
}

/// What the kernel has, found out by confining a thread that ends at once.
pub(super) fn offered() -> Files {
    let tried = std::thread::spawn(|| {
        let ruleset = Ruleset::default().handle_access(AccessFs::Execute)?.create()?;
        ruleset.restrict_self().map(|status| told(&status.landlock))
    });
    match tried.join() {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => Files::Open(error.to_string()),
        Err(_) => Files::Open("Landlock cannot be asked for".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place(name: &str) -> PathBuf {
        let place = std::env::temp_dir().join(format!("sandbox-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        place
    }

    /// As certbot lays its files out: the link stays, and leads to another file after each renewal.
    #[test]
    fn a_renewed_certificate_is_reached_by_the_folders_on_the_way() {
        let place = place("certbot");
        for below in ["live/site", "archive/site"] {
            fs::create_dir_all(place.join(below)).unwrap();
        }
        let live = place.join("live/site/fullchain.pem");
        symlink("../../archive/site/fullchain1.pem", &live).unwrap();
        let allowed: Vec<PathBuf> = of_replaced(&live).into_iter().map(|rule| rule.path).collect();
        let archive = place.join("live/site/../../archive/site");
        assert_eq!(allowed, [place.join("live/site"), archive]);
        let alone = PathBuf::from("/no-such-certificate.pem");
        assert_eq!(of_replaced(&alone), [Rule::new(&alone, May::Read)]);
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn links_in_the_data_folder_are_allowed_where_they_lead_and_a_circle_ends() {
        let place = place("links");
        let data = place.join("data");
        fs::create_dir_all(place.join("films")).unwrap();
        fs::create_dir_all(&data).unwrap();
        symlink(place.join("films"), data.join("videos")).unwrap();
        symlink("/nowhere/else", data.join("config.toml")).unwrap();
        let rules = of_data(&data);
        let expected = [&data, &data.join("videos"), &data, &PathBuf::from("/nowhere")];
        assert_eq!(rules.iter().map(|rule| &rule.path).collect::<Vec<_>>(), expected);
        symlink("b", place.join("a")).unwrap();
        symlink("a", place.join("b")).unwrap();
        assert_eq!(hops(&place.join("a")).len(), HOPS_MAX + 1);
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn only_what_restarts_in_its_own_place_may_start_something() {
        let own = std::env::current_exe().unwrap();
        let start = of_itself(May::Start);
        assert!(start.contains(&Rule::new(&own, May::Start)), "{start:?}");
        let read = of_itself(May::Read);
        assert!(read.contains(&Rule::new(&own, May::Read)), "{read:?}");
        assert!(read.iter().all(|rule| rule.may == May::Read), "{read:?}");
    }
}

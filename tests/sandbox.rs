//! A program that was broken into: a process confined as the product confines itself tries what an
//! attacker would, by the system calls themselves, and each is refused. The child is this test run
//! once more: what is confined stays confined.
#![cfg(test)]
#![allow(unsafe_code)]

use std::fs;
use std::io::Error;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libc::c_long;
use streamcaster::appliance::sandbox::{offered, Plan, Restarts};
use streamcaster::config;
use streamcaster::system::sandbox_state::Files;

/// Where the child finds its folder.
const FOLDER: &str = "SANDBOX_TEST_FOLDER";
/// How it is to restart.
const IN_PLACE: &str = "SANDBOX_TEST_IN_PLACE";

/// Calls with arguments that a privileged process would not get EPERM for, most of them.
const CALLS: [(&str, c_long, [c_long; 4]); 30] = [
    ("execve", libc::SYS_execve, [0; 4]),
    ("execveat", libc::SYS_execveat, [-1, 0, 0, 0]),
    ("fork", libc::SYS_clone, [libc::SIGCHLD as c_long, 0, 0, 0]),
    ("mount", libc::SYS_mount, [0; 4]),
    ("umount2", libc::SYS_umount2, [0; 4]),
    ("open_tree", libc::SYS_open_tree, [-1, 0, 0, 0]),
    ("pivot_root", libc::SYS_pivot_root, [0; 4]),
    ("chroot", libc::SYS_chroot, [0; 4]),
    ("init_module", libc::SYS_init_module, [0; 4]),
    ("finit_module", libc::SYS_finit_module, [-1, 0, 0, 0]),
    ("delete_module", libc::SYS_delete_module, [0; 4]),
    ("kexec_load", libc::SYS_kexec_load, [0, 99, 0, 0]),
    ("ptrace", libc::SYS_ptrace, [0; 4]),
    ("process_vm_readv", libc::SYS_process_vm_readv, [0; 4]),
    ("process_vm_writev", libc::SYS_process_vm_writev, [0; 4]),
    ("bpf", libc::SYS_bpf, [-1, 0, 0, 0]),
    ("perf_event_open", libc::SYS_perf_event_open, [0; 4]),
    ("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0, 0]),
    ("io_uring_setup", libc::SYS_io_uring_setup, [0; 4]),
    ("add_key", libc::SYS_add_key, [0; 4]),
    ("keyctl", libc::SYS_keyctl, [99, 0, 0, 0]),
    ("unshare", libc::SYS_unshare, [libc::CLONE_NEWUSER as c_long, 0, 0, 0]),
    ("setns", libc::SYS_setns, [-1, 0, 0, 0]),
    ("personality", libc::SYS_personality, [0xffff_ffff, 0, 0, 0]),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, [-1, 0, 0, 0]),
    ("reboot", libc::SYS_reboot, [0; 4]),
    ("swapon", libc::SYS_swapon, [0; 4]),
    ("setuid", libc::SYS_setuid, [0; 4]),
    (
        "packet socket",
        libc::SYS_socket,
        [libc::AF_PACKET as c_long, libc::SOCK_RAW as c_long, 0, 0],
    ),
    ("memfd_create", libc::SYS_memfd_create, [0; 4]),
];

/// What a call comes to: its error's number, or 0.
fn call(number: c_long, arguments: [c_long; 4]) -> i32 {
    let [a, b, c, d] = arguments;
    // SAFETY: no pointer but null is handed over, and each call is expected to be refused unread.
    let answer = unsafe { libc::syscall(number, a, b, c, d) };
    if answer < 0 {
        Error::last_os_error().raw_os_error().unwrap_or(-1)
    } else {
        0
    }
}

fn came_to<T>(result: std::io::Result<T>) -> i32 {
    result.err().map_or(0, |error| error.raw_os_error().unwrap_or(-1))
}

/// The child's part: confined to `folder/data`, it says what each try comes to.
fn tries(folder: &Path) {
    let data = folder.join("data");
    let text = format!(
        "[rtmp]\nlisten = \"127.0.0.1:{}\"\n",
        fs::read_to_string(folder.join("port")).expect("the parent wrote it").trim()
    );
    let config = config::parse(&text).expect("a configuration");
    let restarts = match std::env::var_os(IN_PLACE) {
        Some(_) => Restarts::InPlace,
        None => Restarts::BySupervisor,
    };
    let plan = Plan::of(&config, &data, &folder.join("appliance"), restarts);
    println!("in force: {}", plan.enter());
    for (name, number, arguments) in CALLS {
        println!("{name}: {}", call(number, arguments));
    }
    println!("clone3: {}", call(libc::SYS_clone3, [0; 4]));
    println!("later call: {}", call(600, [0; 4]));
    #[cfg(target_arch = "x86_64")]
    println!("x32: {}", call(0x4000_0000 | libc::SYS_getpid, [0; 4]));
    println!("parent's signal: {}", call(libc::SYS_kill, [parent(), 0, 0, 0]));
    println!("spawn: {}", came_to(Command::new("/bin/true").spawn()));
    let thread = std::thread::Builder::new().spawn(|| call(libc::SYS_ptrace, [0; 4]));
    println!("a thread's: {}", thread.expect("threads are started").join().expect("it returns"));
    for (name, path) in [("write", "outside/new"), ("overwrite", "outside/secret")] {
        println!("{name} outside: {}", came_to(fs::write(folder.join(path), "x")));
    }
    println!("read outside: {}", came_to(fs::read(folder.join("outside/secret"))));
    println!("list outside: {}", came_to(fs::read_dir(folder.join("outside"))));
    println!("list /: {}", came_to(fs::read_dir("/")));
    println!("remove outside: {}", came_to(fs::remove_file(folder.join("outside/secret"))));
    println!("link to outside: {}", came_to(fs::read(data.join("link"))));
    let out = fs::rename(data.join("uploads/part"), folder.join("outside/part"));
    println!("move out: {}", came_to(out));
    println!("notice: {}", came_to(fs::read(folder.join("appliance/data.warning"))));
    println!("order: {}", came_to(fs::write(folder.join("appliance/firmware.json"), "x")));
    println!("other port: {}", came_to(TcpListener::bind("127.0.0.1:0")));
    println!("own port: {}", came_to(TcpListener::bind(config.rtmp.listen)));
    println!(
        "move within: {}",
        came_to(fs::rename(data.join("uploads/part"), data.join("videos/f")))
    );
    println!("write within: {}", came_to(fs::write(data.join("state/x"), "x")));
    println!("proc: {}", came_to(fs::read("/proc/self/stat")));
    println!("resolver: {}", came_to(fs::read("/etc/resolv.conf")));
}

fn parent() -> c_long {
    c_long::from(std::os::unix::process::parent_id())
}

/// A folder as the product has it, with another beside it.
fn world(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("sandbox-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    for below in ["data/videos", "data/uploads", "data/state", "outside", "appliance"] {
        fs::create_dir_all(folder.join(below)).expect("a folder");
    }
    for (path, text) in
        [("outside/secret", "s"), ("data/uploads/part", "p"), ("appliance/data.warning", "w")]
    {
        fs::write(folder.join(path), text).expect("a file");
    }
    symlink(folder.join("outside/secret"), folder.join("data/link")).expect("a link");
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    fs::write(folder.join("port"), port.to_string()).expect("a file");
    folder
}

/// Runs the child; what each of its tries came to.
fn told(name: &str, in_place: bool) -> impl Fn(&str) -> i32 {
    let folder = world(name);
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "what_was_broken_into_gets_no_further", "--nocapture"]);
    child.env(FOLDER, &folder).stderr(Stdio::inherit());
    if in_place {
        child.env(IN_PLACE, "1");
    }
    let output = child.output().expect("this test runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = fs::remove_dir_all(folder);
    println!("{said}");
    move |name| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name}:\n{said}"))
    }
}

#[test]
fn what_was_broken_into_gets_no_further() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return tries(Path::new(&folder));
    }
    let told = told("supervised", false);
    for (name, ..) in CALLS {
        assert_eq!(told(name), libc::EPERM, "{name}");
    }
    for name in ["clone3", "later call"] {
        assert_eq!(told(name), libc::ENOSYS, "{name}");
    }
    #[cfg(target_arch = "x86_64")]
    assert_eq!(told("x32"), libc::EPERM);
    assert_eq!(told("spawn"), libc::EPERM);
    assert_eq!(told("a thread's"), libc::EPERM);
    for name in ["own port", "move within", "write within", "proc", "resolver", "notice"] {
        assert_eq!(told(name), 0, "{name}");
    }
    let Files::Landlock(version @ 2..) = offered().files else {
        return println!("no Landlock here: {}", offered());
    };
    for name in [
        "write outside",
        "overwrite outside",
        "read outside",
        "list outside",
        "list /",
        "remove outside",
        "link to outside",
        "order",
    ] {
        assert_eq!(told(name), libc::EACCES, "{name}");
    }
    // From a folder where everything may be done to one where nothing may.
    assert!([libc::EACCES, libc::EXDEV].contains(&told("move out")));
    if version >= 4 {
        assert_eq!(told("other port"), libc::EACCES);
    }
    if version >= 6 {
        assert_eq!(told("parent's signal"), libc::EPERM);
    }
}

/// Who has no supervisor may start its own file again, and nothing else.
#[test]
fn what_restarts_in_its_own_place_starts_nothing_else() {
    let told = told("in-place", true);
    // Null is no path: the call itself is not refused.
    assert_eq!(told("execve"), libc::EFAULT);
    assert_eq!(told("execveat"), libc::EPERM);
    assert_eq!(told("fork"), libc::EPERM);
    assert_eq!(told("spawn"), libc::EPERM);
    assert_eq!(told("other port"), 0);
}

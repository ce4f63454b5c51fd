//! What the kernel refuses, read back from the machine that runs: each word of its command line, each
//! of its settings, and root's try to load a driver; and what is refused to the programme and to those
//! that talk to the network for root.

use std::io::Read;
use std::net::TcpStream;

use crate::machine::Machine;
use crate::shell::Shell;
use crate::wait::{holds, seconds};
use crate::PATIENCE;

/// The file, and what it says.
const IN_FORCE: [(&str, &str); 14] = [
    ("/sys/kernel/security/lockdown", "none [integrity] confidentiality"),
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/kernel/io_uring_disabled", "2"),
    ("/proc/sys/kernel/kexec_load_disabled", "1"),
    ("/proc/sys/kernel/sysrq", "0"),
    ("/proc/sys/dev/tty/ldisc_autoload", "0"),
    ("/proc/sys/net/core/bpf_jit_harden", "2"),
    ("/proc/sys/kernel/unprivileged_bpf_disabled", "1"),
    ("/proc/sys/kernel/yama/ptrace_scope", "2"),
    ("/proc/sys/kernel/kptr_restrict", "2"),
    ("/proc/sys/kernel/modules_disabled", "1"),
    // What `modules_disabled` came after.
    ("/proc/sys/net/ipv4/tcp_congestion_control", "bbr"),
    ("/proc/sys/net/core/default_qdisc", "fq"),
    ("/sys/fs/cgroup/streamcaster/pids.max", "64"),
];

const WORDS: [&str; 5] =
    ["lockdown=integrity", "slab_nomerge", "vsyscall=none", "debugfs=off", "init_on_alloc=1"];

/// Root's own tries, and what they say in the end.
const REFUSED: [(&str, &str); 5] = [
    // A driver that is packed and that this machine has no use for.
    ("modprobe ena", "Operation not permitted"),
    ("mount -t debugfs debugfs /tmp", "failed"),
    ("dd if=/dev/zero of=/dev/mem bs=1 count=1", "Operation not permitted"),
    ("grep vsyscall /proc/1/maps || echo none", "none"),
    ("grep debugfs /proc/filesystems || echo none", "none"),
];

/// All of it, on a machine that is on air.
pub fn is_in_force(shell: &Shell<'_>) {
    let sealed = || shell.run("cat /proc/sys/kernel/modules_disabled") == "1";
    assert!(holds(PATIENCE + seconds(60), sealed), "the kernel still takes drivers");
    let line = shell.run("cat /proc/cmdline");
    for word in WORDS {
        assert!(line.split(' ').any(|said| said == word), "{word} is not in {line}");
    }
    for (file, expected) in IN_FORCE {
        assert_eq!(shell.run(&format!("cat {file}")), expected, "{file}");
    }
    for (order, expected) in REFUSED {
        let said = shell.run(order);
        assert!(said.contains(expected), "{order}: {said}");
    }
    let cleared = shell.run("dmesg | grep 'mem auto-init'");
    assert!(cleared.contains("heap alloc:on"), "{cleared}");
    // The watchdog is fed all the same.
    let watched = shell.run("ls -l /proc/$(pidof guard | cut -d ' ' -f 1)/fd/3");
    assert!(watched.contains("watchdog"), "{watched}");
}

/// The rights of a process, by its status: capabilities it has and could ever get, `no_new_privs`, and
/// whether calls are refused (2) to each of its threads.
const RIGHTS: &str =
    "cat /proc/$p/task/*/status | grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' \
                      | sort -u | tr -s '\\t\\n' ' '";
const NOTHING: &str = "CapAmb: 0000000000000000 CapBnd: 0000000000000000 CapEff: 0000000000000000 \
                       CapPrm: 0000000000000000 NoNewPrivs: 1 Seccomp: 2";

/// The programme, and the clients of time and DHCP.
pub fn is_confined(machine: &Machine, shell: &Shell<'_>) {
    let service = shell.service();
    assert_eq!(shell.run(&format!("p={service}; {RIGHTS}")), NOTHING);
    let told = machine.ask_in("GET", "/api/status", "").unwrap_or_default();
    assert!(told.contains(r#""sandbox":{"files":true,"system_calls":true,"#), "{told}");
    let offered = shell.run("su -s /bin/sh streamcaster -c 'streamcaster check --data /data'");
    assert!(offered.contains("files confined (Landlock 6)"), "{offered}");
    // udhcpc may send raw packets and listen below 1024; nobody else of that user runs.
    let dhcp = shell.run(&format!("p=$(pidof udhcpc); grep ^Uid /proc/$p/status; {RIGHTS}"));
    assert!(dhcp.contains("Uid:\t102\t102\t102\t102"), "{dhcp}");
    for set in ["CapAmb", "CapBnd", "CapEff", "CapPrm"] {
        assert!(dhcp.contains(&format!("{set}: 0000000000002400")), "{dhcp}");
    }
    assert!(dhcp.contains("NoNewPrivs: 1"), "{dhcp}");
    // What asks time servers may set the clock, and not load a driver or read what is root's.
    let clock = "streamcaster as --keep sys_time clock";
    let set =
        shell.run(&format!("{clock} date -s \"$(date '+%Y-%m-%d %H:%M:%S')\"; {clock} id -u"));
    assert!(set.ends_with("101"), "{set}");
    assert!(!set.contains("not permitted"), "{set}");
    let refused = shell.run(&format!("{clock} ls /data/system; {clock} hostname x; hostname"));
    assert!(refused.contains("Permission denied"), "{refused}");
    assert!(!refused.ends_with('x'), "{refused}");
    answers_nobody_else(machine, shell);
    restarts_when_asked(machine, shell, service);
}

/// The statistics, which have no password: only to the machine itself.
fn answers_nobody_else(machine: &Machine, shell: &Shell<'_>) {
    let here = shell.run("wget -q -O - http://127.0.0.1:8081/health");
    assert!(here.contains("healthy") || here.contains("degraded"), "{here}");
    let mut outside = TcpStream::connect(machine.stat).expect("QEMU takes it");
    outside.set_read_timeout(Some(seconds(60))).expect("a socket");
    let mut answer = Vec::new();
    // Closed without a word, or reset.
    let _ = outside.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    let log = shell.run("grep 'its network' /data/logs/streamcaster.log");
    assert!(log.contains("its network is not in [stat] allow"), "{log}");
}

/// It may start nothing, itself included: its supervisor does.
fn restarts_when_asked(machine: &Machine, shell: &Shell<'_>, before: u64) {
    let from = machine.console_end();
    let asked = machine.ask_in("POST", "/api/restart", "").unwrap_or_default();
    assert!(asked.contains(" 200 ") || asked.contains(" 202 "), "{asked}");
    let is_another = || {
        let now = shell.run("cat /run/appliance/service.pid");
        now.parse::<u64>().is_ok_and(|now| now != before)
    };
    assert!(holds(PATIENCE, is_another), "{}", machine.console());
    shell.on_air_after("true");
    assert!(!machine.console_from(from).contains("the program ended"), "{}", machine.console());
}

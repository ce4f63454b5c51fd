//! What the kernel refuses, read back from the machine that runs: each word of its command line, each
//! of its settings, and root's try to load a driver.

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

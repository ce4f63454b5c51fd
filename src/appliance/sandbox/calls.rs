//! The system calls that the program never makes (seccomp(2)). Purpose: they fail with "operation not
//! permitted", for every thread and for good; those of another architecture's table too, and those
//! that a later kernel may add do not exist. A list of what is refused, not of what is allowed: a
//! call that some C library makes on some machine must not take the programme off air. Bound: one
//! filter of a few hundred instructions, which the kernel asks once per call number (it keeps the
//! answer for calls that are always allowed).

use libc::c_long;
use seccompiler::{apply_filter_all_threads, sock_filter};

/// What a program that restarts in its own place is not refused.
pub(super) const START: [c_long; 1] = [libc::SYS_execve];
/// What setting the clock takes.
pub(super) const SET_CLOCK: [c_long; 1] = [libc::SYS_clock_settime];

/// On every architecture.
const COMMON: [c_long; 85] = [
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Mounts, and what else changes the machine.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_mknodat,
    // The kernel's code.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Large parts of the kernel that nothing here uses.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_io_destroy,
    libc::SYS_io_cancel,
    libc::SYS_io_getevents,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_personality,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_remap_file_pages,
    // Whom it runs as.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    // What is opened through it is nobody's rule.
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
];

/// This architecture's own.
#[cfg(target_arch = "x86_64")]
const OWN: [c_long; 11] = [
    libc::SYS_kexec_file_load,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_mknod,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
/// kexec_file_load, whose number musl's headers do not name there.
#[cfg(target_arch = "aarch64")]
const OWN: [c_long; 1] = [294];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OWN: [c_long; 0] = [];

/// How many are refused at least.
pub(super) const COUNT: usize = COMMON.len() + OWN.len();

/// AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64 (linux/audit.h).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

/// The last call known here: mseal, the same number everywhere since 5.0 gave them all one.
const LAST: u32 = 462;
/// x32's calls on x86-64 carry this bit (`__X32_SYSCALL_BIT`).
const X32: u32 = 0x4000_0000;
/// A new process, in namespaces of its own or not; a thread is neither (clone(2)).
const NAMESPACES: u32 = 0x7e02_0080;
const THREAD: u32 = libc::CLONE_THREAD as u32;
/// Characters put into a terminal as if typed (ioctl_tty(2), ioctl_console(2)).
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

/// Families of sockets that are used: a C library other than musl asks the kernel by netlink which
/// addresses the machine has.
#[cfg(target_env = "musl")]
const FAMILIES: [i32; 3] = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX];
#[cfg(not(target_env = "musl"))]
const FAMILIES: [i32; 4] = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_NETLINK];

/// Places in `struct seccomp_data`, of a little-endian machine's lower halves.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST: u32 = 16;
const SECOND: u32 = 24;

const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_ABOVE: u16 = 0x25;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

const fn step(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Ends with `answer` where the number is `call`.
fn answer(program: &mut Vec<sock_filter>, call: c_long, answer: u32) {
    program.push(step(IF_EQUAL, u32::try_from(call).unwrap_or(u32::MAX), 0, 1));
    program.push(step(RETURN, answer, 0, 0));
}

/// Where the number is `call`, goes on by an argument: `tests` have one jump each to the end, which
/// allows, or to the refusal before it.
fn judge(program: &mut Vec<sock_filter>, call: c_long, argument: u32, tests: Vec<sock_filter>) {
    let over = u8::try_from(tests.len() + 3).unwrap_or(u8::MAX);
    program.push(step(IF_EQUAL, u32::try_from(call).unwrap_or(u32::MAX), 0, over));
    program.push(step(LOAD, argument, 0, 0));
    program.extend(tests);
    program.push(step(RETURN, REFUSE, 0, 0));
    program.push(step(RETURN, ALLOW, 0, 0));
}

/// The filter. After each comparison that matched it has ended.
fn program(architecture: u32, except: &[c_long]) -> Vec<sock_filter> {
    let mut program = vec![
        step(LOAD, ARCH, 0, 0),
        step(IF_EQUAL, architecture, 1, 0),
        step(RETURN, REFUSE, 0, 0),
        step(LOAD, NUMBER, 0, 0),
        step(IF_ANY_BIT, X32, 0, 1),
        step(RETURN, REFUSE, 0, 0),
        step(IF_ABOVE, LAST, 0, 1),
        step(RETURN, UNKNOWN, 0, 0),
    ];
    // Its flags lie in memory, where a filter cannot look: a C library then takes clone(2).
    answer(&mut program, libc::SYS_clone3, UNKNOWN);
    for call in COMMON.iter().chain(&OWN).filter(|call| !except.contains(call)) {
        answer(&mut program, *call, REFUSE);
    }
    // To the refusal, one step before the end; or on; or to the end.
    let threads_only = vec![step(IF_ANY_BIT, NAMESPACES, 1, 0), step(IF_ANY_BIT, THREAD, 1, 0)];
    judge(&mut program, libc::SYS_clone, FIRST, threads_only);
    let last = FAMILIES.len() - 1;
    let families = FAMILIES.iter().enumerate().map(|(at, family)| {
        let to_end = u8::try_from(last - at + 1).unwrap_or(u8::MAX);
        step(IF_EQUAL, family.unsigned_abs(), to_end, 0)
    });
    judge(&mut program, libc::SYS_socket, FIRST, families.collect());
    let terminals = vec![step(IF_EQUAL, TIOCSTI, 1, 0), step(IF_EQUAL, TIOCLINUX, 0, 1)];
    judge(&mut program, libc::SYS_ioctl, SECOND, terminals);
    program.push(step(RETURN, ALLOW, 0, 0));
    program
}

/// Refuses them to every thread of this process, for good.
pub(super) fn refuse(except: &[c_long]) -> Result<(), String> {
    let architecture = ARCHITECTURE.ok_or("this processor's system calls are not known here")?;
    apply_filter_all_threads(&program(architecture, except)).map_err(|error| error.to_string())
}

/// Whether the kernel has filters.
pub(super) fn offered() -> Result<(), String> {
    ARCHITECTURE.ok_or("this processor's system calls are not known here")?;
    match rustix::thread::secure_computing_mode() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("this kernel has no seccomp: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers: the kernel's own interpreter, in a dozen lines.
    fn asked(program: &[sock_filter], arch: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let [first, second] = arguments;
        let (mut at, mut loaded) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let is_met = match code {
                LOAD => {
                    loaded = match k {
                        NUMBER => number,
                        ARCH => arch,
                        FIRST => first,
                        SECOND => second,
                        other => unreachable!("{other}"),
                    };
                    continue;
                }
                RETURN => return k,
                IF_EQUAL => loaded == k,
                IF_ABOVE => loaded > k,
                IF_ANY_BIT => loaded & k != 0,
                other => unreachable!("{other}"),
            };
            at += usize::from(if is_met { jt } else { jf });
        }
    }

    #[test]
    fn each_call_gets_its_answer() {
        let own = ARCHITECTURE.unwrap();
        let supervised = program(own, &[]);
        let ask = |call: c_long, first, second| {
            asked(&supervised, own, u32::try_from(call).unwrap(), [first, second])
        };
        for call in COMMON.iter().chain(&OWN) {
            assert_eq!(ask(*call, 0, 0), REFUSE, "{call}");
        }
        for call in [libc::SYS_read, libc::SYS_sendmsg, libc::SYS_openat, libc::SYS_epoll_pwait] {
            assert_eq!(ask(call, 0, 0), ALLOW, "{call}");
        }
        assert_eq!(ask(libc::SYS_clone3, 0, 0), UNKNOWN);
        assert_eq!(ask(c_long::from(LAST), 0, 0), ALLOW);
        assert_eq!(ask(c_long::from(LAST + 1), 0, 0), UNKNOWN);
        // pthread_create's flags, fork's, and a thread that would be in a network of its own.
        for (flags, expected) in [
            (0x003d_0f00, ALLOW),
            (libc::SIGCHLD as u32, REFUSE),
            (0x003d_0f00 | libc::CLONE_NEWNET as u32, REFUSE),
            (libc::CLONE_NEWUSER as u32, REFUSE),
        ] {
            assert_eq!(ask(libc::SYS_clone, flags, 0), expected, "{flags:#x}");
        }
        for family in FAMILIES {
            assert_eq!(ask(libc::SYS_socket, family.unsigned_abs(), 0), ALLOW, "{family}");
        }
        for family in [libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG, libc::AF_KEY] {
            assert_eq!(ask(libc::SYS_socket, family.unsigned_abs(), 0), REFUSE, "{family}");
        }
        for (order, expected) in
            [(TIOCSTI, REFUSE), (TIOCLINUX, REFUSE), (libc::TCGETS as u32, ALLOW)]
        {
            assert_eq!(ask(libc::SYS_ioctl, 0, order), expected, "{order:#x}");
        }
    }

    #[test]
    fn other_tables_are_refused_and_a_restart_in_place_is_not() {
        let own = ARCHITECTURE.unwrap();
        let in_place = program(own, &START);
        let execve = u32::try_from(libc::SYS_execve).unwrap();
        let execveat = u32::try_from(libc::SYS_execveat).unwrap();
        assert_eq!(asked(&in_place, own, execve, [0, 0]), ALLOW);
        assert_eq!(asked(&in_place, own, execveat, [0, 0]), REFUSE);
        // i386's table, and x32's.
        assert_eq!(asked(&in_place, 0x4000_0003, 0, [0, 0]), REFUSE);
        assert_eq!(asked(&in_place, own, X32, [0, 0]), REFUSE);
        assert!(in_place.len() < 400, "{}", in_place.len());
    }
}

//! Another user's rights for a program, and no more. Purpose: root's own scripts start what talks to
//! the network as a user of its own, with the capabilities it cannot do without and none that it could
//! ever get (capabilities(7)). Non-goals: what the program may do with files and system calls
//! (`sandbox`). Bound: the process that calls it becomes that program.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::thread::{
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs, CapabilitiesSecureBits, CapabilitySet,
};

/// Numbers a capability may have (`struct __user_cap_data_struct` has room for 64).
const CAPABILITIES: u32 = 64;
/// What becoming somebody else takes, until it is done.
const MEANWHILE: CapabilitySet =
    CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::SETPCAP);

/// Capabilities by the names of capabilities(7) without `CAP_`, in small letters, with commas between.
///
/// # Errors
/// A name that is none of those a program here may need.
pub fn capabilities(names: &str) -> Result<CapabilitySet, String> {
    names.split(',').filter(|name| !name.is_empty()).try_fold(
        CapabilitySet::empty(),
        |all, name| {
            Ok(all
                | match name {
                    "net_bind_service" => CapabilitySet::NET_BIND_SERVICE,
                    "net_raw" => CapabilitySet::NET_RAW,
                    "sys_time" => CapabilitySet::SYS_TIME,
                    _ => return Err(format!("{name}: not a capability that can be granted here")),
                })
        },
    )
}

/// Number of a user and of its group.
fn ids(passwd: &str, user: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Becomes `program` as that user, with `keep` and nothing else, for good. Only what fails comes back.
///
/// # Errors
/// Who calls is not root, there is no such user or program.
pub fn become_program(user: &str, keep: CapabilitySet, program: &[String]) -> Result<(), String> {
    let passwd =
        fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let (uid, gid) = ids(&passwd, user).ok_or_else(|| format!("there is no user {user}"))?;
    let (name, arguments) = program.split_first().ok_or("no program was given")?;
    limit(keep).map_err(|error| format!("the rights cannot be given up: {error}"))?;
    // As root it leaves root's other groups as well.
    let error = Command::new(name).args(arguments).uid(uid).gid(gid).exec();
    Err(format!("{name}: {error}"))
}

fn limit(keep: CapabilitySet) -> Result<(), Errno> {
    for number in 0..CAPABILITIES {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if !keep.contains(one) {
            match remove_capability_from_bounding_set(one) {
                // This kernel's numbers end before.
                Err(Errno::INVAL) => break,
                dropped => dropped?,
            }
        }
    }
    // A change of user leaves the capabilities as they are; the program gets the ambient ones.
    set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_SETUID_FIXUP | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED,
    )?;
    let own = keep | MEANWHILE;
    let sets = rustix::thread::CapabilitySets { effective: own, permitted: own, inheritable: keep };
    set_capabilities(None, sets)?;
    for one in keep.iter() {
        configure_capability_in_ambient_set(one, true)?;
    }
    set_no_new_privs(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_name_alone() {
        let passwd = "root:x:0:0:root:/:/bin/sh\nclock:x:101:102::/:/bin/false\nx:y\n";
        assert_eq!(ids(passwd, "clock"), Some((101, 102)));
        assert_eq!((ids(passwd, "cloc"), ids(passwd, "x"), ids(passwd, "101")), (None, None, None));
    }

    #[test]
    fn only_what_is_needed_here_is_given() {
        assert_eq!(capabilities(""), Ok(CapabilitySet::empty()));
        let both = CapabilitySet::NET_RAW | CapabilitySet::NET_BIND_SERVICE;
        assert_eq!(capabilities("net_raw,net_bind_service"), Ok(both));
        assert!(capabilities("net_raw,sys_admin").unwrap_err().starts_with("sys_admin:"));
    }
}

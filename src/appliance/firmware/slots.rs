//! The two slots: which one runs, where they and the boot loader's environment are, what stands in
//! them. Purpose: partitions are found by their names on the disk that holds slot A (another disk
//! may have partitions of the same names), and what a slot holds by the file `version` of its
//! archive. Non-goals: writing. Bounds: [`UEVENT_BYTES_MAX`] of each description, a few members of
//! an archive.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::package::{PublicKey, SystemIdentity};
use crate::base::limits::FIRMWARE_TEXT_BYTES_MAX;

/// Where the appliance's own services are met, below `/`.
pub const APPLIANCE: &str = "run/appliance";
/// Members of a slot's archive that are looked at: it has four and its end.
const MEMBERS_MAX: usize = 16;
/// A member's head (initramfs-buffer-format.rst of the kernel): a magic word and 13 fields of 8
/// hexadecimal digits.
const MEMBER_HEAD_BYTES: usize = 110;
const MEMBER_MAGIC: &[u8] = b"070701";
/// The longest name of a member that is read.
const MEMBER_NAME_BYTES_MAX: usize = 64;
/// The kernel's description of a block device, and its own command line.
const UEVENT_BYTES_MAX: u64 = 4096;
/// Block devices looked at.
const DEVICES_MAX: usize = 256;

/// One of the two places a system lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Slot {
    /// The one a fresh image fills.
    A,
    /// The one it leaves empty.
    B,
}

impl Slot {
    /// The one beside it.
    pub const fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }

    /// `A` or `B`.
    pub const fn letter(self) -> &'static str {
        match self {
            Slot::A => "A",
            Slot::B => "B",
        }
    }

    const fn partition_name(self) -> &'static str {
        match self {
            Slot::A => "slot-a",
            Slot::B => "slot-b",
        }
    }
}

/// Where everything of the appliance is: below `/`, or below a test's folder.
#[derive(Clone, Debug)]
pub struct Places {
    /// What stands for `/`.
    pub root: PathBuf,
}

/// The partitions an update is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// The boot loader's environment.
    pub environment: PathBuf,
    slot_a: PathBuf,
    slot_b: PathBuf,
}

impl Partitions {
    /// Those of a test that only reads and changes the boot loader's variables.
    #[cfg(test)]
    pub fn at(environment: PathBuf) -> Partitions {
        Partitions { environment, slot_a: PathBuf::new(), slot_b: PathBuf::new() }
    }

    /// A slot's.
    pub fn of(&self, slot: Slot) -> &Path {
        match slot {
            Slot::A => &self.slot_a,
            Slot::B => &self.slot_b,
        }
    }
}

impl Places {
    /// Those of the machine itself.
    pub fn of_the_machine() -> Places {
        Places { root: PathBuf::from("/") }
    }

    /// A path below what stands for `/`.
    pub fn below(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// What the services leave of this name.
    pub fn appliance(&self, name: &str) -> PathBuf {
        self.below(APPLIANCE).join(name)
    }

    /// The slot that runs: the kernel's word `slot=`, of several the last. `None`: this is no
    /// appliance.
    pub fn running(&self) -> Option<Slot> {
        let text = text_of(&self.below("proc/cmdline"), UEVENT_BYTES_MAX).ok()?;
        let words = text.split_ascii_whitespace().rev();
        match words.filter_map(|word| word.strip_prefix("slot=")).next()? {
            "A" | "a" => Some(Slot::A),
            "B" | "b" => Some(Slot::B),
            _ => None,
        }
    }

    /// The system that runs, by its file `release`.
    pub fn release(&self) -> Option<SystemIdentity> {
        let text = text_of(&self.below("etc/streamcaster/release"), FIRMWARE_TEXT_BYTES_MAX);
        SystemIdentity::parse(&text.ok()?).ok()
    }

    /// The keys whose updates it accepts.
    pub fn keys(&self) -> Option<Vec<PublicKey>> {
        let text = text_of(&self.below("etc/streamcaster/update.pub"), FIRMWARE_TEXT_BYTES_MAX);
        PublicKey::all_from_hex(&text.ok()?)
    }

    /// The partitions, all of one disk; `None` where there are none.
    pub fn partitions(&self) -> Option<Partitions> {
        let devices = self.named_devices().ok()?;
        let slot_a = devices.iter().find(|device| device.name == Slot::A.partition_name())?;
        let beside = |name: &str| {
            let same_disk = devices.iter().filter(|device| device.disk == slot_a.disk);
            same_disk.filter(|device| device.name == name).map(|device| device.node.clone()).next()
        };
        Some(Partitions {
            environment: beside("env")?,
            slot_a: slot_a.node.clone(),
            slot_b: beside(Slot::B.partition_name())?,
        })
    }

    /// The block devices that are partitions with a name.
    fn named_devices(&self) -> io::Result<Vec<Device>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.below("sys/class/block"))?.take(DEVICES_MAX) {
            let path = entry?.path();
            let Ok(text) = text_of(&path.join("uevent"), UEVENT_BYTES_MAX) else { continue };
            let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let (Some(name), Some(node)) = (value("PARTNAME="), value("DEVNAME=")) else {
                continue;
            };
            // A partition lies in its disk's folder.
            let own = fs::canonicalize(&path)?;
            let Some(disk) = own.parent() else { continue };
            let node = self.below("dev").join(node);
            found.push(Device { name: name.to_owned(), node, disk: disk.to_owned() });
        }
        found.sort_by(|one, other| one.node.cmp(&other.node));
        Ok(found)
    }
}

struct Device {
    name: String,
    node: PathBuf,
    disk: PathBuf,
}

/// The beginning of a text file, at most so much of it.
pub fn text_of(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes_max).read_to_string(&mut text)?;
    Ok(text)
}

/// Which system a slot holds; `None` where it holds none, or one that does not say so.
pub fn identity(slot: &Path) -> Option<SystemIdentity> {
    let file = File::open(slot).ok()?;
    let text = member(&mut |into, at| file.read_exact_at(into, at), "version")?;
    SystemIdentity::parse(&String::from_utf8(text).ok()?).ok()
}

/// What a slot's system is by the sums that the boot loader checks before it starts it: the SHA-256 of
/// their list, in hexadecimal. `None` where there is no list.
pub fn digest(slot: &Path) -> Option<String> {
    let file = File::open(slot).ok()?;
    let sums = member(&mut |into, at| file.read_exact_at(into, at), "SHA256SUMS")?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &sums);
    Some(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The content of a small member of a newc archive, which `read` reads from.
fn member(read: &mut dyn FnMut(&mut [u8], u64) -> io::Result<()>, wanted: &str) -> Option<Vec<u8>> {
    let mut at = 0_u64;
    for _ in 0..MEMBERS_MAX {
        let mut head = [0; MEMBER_HEAD_BYTES];
        read(&mut head, at).ok()?;
        let fields = head.strip_prefix(MEMBER_MAGIC)?;
        let field = |number: usize| {
            let digits = fields.chunks_exact(8).nth(number)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
            u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let (content_bytes, name_bytes) = (field(6)?, field(11)?);
        let name_at = at.checked_add(MEMBER_HEAD_BYTES as u64)?;
        // Both name and content are filled up to whole words.
        let content_at = name_at.checked_add(name_bytes)?.checked_next_multiple_of(4)?;
        let mut name = vec![0; usize::try_from(name_bytes).ok()?.min(MEMBER_NAME_BYTES_MAX)];
        read(&mut name, name_at).ok()?;
        if name.strip_suffix(b"\0") == Some(wanted.as_bytes()) {
            let small = Some(content_bytes).filter(|&bytes| bytes <= FIRMWARE_TEXT_BYTES_MAX)?;
            let mut content = vec![0; usize::try_from(small).ok()?];
            read(&mut content, content_at).ok()?;
            return Some(content);
        }
        at = content_at.checked_add(content_bytes)?.checked_next_multiple_of(4)?;
    }
    None
}

/// Looks for the version in whatever bytes a slot may hold: the walk through its archive alone.
pub fn identity_in(bytes: &[u8]) -> Option<SystemIdentity> {
    let mut read = |into: &mut [u8], at: u64| {
        let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
        let from =
            from.and_then(|rest| rest.get(..into.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(from);
        Ok(())
    };
    SystemIdentity::parse(&String::from_utf8(member(&mut read, "version")?).ok()?).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A newc archive.
    pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in members.iter().copied().chain([("TRAILER!!!", &[][..])]) {
            bytes.extend_from_slice(MEMBER_MAGIC);
            for number in 0..13 {
                let field = match number {
                    6 => content.len(),
                    11 => name.len() + 1,
                    _ => 0,
                };
                bytes.extend_from_slice(format!("{field:08x}").as_bytes());
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    /// A slot's content that says its version.
    pub fn system(version: &str, kernel: &[u8]) -> Vec<u8> {
        let text = format!("version {version}\nrevision abc1234\nmade 1763\n");
        archive(&[("SHA256SUMS", b"x"), ("version", text.as_bytes()), ("vmlinuz", kernel)])
    }

    /// A folder that stands for the machine's `/`.
    pub fn places(name: &str) -> Places {
        let root = std::env::temp_dir().join(format!("firmware-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let places = Places { root };
        for folder in ["dev", "proc", "sys/class/block", "etc/streamcaster", APPLIANCE] {
            fs::create_dir_all(places.below(folder)).unwrap();
        }
        fs::write(places.below("proc/cmdline"), "quiet slot=A\n").unwrap();
        places
    }

    /// A disk's partition as the kernel shows it.
    pub fn partition(places: &Places, disk: &str, number: u32, name: &str) -> PathBuf {
        let node = format!("{disk}{number}");
        let own = places.below("sys/devices").join(disk).join(&node);
        fs::create_dir_all(&own).unwrap();
        let uevent = format!("MAJOR=1\nDEVNAME={node}\nPARTN={number}\nPARTNAME={name}\n");
        fs::write(own.join("uevent"), uevent).unwrap();
        symlink(own, places.below("sys/class/block").join(&node)).unwrap();
        places.below("dev").join(node)
    }

    #[test]
    fn the_partitions_are_those_beside_slot_a() {
        let places = places("partitions");
        assert_eq!(places.partitions(), None);
        partition(&places, "vda", 1, "env");
        partition(&places, "vda", 2, "slot-b");
        let environment = partition(&places, "vdb", 3, "env");
        let slot_a = partition(&places, "vdb", 4, "slot-a");
        assert_eq!(places.partitions(), None, "the other disk's slot B is not ours");
        let slot_b = partition(&places, "vdb", 5, "slot-b");
        assert_eq!(places.partitions(), Some(Partitions { environment, slot_a, slot_b }));
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn the_running_slot_is_the_kernels_last_word() {
        let places = places("running");
        for (line, slot) in [
            ("quiet slot=B\n", Some(Slot::B)),
            ("slot=B slot=a quiet", Some(Slot::A)),
            ("slot=C", None),
            ("root=/dev/sda1 noslot=A", None),
        ] {
            fs::write(places.below("proc/cmdline"), line).unwrap();
            assert_eq!(places.running(), slot, "{line}");
        }
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn a_slot_says_its_version_wherever_that_file_stands() {
        let text: &[u8] = b"version 0.1.0\nrevision abc\nmade 5\n";
        for members in [
            vec![("version", text)],
            vec![("SHA256SUMS", b"12345"), ("initrd", &[7; 5000]), ("version", text)],
        ] {
            assert_eq!(identity_in(&archive(&members)).unwrap().to_string(), "0.1.0 (abc)");
        }
    }

    #[test]
    fn a_slots_digest_is_that_of_its_list_of_sums() {
        let places = places("digest");
        let path = places.below("slot");
        fs::write(&path, system("0.1.0", &[0; 64])).unwrap();
        // `printf x | sha256sum`
        let wanted = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        assert_eq!(digest(&path).as_deref(), Some(wanted));
        fs::write(&path, [0; 4096]).unwrap();
        assert_eq!(digest(&path), None);
        fs::remove_dir_all(&places.root).unwrap();
    }

    #[test]
    fn what_is_no_archive_of_ours_says_none() {
        let whole = system("0.1.0", &[0; 64]);
        assert!(identity_in(&whole).is_some());
        let behind =
            whole.windows(4).position(|four| four == b"made").unwrap() + "made 1763\n".len();
        for length in 0..behind {
            assert_eq!(identity_in(&whole[..length]), None, "{length}");
        }
        let many = archive(&vec![("x", &b""[..]); MEMBERS_MAX]);
        assert_eq!(identity_in(&many), None);
        let large = archive(&[("version", &vec![b'v'; 100_000])]);
        assert_eq!(identity_in(&large), None);
        assert_eq!(identity_in(&archive(&[("version", b"streamcaster 0.1.0 (abc)\n")])), None);
        // Lengths that would lead round the address space.
        for field in ["ffffffff", "-0000001", "+0000001"] {
            for number in [6, 11] {
                let mut bytes = whole.clone();
                bytes[6 + number * 8..][..8].copy_from_slice(field.as_bytes());
                assert_eq!(identity_in(&bytes), None, "{field}");
            }
        }
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..8) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            identity_in(&bytes);
        }
    }
}

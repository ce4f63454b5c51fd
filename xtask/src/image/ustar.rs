//! ustar archives (POSIX pax, "ustar Interchange Format"): the one that holds GRUB's environment,
//! and a container image's layer and envelope. Purpose: the same bytes, no matter who packs them: the
//! caller's order and owners, one time. Non-goals: long names, links, reading. Bound: a file below
//! 8 GiB, a name of 100 bytes. Ours rather than a crate (`tar`): 50 lines for two kinds of entries, whose
//! bytes are part of a signed image.

const BLOCK: usize = 512;
const NAME_BYTES_MAX: usize = 100;

/// What an entry is.
pub enum UstarKind<'a> {
    /// A folder.
    Folder,
    /// A file and what it holds.
    File(&'a [u8]),
}

/// An archive that grows entry by entry.
pub struct Ustar {
    bytes: Vec<u8>,
    mtime: u32,
}

impl Ustar {
    /// An empty archive whose entries all bear the time `mtime`, in seconds since 1970.
    pub fn new(mtime: u32) -> Ustar {
        Ustar { bytes: Vec::new(), mtime }
    }

    /// Adds an entry; `path` has no slash in front, `permissions` are those of chmod(2), `owner` is
    /// user and group alike.
    pub fn add(&mut self, path: &str, permissions: u32, owner: u32, kind: &UstarKind<'_>) {
        let (flag, name, content): (_, _, &[u8]) = match kind {
            UstarKind::Folder => ("5", format!("{path}/"), &[]),
            UstarKind::File(content) => ("0", path.to_owned(), content),
        };
        assert!(name.len() <= NAME_BYTES_MAX, "{name}: too long for ustar");
        let mut header = [0_u8; BLOCK];
        put(&mut header, 0, &name);
        put(&mut header, 100, &format!("{permissions:07o}\0"));
        put(&mut header, 108, &format!("{owner:07o}\0"));
        put(&mut header, 116, &format!("{owner:07o}\0"));
        put(&mut header, 124, &format!("{:011o}\0", content.len()));
        put(&mut header, 136, &format!("{:011o}\0", self.mtime));
        // The sum of all bytes is taken with blanks where it will stand.
        put(&mut header, 148, "        ");
        put(&mut header, 156, flag);
        put(&mut header, 257, "ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        put(&mut header, 148, &format!("{sum:06o}\0 "));
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    /// The archive, with the two empty blocks at its end.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

fn put(header: &mut [u8; BLOCK], at: usize, text: &str) {
    for (place, byte) in header.iter_mut().skip(at).zip(text.bytes()) {
        *place = byte;
    }
}

/// An archive of one file, of no time and root's: its content begins at byte 512.
pub fn of_one(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Ustar::new(0);
    archive.add(name, 0o644, 0, &UstarKind::File(content));
    archive.finish()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::step::piped;

    fn listed(archive: &[u8]) -> String {
        let mut tar = Command::new("tar");
        tar.env("TZ", "UTC").args(["--numeric-owner", "-tv"]);
        String::from_utf8(piped(&mut tar, archive).unwrap()).unwrap()
    }

    #[test]
    fn other_readers_list_one_file() {
        let archive = of_one("grubenv", &[b'#'; 1024]);
        assert_eq!(archive.get(512..1536), Some(&[b'#'; 1024][..]));
        let listed = listed(&archive);
        assert!(listed.starts_with("-rw-r--r-- 0/0"), "{listed}");
        assert!(listed.contains("1024") && listed.trim_end().ends_with("grubenv"), "{listed}");
    }

    #[test]
    fn other_readers_see_owners_modes_and_times() {
        let mut archive = Ustar::new(86_400);
        archive.add("data", 0o750, 65_532, &UstarKind::Folder);
        archive.add("usr/bin/tool", 0o755, 0, &UstarKind::File(b"12345"));
        let listed = listed(&archive.finish());
        let lines: Vec<&str> = listed.lines().collect();
        let [folder, file] = lines[..] else { panic!("{listed}") };
        assert!(folder.starts_with("drwxr-x--- 65532/65532"), "{folder}");
        assert!(folder.ends_with("1970-01-02 00:00 data/"), "{folder}");
        assert!(file.starts_with("-rwxr-xr-x 0/0") && file.contains(" 5 "), "{file}");
    }
}

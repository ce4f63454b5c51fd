//! newc cpio archives, which the kernel unpacks as its first file system and GRUB reads straight
//! off a partition. Purpose: the same bytes, no matter who packs them: the caller's order, one owner, one
//! time. Non-goals: hard links, unpacking. Bound: a file below 4 GiB, as the format's numbers have
//! it. Ours rather than a crate: 60 lines, of which a crate would leave the order and the numbers of
//! the entries to us all the same.

/// What an entry is, with the permission bits of its mode.
pub enum CpioKind<'a> {
    /// A folder.
    Folder,
    /// A file and what it holds.
    File(&'a [u8]),
    /// A symbolic link and where it leads.
    Link(&'a str),
    /// A character device: major and minor number.
    Device(u32, u32),
}

/// A newc archive that grows entry by entry (initramfs-buffer-format.rst of the kernel).
pub struct Newc {
    bytes: Vec<u8>,
    entries: u32,
    mtime: u32,
}

impl Newc {
    /// An empty archive whose entries all bear the time `mtime`, in seconds since 1970.
    pub fn new(mtime: u32) -> Newc {
        Newc { bytes: Vec::new(), entries: 0, mtime }
    }

    /// Adds an entry; `path` has no slash in front, `permissions` are those of chmod(2).
    pub fn add(&mut self, path: &str, permissions: u32, kind: &CpioKind<'_>) {
        let (format, content, device): (u32, &[u8], (u32, u32)) = match kind {
            CpioKind::Folder => (0o040_000, &[], (0, 0)),
            CpioKind::File(content) => (0o100_000, content, (0, 0)),
            CpioKind::Link(target) => (0o120_000, target.as_bytes(), (0, 0)),
            CpioKind::Device(major, minor) => (0o020_000, &[], (*major, *minor)),
        };
        self.entries += 1;
        let links = if matches!(kind, CpioKind::Folder) { 2 } else { 1 };
        self.header(path, format | permissions, links, content.len(), device);
        self.bytes.extend_from_slice(content);
        self.pad(4);
    }

    /// The archive, ended and filled up to a whole sector.
    pub fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.mtime = 0;
        self.header("TRAILER!!!", 0, 1, 0, (0, 0));
        self.pad(512);
        self.bytes
    }

    fn header(&mut self, path: &str, mode: u32, links: u32, size: usize, device: (u32, u32)) {
        let size = u32::try_from(size).expect("files of an image are below 4 GiB");
        let name = u32::try_from(path.len() + 1).expect("a path is short");
        let fields =
            [self.entries, mode, 0, 0, links, self.mtime, size, 0, 0, device.0, device.1, name, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad(4);
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }
}

/// What a file of a newc archive holds; none where no such path is in it, or where it is broken off.
pub fn member<'a>(archive: &'a [u8], path: &str) -> Option<&'a [u8]> {
    let mut rest = archive;
    loop {
        let header = rest.get(..110).filter(|header| header.starts_with(b"070701"))?;
        let field = |number: usize| {
            let digits = header.get(6 + number * 8..14 + number * 8)?;
            usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let (size, name) = (field(6)?, field(11)?);
        let content = (110 + name).next_multiple_of(4);
        if rest.get(110..110 + name.checked_sub(1)?)? == path.as_bytes() {
            return rest.get(content..content + size);
        }
        rest = rest.get((content + size).next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::step::piped;

    #[test]
    fn other_readers_list_a_newc_archive() {
        let mut archive = Newc::new(86_400);
        archive.add("bin", 0o755, &CpioKind::Folder);
        archive.add("bin/tool", 0o755, &CpioKind::File(b"12345"));
        archive.add("sbin", 0o777, &CpioKind::Link("bin"));
        archive.add("console", 0o600, &CpioKind::Device(5, 1));
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 512, 0);
        let listed = piped(Command::new("busybox").args(["cpio", "-tv"]), &bytes).unwrap();
        let listed = String::from_utf8(listed).unwrap();
        let lines: Vec<&str> = listed.lines().collect();
        assert_eq!(lines.len(), 4, "{listed}");
        for (line, (mode, name)) in lines.iter().zip([
            ("drwxr-xr-x", "bin"),
            ("-rwxr-xr-x", "bin/tool"),
            ("lrwxrwxrwx", "sbin -> bin"),
            ("crw-------", "console"),
        ]) {
            assert!(line.starts_with(mode) && line.ends_with(name), "{line}");
        }
        assert!(listed.contains("1970-01-02"), "{listed}");
        assert_eq!(member(&bytes, "bin/tool"), Some(&b"12345"[..]));
        assert_eq!((member(&bytes, "bin/too"), member(&bytes, "")), (None, None));
        for end in 0..bytes.len() {
            let found = member(bytes.get(..end).unwrap(), "bin/tool");
            assert!(found.is_none_or(|found| found == b"12345"), "cut at {end}");
        }
    }
}

//! Growing a mounted ext4 file system. Purpose: the one call of the kernel that has no safe wrapper.
//! Non-goals: everything else about file systems. Bound: one call.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use rustix::ioctl::{ioctl, opcode, Opcode, Setter};

/// `EXT4_IOC_RESIZE_FS`: `_IOW('f', 16, __u64)` (Linux, fs/ext4/ext4.h).
const RESIZE: Opcode = opcode::write::<u64>(b'f', 16);

/// Grows the file system that `folder`, opened, lies on to `blocks` blocks; that many already are no
/// error.
///
/// # Errors
/// The kernel's: it is not ext4 (ENOTTY), it would shrink (EINVAL), this is not root (EPERM), the
/// file system is damaged.
pub fn resize(folder: &File, blocks: u64) -> io::Result<()> {
    // SAFETY: the kernel reads one u64 from where the argument points, which `Setter` keeps alive for
    // the call, and writes nothing; other file systems refuse the number.
    unsafe {
        let order = Setter::<RESIZE, u64>::new(blocks);
        ioctl(folder, order)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_kernels() {
        assert_eq!(RESIZE, 0x4008_6610);
    }

    #[test]
    fn what_is_no_ext4_refuses() {
        let proc = File::open("/proc").expect("a file system that does not grow");
        assert!(resize(&proc, 1 << 20).is_err());
    }
}

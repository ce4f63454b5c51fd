//! An image that was made, looked at again. Purpose: what `cargo xtask flash` brings to a machine:
//! the files of the product's folder, held against their manifest; another configuration put into
//! the copy in memory; all of it in the initramfs of one start. Non-goal: making one. Bound: an
//! image is held whole, 228 MiB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cpio::{self, CpioKind, Newc};
use super::files::{commit_time, gzip, read, sha256, tool, write};
use super::{disk, manifest, starting};
use crate::step::{piped, said, target_dir};

/// The configuration's name on the data partition.
const CONFIG: &str = "config.toml";
/// The product's path in the root file system.
const PRODUCT: &str = "usr/bin/streamcaster";

/// An image and what it is made of.
pub struct Made {
    /// The disk.
    pub image: Vec<u8>,
    /// The kernel, as its slot holds it.
    pub vmlinuz: Vec<u8>,
    /// The root file system, as its slot holds it.
    pub initrd: Vec<u8>,
    /// What the product says it is.
    pub version: String,
    /// For what tools need as files; gone with this.
    stage: PathBuf,
}

impl Made {
    /// Reads the image of `cargo xtask image`; the error says what is missing or damaged.
    pub fn open() -> Result<Made, String> {
        let folder = target_dir().join("dist");
        let list = folder.join("manifest.json");
        let list = fs::read_to_string(&list).map_err(|error| {
            format!("{}: {error}: type `cargo xtask image` first", list.display())
        })?;
        let whole = |name: &str, bytes: Vec<u8>| -> Result<Vec<u8>, String> {
            if manifest::sum_of(&list, name) == Some(sha256(&bytes)) {
                return Ok(bytes);
            }
            Err(format!("{name} is not what its manifest says: type `cargo xtask image` again"))
        };
        let image = whole("streamcaster.img", read(&folder.join("streamcaster.img"))?)?;
        let slot = whole("streamcaster.slot", read(&folder.join("streamcaster.slot"))?)?;
        let member = |name| {
            cpio::member(&slot, name)
                .map(<[u8]>::to_vec)
                .ok_or_else(|| format!("the slot holds no {name}: type `cargo xtask image` again"))
        };
        let vmlinuz = whole("vmlinuz", member("vmlinuz")?)?;
        let initrd = whole("initrd", member("initrd")?)?;
        let version = String::from_utf8_lossy(&member("version")?).trim().to_owned();
        let stage = target_dir().join(format!("image/flash-{}", std::process::id()));
        fs::create_dir_all(&stage).map_err(|error| format!("{}: {error}", stage.display()))?;
        Ok(Made { image, vmlinuz, initrd, version, stage })
    }

    /// Puts a configuration onto the data partition, in the place of any that is there.
    pub fn set_config(&mut self, config: &Path) -> Result<(), String> {
        let data = disk::data(Some(config), commit_time(), &self.stage)?;
        let place = disk::data_range().and_then(|range| self.image.get_mut(range));
        match place {
            Some(place) if place.len() == data.len() => place.copy_from_slice(&data),
            _ => return Err("the image has another size than this source makes".to_owned()),
        }
        Ok(())
    }

    /// The configuration on the data partition; none where the first start is to make one.
    pub fn config(&self) -> Result<Option<Vec<u8>>, String> {
        let data = disk::data_range().and_then(|range| self.image.get(range));
        let data = data.ok_or("the image has another size than this source makes")?;
        let file = self.stage.join("data.ext4");
        write(&file, data)?;
        let mut debugfs = tool("debugfs");
        let output = debugfs.args(["-R", &format!("cat {CONFIG}")]).arg(&file).output();
        let output = output.map_err(|error| format!("debugfs does not start: {error}"))?;
        Ok((!output.stdout.is_empty()).then_some(output.stdout))
    }

    /// Whether the image's own product takes a configuration, which came from `name`; what it says
    /// against it.
    pub fn check(&self, config: &[u8], name: &str) -> Result<starting::Password, String> {
        let tree = piped(Command::new("zstd").args(["-q", "-d", "-c"]), &self.initrd)?;
        let product = cpio::member(&tree, PRODUCT).ok_or("the image holds no product")?;
        let program = self.stage.join("streamcaster");
        write(&program, product)?;
        said(Command::new("chmod").arg("755").arg(&program))?;
        starting::check(&program, config, name, &self.stage)
    }

    /// The initramfs that puts the image onto a disk (`rootfs/usr/lib/appliance/flash`): an archive
    /// with the image, then the appliance's own. The kernel unpacks one after the other.
    pub fn flasher(&self) -> Result<Vec<u8>, String> {
        let packed = gzip(&self.image)?;
        let sums = format!("{}  image.gz\n", sha256(&packed));
        let image = format!("{} {}\n", sha256(&self.image), self.image.len());
        let mut archive = Newc::new(0);
        archive.add("flash", 0o755, &CpioKind::Folder);
        archive.add("flash/SHA256SUMS", 0o644, &CpioKind::File(sums.as_bytes()));
        archive.add("flash/image", 0o644, &CpioKind::File(image.as_bytes()));
        archive.add("flash/image.gz", 0o600, &CpioKind::File(&packed));
        let mut initramfs = archive.finish();
        initramfs.extend_from_slice(&self.initrd);
        Ok(initramfs)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Below the target folder, where what is left over does no harm.
        let _ = fs::remove_dir_all(&self.stage);
    }
}

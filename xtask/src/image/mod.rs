//! `cargo xtask image`: the appliance as a disk image, `target/dist/streamcaster.img`. Purpose: one
//! file that boots by BIOS and UEFI into a root file system in memory, and the update that brings
//! the same into a slot of one that runs, signed; made without root, loop devices or mounts, the
//! same bytes for the same commit, key and Debian packages. Non-goals: flashing. Bound:
//! `PACKED_BYTES_MAX`.

pub mod cpio;
pub mod crates;
mod depmod;
pub mod disk;
mod fat;
pub mod files;
pub mod gpt;
pub mod grub;
mod kernel;
pub mod licences;
pub mod made;
mod manifest;
mod modules;
pub mod offered;
pub mod parts;
pub mod pins;
mod rootfs;
mod sbom;
pub mod starting;
pub mod ustar;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use argh::FromArgs;

use self::files::{commit_time, gzip, read, sha256, write};
use crate::dist;
use crate::sign::{self, Key, Release};
use crate::step::{piped, said, step, target_dir};
use cpio::{CpioKind, Newc};
use manifest::Summed;

/// What a download may weigh.
const PACKED_BYTES_MAX: usize = 17_000_000;

/// make the appliance's disk image, target/dist/streamcaster.img
#[derive(FromArgs)]
#[argh(subcommand, name = "image")]
pub struct Image {
    /// a configuration to start with, put onto the data partition; without a password in it the
    /// first start makes one and shows it on the console
    #[argh(option)]
    config: Option<PathBuf>,
    /// give anybody who is at the console a root shell
    #[argh(switch)]
    debug_shell: bool,
    /// another build of the product than that of this source
    #[argh(option)]
    binary: Option<PathBuf>,
    /// the key that its updates have to be signed with (default: streamcaster.key, made when there
    /// is none)
    #[argh(option)]
    key: Option<PathBuf>,
    /// the key of later updates, which this image accepts besides: made when there is no such file
    #[argh(option)]
    next_key: Option<PathBuf>,
    /// the oldest version that may take this one's place, as in 0.2.0 (default: any, once confirmed)
    #[argh(option)]
    oldest: Option<String>,
    /// the folder the files go to, instead of target/dist
    #[argh(option)]
    out: Option<PathBuf>,
    /// refuse any Debian package but the pinned ones (xtask/image-parts.txt)
    #[argh(switch)]
    pinned: bool,
    /// make it twice and compare
    #[argh(switch)]
    verify: bool,
}

/// The files an image consists of, in the folder of the product.
const FILES: [&str; 8] = [
    "streamcaster.img",
    "streamcaster.img.zst",
    "streamcaster.slot",
    "streamcaster.update",
    "manifest.json",
    sign::LATEST,
    "streamcaster.spdx.json",
    "streamcaster.licences.gz",
];

/// The command as it is typed.
pub fn run(options: &Image) -> Result<(), String> {
    let product = match &options.binary {
        Some(binary) => binary.clone(),
        None => dist::build()?.product,
    };
    let folder = options.out.clone().unwrap_or_else(|| target_dir().join("dist"));
    step("image", || build(options, &product, &folder))?;
    parts::pinned()
        .ok()
        .as_ref()
        .and_then(parts::behind)
        .iter()
        .for_each(|line| println!("{line}"));
    if options.verify {
        let again = target_dir().join("image/again");
        step("image, again", || build(options, &product, &again))?;
        for name in FILES {
            if read(&folder.join(name))? != read(&again.join(name))? {
                return Err(format!("{name}: two builds differ"));
            }
        }
        fs::remove_dir_all(&again).map_err(|error| format!("{}: {error}", again.display()))?;
        println!("two builds are the same");
    }
    print!("{}", fs::read_to_string(folder.join("manifest.json")).unwrap_or_default());
    Ok(())
}

fn build(options: &Image, product: &Path, folder: &Path) -> Result<(), String> {
    let stage = target_dir().join(format!("image/stage-{}", std::process::id()));
    // Beside the files that they replace in one go: a test may be copying those.
    let drafts = folder.join(format!("draft-{}", std::process::id()));
    for own in [&stage, &drafts] {
        fs::create_dir_all(own).map_err(|error| format!("{}: {error}", own.display()))?;
    }
    let built = assemble(options, product, &drafts, &stage).and_then(|()| {
        FILES.iter().try_for_each(|name| {
            let failed = |error| format!("{}: {error}", folder.join(name).display());
            fs::rename(drafts.join(name), folder.join(name)).map_err(failed)
        })
    });
    for own in [&stage, &drafts] {
        fs::remove_dir_all(own).map_err(|error| format!("{}: {error}", own.display()))?;
    }
    built
}

/// What an image is made of and which one it is.
struct Ingredients {
    debian: parts::ImageParts,
    crates: Vec<crates::Crate>,
    kernel: kernel::Kernel,
    /// What the product says of itself.
    version: String,
    key: Key,
    release: Release,
    /// The public keys whose updates it takes, a line each.
    accepted: String,
    mtime: u32,
}

impl Ingredients {
    fn of(options: &Image, product: &Path) -> Result<Ingredients, String> {
        let debian = parts::ImageParts::take(options.pinned)?;
        let crates = crates::of_the_product()?;
        let kernel = kernel::of(&debian.kernel)?;
        let mtime = commit_time();
        let version = said(Command::new(product).arg("version"))?;
        let key = Key::take(options.key.as_deref())?;
        let mut release = Release::of(&version, mtime)?;
        (release.kernel, release.key) = (kernel.version.clone(), key.id());
        release.debug = options.debug_shell;
        release.set_oldest(options.oldest.as_deref())?;
        println!("{}", release.described());
        let mut accepted = key.public();
        if let Some(next) = &options.next_key {
            accepted.push_str(&Key::take_or_make(next)?.public());
        }
        Ok(Ingredients { debian, crates, kernel, version, key, release, accepted, mtime })
    }
}

fn assemble(options: &Image, product: &Path, folder: &Path, stage: &Path) -> Result<(), String> {
    if let Some(config) = &options.config {
        let found = starting::check(product, &read(config)?, &config.display().to_string(), stage)?;
        println!("configuration: {}", found.said());
    }
    let Ingredients { debian, crates, kernel, version, key, release, accepted, mtime } =
        Ingredients::of(options, product)?;
    let fresh_data = disk::data(None, mtime, stage)?;
    let licences = gzip(licences::text(&version, &crates, Some(&debian))?.as_bytes())?;
    let parts = rootfs::RootfsParts {
        kernel: &kernel,
        debian: &debian,
        product,
        fresh_data: &fresh_data,
        licences: &licences,
        debug_shell: options.debug_shell,
        release: &release.lines(),
        keys: &accepted,
        mtime,
    };
    let initrd = rootfs::pack(&parts, stage)?;
    let vmlinuz = read(&kernel.vmlinuz)?;
    let slot = slot(&release, &vmlinuz, &initrd, mtime);
    let data = match &options.config {
        Some(config) => disk::data(Some(config), mtime, stage)?,
        None => fresh_data,
    };
    let [image, packed, blob, signed, list, latest, parts_list, texts] =
        FILES.map(|name| folder.join(name));
    write(&blob, &slot)?;
    let update = sign::package(&slot, &release, &key)?;
    write(&signed, &update)?;
    write(&latest, sign::head(&update))?;
    write(&texts, &licences)?;
    disk::write(&image, &slot, &data, &debian, stage)?;
    let whole = read(&image)?;
    let compressed = packed_image(&whole)?;
    write(&packed, &compressed)?;
    let files = [
        summed("streamcaster.img", &whole),
        summed("streamcaster.img.zst", &compressed),
        summed("streamcaster.slot", &slot),
        summed("streamcaster.update", &update),
        summed("vmlinuz", &vmlinuz),
        summed("initrd", &initrd),
        summed("streamcaster", &read(product)?),
    ];
    let digest = sign::digest(&slot).unwrap_or_default();
    let (build, debug) = (release.build(), release.debug);
    let subject =
        sbom::Subject { said: &version, build, digest: &digest, debian: &debian, crates: &crates };
    write(&parts_list, sbom::text(&subject).as_bytes())?;
    let made_of = manifest::MadeOf { debian: &debian, tools: &parts::tools() };
    let identity = manifest::Identity { build, debug, digest };
    write(&list, manifest::text(&version, &identity, &accepted, &made_of, &files).as_bytes())
}

/// The image as it is handed on. One thread: how many there are would show in the bytes. What fills the
/// slot is compressed already: trying harder wins a hundredth for ten times the time.
fn packed_image(whole: &[u8]) -> Result<Vec<u8>, String> {
    let packed = piped(Command::new("zstd").args(["-q", "-3", "--single-thread", "-c"]), whole)?;
    if packed.len() > PACKED_BYTES_MAX {
        return Err(format!("{} bytes packed: more than {PACKED_BYTES_MAX}", packed.len()));
    }
    Ok(packed)
}

/// What a slot holds: what GRUB starts, the sums it asks for first, and which system it is.
fn slot(release: &Release, vmlinuz: &[u8], initrd: &[u8], mtime: u32) -> Vec<u8> {
    let version = release.lines();
    let files = [("version", version.as_bytes()), ("vmlinuz", vmlinuz), ("initrd", initrd)];
    let mut sums = String::new();
    for (name, bytes) in files {
        sums += &format!("{}  {name}\n", sha256(bytes));
    }
    let mut archive = Newc::new(mtime);
    archive.add("SHA256SUMS", 0o644, &CpioKind::File(sums.as_bytes()));
    for (name, bytes) in files {
        archive.add(name, 0o644, &CpioKind::File(bytes));
    }
    archive.finish()
}

fn summed(name: &'static str, bytes: &[u8]) -> Summed {
    Summed { name, bytes: bytes.len(), sha256: sha256(bytes) }
}

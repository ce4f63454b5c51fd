//! `cargo xtask oci`: the product as a container image, `target/dist/streamcaster.oci.tar`.
//! Purpose: for who runs containers anyway, the same static binary beside nothing, the same bytes
//! for the same commit. Non-goals: other processors in one image, pushing it to a registry, a shell
//! inside. Bound: one layer.

mod layout;
mod options;
mod task;

use std::path::Path;
use std::process::Command;

use crate::dist;
use crate::image::files::{commit_time, gzip, read, sha256, write};
use crate::image::{crates, licences};
use crate::step::{said, step, target_dir};
use layout::{About, Content};
pub use options::Oci;

/// The image's name in the folder of the product.
const FILE: &str = "streamcaster.oci.tar";

/// The command as it is typed.
pub fn run(options: &Oci) -> Result<(), String> {
    if options.ecs_task {
        print!("{}", task::definition(options)?);
        return Ok(());
    }
    let product = match &options.binary {
        Some(binary) => binary.clone(),
        None => dist::build()?.product,
    };
    let file = target_dir().join("dist").join(FILE);
    step("oci", || {
        let about = about(&product)?;
        let config = options.config.as_deref().map(read).transpose()?;
        let said = format!("streamcaster {} ({})", about.version, about.revision);
        let licences = licences::text(&said, &crates::of_the_product()?, None)?;
        let licences = gzip(licences.as_bytes())?;
        let product = read(&product)?;
        let content = Content { product: &product, licences: &licences, config: config.as_deref() };
        let image = layout::image(&content, &about)?;
        write(&file, &image.archive)?;
        println!("{}", file.display());
        println!("{} bytes, sha256:{}", image.archive.len(), sha256(&image.archive));
        println!("streamcaster:{} is {}", about.version, image.digest);
        Ok(())
    })
}

/// What the image tells of itself, found out from the product and the commit.
fn about(product: &Path) -> Result<About, String> {
    let architecture = architecture(&read(product)?)?;
    let segments =
        said(Command::new("readelf").args(["--program-headers", "--wide"]).arg(product))?;
    if segments.contains("INTERP") {
        let product = product.display();
        return Err(format!(
            "{product} asks for a loader, and the image has none: cargo xtask dist"
        ));
    }
    let told = said(Command::new(product).arg("version"))?;
    let (version, revision) = versions(&told)?;
    let time = commit_time();
    let mut date = Command::new("date");
    let created = said(date.args(["-u", "-d", &format!("@{time}"), "+%Y-%m-%dT%H:%M:%SZ"]))?;
    Ok(About { architecture, version, revision, created, time })
}

/// The processor a program is for (ELF, "e_machine"), in OCI's words.
fn architecture(program: &[u8]) -> Result<&'static str, String> {
    match (program.get(..4), program.get(18..20)) {
        (Some(b"\x7fELF"), Some([0x3e, 0])) => Ok("amd64"),
        (Some(b"\x7fELF"), Some([0xb7, 0])) => Ok("arm64"),
        _ => Err("the binary is no program for x86-64 or ARM64 Linux".to_owned()),
    }
}

/// Takes `streamcaster VERSION (REVISION)` apart.
fn versions(told: &str) -> Result<(String, String), String> {
    let mut words = told.split_whitespace();
    let version = words.nth(1);
    let revision = words.next().map(|word| word.trim_matches(['(', ')']));
    match (version, revision) {
        (Some(version), Some(revision)) => Ok((version.to_owned(), revision.to_owned())),
        _ => Err(format!("the binary calls itself {told:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_read_from_the_program() {
        let mut program = [0_u8; 64];
        assert!(architecture(&program).is_err());
        for (place, byte) in program.iter_mut().zip(*b"\x7fELF") {
            *place = byte;
        }
        for (machine, expected) in [(0x3e, Some("amd64")), (0xb7, Some("arm64")), (0x28, None)] {
            if let Some(place) = program.get_mut(18) {
                *place = machine;
            }
            assert_eq!(architecture(&program).ok(), expected);
        }
        assert!(architecture(b"#!/bin/sh").is_err());
    }

    #[test]
    fn the_version_is_the_binarys_own() {
        let told = versions("streamcaster 0.1.0 (abc123-changed)");
        assert_eq!(told, Ok(("0.1.0".to_owned(), "abc123-changed".to_owned())));
        assert!(versions("streamcaster").is_err());
    }
}

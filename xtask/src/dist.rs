//! `cargo xtask dist`: the product, `target/dist/streamcaster`. Purpose: one file that runs on any
//! x86-64 Linux, beside nothing: static against musl, stripped, the same bytes, no matter who builds the
//! commit with the same compiler and wherever. Non-goals: signing, packaging. Bound: one build; what it
//! made is looked at before it is called done.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::files::{read, sha256};
use crate::step::{self, cargo, root, said, step, target_dir};
use crate::sysroot::{self, TARGET};

const NAME: &str = "streamcaster";

/// What a build left.
pub struct Built {
    /// The product, stripped.
    pub product: PathBuf,
    /// The same code with its symbols' names.
    pub symbols: PathBuf,
}

/// The command as it is typed.
pub fn run() -> Result<(), String> {
    let product = build()?.product;
    let bytes = read(&product)?;
    println!("{}: {} bytes, sha256 {}", product.display(), bytes.len(), sha256(&bytes));
    Ok(())
}

/// Builds the product, strips it and verifies that it is static.
pub fn build() -> Result<Built, String> {
    let compiler = sysroot::compiler()?;
    let target = target_dir();
    let symbols = target.join(TARGET).join("release").join(NAME);
    let folder = target.join("dist");
    let product = folder.join(NAME);
    step("static binary", || compile(compiler.as_deref(), &target))?;
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Anybody who runs the one that is there, or copies it, has it whole.
    let fresh = folder.join(format!("{NAME}.{}", std::process::id()));
    let advice = "Install binutils.";
    step::run(Command::new("strip").args(["--strip-all", "-o"]).args([&fresh, &symbols]), advice)?;
    is_static(&fresh)?;
    fs::rename(&fresh, &product).map_err(|error| format!("{}: {error}", product.display()))?;
    Ok(Built { product, symbols })
}

fn compile(compiler: Option<&Path>, target: &Path) -> Result<(), String> {
    let mut build = cargo(&["build", "--release", "--locked", "--bin", NAME, "--target", TARGET]);
    build.arg("--target-dir").arg(target).env("CARGO_ENCODED_RUSTFLAGS", flags(target));
    if let Some(compiler) = compiler {
        build.env("RUSTC", compiler);
    }
    step::run(&mut build, "What the compiler says above is the reason.")
}

/// Compiler flags that take this machine's folders out of the binary: panics name their source
/// files.
fn flags(target: &Path) -> OsString {
    let mut remaps = vec![(root(), "."), (target.to_owned(), "target")];
    remaps.extend(sysroot::crate_folders());
    let flags: Vec<OsString> = remaps.iter().map(|(from, to)| sysroot::remap(from, to)).collect();
    flags.join(OsStr::new("\u{1f}"))
}

/// A target that names a dynamic linker or libraries would fail only on the appliance.
fn is_static(binary: &Path) -> Result<(), String> {
    let headers = said(Command::new("readelf").args(["--wide", "--program-headers"]).arg(binary))?;
    let dynamic = said(Command::new("readelf").args(["--wide", "--dynamic"]).arg(binary))?;
    verdict(&headers, &dynamic).map_err(|what| format!("{}: {what}", binary.display()))
}

fn verdict(headers: &str, dynamic: &str) -> Result<(), &'static str> {
    let names = |text: &str, word: &str| text.split_whitespace().any(|each| each == word);
    if !names(headers, "LOAD") {
        return Err("it has no program headers: is it a binary at all?");
    }
    if names(headers, "INTERP") {
        return Err("it asks for a dynamic linker (INTERP)");
    }
    if names(dynamic, "(NEEDED)") {
        return Err("it asks for shared libraries (NEEDED)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATIC: &str = "Program Headers:\n  Type  Offset\n  LOAD  0x0\n  DYNAMIC 0x1\n";

    #[test]
    fn what_needs_others_is_not_static() {
        assert_eq!(verdict(STATIC, " 0x1e (FLAGS)  BIND_NOW\n"), Ok(()));
        assert!(verdict(STATIC, " 0x01 (NEEDED) Shared library: [libc.so.6]\n").is_err());
        assert!(verdict(&format!("{STATIC}  INTERP 0x2\n"), "").is_err());
        assert!(verdict("", "").is_err());
        let own = std::env::current_exe().unwrap();
        assert!(is_static(&own).unwrap_err().contains("INTERP"), "tests are built for the host");
    }
}

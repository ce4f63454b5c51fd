//! The standard library for a static musl binary. Purpose: where the toolchain at hand has the
//! target (`rustup target add x86_64-unknown-linux-musl`), nothing is done; where it has not, the
//! library is built once from Debian's Rust and its source into a private sysroot below the
//! target folder, and the same cargo uses it through one variable. Non-goals: other targets, other
//! distributions. Bound: one build of about a minute, again only when what it is made of changes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::{answers, fed, remove_folder, root, run, said, step, target_dir};

/// The target of the product.
pub const TARGET: &str = "x86_64-unknown-linux-musl";
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Debian's packages for the private sysroot. The compiler's version must be its source's.
pub const PACKAGES: [&str; 6] =
    ["gcc", "musl-tools", "libunwind-19-dev", "rustc-web", "cargo-web", "rust-web-src"];

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTLIB: &str = "/usr/lib/rustlib";
const MUSL: &str = "/usr/lib/x86_64-linux-musl";
const MUSL_FILES: [&str; 6] = ["crt1.o", "Scrt1.o", "rcrt1.o", "crti.o", "crtn.o", "libc.a"];
const GCC_FILES: [&str; 4] = ["crtbegin.o", "crtbeginS.o", "crtend.o", "crtendS.o"];
/// LLVM's, not gcc's libgcc_eh: that one needs `_dl_find_object`, which only glibc has.
const UNWINDER: &str = "/usr/lib/llvm-19/lib/libunwind.a";

/// Debian builds its unwinder with fortified calls, and musl has none.
const FORTIFIED: &str = "#include <stdarg.h>
#include <stdio.h>
int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
    va_list list;
    (void)flag;
    va_start(list, format);
    int count = vfprintf(file, format, list);
    va_end(list);
    return count;
}
";

/// The compiler that has the target: `None` is the one at hand, else a path for `RUSTC`.
pub fn compiler() -> Result<Option<PathBuf>, String> {
    if target_installed() {
        return Ok(None);
    }
    let parts = SysrootParts::find().map_err(|missing| {
        format!(
            "this toolchain has no {TARGET} ({missing}). Type `rustup target add {TARGET}`, or on \
             Debian `cargo xtask setup`."
        )
    })?;
    let sysroot = target_dir().join("musl-sysroot");
    let key = parts.key()?;
    if fs::read_to_string(sysroot.join("key")).is_ok_and(|made_of| made_of == key) {
        return Ok(Some(sysroot.join("bin/rustc")));
    }
    step("standard library for musl (once, about a minute)", || build(&parts, &sysroot, &key))?;
    Ok(Some(sysroot.join("bin/rustc")))
}

/// Whether a binary for the target can be made here, the private sysroot not yet built included.
pub fn available() -> bool {
    target_installed() || SysrootParts::find().is_ok()
}

fn target_installed() -> bool {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    said(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]))
        .is_ok_and(|folder| Path::new(&folder).is_dir())
}

/// What Debian brings.
struct SysrootParts {
    /// `rustc -vV`, whole.
    version: String,
    /// The folder of the compiler's source.
    source: PathBuf,
    gcc_files: Vec<PathBuf>,
    libgcc: PathBuf,
}

impl SysrootParts {
    /// Finds them all; the error names what is missing.
    fn find() -> Result<SysrootParts, String> {
        let version = said(Command::new(DEBIAN_RUSTC).arg("-vV"))?;
        let source = PathBuf::from(format!("/usr/src/rustc-{}", field(&version, "release")?));
        let gcc = |argument: &str| said(Command::new("gcc").arg(argument)).map(PathBuf::from);
        let gcc_files = GCC_FILES
            .iter()
            .map(|name| gcc(&format!("-print-file-name={name}")))
            .collect::<Result<Vec<_>, _>>()?;
        let parts =
            SysrootParts { version, source, gcc_files, libgcc: gcc("-print-libgcc-file-name")? };
        let musl = MUSL_FILES.iter().map(|name| Path::new(MUSL).join(name));
        let mut needed = vec![PathBuf::from(UNWINDER), PathBuf::from(DEBIAN_CARGO)];
        needed.extend([parts.manifest(), parts.libgcc.clone()]);
        needed.extend(musl.chain(parts.gcc_files.iter().cloned()));
        match needed.iter().find(|file| !file.is_file()) {
            Some(file) => Err(format!("{} is missing", file.display())),
            None if !answers("musl-gcc", &["--version"]) => Err("musl-gcc is missing".to_owned()),
            None => Ok(parts),
        }
    }

    fn manifest(&self) -> PathBuf {
        self.source.join("library/sysroot/Cargo.toml")
    }

    /// Everything the sysroot depends on, this recipe included.
    fn key(&self) -> Result<String, String> {
        let mut key =
            format!("{}\nrecipe {:016x}\n", self.version, hash(include_bytes!("sysroot.rs")));
        let libc = Path::new(MUSL).join("libc.a");
        for file in [Path::new(UNWINDER), &libc, &self.libgcc] {
            let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            key.push_str(&format!("{} {:016x}\n", file.display(), hash(&bytes)));
        }
        Ok(key)
    }
}

fn build(parts: &SysrootParts, sysroot: &Path, key: &str) -> Result<(), String> {
    remove_folder(sysroot)?;
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let own = libraries.join("self-contained");
    let made = || -> std::io::Result<()> {
        fs::create_dir_all(&own)?;
        fs::create_dir_all(sysroot.join("bin"))?;
        symlink(Path::new(DEBIAN_RUSTLIB).join(HOST), sysroot.join("lib/rustlib").join(HOST))?;
        let musl = MUSL_FILES.iter().map(|name| Path::new(MUSL).join(name));
        for file in musl.chain(parts.gcc_files.iter().cloned()) {
            fs::copy(&file, own.join(file.file_name().unwrap_or_default()))?;
        }
        wrapper(sysroot)
    };
    made().map_err(|error| format!("the sysroot {}: {error}", sysroot.display()))?;
    unwinder(parts, &own)?;
    standard_library(parts, sysroot, &libraries)?;
    fs::write(sysroot.join("key"), key).map_err(|error| format!("{}: {error}", sysroot.display()))
}

/// `bin/rustc`: Debian's compiler with this sysroot. (A symbolic link would not move it.)
fn wrapper(sysroot: &Path) -> std::io::Result<()> {
    let file = sysroot.join("bin/rustc");
    let quoted = sysroot.display().to_string().replace('\'', r"'\''");
    fs::write(&file, format!("#!/bin/sh\nexec {DEBIAN_RUSTC} --sysroot '{quoted}' \"$@\"\n"))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
}

/// `libunwind.a`: LLVM's, with what it takes from libgcc, and the one call musl lacks.
fn unwinder(parts: &SysrootParts, own: &Path) -> Result<(), String> {
    let object = own.join("fortified.o");
    let mut compile = Command::new("musl-gcc");
    compile.args(["-O2", "-fPIC", "-x", "c", "-c", "-", "-o"]).arg(&object);
    fed(&mut compile, FORTIFIED)?;
    let script = format!(
        "CREATE {}\nADDLIB {UNWINDER}\nADDLIB {}\nADDMOD {}\nSAVE\nEND\n",
        own.join("libunwind.a").display(),
        parts.libgcc.display(),
        object.display(),
    );
    fed(Command::new("ar").arg("-M"), &script)?;
    fs::remove_file(&object).map_err(|error| format!("{}: {error}", object.display()))
}

/// Builds std and what it depends on. (Debian's vendored crates lack those of std's own tests,
/// and cargo will not resolve without them: they come from the registry.)
fn standard_library(parts: &SysrootParts, sysroot: &Path, libraries: &Path) -> Result<(), String> {
    let work = sysroot.join("work");
    let commit = field(&parts.version, "commit-hash")?;
    let mut remaps = vec![(parts.source.clone(), format!("/rustc/{commit}"))];
    remaps.extend(crate_folders().into_iter().map(|(from, to)| (from, to.to_owned())));
    let mut flags = OsString::from("-Zforce-unstable-if-unmarked");
    for (from, to) in &remaps {
        flags.push("\u{1f}");
        flags.push(remap(from, to));
    }
    let mut cargo = Command::new(DEBIAN_CARGO);
    cargo
        .args(["build", "--locked", "--profile", "dist", "--features", "backtrace"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&work)
        .arg("--manifest-path")
        .arg(parts.manifest())
        .current_dir(root())
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    run(&mut cargo, "The standard library's own build failed; its output above says where.")?;
    let built = work.join(TARGET).join("dist/deps");
    let copied = || -> std::io::Result<()> {
        for entry in fs::read_dir(&built)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "rlib") {
                fs::copy(&file, libraries.join(file.file_name().unwrap_or_default()))?;
            }
        }
        fs::remove_dir_all(&work)
    };
    copied().map_err(|error| format!("{}: {error}", built.display()))
}

/// Where cargo unpacks crates, and what to call it in a binary instead.
pub fn crate_folders() -> Vec<(PathBuf, &'static str)> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    let Some(home) = home else { return Vec::new() };
    // This command is built with crates from there, so a registry's folder exists by now. The last
    // one that fits wins, so the inner folders come behind the outer.
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let registries: Vec<_> = registries.map(|registry| (registry.path(), "crates")).collect();
    [vec![(home, "cargo")], registries].concat()
}

/// The compiler's flag that calls a folder otherwise.
pub fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

/// A line's value in what `rustc -vV` prints.
fn field<'a>(version: &'a str, name: &str) -> Result<&'a str, String> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    version.lines().find_map(value).ok_or_else(|| format!("`rustc -vV` names no {name}"))
}

/// FNV-1a, 64 bits: tells one build's file from another's.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_by_its_lines() {
        let version = "rustc 1.96.0 (ac68 2026-05-25)\nbinary: rustc\nrelease: 1.96.0\n";
        assert_eq!(field(version, "release"), Ok("1.96.0"));
        assert!(field(version, "commit-hash").is_err());
    }

    #[test]
    fn the_wrapper_passes_its_arguments_on() {
        let folder = std::env::temp_dir().join(format!("it's a sysroot {}", std::process::id()));
        fs::create_dir_all(folder.join("bin")).unwrap();
        wrapper(&folder).unwrap();
        let text = fs::read_to_string(folder.join("bin/rustc")).unwrap();
        let echoed = text.replace(DEBIAN_RUSTC, "printf '%s\\n'");
        let said = said(Command::new("sh").args(["-c", &echoed, "sh", "a b", "$c"])).unwrap();
        assert_eq!(said, format!("--sysroot\n{}\na b\n$c", folder.display()));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_registry_this_was_built_with_is_called_otherwise() {
        let folders = crate_folders();
        let outer = folders.iter().position(|(_, to)| *to == "cargo");
        let inner = folders.iter().position(|(_, to)| *to == "crates");
        assert!(outer.is_some() && outer < inner, "{folders:?}");
        assert_eq!(remap(Path::new("/a b"), "c"), "--remap-path-prefix=/a b=c");
    }

    #[test]
    fn other_bytes_have_another_hash() {
        assert_ne!(hash(b"one"), hash(b"eno"));
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
    }
}

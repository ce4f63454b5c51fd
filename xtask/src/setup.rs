//! `cargo xtask setup`: the one place that installs anything. Purpose: a fresh Debian machine
//! with Rust becomes one that can run the tests; where it may not install, it says exactly what
//! to type. Non-goal: what the program needs at run time, which is nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::as_root::apt_prefix;
use crate::debian;
use crate::image::parts;
use crate::step::{answers, cargo, root, run, said, step, target_dir};
use crate::sysroot;

/// The version the licence and ban rules were written for.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// The version whose verdicts the page was mended by.
const AXE_VERSION: &str = "4.14.1";

/// Packages of PyPI that a test needs, all of them named, for another version of one would say
/// something else.
struct PythonPackages {
    name: &'static str,
    /// Where they go, below the tools.
    folder: &'static str,
    list: &'static str,
    /// A program that lies deep in a package: its name in the `bin` folder, and a line of Python
    /// that prints where it is.
    links: Option<[&'static str; 2]>,
    /// What answers when they are there: a program of theirs and two arguments.
    probe: [&'static str; 3],
}

const PYTHON_PACKAGES: [PythonPackages; 3] = [
    // What holds the API against its document.
    PythonPackages {
        name: "Schemathesis",
        folder: "schemathesis",
        list: "xtask/schemathesis.txt",
        links: None,
        probe: ["st", "--no-color", "--version"],
    },
    // What knows every command of AWS, and what each takes.
    PythonPackages {
        name: "botocore",
        folder: "botocore",
        list: "xtask/botocore.txt",
        links: None,
        probe: ["python", "-c", "import botocore"],
    },
    // A sender of today: Debian's ffmpeg neither begins with a burst nor knows Enhanced RTMP.
    PythonPackages {
        name: "ffmpeg 9",
        folder: "ffmpeg",
        list: "xtask/ffmpeg.txt",
        links: Some(["ffmpeg", "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"]),
        probe: ["ffmpeg", "-hide_banner", "-version"],
    },
];

/// Where distributions put the modules of nginx.
const NGINX_MODULES: [&str; 2] = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"];

/// A tool the tests drive, the Debian package that brings it, and how to see that it is there.
struct Tool {
    name: &'static str,
    packages: &'static [&'static str],
    present: fn() -> bool,
}

/// One element of each set of plugins that the tests use.
const GSTREAMER_ELEMENTS: [&str; 7] =
    ["videotestsrc", "timeoverlay", "flvmux", "h264parse", "mpegtsmux", "voaacenc", "x264enc"];

const TOOLS: [Tool; 21] = [
    Tool {
        name: "a Rust standard library for musl (`rustup target add x86_64-unknown-linux-musl`)",
        packages: &sysroot::PACKAGES,
        present: sysroot::available,
    },
    Tool { name: "strip, readelf, nm", packages: &["binutils"], present: binutils },
    Tool { name: "ffmpeg, ffprobe", packages: &["ffmpeg"], present: ffmpeg },
    Tool {
        name: "nginx with its RTMP and stream modules",
        packages: &["nginx-light", "libnginx-mod-rtmp", "libnginx-mod-stream"],
        present: nginx,
    },
    Tool {
        name: "GStreamer with its plugins",
        packages: &[
            "gstreamer1.0-tools",
            "gstreamer1.0-plugins-base",
            // What writes into the picture.
            "gstreamer1.0-x",
            "gstreamer1.0-plugins-good",
            "gstreamer1.0-plugins-bad",
            "gstreamer1.0-plugins-ugly",
        ],
        present: gstreamer,
    },
    Tool { name: "rtmpdump", packages: &["rtmpdump"], present: rtmpdump },
    Tool { name: "mpv", packages: &["mpv"], present: mpv },
    Tool { name: "vlc", packages: &["vlc-bin", "vlc-plugin-base"], present: vlc },
    Tool { name: "setpriv", packages: &["util-linux"], present: setpriv },
    Tool { name: "Chromium", packages: &["chromium"], present: chromium },
    Tool { name: "npm", packages: &["npm"], present: || answers("npm", &["--version"]) },
    Tool {
        name: "a font with Japanese, for the page's pictures",
        packages: &["fonts-ipafont-gothic", "fontconfig"],
        present: japanese,
    },
    Tool {
        name: "GRUB for BIOS and UEFI",
        packages: &["grub-common", "grub-pc-bin", "grub-efi-amd64-bin"],
        present: grub,
    },
    Tool {
        name: "depmod, mke2fs, debugfs, xz, zstd",
        packages: &["kmod", "e2fsprogs", "xz-utils", "zstd"],
        present: packers,
    },
    Tool { name: "busybox, static", packages: &["busybox-static"], present: busybox },
    Tool { name: "e2fsck, static", packages: &["e2fsck-static"], present: e2fsck },
    Tool {
        name: "QEMU with firmware for BIOS and UEFI",
        packages: &["qemu-system-x86", "seabios", "ovmf", "ipxe-qemu"],
        present: qemu,
    },
    Tool { name: "HAProxy", packages: &["haproxy"], present: haproxy },
    Tool { name: "stunnel", packages: &["stunnel4"], present: stunnel },
    Tool { name: "umoci", packages: &["umoci"], present: || answers("umoci", &["--version"]) },
    Tool {
        name: "ssh and debootstrap, for taking over a Debian",
        packages: &["openssh-client", "debootstrap", "debian-archive-keyring"],
        present: debootstrap,
    },
];

/// What only `cargo xtask fuzz` needs, for its engine.
const FUZZ_TOOLS: [Tool; 1] = [Tool {
    name: "a C++ compiler",
    packages: &["g++"],
    present: || answers("c++", &["--version"]),
}];

fn binutils() -> bool {
    ["strip", "readelf", "nm"].iter().all(|tool| answers(tool, &["--version"]))
}

fn ffmpeg() -> bool {
    answers("ffmpeg", &["-version"]) && answers("ffprobe", &["-version"])
}

fn gstreamer() -> bool {
    answers("gst-launch-1.0", &["--version"])
        && GSTREAMER_ELEMENTS.iter().all(|name| answers("gst-inspect-1.0", &["--exists", name]))
}

fn nginx() -> bool {
    let nginx = answers("nginx", &["-v"]) || answers("/usr/sbin/nginx", &["-v"]);
    let has =
        |module: &&str| NGINX_MODULES.iter().any(|folder| Path::new(folder).join(module).exists());
    nginx && ["ngx_rtmp_module.so", "ngx_stream_module.so"].iter().all(has)
}

fn rtmpdump() -> bool {
    // It has no option that ends well without a server: its help is proof enough.
    Command::new("rtmpdump").arg("-h").output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stderr).contains("RTMPDump")
            || String::from_utf8_lossy(&output.stdout).contains("RTMPDump")
    })
}

fn japanese() -> bool {
    let found = Command::new("fc-list").arg(":lang=ja").output();
    found.is_ok_and(|output| !output.stdout.is_empty())
}

fn mpv() -> bool {
    answers("mpv", &["--no-config", "--version"])
}

fn vlc() -> bool {
    // As root vlc refuses even to tell its version, so it is looked for, not asked.
    Path::new("/usr/bin/cvlc").exists() && Path::new("/usr/bin/vlc").exists()
}

fn chromium() -> bool {
    answers("chromium", &["--version"])
}

fn setpriv() -> bool {
    answers("setpriv", &["--version"])
}

fn grub() -> bool {
    answers("grub-mkimage", &["--version"])
        && ["i386-pc/boot.img", "x86_64-efi/linux.mod"]
            .iter()
            .all(|file| Path::new("/usr/lib/grub").join(file).exists())
}

fn packers() -> bool {
    // mke2fs and debugfs tell their version with -V; both are not always on a user's PATH.
    let found = |name| answers(name, &["-V"]) || answers(&format!("/usr/sbin/{name}"), &["-V"]);
    let versions = ["depmod", "xz", "zstd"].iter().all(|tool| {
        answers(tool, &["--version"]) || answers(&format!("/usr/sbin/{tool}"), &["--version"])
    });
    versions && found("mke2fs") && found("debugfs")
}

/// Debian's plain busybox stands in the same place but asks for a C library.
fn busybox() -> bool {
    said(&mut debian_package("busybox-static")).is_ok_and(|status| status.ends_with(" installed"))
}

fn e2fsck() -> bool {
    Path::new("/sbin/e2fsck.static").exists()
}

fn qemu() -> bool {
    answers("qemu-system-x86_64", &["--version"])
        && Path::new("/usr/share/OVMF/OVMF_CODE.fd").exists()
}

fn haproxy() -> bool {
    answers("haproxy", &["-v"]) || answers("/usr/sbin/haproxy", &["-v"])
}

/// It tells its version and ends badly.
fn stunnel() -> bool {
    Path::new("/usr/bin/stunnel4").exists()
}

fn debootstrap() -> bool {
    answers("ssh", &["-V"]) && Path::new("/usr/sbin/debootstrap").exists()
}

fn debian_package(name: &str) -> Command {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Status}", name]);
    query
}

/// Installs what is missing and verifies it afterwards; quick when all is there. `with_debian`: also
/// the stock Debian that is taken over, which takes minutes to make.
fn install_missing(with_debian: bool) -> Result<(), String> {
    rust_components()?;
    debian_packages(&TOOLS)?;
    axe()?;
    PYTHON_PACKAGES.iter().try_for_each(python)?;
    parts::ensure()?;
    if with_debian {
        debian::make()?;
    }
    cargo_deny()
}

/// The step as `cargo xtask setup` runs it.
pub fn ensure(with_debian: bool) -> Result<(), String> {
    step("setup", || install_missing(with_debian))
}

/// Installs what `cargo xtask fuzz` needs beyond that.
pub fn cpp_compiler() -> Result<(), String> {
    debian_packages(&FUZZ_TOOLS)
}

fn rust_components() -> Result<(), String> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if answers("cargo", &[subcommand, "--version"]) {
            continue;
        }
        let advice = format!("Install the Rust component {component} and try again.");
        run(Command::new("rustup").args(["component", "add", component]), &advice)?;
    }
    Ok(())
}

fn debian_packages(tools: &[Tool]) -> Result<(), String> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !(tool.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.packages).copied().collect();
    let by_hand = by_hand(&packages);
    println!("missing: {}", names(&missing));
    let Some(prefix) = apt_prefix() else {
        return Err(format!("the tests need tools that are not here. Type:\n{by_hand}"));
    };
    let advice = format!("By hand:\n{by_hand}");
    run(&mut apt(&prefix, &["update"]), &advice)?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&packages);
    run(&mut apt(&prefix, &install), &advice)?;
    let still: Vec<&Tool> = missing.into_iter().filter(|tool| !(tool.present)()).collect();
    if still.is_empty() {
        return Ok(());
    }
    Err(format!("installed, and still not answering: {}", names(&still)))
}

/// Brings apt's lists up to date, if this user may.
pub fn renew_lists() -> Result<(), String> {
    match apt_prefix() {
        Some(prefix) => run(&mut apt(&prefix, &["update"]), "The lists are as old as before."),
        None => {
            println!("the package lists stay what they are: `sudo apt-get update` renews them");
            Ok(())
        }
    }
}

fn names(tools: &[&Tool]) -> String {
    tools.iter().map(|tool| tool.name).collect::<Vec<_>>().join("; ")
}

fn by_hand(packages: &[&str]) -> String {
    let packages = packages.join(" ");
    format!("  sudo apt-get update\n  sudo apt-get install --no-install-recommends {packages}")
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Command {
    let mut words = prefix.iter().copied();
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]);
    command.args(arguments);
    command
}

/// Puts axe-core, which judges the page's accessibility in the browser's tests, below target: its
/// package is one script, without dependencies. The tests fail without it.
fn axe() -> Result<(), String> {
    let folder = root().join("target/tools/axe");
    let script = folder.join("package/axe.min.js");
    let version = folder.join("package/package.json");
    let wanted = format!("\"version\": \"{AXE_VERSION}\"");
    let here = || fs::read_to_string(&version).is_ok_and(|text| text.contains(&wanted));
    if here() && script.is_file() {
        return Ok(());
    }
    let name = format!("axe-core@{AXE_VERSION}");
    println!("missing: {name}");
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let advice = format!("By hand, in {}: npm pack {name}, and unpack it.", folder.display());
    run(Command::new("npm").args(["pack", "--silent", &name]).current_dir(&folder), &advice)?;
    let archive = format!("axe-core-{AXE_VERSION}.tgz");
    run(Command::new("tar").args(["-xzf", &archive]).current_dir(&folder), &advice)?;
    if here() && script.is_file() {
        return Ok(());
    }
    Err(format!("{name} is unpacked, but {} is not there", script.display()))
}

fn cargo_deny() -> Result<(), String> {
    if answers("cargo", &["deny", "--version"]) {
        return Ok(());
    }
    println!("missing: cargo-deny; building it takes some minutes");
    let arguments = ["install", "cargo-deny", "--locked", "--version", CARGO_DENY_VERSION];
    let advice = format!("By hand: cargo {}", arguments.join(" "));
    run(&mut cargo(&arguments), &advice)?;
    if answers("cargo", &["deny", "--version"]) {
        return Ok(());
    }
    Err("cargo-deny is installed but does not answer: is ~/.cargo/bin in PATH?".to_owned())
}

/// Puts packages of PyPI into a virtual environment of their own below the target folder, so that
/// nothing else of the machine's Python is touched. The tests that need them fail without.
fn python(packages: &PythonPackages) -> Result<(), String> {
    let PythonPackages { name, folder, list, links, probe } = packages;
    let (folder, list_file) = (target_dir().join("tools").join(folder), root().join(list));
    let installed = folder.join("installed.txt");
    let wanted = fs::read(&list_file).map_err(|error| format!("{list}: {error}"))?;
    let known = fs::read(&installed).is_ok_and(|known| known == wanted);
    let answer = || {
        let [program, arguments @ ..] = probe;
        said(Command::new(folder.join("bin").join(program)).args(arguments))
    };
    if known && answer().is_ok() {
        return Ok(());
    }
    println!("missing: {name}");
    let at = folder.display();
    let advice = format!(
        "By hand:\n  sudo apt-get install --no-install-recommends python3-venv\n  python3 -m venv \
         --clear {at}\n  {at}/bin/pip install -r {list}\n  cp {list} {at}/installed.txt"
    );
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder), &advice)?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&list_file);
    run(&mut pip, &advice)?;
    if let Some([link, where_it_is]) = links {
        let program = said(Command::new(folder.join("bin/python")).args(["-c", where_it_is]))?;
        let link = folder.join("bin").join(link);
        symlink(program, &link).map_err(|error| format!("{}: {error}", link.display()))?;
    }
    answer().map_err(|why| format!("{name} is installed but does not answer: {why}. {advice}"))?;
    fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_names_every_package() {
        let text = by_hand(&["ffmpeg", "mpv"]);
        assert!(text.contains("apt-get update"), "{text}");
        assert!(text.ends_with("--no-install-recommends ffmpeg mpv"), "{text}");
    }

    #[test]
    fn apt_is_asked_no_questions() {
        let command = apt(&["sudo", "-n", "env"], &["install", "mpv"]);
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(command.get_program(), "sudo");
        assert_eq!(
            words,
            ["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "install", "mpv"]
        );
    }
}

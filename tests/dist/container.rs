//! The container image: `cargo xtask oci` makes it, its parts lead to each other by digests that
//! hold, umoci, which is not ours, unpacks it, and what it unpacked is started as the image says, by
//! the image's user, and played.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::wait::{holds, seconds};
use crate::world::{get, probe, product, target, tool, xtask, Running};

const USER: u32 = 65_532;
/// The argon2id hash of `password`, made cheaply.
const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// A folder that is removed when the test succeeds.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// What a command prints, if it ends well.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{:?}: {error}: `cargo xtask setup` installs it", command.get_program())
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn sha256(file: &Path) -> String {
    said(Command::new("sha256sum").arg(file)).chars().take(64).collect()
}

fn parsed(file: &Path) -> Value {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&text).expect("JSON")
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

/// The blob a descriptor leads to: there, of that size and with that digest.
fn followed(layout: &Path, descriptor: &Value, media: &str) -> PathBuf {
    assert_eq!(at(descriptor, "/mediaType"), media);
    let digest = at(descriptor, "/digest").as_str().expect("a digest");
    let hexadecimal = digest.strip_prefix("sha256:").expect("SHA-256");
    let blob = layout.join("blobs/sha256").join(hexadecimal);
    assert_eq!(at(descriptor, "/size"), blob.metadata().expect("it is there").len());
    assert_eq!(sha256(&blob), hexadecimal, "{digest}");
    blob
}

/// Follows the layout from its index to the layer, and gives the image's configuration.
fn held_together(layout: &Path) -> Value {
    let version = at(&parsed(&layout.join("oci-layout")), "/imageLayoutVersion").clone();
    assert_eq!(version, "1.0.0");
    let index = parsed(&layout.join("index.json"));
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = parsed(&followed(layout, at(&index, "/manifests/0"), kind));
    let kind = "application/vnd.oci.image.config.v1+json";
    let config = parsed(&followed(layout, at(&manifest, "/config"), kind));
    assert_eq!(at(&manifest, "/layers").as_array().map(Vec::len), Some(1));
    let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
    let layer = followed(layout, at(&manifest, "/layers/0"), kind);
    let plain = layout.join("layer.tar");
    let mut gzip = Command::new("gzip");
    let unpacked = gzip.args(["-dc"]).arg(&layer).output().expect("gzip").stdout;
    fs::write(&plain, unpacked).expect("room on the disk");
    assert_eq!(at(&config, "/rootfs/diff_ids/0"), &format!("sha256:{}", sha256(&plain)));
    let blobs = fs::read_dir(layout.join("blobs/sha256")).expect("the blobs").count();
    assert_eq!(blobs, 3, "nothing lies about");
    config
}

/// The command that starts what was unpacked, as the image says it, with `environment`.
fn contained(rootfs: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let is_root = fs::metadata("/proc/self").expect("Linux").uid() == 0;
    let mut command = if is_root {
        let mut chroot = Command::new(tool("chroot"));
        chroot.arg(format!("--userspec={USER}:{USER}"));
        chroot
    } else {
        let mut unshare = Command::new(tool("unshare"));
        unshare.args(["--user", "--map-root-user"]).arg(tool("chroot"));
        unshare
    };
    command.arg(rootfs).args(arguments).env_clear().envs(environment.iter().copied());
    command
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

#[test]
fn the_container_image_is_sound_and_plays() {
    let product = product();
    let binary = product.to_str().expect("a path in UTF-8");
    xtask(&["oci", "--binary", binary]);
    let archive = target().join("dist/streamcaster.oci.tar");
    let first = sha256(&archive);
    let told = xtask(&["oci", "--binary", binary]);
    assert_eq!(sha256(&archive), first, "two builds differ");

    let name = format!("container-{}", std::process::id());
    let folder = Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    let layout = folder.0.join("layout");
    fs::create_dir_all(&layout).expect("a folder for the test");
    said(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&layout));
    let config = held_together(&layout);
    let digest = at(&parsed(&layout.join("index.json")), "/manifests/0/digest").clone();
    assert!(told.contains(digest.as_str().expect("a digest")), "{told}");
    assert_eq!(at(&config, "/config/User"), "65532:65532");
    assert_eq!(strings(at(&config, "/config/Entrypoint")), ["/usr/bin/streamcaster"]);
    let version = at(&config, "/config/Labels/org.opencontainers.image.version");
    let version = version.as_str().expect("a label");

    let bundle = folder.0.join("bundle");
    let mut umoci = Command::new("umoci");
    umoci.arg("unpack");
    if fs::metadata("/proc/self").expect("Linux").uid() != 0 {
        umoci.arg("--rootless");
    }
    umoci.arg("--image").arg(format!("{}:{version}", layout.display()));
    said(umoci.arg(&bundle));
    plays(&bundle);
}

/// By what it prints at its start, which is what this kernel offers, and by the kernel's word on each of
/// its threads: no right to be gained, calls refused.
fn is_confined(program: &Running, rootfs: &Path) {
    let check = ["/usr/bin/streamcaster", "check", "--data", "/data"];
    let checked = said(&mut contained(rootfs, &check, &[("HTTP_PASSWORD_HASH", HASH)]));
    let offered = checked.split_once("Sandbox, as this kernel offers it: ").expect("a table").1;
    let offered = offered.lines().next().expect("a line");
    println!("container: {offered}");
    let printed = program.printed();
    assert!(printed.contains(&format!("sandbox: {offered}")), "{offered}: {printed}");
    assert!(offered.contains("system calls refused"), "{offered}");
    let threads = format!("/proc/{}/task", program.child.id());
    let threads = fs::read_dir(threads).expect("it runs").flatten();
    let mut count = 0;
    for thread in threads {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim).unwrap_or_default().to_owned()
        };
        assert_eq!((value("NoNewPrivs"), value("Seccomp")), ("1".into(), "2".into()), "{status}");
        count += 1;
    }
    assert!(count > 1, "its threads are looked at");
}

/// Starts what umoci unpacked, as it says a runtime should.
fn plays(bundle: &Path) {
    let runtime = parsed(&bundle.join("config.json"));
    let mut arguments = strings(at(&runtime, "/process/args"));
    assert_eq!(arguments, ["/usr/bin/streamcaster", "run", "--data", "/data"]);
    assert_eq!(at(&runtime, "/process/user/uid"), USER);
    let any = "127.0.0.1:0";
    arguments.extend(["--udp", any, "--rtmp", any, "--http", any, "--stat", any]);
    let rootfs = bundle.join("rootfs");
    let password = [("HTTP_PASSWORD_HASH", HASH)];
    let program = Running::start(&mut contained(&rootfs, &arguments, &password));
    assert!(holds(seconds(20), || program.printed().contains(" ready")), "{}", program.printed());
    let address = |name| program.address(name).expect("it is ready");
    let card = probe(&format!("rtmp://{}/live/stream", address("rtmp")));
    assert!(card.contains("h264|1280"), "{card}\n{}", program.printed());
    assert!(card.contains("aac"), "{card}\n{}", program.printed());
    let page = address("http");
    assert_eq!(get(page, "/").status, 200, "the page");
    let status = get(page, "/api/status").status;
    assert_eq!(status, 401, "the password of the environment counts");

    is_confined(&program, &rootfs);
    // The licences of what it is made of, by the program itself and from its page.
    let version = ["/usr/bin/streamcaster", "version", "--licences"];
    let licences = said(&mut contained(&rootfs, &version, &[]));
    assert!(licences.contains("MIT licence"));
    assert!(licences.contains("Crates in the program"));
    assert!(licences.contains("rustls"), "no part of Debian");
    assert!(!licences.contains("SOURCE OFFER"), "no part of Debian");
    let packed = get(page, "/licences");
    assert_eq!(packed.status, 200, "{}", packed.head);
    assert!(packed.head.contains("application/gzip"), "{}", packed.head);

    // As a container's health check does it.
    let probe = ["/usr/bin/streamcaster", "probe", "--data", "/data", "--unhealthy-only"];
    let told = said(&mut contained(&rootfs, &probe, &[]));
    assert!(!told.is_empty());
    let entries = fs::read_dir(&rootfs).expect("it is there").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["data", "etc", "usr"], "it writes to its data folder only");
}

//! Puts into the binary what it should know of its own making (version control id, commit date,
//! compiler) and the control page's files, compressed and hashed. Everything here depends on the
//! sources alone, so that two builds of one commit are equal byte for byte.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{write::GzEncoder, Compression};

const PAGE_DIR: &str = "src/control/page";
/// What tells the API to a program; served as the page's files are.
const API_DOCUMENT: (&str, &str) = ("src/control", "openapi.json");
/// The page's files, in the order of their names.
const PAGE_FILES: [&str; 25] = [
    "api.js",
    "app.js",
    "destination-form.js",
    "destinations.js",
    "dialogs.js",
    "dom.js",
    "firmware.js",
    "index.html",
    "inputs.js",
    "library.js",
    "live.js",
    "log.js",
    "login.js",
    "machine.js",
    "onair.js",
    "page.css",
    "playlists.js",
    "preview.js",
    "settings.js",
    "setup.js",
    "upload.js",
    "viewers.js",
    "words-en.js",
    "words-ja.js",
    "words.js",
];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    describe_build();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut table = String::from("[\n");
    for name in PAGE_FILES {
        table.push_str(&compress(PAGE_DIR, name, &out)?);
    }
    table.push_str("]\n");
    fs::write(out.join("page_files.rs"), table)?;
    let document = compress(API_DOCUMENT.0, API_DOCUMENT.1, &out)?;
    fs::write(out.join("api_document.rs"), document.trim_end().trim_end_matches(','))
}

/// Sets `STREAMCASTER_GIT`, `STREAMCASTER_BUILT` and `STREAMCASTER_COMPILER`.
fn describe_build() {
    // A tarball has no `.git` of its own; one of a folder above would name the wrong commit.
    let git_here = Path::new(".git").exists();
    if git_here {
        watch_git();
    }
    let id = git_here.then(|| said("git", &["rev-parse", "--short=12", "HEAD"])).flatten();
    let committed =
        git_here.then(|| said("git", &["show", "-s", "--format=%ct", "HEAD"])).flatten();
    let epoch_s = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .or(committed)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let compiler = said(&rustc, &["--version"]).unwrap_or_else(|| "rustc".to_owned());
    println!("cargo:rustc-env=STREAMCASTER_GIT={}", id.as_deref().unwrap_or("unknown"));
    println!("cargo:rustc-env=STREAMCASTER_BUILT={}", c_date(epoch_s));
    println!("cargo:rustc-env=STREAMCASTER_COMPILER={compiler}");
}

/// Builds anew when the commit changes: HEAD names a ref, the ref lies in a file of its own or
/// among the packed ones. A path that does not exist would make every build a new one.
fn watch_git() {
    let mut names = vec!["HEAD".to_owned(), "packed-refs".to_owned()];
    names.extend(said("git", &["symbolic-ref", "-q", "HEAD"]));
    for name in names {
        let path = said("git", &["rev-parse", "--git-path", &name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// The first line a command prints, if it ends well.
fn said(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// A date as C compilers write it (`__DATE__ " " __TIME__`), in UTC: `Nov 22 2026 12:27:54`.
fn c_date(epoch_s: u64) -> String {
    let (mut days, s) = (epoch_s / 86_400, epoch_s % 86_400);
    let mut year = 1970;
    while days >= year_days(year) {
        days -= year_days(year);
        year += 1;
    }
    let february = year_days(year) - 337;
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let name = MONTHS.get(month).expect("a year has twelve months");
    format!("{name} {:>2} {year} {:02}:{:02}:{:02}", days + 1, s / 3600, s / 60 % 60, s % 60)
}

fn year_days(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    365 + u64::from(leap)
}

/// Writes `<name>` and `<name>.gz` into `out`; the file's line in the table of the binary's files.
fn compress(folder: &str, name: &str, out: &Path) -> io::Result<String> {
    let source = format!("{folder}/{name}");
    println!("cargo:rerun-if-changed={source}");
    let text = fs::read_to_string(&source)?;
    let text = if name.ends_with(".js") { without_comments(&text) } else { text };
    let bytes = text.into_bytes();
    fs::write(out.join(name), &bytes)?;
    let file = fs::File::create(out.join(format!("{name}.gz")))?;
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(&bytes)?;
    encoder.finish()?;
    let (path, kind) = match name.rsplit_once('.') {
        Some((_, "html")) => ("/".to_owned(), "text/html; charset=utf-8"),
        Some((_, "css")) => (format!("/{name}"), "text/css; charset=utf-8"),
        Some((_, "json")) => (format!("/api/{name}"), "application/json"),
        _ => (format!("/{name}"), "text/javascript; charset=utf-8"),
    };
    let tag = fnv_1a(&bytes);
    Ok(format!("    file!({path:?}, {kind:?}, {name:?}, \"{tag:016x}\"),\n"))
}

/// A script without its lines of comment, which a browser has no use for. Empty ones take their place:
/// what a browser says of a line is true of the source.
fn without_comments(text: &str) -> String {
    let lines =
        text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// FNV-1a, 64 bits: tells one build's file from another's; nothing here is a secret.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

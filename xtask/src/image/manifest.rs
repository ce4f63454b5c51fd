//! The manifest: what an image is made of, `manifest.json`. Purpose: anybody who holds an image knows
//! its kernel, its parts and its sums. Non-goal: a signature. Bound: a few dozen lines.

use serde_json::{json, Map, Value};

use super::parts::{ImageParts, Part};
use super::pins::Pin;

/// A file's name, size and sum.
pub struct Summed {
    /// Its name.
    pub name: &'static str,
    /// Its size in bytes.
    pub bytes: usize,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// What an image is made of, beside the source.
pub struct MadeOf<'a> {
    /// Debian's packages that lie in it.
    pub debian: &'a ImageParts,
    /// What made it, and its version.
    pub tools: &'a [(&'a str, String)],
}

/// What tells one build from another.
pub struct Identity {
    /// The build's number.
    pub build: u64,
    /// Whether everybody at its console is root.
    pub debug: bool,
    /// What the slot is by its sums.
    pub digest: String,
}

/// The manifest's text. `keys` are the public ones whose updates it takes, a line each, the one that
/// signed this one first.
pub fn text(
    version: &str,
    identity: &Identity,
    keys: &str,
    made_of: &MadeOf<'_>,
    files: &[Summed],
) -> String {
    let part = |part: &Part| {
        let Pin { package, version, sha256, source: (name, of), .. } = &part.pin;
        let told = json!({
            "version": version, "sha256": sha256, "source": format!("{name} {of}"),
            "pinned": part.is_pinned,
        });
        (package.clone(), told)
    };
    let parts: Map<String, Value> = made_of.debian.all().map(part).collect();
    let tools: Map<String, Value> =
        made_of.tools.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
    let summed =
        |file: &Summed| (file.name.to_owned(), json!({"bytes": file.bytes, "sha256": file.sha256}));
    let files: Map<String, Value> = files.iter().map(summed).collect();
    let keys: Vec<&str> = keys.lines().collect();
    let manifest = json!({
        "version": version, "build": identity.build, "debug": identity.debug,
        "digest": identity.digest, "update_keys": keys, "snapshot": made_of.debian.snapshot,
        "parts": parts, "tools": tools, "files": files,
    });
    format!("{manifest:#}\n")
}

/// The SHA-256 of a file, as a manifest names it.
pub fn sum_of(text: &str, name: &str) -> Option<String> {
    let manifest: Value = serde_json::from_str(text).ok()?;
    manifest.get("files")?.get(name)?.get("sha256")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_json_and_its_sums_are_found() {
        let file = Summed { name: "a.img", bytes: 5, sha256: "ab".to_owned() };
        let part = |name: &str, is_pinned| Part {
            pin: Pin {
                package: name.to_owned(),
                version: "6.12".to_owned(),
                sha256: "cd".to_owned(),
                path: "pool/x".to_owned(),
                source: ("linux".to_owned(), "6.12-1".to_owned()),
            },
            tree: "/".into(),
            is_pinned,
        };
        let debian = ImageParts {
            kernel: part("kernel", true),
            others: vec![part("busybox", false)],
            snapshot: "today".to_owned(),
        };
        let made_of = MadeOf { debian: &debian, tools: &[("zstd", "1.5".to_owned())] };
        let identity = Identity { build: 7, debug: false, digest: "ef".to_owned() };
        let text = text("1 \"x\"\n", &identity, "ab12\ncd34\n", &made_of, &[file]);
        let part = |pinned: bool| json!({"version": "6.12", "sha256": "cd", "source": "linux 6.12-1", "pinned": pinned});
        let expected = json!({
            "version": "1 \"x\"\n", "build": 7, "debug": false, "digest": "ef", "update_keys": ["ab12", "cd34"], "snapshot": "today",
            "parts": {"kernel": part(true), "busybox": part(false)}, "tools": {"zstd": "1.5"},
            "files": {"a.img": {"bytes": 5, "sha256": "ab"}},
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        assert_eq!(sum_of(&text, "a.img"), Some("ab".to_owned()));
        assert_eq!((sum_of(&text, "kernel"), sum_of(&text, "img")), (None, None));
    }
}

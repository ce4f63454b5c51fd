//! The manifest: what an image is made of, `manifest.json`. Purpose: whoever holds an image knows
//! its kernel, its parts and its sums. Non-goal: a signature. Bound: a few dozen lines.

use serde_json::{json, Map, Value};

/// A file's name, size and sum.
pub struct Summed {
    /// Its name.
    pub name: &'static str,
    /// Its size in bytes.
    pub bytes: usize,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The manifest's text. `keys` are the public ones whose updates it takes, a line each, the one that
/// signed this one first; `parts` are names and versions.
pub fn text(version: &str, keys: &str, parts: &[(&str, String)], files: &[Summed]) -> String {
    let parts: Map<String, Value> =
        parts.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect();
    let summed =
        |file: &Summed| (file.name.to_owned(), json!({"bytes": file.bytes, "sha256": file.sha256}));
    let files: Map<String, Value> = files.iter().map(summed).collect();
    let keys: Vec<&str> = keys.lines().collect();
    let manifest = json!({"version": version, "update_keys": keys, "parts": parts, "files": files});
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
        let text = text("1 \"x\"\n", "ab12\ncd34\n", &[("kernel", "6.12".to_owned())], &[file]);
        let expected = json!({
            "version": "1 \"x\"\n", "update_keys": ["ab12", "cd34"], "parts": {"kernel": "6.12"},
            "files": {"a.img": {"bytes": 5, "sha256": "ab"}},
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        assert_eq!(sum_of(&text, "a.img"), Some("ab".to_owned()));
        assert_eq!((sum_of(&text, "kernel"), sum_of(&text, "img")), (None, None));
    }
}

//! The manifest: what an image is made of, `manifest.json`. Purpose: whoever holds an image knows
//! its kernel, its parts and its sums. Non-goal: a signature. Bound: a few dozen lines.

use crate::json::quoted;

/// A file's name, size and sum.
pub struct Summed {
    /// Its name.
    pub name: &'static str,
    /// Its size in bytes.
    pub bytes: usize,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The manifest's text. `key` is the public one its updates are signed by, `parts` are names and
/// versions.
pub fn text(version: &str, key: &str, parts: &[(&str, String)], files: &[Summed]) -> String {
    let (version, key) = (quoted(version), quoted(key.trim()));
    let mut text =
        format!("{{\n  \"version\": {version},\n  \"update_key\": {key},\n  \"parts\": {{\n");
    let lines =
        parts.iter().map(|(name, version)| format!("    {}: {}", quoted(name), quoted(version)));
    text += &lines.collect::<Vec<_>>().join(",\n");
    text += "\n  },\n  \"files\": {\n";
    let lines = files.iter().map(|file| {
        let Summed { name, bytes, sha256 } = file;
        format!("    {}: {{\"bytes\": {bytes}, \"sha256\": {}}}", quoted(name), quoted(sha256))
    });
    text += &lines.collect::<Vec<_>>().join(",\n");
    text + "\n  }\n}\n"
}

/// The SHA-256 of a file, as a manifest of [`text`]'s own form names it.
pub fn sum_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{}: {{", quoted(name));
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(&start))?;
    let (_, sum) = line.split_once("\"sha256\": \"")?;
    sum.split_once('"').map(|(sum, _)| sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_json() {
        let file = Summed { name: "a.img", bytes: 5, sha256: "ab".to_owned() };
        let text = text("1 \"x\"\n", "ab12\n", &[("kernel", "6.12".to_owned())], &[file]);
        let expected = "{\n  \"version\": \"1 \\\"x\\\"\\u000a\",\n  \"update_key\": \"ab12\",\n  \"parts\": {\n    \"kernel\": \"6.12\"\n  },\n  \
                        \"files\": {\n    \"a.img\": {\"bytes\": 5, \"sha256\": \"ab\"}\n  }\n}\n";
        assert_eq!(text, expected);
        assert_eq!(sum_of(&text, "a.img"), Some("ab"));
        assert_eq!((sum_of(&text, "kernel"), sum_of(&text, "img")), (None, None));
    }
}

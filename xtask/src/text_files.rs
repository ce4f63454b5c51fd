//! Files of text below the root, for the checks that read them. Purpose: finds them, and which of them
//! belong to tests. Non-goals: what they say. Bound: all of them are held in memory, as they are few.

use std::fs;
use std::path::Path;

use crate::source::{Source, TestModule};

/// A file of text.
pub struct TextFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Collects the files of an ending below a folder; one that does not exist holds none.
pub fn collect(
    root: &Path,
    folder: &str,
    ending: &str,
    files: &mut Vec<TextFile>,
) -> Result<(), String> {
    let path = root.join(folder);
    if !path.is_dir() {
        return Ok(());
    }
    for name in names(&path)? {
        let below = format!("{folder}/{name}");
        if path.join(&name).is_dir() {
            collect(root, &below, ending, files)?;
        } else if name.ends_with(ending) {
            files.push(text(root, &below)?);
        }
    }
    Ok(())
}

/// Reads one.
pub fn text(root: &Path, path: &str) -> Result<TextFile, String> {
    let text = fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
    Ok(TextFile { path: path.to_owned(), text })
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether a file is one of these test modules, or a module of one.
pub fn is_test(path: &str, tests: &[String]) -> bool {
    let is_below = |test: &String| {
        let folder = test.strip_suffix("/mod.rs").or_else(|| test.strip_suffix(".rs"));
        let rest = folder.and_then(|folder| path.strip_prefix(folder));
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    tests.iter().any(|test| test == path || is_below(test))
}

/// The files a file declares as its test modules.
pub fn tests_of(file: &TextFile, source: &Source) -> Vec<String> {
    let stem = file.path.strip_suffix(".rs").unwrap_or(&file.path);
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let own = if matches!(name, "mod" | "lib" | "main") { folder } else { stem };
    let of = |module: &TestModule| match module {
        TestModule::Named(name) => vec![format!("{own}/{name}.rs"), format!("{own}/{name}/mod.rs")],
        TestModule::At(path) => vec![format!("{folder}/{path}")],
    };
    source.test_modules.iter().flat_map(of).collect()
}

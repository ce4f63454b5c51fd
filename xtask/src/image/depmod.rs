//! The index of a kernel's modules, as depmod writes it.

use std::fs;
use std::path::Path;

use super::files::tool;
use crate::step::run;

/// Makes the list of what needs what.
pub fn index(tree: &Path) -> Result<(), String> {
    depmod(tree, &only_name(&tree.join("lib/modules"))?)
}

/// A kernel package brings no list of what needs what: installing would make it.
pub fn depmod(tree: &Path, release: &str) -> Result<(), String> {
    run(tool("depmod").arg("-b").arg(tree).arg(release), "Install kmod.")
}

/// The name of the one thing in a folder.
pub fn only_name(folder: &Path) -> Result<String, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        _ => Err(format!("{} should hold one thing", folder.display())),
    }
}

//! The file and its earlier versions on the disk. Bound: [`CONFIG_VERSIONS_MAX`] versions, each
//! of at most [`CONFIG_CHANGED_BYTES_MAX`].

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::SettingsError;
use crate::base::limits::{CONFIG_CHANGED_BYTES_MAX, CONFIG_VERSIONS_MAX};
use crate::base::revision;
use crate::system::{clock, store};

/// How the names of versions begin and end.
const PREFIX: &str = "config-";
const SUFFIX: &str = ".toml";

/// The file as it was found.
pub(super) struct FoundFile {
    /// What stands in it.
    pub(super) text: String,
    /// Whether there is one.
    pub(super) exists: bool,
}

impl FoundFile {
    /// Its version.
    pub(super) fn revision(&self) -> String {
        revision::of(self.text.as_bytes())
    }
}

/// Reads the file; one that is missing is empty.
pub(super) fn read(path: &Path) -> Result<FoundFile, SettingsError> {
    let disk = |cause| SettingsError::Disk { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(FoundFile { text: String::new(), exists: false })
        }
        Err(error) => return Err(disk(error)),
    };
    let mut bytes = Vec::new();
    file.take(CONFIG_CHANGED_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(disk)?;
    if bytes.len() > CONFIG_CHANGED_BYTES_MAX {
        return Err(SettingsError::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| SettingsError::Unknown)?;
    Ok(FoundFile { text, exists: true })
}

/// Puts the new text in the file's place. A link or a write-protected file is somebody's wish and
/// stays.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), SettingsError> {
    let disk = |cause| SettingsError::Disk { path: path.to_owned(), cause };
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => return Err(SettingsError::Link(path.to_owned())),
        Ok(found) if found.permissions().readonly() => {
            return Err(SettingsError::ReadOnly(path.to_owned()))
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(disk(error)),
    }
    store::write_private(path, text.as_bytes()).map_err(disk)
}

/// Keeps the version that is about to be replaced, and removes those that are too many.
pub(super) fn keep(folder: &Path, found: &FoundFile) -> io::Result<()> {
    if !found.exists {
        return Ok(());
    }
    let utc = clock::utc().to_string().replace([':', '-'], "");
    let name = format!("{PREFIX}{utc}-{}{SUFFIX}", found.revision());
    store::write_private(&folder.join(name), found.text.as_bytes())?;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_version =
            name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if is_version {
            names.push(name);
        }
    }
    names.sort();
    let surplus = names.len().saturating_sub(CONFIG_VERSIONS_MAX);
    names.iter().take(surplus).try_for_each(|name| fs::remove_file(folder.join(name)))
}

//! What is good only while the program runs, in memory. Purpose: the folder `/run/streamcaster`, where
//! the system made one for the program's user: a disk that is full or can only be read keeps nothing
//! from standing there. Non-goal: making the folder; most systems have none, and then the folder of
//! remembered state has to do. Bound: one short file for each data folder.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Made by the appliance's start, or by systemd (`RuntimeDirectory=streamcaster`).
pub const FOLDER: &str = "/run/streamcaster";
/// The longest name a file may have, less what `store` puts behind it (Linux: NAME_MAX).
const NAME_BYTES_MAX: usize = 240;
/// Who else may write to a folder: its group, everybody.
const OTHERS_WRITE: u32 = 0o022;

/// Where the probe's token of the program on this data folder stands in memory; `None` where there is no
/// folder for it.
pub fn token(data: &Path) -> Option<PathBuf> {
    token_in(Path::new(FOLDER), data)
}

/// The same, if this process's user alone may write there.
pub fn own_token(data: &Path) -> Option<PathBuf> {
    own_token_in(Path::new(FOLDER), data)
}

fn own_token_in(folder: &Path, data: &Path) -> Option<PathBuf> {
    let found = fs::symlink_metadata(folder).ok()?;
    let own = found.is_dir() && found.uid() == geteuid().as_raw();
    (own && found.mode() & OTHERS_WRITE == 0).then(|| token_in(folder, data)).flatten()
}

/// Several programs may run on a machine, each on a data folder of its own: `/data` has `data.token`,
/// `/srv/a` has `srv%2Fa.token`.
fn token_in(folder: &Path, data: &Path) -> Option<PathBuf> {
    if !folder.is_dir() {
        return None;
    }
    let data = fs::canonicalize(data).ok()?;
    let mut name = String::new();
    for byte in data.to_str()?.trim_start_matches('/').bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name.push_str(".token");
    (name.len() <= NAME_BYTES_MAX).then(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_data_folder_has_a_file_of_its_own_where_nobody_else_may_write() {
        let base = std::env::temp_dir().join(format!("runtime-{}", std::process::id()));
        let (folder, data) = (base.join("run"), base.join("a b/c"));
        fs::create_dir_all(&data).unwrap();
        assert_eq!(token_in(&folder, &data), None, "there is no such folder");
        fs::create_dir(&folder).unwrap();
        let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o700);
        let token = own_token_in(&folder, &data).unwrap();
        let name = token.file_name().unwrap().to_str().unwrap();
        assert!(name.ends_with("a%20b%2Fc.token"), "{name}");
        assert_eq!(token_in(&folder, &base.join("./a b/../a b/c")), Some(token));
        mode(0o770);
        assert_eq!(own_token_in(&folder, &data), None, "its group may write");
        mode(0o700);
        assert_eq!(token_in(&folder, &base.join("nothing")), None);
        fs::remove_dir_all(&base).unwrap();
    }
}

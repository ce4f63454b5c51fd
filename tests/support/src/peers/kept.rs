//! Files that ffmpeg makes, once, and kept in the build's temporary folder. Each recipe has a folder
//! of its own there, and so has each version of ffmpeg: what changes is made again. Bound: one file
//! is made at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The file of that name that `make_it` makes where it is told; `recipe` is all that it depends on,
/// beside the version of ffmpeg.
pub fn kept(name: &str, recipe: &str, make_it: impl FnOnce(&Path)) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let mut hasher = DefaultHasher::new();
    (recipe, version()).hash(&mut hasher);
    let folder = super::target_tmp().join("clips").join(format!("{:016x}", hasher.finish()));
    let path = folder.join(name);
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if !path.exists() {
        // A run cut short leaves nothing that looks finished; another process may make it as well.
        let drafts = folder.join(format!("draft-{}", std::process::id()));
        std::fs::create_dir_all(&drafts).expect("a folder for what is made");
        make_it(&drafts.join(name));
        std::fs::rename(drafts.join(name), &path).expect("a rename within a file system");
        std::fs::remove_dir_all(&drafts).expect("our own folder");
    }
    path
}

/// ffmpeg's own words about its version and how it was built.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let output = Command::new("ffmpeg").arg("-version").output();
        let output = output.expect("ffmpeg starts: `cargo xtask setup` installs it");
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_for_a_recipe() {
        let recipe = format!("a test of {}", std::process::id());
        let make = |text: &'static str| move |path: &Path| std::fs::write(path, text).unwrap();
        let first = kept("a.txt", &recipe, make("one"));
        assert_eq!(kept("a.txt", &recipe, make("two")), first);
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "one");
        let other = kept("a.txt", &format!("another {recipe}"), make("three"));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "three");
        for path in [first, other] {
            std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }
    }
}

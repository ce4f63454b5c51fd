//! The licences of all that an image holds: one text, each licence once, with the source offer that
//! the GNU licences ask for. Purpose: anybody who has the image has what it is licensed under, in the image
//! itself. Non-goal: judging licences. Bound: the texts that packages bring.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::crates::Crate;
use super::files::read;
use super::parts::{ImageParts, Part};

/// How the names of files with licences begin.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
/// Where Debian keeps the licences that its packages name and do not repeat.
const COMMON: &str = "/usr/share/common-licenses";
const COMMON_NAMES: [&str; 4] = ["GPL-2", "GPL-3", "LGPL-2", "LGPL-2.1"];
/// What is linked into the product beside its crates, with what Debian's packages say of it.
const RUNTIME: [(&str, &str); 2] = [
    ("musl", "/usr/share/doc/musl-dev/copyright"),
    ("LLVM's libunwind", "/usr/share/doc/libunwind-19-dev/copyright"),
];
/// Between two texts.
const RULE: &str =
    "================================================================================";

/// The whole text, of a machine's image with what Debian brings; a container's has the program alone.
pub fn text(
    version: &str,
    crates: &[Crate],
    debian: Option<&ImageParts>,
) -> Result<String, String> {
    let mut texts = Texts::default();
    for one in crates {
        let name = format!("{} {}", one.name, one.version);
        let found = files(&one.folder)?;
        if found.is_empty() {
            let words = format!("Its package brings no text of its licence: {}.\n", one.licence);
            texts.add(&words, &name);
        }
        for text in found {
            texts.add(&text, &name);
        }
    }
    for part in debian.iter().flat_map(|debian| debian.all()) {
        let name = format!("{} {}", part.pin.package, part.pin.version);
        texts.add(&copyright(part)?, &name);
    }
    for (name, path) in RUNTIME {
        // A toolchain that is not Debian's brings the library with the compiler.
        if let Ok(text) = fs::read_to_string(path) {
            texts.add(&text, name);
        }
    }
    for name in COMMON_NAMES.iter().filter(|_| debian.is_some()) {
        let path = Path::new(COMMON).join(name);
        texts.add(&String::from_utf8_lossy(&read(&path)?), &format!("the licence {name}"));
    }
    let mut whole = head(version, crates, debian);
    for (text, names) in texts.in_order() {
        whole += &format!("\n{RULE}\n{}\n{RULE}\n\n{}\n", names.join(", "), text.trim_end());
    }
    Ok(whole)
}

/// What it is all about, the offer, and the list.
fn head(version: &str, crates: &[Crate], debian: Option<&ImageParts>) -> String {
    let mut text = format!(
        "{version}: licences\n\n\
         The program is under the MIT licence. Below: what it, and the image it is in, are made of, and\n\
         the text of each licence, once.\n"
    );
    if let Some(debian) = debian {
        text += &offer(debian);
    }
    text += "\nCrates in the program:\n\n";
    for Crate { name, version, licence, .. } in crates {
        text += &format!("  {name} {version}: {licence}\n");
    }
    text
}

/// What is Debian's, and the offer.
fn offer(debian: &ImageParts) -> String {
    let mut text = String::from(
        "\nSOURCE OFFER. The kernel Linux, busybox, e2fsck (e2fsprogs), the GNU C library inside the two\n\
         last, and GRUB are under the GNU General Public License, version 2 or 3, or the GNU Lesser\n\
         General Public License. The party that gave you this image gives you, and any third party,\n\
         the complete corresponding source of these parts, for three years from the day that you were\n\
         given it, on a usual medium and for no more than the cost of that: ask them. All of it is also\n\
         published by Debian, unchanged, in the versions below:\n\n"
    );
    for part in debian.all() {
        let (name, version) = &part.pin.source;
        text += &format!("  https://snapshot.debian.org/package/{name}/{}/\n", escaped(version));
    }
    text += "\nParts of Debian:\n\n";
    for part in debian.all() {
        let (name, version) = &part.pin.source;
        text += &format!("  {} {} (of {name} {version})\n", part.pin.package, part.pin.version);
    }
    text
}

/// A version as part of an address.
fn escaped(version: &str) -> String {
    version.replace(':', "%3A").replace('+', "%2B").replace('~', "%7E")
}

fn copyright(part: &Part) -> Result<String, String> {
    let path = part.tree.join("usr/share/doc").join(&part.pin.package).join("copyright");
    let text = fs::read(&path).map_err(|error| {
        format!("{}: {error}: a package without its licence is not handed on", path.display())
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The licences that lie in a crate's folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        path.is_file() && NAMES.iter().any(|own| name.starts_with(own))
    });
    paths.sort();
    paths.iter().map(|path| Ok(String::from_utf8_lossy(&read(path)?).into_owned())).collect()
}

/// Texts, each once, with all that are under it.
#[derive(Default)]
struct Texts(BTreeMap<String, (String, Vec<String>)>);

impl Texts {
    /// Two that differ in white space alone are one.
    fn add(&mut self, text: &str, name: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let entry = self.0.entry(words.join(" ")).or_insert_with(|| (text.to_owned(), Vec::new()));
        if !entry.1.iter().any(|known| known == name) {
            entry.1.push(name.to_owned());
        }
    }

    /// By the first name under each.
    fn in_order(self) -> Vec<(String, Vec<String>)> {
        let mut all: Vec<_> = self.0.into_values().collect();
        all.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_there_once_with_all_that_are_under_it() {
        let mut texts = Texts::default();
        texts.add("MIT: do as\n you like\n", "b 1");
        texts.add("MIT:\tdo as you like", "a 1");
        texts.add("another", "a 1");
        texts.add("another", "a 1");
        let texts = texts.in_order();
        let names: Vec<Vec<String>> = texts.into_iter().map(|(_, names)| names).collect();
        assert_eq!(names, [vec!["a 1".to_owned()], vec!["b 1".to_owned(), "a 1".to_owned()]]);
    }

    #[test]
    fn a_version_is_part_of_an_address() {
        assert_eq!(escaped("1:1.35.0-4+deb12u1~b"), "1%3A1.35.0-4%2Bdeb12u1%7Eb");
    }
}

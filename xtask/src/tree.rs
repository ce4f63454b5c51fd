//! What the tree must look like, kept by a machine so that nobody has to remember it: layers, no
//! circles, one meaning for a type's name, file length, the top level, openings, nothing left open,
//! where `unsafe` may stand, documents whose links lead somewhere.

use std::path::Path;

use crate::circles;
use crate::layers;
use crate::messages;
use crate::source::Source;
use crate::text_files::{collect, is_test, names, tests_of, text, TextFile};
use crate::type_names;

/// Lines of code in a file, comments, blank lines and inline tests not counted.
const CODE_LINES_MAX: usize = 400;

/// What may stand at the top level, beside dot-files.
const TOP_LEVEL: [&str; 12] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "build.rs",
    "clippy.toml",
    "deny.toml",
    "rootfs",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "src",
    "tests",
];

/// Beside those, this package, and what git ignores: build output, the program's own data, the key
/// that updates are signed with.
const TOP_LEVEL_TOO: [&str; 4] = ["xtask", "target", "data", "streamcaster.key"];

/// Files that may contain `unsafe`: the allocator's trait demands it, and calls of the kernel that
/// have no safe wrapper; a test makes those that the sandbox refuses.
const UNSAFE_FILES: [&str; 4] =
    ["src/appliance/ext4.rs", "src/net/tcp_progress.rs", "src/system/heap.rs", "tests/sandbox.rs"];

/// Checks the tree below `root`; the error lists everything found.
pub fn check(root: &Path) -> Result<(), String> {
    let mut found = strangers(&names(root)?);
    let mut files = Vec::new();
    for folder in ["src", "tests", "xtask/src"] {
        collect(root, folder, ".rs", &mut files)?;
    }
    found.extend(examine(&files));
    found.extend(messages::avoided(root)?);
    let mut documents = vec![text(root, "README.md")?];
    for folder in ["rootfs", "src", "tests", "xtask"] {
        collect(root, folder, ".md", &mut documents)?;
    }
    found.extend(documents.iter().flat_map(|document| dead_links(root, document)));
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("the tree breaks its own rules:\n  {}", found.join("\n  ")))
}

/// Top-level names that the layout does not know.
fn strangers(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| !name.starts_with('.'))
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .filter(|name| !TOP_LEVEL_TOO.contains(&name.as_str()))
        .map(|name| format!("{name}: not part of the top level"))
        .collect()
}

fn examine(files: &[TextFile]) -> Vec<String> {
    let parsed: Vec<(&TextFile, Source)> =
        files.iter().map(|file| (file, Source::parse(&file.text))).collect();
    let tests: Vec<String> =
        parsed.iter().flat_map(|(file, source)| tests_of(file, source)).collect();
    let mut found = Vec::new();
    for root in ["src/", "xtask/src/"] {
        let product = parsed.iter().filter(|(file, _)| !is_test(&file.path, &tests));
        let of_crate: Vec<_> = product
            .filter_map(|(file, source)| {
                Some((file.path.as_str(), file.path.strip_prefix(root)?, source))
            })
            .collect();
        let files =
            of_crate.iter().map(|(path, below, source)| circles::File::read(path, below, source));
        found.extend(circles::find(&files.collect::<Vec<_>>()));
        let types = of_crate.iter().flat_map(|(path, _, source)| type_names::of_file(path, source));
        found.extend(type_names::find(&types.collect::<Vec<_>>()));
    }
    for (file, source) in &parsed {
        let is_tests = is_test(&file.path, &tests);
        // A test module's purpose is its parent's.
        found.extend(opening(file).filter(|_| !is_tests));
        found.extend(length(file, source));
        found.extend(left_open(file, source));
        found.extend(unsafe_code(file, source));
        found.extend(example(file, source));
        found.extend(climbs(file, source));
        if let Some(below) = file.path.strip_prefix("src/") {
            let product = if is_tests { "" } else { source.product.as_str() };
            found.extend(layers::violations(below, &source.code, product));
        }
    }
    found
}

fn opening(file: &TextFile) -> Option<String> {
    let opens = file.text.trim_start().starts_with("//!");
    (!opens).then(|| format!("{}:1: opens without `//!` and its purpose", file.path))
}

fn length(file: &TextFile, source: &Source) -> Option<String> {
    let lines = source.code_lines();
    (lines > CODE_LINES_MAX)
        .then(|| format!("{}: {lines} lines of code; split it below {CODE_LINES_MAX}", file.path))
}

/// Work left open: in comments by its usual words, in code by its usual macros.
fn left_open(file: &TextFile, source: &Source) -> Vec<String> {
    let words = ["TODO", "FIXME"].map(|word| (word, &source.comments));
    let macros = ["todo!", "unimplemented!", "#[ignore"].map(|word| (word, &source.code));
    let mut found = Vec::new();
    for (word, text) in words.into_iter().chain(macros) {
        for (number, _) in text.lines().enumerate().filter(|(_, line)| line.contains(word)) {
            found.push(format!("{}:{}: {word} left open", file.path, number + 1));
        }
    }
    found
}

fn unsafe_code(file: &TextFile, source: &Source) -> Option<String> {
    if UNSAFE_FILES.contains(&file.path.as_str()) {
        return None;
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = source.code.split(|c| !is_name(c));
    words.any(|word| word == "unsafe").then(|| format!("{}: unsafe code", file.path))
}

/// A module's file lies below the folder of the file that declares it: what two suites need is in the
/// crate they share (`tests/support`), not in the folder of one of them.
fn climbs(file: &TextFile, source: &Source) -> Vec<String> {
    let lines = source.code.lines().zip(file.text.lines()).enumerate();
    let paths = lines.filter(|(_, (code, _))| code.trim_start().starts_with("#[path"));
    let climbing = paths.filter(|(_, (_, line))| line.contains("\"../") || line.contains("/../"));
    let place = |number: usize| format!("{}:{}", file.path, number + 1);
    climbing.map(|(number, _)| format!("{}: a module of another folder", place(number))).collect()
}

/// Examples in documentation would be tests, and those are switched off (`doctest = false`).
fn example(file: &TextFile, source: &Source) -> Option<String> {
    let lines = source.comments.lines().map(|line| line.trim_matches(['/', '!', ' ']));
    let fences = lines.enumerate().filter(|(_, line)| line.starts_with("```"));
    let (number, _) = fences.step_by(2).find(|(_, fence)| *fence != "```text")?;
    Some(format!("{}:{}: an example that no test runs; write a test", file.path, number + 1))
}

/// Links of a document to files that are not there.
fn dead_links(root: &Path, document: &TextFile) -> Vec<String> {
    let folder = root.join(&document.path);
    let folder = folder.parent().unwrap_or(root);
    let links = document.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = links.filter_map(|link| link.split('#').next());
    let dead =
        files.filter(|file| !file.is_empty() && !file.contains(':') && !folder.join(file).exists());
    dead.map(|file| format!("{}: its link to {file} leads nowhere", document.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        examine(&[TextFile { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn a_stranger_at_the_top_level_is_named() {
        let names = ["src", ".ci", "docs", "Cargo.toml"].map(str::to_owned);
        assert_eq!(strangers(&names), ["docs: not part of the top level"]);
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert_eq!(of("src/ts/mod.rs", "//! Purpose.\n"), [""; 0]);
        assert_eq!(of("src/ts/mod.rs", "use a;\n").len(), 1);
    }

    #[test]
    fn a_file_of_more_than_400_lines_of_code_is_named() {
        let long = format!("//! Purpose.\n{}", "fn a() {}\n".repeat(400));
        assert_eq!(of("src/ts/mod.rs", &long), [""; 0]);
        let longer = format!("{long}fn b() {{}}\n");
        assert_eq!(of("xtask/src/a.rs", &longer).len(), 1);
        let tests = format!("{long}#[cfg(test)]\nmod tests {{\n fn b() {{}}\n}}\n");
        assert_eq!(of("tests/a.rs", &tests), [""; 0]);
    }

    #[test]
    fn what_is_left_open_is_named_with_its_line() {
        let text = format!("//! Purpose.\nfn a() {{}} // {}: b\n", ["TO", "DO"].concat());
        assert_eq!(of("src/ts/a.rs", &text), ["src/ts/a.rs:2: TODO left open"]);
        for code in ["todo!()", "unimplemented!()", "#[ignore]"] {
            assert_eq!(of("tests/a.rs", &format!("//! P.\n{code}\n")).len(), 1, "{code}");
            assert_eq!(of("tests/a.rs", &format!("//! P.\nf(\"{code}\");\n")), [""; 0]);
        }
    }

    #[test]
    fn a_module_of_another_folder_is_named() {
        let of =
            |path: &str| of("tests/a/main.rs", &format!("//! P.\n#[path = \"{path}\"]\nmod m;\n"));
        assert_eq!(of("b/m.rs"), [""; 0]);
        let named = ["tests/a/main.rs:2: a module of another folder"];
        assert_eq!(of("../b/m.rs"), named);
        assert_eq!(of("b/../../c/m.rs"), named);
        let said = "//! P.\n// #[path = \"../b/m.rs\"]\n";
        assert_eq!(super::tests::of("tests/a/main.rs", said), [""; 0]);
    }

    #[test]
    fn unsafe_stands_nowhere() {
        assert_eq!(of("src/base/a.rs", "//! P.\nunsafe fn f() {}\n").len(), 1);
        assert_eq!(of("src/base/a.rs", "//! P. unsafe\n#![deny(unsafe_code)]\n"), [""; 0]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let links = "[a](../README.md#tests) [b](https://example.com) [c](#c) [d](gone.md)";
        let document = TextFile { path: "src/A.md".to_owned(), text: links.to_owned() };
        let dead = dead_links(&crate::step::root(), &document);
        assert_eq!(dead, ["src/A.md: its link to gone.md leads nowhere"]);
    }

    #[test]
    fn an_example_in_documentation_is_named() {
        let fenced =
            |what: &str| of("src/a.rs", &format!("//! P.\n//! ```{what}\n//! a\n//! ```\n"));
        assert_eq!(fenced("text"), [""; 0]);
        assert_eq!(fenced("").len(), 1);
        assert!(fenced("rust")[0].starts_with("src/a.rs:2: "));
    }

    #[test]
    fn a_test_module_in_its_own_file_may_read_files_and_needs_no_opening() {
        let file =
            |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let parent = file("src/ts/demux.rs", "//! P.\n#[cfg(test)]\nmod demux_tests;\n");
        let tests = file("src/ts/demux/demux_tests.rs", "use std::fs;\n");
        assert_eq!(examine(&[parent, tests]), [""; 0]);
        let parent = "//! P.\n#[cfg(test)]\n#[path = \"demux_tests.rs\"]\nmod tests;\n";
        let parent = file("src/ts/demux.rs", parent);
        assert_eq!(examine(&[parent, file("src/ts/demux_tests.rs", "use std::fs;\n")]), [""; 0]);
        let parent = file("src/ts/demux.rs", "//! P.\n#[cfg(test)]\nmod tests;\n");
        let below = file("src/ts/demux/tests/rows.rs", "use std::fs;\n");
        assert_eq!(examine(&[parent, below]), [""; 0]);
        let alone = file("src/ts/demux/demux_tests.rs", "//! P.\nuse std::fs;\n");
        assert_eq!(examine(&[alone]).len(), 1);
    }
}

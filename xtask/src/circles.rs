//! No two files import each other in a circle: a file is understood once those that it imports are.
//! Purpose: finds the circles of a crate's files. Non-goals: types that another file's functions hand
//! out; macros. Bound: it reads paths as text, from `use` and from `crate::`, `super::`, `self::` in the
//! code, without inline tests; a name that a module hands on (`use self::child::Name`) counts as the
//! child's.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// How often a name may be handed on before it counts as the last module's own.
const HANDED_ON_MAX: usize = 8;

/// A file of a crate: its path in the tree, its module's path, and its code without tests.
pub struct File<'a> {
    path: &'a str,
    module: Vec<String>,
    /// What its `use` names, from the crate's root: the names that it may hand on.
    imports: Vec<Vec<String>>,
    /// What its code names, without what it does nothing with but hand it on.
    named: Vec<Vec<String>>,
}

impl<'a> File<'a> {
    /// Reads one; `below` is its path below the crate's root.
    pub fn read(path: &'a str, below: &str, source: &Source) -> File<'a> {
        let module = module_of(below);
        let code = &source.product;
        let children = children(code);
        let (mut imports, mut named) = (Vec::new(), inline(code, &children));
        for (tree, is_public) in statements(code) {
            let mut paths = Vec::new();
            leaves(tree, &[], &mut paths);
            let is_used = |path: &&Vec<String>| {
                !is_public || path.last().is_some_and(|name| count(code, name) > 1)
            };
            named.extend(paths.iter().filter(is_used).cloned());
            imports.extend(paths);
        }
        let all = |paths: Vec<Vec<String>>| {
            paths.into_iter().filter_map(|path| absolute(&module, &children, path)).collect()
        };
        let (imports, named) = (all(imports), all(named));
        File { path, module, imports, named }
    }
}

/// Each circle as a sentence: which of its files import which.
pub fn find(files: &[File<'_>]) -> Vec<String> {
    let modules: Modules<'_> = files.iter().map(|file| (file.module.as_slice(), file)).collect();
    let arrows: Arrows<'_> = files
        .iter()
        .map(|file| {
            let targets = file.named.iter().filter_map(|path| resolve(&modules, path, 0));
            (file.path, targets.map(|to| to.path).filter(|to| *to != file.path).collect())
        })
        .collect();
    let reached: Arrows<'_> = arrows.keys().map(|from| (*from, reach(&arrows, from))).collect();
    let is_reached = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut circles = BTreeSet::new();
    for (own, all) in &reached {
        let both = all.iter().copied().filter(|other| is_reached(other, own));
        circles.insert(both.collect::<BTreeSet<&str>>());
    }
    circles.iter().filter(|circle| !circle.is_empty()).map(|circle| said(circle, &arrows)).collect()
}

/// Files by their module's path.
type Modules<'f> = BTreeMap<&'f [String], &'f File<'f>>;
/// By a file's path, the paths of others.
type Arrows<'f> = BTreeMap<&'f str, BTreeSet<&'f str>>;

fn said(circle: &BTreeSet<&str>, arrows: &Arrows<'_>) -> String {
    let imports = circle.iter().map(|own| {
        let within = arrows.get(own).into_iter().flatten().filter(|to| circle.contains(*to));
        format!("{own} imports {}", within.copied().collect::<Vec<_>>().join(", "))
    });
    format!("a circle: {}", imports.collect::<Vec<_>>().join("; "))
}

/// All that can be got to from a file, itself included only by a circle.
fn reach<'f>(arrows: &Arrows<'f>, from: &'f str) -> BTreeSet<&'f str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        open.extend(arrows.get(at).into_iter().flatten().filter(|to| reached.insert(**to)));
    }
    reached
}

/// The file that a path from the crate's root leads to.
fn resolve<'f>(modules: &Modules<'f>, path: &[String], handed_on: usize) -> Option<&'f File<'f>> {
    let prefixes = (0..=path.len()).rev().filter_map(|length| path.split_at_checked(length));
    let mut known = prefixes.filter_map(|(head, rest)| Some((*modules.get(head)?, head, rest)));
    let (file, head, rest) = known.next()?;
    let Some(name) = rest.first() else { return Some(file) };
    let names_it = |used: &&Vec<String>| {
        used.last() == Some(name) && used.as_slice() != path && used.len() > head.len()
    };
    match file.imports.iter().find(names_it) {
        Some(further) if handed_on < HANDED_ON_MAX => resolve(modules, further, handed_on + 1),
        _ => Some(file),
    }
}

/// `ts/psi.rs` and `ts/psi/mod.rs` are `ts::psi`; `main.rs` and `lib.rs` are the root.
fn module_of(below: &str) -> Vec<String> {
    let stem = below.strip_suffix(".rs").unwrap_or(below);
    let mut names: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// How often a name stands in code.
fn count(code: &str, name: &str) -> usize {
    code.split(|c: char| !is_name(c)).filter(|word| *word == name).count()
}

/// What stands between `use` and its semicolon, and whether others may use it from here.
fn statements(code: &str) -> impl Iterator<Item = (&str, bool)> {
    code.match_indices("use ").filter_map(|(at, word)| {
        let (before, behind) = (code.get(..at)?, code.get(at + word.len()..)?);
        let begins = before.trim_end_matches(' ').ends_with(['\n', ';', '}', '{', ')'])
            || before.ends_with("pub ")
            || before.is_empty();
        let is_public = before.ends_with("pub ") || before.ends_with(") ");
        Some((behind.split(';').next().filter(|_| begins)?, is_public))
    })
}

/// The paths of a tree of `use`; of `a::{b, c as d}` those are `a::b` and `a::c`.
fn leaves(tree: &str, before: &[String], into: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let mut names = before.to_vec();
        names.extend(path.split("::").map(str::trim).filter(|name| !name.is_empty()).map(own));
        names.retain(|name| name != "*");
        if names.last().is_some_and(|last| last == "self") && names.len() > 1 {
            names.pop();
        }
        into.push(names);
        return;
    };
    let mut names = before.to_vec();
    names.extend(head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(own));
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut branch) = (0_u32, String::new());
    for c in group.chars().chain([',']) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c != ',' || depth > 0 {
            branch.push(c);
        } else if !branch.trim().is_empty() {
            leaves(&std::mem::take(&mut branch), &names, into);
        }
    }
}

fn own(name: &str) -> String {
    name.to_owned()
}

/// The modules that a file declares.
fn children(code: &str) -> Vec<&str> {
    let lines = code.lines().map(str::trim);
    let declared = lines.filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    declared.filter(|name| name.chars().all(is_name)).collect()
}

/// Paths within the code that name where they begin, or begin with one of the file's own modules.
fn inline(code: &str, children: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate", "super", "self"].iter().chain(children) {
        for (at, _) in code.match_indices(&format!("{root}::")) {
            let Some((front, behind)) = code.split_at_checked(at) else { continue };
            // Statements of `use` are read apart. Of `pub(in crate::room)` nothing is imported.
            let is_within = front.ends_with(|c: char| is_name(c) || c == ':');
            if is_within || front.ends_with("(in ") || front.ends_with("use ") {
                continue;
            }
            let path = behind.split(|c: char| !is_name(c) && c != ':').next().unwrap_or_default();
            if path.ends_with(':') {
                // A group or all of it, in `use`.
                continue;
            }
            found.push(path.split("::").filter(|name| !name.is_empty()).map(own).collect());
        }
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A path from the crate's root; `None` for other crates. A name alone is one of the module's own.
fn absolute(module: &[String], children: &[&str], path: Vec<String>) -> Option<Vec<String>> {
    let first = path.first()?.clone();
    if children.contains(&first.as_str()) {
        return Some(module.iter().cloned().chain(path).collect());
    }
    if first == "crate" {
        return Some(path.into_iter().skip(1).collect());
    }
    let ups = path.iter().take_while(|name| *name == "super").count();
    if first != "self" && ups == 0 {
        return None;
    }
    let kept = module.iter().take(module.len().checked_sub(ups)?).cloned();
    Some(kept.chain(path.into_iter().skip(ups.max(1))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(texts: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = texts.iter().map(|(_, text)| Source::parse(text)).collect();
        let files: Vec<File<'_>> = texts
            .iter()
            .zip(&sources)
            .map(|((path, _), source)| File::read(path, path, source))
            .collect();
        find(&files)
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        let found = circles(&[
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "use std::fmt;\nfn f() { crate::a::f() }\n"),
            ("c.rs", "use super::{a, b::{self, B}};\nmod d;\n"),
            ("c/d.rs", "fn f() { super::super::c::f() }\n"),
        ]);
        assert_eq!(found, ["a circle: a.rs imports b.rs; b.rs imports a.rs"]);
    }

    #[test]
    fn a_module_of_its_own_is_known_by_its_name_alone() {
        let found =
            circles(&[("m/mod.rs", "mod x;\nfn f() { x::g() }\n"), ("m/x.rs", "use super::f;\n")]);
        assert_eq!(found, ["a circle: m/mod.rs imports m/x.rs; m/x.rs imports m/mod.rs"]);
    }

    #[test]
    fn what_a_module_hands_on_is_its_childs() {
        let of_mod = "mod x;\nmod y;\npub use self::x::X;\n";
        assert_eq!(
            circles(&[("m/mod.rs", of_mod), ("m/y.rs", "use super::X;\n"), ("m/x.rs", "")]),
            [""; 0]
        );
        let own = format!("{of_mod}use self::y::Y;\npub struct M;\n");
        assert_eq!(
            circles(&[("m/mod.rs", &own), ("m/y.rs", "use super::M;\n"), ("m/x.rs", "")]),
            ["a circle: m/mod.rs imports m/y.rs; m/y.rs imports m/mod.rs"]
        );
    }

    #[test]
    fn three_are_one_circle_and_tests_are_none() {
        let found = circles(&[
            ("a.rs", "use crate::b::{self};\n"),
            ("b.rs", "use crate::c as d;\n"),
            ("c.rs", "use super::a;\n#[cfg(test)]\nmod tests { use crate::e; }\n"),
            ("e.rs", "use crate::c::C;\n"),
        ]);
        assert_eq!(found, ["a circle: a.rs imports b.rs; b.rs imports c.rs; c.rs imports a.rs"]);
    }
}

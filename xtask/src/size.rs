//! `cargo xtask size`: what the product weighs, by section and by crate. Purpose: `--compare`
//! shows what a change costs against the figures that `--save` committed. Non-goals: judging it,
//! exact shares: code made for several crates at once counts for the one its name begins with.
//! Bound: one build, and two tools that read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dist;
use crate::step::{root, said};

/// Rows of crates that are printed; the rest is one row.
const CRATES_SHOWN: usize = 24;
/// The name of what is not Rust.
const C_CODE: &str = "(C: musl, unwinder)";

/// Bytes by name: `file`, `section .text`, `crate core`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sizes(BTreeMap<String, u64>);

/// Prints the table; `compare` beside the committed figures, `save` commits these.
pub fn run(compare: bool, save: bool) -> Result<(), String> {
    let built = dist::build()?;
    let sizes = Sizes::of(&built)?;
    let file = saved();
    let before = match (compare, fs::read_to_string(&file)) {
        (false, _) => None,
        (true, Ok(text)) => Some(Sizes::parse(&text)?),
        (true, Err(error)) => return Err(format!("{}: {error}", file.display())),
    };
    print!("{}", sizes.table(before.as_ref()));
    if save {
        fs::write(&file, sizes.text()).map_err(|e| format!("{}: {e}", file.display()))?;
        println!("saved in {}", file.display());
    }
    Ok(())
}

/// The committed figures.
fn saved() -> PathBuf {
    root().join("xtask/size-baseline.txt")
}

impl Sizes {
    fn of(built: &dist::Built) -> Result<Sizes, String> {
        let mut sizes = Sizes::default();
        let file = fs::metadata(&built.product);
        let file = file.map_err(|error| format!("{}: {error}", built.product.display()))?;
        sizes.add("file", file.len());
        sizes.sections(&tool("size", &["--format=sysv", "--radix=10"], &built.product)?);
        sizes.crates(&tool("nm", &["--demangle", "--print-size", "--radix=d"], &built.symbols)?);
        Ok(sizes)
    }

    fn add(&mut self, name: &str, bytes: u64) {
        *self.0.entry(name.to_owned()).or_default() += bytes;
    }

    /// Lines of `size`: name, bytes, address. What has no address is not loaded.
    fn sections(&mut self, text: &str) {
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, bytes, address] = words.as_slice() else { continue };
            if let (Ok(bytes @ 1..), true) = (bytes.parse(), *address != "0") {
                self.add(&format!("section {name}"), bytes);
            }
        }
    }

    /// Lines of `nm`: address, bytes, kind, name.
    fn crates(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            let (Some(_), Some(bytes)) = (words.next(), words.next()) else { continue };
            let (Some(_), Some(name), Ok(bytes)) = (words.next(), words.next(), bytes.parse())
            else {
                continue;
            };
            self.add(&format!("crate {}", crate_of(name).unwrap_or(C_CODE)), bytes);
        }
    }

    /// As it is saved, a line each.
    fn text(&self) -> String {
        let mut text =
            "# What `cargo xtask size --save` measured last: bytes, kind, name.\n".to_owned();
        for (name, bytes) in &self.0 {
            text.push_str(&format!("{bytes} {name}\n"));
        }
        text
    }

    fn parse(text: &str) -> Result<Sizes, String> {
        let mut sizes = Sizes::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let row =
                line.split_once(' ').and_then(|(bytes, name)| Some((name, bytes.parse().ok()?)));
            let (name, bytes) = row.ok_or_else(|| format!("not a saved size: {line}"))?;
            sizes.add(name, bytes);
        }
        Ok(sizes)
    }

    /// The rows of one kind, the largest first; what is gone counts as 0.
    fn rows(&self, kind: &str, before: Option<&Sizes>) -> Vec<Row> {
        let names = self.0.keys().chain(before.into_iter().flat_map(|before| before.0.keys()));
        let mut rows: Vec<Row> = names
            .filter(|name| name.split(' ').next() == Some(kind))
            .map(|name| Row {
                name: name.clone(),
                now: self.0.get(name).copied().unwrap_or(0),
                before: before.map(|before| before.0.get(name).copied().unwrap_or(0)),
            })
            .collect();
        rows.sort_by(|a, b| (b.now, &a.name).cmp(&(a.now, &b.name)));
        rows.dedup();
        rows
    }

    fn table(&self, before: Option<&Sizes>) -> String {
        let mut rows = self.rows("file", before);
        rows.extend(self.rows("section", before));
        let mut crates = self.rows("crate", before);
        // Those that changed stand in the table whatever their size.
        let changed = |row: &Row| row.before.is_some_and(|before| before != row.now);
        let small: Vec<Row> = crates.split_off(CRATES_SHOWN.min(crates.len()));
        let (more, rest): (Vec<Row>, Vec<Row>) = small.into_iter().partition(changed);
        rows.extend(crates.into_iter().chain(more));
        if !rest.is_empty() {
            rows.push(Row {
                name: format!("({} smaller crates)", rest.len()),
                now: rest.iter().map(|row| row.now).sum(),
                before: before.map(|_| rest.iter().filter_map(|row| row.before).sum()),
            });
        }
        let mut text = format!("{:<36} {:>10}", "", "bytes");
        text.push_str(if before.is_some() { "     before  difference\n" } else { "\n" });
        rows.iter().for_each(|row| row.print(&mut text));
        text
    }
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    now: u64,
    before: Option<u64>,
}

impl Row {
    fn print(&self, text: &mut String) {
        let Row { name, now, before } = self;
        // Writing to a string does not fail.
        let _ = write!(text, "{name:<36} {now:>10}");
        if let Some(before) = before {
            let sign = if now < before { '-' } else { '+' };
            let difference = match now.abs_diff(*before) {
                0 => String::new(),
                bytes => format!("{sign}{bytes}"),
            };
            let _ = write!(text, " {before:>10} {difference:>11}");
        }
        text.push('\n');
    }
}

/// The crate of a demangled name: that of a method's own type, or of the trait when the type
/// belongs to none. `None` for what is not Rust.
fn crate_of(name: &str) -> Option<&str> {
    let first = name.trim_start_matches(['<', '&', '*', '(', '[', ' ']);
    let words = ["mut ", "const ", "dyn "];
    if let Some(behind) = words.iter().find_map(|word| first.strip_prefix(word)) {
        return crate_of(behind);
    }
    let end = first.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(first.len());
    let (head, behind) = first.split_at_checked(end)?;
    // The newer mangling's names carry the crate's hash.
    let hashed = behind.strip_prefix('[').and_then(|hash| hash.split_once(']'));
    if !head.is_empty() && hashed.map_or(behind, |(_, path)| path).starts_with("::") {
        return Some(head);
    }
    crate_of(name.split_once(" as ")?.1)
}

fn tool(name: &str, arguments: &[&str], file: &Path) -> Result<String, String> {
    said(Command::new(name).args(arguments).arg(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_crate() {
        for (name, owner) in [
            ("core::fmt::write", Some("core")),
            ("streamcaster[1f2e]::app::run", Some("streamcaster")),
            ("<alloc::vec::Vec<T> as core::ops::Drop>::drop", Some("alloc")),
            ("<&mut dyn serde::Error as core::fmt::Debug>::fmt", Some("serde")),
            ("<u8 as heapless::Len>::len", Some("heapless")),
            ("<[T] as core::fmt::Debug>::fmt", Some("core")),
            ("memcpy", None),
            ("_DYNAMIC", None),
        ] {
            assert_eq!(crate_of(name), owner, "{name}");
        }
    }

    #[test]
    fn tools_are_read() {
        let mut sizes = Sizes::default();
        sizes.sections(
            "a  :\nsection size addr\n.text 70 512\n.tbss 0 9\n.comment 30 0\nTotal 100\n",
        );
        sizes.crates(
            "0000000000000512 0000000000000050 t core::fmt::write\n\
             0000000000000562 0000000000000020 T <core::a::B as std::c::D>::e\n\
             0000000000000000 A nothing\n                 w absent\n\
             0000000000000600 0000000000000008 W memcpy\n",
        );
        let text = sizes.text();
        assert!(text.ends_with(&format!("8 crate {C_CODE}\n70 crate core\n70 section .text\n")));
        assert_eq!(Sizes::parse(&text), Ok(sizes));
        assert!(Sizes::parse("many crate core\n").is_err());
    }

    #[test]
    fn a_change_is_seen() {
        let of = |text| Sizes::parse(text).unwrap();
        let before = of("100 file\n60 crate core\n20 crate gone\n");
        let now = of("110 file\n55 crate core\n30 crate fresh\n");
        let table = now.table(Some(&before));
        let row = |name: &str| {
            let line = table.lines().find(|line| line.contains(name)).unwrap_or_default();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("file"), "file 110 100 +10");
        assert_eq!(row("core"), "crate core 55 60 -5");
        assert_eq!(row("gone"), "crate gone 0 20 -20");
        assert_eq!(row("fresh"), "crate fresh 30 0 +30");
        assert!(!now.table(None).contains("difference"));
    }

    #[test]
    fn small_crates_share_a_row_unless_they_changed() {
        let many = |changed: u64| {
            let mut sizes = Sizes::default();
            for number in 1..=30 {
                sizes.add(&format!("crate c{number}"), number * 100);
            }
            sizes.add("crate c1", changed);
            sizes
        };
        assert!(many(0).table(None).contains("(6 smaller crates)"));
        let table = many(1).table(Some(&many(0)));
        assert!(table.contains("(5 smaller crates)") && table.contains("crate c1 "), "{table}");
    }
}

//! The layer rule: imports point down only, and the core knows no world outside. Purpose: keeps
//! the map in src/lib.rs true. Bound: it reads paths as text (`crate::…`, `super::…`, groups one
//! level deep); a macro that builds a path would escape it.

/// A row of the map: the higher may import the lower.
fn rank(module: &str) -> Option<u8> {
    Some(match module {
        "base" => 0,
        "codec" => 1,
        "ts" | "flv" | "mp4" | "mkv" | "rtmp" => 2,
        "program" => 3,
        "system" => 4,
        "operator" => 5,
        "net" => 6,
        "config" => 7,
        "library" | "health" | "appliance" => 8,
        "inputs" | "outputs" => 9,
        "ports" | "control" => 10,
        "app" => 11,
        "main" => 12,
        _ => return None,
    })
}

/// `program` and all below it: bytes and `now` come in, bytes, events and a deadline go out.
const CORE_RANK_MAX: u8 = 3;

/// What the core must not reach for: crates and modules that do I/O, start threads or wait.
const OUTSIDE: [&str; 8] =
    ["std::net", "std::fs", "std::thread", "smol", "async_net", "async_io", "tiny_http", "socket2"];

/// The clocks' names: time is an argument.
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];

/// The lower floors of the control plane, and which of its floors each may import.
const FLOORS: [(&str, &[&str]); 2] =
    [("control/http/", &["http"]), ("control/auth/", &["http", "auth"])];

/// What a file imports against the rule, each as a sentence with its line. `file` is the path
/// below `src/` with `/`; `code` is its code with tests, `product` without.
pub fn violations(file: &str, code: &str, product: &str) -> Vec<String> {
    let module = module_path(file);
    let Some((own, own_rank)) = module.first().and_then(|own| Some((*own, rank(own)?))) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (line, target) in imports(code, module.len()) {
        let Some(target_rank) = rank(&target).filter(|_| target != own) else { continue };
        if target_rank > own_rank {
            found.push(format!("src/{file}:{line}: {own} imports {target}, which lies above it"));
        } else if target_rank == own_rank {
            found.push(format!("src/{file}:{line}: {own} imports {target}, which lies beside it"));
        }
    }
    for (floor, below) in FLOORS.iter().filter(|(floor, _)| file.starts_with(floor)) {
        for (at, behind) in path_heads(code, "crate::control::") {
            let names = first_names(behind).into_iter();
            let above = names.filter(|name| !below.contains(&name.as_str()));
            let line = line_of(code, at);
            found.extend(above.map(|name| {
                format!("src/{file}:{line}: {floor} imports control::{name}, which lies above it")
            }));
        }
    }
    if own_rank <= CORE_RANK_MAX {
        for (line, name) in outside(product) {
            found.push(format!("src/{file}:{line}: {own} is core and must not know {name}"));
        }
    }
    found
}

/// The module a file is: `ts/psi.rs` and `ts/psi/mod.rs` are both `ts`, `psi`.
fn module_path(file: &str) -> Vec<&str> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    stem.split('/').collect()
}

/// Line and first module of every path that begins at the crate's root.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut roots = vec!["crate::".to_owned(), "streamcaster::".to_owned()];
    // As many `super` as the module is deep reach the root; more only from nested modules.
    roots.extend((depth..depth + 3).map(|ups| "super::".repeat(ups)));
    let mut found = Vec::new();
    for root in &roots {
        for (at, behind) in path_heads(code, root) {
            for name in first_names(behind) {
                found.push((line_of(code, at), name));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Line and name of everything outside that the core reaches for.
fn outside(product: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for name in OUTSIDE.iter().chain(&CLOCKS) {
        for (at, behind) in path_heads(product, name) {
            if !behind.starts_with(is_name) {
                found.push((line_of(product, at), (*name).to_owned()));
            }
        }
    }
    for (at, behind) in path_heads(product, "std::").into_iter().filter(|(_, b)| b.starts_with('{'))
    {
        for name in first_names(behind).into_iter().map(|name| format!("std::{name}")) {
            if OUTSIDE.contains(&name.as_str()) {
                found.push((line_of(product, at), name));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Where a path's head stands, not as the tail of a longer path or name, and what is behind it.
fn path_heads<'a>(code: &'a str, head: &str) -> Vec<(usize, &'a str)> {
    code.match_indices(head)
        .filter_map(|(at, _)| {
            let (before, from) = code.split_at(at);
            let fresh = !before.ends_with(is_name) && !before.ends_with("super::");
            fresh.then_some((at, from.strip_prefix(head)?))
        })
        .collect()
}

/// The first name of a path, or of each path in a group.
fn first_names(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else {
        return vec![leading_name(text)];
    };
    let (mut names, mut depth, mut fresh) = (Vec::new(), 1_u32, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if fresh && is_name(c) => {
                names.push(leading_name(group.get(at..).unwrap_or_default()));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|c| is_name(*c)).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_of(code: &str, at: usize) -> usize {
    code.split_at(at).0.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, code: &str) -> Vec<String> {
        violations(file, code, code)
    }

    #[test]
    fn imports_that_point_down_are_fine() {
        assert_eq!(of("ts/pes.rs", "use crate::base::limits;\nuse crate::codec::aac;"), [""; 0]);
        assert_eq!(of("program/ring.rs", "use crate::{base::time, flv::tag};"), [""; 0]);
        assert_eq!(of("inputs/udp.rs", "use crate::system::clock; use std::net;"), [""; 0]);
        assert_eq!(of("control/stat.rs", "use crate::system::snapshot::{Board, Text};"), [""; 0]);
        assert_eq!(of("main.rs", "use streamcaster::app; use std::fs;"), [""; 0]);
        assert_eq!(of("ts/demux.rs", "use crate::ts::pes; use super::psi;"), [""; 0]);
    }

    #[test]
    fn imports_that_point_up_are_named_with_their_line() {
        let found = of("codec/aac.rs", "\nuse crate::program::ring;");
        assert_eq!(found, ["src/codec/aac.rs:2: codec imports program, which lies above it"]);
        assert_eq!(of("base/mod.rs", "fn f() { crate::system::clock::mono() }").len(), 1);
        assert_eq!(of("system/config.rs", "use crate::{base, inputs::udp};").len(), 1);
        assert_eq!(
            of("program/mod.rs", "use crate::{\n base,\n system::{clock, logs},\n};").len(),
            1
        );
        assert_eq!(of("outputs/viewers.rs", "use crate::ports::rtmp;").len(), 1);
    }

    #[test]
    fn neighbours_do_not_import_each_other() {
        for (file, code) in [
            ("rtmp/server.rs", "use crate::flv::tag;"),
            ("flv/reader.rs", "use crate::ts::demux;"),
            ("ts/mod.rs", "use crate::rtmp;"),
            ("mp4/walker.rs", "use crate::{base::limits, ts};"),
            ("inputs/udp.rs", "use crate::outputs::viewers;"),
            ("outputs/viewers.rs", "use crate::inputs;"),
        ] {
            let found = of(file, code);
            assert!(found.len() == 1 && found[0].ends_with("beside it"), "{file}: {found:?}");
        }
    }

    #[test]
    fn the_floors_of_the_control_plane_stand_on_each_other() {
        let routes = "use crate::control::api::routes;";
        let found = of("control/http/gate.rs", routes);
        let wanted = "src/control/http/gate.rs:1: control/http/ imports control::api, which lies \
                      above it";
        assert_eq!(found, [wanted]);
        assert_eq!(of("control/auth/mod.rs", "use crate::control::{http, page};").len(), 1);
        assert_eq!(of("control/auth/mod.rs", "use crate::control::http::answer;").len(), 0);
        assert_eq!(of("control/api/routes.rs", "use crate::control::{http, page};").len(), 0);
    }

    #[test]
    fn super_reaches_the_root_too() {
        assert_eq!(of("ts/pes.rs", "use super::super::program::ring;").len(), 1);
        assert_eq!(of("ts/mod.rs", "use super::inputs;").len(), 1);
        assert_eq!(of("ts/pes.rs", "use super::flv;").len(), 0, "that is ts::flv");
        assert_eq!(of("system/config/file.rs", "use super::super::inputs;").len(), 0);
    }

    #[test]
    fn the_core_knows_no_world_outside() {
        for code in [
            "use std::net::SocketAddr;",
            "use std::{fmt, fs::File};",
            "let t = std::thread::spawn(f);",
            "use smol::Timer;",
            "use async_io::Async;",
            "let now = std::time::Instant::now();",
            "let now = SystemTime::now();",
        ] {
            assert_eq!(of("program/switcher.rs", code).len(), 1, "{code}");
            assert_eq!(of("system/clock.rs", code).len(), 0, "{code}");
        }
        assert_eq!(of("rtmp/chunk_writer.rs", "use std::io::IoSlice;").len(), 0);
        assert_eq!(of("rtmp/mod.rs", "fn smoller() {} use std::net_ish;").len(), 0);
    }

    #[test]
    fn tests_of_the_core_may_read_files_but_not_import_upwards() {
        let tests = "use std::fs; use crate::outputs::viewers;";
        let found = violations("ts/demux.rs", tests, "");
        assert_eq!(found, ["src/ts/demux.rs:1: ts imports outputs, which lies above it"]);
    }
}

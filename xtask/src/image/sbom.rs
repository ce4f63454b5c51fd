//! The list of parts, `streamcaster.spdx.json`: SPDX 2.3 as JSON. Purpose: a tool that knows of a
//! vulnerable part can say whether it is in the image. Non-goals: the tools that made it, which are in
//! the manifest; the files of each part. Bound: a package a part.

use serde_json::{json, Value};

use super::crates::Crate;
use super::parts::{ImageParts, Part};

/// The image's own identity in the document.
const IMAGE: &str = "SPDXRef-image";
/// What a document says where it does not know.
const UNKNOWN: &str = "NOASSERTION";

/// What the document is about.
pub struct Subject<'a> {
    /// What the product says of itself, `streamcaster 0.1.0 (abc1234)`.
    pub said: &'a str,
    /// The build.
    pub build: u64,
    /// The slot's digest: no two documents have one name.
    pub digest: &'a str,
    /// The kernel and the packages beside it.
    pub debian: &'a ImageParts,
    /// The product's crates.
    pub crates: &'a [Crate],
}

/// The document's text.
pub fn text(subject: &Subject<'_>) -> String {
    let mut packages = vec![image(subject)];
    packages.extend(subject.debian.all().map(of_debian));
    packages.extend(subject.crates.iter().map(of_cargo));
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
    let own = |package: &Value| package.get("SPDXID").and_then(Value::as_str).map(str::to_owned);
    let parts = packages.iter().skip(1).filter_map(own);
    relations.extend(parts.map(|part| relation(IMAGE, "CONTAINS", &part)));
    let name = subject.said.trim();
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/streamcaster-{}", subject.digest),
        "creationInfo": {
            "created": date(subject.build),
            "creators": ["Tool: cargo xtask image"],
        },
        "packages": packages,
        "relationships": relations,
    });
    format!("{document:#}\n")
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

/// A build's number as SPDX writes a time: `2026-11-28T02:53:00Z`.
fn date(build: u64) -> String {
    let digits = format!("{build:014}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("00").to_owned();
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    format!("{year}-{month}-{day}T{}:{}:{}Z", part(8, 10), part(10, 12), part(12, 14))
}

fn image(subject: &Subject<'_>) -> Value {
    let version = subject.said.split_whitespace().nth(1).unwrap_or(UNKNOWN);
    json!({
        "SPDXID": IMAGE,
        "name": "streamcaster",
        "versionInfo": format!("{version} build {}", subject.build),
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": "MIT",
        "copyrightText": UNKNOWN,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    })
}

/// The licence of a part of Debian, as an SPDX expression.
fn licence_of(source: &str) -> &'static str {
    match source {
        "grub2" => "GPL-3.0-or-later",
        "busybox" | "e2fsprogs" => "GPL-2.0-only",
        name if name.starts_with("linux") => "GPL-2.0-only WITH Linux-syscall-note",
        _ => UNKNOWN,
    }
}

fn of_debian(part: &Part) -> Value {
    let pin = &part.pin;
    let (source, of) = &pin.source;
    json!({
        "SPDXID": id("debian", &pin.package, ""),
        "name": pin.package,
        "versionInfo": pin.version,
        "supplier": "Organization: Debian",
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "checksums": [{"algorithm": "SHA256", "checksumValue": pin.sha256}],
        "sourceInfo": format!("built of {source} {of}"),
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": licence_of(source),
        "copyrightText": UNKNOWN,
        "externalRefs": [reference(&format!(
            "pkg:deb/debian/{}@{}?arch=amd64", pin.package, escaped(&pin.version)
        ))],
    })
}

fn of_cargo(one: &Crate) -> Value {
    let Crate { name, version, licence, sha256, .. } = one;
    let mut package = json!({
        "SPDXID": id("cargo", name, version),
        "name": name,
        "versionInfo": version,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": if licence.is_empty() { UNKNOWN } else { licence },
        "copyrightText": UNKNOWN,
        "externalRefs": [reference(&format!("pkg:cargo/{name}@{}", escaped(version)))],
    });
    if let (Some(sum), Some(package)) = (sha256, package.as_object_mut()) {
        let sums = json!([{"algorithm": "SHA256", "checksumValue": sum}]);
        package.insert("checksums".to_owned(), sums);
        let at = format!("https://crates.io/api/v1/crates/{name}/{version}/download");
        package.insert("downloadLocation".to_owned(), at.into());
    }
    package
}

fn reference(purl: &str) -> Value {
    json!({
        "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
    })
}

/// An identity of letters, digits, dots and hyphens (SPDX 2.3, 7.2).
fn id(kind: &str, name: &str, version: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    format!("SPDXRef-{kind}-{name}-{version}").trim_end_matches('-').chars().map(plain).collect()
}

/// A version in a package URL.
fn escaped(version: &str) -> String {
    version.replace(':', "%3A").replace('+', "%2B")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::pins::Pin;
    use super::*;

    fn part(package: &str, source: &str) -> Part {
        let pin = Pin {
            package: package.to_owned(),
            version: "1:6.12+b1".to_owned(),
            sha256: "cd".repeat(32),
            path: "pool/x".to_owned(),
            source: (source.to_owned(), "6.12-1".to_owned()),
        };
        Part { pin, tree: "/".into(), is_pinned: true }
    }

    /// What SPDX 2.3 demands of a document and of a package (clauses 6 and 7), and what its JSON
    /// schema allows.
    #[test]
    fn the_document_has_the_shape_of_spdx() {
        let debian = ImageParts {
            kernel: part("linux-image-6.12+deb12", "linux-6.12"),
            others: vec![part("grub-pc-bin", "grub2"), part("busybox-static", "busybox")],
            snapshot: String::new(),
        };
        let crates = super::super::crates::of_the_product().unwrap();
        assert!(crates.len() > 50 && crates.iter().any(|one| one.name == "rustls"));
        assert!(!crates.iter().any(|one| one.name == "xtask" || one.name == "syn"));
        let subject = Subject {
            said: "streamcaster 0.1.0 (abc)",
            build: 20_261_128_025_300,
            digest: "ef",
            debian: &debian,
            crates: &crates,
        };
        let document: Value = serde_json::from_str(&text(&subject)).unwrap();
        assert_eq!(document["spdxVersion"], "SPDX-2.3");
        assert_eq!(document["dataLicense"], "CC0-1.0");
        assert_eq!(document["creationInfo"]["created"], "2026-11-28T02:53:00Z");
        let packages = document["packages"].as_array().unwrap();
        assert_eq!(packages.len(), 1 + 3 + crates.len());
        let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT".to_owned()]);
        for package in packages {
            let text = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
            let id = text("SPDXID");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
            assert!(id.starts_with("SPDXRef-") && id.chars().all(plain), "{id}");
            assert!(ids.insert(id.clone()), "{id} stands there twice");
            for name in
                ["name", "versionInfo", "downloadLocation", "licenseDeclared", "copyrightText"]
            {
                assert!(!text(name).is_empty(), "{id} has no {name}");
            }
            for sum in package["checksums"].as_array().into_iter().flatten() {
                let value = sum["checksumValue"].as_str().unwrap();
                assert!(sum["algorithm"] == "SHA256" && value.len() == 64, "{id}: {sum}");
            }
            let declared = text("licenseDeclared");
            assert!(!declared.contains('/'), "{id}: {declared} is no SPDX expression");
        }
        let relations = document["relationships"].as_array().unwrap();
        assert_eq!(relations.len(), packages.len());
        for relation in relations {
            for end in ["spdxElementId", "relatedSpdxElement"] {
                assert!(ids.contains(relation[end].as_str().unwrap()), "{relation}");
            }
        }
    }
}

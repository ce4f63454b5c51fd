//! The image's files (OCI Image Format Specification 1.1, "Image Layout", "Image Configuration",
//! "Image Manifest"): a layer, its configuration, a manifest and an index, each named by its digest,
//! in one tar. Purpose: what registries, Docker, containerd and Podman take. Non-goal: reading
//! images. Bound: what fits into memory.

use serde_json::{json, Map, Value};

use crate::image::files::{gzip, read, sha256};
use crate::image::ustar::{Ustar, UstarKind};
use crate::step::root;

/// The user it runs as, known to the image's own /etc/passwd. The number is the one others use for
/// "nonroot".
const USER: u32 = 65_532;
/// TCP and UDP as the configuration's defaults have them.
const PORTS: [&str; 4] = ["1234/udp", "1935/tcp", "8080/tcp", "8081/tcp"];
pub const PROGRAM: &str = "/usr/bin/streamcaster";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What the image tells of itself.
pub struct About {
    /// As in `amd64`.
    pub architecture: &'static str,
    /// The product's version.
    pub version: String,
    /// The commit it was built from.
    pub revision: String,
    /// The commit's time (RFC 3339).
    pub created: String,
    /// The same in seconds since 1970.
    pub time: u32,
}

/// What it holds.
pub struct Content<'a> {
    /// The static binary.
    pub product: &'a [u8],
    /// The licences of all that is in it, compressed.
    pub licences: &'a [u8],
    /// `config.toml` for /data.
    pub config: Option<&'a [u8]>,
}

/// An image in its envelope.
pub struct OciImage {
    /// The tar.
    pub archive: Vec<u8>,
    /// The manifest's digest: what a registry will call it.
    pub digest: String,
}

/// A file of the layout, found by its digest.
struct Blob {
    media: &'static str,
    sha256: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn of(media: &'static str, bytes: Vec<u8>) -> Blob {
        Blob { media, sha256: sha256(&bytes), bytes }
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.sha256)
    }

    /// What leads to it (the specification's "Content Descriptors").
    fn descriptor(&self) -> Map<String, Value> {
        Map::from_iter([
            ("mediaType".to_owned(), self.media.into()),
            ("digest".to_owned(), self.digest().into()),
            ("size".to_owned(), self.bytes.len().into()),
        ])
    }
}

/// Makes the image.
pub fn image(content: &Content<'_>, about: &About) -> Result<OciImage, String> {
    let files = files(content, about.time);
    let uncompressed = format!("sha256:{}", sha256(&files));
    let layer = Blob::of(LAYER, gzip(&files)?);
    let labels = labels(about)?;
    let config = config(about, &labels, &uncompressed);
    let config = Blob::of(CONFIG, config.to_string().into_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
        "annotations": labels,
    });
    let manifest = Blob::of(MANIFEST, manifest.to_string().into_bytes());
    let mut named = manifest.descriptor();
    named.insert("annotations".to_owned(), names(about));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]});
    let digest = manifest.digest();
    let archive = envelope(&index.to_string(), [layer, config, manifest], about.time);
    Ok(OciImage { archive, digest })
}

/// The layer: sorted, root's but for the data folder.
fn files(content: &Content<'_>, time: u32) -> Vec<u8> {
    let passwd = format!("streamcaster:x:{USER}:{USER}:StreamCaster:/data:/nonexistent\n");
    let group = format!("streamcaster:x:{USER}:\n");
    let mut layer = Ustar::new(time);
    layer.add("data", 0o750, USER, &UstarKind::Folder);
    if let Some(config) = content.config {
        layer.add("data/config.toml", 0o600, USER, &UstarKind::File(config));
    }
    layer.add("etc", 0o755, 0, &UstarKind::Folder);
    layer.add("etc/group", 0o644, 0, &UstarKind::File(group.as_bytes()));
    layer.add("etc/passwd", 0o644, 0, &UstarKind::File(passwd.as_bytes()));
    layer.add("usr", 0o755, 0, &UstarKind::Folder);
    layer.add("usr/bin", 0o755, 0, &UstarKind::Folder);
    layer.add("usr/bin/streamcaster", 0o755, 0, &UstarKind::File(content.product));
    layer.add("usr/share", 0o755, 0, &UstarKind::Folder);
    layer.add("usr/share/licences.gz", 0o644, 0, &UstarKind::File(content.licences));
    layer.finish()
}

/// The labels that OCI gives names to ("Annotations", "Pre-Defined Annotation Keys").
fn labels(about: &About) -> Result<Value, String> {
    Ok(json!({
        "org.opencontainers.image.created": about.created,
        "org.opencontainers.image.description": cargo_says("description")?,
        "org.opencontainers.image.licenses": cargo_says("license")?,
        "org.opencontainers.image.revision": about.revision,
        "org.opencontainers.image.title": "StreamCaster",
        "org.opencontainers.image.version": about.version,
    }))
}

/// Under which name Docker and containerd keep what they load, and OCI's own tools find it.
fn names(about: &About) -> Value {
    let version = &about.version;
    json!({
        "io.containerd.image.name": format!("docker.io/library/streamcaster:{version}"),
        "org.opencontainers.image.ref.name": version,
    })
}

fn config(about: &About, labels: &Value, uncompressed: &str) -> Value {
    let ports: Map<String, Value> =
        PORTS.iter().map(|port| ((*port).to_owned(), json!({}))).collect();
    json!({
        "created": about.created,
        "architecture": about.architecture,
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "ExposedPorts": ports,
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": [PROGRAM],
            "Cmd": ["run", "--data", "/data"],
            "Volumes": {"/data": {}},
            "WorkingDir": "/",
            "Labels": labels,
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [uncompressed]},
        "history": [{"created": about.created, "created_by": "cargo xtask oci"}],
    })
}

/// The layout as one tar, sorted.
fn envelope(index: &str, mut blobs: [Blob; 3], time: u32) -> Vec<u8> {
    blobs.sort_by(|one, other| one.sha256.cmp(&other.sha256));
    let mut archive = Ustar::new(time);
    archive.add("blobs", 0o755, 0, &UstarKind::Folder);
    archive.add("blobs/sha256", 0o755, 0, &UstarKind::Folder);
    for Blob { sha256, bytes, .. } in &blobs {
        archive.add(&format!("blobs/sha256/{sha256}"), 0o644, 0, &UstarKind::File(bytes));
    }
    archive.add("index.json", 0o644, 0, &UstarKind::File(index.as_bytes()));
    let layout = json!({"imageLayoutVersion": "1.0.0"}).to_string();
    archive.add("oci-layout", 0o644, 0, &UstarKind::File(layout.as_bytes()));
    archive.finish()
}

/// What the package says of itself in `Cargo.toml`.
pub(super) fn cargo_says(key: &str) -> Result<String, String> {
    let text = read(&root().join("Cargo.toml"))?;
    let text = String::from_utf8_lossy(&text);
    let values = text.lines().filter_map(|line| line.split_once(" = "));
    let mut found =
        values.filter(|(name, _)| *name == key).map(|(_, value)| value.trim_matches('"'));
    found.next_back().map(str::to_owned).ok_or_else(|| format!("Cargo.toml has no {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            architecture: "amd64",
            version: "1.2.3".to_owned(),
            revision: "abc".to_owned(),
            created: "1970-01-02T00:00:00Z".to_owned(),
            time: 86_400,
        }
    }

    #[test]
    fn the_same_content_makes_the_same_bytes() {
        let content = Content { product: &[7; 1000], licences: b"", config: None };
        let [one, two] = [(); 2].map(|()| image(&content, &about()).unwrap());
        assert_eq!(one.digest, two.digest);
        assert!(one.archive == two.archive);
        let other = Content { product: &[8; 1000], licences: b"", config: None };
        assert_ne!(image(&other, &about()).unwrap().digest, one.digest);
    }

    #[test]
    fn a_configuration_is_the_services_own() {
        let with = |config| {
            String::from_utf8(files(&Content { product: b"", licences: b"", config }, 0)).unwrap()
        };
        let layer = with(Some(b"[http]\n"));
        let at = layer.find("data/config.toml").unwrap();
        let header = layer.get(at..at + 512).unwrap();
        assert!(header.contains("0000600\x000177774\x000177774"), "{header:?}");
        assert!(!with(None).contains("config.toml"));
    }

    #[test]
    fn the_package_describes_itself() {
        assert!(cargo_says("description").unwrap().starts_with("Live-distribution"));
        assert_eq!(cargo_says("license").unwrap(), "MIT");
    }
}

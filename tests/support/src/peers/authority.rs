//! Certificates as operators and their providers have them, made by openssl. Purpose: an authority of
//! the test's own, what it signs, right or wrong in one way, and what signs itself. Bound: the keys are
//! elliptic curves', which are made in no time; the files go with their authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::Folder;

/// Of a key that is made in no time.
const CURVE: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// From now on, for some days.
    Now,
    /// Until the end of 2020.
    Past,
    /// From 2090 on.
    Future,
}

/// An authority.
pub struct Authority(Folder);

/// A certificate and its key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Both in one file.
    pub both: PathBuf,
}

impl Authority {
    /// A fresh one, whose own certificate begins today.
    ///
    /// # Panics
    /// When openssl is missing.
    pub fn new() -> Authority {
        let folder = Folder::new();
        let line = format!("req -x509 {CURVE} -days 30 -subj /CN=authority");
        openssl(folder.path(), &format!("{line} -keyout ca.key -out ca.crt"), &[]);
        let config = "[ca]\ndefault_ca = own\n[own]\ndatabase = signed\nnew_certs_dir = .\n\
                      certificate = ca.crt\nprivate_key = ca.key\ndefault_md = sha256\n\
                      rand_serial = yes\nunique_subject = no\npolicy = any\n[any]\n";
        let config = format!("{config}commonName = supplied\n");
        fs::write(folder.file("ca.cnf"), config).expect("the test's folder");
        fs::write(folder.file("signed"), "").expect("the test's folder");
        Authority(folder)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.0.file("ca.crt")
    }

    /// Signs a certificate that is valid now, for names such as `DNS:localhost,DNS:example.com`.
    pub fn signs(&self, names: &str) -> Signed {
        self.signs_for(names, Validity::Now)
    }

    /// Signs a certificate that is valid then.
    ///
    /// # Panics
    /// When openssl will not.
    pub fn signs_for(&self, names: &str, validity: Validity) -> Signed {
        let number = fs::read_dir(self.folder()).expect("the test's folder").count();
        let name = format!("own-{number}");
        let folder = self.folder();
        openssl(
            folder,
            &format!("req {CURVE} -subj /CN=server -keyout {name}.key -out {name}.csr"),
            &[],
        );
        let dates = match validity {
            Validity::Now => "-days 3",
            Validity::Past => "-startdate 20200101000000Z -enddate 20201231000000Z",
            Validity::Future => "-startdate 20900101000000Z -enddate 20991231000000Z",
        };
        let extensions = self.0.file(&format!("{name}.names"));
        fs::write(&extensions, format!("subjectAltName={names}\n")).expect("the test's folder");
        let line = format!("ca -batch -notext -config ca.cnf {dates}");
        let line = format!("{line} -in {name}.csr -extfile {name}.names -out {name}.crt");
        openssl(folder, &line, &[]);
        Signed::of(folder, &name)
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Signed {
    /// One for this machine that signs itself, as these files of a folder.
    pub fn by_itself(folder: &Path, name: &str) -> Signed {
        let line = format!("req -x509 {CURVE} -days 2 -subj /CN=localhost");
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
        let line = format!("{line} -keyout {name}.key -out {name}.crt -addext");
        openssl(folder, &line, &[names]);
        Signed::of(folder, name)
    }

    fn of(folder: &Path, name: &str) -> Signed {
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let signed = Signed { certificate: file("crt"), key: file("key"), both: file("pem") };
        let read = |file: &Path| fs::read(file).expect("openssl has made it");
        let both = [read(&signed.certificate), read(&signed.key)].concat();
        fs::write(&signed.both, both).expect("the test's folder");
        signed
    }
}

/// Runs it with the words of a line, and more of them.
fn openssl(folder: &Path, line: &str, more: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.args(line.split(' ')).args(more).current_dir(folder).stdin(Stdio::null());
    let output = openssl.output().expect("openssl: `cargo xtask setup` installs it");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {line}: {words}");
}

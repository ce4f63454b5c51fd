//! Certificates from files in PEM: the one the control page and the RTMP port are served with, and those
//! of authorities. Purpose: a file becomes what TLS needs, or a sentence that says what is wrong with
//! it. Non-goals: connections, following the files (served_certificate), chains of trust: whether a
//! browser believes it is between the operator and the browser. Bound: files of at most
//! [`TLS_FILE_BYTES_MAX`] bytes.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::server::NoServerSessionStorage;
use futures_rustls::rustls::version::{TLS12, TLS13};
use futures_rustls::rustls::{Error, ServerConfig, SupportedProtocolVersion};

use crate::base::limits::TLS_FILE_BYTES_MAX;
use crate::system::sandbox_state::in_force;

/// Where certificate and key lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those above it, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM (PKCS #8, SEC 1 or PKCS #1).
    pub key: PathBuf,
}

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The certificate.
    Certificate,
    /// The key.
    Key,
}

/// Why there is no certificate to serve with: which file, and what is wrong with it. Nothing of
/// a key is ever put in here.
#[derive(Debug)]
pub struct CertificateError {
    /// Where the fault lies.
    pub which: Which,
    /// What is wrong.
    pub kind: Fault,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is a folder or a device.
    Irregular,
    /// It is larger than [`TLS_FILE_BYTES_MAX`].
    TooLarge,
    /// Nothing of the kind is in it.
    Empty,
    /// What is in it is damaged, or of a kind that is not known here.
    Damaged,
    /// The key belongs to another certificate.
    Mismatch,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, self.which) {
            (Fault::Unreadable(error), _) => {
                write!(f, "the file cannot be read: {error}")?;
                // Its rules are those of the program's start, and outlast a restart in its place.
                let is_new =
                    in_force().is_some() && error.kind() == io::ErrorKind::PermissionDenied;
                match is_new {
                    true => f.write_str(
                        "; in a folder that was not in the configuration when the program was \
                         started, it can be used once the program is stopped and started",
                    ),
                    false => Ok(()),
                }
            }
            (Fault::Irregular, _) => f.write_str("this is not a file"),
            (Fault::TooLarge, _) => {
                write!(f, "the file is larger than {TLS_FILE_BYTES_MAX} bytes")
            }
            (Fault::Empty, Which::Certificate) => f.write_str(
                "there is no certificate in the file; expected PEM, -----BEGIN CERTIFICATE-----",
            ),
            (Fault::Empty, Which::Key) => f.write_str(
                "there is no private key in the file; expected PEM without a passphrase, \
                 -----BEGIN PRIVATE KEY-----",
            ),
            (Fault::Damaged, Which::Certificate) => {
                f.write_str("the certificate is damaged or of an unknown kind")
            }
            (Fault::Damaged, Which::Key) => f.write_str(
                "the key is damaged or of an unknown kind; expected ECDSA, Ed25519 or RSA",
            ),
            (Fault::Mismatch, _) => f.write_str("the key does not belong to the certificate"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// What serves with a certificate.
#[derive(Debug)]
pub struct TlsServers {
    /// The control page: TLS 1.3 only (RFC 8446), which every browser has.
    pub http: Arc<ServerConfig>,
    /// The RTMP port: TLS 1.2 as well, which is all that older encoders have.
    pub rtmp: Arc<ServerConfig>,
}

/// What tells the files from others of their names.
pub type Stamp = [Option<(u64, u64, i64, i64)>; 2];

impl TlsFiles {
    /// Device, inode and times as they are now; nothing for a file that is not there.
    pub fn stamp(&self) -> Stamp {
        let of = |path: &Path| {
            let at = fs::metadata(path).ok()?;
            Some((at.ino(), at.size(), at.mtime(), at.mtime_nsec()))
        };
        [of(&self.certificate), of(&self.key)]
    }

    /// Reads both. No resumption: the few connections do not need it, and nothing is kept between
    /// them.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(&self) -> Result<TlsServers, CertificateError> {
        let fault = |which| move |kind| CertificateError { which, kind };
        let chain = certificates(&self.certificate)?;
        let pem = contents(&self.key).map_err(fault(Which::Key))?;
        let key = match PrivateKeyDer::pem_slice_iter(&pem).next() {
            Some(Ok(key)) => key,
            Some(Err(_)) => return Err(fault(Which::Key)(Fault::Damaged)),
            None => return Err(fault(Which::Key)(Fault::Empty)),
        };
        let server = |versions: &[&'static SupportedProtocolVersion]| {
            let provider = Arc::new(ring::default_provider());
            let builder = ServerConfig::builder_with_provider(provider)
                .with_protocol_versions(versions)?
                .with_no_client_auth();
            let mut config = builder.with_single_cert(chain.clone(), key.clone_key())?;
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Ok(config)
        };
        let mut http = server(&[&TLS13]).map_err(judged)?;
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        let rtmp = server(&[&TLS12, &TLS13]).map_err(judged)?;
        Ok(TlsServers { http: Arc::new(http), rtmp: Arc::new(rtmp) })
    }
}

/// Authorities that are believed, as their file had them when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Their certificates, one at least.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

impl AuthorityFile {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(path: PathBuf) -> Result<AuthorityFile, CertificateError> {
        let certificates = certificates(&path)?.into();
        Ok(AuthorityFile { path, certificates })
    }
}

/// The certificates of a file in PEM, one at least.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let fault = |kind| CertificateError { which: Which::Certificate, kind };
    let pem = contents(file).map_err(fault)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|_| fault(Fault::Damaged))?;
    if found.is_empty() {
        Err(fault(Fault::Empty))
    } else {
        Ok(found)
    }
}

/// Which file is at fault when they do not make a server.
fn judged(error: Error) -> CertificateError {
    match error {
        Error::InconsistentKeys(_) => CertificateError { which: Which::Key, kind: Fault::Mismatch },
        Error::InvalidCertificate(_) => {
            CertificateError { which: Which::Certificate, kind: Fault::Damaged }
        }
        _ => CertificateError { which: Which::Key, kind: Fault::Damaged },
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, Fault> {
    // Looked at first: to open a pipe would wait for its other end.
    if !fs::metadata(path).map_err(Fault::Unreadable)?.is_file() {
        return Err(Fault::Irregular);
    }
    let file = File::open(path).map_err(Fault::Unreadable)?;
    let mut bytes = Vec::new();
    file.take(TLS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Fault::Unreadable)?;
    if bytes.len() as u64 > TLS_FILE_BYTES_MAX {
        return Err(Fault::TooLarge);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::peers::authority::Signed;

    fn folder(name: &str) -> PathBuf {
        let name = format!("streamcaster-certificate-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn made(folder: &Path, name: &str) -> TlsFiles {
        let Signed { certificate, key, .. } = Signed::by_itself(folder, name);
        TlsFiles { certificate, key }
    }

    fn wrong(certificate: &Path, key: &Path) -> (Which, String) {
        let files = TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        let error = files.load().expect_err("refused");
        (error.which, error.to_string())
    }

    #[test]
    fn what_is_wrong_is_said_of_the_right_file() {
        let folder = folder("wrong");
        let (one, other) = (made(&folder, "one"), made(&folder, "other"));
        assert!(one.load().is_ok());
        let empty = folder.join("empty");
        fs::write(&empty, "no PEM at all\n").unwrap();
        let damaged = folder.join("damaged");
        fs::write(&damaged, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            .unwrap();
        let missing = folder.join("missing");
        let large = folder.join("large");
        fs::write(&large, vec![b'\n'; TLS_FILE_BYTES_MAX as usize + 1]).unwrap();
        for (certificate, key, which, words) in [
            (&missing, &one.key, Which::Certificate, "cannot be read"),
            (&one.certificate, &missing, Which::Key, "cannot be read"),
            (&empty, &one.key, Which::Certificate, "no certificate in the file"),
            (&one.key, &one.key, Which::Certificate, "no certificate in the file"),
            (&one.certificate, &one.certificate, Which::Key, "no private key in the file"),
            (&one.certificate, &damaged, Which::Key, "damaged"),
            (&one.certificate, &other.key, Which::Key, "does not belong"),
            (&folder, &one.key, Which::Certificate, "not a file"),
            (&large, &one.key, Which::Certificate, "larger than"),
        ] {
            let (told, said) = wrong(certificate, key);
            assert_eq!(told, which, "{said}");
            assert!(said.contains(words), "{said}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn another_file_has_another_stamp() {
        let folder = folder("stamp");
        let files = TlsFiles { certificate: folder.join("c"), key: folder.join("k") };
        assert_eq!(files.stamp(), [None, None]);
        fs::write(&files.key, "a").unwrap();
        let before = files.stamp();
        assert!(before[0].is_none());
        assert!(before[1].is_some());
        fs::write(folder.join("new"), "b").unwrap();
        fs::rename(folder.join("new"), &files.key).unwrap();
        assert_ne!(files.stamp(), before);
        fs::remove_dir_all(folder).unwrap();
    }
}

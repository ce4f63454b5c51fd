//! The certificate that is served, and a new one when its files have changed. Purpose: the control page
//! and the RTMP port have the same one at the same time. Non-goals: what the files must be
//! (certificate). Bound: two servers' configurations; a connection keeps the one it began with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_rustls::rustls::ServerConfig;

use super::certificate::{CertificateError, Stamp, TlsFiles, TlsServers};

/// The certificate in force.
pub struct ServedCertificate {
    files: TlsFiles,
    known: Mutex<Known>,
}

struct Known {
    servers: TlsServers,
    /// Of the files that were looked at last, whatever was in them.
    stamp: Stamp,
}

impl ServedCertificate {
    /// Reads the files.
    ///
    /// # Errors
    /// As [`TlsFiles::load`].
    pub fn new(files: TlsFiles) -> Result<ServedCertificate, CertificateError> {
        let stamp = files.stamp();
        let servers = files.load()?;
        Ok(ServedCertificate { files, known: Mutex::new(Known { servers, stamp }) })
    }

    /// What the control page is served with.
    pub fn http(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.known().servers.http)
    }

    /// What the RTMP port is served with.
    pub fn rtmp(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.known().servers.rtmp)
    }

    /// Looks whether the files have changed, and takes what they have now; false: nothing has. Waits
    /// for the disk.
    ///
    /// # Errors
    /// What is wrong with them, once; the certificate before stays in force.
    pub fn look(&self) -> Result<bool, CertificateError> {
        let stamp = self.files.stamp();
        if stamp == self.known().stamp {
            return Ok(false);
        }
        let loaded = self.files.load();
        let mut known = self.known();
        known.stamp = stamp;
        known.servers = loaded?;
        Ok(true)
    }

    /// Never held while something is waited for.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

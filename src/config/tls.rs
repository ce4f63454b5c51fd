//! Certificates: of the control page both files or none, and they make a server; of authorities whose
//! signatures are believed when we connect to others.

use super::build::Build;
use crate::net::certificate::{AuthorityFile, TlsFiles, Which};

impl Build {
    /// Reads the files once, so that what is wrong with them shows with all else that is wrong.
    pub(super) fn resolve_tls(&mut self) {
        let draft = std::mem::take(&mut self.tls);
        let (certificate, key) = (self.origin("http.tls_certificate"), self.origin("http.tls_key"));
        let files = match (draft.certificate, draft.key) {
            (None, None) => return,
            // Beside the configuration, unless they say otherwise.
            (Some(certificate), Some(key)) => {
                TlsFiles { certificate: self.folder.join(certificate), key: self.folder.join(key) }
            }
            (Some(_), None) => {
                return self.fail(certificate, "expected tls_key beside it, the file with its key");
            }
            (None, Some(_)) => {
                let words = "expected tls_certificate beside it, the file with its certificate";
                return self.fail(key, words);
            }
        };
        match files.load() {
            Ok(_) => self.config.http.tls = Some(files),
            Err(error) => {
                let origin = if error.which == Which::Key { key } else { certificate };
                self.fail(origin, error.to_string());
            }
        }
    }

    /// Reads the file, once for the whole run.
    pub(super) fn resolve_authorities(&mut self) {
        let Some(file) = self.ca_file.take().map(|file| self.folder.join(file)) else { return };
        match AuthorityFile::read(file) {
            Ok(file) => self.config.authorities = Some(file),
            Err(error) => self.fail(self.origin("tls.ca_file"), error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config;

    fn wrong(lines: &str) -> String {
        config::parse(&format!("[http]\n{lines}\n")).unwrap_err().to_string()
    }

    #[test]
    fn it_is_both_files_or_none() {
        let said = wrong("tls_certificate = \"/a.pem\"");
        assert!(
            said.contains(":2: [http] tls_certificate = \"/a.pem\": expected tls_key"),
            "{said}"
        );
        let said = wrong("tls_key = \"/a.pem\"");
        assert!(said.contains(":2: [http] tls_key = \"/a.pem\": expected tls_cert"), "{said}");
        assert!(config::parse("[http]\n").unwrap().http.tls.is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_its_line() {
        let said = wrong("tls_key = \"/nowhere/k\"\ntls_certificate = \"/nowhere/c\"");
        assert!(said.contains(":3: [http] tls_certificate"), "{said}");
        assert!(said.contains("the file cannot be read: No such file"), "{said}");
        assert!(wrong("tls_key = \"\"\ntls_certificate = \"/c\"").contains("expected a path"));
    }
}

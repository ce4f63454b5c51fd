//! A configuration that has no password is given one. Purpose: the appliance's first start guards
//! what its owner wrote, with their lines, comments and order as they are, by the same edit and the
//! same check as a change on the page. Non-goals: making the password; reading and writing files,
//! which its caller does with other rights. Bound:
//! [`CONFIG_BYTES_MAX`](crate::base::limits::CONFIG_BYTES_MAX), as of any configuration.

use std::ffi::OsString;
use std::path::Path;

use toml_edit::DocumentMut;

use super::{document, EditError, SettingsError};
use crate::base::limits::CONFIG_BYTES_MAX;
use crate::config::{self, Arguments, Config, ConfigErrors};

/// The text of a valid configuration at `path`, with `hash` as its password.
///
/// # Errors
/// It is not valid, has a password already, or would not be valid with this hash.
pub fn with_password_hash(
    path: &Path,
    text: &str,
    hash: &str,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<String, SettingsError> {
    let load = |text: &str| -> Result<Config, ConfigErrors> {
        config::load_text(path, text, environment, &Arguments::default())
    };
    if load(text).map_err(SettingsError::Invalid)?.http.password_hash.is_some() {
        let what = "the password".to_owned();
        return Err(SettingsError::Edit(EditError::Elsewhere(what, "the configuration")));
    }
    let mut document: DocumentMut = text.parse().map_err(|_| SettingsError::Unknown)?;
    document::set(&mut document, "http", "password_hash", hash.into());
    let text = document.to_string();
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(SettingsError::TooLarge);
    }
    load(&text).map_err(SettingsError::Rejected)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";

    fn added(text: &str, hash: &str) -> Result<String, SettingsError> {
        with_password_hash(Path::new("config.toml"), text, hash, &|_| None)
    }

    #[test]
    fn every_line_stays_wherever_the_section_is_or_is_not() {
        for text in [
            "",
            "# mine\n",
            "[programme]\nsilence_ms = 700",
            "[http] # page\nlisten = \"0.0.0.0:8088\" # port\n\n[rtmp]\nviewers_max = 9\n",
            "http.listen = \"0.0.0.0:8088\"\n[programme]\n",
            "[[destination]]\nname = \"a\"\nurl = \"rtmp://a.example/live\"\nkey = \"abcdefgh\"\n",
            "[programme]\r\nsilence_ms = 700\r\n[http]\r\n# none yet\r\n",
        ] {
            let with = added(text, HASH).unwrap();
            assert_eq!(with.matches(HASH).count(), 1, "{with}");
            for line in text.lines() {
                assert!(with.lines().any(|kept| kept == line), "{line:?} is lost: {with:?}");
            }
            assert_eq!(
                config::parse(&with).unwrap().http.password_hash.unwrap().secret().expose(),
                HASH
            );
        }
        let inline = added("http = { listen = \"0.0.0.0:8088\" } # mine\n", HASH).unwrap();
        assert!(inline.contains(" # mine") && inline.contains(HASH), "{inline}");
        assert_eq!(inline.lines().count(), 1);
    }

    #[test]
    fn one_that_is_wrong_or_has_a_password_stays_as_it_is() {
        let own = format!("[http]\npassword_hash = '{HASH}'\n");
        assert!(matches!(added(&own, HASH), Err(SettingsError::Edit(_))));
        assert!(matches!(added("[htp]\n", HASH), Err(SettingsError::Invalid(_))));
        assert!(matches!(added("", "\"\n[x]"), Err(SettingsError::Rejected(_))));
        let long = "#".repeat(usize::try_from(CONFIG_BYTES_MAX).unwrap() - 8);
        assert!(matches!(added(&long, HASH), Err(SettingsError::TooLarge)));
    }
}

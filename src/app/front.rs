//! What the control plane needs to know of the settings: who may, and how that is written down.
//! Bound: nothing is kept here.

use std::path::Path;
use std::sync::Arc;

use log::{info, warn};

use super::StartError;
use crate::control::auth::calls::{NotStored, StoreHash};
use crate::control::auth::{self, Auth};
use crate::system::clock;
use crate::system::config::Config;
use crate::system::settings::{EditError, Settings, SettingsError};

/// Who may use the control page. Without the probe's token the program goes on: the probe then
/// asks as a stranger.
pub fn who_may(config: &Config, state: &Path) -> Result<Auth, StartError> {
    let probe = auth::issue_probe_token(state);
    let probe = probe.map_err(|error| {
        warn!("state/{} cannot be written: {error}", auth::PROBE_TOKEN_FILE);
    });
    let password = config.http.password_hash.clone();
    if password.is_none() {
        info!(
            "control: no password is set, so only this machine is answered; \
             `streamcaster hash-password` makes one"
        );
    }
    let known = Auth::new(password, probe.ok()).map_err(|cause| StartError {
        what: "there are no random numbers for the control page's sessions".to_owned(),
        hint: "",
        cause,
    })?;
    known.remember_in(state);
    known.offer(auth::Setup::load(state, clock::mono()));
    Ok(known)
}

/// Tells the revision of the settings without waiting for the disk.
pub fn revision(settings: &Settings) -> Arc<dyn Fn() -> String + Send + Sync> {
    let settings = settings.clone();
    Arc::new(move || settings.known_revision())
}

/// Writes the hash of a new password into the configuration.
pub fn store_hash(settings: &Settings) -> Box<StoreHash> {
    let settings = settings.clone();
    Box::new(move |hash| match settings.set_password_hash(hash) {
        Ok(_) => Ok(()),
        Err(
            error @ (SettingsError::Edit(EditError::Elsewhere(..)) | SettingsError::Invalid(_)),
        ) => Err(NotStored::Elsewhere(error.to_string())),
        Err(error) => Err(NotStored::Failed(error.to_string())),
    })
}

/// Looks whether somebody has edited the configuration; a password of theirs counts at once.
/// Waits for the disk.
pub fn follow(settings: &Settings, auth: &Auth) {
    settings.follow();
    auth.adopt(|| settings.current().http.password_hash.clone());
    auth.tend_setup(clock::mono(), clock::utc());
}

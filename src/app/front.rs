//! What the control plane needs to know of the settings: who may, and how that is written down.
//! Bound: nothing is kept here.

use std::path::Path;
use std::sync::Arc;

use log::{info, warn};

use super::start_error::StartError;
use crate::config::settings::{EditError, Settings, SettingsError};
use crate::config::Config;
use crate::control::api::session::{NotStored, StoreHash};
use crate::control::auth::{self, Auth, Code};
use crate::system::clock;
use crate::system::runtime;
use crate::system::terminal;

/// Who may use the control page. Without the probe's token the program goes on: the probe then
/// asks as a stranger.
pub fn who_may(config: &Config, data: &Path) -> Result<Auth, StartError> {
    let state = &data.join("state");
    // A first start's folder is not there yet, and has no name before.
    let _ = std::fs::create_dir_all(data);
    let probe = auth::issue_probe_token(state, runtime::own_token(data).as_deref());
    let probe = probe.map_err(|error| {
        warn!("state/{} cannot be written: {error}", auth::PROBE_TOKEN_FILE);
    });
    let password = config.http.password_hash.clone();
    let known = Auth::new(password, probe.ok()).map_err(|cause| StartError {
        what: "the system gives no random numbers, which the page's sessions need".to_owned(),
        hint: "",
        cause,
    })?;
    known.remember_in(state);
    // One of an earlier run, without a password.
    let _ = Code::remove(state);
    tend_code(&known, state);
    known.offer(auth::Setup::load(state, clock::mono()));
    Ok(known)
}

/// Sees to it that there is a code while there is no password, and none with one. Waits for the disk.
fn tend_code(auth: &Auth, state: &Path) {
    match (auth.is_password_set(), auth.has_code()) {
        (false, false) => match Code::new(state) {
            Ok(code) => offer_code(auth, code),
            Err(error) => warn!("control: no log-in code could be made: {error}"),
        },
        // Where its file stays it is good for nothing all the same; the next look tries again.
        (true, true) if Code::remove(state).is_ok() => auth.take_code(None),
        _ => {}
    }
}

/// Writes a code down and says where it stands; the code itself is for a terminal, not for the log.
fn offer_code(auth: &Auth, mut code: Code) {
    const LOOK: &str = "control: no password is set: the page can be viewed from this machine only";
    match code.write_down() {
        Ok(file) => info!(
            "{LOOK}; to change anything enter the code in {}, or set a password \
             (`streamcaster hash-password`)",
            file.display()
        ),
        Err(error) => warn!(
            "{LOOK}; its code for changing anything cannot be written to state/{}: {error}; set a \
             password (`streamcaster hash-password`)",
            auth::CODE_FILE
        ),
    }
    let shown = code.secret().expose();
    terminal::show(&format!("The page's code, until the program ends: {shown}"));
    auth.take_code(Some(code));
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
    tend_code(auth, settings.state_folder());
    auth.tend_setup(clock::mono(), clock::utc());
}

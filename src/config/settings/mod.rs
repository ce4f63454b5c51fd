//! The settings while the program runs. Purpose: `config.toml` is changed without losing what a
//! person wrote into it: it is read fresh for each change, edited with its comments and order,
//! validated whole with environment and arguments over it exactly as at the start, and only then
//! written, whole; the versions before are kept. What can take effect at once does, after the file:
//! the program's state follows the file, never the other way round. Non-goals: who may change
//! them, the words of HTTP. Bounds: one change at a time, a file of
//! [`CONFIG_CHANGED_BYTES_MAX`](crate::base::limits::CONFIG_CHANGED_BYTES_MAX), and
//! [`CONFIG_VERSIONS_MAX`](crate::base::limits::CONFIG_VERSIONS_MAX) versions. May wait for the
//! disk: never called on the data plane's thread.

pub mod destinations;
mod document;
mod edit;
mod error;
mod password;
mod versions;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use smol::channel::{bounded, Receiver, Sender};
use toml_edit::DocumentMut;

use crate::base::limits::CONFIG_CHANGED_BYTES_MAX;
use crate::base::revision;
use crate::config::catalogue::{self, SETTINGS};
use crate::config::{self, Arguments, Config, ConfigErrors, Destination, SetBy, Setting};
use crate::system::logs;
use crate::system::store;

pub use self::edit::put;
pub use self::error::{EditError, SettingsError};
pub use self::password::with_password_hash;
use self::versions::FoundFile;

/// Time a change waits for another one to be written.
const CONFIG_WAIT_MS_MAX: u64 = 3_000;

/// A name of the environment to its value.
pub type Environment = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// The name of the copy of what was taken last, in the folder for remembered state.
const TAKEN: &str = "config.taken";
/// Pause between two looks whether another change has ended.
const WAIT_STEP: Duration = Duration::from_millis(5);
/// What stands at the top of a file that the program has made.
const HEADER: &str = "# StreamCaster's settings. You may edit this file; the control page edits \
                      it, too, and leaves your comments where they are.\n\n";

/// What takes effect at once, all of it: a newer one takes the place of an older one.
#[derive(Clone, Debug, Default)]
pub struct LiveSettings {
    /// Where to push, each with a number; another number means a session of its own, new.
    pub destinations: Vec<(Destination, u64)>,
    /// How long a source may be silent.
    pub silence: Duration,
    /// The program is to restart.
    pub restart: bool,
}

/// What stands in the file now.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    /// The file's version.
    pub revision: String,
    /// What it says, with environment and arguments over it; the last valid version's if
    /// `errors` has something.
    pub config: Arc<Config>,
    /// The keys it has, as the catalogue names them.
    pub in_file: Vec<&'static str>,
    /// What is wrong with it, after somebody edited it.
    pub errors: Option<ConfigErrors>,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The file's new version.
    pub revision: String,
    /// Something in the file takes effect only when the program begins again.
    pub restart_needed: bool,
}

/// The settings of the running program; clones are the same.
#[derive(Clone)]
pub struct Settings(Arc<Inner>);

struct Inner {
    path: PathBuf,
    backups: PathBuf,
    folder: PathBuf,
    environment: Environment,
    arguments: Arguments,
    /// What the program was started with.
    started: Config,
    /// Held while the file is read and written.
    disk: Mutex<()>,
    state: Mutex<State>,
    live: Sender<Arc<LiveSettings>>,
}

struct State {
    /// The newest valid configuration that was applied.
    config: Arc<Config>,
    /// The version it was applied from; `None`: at the start.
    applied: Option<String>,
    /// The version found at the last look by [`Settings::follow`].
    seen: Option<String>,
    /// The version that is kept as the one that was taken last.
    kept: Option<String>,
    /// New sessions asked for so far, and the destinations that got one.
    sessions: Vec<(String, u64)>,
    restart: bool,
}

impl Settings {
    /// The settings in a data folder, of a program that was started with `config`; and where the
    /// data plane is told what to do.
    pub fn new(
        data: &Path,
        environment: Environment,
        arguments: Arguments,
        config: Config,
    ) -> (Settings, Receiver<Arc<LiveSettings>>) {
        let (live, told) = bounded(1);
        let state = State {
            config: Arc::new(config.clone()),
            applied: None,
            seen: None,
            kept: None,
            sessions: Vec::new(),
            restart: false,
        };
        let inner = Inner {
            path: data.join(config::FILE_NAME),
            folder: data.join("state"),
            backups: data.join("backups").join("config"),
            environment,
            arguments,
            started: config,
            disk: Mutex::default(),
            state: Mutex::new(state),
            live,
        };
        (Settings(Arc::new(inner)), told)
    }

    /// Tells the data plane what it was started for.
    pub fn begin(&self) {
        self.wish(&self.state());
    }

    /// The file's version now: the same bytes have the same. Empty when it cannot be read.
    pub fn revision(&self) -> String {
        let found = self.lock().and_then(|_held| self.read());
        found.map_or_else(|_| String::new(), |found| found.revision())
    }

    /// The file's version at the last look or change, without a look now: for anybody who must not
    /// wait. Empty before the first one.
    pub fn known_revision(&self) -> String {
        self.state().seen.clone().unwrap_or_default()
    }

    /// What is in force now, without a look at the file.
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.state().config)
    }

    /// The folder of what the program remembers by itself.
    pub fn state_folder(&self) -> &Path {
        &self.0.folder
    }

    /// What is in force where nobody says anything.
    pub fn defaults(&self) -> Config {
        config::defaults(&self.0.arguments)
    }

    /// What the program was started with.
    pub fn started(&self) -> &Config {
        &self.0.started
    }

    /// Who has said what a setting is.
    pub fn set_by(&self, setting: &Setting, file: &SettingsFile) -> SetBy {
        setting.set_by(&self.0.arguments, |name| self.environment_has(name), &file.in_file)
    }

    /// Whether the environment has a value by this name.
    fn environment_has(&self, name: &str) -> bool {
        (self.0.environment)(name).is_some_and(|value| !value.to_string_lossy().trim().is_empty())
    }

    /// Looks at what stands in the file now; changes nothing.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn look(&self) -> Result<SettingsFile, SettingsError> {
        let _held = self.lock()?;
        let found = self.read()?;
        let (config, errors) = match self.load(&found.text) {
            Ok(config) => (Arc::new(config), None),
            Err(errors) => (self.current(), Some(errors)),
        };
        let in_file = match (&errors, found.text.parse::<DocumentMut>()) {
            (None, Ok(document)) => edit::in_file(&document),
            _ => Vec::new(),
        };
        Ok(SettingsFile { revision: found.revision(), config, in_file, errors })
    }

    /// Changes the file with `edit`, then the program. `if_match`: only if the file has this
    /// version.
    ///
    /// # Errors
    /// Nothing was changed, neither the file nor the program.
    pub fn change(
        &self,
        if_match: Option<&str>,
        edit: impl FnOnce(&mut DocumentMut) -> Result<(), EditError>,
    ) -> Result<Changed, SettingsError> {
        self.change_from(if_match, |document, _| edit(document))
    }

    /// Writes down the hash of a new password.
    ///
    /// # Errors
    /// As [`Settings::change`]; the environment may say another.
    pub fn set_password_hash(&self, hash: &str) -> Result<Changed, SettingsError> {
        let set_by = |setting: &Setting| {
            setting.set_by(&self.0.arguments, |name| self.environment_has(name), &[])
        };
        self.change(None, |document| {
            if catalogue::row("http.password_hash").map(set_by) == Some(SetBy::Environment) {
                return Err(EditError::Elsewhere("the password".to_owned(), "the environment"));
            }
            document::set(document, "http", "password_hash", hash.into());
            Ok(())
        })
    }

    /// The same, for an edit that needs to know what the file says before.
    ///
    /// # Errors
    /// As [`change`](Settings::change).
    pub fn change_from(
        &self,
        if_match: Option<&str>,
        edit: impl FnOnce(&mut DocumentMut, &Config) -> Result<(), EditError>,
    ) -> Result<Changed, SettingsError> {
        let _held = self.lock()?;
        let found = self.read()?;
        let revision = found.revision();
        if if_match.is_some_and(|wanted| wanted != revision) {
            return Err(SettingsError::Changed { revision });
        }
        let before = self.load(&found.text).map_err(SettingsError::Invalid)?;
        let mut document: DocumentMut = found.text.parse().map_err(|_| SettingsError::Unknown)?;
        edit(&mut document, &before).map_err(SettingsError::Edit)?;
        let mut text = document.to_string();
        if !found.exists {
            text.insert_str(0, HEADER);
        }
        if text.len() > CONFIG_CHANGED_BYTES_MAX {
            return Err(SettingsError::TooLarge);
        }
        let config = self.load(&text).map_err(SettingsError::Rejected)?;
        if text != found.text {
            versions::keep(&self.0.backups, &found)
                .map_err(|cause| SettingsError::Disk { path: self.0.backups.clone(), cause })?;
            versions::replace(&self.0.path, &text)?;
        }
        let revision = revision::of(text.as_bytes());
        // Before anybody hears that it is taken: the power may fail then.
        self.keep_taken(&text, &revision);
        let restart_needed = self.needs_restart(&config);
        self.apply(config, &revision);
        Ok(Changed { revision, restart_needed })
    }

    /// Applies what a person has written into the file since: once it is valid and was found
    /// unchanged twice, so that nobody's half-saved file counts.
    pub fn follow(&self) {
        let Ok(_held) = self.lock() else { return };
        let Ok(found) = self.read() else { return };
        let revision = found.revision();
        let mut state = self.state();
        let settled = state.seen.as_ref() == Some(&revision);
        state.seen = Some(revision.clone());
        let was = state.applied.get_or_insert_with(|| revision.clone()).clone();
        let is_kept = !found.exists || state.kept.as_ref() == Some(&revision);
        drop(state);
        if !settled || (was == revision && is_kept) {
            return;
        }
        let file = self.0.path.display();
        match self.load(&found.text) {
            Ok(_) if was == revision => self.keep_taken(&found.text, &revision),
            Ok(config) => {
                self.keep_taken(&found.text, &revision);
                info!("{file} was edited: its changes take effect");
                if self.needs_restart(&config) {
                    warn!("{file}: some of its settings need a restart");
                }
                self.apply(config, &revision);
            }
            Err(errors) => {
                if was == revision {
                    return;
                }
                warn!("{file} was edited and is not valid; the program goes on as it was:");
                errors.iter().for_each(|error| warn!("{error}"));
                self.state().applied = Some(revision);
            }
        }
    }

    /// Keeps a copy of what was taken last, which is gone back to (by the appliance's `service`) when
    /// the file is one that the program does not start with. A disk that does not take it keeps the
    /// copy before.
    fn keep_taken(&self, text: &str, revision: &str) {
        let path = self.0.folder.join(TAKEN);
        match store::write_private(&path, text.as_bytes()) {
            Ok(()) => self.state().kept = Some(revision.to_owned()),
            Err(error) => debug!("{}: {error}", path.display()),
        }
    }

    /// Whether `config` says something that takes effect only when the program begins again.
    pub fn needs_restart(&self, config: &Config) -> bool {
        let started = &self.0.started;
        let waits = |setting: &Setting| setting.restart && (setting.differs)(config, started);
        SETTINGS.iter().any(waits)
    }

    /// Gives a destination a new session of its own.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn restart_destination(&self, name: &str) -> Result<(), EditError> {
        let mut state = self.state();
        if !state.config.destinations.iter().any(|known| known.name == name) {
            return Err(EditError::NotFound(name.to_owned()));
        }
        let number = 1 + state.sessions.iter().map(|(_, number)| *number).max().unwrap_or(0);
        state.sessions.retain(|(known, _)| known != name);
        state.sessions.push((name.to_owned(), number));
        self.wish(&state);
        Ok(())
    }

    /// Asks the program to end and to begin again.
    pub fn ask_restart(&self) {
        let mut state = self.state();
        state.restart = true;
        self.wish(&state);
    }

    /// Takes a configuration into force, as far as that needs no restart.
    fn apply(&self, config: Config, revision: &str) {
        logs::set_level(config.log.level);
        let mut state = self.state();
        let names = |name: &str| config.destinations.iter().any(|known| known.name == name);
        state.sessions.retain(|(name, _)| names(name));
        state.config = Arc::new(config);
        state.applied = Some(revision.to_owned());
        state.seen = Some(revision.to_owned());
        self.wish(&state);
    }

    fn wish(&self, state: &State) {
        let most = self.0.started.rtmp.destinations_max;
        let all = &state.config.destinations;
        if all.len() > most {
            warn!("{} destinations, {most} may be used until the next start", all.len());
        }
        let session = |name: &str| {
            let asked = state.sessions.iter().find(|(known, _)| known == name);
            asked.map_or(0, |(_, number)| *number)
        };
        let destinations = all.iter().take(most).map(|each| (each.clone(), session(&each.name)));
        let live = LiveSettings {
            destinations: destinations.collect(),
            silence: state.config.programme.silence,
            restart: state.restart,
        };
        // It fails only when the data plane has ended.
        let _ = self.0.live.force_send(Arc::new(live));
    }

    fn load(&self, text: &str) -> Result<Config, ConfigErrors> {
        config::load_text(&self.0.path, text, &self.0.environment, &self.0.arguments)
    }

    fn read(&self) -> Result<FoundFile, SettingsError> {
        versions::read(&self.0.path)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is one assignment after another; none is half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the file, but not behind a disk that hangs.
    fn lock(&self) -> Result<MutexGuard<'_, ()>, SettingsError> {
        let since = Instant::now();
        loop {
            match self.0.disk.try_lock() {
                Ok(held) => return Ok(held),
                Err(TryLockError::Poisoned(held)) => return Ok(held.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
            if since.elapsed() >= Duration::from_millis(CONFIG_WAIT_MS_MAX) {
                return Err(SettingsError::Busy);
            }
            thread::sleep(WAIT_STEP);
        }
    }
}

#[cfg(test)]
mod tests;

//! The file: TOML 1.0, with the line of everything that is wrong. What is common to
//! all sections is in `reading`.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use toml::de::{DeString, DeTable, DeValue};
use toml::Spanned;

use super::build::{Build, Listen};
use super::drafts::{DestinationDraft, PullDraft};
use super::errors::{quoted, Origin, Place};
use super::reading::{Reading, Section, Show};
use super::update::{self, WhenOffered, Window};
use super::{suggest, values};
use crate::base::limits::{
    CONFIG_BYTES_MAX, DESTINATIONS_MAX, HEALTH_S_MAX, LOG_FILES_MAX, LOG_FILE_BYTES_MAX,
    LOG_FILE_BYTES_MIN, RING_BYTES_MAX, RING_BYTES_MIN, SILENCE_MS_MAX, SILENCE_MS_MIN,
    UDP_RECEIVE_BUFFER_BYTES_MAX, UDP_RECEIVE_BUFFER_BYTES_MIN, VIEWERS_MAX, VIEWER_BATCH_MS_MAX,
};
use crate::net::network::Network;
use crate::system::store::{self, Links};

/// Bytes in a KiB and a MiB, as shifts.
const KIB: u32 = 10;
const MIB: u32 = 20;

impl Build {
    /// Reads the file; that there is none is no error.
    pub(super) fn read_file(&mut self, path: &Path) {
        match contents(path) {
            Ok(Some(text)) => self.read_text(path, &text),
            Ok(None) => {}
            Err(expected) => {
                let place = Place::file(path, 0);
                self.fail(Origin { place, key: String::new(), value: None }, expected);
            }
        }
    }

    /// Reads a document. One that is not TOML is not read any further: what the parser makes of
    /// the rest is guesswork.
    pub(super) fn read_text(&mut self, path: &Path, text: &str) {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reading = Reading { build: self, path, text };
        if errors.is_empty() {
            reading.document(document.get_ref());
        }
        for error in errors {
            let span = error.span().unwrap_or_default();
            let origin = reading.origin(&span, String::new(), Show::Nothing);
            let column = reading.column(&span);
            reading.build.fail(origin, format!("column {column}: not TOML: {}", error.message()));
        }
    }
}

/// The file's text; `None` if there is no file.
fn contents(path: &Path) -> Result<Option<String>, String> {
    let file = match store::open(path, Links::Followed) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be opened: {error}")),
    };
    let mut bytes = Vec::new();
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(format!("expected at most {CONFIG_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        format!("expected UTF-8 text, line {line} is not")
    })
}

impl Reading<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            match name.get_ref().as_ref() {
                "appliance" => self.section("appliance", name, value, Self::appliance),
                "programme" => self.section("programme", name, value, Self::programme),
                "input" => self.inputs(name, value),
                "rtmp" => self.section("rtmp", name, value, Self::rtmp),
                "http" => self.section("http", name, value, Self::http),
                "stat" => self.section("stat", name, value, Self::stat),
                "proxy" => self.section("proxy", name, value, Self::proxy),
                "log" => self.section("log", name, value, Self::log),
                "health" => self.section("health", name, value, Self::health),
                "update" => self.section("update", name, value, Self::update),
                "destination" => self.destinations(name, value),
                unknown => self.fail_at(name, quoted(unknown), &suggest::for_section(unknown)),
            }
        }
    }

    fn inputs(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let Some(inputs) = value.get_ref().as_table() else {
            let expected = "expected a section such as [input.udp]";
            return self.fail_at(name, "input".to_owned(), expected);
        };
        for (name, value) in inputs {
            match name.get_ref().as_ref() {
                "udp" => self.section("input.udp", name, value, Self::udp),
                "rtmp" => self.section("input.rtmp", name, value, Self::publish),
                "pull" => self.section("input.pull", name, value, |reading, section| {
                    let key = "[input.pull]".to_owned();
                    let whole = reading.origin(&name.span(), key, Show::Nothing);
                    reading.pull(section, whole);
                }),
                unknown => {
                    let words = suggest::for_input(unknown);
                    self.fail_at(name, format!("[input.{}]", quoted(unknown)), &words);
                }
            }
        }
    }

    fn appliance(&mut self, section: &Section<'_>) {
        if let Some((name, _)) = self.text(section, "name", values::machine_name) {
            self.build.config.appliance.name = Some(name);
        }
    }

    fn programme(&mut self, section: &Section<'_>) {
        let silence = |value: &DeValue<'_>| values::whole(value, SILENCE_MS_MIN..=SILENCE_MS_MAX);
        if let Some((ms, _)) = self.value(section, "silence_ms", Show::Value, silence) {
            self.build.config.programme.silence = Duration::from_millis(ms);
        }
        if let Some((fill, _)) = self.value(section, "fill_audio", Show::Value, values::boolean) {
            self.build.config.programme.fill_audio = fill;
        }
        let ring = |value: &DeValue<'_>| values::bytes(value, MIB, RING_BYTES_MIN, RING_BYTES_MAX);
        if let Some((bytes, _)) = self.value(section, "ring_mib", Show::Value, ring) {
            self.build.config.programme.ring_bytes = bytes;
        }
    }

    fn udp(&mut self, section: &Section<'_>) {
        self.listen(section, Listen::Udp);
        if let Some((interface, origin)) = self.text(section, "interface", values::interface) {
            self.build.config.udp.interface = Some(interface);
            self.build.interface = Some(origin);
        }
        if let Some(allow) = self.allow(section) {
            self.build.config.udp.allow = allow;
        }
        let number = |value: &DeValue<'_>| values::whole(value, 1..=u64::from(u16::MAX));
        if let Some((number, _)) = self.value(section, "programme", Show::Value, number) {
            self.build.config.udp.programme = u16::try_from(number).ok();
        }
        let (min, max) = (UDP_RECEIVE_BUFFER_BYTES_MIN, UDP_RECEIVE_BUFFER_BYTES_MAX);
        let buffer = |value: &DeValue<'_>| values::bytes(value, KIB, min, max);
        if let Some((bytes, _)) = self.value(section, "receive_buffer_kib", Show::Value, buffer) {
            self.build.config.udp.receive_buffer_bytes = bytes;
        }
    }

    fn publish(&mut self, section: &Section<'_>) {
        if let Some((enabled, _)) = self.value(section, "enabled", Show::Value, values::boolean) {
            self.build.config.publish.enabled = enabled;
        }
        let key = |value: &DeValue<'_>| values::publish_key(values::text(value)?);
        if let Some((key, _)) = self.value(section, "key", Show::Nothing, key) {
            self.build.config.publish.key = Some(key);
        }
        if let Some((who, _)) = self.text(section, "require_key", values::require_key) {
            self.build.config.publish.require_key = who;
        }
        let allow = self.value(section, "allow", Show::Nothing, values::networks_or_none);
        if let Some((allow, _)) = allow {
            self.build.config.publish.allow = allow;
        }
    }

    fn pull(&mut self, section: &Section<'_>, whole: Origin) {
        let key = |value: &DeValue<'_>| values::stream_key(values::text(value)?);
        let key = self.value(section, "key", Show::Nothing, key).map(|(key, _)| key);
        let url = |value: &DeValue<'_>| values::text(value).map(str::to_owned);
        let url = self.value(section, "url", Show::Nothing, url);
        let enabled = self.value(section, "enabled", Show::Value, values::boolean);
        if !section.table.contains_key("url") {
            self.build.fail(whole, "expected a url such as \"rtmp://host/live/stream\"");
        }
        let enabled = enabled.is_none_or(|(enabled, _)| enabled);
        self.build.pull = Some(PullDraft { url, key, enabled });
    }

    fn rtmp(&mut self, section: &Section<'_>) {
        self.listen(section, Listen::Rtmp);
        if let Some(viewers) = self.count(section, "viewers_max", 1, VIEWERS_MAX) {
            self.build.config.rtmp.viewers_max = viewers;
        }
        if let Some(most) = self.count(section, "destinations_max", 1, DESTINATIONS_MAX) {
            self.build.config.rtmp.destinations_max = most;
        }
        if let Some(most) = self.count(section, "batch_ms_max", 0, VIEWER_BATCH_MS_MAX) {
            self.build.config.rtmp.batch = Duration::from_millis(most as u64);
        }
        let play_key = |value: &DeValue<'_>| values::play_key(values::text(value)?);
        if let Some((key, _)) = self.value(section, "play_key", Show::Nothing, play_key) {
            self.build.config.rtmp.play_key = Some(key);
        }
        if let Some(allow) = self.allow(section) {
            self.build.config.rtmp.allow = allow;
        }
    }

    fn http(&mut self, section: &Section<'_>) {
        self.listen(section, Listen::Http);
        // Beside the configuration, unless they say otherwise.
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let files = ["tls_certificate", "tls_key"].map(|key| {
            let (path, origin) = self.text(section, key, values::path)?;
            Some((folder.join(path), origin))
        });
        self.build.tls = files;
        let hash = |value: &DeValue<'_>| values::password_hash(values::text(value)?);
        if let Some((hash, _)) = self.value(section, "password_hash", Show::Nothing, hash) {
            self.build.config.http.password_hash = Some(hash);
        }
        if let Some(allow) = self.allow(section) {
            self.build.config.http.allow = allow;
        }
    }

    fn stat(&mut self, section: &Section<'_>) {
        self.listen(section, Listen::Stat);
        if let Some(allow) = self.allow(section) {
            self.build.config.stat.allow = allow;
        }
    }

    fn proxy(&mut self, section: &Section<'_>) {
        if let Some((from, _)) = self.value(section, "from", Show::Nothing, values::proxies) {
            self.build.config.proxies = from;
        }
    }

    fn log(&mut self, section: &Section<'_>) {
        if let Some((level, _)) = self.text(section, "level", values::level) {
            self.build.config.log.level = level;
        }
        let range = LOG_FILE_BYTES_MIN >> KIB..=LOG_FILE_BYTES_MAX >> KIB;
        let size = |value: &DeValue<'_>| values::whole(value, range);
        if let Some((kib, _)) = self.value(section, "file_kib", Show::Value, size) {
            self.build.config.log.file_bytes = kib << KIB;
        }
        if let Some(files) = self.count(section, "files", 0, LOG_FILES_MAX) {
            self.build.config.log.files = files;
        }
    }

    fn health(&mut self, section: &Section<'_>) {
        let mut after = self.build.config.health;
        let mut number = |key, range| {
            let whole = |value: &DeValue<'_>| values::whole(value, range);
            self.value(section, key, Show::Value, whole).map(|(number, _)| number)
        };
        for (key, field) in [
            ("cpu_percent", &mut after.cpu_percent),
            ("cpu_baseline_percent", &mut after.cpu_baseline_percent),
            ("memory_percent", &mut after.memory_percent),
            ("disk_percent", &mut after.disk_percent),
        ] {
            *field = number(key, 1..=100).unwrap_or(*field);
        }
        for (key, field) in [
            ("standby_s", &mut after.standby),
            ("destination_grace_s", &mut after.destination_grace),
        ] {
            *field = number(key, 1..=HEALTH_S_MAX).map_or(*field, Duration::from_secs);
        }
        self.build.config.health = after;
    }

    fn update(&mut self, section: &Section<'_>) {
        let mut after = self.build.config.update.clone();
        if let Some((url, _)) = self.text(section, "url", update::url) {
            after.url = Some(url);
        }
        if let Some((install, _)) = self.text(section, "install", WhenOffered::parse) {
            after.install = install;
        }
        if let Some((window, _)) = self.text(section, "window", Window::parse) {
            after.window = window;
        }
        self.build.config.update = after;
    }

    fn destinations(&mut self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let expected = "expected [[destination]] in double brackets, once for each";
        let Some(list) = value.get_ref().as_array() else {
            return self.fail_at(name, "destination".to_owned(), expected);
        };
        for item in list.iter() {
            self.section("destination", name, item, |reading, section| {
                let whole =
                    reading.origin(&item.span(), "[[destination]]".to_owned(), Show::Nothing);
                reading.destination(section, whole);
            });
        }
    }

    fn destination(&mut self, section: &Section<'_>, whole: Origin) {
        let name = self.text(section, "name", values::name);
        let key = |value: &DeValue<'_>| values::stream_key(values::text(value)?);
        let key = self.value(section, "key", Show::Nothing, key);
        let url = |value: &DeValue<'_>| values::text(value).map(str::to_owned);
        let url = self.value(section, "url", Show::Nothing, url);
        let enabled = self.value(section, "enabled", Show::Value, values::boolean);
        if !section.table.contains_key("url") {
            self.build.fail(whole.clone(), "expected a url such as \"rtmp://host/app\"");
        }
        // A key that is wrong has been told; that there is none in the URL need not be.
        let key_is_wrong = key.is_none() && section.table.contains_key("key");
        self.build.drafts.push(DestinationDraft {
            whole,
            name,
            url: url.filter(|_| !key_is_wrong),
            key: key.map(|(key, _)| key),
            enabled: enabled.is_none_or(|(enabled, _)| enabled),
        });
    }

    fn listen(&mut self, section: &Section<'_>, which: Listen) {
        if let Some((address, origin)) = self.text(section, "listen", values::listen) {
            self.build.listen(which, address, origin);
        }
    }

    /// Networks that may connect, or whose datagrams are taken.
    fn allow(&mut self, section: &Section<'_>) -> Option<Vec<Network>> {
        self.value(section, "allow", Show::Nothing, values::networks).map(|(allow, _)| allow)
    }

    fn count(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        min: usize,
        max: usize,
    ) -> Option<usize> {
        let range = min as u64..=max as u64;
        let number = |value: &DeValue<'_>| values::whole(value, range);
        let (number, _) = self.value(section, key, Show::Value, number)?;
        usize::try_from(number).ok()
    }
}

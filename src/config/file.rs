//! The file: TOML 1.0, with the line of everything that is wrong. Values are taken from the
//! document's tree by hand, because a derived reader stops at the first error and repeats source
//! lines, keys included.

use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::de::{DeString, DeTable, DeValue};
use toml::Spanned;

use super::destinations::Draft;
use super::errors::quoted;
use super::values::{self, Parsed};
use super::Thresholds;
use super::{inputs, suggest, Build, Listen, Origin, Place};
use crate::base::limits::{
    CONFIG_BYTES_MAX, DESTINATIONS_MAX, LOG_FILES_MAX, LOG_FILE_BYTES_MAX, LOG_FILE_BYTES_MIN,
    RING_BYTES_MAX, RING_BYTES_MIN, SILENCE_MS_MAX, SILENCE_MS_MIN, UDP_RECEIVE_BUFFER_BYTES_MAX,
    UDP_RECEIVE_BUFFER_BYTES_MIN, VIEWERS_MAX, VIEWER_BATCH_MS_MAX,
};
use crate::net::network::Network;
use crate::system::store::{self, Links};

/// Bytes in a KiB and a MiB, as shifts.
const KIB: u32 = 10;
const MIB: u32 = 20;

/// Whether a value may be repeated in an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Value,
    Nothing,
}

/// A table of the document under the name its keys are known by.
pub(super) struct Section<'d> {
    name: &'static str,
    table: &'d DeTable<'d>,
}

/// A value that could be read, and where it stands.
pub(super) type Found<T> = Option<(T, Origin)>;

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

/// A document being read.
pub(super) struct Reading<'b> {
    build: &'b mut Build,
    path: &'b Path,
    text: &'b str,
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

    /// Reads a section, whatever is wrong in it, and names the keys it should not have.
    fn section<'d>(
        &mut self,
        name: &'static str,
        key: &Spanned<DeString<'_>>,
        value: &'d Spanned<DeValue<'d>>,
        read: impl FnOnce(&mut Self, &Section<'d>),
    ) {
        let heading = suggest::heading(name);
        let Some(table) = value.get_ref().as_table() else {
            return self.fail_at(key, name.to_owned(), &format!("expected a section {heading}"));
        };
        let known = suggest::keys(name);
        for (key, _) in table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let unknown = key.get_ref().as_ref();
            let words = suggest::for_key(name, unknown);
            self.fail_at(key, format!("{heading} {}", quoted(unknown)), &words);
        }
        read(self, &Section { name, table });
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
        self.build.pull = Some(inputs::Draft { url, key, enabled });
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

    /// What `[update]` says.
    pub(super) fn update_mut(&mut self) -> &mut super::UpdateConfig {
        &mut self.build.config.update
    }

    /// What `[health]` says.
    pub(super) fn thresholds_mut(&mut self) -> &mut Thresholds {
        &mut self.build.config.health
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
        self.build.drafts.push(Draft {
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

    pub(super) fn text<T>(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        parse: fn(&str) -> Parsed<T>,
    ) -> Found<T> {
        self.value(section, key, Show::Value, |value| parse(values::text(value)?))
    }

    /// Reads a key if it is there; what is wrong with its value is told.
    pub(super) fn value<T>(
        &mut self,
        section: &Section<'_>,
        key: &'static str,
        show: Show,
        parse: impl FnOnce(&DeValue<'_>) -> Parsed<T>,
    ) -> Found<T> {
        let value = section.table.get(key)?;
        let key = format!("{} {key}", suggest::heading(section.name));
        let origin = self.origin(&value.span(), key, show);
        match parse(value.get_ref()) {
            Ok(parsed) => Some((parsed, origin)),
            Err(expected) => {
                self.build.fail(origin, expected);
                None
            }
        }
    }

    fn fail_at(&mut self, name: &Spanned<DeString<'_>>, key: String, expected: &str) {
        let origin = self.origin(&name.span(), key, Show::Nothing);
        self.build.fail(origin, expected);
    }

    fn origin(&self, span: &Range<usize>, key: String, show: Show) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let source = self.text.get(span.clone()).filter(|_| show == Show::Value);
        Origin { place: Place::file(self.path, line), key, value: source.map(quoted) }
    }

    fn column(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        1 + before.rsplit('\n').next().unwrap_or_default().chars().count()
    }
}

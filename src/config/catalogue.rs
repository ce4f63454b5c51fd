//! Every setting there is, a row for each. Purpose: the one place where a setting is declared. The
//! reading of the file, the environment and the command line, the suggestions for a slip, the page, the
//! API and its document follow it, and tests hold the sample of the file and the page's words in both
//! languages against it. Non-goals: destinations, which are a list; what the settings are where nobody
//! says anything, which stands with their places in [`Config`](super::Config).
//!
//! To add one: its field in `model.rs` with its default, and its row here; what is missing then, the
//! tests say.

use std::sync::LazyLock;

use super::inputs::RequireKey;
use super::kept::{Measure, Shown};
use super::setting::{Kind, Setting, Variable};
use super::update::{self, WhenOffered, Window};
use super::values;
use crate::base::limits::{
    ALLOWED_NETWORKS_MAX, DESTINATIONS_MAX, HEALTH_S_MAX, LOG_FILES_MAX, LOG_FILE_BYTES_MAX,
    LOG_FILE_BYTES_MIN, PASSWORD_HASH_TEXT_BYTES_MAX, PLAY_KEY_BYTES_MIN, PUBLISH_KEY_BYTES_MIN,
    RING_BYTES_MAX, RING_BYTES_MIN, RTMP_NAME_BYTES_MAX, SILENCE_MS_MAX, SILENCE_MS_MIN,
    UDP_RECEIVE_BUFFER_BYTES_MAX, UDP_RECEIVE_BUFFER_BYTES_MIN, VIEWERS_MAX, VIEWER_BATCH_MS_MAX,
};
use crate::base::redact::MASK;

/// A row: the key, what it may be, and where in [`Config`](super::Config) it is kept. Numbers are given
/// their unit and the limits of what is kept, lists the fewest networks, secrets their bytes.
macro_rules! row {
    ($key:literal, number($unit:ident, $min:expr, $max:expr), $($at:ident).+) => {
        row!(@ Setting::whole($key, Measure::$unit, $min, $max), $($at).+,
            |setting, value| setting.number(value))
    };
    ($key:literal, flag, $($at:ident).+) => {
        row!(@ Setting::new($key, Kind::Boolean), $($at).+, |_setting, value| value.flag())
    };
    ($key:literal, text($parse:expr), $($at:ident).+) => {
        row!(@ Setting::new($key, Kind::Text), $($at).+,
            |_setting, value| value.text().and_then($parse).map(Into::into))
    };
    ($key:literal, choice($names:expr, $parse:expr), $($at:ident).+) => {
        row!(@ Setting::new($key, Kind::Choice($names)), $($at).+,
            |setting, value| setting.choice(value, $parse))
    };
    ($key:literal, networks($least:literal $(, $check:expr)?), $($at:ident).+) => {
        row!(@ Setting::new($key, Kind::List($least, ALLOWED_NETWORKS_MAX)), $($at).+,
            |setting, value| setting.networks(value)$(.and_then($check))?)
    };
    ($key:literal, secret($parse:expr, $min:expr, $max:expr), $($at:ident).+) => {
        row!(@ Setting::new($key, Kind::Secret($min, $max)), $($at).+,
            |setting, value| setting.secret(value, $parse).map(Some))
    };
    // One that is made of several keys: where each waits for the others, and where all of them are kept.
    (part $setting:expr, $($draft:ident).+ = |$of:ident, $value:ident| $parsed:expr,
        $($at:ident).+ => |$kept:ident| $shown:expr) => {
        Setting {
            write: |build, $of, $value| {
                build.$($draft).+ = Some($parsed?);
                Ok(())
            },
            show: |config, measure| {
                let $kept = &config.$($at).+;
                $shown.shown(measure)
            },
            differs: |one, other| one.$($at).+ != other.$($at).+,
            ..$setting
        }
    };
    (@ $setting:expr, $($at:ident).+, |$of:ident, $value:ident| $parsed:expr) => {
        Setting {
            write: |build, $of, $value| {
                build.config.$($at).+ = $parsed?;
                Ok(())
            },
            show: |config, measure| config.$($at).+.shown(measure),
            differs: |one, other| one.$($at).+ != other.$($at).+,
            ..$setting
        }
    };
}

/// All of them, in the order a person reads them; those of a section stand together.
pub static SETTINGS: [Setting; 43] = [
    row!("appliance.name", text(values::machine_name), appliance.name).live(),
    row!("programme.silence_ms", number(Ms, SILENCE_MS_MIN, SILENCE_MS_MAX), programme.silence)
        .live(),
    row!("programme.fill_audio", flag, programme.fill_audio),
    row!(
        "programme.ring_mib",
        number(MiB, RING_BYTES_MIN as u64, RING_BYTES_MAX as u64),
        programme.ring_bytes
    ),
    row!("input.udp.listen", text(values::listen), udp.listen)
        .environment(&[Variable::Host("UDP_HOST"), Variable::Port("UDP_PORT")])
        .argument("--udp", |given| given.udp.as_deref()),
    row!("input.udp.interface", text(values::interface), udp.interface),
    row!("input.udp.allow", networks(1), udp.allow),
    row!("input.udp.programme", number(Count, 1, u16::MAX as u64), udp.programme),
    row!(
        "input.udp.receive_buffer_kib",
        number(KiB, UDP_RECEIVE_BUFFER_BYTES_MIN as u64, UDP_RECEIVE_BUFFER_BYTES_MAX as u64),
        udp.receive_buffer_bytes
    ),
    row!("input.rtmp.enabled", flag, publish.enabled),
    row!(
        "input.rtmp.key",
        secret(values::query_key, PUBLISH_KEY_BYTES_MIN, RTMP_NAME_BYTES_MAX),
        publish.key
    ),
    row!(
        "input.rtmp.require_key",
        choice(&RequireKey::NAMES, RequireKey::parse),
        publish.require_key
    ),
    row!("input.rtmp.allow", networks(0), publish.allow),
    row!(
        part Setting::new("input.pull.enabled", Kind::Boolean),
        pull.enabled = |_setting, value| value.flag(),
        pull => |pull| pull.as_ref().is_none_or(|pull| pull.enabled)
    ),
    // The last segment of its address may be what keeps strangers out.
    row!(
        part Setting {
            needed: Some("expected a url such as \"rtmp://host/live/stream\""),
            ..Setting::new("input.pull.url", Kind::Secret(1, 4 * RTMP_NAME_BYTES_MAX))
        },
        pull.url = |setting, value| setting.secret(value, values::pulled),
        pull => |pull| pull.as_ref().map(|pull| format!("{}/{MASK}", pull.url))
    ),
    row!(
        part Setting::new("input.pull.key", Kind::Secret(1, RTMP_NAME_BYTES_MAX)),
        pull.key = |setting, value| setting.secret(value, values::stream_key),
        pull => |pull| pull.as_ref().and_then(|pull| pull.key.clone())
    ),
    row!("rtmp.listen", text(values::listen), rtmp.listen)
        .environment(&[Variable::Port("RTMP_PORT")])
        .argument("--rtmp", |given| given.rtmp.as_deref()),
    row!("rtmp.viewers_max", number(Count, 1, VIEWERS_MAX as u64), rtmp.viewers_max),
    row!("rtmp.destinations_max", number(Count, 1, DESTINATIONS_MAX as u64), rtmp.destinations_max),
    row!("rtmp.batch_ms_max", number(Ms, 0, VIEWER_BATCH_MS_MAX as u64), rtmp.batch),
    row!(
        "rtmp.play_key",
        secret(values::query_key, PLAY_KEY_BYTES_MIN, RTMP_NAME_BYTES_MAX),
        rtmp.play_key
    ),
    row!("rtmp.allow", networks(1), rtmp.allow),
    row!("http.listen", text(values::listen), http.listen)
        .environment(&[Variable::Port("PORT"), Variable::Port("HTTP_PORT")])
        .argument("--http", |given| given.http.as_deref()),
    row!(
        part Setting::new("http.tls_certificate", Kind::Text),
        tls.certificate = |_setting, value| value.text().and_then(values::path),
        http.tls => |tls| tls.as_ref().map(|files| files.certificate.clone())
    ),
    row!(
        part Setting::new("http.tls_key", Kind::Text),
        tls.key = |_setting, value| value.text().and_then(values::path),
        http.tls => |tls| tls.as_ref().map(|files| files.key.clone())
    ),
    Setting {
        own_calls: true,
        ..row!(
            "http.password_hash",
            secret(values::password_hash, 1, PASSWORD_HASH_TEXT_BYTES_MAX),
            http.password_hash
        )
    }
    .live()
    .environment(&[Variable::Whole("HTTP_PASSWORD_HASH")]),
    row!("http.allow", networks(1), http.allow),
    row!("stat.listen", text(values::listen), stat.listen)
        .environment(&[Variable::Port("STATS_PORT")])
        .argument("--stat", |given| given.stat.as_deref()),
    row!("stat.allow", networks(1), stat.allow),
    row!(
        part Setting::new("tls.ca_file", Kind::Text),
        ca_file = |_setting, value| value.text().and_then(values::path),
        authorities => |file| file.as_ref().map(|file| file.path.clone())
    ),
    row!("proxy.from", networks(0, values::proxies), proxies),
    row!("log.level", choice(&values::LEVELS, |text| text.parse().ok()), log.level)
        .live()
        .environment(&[Variable::Whole("LOG_LEVEL")])
        .argument("--log-level", |given| given.log_level.as_deref()),
    row!("log.file_kib", number(KiB, LOG_FILE_BYTES_MIN, LOG_FILE_BYTES_MAX), log.file_bytes),
    row!("log.files", number(Count, 0, LOG_FILES_MAX as u64), log.files),
    row!("health.cpu_percent", number(Percent, 1, 100), health.cpu_percent).live(),
    row!("health.cpu_baseline_percent", number(Percent, 1, 100), health.cpu_baseline_percent)
        .live(),
    row!("health.memory_percent", number(Percent, 1, 100), health.memory_percent).live(),
    row!("health.disk_percent", number(Percent, 1, 100), health.disk_percent).live(),
    row!("health.standby_s", number(S, 1, HEALTH_S_MAX), health.standby).live(),
    row!("health.destination_grace_s", number(S, 1, HEALTH_S_MAX), health.destination_grace).live(),
    // Another process reads these from the file by itself.
    row!("update.url", text(update::url), update.url).live(),
    row!("update.install", choice(&WhenOffered::NAMES, WhenOffered::parse), update.install).live(),
    row!("update.window", text(Window::parse), update.window).live(),
];

/// The keys of a destination, each of which is a section of its own in the file.
pub(super) const DESTINATION_KEYS: [&str; 9] = [
    "name",
    "url",
    "backup_url",
    "key",
    "enabled",
    "reconnect",
    "reconnect_after_h",
    "reconnect_pause_s",
    "on_warning",
];

/// The sections of the file with their keys, in the order of the rows; the list of destinations last.
pub(super) static SECTIONS: LazyLock<Vec<(&'static str, Vec<&'static str>)>> =
    LazyLock::new(|| {
        let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
        for (section, key) in SETTINGS.iter().map(Setting::path) {
            match sections.last_mut().filter(|(last, _)| *last == section) {
                Some((_, keys)) => keys.push(key),
                None => sections.push((section, vec![key])),
            }
        }
        sections.push(("destination", DESTINATION_KEYS.to_vec()));
        sections
    });

/// Those that the page and `/api/settings` show and change.
pub fn listed() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| !setting.own_calls)
}

/// Their keys.
pub static KEYS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| listed().map(|setting| setting.key).collect());

/// The one of these with a key.
pub fn find(key: &str) -> Option<&'static Setting> {
    row(key).filter(|setting| !setting.own_calls)
}

/// The one of all with a key.
pub(super) fn row(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

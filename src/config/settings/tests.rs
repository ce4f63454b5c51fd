use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};

use super::destinations::{add, edit, remove, Draft};
use super::*;
use crate::base::limits::{CONFIG_VERSIONS_MAX, THREAD_STACK_BYTES};
use crate::config::catalogue::find;
use crate::config::{OnWarning, Value};

const KEY: &str = "live_very_secret_key";

/// A data folder of a test's own, removed at its end.
struct Data(PathBuf);

impl Data {
    fn new(name: &str, text: &str) -> Data {
        let name = format!("streamcaster-settings-{}-{name}", std::process::id());
        let data = Data(std::env::temp_dir().join(name));
        let _ = fs::remove_dir_all(&data.0);
        fs::create_dir_all(&data.0).unwrap();
        if !text.is_empty() {
            data.write(text);
        }
        data
    }

    fn file(&self) -> PathBuf {
        self.0.join(config::FILE_NAME)
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn settings(&self) -> (Settings, Receiver<Arc<LiveSettings>>) {
        self.settings_with(&[])
    }

    fn settings_with(
        &self,
        variables: &'static [(&'static str, &'static str)],
    ) -> (Settings, Receiver<Arc<LiveSettings>>) {
        let environment = move |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let config = config::load(&self.0, &environment, &Arguments::default()).unwrap();
        Settings::new(&self.0, Box::new(environment), Arguments::default(), config)
    }

    fn versions(&self) -> Vec<PathBuf> {
        let folder = self.0.join("backups").join("config");
        let entries = fs::read_dir(folder).map(|all| all.flatten().map(|each| each.path()));
        let mut paths: Vec<_> = entries.map(Iterator::collect).unwrap_or_default();
        paths.sort();
        paths
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn silence(settings: &Settings, ms: u64) -> Result<Changed, SettingsError> {
    let values = [("programme.silence_ms".to_owned(), Value::Integer(ms))];
    settings.change(None, |document| put(document, &values))
}

fn draft(name: &str, url: &str, key: Option<&str>) -> Draft {
    let owned = |text: &str| Some(text.to_owned());
    Draft { name: owned(name), url: owned(url), key: key.and_then(owned), ..Draft::default() }
}

#[test]
fn what_was_taken_last_is_kept_before_anybody_hears_of_it() {
    let data = Data::new("taken", "# mine\n[programme]\nsilence_ms = 600\n");
    let kept = || fs::read_to_string(data.0.join("state").join(TAKEN)).unwrap_or_default();
    let (settings, _wishes) = data.settings();
    // What it was started with, once it is found unchanged.
    settings.follow();
    settings.follow();
    assert_eq!(kept(), data.text());
    silence(&settings, 700).unwrap();
    assert!(kept().contains("silence_ms = 700") && kept() == data.text());
    let mode = fs::metadata(data.0.join("state").join(TAKEN)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "there are keys in it");
    // What a person edits counts when it is valid.
    data.write("[htp]\n");
    for _ in 0..3 {
        settings.follow();
    }
    assert!(kept().contains("silence_ms = 700"));
    data.write("[programme]\nsilence_ms = 800\n");
    for _ in 0..2 {
        settings.follow();
    }
    assert_eq!(kept(), data.text());
    // A disk that does not take the copy takes the change all the same.
    fs::remove_file(data.0.join("state").join(TAKEN)).unwrap();
    fs::create_dir(data.0.join("state").join(TAKEN)).unwrap();
    silence(&settings, 900).unwrap();
    assert!(data.text().contains("silence_ms = 900"));
}

#[test]
fn only_lists_that_may_be_empty_are_emptied() {
    for (key, may) in [("proxy.from", true), ("input.rtmp.allow", true), ("input.udp.allow", false)]
    {
        let mut document = DocumentMut::new();
        let emptied = put(&mut document, &[(key.to_owned(), Value::List(Vec::new()))]);
        assert_eq!(emptied.is_ok(), may, "{key}");
        assert!(config::parse(&document.to_string()).is_ok(), "{key}");
    }
}

#[test]
fn all_that_is_wrong_with_a_change_is_said_at_once_and_nothing_is_changed() {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut document = DocumentMut::new();
    let values = [
        ("programme.silence_ms", Value::Integer(99)),
        ("http.listen", text("8080")),
        ("rtmp.play_key", text("••••1a2b")),
        ("http.allow", Value::List(Vec::new())),
        ("log.level", text("loud")),
        ("update.install", Value::Other),
        // It has a call of its own, that asks for the one before.
        ("http.password_hash", Value::None),
    ];
    let values = values.map(|(key, value)| (key.to_owned(), value));
    let Err(EditError::Keys(wrong)) = put(&mut document, &values) else { panic!("it is taken") };
    let wrong: Vec<_> = wrong.iter().map(|(key, why)| format!("{key}: {why}")).collect();
    let expected = [
        "programme.silence_ms: expected a whole number from 100 to 10000",
        "http.listen: expected an address and port such as 0.0.0.0:1935 or [::]:1935",
        "rtmp.play_key: expected a text in quotes, not what is shown of it",
        "http.allow: expected a list of 1 to 32 networks such as [\"10.0.0.0/8\"]",
        "log.level: expected one of error, warn, info, debug, trace, off",
        "update.install: expected a text in quotes",
        "http.password_hash: unknown; GET /api/settings lists all",
    ];
    assert_eq!(wrong, expected);
    assert_eq!(document.to_string(), "");
}

#[test]
fn a_restart_is_needed_for_what_says_so() {
    let data = Data::new("waits", "");
    let (settings, _wishes) = data.settings();
    let needs = |text: &str| settings.needs_restart(&config::parse(text).unwrap());
    assert!(!needs("[[destination]]\nurl = \"rtmp://h/app\"\nkey = \"k\"\n"));
    assert!(!needs("log.level = \"warn\"\nhealth.disk_percent = 1\nappliance.name = \"a\"\n"));
    assert!(needs("log.level = \"warn\"\nlog.files = 1\n"));
    let pull = |key: &str| format!("[input.pull]\nurl = \"rtmp://o/a/s\"\nkey = \"{key}\"\n");
    assert!(needs(&pull("k")));
    data.write("[rtmp]\nplay_key = \"secret-one-abcd\"\n");
    let (settings, _wishes) = data.settings();
    let other = config::parse("[rtmp]\nplay_key = \"secret-two-abcd\"\n").unwrap();
    assert!(settings.needs_restart(&other), "what is shown of both is the same");
}

#[test]
fn comments_and_order_stay_and_the_program_follows() {
    let before =
        "# mine\n[log]\nlevel = \"warn\" # quiet\n\n[programme]\n# short\nsilence_ms = 700 # ms\n";
    let data = Data::new("comments", before);
    let (settings, live) = data.settings();
    let changed = silence(&settings, 900).unwrap();
    assert!(!changed.restart_needed);
    assert_eq!(data.text(), before.replace("700", "900"));
    assert_eq!(changed.revision, settings.revision());
    assert_eq!(live.try_recv().unwrap().silence, Duration::from_millis(900));
    assert_eq!(fs::metadata(data.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = data.versions();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), before);
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let values = [("programme.silence_ms".to_owned(), Value::None)];
    settings.change(None, |document| put(document, &values)).unwrap();
    assert!(!data.text().contains("programme"), "an empty section goes");
    assert_eq!(settings.current().programme.silence, Duration::from_millis(500));
}

#[test]
fn a_missing_file_is_made_and_every_kind_of_section_is_edited() {
    let data = Data::new("missing", "");
    let (settings, _wishes) = data.settings();
    silence(&settings, 900).unwrap();
    assert!(data.text().starts_with("# StreamCaster's settings."), "{}", data.text());
    for text in ["programme.silence_ms = 5000\n", "programme = { silence_ms = 5000 }\n", ""] {
        data.write(text);
        silence(&settings, 900).unwrap();
        let values = [
            ("input.udp.programme".to_owned(), Value::Integer(7)),
            ("input.rtmp.allow".to_owned(), Value::List(vec!["10.0.0.0/8".to_owned()])),
        ];
        let changed = settings.change(None, |document| put(document, &values)).unwrap();
        assert!(changed.restart_needed);
        let config = settings.current();
        assert_eq!(config.programme.silence, Duration::from_millis(900), "{}", data.text());
        assert_eq!((config.udp.programme, config.publish.allow.len()), (Some(7), 1));
    }
}

#[test]
fn the_last_versions_are_kept() {
    let data = Data::new("versions", "[programme]\nsilence_ms = 500\n");
    let (settings, _wishes) = data.settings();
    for ms in 0..CONFIG_VERSIONS_MAX as u64 + 4 {
        silence(&settings, 600 + ms).unwrap();
        // Two in one millisecond are in the order of their revisions, which is none.
        thread::sleep(Duration::from_millis(2));
    }
    let kept = data.versions();
    assert_eq!(kept.len(), CONFIG_VERSIONS_MAX);
    let newest = fs::read_to_string(kept.last().unwrap()).unwrap();
    assert!(newest.contains(&(600 + CONFIG_VERSIONS_MAX + 2).to_string()), "{newest}");
}

#[test]
fn an_edit_by_hand_is_never_lost() {
    let data = Data::new("hand", "[programme]\nsilence_ms = 500\n");
    let (settings, _wishes) = data.settings();
    let old = settings.revision();
    data.write("# by hand\n[rtmp]\nviewers_max = 9\n[programme]\nsilence_ms = 501\n");
    let refused = settings.change(Some(&old), |_| Ok(()));
    assert!(matches!(refused, Err(SettingsError::Changed { revision }) if revision != old));
    assert!(silence(&settings, 800).unwrap().restart_needed);
    let text = data.text();
    assert!(text.contains("# by hand") && text.contains("= 9") && text.contains("= 800"), "{text}");
    data.write("[programme]\nsilence_ms = 1\n");
    assert!(matches!(silence(&settings, 800), Err(SettingsError::Invalid(_))));
    assert!(settings.look().unwrap().errors.is_some());
    assert_eq!(data.text(), "[programme]\nsilence_ms = 1\n");
    assert_eq!(settings.current().programme.silence, Duration::from_millis(800));
}

#[test]
fn an_edit_by_hand_is_followed_when_it_is_settled_and_valid() {
    let data = Data::new("follow", "[programme]\nsilence_ms = 500\n");
    let (settings, live) = data.settings();
    settings.follow();
    settings.follow();
    assert!(live.is_empty(), "nothing has changed");
    data.write("[programme]\nsilence_ms = 650\n");
    settings.follow();
    assert!(live.is_empty(), "it may be half saved");
    assert_eq!(settings.known_revision(), settings.revision());
    settings.follow();
    assert_eq!(live.try_recv().unwrap().silence, Duration::from_millis(650));
    data.write("[programme]\nsilence_ms = 1\n");
    settings.follow();
    settings.follow();
    assert!(live.is_empty());
    assert_eq!(settings.current().programme.silence, Duration::from_millis(650));
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let text = "[programme]\nsilence_ms = 500\n";
    let data = Data::new("refused", text);
    let (settings, live) = data.settings();
    let mode = |mode| fs::set_permissions(data.file(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o400);
    assert!(matches!(silence(&settings, 800), Err(SettingsError::ReadOnly(_))));
    mode(0o600);
    // In the place of the folder of versions stands something that is none.
    let _ = fs::remove_dir_all(data.0.join("backups"));
    fs::write(data.0.join("backups"), "x").unwrap();
    let refused = silence(&settings, 800).unwrap_err();
    assert!(matches!(refused, SettingsError::Disk { .. }), "{refused}");
    assert!(refused.to_string().contains("Nothing was changed"), "{refused}");
    fs::remove_file(data.0.join("backups")).unwrap();
    assert_eq!(data.text(), text);
    fs::rename(data.file(), data.0.join("other.toml")).unwrap();
    symlink("other.toml", data.file()).unwrap();
    assert!(matches!(silence(&settings, 800), Err(SettingsError::Link(_))));
    assert_eq!(data.text(), text);
    assert!(live.is_empty());
    let long = format!("#{}\n", "x".repeat(CONFIG_CHANGED_BYTES_MAX));
    fs::remove_file(data.file()).unwrap();
    data.write(&long);
    assert!(matches!(silence(&settings, 800), Err(SettingsError::TooLarge)));
}

#[test]
fn destinations_are_added_changed_and_removed_where_they_stand() {
    let forms = [
        "# top\n[[destination]] # one\nname = \"one\"\nurl = \"rtmp://h/app/live_very_secret_key\"\n",
        "destination = [{ name = \"one\", url = \"rtmp://h/app/live_very_secret_key\" }]\n",
    ];
    for text in forms {
        let data = Data::new("destinations", text);
        let (settings, live) = data.settings();
        let two = draft("two", "rtmp://other/app/instance/abcdefghijkl", None);
        settings.change_from(None, |d, before| add(d, before, 8, two.clone())).unwrap();
        let again = settings.change_from(None, |d, before| add(d, before, 8, two));
        assert!(matches!(again, Err(SettingsError::Edit(EditError::Exists(_)))));
        let config = settings.current();
        assert_eq!(config.destinations[1].url.app, "app/instance");
        assert_eq!(config.destinations[1].key.secret().expose(), "abcdefghijkl");
        let three = draft("three", "rtmp://x/y", Some("z"));
        let full = settings.change_from(None, |d, before| add(d, before, 2, three));
        assert!(matches!(full, Err(SettingsError::Edit(EditError::Full(2)))));
        let url = Draft { url: Some("rtmp://new/app".to_owned()), ..Draft::default() };
        settings.change_from(None, |d, before| edit(d, before, "one", url)).unwrap();
        let config = settings.current();
        assert_eq!(config.destinations[0].url.host, "new");
        assert_eq!(config.destinations[0].key.secret().expose(), KEY, "an absent key stays");
        let (enabled, on_warning) = (Some(false), Some("hold".to_owned()));
        let off = Draft { enabled, on_warning, ..Draft::default() };
        settings.change_from(None, |d, before| edit(d, before, "two", off)).unwrap();
        let told = live.try_recv().unwrap();
        assert!(told.destinations[0].0.enabled && !told.destinations[1].0.enabled);
        let on_warning = told.destinations.iter().map(|(each, _)| each.on_warning);
        assert_eq!(on_warning.collect::<Vec<_>>(), [OnWarning::Warn, OnWarning::Hold]);
        let masked = Draft { key: Some("••••ijkl".to_owned()), ..Draft::default() };
        let refused = settings.change_from(None, |d, before| edit(d, before, "two", masked));
        assert!(matches!(refused, Err(SettingsError::Edit(EditError::Keys(_)))));
        for name in ["one", "two"] {
            settings.change_from(None, |d, before| remove(d, before, name)).unwrap();
        }
        assert!(settings.current().destinations.is_empty() && !data.text().contains("url"));
        let gone = settings.change_from(None, |d, before| remove(d, before, "one"));
        assert!(matches!(gone, Err(SettingsError::Edit(EditError::NotFound(_)))));
    }
}

#[test]
fn what_the_environment_says_is_changed_there() {
    let data = Data::new("environment", "[[destination]]\nname = \"b\"\nurl = \"rtmp://h/a/k\"\n");
    let variables =
        &[("RTMP_SERVER", "rtmp://env/app"), ("STREAM_KEY", "k1"), ("LOG_LEVEL", "warn")];
    let (settings, live) = data.settings_with(variables);
    let refused = settings.change_from(None, |d, before| remove(d, before, "env"));
    assert!(matches!(refused, Err(SettingsError::Edit(EditError::Elsewhere(..)))));
    let off = Draft { enabled: Some(false), ..Draft::default() };
    settings.change_from(None, |d, before| edit(d, before, "b", off)).unwrap();
    let told = live.try_recv().unwrap();
    let told: Vec<_> = told.destinations.iter().map(|(it, _)| (&*it.name, it.enabled)).collect();
    assert_eq!(told, [("env", true), ("b", false)]);
    let file = settings.look().unwrap();
    let set_by = |key| settings.set_by(find(key).unwrap(), &file);
    assert_eq!((set_by("log.level"), set_by("http.listen")), (SetBy::Environment, SetBy::Default));
}

#[test]
fn a_restart_is_a_new_number_and_stays_wished() {
    let data = Data::new("restart", "[[destination]]\nname = \"b\"\nurl = \"rtmp://h/a/k\"\n");
    let (settings, live) = data.settings();
    assert!(settings.restart_destination("x").is_err());
    settings.restart_destination("b").unwrap();
    settings.restart_destination("b").unwrap();
    settings.ask_restart();
    silence(&settings, 900).unwrap();
    let told = live.try_recv().unwrap();
    assert!(told.restart && told.destinations[0].1 == 2 && live.is_empty());
}

#[test]
fn errors_show_no_secret_and_deep_nesting_fits_a_thread() {
    let data = Data::new("secrets", "[programme]\nsilence_ms = 500\n");
    let (settings, _wishes) = data.settings();
    let bad = draft("a", "rtmp://user:live_very_secret_key@h/app", Some("k"));
    let refused = settings.change_from(None, |d, before| add(d, before, 8, bad)).unwrap_err();
    assert!(!refused.to_string().contains(KEY), "{refused}");
    let bad = draft("a", "rtmp://h/live_very_secret_key", None);
    let refused = settings.change_from(None, |d, before| add(d, before, 8, bad)).unwrap_err();
    assert!(!refused.to_string().contains(KEY), "{refused}");
    data.write(&format!("x = {}1{}\n", "[".repeat(20_000), "]".repeat(20_000)));
    let builder = thread::Builder::new().stack_size(THREAD_STACK_BYTES);
    let looked = builder.spawn(move || silence(&settings, 800).is_err()).unwrap().join();
    assert_eq!(looked.ok(), Some(true));
}

use std::fs;
use std::path::PathBuf;

use std::time::Duration;

use log::LevelFilter;

use super::*;
use crate::base::limits::CONFIG_BYTES_MAX;

mod destinations;
mod rows;
mod statistics;

const REFERENCE: &str = include_str!("../../rootfs/etc/streamcaster/config.toml");
const KEY: &str = "live_very_secret_key";

/// Builds from a document, variables and arguments, as [`load`] does.
fn build(text: &str, variables: &[(&str, &str)], arguments: &Arguments) -> Result<Config, String> {
    let mut build = Build::default();
    build.read_text(Path::new("data/config.toml"), text);
    build.read_environment(&|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    });
    build.read_arguments(arguments);
    let result = build.finish().map_err(|errors| errors.to_string());
    if let Err(words) = &result {
        assert!(!words.contains("secret"), "a secret shows: {words}");
    }
    result
}

fn from_text(text: &str) -> Result<Config, String> {
    build(text, &[], &Arguments::default())
}

fn from_variables(variables: &[(&str, &str)]) -> Result<Config, String> {
    build("", variables, &Arguments::default())
}

fn names(config: &Config) -> Vec<&str> {
    config.destinations.iter().map(|destination| destination.name.as_str()).collect()
}

/// A folder of a test's own, removed at its end.
struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> TempDir {
        let name = format!("streamcaster-config-{}-{name}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        TempDir(dir)
    }

    fn load(&self) -> Result<Config, String> {
        load(&self.0, &|_| None, &Arguments::default()).map_err(|errors| errors.to_string())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The reference configuration with every setting switched on: the lines `#key = …` and
/// `#[section]`, whose `#` has no space behind it.
fn uncommented(reference: &str, wanted: impl Fn(&str) -> bool) -> String {
    let lines = reference.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') && wanted(setting) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_file_means_the_defaults() {
    let dir = TempDir::new("none");
    assert_eq!(dir.load(), Ok(Config::default()));
    let nowhere = load(&dir.0.join("absent"), &|_| None, &Arguments::default());
    assert_eq!(nowhere.unwrap(), Config::default());
}

#[test]
fn everything_can_be_said() {
    let config = from_text(
        r#"
        rtmp = { listen = "[::]:1936", viewers_max = 2_000, destinations_max = 0x02 }
        http.listen = "127.0.0.1:0"
        stat.listen = "127.0.0.1:0"
        [programme]
        silence_ms = 1000
        fill_audio = false
        ring_mib = 64
        [input.udp]
        listen = "239.1.2.3:5000"
        interface = "eth1"
        allow = ["192.0.2.0/24", "2001:db8::1"]
        programme = 0x65
        receive_buffer_kib = 8192
        [proxy]
        from = ["10.0.0.5", "10.1.0.0/16", "::1"]
        [log]
        level = "TRACE"
        file_kib = 16
        files = 0
        "#,
    )
    .unwrap();
    assert_eq!(config.rtmp.listen, "[::]:1936".parse().unwrap());
    assert_eq!((config.rtmp.viewers_max, config.rtmp.destinations_max), (2000, 2));
    assert_eq!(config.http.listen.port(), 0);
    assert_eq!(config.programme.silence, Duration::from_secs(1));
    assert!(!config.programme.fill_audio);
    assert_eq!(config.programme.ring_bytes, 64 << 20);
    assert_eq!(config.udp.listen, "239.1.2.3:5000".parse().unwrap());
    assert_eq!(config.udp.interface, Some(Interface::Name("eth1".to_owned())));
    let allow: Vec<String> = config.udp.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["192.0.2.0/24", "2001:db8::1/128"]);
    assert_eq!(config.udp.programme, Some(101));
    assert_eq!(config.udp.receive_buffer_bytes, 8 << 20);
    let proxies: Vec<String> = config.proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.5/32", "10.1.0.0/16", "::1/128"]);
    let log = LogConfig { level: LevelFilter::Trace, file_bytes: 16 << 10, files: 0 };
    assert_eq!(config.log, log);
}

#[test]
fn every_wrong_value_is_told_with_line_key_and_expectation() {
    let text = "[programme]\nsilence_ms = 50\nring_mib = 1.5\n[input.udp]\nlisten = \"1234\"\n\
        interface = \"a b\"\nallow = [\"10.0.0.0/8\", \"192.168.1.5/24\"]\nprogramme = 0\n\
        receive_buffer_kib = 1\n[rtmp]\nlisten = 1935\nviewers_max = 5000\n\
        destinations_max = -1\nplay_key = \"secret?\"\n[log]\nlevel = \"loud\"\nfiles = true\n\
        [proxy]\nfrom = [\"10.0.0.0/8\", \"::/0\"]\n";
    let told = from_text(text).unwrap_err();
    let expected = [
        "data/config.toml:2: [programme] silence_ms = 50: expected a whole number from 100 to 10000",
        "data/config.toml:3: [programme] ring_mib = 1.5: expected a whole number from 2 to 256",
        "data/config.toml:5: [input.udp] listen = \"1234\": expected an address and port such as \
         0.0.0.0:1935 or [::]:1935",
        "data/config.toml:6: [input.udp] interface = \"a b\": expected the name of a network \
         interface such as eth0, or one of its addresses",
        "data/config.toml:7: [input.udp] allow: 192.168.1.5/24: expected no bits set behind the \
         prefix length; did you mean 192.168.1.0/24?",
        "data/config.toml:8: [input.udp] programme = 0: expected a whole number from 1 to 65535",
        "data/config.toml:9: [input.udp] receive_buffer_kib = 1: expected a whole number from 256 \
         to 65536",
        "data/config.toml:11: [rtmp] listen = 1935: expected a text in quotes",
        "data/config.toml:12: [rtmp] viewers_max = 5000: expected a whole number from 1 to 2000",
        "data/config.toml:13: [rtmp] destinations_max = -1: expected a whole number from 1 to 32",
        "data/config.toml:14: [rtmp] play_key: expected 4 to 512 letters, digits and any of -._~",
        "data/config.toml:16: [log] level = \"loud\": expected one of error, warn, info, debug, \
         trace, off",
        "data/config.toml:17: [log] files = true: expected a whole number from 0 to 99",
        "data/config.toml:19: [proxy] from: ::/0: expected the addresses of your own proxies: \
         everybody would be believed",
    ];
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told, expected);
}

#[test]
fn unknown_keys_and_sections_are_told_with_the_nearest() {
    let text =
        "port = 1935\n[rtmp]\nviewer_max = 5\nkye = \"secret\"\n[input.upd]\nlisten = \"x\"\n\
        [outputs]\n[[destination]]\nurl = \"rtmp://h/app\"\nkey = \"k\"\nkeyy = \"secret\"\n";
    let told = from_text(text).unwrap_err();
    let told: Vec<&str> = told.lines().collect();
    assert!(told[0].starts_with("data/config.toml:1: port: unknown section; expected one of"));
    assert_eq!(
        told[1..],
        [
            "data/config.toml:3: [rtmp] viewer_max: unknown key; did you mean viewers_max?",
            "data/config.toml:4: [rtmp] kye: unknown key; expected one of listen, viewers_max, \
             destinations_max, batch_ms_max, play_key, allow",
            "data/config.toml:5: [input.upd]: unknown section; did you mean [input.udp]?",
            "data/config.toml:7: outputs: unknown section; expected one of [appliance], [programme], \
             [input.udp], [input.rtmp], [input.pull], [rtmp], [http], [stat], [tls], [proxy], [log], [health], \
             [update], [[destination]]",
            "data/config.toml:11: [[destination]] keyy: unknown key; did you mean key?",
        ]
    );
}

#[test]
fn sections_of_the_wrong_kind_are_told() {
    let text = "rtmp = 5\ninput = []\n[destination]\nurl = \"rtmp://h/a/secret\"\n";
    let told = from_text(text).unwrap_err();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "data/config.toml:1: rtmp: expected a section [rtmp]",
            "data/config.toml:2: input: expected a section such as [input.udp]",
            "data/config.toml:3: destination: expected [[destination]] in double brackets, once \
             for each",
        ]
    );
    let told =
        from_text("\"input.udp\".listen = \"[::]:1\"\ninput.\"udp.listen\" = 1\n").unwrap_err();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "data/config.toml:1: input.udp: unknown section; did you mean [input.udp]?",
            "data/config.toml:2: [input.udp.listen]: unknown section; expected one of [input.udp], \
             [input.rtmp], [input.pull]",
        ]
    );
}

#[test]
fn what_is_not_toml_is_told_without_the_line_itself() {
    let told =
        from_text("[rtmp]\nplay_key = secret\n[[destination]]\nkey = \"secret\n").unwrap_err();
    assert!(told.starts_with("data/config.toml:2: column 12: not TOML: "), "{told}");
    assert!(told.lines().any(|line| line.starts_with("data/config.toml:4: column ")), "{told}");
    let told = from_text("[http]\nlisten = \"a\"\nlisten = \"b\"\n").unwrap_err();
    assert!(told.starts_with("data/config.toml:3: column 1: not TOML: duplicate key"), "{told}");
    let deep = format!("x = {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(from_text(&deep).unwrap_err().contains("not TOML"));
}

#[test]
fn broken_documents_neither_panic_nor_show_keys() {
    let document = uncommented(REFERENCE, |_| true).replace("live_123", KEY);
    let lines: Vec<&str> = document.lines().filter(|line| !line.starts_with('#')).collect();
    let document = lines.join("\n");
    assert!(document.contains(KEY));
    let bytes = b"\"'[]{}=.,#\n\r\t \\x0-_";
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 16).unwrap() % below
    };
    for _ in 0..5000 {
        let mut broken = document.clone().into_bytes();
        for _ in 0..=next(3) {
            let place = next(broken.len());
            match next(3) {
                0 => broken[place] = bytes[next(bytes.len())],
                1 => broken.insert(place, bytes[next(bytes.len())]),
                _ => broken.truncate(broken.len() - next(5)),
            }
        }
        // `build` asserts that no secret shows.
        let _ = from_text(&String::from_utf8(broken).unwrap());
    }
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let dir = TempDir::new("unreadable");
    let file = dir.0.join(FILE_NAME);
    fs::write(&file, b"[rtmp]\n\xff").unwrap();
    let told = dir.load().unwrap_err();
    assert_eq!(told, format!("{}: expected UTF-8 text, line 2 is not", file.display()));
    fs::write(&file, vec![b'\n'; usize::try_from(CONFIG_BYTES_MAX).unwrap()]).unwrap();
    assert_eq!(dir.load(), Ok(Config::default()));
    fs::write(&file, vec![b'\n'; usize::try_from(CONFIG_BYTES_MAX).unwrap() + 1]).unwrap();
    assert!(dir.load().unwrap_err().ends_with("config.toml: expected at most 262144 bytes"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(dir.load().unwrap_err().contains("config.toml: cannot be opened: it is not a file"));
}

#[test]
fn the_environment_goes_over_the_file() {
    let text = "[input.udp]\nlisten = \"127.0.0.1:1\"\n[rtmp]\nlisten = \"127.0.0.1:2\"\n\
        [http]\nlisten = \"127.0.0.1:3\"\n[stat]\nlisten = \"127.0.0.1:4\"\n";
    let variables = [
        ("UDP_HOST", "239.0.0.1"),
        ("UDP_PORT", "11"),
        ("RTMP_PORT", "12"),
        ("PORT", "9"),
        ("HTTP_PORT", "13"),
        ("STATS_PORT", "14"),
        ("LOG_LEVEL", "debug"),
        ("TZ", "Asia/Tokyo"),
    ];
    let config = build(text, &variables, &Arguments::default()).unwrap();
    assert_eq!(config.udp.listen, "239.0.0.1:11".parse().unwrap());
    assert_eq!(config.rtmp.listen, "127.0.0.1:12".parse().unwrap());
    assert_eq!(config.http.listen, "127.0.0.1:13".parse().unwrap());
    assert_eq!(config.stat.listen, "127.0.0.1:14".parse().unwrap());
    assert_eq!(config.log.level, LevelFilter::Debug);
    let config = from_variables(&[("PORT", "9"), ("HTTP_PORT", ""), ("UDP_HOST", " ")]).unwrap();
    assert_eq!(config.http.listen.port(), 9, "empty values count as absent");
    assert_eq!(config.udp, UdpConfig::default());
}

#[test]
fn wrong_variables_are_told_without_secrets() {
    let told = from_variables(&[
        ("RTMP_PORT", "abc"),
        ("HTTP_PORT", "0"),
        ("STATS_PORT", "65536"),
        ("UDP_PORT", "+5"),
        ("UDP_HOST", "receiver"),
        ("LOG_LEVEL", "loud"),
        ("STREAM_KEY", "a_secret"),
        ("RELAY_TARGET", "rtmp://host/secret"),
    ])
    .unwrap_err();
    let expected = [
        "environment HTTP_PORT=0: expected a port from 1 to 65535",
        "environment LOG_LEVEL=loud: expected one of error, warn, info, debug, trace, off",
        "environment RELAY_TARGET: expected a stream key at the end: rtmp://host/app/key",
        "environment RTMP_PORT=abc: expected a port from 1 to 65535",
        "environment STATS_PORT=65536: expected a port from 1 to 65535",
        "environment STREAM_KEY: expected the server beside it, in RTMP_SERVER",
        "environment UDP_HOST=receiver: expected an IP address to listen on, such as 0.0.0.0",
        "environment UDP_PORT=+5: expected a port from 1 to 65535",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    let told = from_variables(&[("HTTP_PASSWORD_HASH", "a secret")]).unwrap_err();
    assert!(told.starts_with("environment HTTP_PASSWORD_HASH: expected"), "{told}");
    let told = from_variables(&[("RTMP_SERVER", "rtmp://host/secret")]).unwrap_err();
    assert_eq!(told, "environment RTMP_SERVER: expected the stream key beside it, in STREAM_KEY");
    let told = from_variables(&[("RTMP_SERVER", "rtmp://h/a"), ("STREAM_KEY", "a secret")]);
    assert!(told.unwrap_err().starts_with("environment STREAM_KEY: expected a stream key"));
}

#[test]
fn arguments_go_over_everything() {
    let arguments = Arguments {
        udp: Some("127.0.0.1:0".to_owned()),
        rtmp: Some("[::1]:21".to_owned()),
        http: Some("127.0.0.1:22".to_owned()),
        stat: Some("127.0.0.1:23".to_owned()),
        log_level: Some("off".to_owned()),
        is_appliance: false,
    };
    let variables = [("UDP_PORT", "5"), ("RTMP_PORT", "6"), ("LOG_LEVEL", "debug")];
    let config = build("[log]\nlevel = \"warn\"\n", &variables, &arguments).unwrap();
    assert_eq!(config.udp.listen, "127.0.0.1:0".parse().unwrap());
    assert_eq!(config.rtmp.listen, "[::1]:21".parse().unwrap());
    assert_eq!(config.http.listen, "127.0.0.1:22".parse().unwrap());
    assert_eq!(config.stat.listen, "127.0.0.1:23".parse().unwrap());
    assert_eq!(config.log.level, LevelFilter::Off);
}

#[test]
fn wrong_arguments_are_told() {
    let arguments = Arguments {
        udp: Some("1234".to_owned()),
        log_level: Some("all\n".to_owned()),
        ..Arguments::default()
    };
    let told = build("", &[], &arguments).unwrap_err();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "argument --log-level all\\n: expected one of error, warn, info, debug, trace, off",
            "argument --udp 1234: expected an address and port such as 0.0.0.0:1935 or [::]:1935",
        ]
    );
}

#[test]
fn two_servers_cannot_have_one_port() {
    assert_eq!(
        from_variables(&[("HTTP_PORT", "8081")]).unwrap_err(),
        "environment HTTP_PORT=8081: expected a port of its own, [stat] listen uses [::]:8081 \
         already"
    );
    let text = "[stat]\nlisten = \"127.0.0.1:9\"\n[http]\nlisten = \"[::]:9\"\n";
    assert_eq!(
        from_text(text).unwrap_err(),
        "data/config.toml:4: [http] listen = \"[::]:9\": expected a port of its own, [stat] listen \
         uses 127.0.0.1:9 already"
    );
    let apart = "[stat]\nlisten = \"127.0.0.1:9\"\n[http]\nlisten = \"127.0.0.2:9\"\n\
        [input.udp]\nlisten = \"127.0.0.1:9\"\n";
    assert!(from_text(apart).is_ok());
}

#[test]
fn a_group_is_joined_on_an_interface_of_its_family() {
    let text = |group: &str, interface: &str| {
        from_text(&format!("[input.udp]\nlisten = \"{group}\"\ninterface = \"{interface}\"\n"))
    };
    assert!(text("239.1.1.1:5", "eth0").is_ok());
    assert!(text("239.1.1.1:5", "10.0.0.1").is_ok());
    assert!(text("[ff02::1]:5", "eth0").is_ok());
    assert!(text("0.0.0.0:5", "::1").is_ok(), "no group, no interface needed");
    assert_eq!(
        text("239.1.1.1:5", "fe80::1").unwrap_err(),
        "data/config.toml:3: [input.udp] interface = \"fe80::1\": expected the name of an interface \
         or an IPv4 address, as the group 239.1.1.1 is"
    );
}

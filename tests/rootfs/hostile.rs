//! What a programme that was broken into may leave below /data, and may print: links, pipes, folders,
//! files without an end, a shell's, sed's and a terminal's own signs. Whatever it is, the scripts end,
//! root's files stay what they were, nothing of them becomes readable, and the console shows letters.
//! Run by root, the programme's user is another one, as on the machine; run by anybody else there is
//! one user, and what only rights keep apart is left to the suite `image`.

use std::fs::{self, File};
use std::os::unix::fs::{chown, symlink, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::supervision::{runs, GOOD};
use crate::world::World;

/// A user without rights: `nobody`.
const SERVICE: u32 = 65_534;
/// What only root may read: by its shape it could be a token, a code or a name.
const SECRET: &str = "rootonlysecret234567";
/// Names below /data that root's scripts know, and those beside them while they are written.
const NAMES: [&str; 9] = [
    "state/http.address",
    "state/probe.token",
    "state/setup",
    "state/setup.new",
    "config.toml",
    "config.toml.new",
    "config.toml.wrong",
    "state/config.taken",
    "../run/streamcaster/data.token",
];
/// Each script that runs beside the programme or before it.
const SCRIPTS: [&str; 8] =
    ["console", "name", "first", "service", "guard", "userdata", "data", "stop"];

/// Puts something in a file's place.
type Plant = fn(&World, &Path);

const PLANTS: [(&str, Plant); 10] = [
    ("a link to a secret", |world, path| link(world, "elsewhere/secret", path)),
    ("a link to a folder", |world, path| link(world, "elsewhere", path)),
    ("a link to nothing", |world, path| link(world, "elsewhere/made", path)),
    ("a pipe", |_, path| pipe(path)),
    ("a folder", |_, path| fs::create_dir_all(path.join("within")).expect("a folder")),
    ("a file without an end", |_, path| {
        File::create(path).and_then(|file| file.set_len(64 << 30)).expect("a sparse file");
    }),
    ("sed's signs", |world, path| {
        let made = world.path("elsewhere/made").display().to_string();
        write(path, format!("1:1|w {made}\n1w {made}\n#&\\1/e\n").as_bytes());
    }),
    ("a shell's signs", |world, path| {
        let made = world.path("elsewhere/made").display().to_string();
        let call = format!("touch {made}");
        write(
            path,
            format!("$({call})`{call}`;{call}\n-F{made}\n%s%n * ~ a[$({call})]").as_bytes(),
        );
    }),
    ("a terminal's signs", |_, path| {
        write(path, b"127.0.0.1:80\x1b[2J\x1b]0;x\x07\x9b31m\r\x08\0\xff\n\x1bc");
    }),
    ("nothing", |_, path| write(path, b"")),
];

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file");
}

fn link(world: &World, target: &str, path: &Path) {
    symlink(world.path(target), path).expect("a link");
}

fn pipe(path: &Path) {
    let made = Command::new("/bin/busybox").arg("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
}

/// Whether there can be a second user.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A machine at its first start, on air, whose programme's user is another one than root.
fn machine(name: &str) -> World {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // What one leaves running sees nothing of the next.
    let world = World::new(&format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    // Deadlines are real: a pipe is waited for. Not busybox's, which would take its own programs
    // before the stand-ins.
    world.program("timeout", "exec /usr/bin/timeout \"$@\"");
    if is_root() {
        let change = format!("/usr/bin/setpriv --reuid {SERVICE} --regid {SERVICE} --clear-groups");
        world.program("su", &format!("for word; do :; done\nexec {change} sh -c \"$word\""));
        world.program(
            "chown",
            &format!(
                "for word; do\nshift\ncase $word in\nstreamcaster:streamcaster) \
                 word={SERVICE}:{SERVICE} ;;\nroot:streamcaster) word=0:{SERVICE} ;;\nroot:root) \
                 word=0:0 ;;\nesac\nset -- \"$@\" \"$word\"\ndone\nexec /bin/busybox chown \"$@\""
            ),
        );
    }
    let rights = |path: &str, mode| {
        fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).expect("ours");
    };
    fs::create_dir_all(world.path("elsewhere/within")).expect("a folder");
    world.write("elsewhere/secret", &format!("{SECRET}\n"));
    rights("elsewhere/secret", 0o600);
    world.write("elsewhere/config.toml", "# root's own\n");
    rights("data", 0o1777);
    rights("data/system", 0o700);
    theirs(&world.path("data/state"));
    assert!(world.run("first", &[], &[]).status.success());
    world.write("run/appliance/started", "");
    world.write("run/appliance/network", "");
    // What the instance's owner gave it.
    world.program("nc", "cat > /dev/null; printf 'HTTP/1.1 200 OK\\r\\n\\r\\nAQ'");
    // A disk that is there already and cannot be found again: what stands on it is looked after.
    world.program("mount", "exit 0");
    world
}

/// Gives what stands there to the programme's user; a link itself, not what it leads to.
fn theirs(path: &Path) {
    if is_root() {
        std::os::unix::fs::lchown(path, Some(SERVICE), Some(SERVICE)).expect("root may");
        if path.is_dir() && !path.is_symlink() {
            for entry in fs::read_dir(path).expect("a folder") {
                theirs(&entry.expect("an entry").path());
            }
        }
    }
}

/// Puts the same in the place of everything the scripts know.
fn plant(world: &World, plant: Plant) {
    for name in NAMES {
        let path = world.path("data").join(name);
        let _ = fs::remove_file(&path);
        plant(world, &path);
        theirs(&path);
    }
}

/// Runs a script to its end; guards without one get a few rounds.
fn run(world: &World, script: &str) -> Output {
    let uptime = world.path("proc/uptime").display().to_string();
    world.write("proc/uptime", "100.00 50.00\n");
    match script {
        "service" => runs(world),
        "guard" => {
            let count = world.path("rounds").display().to_string();
            let text = format!("echo >> {count}\n[ $(wc -l < {count}) -lt 3 ] || kill $PPID");
            world.program("sleep", &text);
        }
        "data" => {
            world.write("proc/mounts", "");
            world.program("sleep", &format!("echo 900.00 > {uptime}"));
        }
        _ => world.program("sleep", "exit 0"),
    }
    let output = world.run(script, &[], &[("ONCE", "1")]);
    // busybox's `timeout` ends what hangs with SIGTERM.
    assert_ne!(output.status.code(), Some(143), "{script} does not end: {output:?}");
    output
}

/// All below a folder: names, kinds, owners, modes and contents.
fn seen(folder: &Path) -> Vec<String> {
    let mut list = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let own = fs::symlink_metadata(&path).expect("it is there");
            let content = if own.is_file() { fs::read(&path).expect("ours") } else { Vec::new() };
            list.push(format!("{} {} {:o} {content:?}", path.display(), own.uid(), own.mode()));
            if own.is_dir() {
                folders.push(path);
            }
        }
    }
    list.sort();
    list
}

/// Nothing of root's has changed, become readable, or been shown with anything but letters.
fn assert_unharmed(world: &World, before: &[String], output: &Output, what: &str) {
    assert_eq!(seen(&world.path("elsewhere")), before, "{what}");
    for entry in fs::read_dir(world.path("run/appliance")).expect("a folder") {
        let bytes = fs::read(entry.expect("an entry").path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!is_root() || !text.contains(SECRET), "{what}: {text}");
        assert!(bytes.len() <= 256 << 10, "{what}: {} bytes", bytes.len());
    }
    // What a console shows, now or later.
    let files = ["dev/kmsg", "run/appliance/data.warning", "run/appliance/config.warning"];
    let files = files.iter().chain(&["run/appliance/probe", "run/appliance/name"]);
    let read = |name: &&str| fs::read(world.path(name)).unwrap_or_default();
    for bytes in files.map(read).chain([output.stdout.clone()]) {
        let text = String::from_utf8_lossy(&bytes);
        let is_letter = |byte: &u8| *byte == b'\n' || (0x20..0x7f).contains(byte);
        assert!(bytes.iter().all(is_letter), "{what}: {text:?}");
        assert!(bytes.len() < 4096, "{what}: {text:?}");
        assert!(!is_root() || !text.contains(SECRET), "{what}: {text}");
    }
}

#[test]
fn whatever_stands_in_a_files_place_roots_files_stay_what_they_were() {
    for (kind, make) in PLANTS {
        for script in SCRIPTS {
            let what = format!("{script}, {kind}");
            let world = machine("planted");
            let before = seen(&world.path("elsewhere"));
            plant(&world, make);
            let output = run(&world, script);
            assert_unharmed(&world, &before, &output, &what);
        }
    }
}

/// The programme's user owns its folder and may put a link in its place at any time.
#[test]
fn a_folder_that_became_a_link_leads_nobody_elsewhere() {
    for script in SCRIPTS {
        let world = machine("folder");
        for name in ["http.address", "probe.token", "setup"] {
            world.write(&format!("elsewhere/{name}"), SECRET);
            let path = world.path("elsewhere").join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
        }
        let before = seen(&world.path("elsewhere"));
        fs::rename(world.path("data/state"), world.path("data/moved")).expect("theirs");
        link(&world, "elsewhere", &world.path("data/state"));
        theirs(&world.path("data/state"));
        let output = run(&world, script);
        assert_unharmed(&world, &before, &output, script);
    }
}

#[test]
fn the_first_configuration_takes_the_place_of_whatever_was_prepared_for_it() {
    for (kind, make) in PLANTS {
        let world = machine("prepared");
        let before = seen(&world.path("elsewhere"));
        plant(&world, make);
        let own = world.path("data/config.toml");
        fs::remove_dir_all(&own).or_else(|_| fs::remove_file(&own)).expect("it is there");
        let output = run(&world, "first");
        assert_unharmed(&world, &before, &output, kind);
        for (name, text) in [("config.toml", "password_hash"), ("state/setup", "$argon2id$")] {
            let path = world.path("data").join(name);
            let made = fs::symlink_metadata(&path).expect("it is made");
            assert!(made.is_file(), "{kind}: {name}: {made:?}");
            assert!(made.mode() & 0o777 == 0o600, "{kind}: {name}: {made:?}");
            assert!(!is_root() || made.uid() == SERVICE, "{kind}: {name}");
            assert!(fs::read_to_string(path).is_ok_and(|own| own.contains(text)), "{kind}: {name}");
        }
    }
}

#[test]
fn a_wrong_configuration_gives_way_whatever_it_is() {
    for (kind, make) in PLANTS {
        let world = machine("gives-way");
        world.write("data/system/config.good.B", GOOD);
        let before = seen(&world.path("elsewhere"));
        plant(&world, make);
        let output = run(&world, "service");
        assert_unharmed(&world, &before, &output, kind);
        let now = world.read("data/config.toml");
        match kind {
            // An empty one is right and gets a password; one that is not there is made.
            "nothing" | "a link to nothing" => {
                assert!(now.contains("password_hash"), "{kind}: {now}")
            }
            _ => assert_eq!(now, GOOD, "{kind}"),
        }
        assert_eq!(world.read("data/system/config.good.B"), GOOD, "{kind}");
    }
}

/// A disk that lost root's folder, and has another in its place by the next start.
#[test]
fn what_stands_in_the_place_of_roots_folder_goes_before_it_is_used() {
    type Replace = fn(&World, &Path);
    let kinds: [(&str, Replace); 4] = [
        ("a link", |world, path| link(world, "elsewhere", path)),
        ("a pipe", |_, path| pipe(path)),
        ("a file", |_, path| write(path, b"x")),
        ("a folder of another", |_, path| {
            fs::create_dir_all(path.join("firmware")).expect("a folder");
            chown(path, Some(SERVICE), Some(SERVICE)).expect("root may");
        }),
    ];
    for (kind, make) in kinds {
        if kind == "a folder of another" && !is_root() {
            continue;
        }
        let world = machine("own-folder");
        let before = seen(&world.path("elsewhere"));
        fs::remove_dir_all(world.path("data/system")).expect("ours");
        make(&world, &world.path("data/system"));
        for name in ["videos", "uploads"] {
            link(&world, "elsewhere", &world.path("data").join(name));
        }
        let output = run(&world, "data");
        assert_unharmed(&world, &before, &output, kind);
        let own = fs::symlink_metadata(world.path("data/system")).expect("a folder");
        let us = fs::metadata("/proc/self").expect("this process").uid();
        assert!(own.is_dir(), "{kind}: {own:?}");
        assert!(own.uid() == us, "{kind}: {own:?}");
        assert!(own.mode() & 0o777 == 0o700, "{kind}: {own:?}");
        let empty = fs::read_dir(world.path("data/system")).expect("a folder").next().is_none();
        assert!(empty, "{kind}");
        for name in ["state", "logs", "videos", "backups", "uploads"] {
            let folder = fs::symlink_metadata(world.path("data").join(name)).expect("a folder");
            assert!(folder.is_dir(), "{kind}: {name}");
            assert!((!is_root() || folder.uid() == SERVICE), "{kind}: {name}");
        }
    }
}

/// A process of the programme's user may be anything by the time root reads what it prints.
#[test]
fn what_a_check_or_a_probe_prints_is_taken_by_its_shape() {
    let world = machine("prints");
    let before = seen(&world.path("elsewhere"));
    let secret = world.path("elsewhere/secret").display().to_string();
    world.recorder("hostname");
    for text in [
        format!("echo 'name: -F{secret}'"),
        "echo 'name: a b'".to_owned(),
        "printf 'name: a\\nname: b\\n'".to_owned(),
        "printf 'name: \\033[2J\\n'".to_owned(),
        format!("echo name: {}", "a".repeat(64)),
        "exec yes name: a".to_owned(),
        "echo '  total  1e300 GiB'; echo 'x total inf B'; echo 'x total nan B'".to_owned(),
        "for n in 1 2 3; do echo \"x total a[\\$(touch made)] GiB\"; done".to_owned(),
        "for n in 1 2 3; do echo 'x total 99999999999999999999 GiB'; done".to_owned(),
        "for n in 1 2 3; do echo 'x total -9 GiB'; done".to_owned(),
        "printf '0 \\033]0;healthy\\007'; exit 1".to_owned(),
        "exec yes".to_owned(),
        "trap '' PIPE; while :; do echo healthy; done 2> /dev/null".to_owned(),
    ] {
        world.program("streamcaster", &format!("[ \"$1\" != version ] || exit 0\n{text}"));
        let _ = fs::remove_file(world.path("run/appliance/name.seen"));
        for script in ["name", "guard", "console"] {
            let output = run(&world, script);
            assert_unharmed(&world, &before, &output, &text);
            let _ = fs::remove_file(world.path("rounds"));
        }
        let named = world.read("hostname");
        assert!(named.lines().all(str::is_empty), "{text}: {named}");
        let probe = world.read("run/appliance/probe");
        assert!(probe.starts_with("3 no answer: the probe ended with"), "{text}: {probe}");
    }
}

#[test]
fn a_budget_is_a_number_of_bytes() {
    for total in ["1e300", "inf", "nan", "a[$(touch made)]", "99999999999999999999", "-9", "0x9"] {
        let world = machine("budget");
        runs(&world);
        let product = env!("CARGO_BIN_EXE_streamcaster");
        // The programme's own start takes its configuration.
        world.program(
            "streamcaster",
            &format!(
                "case $1 in check) for n in 1 2 3; do echo 'a total {total} GiB'; done ;; *) exec \
                 {product} \"$@\" ;; esac"
            ),
        );
        world.write("proc/meminfo", "MemTotal:         196608 kB\n");
        assert!(world.run("service", &[], &[]).status.success());
        let most = world.read("sys/fs/cgroup/streamcaster/memory.max");
        // More than the machine has is what the machine can give; what is no number is no limit.
        let given = ((192_u64 - 64) << 20).to_string();
        assert!(
            most.is_empty() || most.trim() == given || most.trim() == "50331648",
            "{total}: {most}"
        );
        assert!(!world.path("made").exists());
        assert!(!Path::new("made").exists());
    }
}

/// Fed by anybody else, it would no longer mean that the guard is there.
#[test]
fn the_watchdog_stays_with_root() {
    let world = machine("watchdog");
    symlink("/dev/null", world.path("dev/watchdog")).expect("a link");
    world.program("streamcaster", "[ ! -e /proc/self/fd/3 ] || echo held; echo healthy; exit 0");
    run(&world, "guard");
    assert_eq!(world.read("run/appliance/probe"), "0 healthy\n");
}

//! The first start: a password, and the instance's user data.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::world::World;

const HASH: &str = "password_hash = \"$argon2id$v=19$m=7168,t=5,p=1$";

/// A machine at its first start, on air, with its network there.
fn started(name: &str) -> World {
    let world = World::new(name);
    assert!(world.run("first", &[], &[]).status.success());
    world.write("run/appliance/started", "");
    world.write("run/appliance/network", "");
    world
}

/// An instance's metadata: a token for PUT, the user data for anybody who has it.
fn metadata(world: &World, user_data: &str) {
    world.write("user-data", user_data);
    let served = world.path("user-data").display().to_string();
    world.program(
        "nc",
        &format!(
            "request=$(cat)\ncase $request in\n\
             'PUT /latest/api/token '*ttl-seconds*) printf 'HTTP/1.1 200 OK\\r\\nA: b\\r\\n\\r\\nAQ-_=' ;;\n\
             'GET /latest/user-data '*'X-aws-ec2-metadata-token: AQ-_='*) \
             printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'; cat {served} ;;\n\
             *) printf 'HTTP/1.1 401 Unauthorized\\r\\n\\r\\nno' ;;\nesac"
        ),
    );
}

fn user_data(world: &World) -> Output {
    let output = world.run("userdata", &[], &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(!world.path("run/appliance/userdata.d").exists(), "the trial was left lying about");
    output
}

#[test]
fn a_password_is_made_shown_and_forgotten_once_there_is_another() {
    let world = started("first");
    let config = world.read("data/config.toml");
    assert!(config.contains("\n[http]\n"), "{config}");
    assert!(config.contains(HASH), "{config}");
    let mode = |path| world.path(path).metadata().expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("data/config.toml"), mode("data/system/first-password")), (0o600, 0o600));
    let setup = world.read("data/state/setup");
    let kept = world.read("data/system/first-password");
    let password = kept.lines().next().expect("a line");
    assert_eq!(password.len(), 12, "{password}");
    assert!(!config.contains(password));
    let lines: Vec<&str> = setup.lines().collect();
    let [code, told, hash, made] = lines.as_slice() else { panic!("{setup}") };
    assert!(code.len() == 12, "{setup}");
    assert!(*code != password, "{setup}");
    assert!(*told == password, "{setup}");
    assert!(config.contains(&format!("password_hash = \"{hash}\"\n")), "{setup}");
    assert_eq!((*made, mode("data/state/setup")), ("2000000000", 0o600));
    // Another start changes nothing.
    assert!(world.run("first", &[], &[]).status.success());
    assert_eq!(world.read("data/config.toml"), config);
    assert_eq!(world.read("data/system/first-password"), kept);
    assert_eq!(world.read("data/state/setup"), setup);
    // Somebody has set one.
    world.write("data/config.toml", "[http]\npassword_hash = \"another\"\n");
    assert!(world.run("first", &[], &[]).status.success());
    assert!(!world.path("data/system/first-password").exists());
    assert!(!world.path("data/state/setup").exists());
}

#[test]
fn a_configuration_without_a_password_is_given_one_and_keeps_its_lines() {
    for text in [
        "# mine\n[programme] # the studio's\nsilence_ms = 700 # short\n",
        "[http]\nlisten = \"0.0.0.0:8088\" # behind the router\n\n[rtmp]\nviewers_max = 9\n",
        "http = { listen = \"0.0.0.0:8088\" } # in one line\n",
        "",
    ] {
        let world = World::new("unguarded");
        world.write("data/config.toml", text);
        assert!(world.run("first", &[], &[]).status.success());
        let config = world.read("data/config.toml");
        let kept = world.read("data/system/first-password");
        let (password, hash) = kept.split_once('\n').expect("two lines");
        assert_eq!(config.matches(hash.trim().trim_matches('"')).count(), 1, "{config}");
        for line in text.lines().filter(|line| !line.starts_with("http =")) {
            assert!(config.lines().any(|own| own == line), "{line:?} is lost: {config}");
        }
        let setup = world.read("data/state/setup");
        assert_eq!(setup.lines().nth(1), Some(password), "{setup}");
        // The instance's user data has no say where the image brought a configuration.
        assert!(!world.path("run/appliance/first.toml").exists());
        // Another start changes nothing, and the password lost makes another.
        assert!(world.run("first", &[], &[]).status.success());
        assert_eq!(world.read("data/config.toml"), config);
        assert_eq!(world.read("data/system/first-password"), kept);
        world.write("data/config.toml", text);
        assert!(world.run("first", &[], &[]).status.success());
        let other = world.read("data/system/first-password");
        assert_ne!(other, kept);
        assert!(world.read("data/config.toml").contains("$argon2id$"));
    }
}

#[test]
fn one_that_is_wrong_or_cannot_be_written_is_left_and_the_console_says_what_to_do() {
    let world = World::new("unguarded-wrong");
    world.write("data/config.toml", "[htp]\n");
    assert!(world.run("first", &[], &[]).status.success());
    assert_eq!(world.read("data/config.toml"), "[htp]\n", "it gives way once it does not start");
    assert!(!world.path("data/system/first-password").exists());

    // A disk that can only be read: nothing of the programme's user is written.
    world.write("data/config.toml", "[programme]\n");
    world.write("run/appliance/started", "");
    world.program(
        "su",
        "for word; do :; done\ncase $word in *mv*) exit 1 ;; esac\nexec sh -c \"$word\"",
    );
    assert!(world.run("first", &[], &[]).status.success());
    assert!(world.run("name", &[], &[]).status.success());
    let screen = screen(&world);
    assert!(screen.contains("  page       nobody can open it: there is no password\n"), "{screen}");
    assert!(screen.contains("  what to do the data disk cannot be written"), "{screen}");
    assert!(!screen.contains("http://"), "{screen}");
    assert!(!screen.contains("  password "), "{screen}");
}

fn screen(world: &World) -> String {
    world.program("ip", "echo '2: eth0    inet 10.0.2.15/24 scope global eth0'");
    let output = world.run("console", &[], &[("ONCE", "1")]);
    String::from_utf8(output.stdout).expect("text")
}

/// A configuration that lost its password while the programme runs, and one whose page listens where
/// nobody else is.
#[test]
fn the_console_shows_no_page_that_nobody_can_open() {
    let world = World::new("no-page");
    world.write("run/appliance/started", "");
    let hash = "password_hash = \"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA\"";
    for (text, expected) in [
        (format!("[http]\n{hash}\n"), "  page       http://10.0.2.15:8080\n"),
        ("[programme]\n".to_owned(), "  what to do restart this machine: it makes a password and"),
        (
            format!("[http]\n{hash}\nlisten = \"127.0.0.1:8080\"\n"),
            "  what to do give [http] listen",
        ),
        (format!("[http]\n{hash}\nlisten = \"[::1]:8080\"\n"), "  what to do give [http] listen"),
        (format!("[http]\n{hash}\n# again\n"), "  page       http://10.0.2.15:8080\n"),
    ] {
        // As the page writes it: a new file in the old one's place.
        world.write("data/new", &text);
        std::fs::rename(world.path("data/new"), world.path("data/config.toml")).expect("renamed");
        assert!(world.run("name", &[], &[]).status.success());
        let screen = screen(&world);
        assert!(screen.contains(expected), "{text}: {screen}");
        assert_eq!(screen.contains("http://"), expected.contains("http://"), "{text}: {screen}");
    }
    std::fs::remove_file(world.path("data/config.toml")).expect("removed");
    assert!(world.run("name", &[], &[]).status.success());
    assert!(screen(&world).contains("nobody can open it"));
}

#[test]
fn root_follows_no_link_that_the_programmes_user_has_left() {
    let world = World::new("links");
    world.write("elsewhere", "mine\n");
    for name in ["setup", "setup.new"] {
        std::os::unix::fs::symlink(world.path("elsewhere"), world.path("data/state").join(name))
            .expect("a link");
    }
    assert!(world.run("first", &[], &[]).status.success());
    assert_eq!(world.read("elsewhere"), "mine\n");
    assert_eq!(world.read("data/state/setup").lines().count(), 4);
}

#[test]
fn the_name_is_the_configurations_and_the_lease_leaves_it_alone() {
    let world = World::new("name");
    world.recorder("hostname");
    let named = || assert!(world.run("name", &[], &[]).status.success());
    named();
    assert_eq!(world.read("hostname"), "", "there is no configuration");
    world.write("data/config.toml", "appliance = { name = \"studio-1\" } # mine\n");
    named();
    named();
    assert_eq!(world.read("hostname"), "studio-1\n", "once");
    let lease = [("interface", "eth0"), ("ip", "10.0.0.2"), ("mask", "24"), ("hostname", "other")];
    world.program("ip", "exit 0");
    assert!(world.run("lease", &["bound"], &lease).status.success());
    assert_eq!(world.read("hostname"), "studio-1\n");
    // Another, as the page writes it: a new file in the old one's place.
    world.write("data/new", "[appliance]\nname = \"studio-2\"\n");
    std::fs::rename(world.path("data/new"), world.path("data/config.toml")).expect("renamed");
    named();
    assert_eq!(world.read("hostname"), "studio-1\nstudio-2\n");
    // A wrong one names nothing, and none leaves it to the network.
    for text in ["[appliance]\nname = \"; reboot\"\n", "[programme]\n"] {
        world.write("data/new", text);
        std::fs::rename(world.path("data/new"), world.path("data/config.toml")).expect("renamed");
        named();
        assert_eq!(world.read("hostname"), "studio-1\nstudio-2\n", "{text}");
    }
    assert!(world.run("lease", &["bound"], &lease).status.success());
    assert!(world.read("hostname").ends_with("studio-2\nother\n"));
}

#[test]
fn two_machines_have_two_passwords() {
    let passwords = ["one", "two"].map(|name| started(name).read("data/system/first-password"));
    assert_ne!(passwords.first(), passwords.last());
}

#[test]
fn user_data_is_taken_with_the_consoles_password_where_it_has_none() {
    for text in [
        "[programme]\nsilence_ms = 700\n",
        "[http] # mine\nlisten = \"0.0.0.0:8088\"\n[programme]\nsilence_ms = 700",
        "[[destination]]\nname = \"a\"\nurl = \"rtmp://a.example/live\"\nkey = \"abcdefgh\"\n",
    ] {
        let world = started("userdata");
        let first = world.read("data/config.toml");
        let hash = first.lines().find(|line| line.starts_with("password_hash")).expect("a hash");
        metadata(&world, text);
        user_data(&world);
        let config = world.read("data/config.toml");
        assert_eq!(config.matches("[http]").count(), 1, "{config}");
        assert!(config.contains(hash), "{config}");
        assert!(text.lines().all(|line| config.contains(line)), "{config}");
        assert!(world.path("run/appliance/restart").exists());
    }
}

#[test]
fn user_data_with_a_password_of_its_own_is_taken_as_it_is() {
    let other = started("other").read("data/config.toml");
    let world = started("own");
    metadata(&world, &other);
    user_data(&world);
    assert_eq!(world.read("data/config.toml"), other);
}

#[test]
fn what_is_no_configuration_changes_nothing() {
    for text in
        ["#!/bin/sh\nreboot\n", "#cloud-config\nusers: []\n", "[htp]\n", "", "\u{1f}\u{8b}\0"]
    {
        let world = started("no-config");
        let before = world.read("data/config.toml");
        metadata(&world, text);
        user_data(&world);
        let taken = world.path("run/appliance/restart").exists();
        assert!(!taken, "{text:?} was taken");
        assert_eq!(world.read("data/config.toml"), before, "{text:?}");
    }
}

#[test]
fn nobody_there_a_strange_token_and_a_quicker_operator_change_nothing() {
    let world = started("nobody");
    let before = world.read("data/config.toml");
    for nc in ["exit 1", "printf 'HTTP/1.1 200 OK\\r\\n\\r\\na\\r\\nX: y'", "printf 'SSH-2.0'"] {
        world.program("nc", nc);
        user_data(&world);
        assert_eq!(world.read("data/config.toml"), before);
    }
    metadata(&world, "[programme]\nsilence_ms = 700\n");
    world.write("data/config.toml", "# the operator's\n");
    user_data(&world);
    assert_eq!(world.read("data/config.toml"), "# the operator's\n");
}

#[test]
fn root_keeps_the_first_password_it_sees_and_none_that_the_programme_sets() {
    let world = World::new("kept-password");
    crate::supervision::runs(&world);
    assert!(world.run("service", &[], &[]).status.success());
    let config = world.read("data/config.toml");
    let kept = world.read("data/system/password");
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    assert!(config.contains(kept.trim()), "{kept}");
    let mode = world.path("data/system/password").metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let other = "[http]\npassword_hash = \"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAA\"\n";
    world.write("data/config.toml", other);
    std::fs::remove_file(world.path("run/appliance/stopping")).expect("removed");
    assert!(world.run("service", &[], &[]).status.success());
    assert_eq!(world.read("data/system/password"), kept);
}

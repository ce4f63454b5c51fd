//! What DHCP says, as a stranger may say it.

use std::fs::{self, File};
use std::process::Command;

use crate::world::World;

const LEASE: [(&str, &str); 6] = [
    ("interface", "eth0"),
    ("ip", "172.26.3.4"),
    ("mask", "20"),
    ("router", "172.26.0.1"),
    ("dns", "172.26.0.2 172.26.0.3"),
    ("ntpsrv", "169.254.169.123"),
];

fn world(name: &str) -> World {
    let world = World::new(name);
    world.recorder("ip");
    world.recorder("hostname");
    world
}

#[test]
fn a_lease_becomes_address_route_names_and_mtu() {
    let world = world("lease");
    let more = [("mtu", "9001"), ("hostname", "ip-172-26-3-4.eu-central-1.compute.internal")];
    let output = world.run("lease", &["bound"], &[&LEASE[..], &more[..]].concat());
    assert!(output.status.success(), "{output:?}");
    let ip = world.read("ip");
    assert!(ip.contains("link set eth0 mtu 9001\n"), "{ip}");
    assert!(ip.contains("addr replace 172.26.3.4/20 broadcast + dev eth0\n"), "{ip}");
    assert!(ip.contains("route replace default via 172.26.0.1 dev eth0 metric 100\n"), "{ip}");
    let names = "nameserver 172.26.0.2\nnameserver 172.26.0.3\noptions timeout:2 attempts:2\n";
    assert_eq!(world.read("run/resolv.conf"), names);
    assert_eq!(world.read("run/appliance/ntp"), "169.254.169.123\n");
    assert_eq!(world.read("hostname"), "ip-172-26-3-4\n");
}

#[test]
fn what_is_no_number_address_or_name_is_left_out() {
    for (mtu, hostname) in [
        ("70", "a;reboot"),
        ("99999999999999999999", "-F /etc/shadow"),
        ("$(reboot)", "a\nb"),
        ("", "bad"),
        ("1e3", "localhost.localdomain"),
        ("0x500", "10.0.0.9"),
        ("1279", "-F"),
        ("9217", "a-"),
        ("-1", "a-.b"),
        ("1500 1400", "a..b"),
        ("", ".a"),
        ("", "a."),
        ("", "a_b"),
        ("", "a/../b"),
        ("", &"a".repeat(64)),
        ("", &vec!["a".repeat(60); 5].join(".")),
        ("", "\u{1b}[2J"),
    ] {
        let world = world("strange-lease");
        let strange = [
            ("mtu", mtu),
            ("hostname", hostname),
            ("interface", "eth0"),
            ("ip", "10.0.0.2"),
            ("mask", "8; reboot"),
            ("router", "`reboot` 10.0.0.1 ../x"),
            ("dns", "$(reboot) 192.0.2.1;reboot 10.0.0.3"),
            ("ntpsrv", "-d 10.0.0.256 224.0.1.1 127.0.0.1 1.2.3 1.2.3.4.5 010.0.0.1 10.0.0.4"),
        ];
        let output = world.run("lease", &["bound"], &strange);
        assert!(output.status.success(), "{output:?}");
        let ip = world.read("ip");
        assert!(!ip.contains("mtu"), "{ip}");
        assert!(!ip.contains("reboot"), "{ip}");
        assert!(ip.contains("addr replace 10.0.0.2/24 "), "{ip}");
        assert!(ip.contains("default via 10.0.0.1 "), "{ip}");
        assert_eq!(world.read("hostname"), "");
        assert!(world.read("run/resolv.conf").starts_with("nameserver 10.0.0.3\noptions "));
        assert_eq!(world.read("run/appliance/ntp"), "10.0.0.4\n");
    }
}

#[test]
fn a_server_that_says_no_takes_nothing_away() {
    let world = world("nak");
    world.write("run/resolv.conf", "nameserver 10.0.0.3\n");
    for word in ["deconfig", "leasefail", "nak"] {
        assert!(world.run("lease", &[word], &LEASE).status.success());
    }
    let no_address = world.run("lease", &["bound"], &[("interface", "eth0"), ("ip", "::1")]);
    assert!(!no_address.status.success());
    assert!(!world.read("ip").contains("addr"), "{}", world.read("ip"));
    assert_eq!(world.read("run/resolv.conf"), "nameserver 10.0.0.3\n");
}

/// What `offer` hands on for a lease, as udhcpc calls it.
fn offered(world: &World, word: &str, lease: &[(&str, &str)]) -> Vec<u8> {
    let record = world.path("record");
    let script = world.path("usr/lib/appliance/offer");
    let status = Command::new("/bin/sh")
        .args(["-c", "exec /bin/sh \"$0\" \"$1\" 9> \"$2\""])
        .args([script.as_os_str(), word.as_ref(), record.as_os_str()])
        .env_clear()
        .envs([("ROOT", world.path("")), ("TEST_PATH", world.path("programs"))])
        .envs(lease.iter().copied())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{lease:?}");
    fs::read(record).expect("a record")
}

/// What root makes of such records.
fn taken(world: &World, records: &[u8]) {
    fs::write(world.path("records"), records).expect("records");
    let script = world.path("usr/lib/appliance/leases");
    let status = Command::new("/bin/sh")
        .args([script.as_os_str(), "eth0".as_ref()])
        .env_clear()
        .envs([("ROOT", world.path("")), ("TEST_PATH", world.path("programs"))])
        .stdin(File::open(world.path("records")).expect("records"))
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn a_lease_comes_to_root_as_a_record_of_a_fixed_length() {
    let world = world("record");
    let more = [("mtu", "9001"), ("hostname", "studio")];
    let record = offered(&world, "bound", &[&LEASE[..], &more[..]].concat());
    assert_eq!(record.len(), 1024);
    assert!(offered(&world, "deconfig", &LEASE).is_empty());
    // The card is root's own choice, whatever the record's user says.
    let renewed =
        offered(&world, "renew", &[("interface", "eth9"), ("ip", "10.0.0.9"), ("mask", "8")]);
    taken(&world, &[record, renewed].concat());
    let ip = world.read("ip");
    assert!(ip.contains("addr replace 172.26.3.4/20 broadcast + dev eth0\n"), "{ip}");
    assert!(ip.contains("addr replace 10.0.0.9/8 broadcast + dev eth0\n"), "{ip}");
    assert!(ip.contains("link set eth0 mtu 9001\n"), "{ip}");
    assert!(!ip.contains("eth9"), "{ip}");
    assert_eq!(world.read("hostname"), "studio\n");
    assert_eq!(world.read("dev/kmsg"), "");
}

#[test]
fn a_record_that_is_none_changes_nothing() {
    let world = world("no-record");
    let mut endless = vec![b'x'; 3000];
    endless.extend([0, 0x1b, b'\n']);
    taken(&world, &endless);
    let whole = offered(&world, "bound", &LEASE);
    taken(&world, whole.get(..900).expect("it is longer"));
    let crafted = format!("{:<1023}.", "reboot\nip=10.0.0.2\nend");
    taken(&world, crafted.as_bytes());
    let long = "9".repeat(300);
    let shell = format!("$(reboot)`reboot`;{long}");
    let strange =
        LEASE.map(|(name, value)| (name, if name == "dns" { shell.as_str() } else { value }));
    taken(&world, &offered(&world, "bound", &strange));
    let ip = world.read("ip");
    assert!(ip.contains("172.26.3.4/20"), "{ip}");
    assert!(!ip.contains("10.0.0.2"), "{ip}");
    assert_eq!(world.read("run/resolv.conf"), "");
    let said = world.read("dev/kmsg");
    assert!(said.contains("an invalid record"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_name_has_the_shape_of_one() {
    for (name, own) in [
        ("studio-1", "studio-1"),
        ("badge", "badge"),
        ("a.bad", "a"),
        ("9to5.example", "9to5"),
        ("xn--nxasmq6b.example.com", "xn--nxasmq6b"),
        (&"a".repeat(63), &"a".repeat(63)),
    ] {
        let world = world("named-lease");
        let lease = [&LEASE[..], &[("hostname", name)]].concat();
        assert!(world.run("lease", &["bound"], &lease).status.success());
        assert_eq!(world.read("hostname"), format!("{own}\n"));
    }
}

/// A machine with one card, whose DHCP client ends the script that runs it, as does the pause before
/// routers are listened to again.
fn with_a_card(name: &str, record: &str) -> World {
    let world = world(name);
    world.write("sys/class/net/eth0/device/vendor", "x\n");
    for (family, card) in [("ipv4", "all"), ("ipv4", "eth0"), ("ipv6", "lo"), ("ipv6", "eth0")] {
        world.write(&format!("proc/sys/net/{family}/conf/{card}/accept_redirects"), "1\n");
    }
    let calls = world.path("dhcp").display().to_string();
    world.program("udhcpc", &format!("echo \"$*\" >> {calls}\nexec kill -TERM $PPID"));
    world.program(
        "sleep",
        "[ \"$1\" != 5 ] || exec kill -TERM $PPID\nexec /bin/busybox sleep \"$1\"",
    );
    world.program(
        "streamcaster",
        &format!(
            "case $1 in\nname-servers) printf '%s' '{record}' ;;\nas) shift 4; exec \"$@\" ;;\nesac"
        ),
    );
    world
}

/// As `streamcaster name-servers` writes it.
fn record(words: &str) -> String {
    format!("{words:<159}\n")
}

#[test]
fn routers_name_servers_beside_dhcp_and_no_card_takes_redirects() {
    let both = [record("dns"), record("dns fe80::1%2 fd00::53")].concat();
    let world = with_a_card("routers", &both);
    assert!(world.run("network", &[], &[]).status.success());
    for path in ["ipv4/conf/all", "ipv4/conf/eth0", "ipv6/conf/lo", "ipv6/conf/eth0"] {
        assert_eq!(world.read(&format!("proc/sys/net/{path}/accept_redirects")), "0\n", "{path}");
    }
    assert!(world.read("ip").contains("link set eth0 up"), "{}", world.read("ip"));
    assert!(world.read("dhcp").starts_with("-f -R -i eth0 "), "{}", world.read("dhcp"));
    let options = "options timeout:2 attempts:2\n";
    let own = "nameserver fe80::1%2\nnameserver fd00::53\n";
    assert_eq!(world.read("run/resolv.conf"), format!("{own}{options}"));
    // Two of DHCP's and one of the routers', whichever comes first.
    assert!(world.run("lease", &["bound"], &LEASE).status.success());
    let both = "nameserver 172.26.0.2\nnameserver 172.26.0.3\nnameserver fe80::1%2\n";
    assert_eq!(world.read("run/resolv.conf"), format!("{both}{options}"));
    assert!(world.run("network", &[], &[]).status.success());
    assert_eq!(world.read("run/resolv.conf"), format!("{both}{options}"));
}

#[test]
fn what_is_said_of_routers_is_taken_by_its_shape_and_a_record_at_a_time() {
    for words in [
        "nameserver fd00::1",
        "dns $(reboot) ;reboot `reboot` -F /etc/shadow * 10.0.0.1 fd00::1;x FD00::1 g::1 %2 ::1%",
        "dns fd00::1\nnameserver fd00::2",
        &format!("dns {}", "a:".repeat(70)),
        &"x".repeat(159),
        &"x".repeat(70_000),
    ] {
        let world = with_a_card("strange-routers", &record(words));
        assert!(world.run("network", &[], &[]).status.success());
        let conf = world.read("run/resolv.conf");
        // Whatever stands between them, addresses are all that is taken.
        let taken = "nameserver fd00::1\nnameserver fd00::2\noptions timeout:2 attempts:2\n";
        let expected = if words.contains('\n') { taken } else { "" };
        assert_eq!(conf, expected, "{words:?}");
        assert!(world.path("dhcp").exists(), "{words:?}: no card comes up");
    }
}

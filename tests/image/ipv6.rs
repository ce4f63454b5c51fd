//! A network of IPv6 alone, end to end: an address by a router's advertisement, a DNS server by it too,
//! a programme that comes in by IPv6 and goes on by IPv6 to a destination with a name.

use std::net::Ipv6Addr;

use crate::machine::{Card, Disk, Machine, Parts, USUAL};
use crate::media::{Media, PLAIN};
use crate::program::Program;
use crate::router::{Router, ADDRESS, NAME};
use crate::sender::{Schedule, Sender};
use crate::shell::Shell;
use crate::wait::{holds, poll};
use crate::PATIENCE;

#[test]
fn where_there_is_ipv6_only_it_is_reached_named_and_pushes_by_name() {
    let media = Media::of(PLAIN);
    let router = Router::start();
    let disk = Disk::open("ipv6");
    let parts = Parts { card: Card::Ipv6 { wire: router.wire }, ..USUAL };
    let machine = Machine::start(&disk, parts);
    let shell = Shell::of(&machine, 0);
    shell.on_air_after("true");
    // A tentative address cannot be reached, by the machine itself neither (RFC 4862, 5.4).
    let own = || {
        let said = shell.run("ip -6 -o addr show scope global");
        let usable = said.lines().filter(|line| !line.contains("tentative"));
        let mut words = usable.flat_map(str::split_ascii_whitespace);
        words.find_map(|word| word.split_once('/')?.0.parse::<Ipv6Addr>().ok())
    };
    let own = poll(PATIENCE, own).expect("an address by the router's advertisement");
    assert!(own.to_string().starts_with("fd00:5c:"), "{own}");
    assert_eq!(shell.run("ip -4 -o addr show scope global"), "");
    println!("IPv6 only: {own} {:.1?} after power-on", machine.power_on.elapsed());
    let redirects = "cat /proc/sys/net/ipv[46]/conf/*/accept_redirects | sort -u";
    assert_eq!(shell.run(redirects), "0");

    // Console and page.
    let screen = shell.screen();
    assert!(
        screen.contains(&format!("address    {own}\r\n"))
            || screen.contains(&format!("address    {own}\n")),
        "{screen}"
    );
    assert!(screen.contains(&format!("page       http://[{own}]:8080")), "{screen}");
    // The statistics answer this machine alone, by its own address of IPv6 too.
    let (own_page, loopback) = (format!("[{own}]:8080/api/health"), "[::1]:8081/health".to_owned());
    for place in [own_page, loopback] {
        let said = shell.run(&format!("wget -q -O - 'http://{place}'; echo =$?"));
        assert!(said.ends_with("=0"), "{place}: {said}");
        assert!(said.len() > 5, "{place}: {said}");
    }
    let shows =
        || ask(&shell, "GET", "/api/status", "").contains(&format!("\"addresses\":[\"{own}\"]"));
    assert!(holds(PATIENCE, shows), "{}", ask(&shell, "GET", "/api/status", ""));

    // Who is asked for names, and by which card.
    let said = || shell.run("cat /run/resolv.conf").contains(&format!("nameserver {ADDRESS}%"));
    assert!(holds(PATIENCE, said), "{}", shell.run("cat /run/resolv.conf; ps"));
    let user = shell.run("ps -o user,args | grep [n]ame-servers");
    assert!(user.contains("resolver"), "{user}");
    assert!(
        !user
            .lines()
            .any(|line| line.starts_with("root") && line.contains("exec") && !line.contains("su ")),
        "{user}"
    );

    // In by IPv6, out by IPv6 and by name.
    let origin = Program::start_at("[::1]:0", "");
    let body = format!(
        "{{\"name\":\"origin\",\"url\":\"rtmp://{NAME}:{}/live\",\"key\":\"stream\"}}",
        origin.rtmp.port()
    );
    let made = ask(&shell, "POST", "/api/destinations", &body);
    assert!(made.contains(" 201 ") || made.contains(" 200 "), "{made}");
    let sender = Sender::start(Schedule::of(&media.path), router.feed);
    origin.wait_on_air("rtmp", PATIENCE);
    assert!(router.was_asked_for(NAME), "another way led there");
    let on_air =
        || ask(&shell, "GET", "/api/status", "").contains("\"current_video_source\":\"udp\"");
    assert!(holds(PATIENCE, on_air), "{}", ask(&shell, "GET", "/api/status", ""));
    println!(
        "IPv6 only: UDP in, pushed by name, {:.1?} after power-on",
        machine.power_on.elapsed()
    );
    sender.stop();
}

/// Asks the API on the machine itself, by the probe's token.
fn ask(shell: &Shell<'_>, method: &str, path: &str, body: &str) -> String {
    shell.run(&format!(
        "printf '{method} {path} HTTP/1.0\\r\\nHost: localhost\\r\\nAuthorization: Bearer %s\\r\\n\
         Content-Type: application/json\\r\\nContent-Length: {}\\r\\n\\r\\n%s' \
         $(cat /run/streamcaster/data.token) '{body}' | nc 127.0.0.1 8080",
        body.len()
    ))
}

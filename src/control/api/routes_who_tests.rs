//! Who may ask for what: this machine, strangers, other sites, with and without a password.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::control::auth::Code;
use crate::system::password::PasswordHash;

/// Of each route one request, and what it is without a password when this machine asks.
const ALL: [(&str, &str, &str); 13] = [
    ("GET", "/", ""),
    ("GET", "/api/status", ""),
    ("GET", "/api/health", ""),
    ("GET", "/api/videos", ""),
    ("GET", "/api/playlists", ""),
    ("GET", "/api/session", ""),
    ("POST", "/api/switch", r#"{"video":"a"}"#),
    ("POST", "/api/stop", ""),
    ("POST", "/api/playout", r#"{"action":"next"}"#),
    ("PUT", "/api/playlists/a", r#"{"files":["a"]}"#),
    ("DELETE", "/api/playlists/a", ""),
    ("POST", "/api/logout", ""),
    ("POST", "/api/password", r#"{"new":"x"}"#),
];

fn order_by(auth: &Arc<Auth>, caller: Caller<'_>, request: (&str, &str, &str)) -> (bool, Answer) {
    let (method, target, body) = request;
    let asked = Asked { caller, ..asked(Port::Http, method, target, body.as_bytes()) };
    let backend = backend(auth, &sample::on_air(), sample::MOMENT);
    let (command, answer) = ask_backend(backend, &asked, &well());
    (command.is_some(), answer)
}

#[test]
fn without_a_password_only_this_machine_is_answered() {
    let far = Caller { peer: "203.0.113.9".parse().ok(), ..OWN_PAGE };
    let near = Caller { peer: "192.168.1.9".parse().ok(), ..OWN_PAGE };
    let unknown = Caller { peer: None, ..OWN_PAGE };
    let proxied = Caller { is_forwarded: true, ..OWN_PAGE };
    let rebound = Caller { host: "evil.example", origin: "http://evil.example", ..OWN_PAGE };
    for (caller, code) in [
        (far, "PASSWORD_NOT_SET"),
        (near, "PASSWORD_NOT_SET"),
        (unknown, "PASSWORD_NOT_SET"),
        (proxied, "PASSWORD_NOT_SET"),
        (rebound, "FORBIDDEN"),
    ] {
        for request in ALL {
            let (ordered, answer) = order_by(&open(), caller, request);
            assert_eq!((ordered, answer.status), (false, 403), "{request:?} {caller:?}");
            assert_eq!(value(&answer)["code"], code);
            assert!(value(&answer)["error"].as_str().unwrap().contains("hash-password"));
        }
        // Tools read the other port.
        let stat = Asked { caller, ..asked(Port::Stat, "GET", "/health", b"") };
        assert_eq!(order_with(stat, &sample::on_air(), &well()).1.status, 200);
    }
    for request in ALL {
        let status = order_by(&open(), OWN_PAGE, request).1.status;
        let wanted = if request.1 == "/api/password" { 400 } else { 200 };
        assert_eq!(status, wanted, "{request:?}");
    }
}

#[test]
fn without_a_password_this_machine_may_look_and_change_nothing() {
    let state = std::env::temp_dir().join(format!("routes-code-{}", std::process::id()));
    let auth = open();
    let code = Code::new(&state).unwrap();
    let typed = code.secret().expose().to_owned();
    auth.take_code(Some(code));
    let nothing = Credentials { cookie: "", authorization: "" };
    let looker = Caller { credentials: nothing, ..OWN_PAGE };
    let others = ["Basic dTpjb3JyZWN0IGhvcnNl", "Bearer 0123abce", "Bearer ", "Bearer"];
    let others = others.map(|authorization| Credentials { cookie: "", authorization });
    for credentials in others.into_iter().chain([nothing]) {
        for request in ALL {
            let (ordered, answer) = order_by(&auth, Caller { credentials, ..looker }, request);
            let needs = request.0 != "GET" && request.1 != "/api/logout";
            let wanted = if needs { 401 } else { 200 };
            assert_eq!((ordered, answer.status), (false, wanted), "{request:?} {credentials:?}");
            assert!(!needs || value(&answer)["code"] == "CODE_NEEDED");
        }
    }
    let (_, health) = order_by(&auth, looker, ("GET", "/api/health", ""));
    assert!(value(&health)["checks"].is_array(), "all of it is this machine's to see");
    let log_in = |caller, body: &str| order_by(&auth, caller, ("POST", "/api/login", body)).1;
    let right = format!("{{\"code\":\"{typed}\"}}");
    let proxied = Caller { is_forwarded: true, ..looker };
    let rebound = Caller { host: "box.lan", origin: "http://box.lan", ..looker };
    let cross = Caller { fetch_site: "cross-site", ..looker };
    for (caller, body, wanted) in [
        (proxied, right.as_str(), (403, "PASSWORD_NOT_SET")),
        (rebound, &right, (403, "FORBIDDEN")),
        (cross, &right, (403, "FORBIDDEN")),
        (looker, r#"{"password":"correct horse"}"#, (409, "PASSWORD_NOT_SET")),
        (looker, r#"{"code":""}"#, (403, "WRONG_PAGE_CODE")),
        (looker, r#"{"code":"abcdefghjkmn"}"#, (403, "WRONG_PAGE_CODE")),
    ] {
        let answer = log_in(caller, body);
        let code = value(&answer)["code"].clone();
        assert_eq!((answer.status, code), (wanted.0, wanted.1.into()), "{body} {caller:?}");
    }
    let opened = log_in(looker, &right);
    let field = opened.fields.iter().find(|field| field.0 == "Set-Cookie").unwrap().1.clone();
    let cookie = field.split(';').next().unwrap();
    let inside = Caller { credentials: Credentials { cookie, authorization: "" }, ..looker };
    for request in ALL.into_iter().filter(|request| request.1 != "/api/logout") {
        let wanted = if request.1 == "/api/password" { 400 } else { 200 };
        assert_eq!(order_by(&auth, inside, request).1.status, wanted, "{request:?}");
    }
    let (_, session) = order_by(&auth, inside, ("GET", "/api/session", ""));
    assert_eq!(value(&session)["may_change"], true);
}

#[test]
fn with_a_password_strangers_see_the_page_and_whether_it_is_well() {
    let (hash, _alone) = crate::system::password::cheap("correct horse");
    let auth = Arc::new(Auth::new(Some(hash), None).unwrap());
    for peer in ["127.0.0.1", "203.0.113.9"] {
        let caller = Caller { peer: peer.parse().ok(), ..OWN_PAGE };
        for request in ALL {
            let (ordered, answer) = order_by(&auth, caller, request);
            let open = ["/", "/api/health", "/api/session", "/api/logout"].contains(&request.1);
            let wanted = if open { 200 } else { 401 };
            assert_eq!((ordered, answer.status), (false, wanted), "{request:?}");
            assert!(open || value(&answer)["code"] == "LOGIN_NEEDED");
        }
        let (_, health) = order_by(&auth, caller, ("GET", "/api/health", ""));
        assert!(value(&health)["status"].is_string() && value(&health)["checks"].is_null());
    }
    // `Basic u:correct horse`, from under any name.
    let credentials = Credentials { cookie: "", authorization: "Basic dTpjb3JyZWN0IGhvcnNl" };
    let caller = Caller {
        peer: "203.0.113.9".parse().ok(),
        host: "cast.example",
        origin: "https://cast.example",
        credentials,
        ..OWN_PAGE
    };
    for request in ALL {
        let wanted = if request.1 == "/api/password" { 400 } else { 200 };
        assert_eq!(order_by(&auth, caller, request).1.status, wanted, "{request:?}");
    }
    let (_, health) = order_by(&auth, caller, ("GET", "/api/health", ""));
    assert!(value(&health)["checks"].is_array());
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let (hash, _alone) = crate::system::password::cheap("correct horse");
    let guarded = Arc::new(Auth::new(Some(hash), None).unwrap());
    let credentials = Credentials { cookie: "", authorization: "Basic dTpjb3JyZWN0IGhvcnNl" };
    let own = Caller { credentials, ..OWN_PAGE };
    for caller in [
        Caller { origin: "http://evil.example", ..own },
        Caller { fetch_site: "cross-site", ..own },
        Caller { fetch_site: "same-site", origin: "", ..own },
    ] {
        for auth in [&open(), &guarded] {
            for request in ALL.into_iter().filter(|request| request.0 != "GET") {
                let (ordered, answer) = order_by(auth, caller, request);
                assert_eq!((ordered, answer.status), (false, 403), "{request:?} {caller:?}");
                assert_eq!(value(&answer)["code"], "FORBIDDEN");
            }
            let login = ("POST", "/api/login", r#"{"password":"correct horse"}"#);
            assert_eq!(order_by(auth, caller, login).1.status, 403);
        }
    }
}

#[test]
fn who_changes_the_password_stays_logged_in_while_the_file_is_followed() {
    let (hash, _alone) = crate::system::password::cheap("correct horse");
    let auth = Arc::new(Auth::new(Some(hash), None).unwrap());
    let follower = Arc::clone(&auth);
    // The file has the new one, and anybody who follows it sees that before this request goes on.
    let store_hash = move |hash: &str| {
        let (auth, new) = (Arc::clone(&follower), PasswordHash::parse(hash).ok());
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            auth.adopt(|| new);
            let _ = done.send(());
        });
        assert!(ended.recv_timeout(Duration::from_millis(100)).is_err(), "it does not wait");
        Ok(())
    };
    let (mut backend, _inbox) = backend(&auth, &sample::on_air(), sample::MOMENT);
    backend.store_hash = Box::new(store_hash);
    let login = br#"{"password":"correct horse"}"#;
    let opened = whole(answer(&asked(Port::Http, "POST", "/api/login", login), &backend));
    let field = opened.fields.iter().find(|field| field.0 == "Set-Cookie").unwrap();
    let cookie = field.1.split(';').next().unwrap();
    let credentials = Credentials { cookie, authorization: "" };
    let caller = Caller { credentials, ..OWN_PAGE };
    let change = br#"{"current":"correct horse","new":"battery staple"}"#;
    let change = Asked { caller, ..asked(Port::Http, "POST", "/api/password", change) };
    assert_eq!(whole(answer(&change, &backend)).status, 200);
    let status = Asked { caller, ..asked(Port::Http, "GET", "/api/status", b"") };
    assert_eq!(whole(answer(&status, &backend)).status, 200, "logged out by one's own change");
}

//! Every path there is: one list, from which requests are routed and against which the API's
//! document is held. Purpose: what is not in it does not exist, but for the page's files. Non-goals:
//! answering. Bound: the list.

use tiny_http::Method;

use crate::control::api::asked::path_of;
use crate::control::auth::Right;
use crate::control::http::port::Port;
use crate::control::page;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Status,
    Health,
    Videos,
    Switch,
    Stop,
    Playout,
    Playlists,
    Logs,
    Maintenance,
    /// Opening an input again.
    InputRestart,
    /// One list.
    Playlist,
    /// One file of the library.
    Video,
    Uploads,
    /// One upload, by its id.
    Upload,
    Login,
    Logout,
    Session,
    Password,
    /// What the first start's code is good for.
    SetUp,
    Destinations,
    /// What is known of platforms.
    Platforms,
    /// One destination.
    Destination,
    DestinationRestart,
    Settings,
    Restart,
    /// The appliance's system.
    Firmware,
    /// Going back to the one before.
    Rollback,
    /// Somebody's word for an older one.
    Confirm,
    /// What tells all of this to a program.
    Document,
    /// The licences of the image's parts.
    Licences,
    /// A file of the page.
    Page,
    Stat,
    /// What shows `/stat` to a person: its style sheets.
    StatStyle,
    Metrics,
    PlainHealth,
    Events,
    Preview,
}

/// A path and what it takes.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// The port it is on.
    pub port: Port,
    /// The path; `{name}` or `{id}` stands for a name without a slash, percent-encoded.
    pub template: &'static str,
    /// The methods it takes, as Allow lists them.
    pub methods: &'static str,
    pub(super) route: Route,
}

const LOOK: &str = "GET, HEAD";

/// A path on the port of page and API.
const fn api(template: &'static str, methods: &'static str, route: Route) -> Path {
    Path { port: Port::Http, template, methods, route }
}

/// A path on the port for tools.
const fn tools(template: &'static str, route: Route) -> Path {
    Path { port: Port::Stat, template, methods: LOOK, route }
}

/// All of them. A stream has nothing to say to HEAD.
pub const PATHS: [Path; 37] = [
    api("/api/status", LOOK, Route::Status),
    api("/api/health", LOOK, Route::Health),
    api("/api/events", "GET", Route::Events),
    api("/api/preview.mp4", "GET", Route::Preview),
    api("/api/switch", "POST", Route::Switch),
    api("/api/stop", "POST", Route::Stop),
    api("/api/playout", "POST", Route::Playout),
    api("/api/inputs/{name}/restart", "POST", Route::InputRestart),
    api("/api/videos", LOOK, Route::Videos),
    api("/api/videos/{name}", "PATCH, DELETE", Route::Video),
    api("/api/playlists", LOOK, Route::Playlists),
    api("/api/playlists/{name}", "GET, HEAD, PUT, DELETE", Route::Playlist),
    api("/api/uploads", "GET, HEAD, POST", Route::Uploads),
    api("/api/uploads/{id}", "PATCH, DELETE", Route::Upload),
    api("/api/destinations", "GET, HEAD, POST", Route::Destinations),
    api("/api/destinations/{name}", "PUT, DELETE", Route::Destination),
    api("/api/destinations/{name}/restart", "POST", Route::DestinationRestart),
    api("/api/platforms", LOOK, Route::Platforms),
    api("/api/settings", "GET, HEAD, PATCH", Route::Settings),
    api("/api/password", "POST", Route::Password),
    api("/api/setup", "POST", Route::SetUp),
    api("/api/login", "POST", Route::Login),
    api("/api/logout", "POST", Route::Logout),
    api("/api/session", LOOK, Route::Session),
    api("/api/logs", LOOK, Route::Logs),
    api("/api/maintenance", "GET, HEAD, POST", Route::Maintenance),
    api("/api/restart", "POST", Route::Restart),
    api("/api/firmware", "GET, HEAD, POST", Route::Firmware),
    api("/api/firmware/rollback", "POST", Route::Rollback),
    api("/api/firmware/confirm", "POST", Route::Confirm),
    api("/api/openapi.json", LOOK, Route::Document),
    api("/licences", LOOK, Route::Licences),
    tools("/stat", Route::Stat),
    tools("/stat.xsl", Route::StatStyle),
    tools("/stat.css", Route::StatStyle),
    tools("/metrics", Route::Metrics),
    tools("/health", Route::PlainHealth),
];

/// Whether this may bring a body that is too large to be held: a piece of a file, a package.
pub fn may_be_large(method: &Method, target: &str) -> bool {
    let found = find(Port::Http, path_of(target)).map(|found| found.route);
    match method {
        Method::Patch => found == Some(Route::Upload),
        Method::Post => found == Some(Route::Firmware),
        _ => false,
    }
}

/// What a request's path leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestedPath<'a> {
    pub(super) route: Route,
    /// The methods it takes, as Allow lists them.
    pub(super) methods: &'static str,
    /// The name in the path, as it stands there; empty when there is none.
    pub(super) name: &'a str,
}

/// Finds what is at a path.
pub(super) fn find(port: Port, path: &str) -> Option<RequestedPath<'_>> {
    let known = PATHS.iter().filter(|known| known.port == port).find_map(|known| {
        let name = name_in(known.template, path)?;
        Some(RequestedPath { route: known.route, methods: known.methods, name })
    });
    let is_page = port == Port::Http && page::has(path);
    known.or_else(|| {
        is_page.then_some(RequestedPath { route: Route::Page, methods: LOOK, name: "" })
    })
}

/// The name that stands in `path` where `template` has one, if they match.
fn name_in<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, rest)) = template.split_once('{') else {
        return (template == path).then_some("");
    };
    let (_, behind) = rest.split_once('}')?;
    let name = path.strip_prefix(before)?.strip_suffix(behind)?;
    (!name.contains('/')).then_some(name)
}

impl Route {
    /// Whom it is for, on the port of page and API.
    pub(super) const fn right(self) -> Right {
        match self {
            Route::Page | Route::Licences | Route::Login | Route::SetUp => Right::Public,
            Route::Health | Route::Session | Route::Logout => Right::Open,
            _ => Right::Known,
        }
    }

    /// Changing what is there reads and writes files on the thread that answers.
    pub(super) const fn waits_for_disk(self) -> bool {
        matches!(
            self,
            Route::Destinations
                | Route::Destination
                | Route::DestinationRestart
                | Route::Settings
                | Route::Password
                | Route::SetUp
                | Route::Maintenance
                | Route::Restart
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::HTTP_BODY_BYTES_MAX;
    use crate::control::http::head::{parse, Body, Refusal};

    #[test]
    fn only_files_and_packages_may_be_larger_than_is_held() {
        let body = |line: &str, kind: &str| {
            let length = HTTP_BODY_BYTES_MAX + 1;
            let fields = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
            let head = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            parse(head.as_bytes(), may_be_large).map(|it| it.body)
        };
        let (octets, piece) = ("application/octet-stream", HTTP_BODY_BYTES_MAX as u64 + 1);
        for line in ["PATCH /api/uploads/7", "POST /api/firmware", "POST /api/firmware?a=1"] {
            assert_eq!(body(line, octets), Ok(Body::Piece(piece)), "{line}");
            assert_eq!(body(line, "application/json"), Err(Refusal::BodyTooLarge), "{line}");
        }
        for line in ["PUT /api/firmware", "POST /api/firmware/rollback", "POST /api/firmwares"] {
            assert_eq!(body(line, octets), Err(Refusal::BodyTooLarge), "{line}");
        }
    }
}

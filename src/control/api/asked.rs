//! What was asked, as routes see it. Purpose: one view of a request, whose texts stay where the gate has
//! read them. Non-goals: parsing, which is done; what it means. Bound: the request's.

use crate::control::auth::caller::{Caller, Credentials};
use crate::control::http::job::Request;
use crate::control::http::port::Port;
use crate::control::page;

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The port it came in by.
    pub port: Port,
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The client understands gzip.
    pub gzip: bool,
    /// If-None-Match as sent; empty when absent.
    pub if_none_match: &'a str,
    /// If-Match as sent; empty when absent.
    pub if_match: &'a str,
    /// Who asks.
    pub caller: Caller<'a>,
    /// It came in over TLS.
    pub secure: bool,
    /// Content-Type as sent; empty when absent.
    pub content_type: &'a str,
    /// The body; empty when absent.
    pub body: &'a [u8],
    /// Length of a body that is read only if the answer is a stream, bytes.
    pub piece_bytes: Option<u64>,
    /// Upload-Offset as sent; empty when absent.
    pub upload_offset: &'a str,
    /// Last-Event-ID as sent; empty when absent.
    pub last_event_id: &'a str,
}

impl<'a> Asked<'a> {
    /// What routes see of a request.
    pub fn of(request: &'a Request) -> Asked<'a> {
        let Request { head, client, body } = request;
        let fields = &head.fields;
        Asked {
            port: client.port,
            method: head.method.as_str(),
            target: &head.target,
            gzip: page::allows_gzip(fields.accept_encoding()),
            if_none_match: fields.if_none_match(),
            if_match: fields.if_match(),
            caller: Caller {
                peer: Some(client.peer),
                local: client.local,
                host: fields.host(),
                origin: fields.origin(),
                fetch_site: fields.sec_fetch_site(),
                fetch_mode: fields.sec_fetch_mode(),
                agent: fields.user_agent(),
                is_forwarded: client.is_named() || head.forwarding.is_any(),
                is_proxy: client.is_proxy(),
                credentials: Credentials {
                    cookie: fields.cookie(),
                    authorization: fields.authorization(),
                },
            },
            secure: client.secure,
            content_type: fields.content_type(),
            body,
            piece_bytes: request.unread_bytes(),
            upload_offset: fields.upload_offset(),
            last_event_id: fields.last_event_id(),
        }
    }

    /// The path, without the query.
    pub fn path(&self) -> &'a str {
        path_of(self.target)
    }

    /// It is not only a look.
    pub fn changes(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }
}

/// A target's path, without the query.
pub fn path_of(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

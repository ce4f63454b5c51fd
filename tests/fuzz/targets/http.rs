//! The head of an HTTP request: found at the same place however it arrives, and what is kept of it
//! cannot be read in two ways.

use streamcaster::base::limits::HTTP_BODY_BYTES_MAX;
use streamcaster::control::api::paths;
use streamcaster::control::http::head::{end_of_head, parse, Body, Head};

/// Reads an input as a request.
pub fn run(input: &[u8]) {
    let whole = end_of_head(input, 0);
    let first = (0..=input.len()).find_map(|came| {
        let arrived = input.get(..came).unwrap_or_default();
        end_of_head(arrived, came.saturating_sub(1))
    });
    assert_eq!(whole, first, "found as the bytes come, one by one");
    let head = whole.and_then(|end| input.get(..end)).unwrap_or(input);
    match parse(head, paths::may_be_large) {
        Ok(head) => accepted(&head),
        Err(refusal) => {
            assert!((400..600).contains(&refusal.problem().status()));
            assert!(!refusal.to_string().is_empty());
        }
    }
}

fn accepted(head: &Head) {
    let method = head.method.as_str();
    assert!(!method.is_empty());
    assert!(method.bytes().all(|byte| byte.is_ascii_uppercase()));
    assert!(head.target.starts_with('/'));
    assert!(head.target.bytes().all(|b| b.is_ascii_graphic()));
    assert!(!matches!(head.body, Body::Whole(bytes) if bytes > HTTP_BODY_BYTES_MAX));
    let fields = &head.fields;
    for value in [
        fields.host(),
        fields.accept_encoding(),
        fields.content_type(),
        fields.if_match(),
        fields.if_none_match(),
        fields.last_event_id(),
        fields.origin(),
        fields.upload_offset(),
        fields.sec_fetch_site(),
        fields.sec_fetch_mode(),
        fields.user_agent(),
        fields.cookie(),
        fields.authorization(),
    ] {
        assert!(value.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{value}");
        assert!(value.trim() == value, "{value:?}");
    }
}

//! An answer as it is sent. Purpose: a head is printed in one place, by tiny_http's
//! [`Response`], and a body is moved, not copied. Non-goals: when it is sent. Bounds:
//! [`HTTP_HEAD_BYTES_MAX`] for a head, [`HTTP_ANSWER_BYTES_MAX`] for a body, all bodies together by the
//! [`AnswerBudget`].

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};

use tiny_http::{Header, Response, StatusCode};

use crate::base::limits::{HTTP_ANSWER_BYTES_MAX, HTTP_HEAD_BYTES_MAX};
use crate::control::http::answer::Answer;
use crate::control::http::budget::{AnswerBudget, AnswerShare};

/// What a head usually has.
const HEAD_BYTES_USUAL: usize = 1024;

/// An answer, printed.
#[derive(Debug)]
pub struct Printed {
    /// Status line and fields, each with CRLF, without Connection and the empty line.
    head: Vec<u8>,
    body: Cow<'static, [u8]>,
    _share: AnswerShare,
}

impl Printed {
    /// Prints an answer. `is_head`: the method is HEAD, which has the length and not the body
    /// (RFC 9110, 9.3.2).
    ///
    /// # Errors
    /// `OutOfMemory` when other answers hold all there is; anything else when the answer is larger than
    /// an answer may be.
    pub fn new(answer: Answer, is_head: bool, budget: &AnswerBudget) -> io::Result<Printed> {
        let head = head(&answer)?;
        // RFC 9110, 6.4.1.
        let is_bodiless = is_head || matches!(answer.status, 204 | 304);
        let body = if is_bodiless { Cow::Borrowed(&[][..]) } else { answer.body };
        if body.len() > HTTP_ANSWER_BYTES_MAX {
            return Err(too_large());
        }
        // What is in the binary costs nothing more.
        let held = match &body {
            Cow::Borrowed(_) => 0,
            Cow::Owned(body) => body.len(),
        };
        let share = budget.take(held).ok_or(ErrorKind::OutOfMemory)?;
        Ok(Printed { head, body, _share: share })
    }

    /// The parts in the order in which they are sent.
    pub fn parts(&self, keep_alive: bool) -> [&[u8]; 3] {
        [&self.head, connection(keep_alive), &self.body]
    }
}

/// An answer that is the last of its connection, made by the gate itself: it is small.
pub fn last(answer: &Answer) -> Vec<u8> {
    let mut bytes = head(answer).unwrap_or_default();
    bytes.extend_from_slice(connection(false));
    bytes.extend_from_slice(&answer.body);
    bytes
}

fn connection(keep_alive: bool) -> &'static [u8] {
    if keep_alive {
        b"Connection: keep-alive\r\n\r\n"
    } else {
        b"Connection: close\r\n\r\n"
    }
}

/// Status line and fields, without the empty line.
fn head(answer: &Answer) -> io::Result<Vec<u8>> {
    let fields = answer.all_fields();
    let headers = fields.filter_map(|(name, value)| Header::from_bytes(name, value).ok()).collect();
    let (status, length) = (StatusCode(answer.status), answer.body.len());
    // Always with a Content-Length, never in chunks: every body is whole.
    let response = Response::new(status, headers, io::empty(), Some(length), None)
        .with_chunked_threshold(usize::MAX);
    let mut head = Bounded(Vec::with_capacity(HEAD_BYTES_USUAL));
    response.raw_print(&mut head, (1, 1).into(), &[], true, None)?;
    let Bounded(mut head) = head;
    // Connection is the gate's own field, and comes behind.
    head.truncate(head.len().saturating_sub(2));
    Ok(head)
}

/// A buffer that refuses what is beyond [`HTTP_HEAD_BYTES_MAX`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > HTTP_HEAD_BYTES_MAX {
            return Err(too_large());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_large() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the answer is larger than an answer may be")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::HTTP_ANSWERS_BYTES_MAX;

    fn text(parts: &[&[u8]]) -> String {
        String::from_utf8(parts.concat()).unwrap()
    }

    fn answer(status: u16, body: Cow<'static, [u8]>) -> Answer {
        let fields = vec![("Content-Type", "text/plain".into())];
        Answer { status, fields, body }
    }

    #[test]
    fn an_answer_has_a_length_and_one_word_about_the_connection() {
        let budget = AnswerBudget::default();
        let whole = |is_head| {
            Printed::new(answer(200, Cow::Borrowed(b"well\n")), is_head, &budget).unwrap()
        };
        let told = text(&whole(false).parts(true));
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Length: 5\r\n"), "{head}");
        assert!(head.ends_with("\r\nConnection: keep-alive"), "{head}");
        assert!(head.contains("\r\nDate: ") && head.contains("\r\nServer: StreamCaster\r\n"));
        assert_eq!(body, "well\n");
        let told = text(&whole(true).parts(false));
        assert!(told.contains("\r\nContent-Length: 5\r\n"), "{told}");
        assert!(told.ends_with("\r\nConnection: close\r\n\r\n"), "{told}");
        let told = String::from_utf8(last(&answer(503, Cow::Borrowed(b"no")))).unwrap();
        assert!(told.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{told}");
        assert!(told.ends_with("\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"), "{told}");
    }

    #[test]
    fn what_has_no_body_is_sent_without_one() {
        let budget = AnswerBudget::default();
        let told = Printed::new(answer(304, Cow::Owned(b"body".to_vec())), false, &budget).unwrap();
        assert!(text(&told.parts(true)).ends_with("\r\n\r\n"));
    }

    #[test]
    fn heads_and_bodies_end_at_their_limits() {
        let budget = AnswerBudget::default();
        let held: Vec<_> = (0..HTTP_ANSWERS_BYTES_MAX / HTTP_ANSWER_BYTES_MAX)
            .map(|_| answer(200, Cow::Owned(vec![b'x'; HTTP_ANSWER_BYTES_MAX])))
            .map(|answer| Printed::new(answer, false, &budget).unwrap())
            .collect();
        let one_more = Printed::new(answer(200, Cow::Owned(vec![b'x'])), false, &budget);
        assert_eq!(one_more.unwrap_err().kind(), ErrorKind::OutOfMemory);
        let free = Printed::new(answer(200, Cow::Borrowed(b"in the binary")), false, &budget);
        assert!(free.is_ok());
        drop(held);
        let large = answer(200, Cow::Owned(vec![b'x'; HTTP_ANSWER_BYTES_MAX + 1]));
        let refused = Printed::new(large, false, &budget).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
        let mut long = answer(200, Cow::Borrowed(b""));
        long.fields.push(("X", "x".repeat(HTTP_HEAD_BYTES_MAX).into()));
        let refused = Printed::new(long, false, &budget).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
    }
}

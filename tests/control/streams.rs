//! Long streams: what the gate serves itself.

use super::*;

#[test]
fn a_piece_of_a_file_is_answered_before_it_is_read() {
    let control = control();
    let mut stream = connect(control.http());
    let head = "PATCH /api/uploads/7 HTTP/1.1\r\nHost: localhost\r\nUpload-Offset: 0\r\n\
                Content-Type: application/octet-stream\r\nContent-Length: 8589934592\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("room in the socket");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer, though no byte of the body was sent");
    assert_eq!(&answer, b"HTTP/1.1 404");
    // What was under way does not turn the answer into a reset.
    stream.write_all(&[7; 1 << 20]).expect("somebody reads it");
    let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.contains("NOT_FOUND"), "{answer}");
}

#[test]
fn the_private_field_never_leaves() {
    let control = control();
    let answer = get(control.http(), "/api/status", "X-Streamcaster-Stream: preview\r\n");
    assert_eq!(status(&answer), 200);
    assert!(!answer.to_ascii_lowercase().contains("x-streamcaster"), "{answer}");
}

//! A server of updates, `[update] url`, on an emulated machine's network: one that is well and some that
//! are not. Bound: what a test gives it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::machine::HOST;

/// What is answered to a path.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A file.
    File(Arc<Vec<u8>>),
    /// Half of it, and then the end.
    Half(Arc<Vec<u8>>),
    /// Nothing, for good.
    Silence,
}

/// A server that runs until its process ends.
pub struct Offers {
    port: u16,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Offers {
    /// Switches one on; what it has no reply for is not found.
    pub fn start() -> Offers {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (replies, asked) = (Arc::<Mutex<BTreeMap<_, _>>>::default(), Arc::default());
        let server = Offers { port, replies, asked };
        let (replies, asked) = (Arc::clone(&server.replies), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (replies, asked) = (Arc::clone(&replies), Arc::clone(&asked));
                // Who was asked and has gone away does not matter.
                std::thread::spawn(move || serve(stream, &replies, &asked));
            }
        });
        server
    }

    /// Where the machine finds a path of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{HOST}:{}/{path}", self.port)
    }

    /// From now on it answers so.
    pub fn set(&self, path: &str, reply: Reply) {
        self.replies.lock().expect("no panic").insert(format!("/{path}"), reply);
    }

    /// How often it was asked for a path.
    pub fn asked_for(&self, path: &str) -> usize {
        let path = format!("/{path}");
        self.asked.lock().expect("no panic").iter().filter(|asked| **asked == path).count()
    }
}

fn serve(
    mut stream: TcpStream,
    replies: &Mutex<BTreeMap<String, Reply>>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < 8192 {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(piece.get(..read)?);
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1)?.to_owned();
    asked.lock().expect("no panic").push(path.clone());
    let reply = replies.lock().expect("no panic").get(&path).cloned();
    let (file, sent) = match reply {
        None => {
            let words = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return stream.write_all(words.as_bytes()).ok();
        }
        Some(Reply::Silence) => loop {
            std::thread::park();
        },
        Some(Reply::File(file)) => (file.clone(), file.len()),
        Some(Reply::Half(file)) => (file.clone(), file.len() / 2),
    };
    let length = file.len();
    let words = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(words.as_bytes()).ok()?;
    stream.write_all(file.get(..sent)?).ok()
}

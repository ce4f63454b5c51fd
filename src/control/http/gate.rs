//! The gate: owns the two TCP ports and decides who gets in. Purpose: strangers meet this code
//! alone: one thread, whatever number of connections, each with deadlines. Non-goals: what a request
//! means. Bounds: those of the [`Seats`].

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use async_net::{TcpListener, TcpStream};
use smol::channel::{Receiver, Sender};
use smol::future::{or, yield_now, zip, Future, FutureExt};
use smol::LocalExecutor;

use crate::base::events::Condition;
use crate::control::http::client::{Allowed, Client};
use crate::control::http::connection::{self, Behind};
use crate::control::http::head::Refusal;
use crate::control::http::job::Job;
use crate::control::http::meter::Meter;
use crate::control::http::port::Port;
use crate::control::http::seats::Seats;
use crate::control::http::service::Service;
use crate::control::http::tls::Tls;
use crate::control::http::wire::Wire;
use crate::net::proxy::Proxies;
use crate::net::sockets::{canonical, source};
use crate::system::clock;

/// Pause after a failed accept: no descriptor is left, or the like. It passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs the gate until `stop` is closed. `jobs` leads to the workers.
pub fn run<S: Service>(
    http: TcpListener,
    stat: TcpListener,
    jobs: Sender<Job<S::Stream>>,
    (service, meter): (S, Arc<Meter>),
    (tls, proxies, allowed): (Option<Tls>, Proxies, Allowed),
    stop: Receiver<()>,
) {
    let executor = LocalExecutor::new();
    let seats = Rc::new(Seats::new(Arc::clone(&meter)));
    let turns = Rc::default();
    let behind = Rc::new(Behind { jobs, service, meter, tls, proxies, allowed, turns });
    let followed = Rc::clone(&behind);
    let follow = async move {
        if let Some(tls) = &followed.tls {
            tls.follow().await;
        }
    };
    executor.spawn(alone(follow)).detach();
    let open = async {
        let ports = zip(
            accept(http, Port::Http, &executor, (&seats, &behind)),
            accept(stat, Port::Stat, &executor, (&seats, &behind)),
        );
        ports.await;
    };
    let closed = async {
        // Nothing is ever sent: the other end is dropped when it is time to stop.
        let _ = stop.recv().await;
    };
    smol::future::block_on(executor.run(or(closed, open)));
    seats.clear();
}

async fn accept<S: Service>(
    listener: TcpListener,
    port: Port,
    executor: &LocalExecutor<'static>,
    (seats, behind): (&Rc<Seats>, &Rc<Behind<S>>),
) {
    let mut errors = Condition::default();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let from = canonical(from);
                if errors.since().is_some() {
                    if let Some(over) = errors.over(clock::mono()) {
                        log::info!("control: connections are accepted again ({over})");
                    }
                }
                admit(stream, from, port, executor, (seats, behind));
            }
            Err(e) => {
                if errors.occurs(clock::mono()) {
                    log::warn!("control: no connection could be accepted: {e}");
                }
                Timer::after(ACCEPT_PAUSE).await;
            }
        }
        // A flood of connections must not keep those inside from their turn.
        yield_now().await;
    }
}

fn admit<S: Service>(
    stream: TcpStream,
    from: SocketAddr,
    port: Port,
    executor: &LocalExecutor<'static>,
    (seats, behind): (&Rc<Seats>, &Rc<Behind<S>>),
) {
    // Answers leave whole; waiting for more to send would only delay their last packet.
    let _ = stream.set_nodelay(true);
    let mut client = Client::new(port, from.ip(), &behind.proxies);
    // Unknown, no address is this machine's own.
    client.local = stream.local_addr().ok().map(|local| canonical(local).ip());
    if !client.is_proxy() && !behind.allowed.has(&client) {
        // Closed without a word: nothing of such a client is read.
        let why = format!("its network is not in [{}] allow", port.name());
        behind.meter.refuse(from.ip(), &why);
        return;
    }
    // Whom a proxy's connection is for is not known yet.
    let has_share = !client.is_proxy() && !from.ip().is_loopback();
    if seats.make_room(source(from.ip()), has_share) {
        let behind = Rc::clone(behind);
        let serve = |seat| executor.spawn(alone(connection::serve(stream, client, behind, seat)));
        seats.give(source(from.ip()), serve);
        return;
    }
    behind.meter.refuse(from.ip(), &"all connections are in use");
    if let Some(refused) = seats.refuse() {
        let told = async move {
            // In plain HTTP even where TLS is spoken: a handshake is what there is no room for.
            connection::turn_away(Wire::Plain(stream), Refusal::Unavailable).await;
            drop(refused);
        };
        executor.spawn(alone(told)).detach();
    }
}

/// Keeps a panic, which is in the log, from ending more than what it happened in: a connection loses
/// its seat, the gate goes on.
async fn alone(work: impl Future<Output = ()>) {
    let _ = AssertUnwindSafe(work).catch_unwind().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::HTTP_CONNECTIONS_MAX;
    use crate::control::http::answer::Answer;
    use crate::control::http::job;
    use crate::control::http::stream::Carrier;
    use smol::channel::bounded;
    use std::io;
    use std::net;
    use std::thread::JoinHandle;
    use tiny_http::Method;

    /// It has no streams.
    struct Nothing;

    impl Service for Nothing {
        type Stream = ();

        fn may_be_large(_: &Method, _: &str) -> bool {
            false
        }

        async fn serve(&self, (): (), _: &mut Carrier<'_>) -> io::Result<Option<Answer>> {
            Ok(None)
        }
    }

    /// A gate before workers that take nothing.
    fn gate_before_silence() -> (SocketAddr, Receiver<Job<()>>, Sender<()>, JoinHandle<()>) {
        let any = || net::TcpListener::bind((net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listener = |any: net::TcpListener| TcpListener::try_from(any).unwrap();
        let (http, stat) = (any(), any());
        let at = http.local_addr().unwrap();
        let (jobs, to_do) = job::channel();
        let (open, stop) = bounded(1);
        let gate = std::thread::spawn(move || {
            let who = (None, Proxies::default(), Allowed::default());
            run(listener(http), listener(stat), jobs, (Nothing, Arc::default()), who, stop);
        });
        (at, to_do, open, gate)
    }

    #[test]
    fn workers_that_hang_are_given_a_bounded_number_of_jobs_and_clients_are_told() {
        use std::io::{Read, Write};
        let (at, to_do, open, gate) = gate_before_silence();
        assert_eq!(to_do.capacity(), Some(HTTP_CONNECTIONS_MAX));
        let mut clients: Vec<_> = (0..6).map(|_| net::TcpStream::connect(at).unwrap()).collect();
        for client in &mut clients {
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        for client in &mut clients {
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        }
        // A worker that works again passes over them: nobody waits for their answers.
        let left = std::iter::from_fn(|| to_do.try_recv().ok());
        assert_eq!(left.filter(|job| job.reply.is_closed()).count(), 6);
        drop(open);
        gate.join().unwrap();
        assert!(to_do.is_closed(), "the workers end with the gate");
    }
}

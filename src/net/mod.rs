//! Connections, whatever they carry: the reactor and what waits on it, a byte stream, plain or
//! encrypted, with deadlines, tries that are repeated, networks and addresses, the PROXY protocol,
//! certificates.

pub mod byte_stream;
pub mod certificate;
pub mod connect;
pub mod link;
pub mod network;
pub mod plane_socket;
pub mod proxy;
pub mod reactor;
pub mod retry;
pub mod served_certificate;
pub mod sockets;
pub mod tcp_progress;
pub mod tls;

//! The UDP input's socket. Purpose: bound, in its multicast group, with the receive buffer asked
//! for. Non-goal: reading it. Bound: the kernel's receive buffer.

use std::io;
use std::net::IpAddr;

use socket2::{InterfaceIndexOrAddress, Socket, Type};

use crate::config::{Interface, UdpConfig};
use crate::net::sockets;

/// Opens it as the configuration says.
pub(super) fn open(config: &UdpConfig) -> io::Result<Socket> {
    let listen = config.listen;
    let socket = sockets::bind(listen, Type::DGRAM, |socket| {
        socket.set_recv_buffer_size(config.receive_buffer_bytes)?;
        // Several receivers of one group may live on a host; a unicast port belongs to one.
        socket.set_reuse_address(listen.ip().is_multicast())
    })?;
    if listen.ip().is_multicast() {
        join(&socket, listen.ip(), config.interface.as_ref())?;
    }
    Ok(socket)
}

/// Joins a multicast group on the interface, or the one the routes say.
fn join(socket: &Socket, group: IpAddr, interface: Option<&Interface>) -> io::Result<()> {
    let index = match interface {
        Some(Interface::Name(name)) => interface_index(name)?,
        Some(Interface::Address(IpAddr::V4(address))) => {
            if let IpAddr::V4(group) = group {
                return socket.join_multicast_v4(&group, address);
            }
            return Err(io::Error::other("an IPv6 group needs the interface by name"));
        }
        Some(Interface::Address(IpAddr::V6(_))) => {
            return Err(io::Error::other("give the interface of a multicast group by name"));
        }
        None => 0,
    };
    match group {
        IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
    }
}

/// A network interface's index by its name.
fn interface_index(name: &str) -> io::Result<u32> {
    let path = format!("/sys/class/net/{name}/ifindex");
    let unknown = || io::Error::other(format!("no network interface is called {name}"));
    let index = std::fs::read_to_string(path).map_err(|_| unknown())?;
    index.trim().parse().map_err(|_| unknown())
}

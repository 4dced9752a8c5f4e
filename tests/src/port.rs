//! Ports of loopback that belong to one test. Who listens binds port 0 wherever it can; this is for servers that want a number
//! beforehand, or come back to the one that they had: a relay, PostgreSQL.
//!
//! The kernel keeps the reservation: a socket that is bound to the port by itself alone and never listens. Nobody is given the port
//! who asks for any, nobody can reserve it, and a client is refused while no server is there. Whoever listens with `SO_REUSEADDR`,
//! as servers do, can listen on it.

use anyhow::{Result, bail};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt::set_socket_reuseaddr},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
};

/// Below those that the kernel hands out to whoever connects or sends, so that the same port of UDP is nobody else's either.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port, until it is dropped.
#[derive(Debug)]
pub struct Reserved {
    address: SocketAddr,
    _socket: OwnedFd,
}

impl Reserved {
    /// One that nobody has.
    ///
    /// # Errors
    /// All are taken, or there are no sockets.
    pub fn new() -> Result<Self> {
        for _ in 0..1000 {
            let mut random = [0; 2];
            aws_lc_rs::rand::fill(&mut random)?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + u16::from_be_bytes(random) % COUNT));
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            match bind(&socket, &address) {
                Ok(()) => {}
                Err(Errno::ADDRINUSE) => continue,
                Err(error) => return Err(error.into()),
            }
            // Only now: it was bound alone, and lets a server in from here on.
            set_socket_reuseaddr(&socket, true)?;
            return Ok(Self { address, _socket: socket });
        }
        bail!("no free port")
    }

    /// Where the server is to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_server_gets_its_port_as_often_as_it_comes_back_and_nobody_else_does() {
        let own = Reserved::new().unwrap();
        for _ in 0..2 {
            assert!(TcpStream::connect(own.address()).is_err());
            let server = TcpListener::bind(own.address()).unwrap();
            let _client = TcpStream::connect(own.address()).unwrap();
            let _served = server.accept().unwrap();
        }
        let other = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        assert_eq!(bind(&other, &own.address()), Err(Errno::ADDRINUSE));
    }
}

//! An address where nobody listens.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of this machine that refuses connections for as long as this is kept: it is bound, so that nobody else is
/// given it, and nobody listens. A port that was only free a moment ago may be another test's by now.
#[derive(Debug)]
pub struct Vacant {
    address: SocketAddr,
    _bound: TcpSocket,
}

impl Vacant {
    /// Binds any free port of 127.0.0.1.
    ///
    /// # Panics
    /// If there is none, or outside a runtime.
    #[expect(clippy::new_without_default, reason = "it takes a port")]
    pub fn new() -> Self {
        let bound = TcpSocket::new_v4().expect("a socket");
        bound
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a free port");
        Self {
            address: bound.local_addr().expect("it is bound"),
            _bound: bound,
        }
    }

    /// Where nobody listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

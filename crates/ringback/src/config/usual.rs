//! The addresses that services have when nobody says otherwise.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The embedded broker's gRPC service.
pub const BROKER: SocketAddr = local(8081);
/// bank1's HTTP.
pub const BANK1: SocketAddr = local(8181);
/// bank2's HTTP.
pub const BANK2: SocketAddr = local(8182);

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

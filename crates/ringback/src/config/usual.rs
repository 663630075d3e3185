//! The addresses that services have when nobody says otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The embedded broker's gRPC service.
pub const BROKER: SocketAddr = local(8081);
/// bank1's HTTP.
pub const BANK1: SocketAddr = local(8181);
/// bank2's HTTP.
pub const BANK2: SocketAddr = local(8182);

/// The URL under which this machine reaches a service that listens there: one that listens everywhere is asked at
/// loopback.
pub fn url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

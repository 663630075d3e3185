//! Which addresses the services of a stage listen on.
//!
//! The usual port when it is free, else a random one in 20000..32000: below the ephemeral range, so
//! that no outgoing connection of anybody takes a port while its service is being restarted.
//! Looking and binding are two steps (the service binds in its own process), so a port can be
//! lost between them; the stage then starts again with other ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The embedded broker's usual gRPC port.
pub(crate) const BROKER_PORT: u16 = 8081;
/// The usual port of a broker's remoting, Apache RocketMQ's and the embedded one's.
pub(crate) const REMOTING_PORT: u16 = 10_911;
/// bank1's usual port.
pub(crate) const BANK1_PORT: u16 = 8181;
/// bank2's usual port.
pub(crate) const BANK2_PORT: u16 = 8182;
/// The notifier's usual port.
pub(crate) const NOTIFIER_PORT: u16 = 8190;

/// First port of the range that replaces a usual port which is taken.
const FIRST: u16 = 20_000;
/// One past the last port of that range.
const END: u16 = 32_000;

/// The usual ports of the services, tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsualPorts {
    /// Take the usual port of each service where it is free.
    Prefer,
    /// Take random ones throughout: tests, which run beside each other.
    Avoid,
}

/// Hands out addresses on 127.0.0.1, none twice.
#[derive(Debug)]
pub struct Ports {
    usual: UsualPorts,
    given: BTreeSet<u16>,
    random: fastrand::Rng,
}

impl Ports {
    /// A source of addresses; `random` decides the replacements.
    pub fn new(usual: UsualPorts, random: fastrand::Rng) -> Ports {
        Ports {
            usual,
            given: BTreeSet::new(),
            random,
        }
    }

    /// An address that was free a moment ago: `usual` if allowed and free, else a random one.
    ///
    /// Fails when 200 random ports in a row are taken.
    pub fn pick(&mut self, usual: u16) -> anyhow::Result<SocketAddr> {
        if self.usual == UsualPorts::Prefer && self.take(usual) {
            return Ok(local(usual));
        }
        for _ in 0..200 {
            let port = self.random.u16(FIRST..END);
            if self.take(port) {
                return Ok(local(port));
            }
        }
        anyhow::bail!("no free port found among 200 tried in {FIRST}..{END} on 127.0.0.1")
    }

    fn take(&mut self, port: u16) -> bool {
        !self.given.contains(&port) && is_free(local(port)) && self.given.insert(port)
    }
}

/// Whether a listener could be bound to `address` just now.
pub(crate) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_port_that_is_taken_is_replaced_by_one_below_the_ephemeral_range() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let usual = taken.local_addr().unwrap().port();
        let mut ports = Ports::new(UsualPorts::Prefer, fastrand::Rng::with_seed(7));
        let picked = ports.pick(usual).unwrap().port();
        assert_ne!(picked, usual);
        assert!((FIRST..END).contains(&picked));
    }

    #[test]
    fn no_address_is_given_twice() {
        let mut ports = Ports::new(UsualPorts::Avoid, fastrand::Rng::with_seed(7));
        let given: BTreeSet<_> = (0..50).map(|_| ports.pick(8081).unwrap()).collect();
        assert_eq!(given.len(), 50);
        assert!(!given.contains(&local(8081)));
    }
}

//! Where the services of one stage listen.

use std::net::{Ipv4Addr, SocketAddr};

use crate::plan::BrokerChoice;
use crate::ports::{BANK1_PORT, BANK2_PORT, BROKER_PORT, NOTIFIER_PORT, Ports, REMOTING_PORT};

/// Where the four services listen. The broker's is what its clients connect to: for a broker that
/// somebody else runs, a host name is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The broker's gRPC endpoint as clients name it.
    pub broker: String,
    /// Where the embedded broker listens; `None` for a broker that somebody else runs.
    pub broker_listen: Option<SocketAddr>,
    /// Where the broker answers administration: the embedded one's remoting listener, or that of a
    /// broker that somebody else runs, as far as it is known.
    pub broker_admin: Option<String>,
    /// bank1's HTTP API.
    pub bank1: SocketAddr,
    /// bank2's HTTP API.
    pub bank2: SocketAddr,
    /// The notifier's HTTP API.
    pub notifier: SocketAddr,
}

impl Addresses {
    /// The usual ports on this machine.
    pub fn usual() -> Addresses {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Addresses {
            broker: local(BROKER_PORT).to_string(),
            broker_listen: Some(local(BROKER_PORT)),
            broker_admin: Some(local(REMOTING_PORT).to_string()),
            bank1: local(BANK1_PORT),
            bank2: local(BANK2_PORT),
            notifier: local(NOTIFIER_PORT),
        }
    }

    /// An address for each service, the usual one where it is free.
    pub fn pick(broker: &BrokerChoice, ports: &mut Ports) -> anyhow::Result<Addresses> {
        let (broker, broker_listen, broker_admin) = match broker {
            BrokerChoice::Embedded => {
                let address = ports.pick(BROKER_PORT)?;
                let admin = ports.pick(REMOTING_PORT)?;
                (address.to_string(), Some(address), Some(admin.to_string()))
            }
            BrokerChoice::Elsewhere { address, admin } => (address.clone(), None, admin.clone()),
        };
        Ok(Addresses {
            broker,
            broker_listen,
            broker_admin,
            bank1: ports.pick(BANK1_PORT)?,
            bank2: ports.pick(BANK2_PORT)?,
            notifier: ports.pick(NOTIFIER_PORT)?,
        })
    }
}

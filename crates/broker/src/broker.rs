//! Starting and stopping the whole.

use std::net::SocketAddr;

use crate::{Config, StartError, Stats, StoreError};

/// A running broker. Dropping it stops it without waiting.
pub struct Broker {
    address: SocketAddr,
    remoting: Option<SocketAddr>,
}

impl Broker {
    /// Opens the folder, makes the configured topics and groups and begins to serve.
    pub async fn start(config: Config) -> Result<Broker, StartError> {
        todo!("{config:?}")
    }

    /// Where the gRPC service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where remoting listens, if it does.
    pub fn remoting_address(&self) -> Option<SocketAddr> {
        self.remoting
    }

    /// Ends waiting polls, finishes what was accepted and closes the store.
    pub async fn stop(self) -> Result<(), StoreError> {
        todo!()
    }

    /// What the broker holds right now.
    pub fn stats(&self) -> Stats {
        todo!()
    }
}

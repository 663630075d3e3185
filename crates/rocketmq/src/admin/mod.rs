//! Administration and browsing, over the older remoting protocol: the gRPC one has no such calls.
//!
//! [`Admin`] is given name servers, or brokers, and finds the rest of the cluster from there. Each
//! server is spoken to over a connection of its own ([`link`]), one request at a time, each under
//! the deadline; a connection on which a request was cut off or went wrong is given up with it.
//! Everything here may be asked again: what creates also changes to the same, and what reads moves
//! nothing.

mod cluster;
mod groups;
mod halves;
mod link;
mod queues;
mod settings;
mod topics;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocketmq_wire::remoting::{self, Frame};

pub use cluster::{BrokerNode, Cluster};
pub use groups::{GroupInfo, GroupSpec};
pub use halves::{HalfAt, Halves};
pub use queues::{Pulled, QueueOffsets, QueueRef, Unreadable};
pub use topics::{QueueRoute, TopicInfo, TopicRoute, TopicSpec};

use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use link::Links;

/// Where administration is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// `host:port` of the cluster's name servers (9876 by default), or of its brokers' remoting
    /// (10911). They are tried in this order: when one is down, the next.
    pub addresses: Vec<String>,
    /// Signs every request, where the brokers ask for it.
    pub credentials: Option<Credentials>,
    /// Deadline of each request, its connection included.
    pub request_timeout: Duration,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            addresses: vec!["127.0.0.1:9876".to_owned()],
            credentials: None,
            request_timeout: Duration::from_secs(5),
        }
    }
}

/// Administers one cluster.
#[derive(Debug)]
pub struct Admin {
    addresses: Vec<String>,
    links: Links,
    /// As it was found last; forgotten when a broker of it cannot be reached.
    known: Mutex<Option<Arc<Cluster>>>,
}

impl Admin {
    /// Nothing is connected before the first request.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names an address that is none.
    pub fn new(config: AdminConfig) -> Result<Self, Error> {
        const OPERATION: &str = "administration";
        if config.addresses.is_empty() {
            return Err(Error::invalid(OPERATION, "address", "there is none"));
        }
        for address in &config.addresses {
            let parts = address.rsplit_once(':');
            if !parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
                let reason = format!("{address:?} is not host:port");
                return Err(Error::invalid(OPERATION, "address", reason));
            }
        }
        Ok(Self {
            addresses: config.addresses,
            links: Links::new(config.credentials, config.request_timeout),
            known: Mutex::new(None),
        })
    }

    /// Asks a broker; what is known of the cluster is forgotten when it cannot be reached.
    async fn ask(
        &self,
        operation: &'static str,
        broker: &BrokerNode,
        request: Frame,
    ) -> Result<Frame, Error> {
        let answer = self.links.ask(operation, &broker.address, request).await;
        if answer.as_ref().is_err_and(Error::is_unreachable) {
            self.remember(None);
        }
        answer
    }

    fn remember(&self, cluster: Option<Arc<Cluster>>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = cluster;
    }

    fn known(&self) -> Option<Arc<Cluster>> {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the answer says "done"; else why not.
fn done(operation: &'static str, answer: Frame) -> Result<Frame, Error> {
    if answer.code == remoting::SUCCESS {
        return Ok(answer);
    }
    let message = answer.remark.unwrap_or_default();
    let kind = match answer.code {
        remoting::GROUP_NOT_FOUND => ErrorKind::GroupNotFound { message },
        // Wrong credentials too: the words tell which.
        remoting::NO_PERMISSION => ErrorKind::NotAllowed { message },
        code => ErrorKind::Rejected { code, message },
    };
    Err(Error::new(operation, kind))
}

/// As [`done`], for a request about a topic.
fn done_with_topic(operation: &'static str, topic: &str, answer: Frame) -> Result<Frame, Error> {
    if answer.code == remoting::TOPIC_NOT_FOUND {
        let topic = topic.to_owned();
        return Err(Error::new(operation, ErrorKind::TopicNotFound { topic }));
    }
    done(operation, answer)
}

/// An answer that says "done" and cannot be read.
fn unreadable(operation: &'static str, address: &str, reason: impl ToString) -> Error {
    let (address, reason) = (address.to_owned(), reason.to_string());
    Error::new(operation, ErrorKind::Unreadable { address, reason })
}

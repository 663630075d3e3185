//! What a caller decides. Each struct has a `Default`, so that callers name only what they change.

use std::time::Duration;

use crate::credentials::Credentials;
use crate::tls::TlsConfig;

/// Where the brokers are, and the deadline of each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// `host:port` of the gRPC endpoints of one cluster; those that answer are preferred.
    /// `https://host:port` asks for TLS, also where `tls` says nothing, and `http://host:port` for
    /// none; then all must agree.
    pub endpoints: Vec<String>,
    /// Deadline of one request (of a receive: beyond its long poll).
    pub request_timeout: Duration,
    /// Part of the client id that servers log; letters, digits and `-_.` only.
    pub name: String,
    /// Signs every request, where the servers ask for it.
    pub credentials: Option<Credentials>,
    /// Every connection goes over TLS, also those to servers that routes name. Absent: in plain
    /// text.
    pub tls: Option<TlsConfig>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            endpoints: vec!["127.0.0.1:8081".to_owned()],
            request_timeout: Duration::from_secs(3),
            name: "rocketmq".to_owned(),
            credentials: None,
            tls: None,
        }
    }
}

/// How a [`TransactionProducer`](crate::TransactionProducer) takes part in check-backs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionConfig {
    /// The topics declared for publishing: whoever declares a topic is given check-backs of all its
    /// half messages, whoever sent them. May be empty: then it is given none.
    pub topics: Vec<String>,
    /// How long after a half message its first check-back comes; whole seconds, at most 3600. Zero
    /// leaves it to the broker.
    ///
    /// Apache RocketMQ 5.5.0 was seen to check back halves that had long been ended, when this is
    /// set and its scan comes between the half and the end; a checker's commit is then a second
    /// copy of the message.
    pub recovery: Duration,
    /// How many checks run at once; a check-back beyond that is answered nothing and comes again.
    pub checks_in_flight: usize,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            recovery: Duration::from_secs(30),
            checks_in_flight: 64,
        }
    }
}

/// What a [`Consumer`](crate::Consumer) receives, and how much at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// The consumer group. It must exist.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// Tag expression: `*`, or `A||B`. What it leaves out is gone for the group for good.
    pub filter: String,
    /// How long a received message stays hidden from others; renewed at half of it. 10 s to 12 h.
    pub lease: Duration,
    /// Most messages that are received and not settled, those that polls wait for included.
    pub permits: usize,
    /// Most messages of one receive, up to 32.
    pub batch: usize,
    /// Concurrent polls at each broker.
    pub polls: usize,
    /// As many more while it has more than they bring.
    pub more_polls: usize,
    /// How long a poll waits for a message; servers hold it between 5 s and 20 s.
    pub long_poll: Duration,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            group: String::new(),
            topic: String::new(),
            filter: "*".to_owned(),
            lease: Duration::from_secs(30),
            permits: 1024,
            batch: 32,
            polls: 2,
            more_polls: 4,
            long_poll: Duration::from_secs(20),
        }
    }
}

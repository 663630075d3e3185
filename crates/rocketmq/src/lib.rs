//! An async client of Apache RocketMQ 5 over gRPC (`apache.rocketmq.v2`).
//!
//! - [`Client`] holds the connections, the route cache and the memory of dead endpoints; it is
//!   lazy, and everything below is made from it;
//! - [`Producer`] sends; [`TransactionProducer`] sends half messages and answers check-backs;
//! - [`Consumer`] receives with leases: a permit first, then a poll for at most that many, each
//!   [`Delivery`] renewed in the background until it is acked, deferred or dead-lettered;
//! - [`Admin`] administers and browses over the older remoting protocol: topics, groups, offsets,
//!   settings, and what lies in any queue.
//!
//! Every call is under a deadline, every channel is bounded, every task is owned by the value that
//! started it. An [`Error`] says whether to try again. Nothing here knows who uses it.

mod address;
mod admin;
mod body;
mod call;
mod checks;
mod client;
mod clock;
mod config;
mod consumer;
mod credentials;
mod dispatch;
mod endpoints;
mod error;
mod half;
mod lookup;
mod message;
mod producer;
mod route;
mod session;
mod tls;
mod transaction;

pub use admin::{
    Admin, AdminConfig, BrokerNode, Cluster, GroupInfo, GroupSpec, HalfAt, Halves, Pulled,
    QueueOffsets, QueueRef, QueueRoute, TopicInfo, TopicRoute, TopicSpec, Unreadable,
};
pub use client::Client;
pub use config::{ClientConfig, ConsumerConfig, TransactionConfig};
pub use consumer::{Consumer, Deferral, Delivery, Lookout};
pub use credentials::Credentials;
pub use error::{Error, ErrorKind, Retry, SettleError};
pub use half::Half;
pub use message::{Message, ReceivedMessage, Sent};
pub use producer::Producer;
pub use rocketmq_wire::StoredMessage;
pub use rocketmq_wire::remoting::TopicKind;
pub use route::{BrokerRoute, Route};
pub use session::BackoffPolicy;
pub use tls::{TlsConfig, TlsIdentity};
pub use transaction::{OrphanedHalf, Resolution, TransactionChecker, TransactionProducer};

//! An embedded single-node broker that speaks Apache RocketMQ 5's gRPC protocol
//! (`apache.rocketmq.v2`), for a laptop, for tests and for small installs.
//!
//! It answers as Apache RocketMQ's proxy was seen to answer, codes, limits, attempt counting and
//! check-backs alike, but is punctual: what is deferred comes back within milliseconds of its time,
//! never before. What it acknowledged is on disk. It is not a cluster and keeps no order.
//!
//! A request goes `grpc` (judge it) -> `writer` (one thread, one commit for many requests) ->
//! `store` (redb tables) and back. `clients` knows who is there, `checks` carries check-backs to
//! them, `catalog` knows topics and groups, `remoting` makes them and lets everything be looked at.
//!
//! The invariant: nothing is answered, and no message leaves, before the commit it depends on.

mod broker;
mod catalog;
mod checks;
mod clients;
mod clock;
mod commits;
mod config;
mod error;
mod grpc;
mod names;
#[cfg(test)]
mod power_cut;
mod remoting;
mod stats;
mod store;
mod writer;

pub use broker::Broker;
pub use commits::Commits;
pub use config::{Config, GroupConfig, TopicConfig, TopicKind};
pub use error::{StartError, StoreError};
pub use names::BadName;
pub use stats::{Counter, GroupStats, Stats, TopicStats};

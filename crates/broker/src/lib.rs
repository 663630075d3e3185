//! An embedded single-node broker that speaks Apache RocketMQ 5's gRPC protocol
//! (`apache.rocketmq.v2`), for a laptop, for tests and for small installs.

mod broker;
mod catalog;
mod checks;
mod clients;
mod clock;
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
pub use config::{Config, GroupConfig, TopicConfig, TopicKind};
pub use error::{StartError, StoreError};
pub use names::BadName;
pub use stats::{GroupStats, Stats, TopicStats};

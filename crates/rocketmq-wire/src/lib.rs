//! What Apache RocketMQ 5 says on the wire, and nothing of what anyone does with it.
//!
//! - [`v2`]: the gRPC messages and the `MessagingService` client and server, generated at build
//!   time from `proto/rocketmq.proto`;
//! - [`limits`], [`properties`], [`metadata`]: the numbers and names that the server enforces;
//! - [`message_id`]: ids in the shape that RocketMQ 5 clients make;
//! - [`remoting`]: the older protocol, which administration uses: frames, requests, answers;
//! - [`StoredMessage`]: a message as brokers store it and administration reads it.
//!
//! Both the client (`rocketmq`) and the embedded broker (`broker`) are built on this crate, so
//! that a change of the wire is made once. Nothing here does I/O, spawns or reads a clock.

pub mod limits;
pub mod message_id;
pub mod metadata;
pub mod properties;
pub mod remoting;
#[cfg(test)]
mod soak;
mod status;
mod stored;

pub use status::{resource, status};
pub use stored::{
    KEYS, MAX_PROPERTIES, REAL_TOPIC, RETRY_TOPIC, SHORTENED, StoredError, StoredMessage, TAGS,
    UNIQUE_KEY, may_be_property, property_size,
};

/// The generated types of package `apache.rocketmq.v2`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v2 {
    tonic::include_proto!("apache.rocketmq.v2");
}

//! What Apache RocketMQ 5 says on the wire, and nothing of what anyone does with it.
//!
//! - [`v2`]: the gRPC messages and the `MessagingService` client and server, generated at build
//!   time from `proto/rocketmq.proto`;
//! - the codes, limits and property names that the server enforces;
//! - the remoting frame that administration uses, and its JSON bodies.
//!
//! Both the client (`rocketmq`) and the embedded broker (`broker`) are built on this crate, so
//! that a change of the wire is made once.

/// The generated types of package `apache.rocketmq.v2`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v2 {
    tonic::include_proto!("apache.rocketmq.v2");
}

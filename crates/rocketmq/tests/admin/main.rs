//! Administration and browsing, the same on every broker: on the embedded one always, and on Apache
//! RocketMQ where `RINGBACK_ROCKETMQ` (gRPC) and `RINGBACK_ROCKETMQ_ADMIN` (remoting of a name
//! server or a broker) say where one is; `…_ACCESS_KEY` and `…_SECRET_KEY` if it asks for them.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

mod catalog;
mod queues;
mod stage;

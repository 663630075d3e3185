//! Names and values of the gRPC metadata that a client sends with every call.
//!
//! A proxy refuses calls without [`CLIENT_ID`], and telemetry without [`LANGUAGE`]; the others are
//! always sent by RocketMQ's own clients.

/// Identifies the client; unique per process and role. Required.
pub const CLIENT_ID: &str = "x-mq-client-id";
/// The client's language. Telemetry fails without it.
pub const LANGUAGE: &str = "x-mq-language";
/// The client's version.
pub const CLIENT_VERSION: &str = "x-mq-client-version";
/// The protocol's version.
pub const PROTOCOL: &str = "x-mq-protocol";
/// A fresh id for each request, for the server's log.
pub const REQUEST_ID: &str = "x-mq-request-id";

/// Value of [`LANGUAGE`] that the server accepts for this client.
pub const LANGUAGE_RUST: &str = "RUST";
/// Value of [`PROTOCOL`].
pub const PROTOCOL_V2: &str = "v2";

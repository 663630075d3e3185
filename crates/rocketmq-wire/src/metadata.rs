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

/// Access key and signature of a request.
pub const AUTHORIZATION: &str = "authorization";
/// The signed time, `20260102T030405Z` in UTC.
pub const DATE_TIME: &str = "x-mq-date-time";
/// The token of temporary credentials.
pub const SESSION_TOKEN: &str = "x-mq-session-token";
/// The one algorithm that servers know, the first word of [`AUTHORIZATION`].
pub const SIGNATURE_ALGORITHM: &str = "MQv2-HMAC-SHA1";

/// Value of [`LANGUAGE`] that the server accepts for this client.
pub const LANGUAGE_RUST: &str = "RUST";
/// Value of [`PROTOCOL`].
pub const PROTOCOL_V2: &str = "v2";

//! The HTTP headers of a notification's POST, in lower case.
//!
//! The first three are Standard Webhooks' and are covered by the signature; the others are
//! information only and prove nothing.

/// The `tx_no`.
pub const WEBHOOK_ID: &str = "webhook-id";
/// When it was signed and sent, in seconds since 1970.
pub const WEBHOOK_TIMESTAMP: &str = "webhook-timestamp";
/// `v1,<base64>` once per secret, separated by blanks.
pub const WEBHOOK_SIGNATURE: &str = "webhook-signature";
/// The initiator's name.
pub const RINGBACK_SOURCE: &str = "ringback-source";
/// The event type.
pub const RINGBACK_EVENT_TYPE: &str = "ringback-event-type";
/// 0, and one more for each operator's resend.
pub const RINGBACK_GENERATION: &str = "ringback-generation";
/// Which attempt of its generation this is, from 1.
pub const WEBHOOK_ATTEMPT: &str = "webhook-attempt";
/// The W3C trace context that the initiator gave, with a span id of this attempt's.
pub const TRACEPARENT: &str = "traceparent";

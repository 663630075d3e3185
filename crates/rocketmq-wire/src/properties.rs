//! Names of message properties that the server sets or keeps to itself, and of its own topics.

/// User property on a delivered or checked transactional message: its transaction id.
pub const TRANSACTION_ID: &str = "__transactionId__";
/// Stored property: the trace context.
pub const TRACE_CONTEXT: &str = "TRACE_CONTEXT";
/// Stored property: the message group.
pub const MESSAGE_GROUP: &str = "__SHARDINGKEY";
/// User property on a checked half message: how often it was checked, this time included.
pub const CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
/// User property on a checked half message that asked for a time before its first check, in
/// seconds.
pub const CHECK_IMMUNITY_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
/// Prefix of the topic that holds a group's dead letters.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Prefix of the topic that holds a group's redeliveries.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Topic that holds half messages whose checks are used up.
pub const CHECK_MAX_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Topic that holds half messages.
pub const HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Topic that says which half messages have ended: by their offsets, with commas between them.
pub const OP_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Property on a half message that was checked: the offset of its first copy.
pub const HALF_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";

/// Keys that a sender may not use for its own properties.
pub const RESERVED: &[&str] = &[
    "KEYS",
    "TAGS",
    "UNIQ_KEY",
    "TRAN_MSG",
    "DELAY",
    "PGROUP",
    "WAIT",
    "INSTANCE_ID",
];

/// The topic with the dead letters of `group`.
#[must_use]
pub fn dlq_topic(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

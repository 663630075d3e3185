//! The limits that a RocketMQ 5.5 proxy enforces, as measured; a client that keeps them is not
//! refused, a server that enforces them refuses as the real one does.

use std::time::Duration;

/// Largest message body in bytes; an empty body is refused as well.
pub const MAX_BODY: usize = 4 * 1024 * 1024;
/// Most user properties on one message.
pub const MAX_USER_PROPERTIES: usize = 128;
/// Most bytes of all user properties together; the tag is counted too.
pub const MAX_USER_PROPERTY_BYTES: usize = 16 * 1024;
/// Longest topic name in bytes.
pub const MAX_TOPIC: usize = 127;
/// Most messages that one receive may bring, and most entries of one ack.
pub const MAX_BATCH: usize = 32;
/// Shortest invisible time of a receive without the server's own renewal.
pub const MIN_RECEIVE_INVISIBLE: Duration = Duration::from_secs(10);
/// Longest invisible time, of a receive and of a change.
pub const MAX_INVISIBLE: Duration = Duration::from_secs(12 * 60 * 60);
/// Shortest long poll: what is asked below is raised to it.
pub const MIN_LONG_POLL: Duration = Duration::from_secs(5);
/// Longest long poll: what is asked above is lowered to it.
pub const MAX_LONG_POLL: Duration = Duration::from_secs(20);
/// A receive whose gRPC deadline leaves less than this is refused.
pub const MIN_POLL_DEADLINE: Duration = Duration::from_secs(5);
/// Longest delay of a delayed message.
pub const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest time before the first check-back that a half message may ask for.
pub const MAX_TRANSACTION_RECOVERY: Duration = Duration::from_secs(3600);
/// How long a proxy remembers a half message, from its send and from each check: an
/// `EndTransaction` after that is refused.
pub const TRANSACTION_RECORD: Duration = Duration::from_secs(30);
/// A client that sends no heartbeat for this long is forgotten, Settings and all.
pub const CLIENT_IDLE: Duration = Duration::from_secs(120);
/// How often clients send a heartbeat.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Whether `name` is made of the characters that topics and groups may have
/// (`^[%|a-zA-Z0-9_-]+$`) and is no longer than [`MAX_TOPIC`].
#[must_use]
pub fn is_resource_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_TOPIC
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'|' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_name_keeps_to_the_servers_characters_and_length() {
        assert!(is_resource_name("%DLQ%bank2"));
        assert!(is_resource_name(&"a".repeat(127)));
        assert!(!is_resource_name(&"a".repeat(128)));
        assert!(!is_resource_name(""));
        assert!(!is_resource_name("a.b"));
        assert!(!is_resource_name("张三"));
    }
}

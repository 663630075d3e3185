//! Names of topics and groups: what is legal, what is the system's own.

use rocketmq_wire::limits::MAX_TOPIC;
use rocketmq_wire::properties::{DLQ_PREFIX, RETRY_PREFIX};

/// Where half messages go whose check-backs are used up.
pub(crate) use rocketmq_wire::properties::CHECK_MAX_TOPIC as CHECK_LIMIT_TOPIC;
/// The topic that holds a group's dead messages.
pub(crate) use rocketmq_wire::properties::dlq_topic as dead_letter_topic;

/// Where half messages wait.
pub(crate) use rocketmq_wire::properties::HALF_TOPIC;

/// Apache RocketMQ's name for a cluster that was given none.
pub(crate) const CLUSTER: &str = "DefaultCluster";
/// Apache RocketMQ's example name for a broker.
pub(crate) const BROKER: &str = "broker-a";

const SYSTEM_PREFIXES: [&str; 2] = ["rmq_sys_", "RMQ_SYS_"];
const SYSTEM_TOPICS: [&str; 5] = [
    CHECK_LIMIT_TOPIC,
    "TBW102",
    "SCHEDULE_TOPIC_XXXX",
    "SELF_TEST_TOPIC",
    "OFFSET_MOVED_EVENT",
];

/// The longest group name: its dead-letter topic must be a topic's name too.
const MAX_GROUP: usize = 120;

/// Whether `topic` holds the dead messages of some group.
pub(crate) fn is_dead_letter_topic(topic: &str) -> bool {
    topic.starts_with(DLQ_PREFIX)
}

/// Whether `topic` is one that the broker itself makes for a group.
pub(crate) fn is_group_topic(topic: &str) -> bool {
    is_dead_letter_topic(topic) || topic.starts_with(RETRY_PREFIX)
}

/// Whether clients are kept away from `topic`.
pub(crate) fn is_system_topic(topic: &str) -> bool {
    SYSTEM_TOPICS.contains(&topic)
        || SYSTEM_PREFIXES
            .iter()
            .any(|prefix| topic.starts_with(prefix))
}

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing but spaces, or nothing at all.
    #[error("the specified {0} is blank")]
    Blank(&'static str),
    /// Longer than the limit.
    #[error("the specified {what} is longer than {what} max length {max}")]
    TooLong {
        /// "topic" or "group".
        what: &'static str,
        /// The limit in characters.
        max: usize,
    },
    /// A character outside `[%|a-zA-Z0-9_-]`.
    #[error(
        "the specified {what} [{name}] contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
    )]
    IllegalCharacter {
        /// "topic" or "group".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// One of the broker's own topics.
    #[error("cannot access system topic")]
    System,
}

/// Checks a topic name that a client gave.
pub(crate) fn check_topic(name: &str) -> Result<(), BadName> {
    check("topic", name, MAX_TOPIC)?;
    if is_system_topic(name) {
        return Err(BadName::System);
    }
    Ok(())
}

/// Checks the name of a topic that is to be made: the prefixed ones are made by the broker alone.
pub(crate) fn check_new_topic(name: &str) -> Result<(), BadName> {
    check_topic(name)?;
    if is_group_topic(name) {
        return Err(BadName::System);
    }
    Ok(())
}

/// Checks a group name.
pub(crate) fn check_group(name: &str) -> Result<(), BadName> {
    check("group", name, MAX_GROUP)
}

fn check(what: &'static str, name: &str, max: usize) -> Result<(), BadName> {
    if name.trim().is_empty() {
        return Err(BadName::Blank(what));
    }
    if name.len() > max {
        return Err(BadName::TooLong { what, max });
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "%|_-".contains(c);
    if !name.chars().all(legal) {
        return Err(BadName::IllegalCharacter {
            what,
            name: name.into(),
        });
    }
    Ok(())
}

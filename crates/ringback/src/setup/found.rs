//! What is at the broker: read over administration, looked at by [`plan`](super::plan()) alone.

use std::collections::BTreeSet;
use std::time::Duration;

use rocketmq::TopicKind;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The masters: what is made is made on each.
    pub brokers: BTreeSet<String>,
    /// One for each broker that has it.
    pub topics: Vec<FoundTopic>,
    /// One for each broker that has it.
    pub groups: Vec<FoundGroup>,
    /// Groups that have polled every queue of a topic at least once: (group, topic).
    pub begun: BTreeSet<(String, String)>,
}

/// A topic on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTopic {
    /// Its name.
    pub name: String,
    /// Which messages it takes.
    pub kind: TopicKind,
    /// Its queues.
    pub queues: u32,
    /// Where.
    pub broker: String,
}

/// A group on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundGroup {
    /// Its name.
    pub name: String,
    /// Redeliveries before the broker gives a message up by itself.
    pub retry_max_times: u32,
    /// The policy's delays; empty: the broker's own.
    pub delays: Vec<Duration>,
    /// Whether it may consume at all.
    pub consume_enabled: bool,
    /// Where.
    pub broker: String,
}

//! What is at the broker: read over administration, looked at by [`plan`](super::plan()) alone.

use std::collections::{BTreeMap, BTreeSet};
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
    /// How groups stand in topics that are there: (group, topic).
    pub places: BTreeMap<(String, String), Place>,
    /// Whether it is the embedded broker, which has no other tools than these.
    pub embedded: bool,
}

/// How a group stands in a topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Queues in which the group has no offset: where it would begin there is the broker's choice.
    pub open: usize,
    /// Messages that lie in those queues.
    pub history: u64,
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

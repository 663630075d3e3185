//! Counts of what the broker holds, for tests and for whoever wants a look: reading them moves
//! nothing.

use std::collections::BTreeMap;

/// A moment's counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By topic name; the dead-letter topics are among them.
    pub topics: BTreeMap<String, TopicStats>,
    /// By group, then topic: every pair that was received from at least once.
    pub groups: BTreeMap<String, BTreeMap<String, GroupStats>>,
}

/// One topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicStats {
    /// Visible messages that are still kept.
    pub messages: u64,
    /// Half messages whose transaction is open.
    pub halves: u64,
}

/// One group on one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// Never received, or due again.
    pub ready: u64,
    /// Received and not acked, or deferred: not due yet.
    pub invisible: u64,
}

impl Stats {
    /// Messages of `topic` that `group` could receive now; all of them if it never received any.
    pub fn ready(&self, group: &str, topic: &str) -> u64 {
        match self.group(group, topic) {
            Some(stats) => stats.ready,
            None => self.topic(topic).messages,
        }
    }

    /// Messages of `topic` that `group` holds or has deferred.
    pub fn invisible(&self, group: &str, topic: &str) -> u64 {
        self.group(group, topic).map_or(0, |stats| stats.invisible)
    }

    /// Half messages of `topic` whose transaction is open.
    pub fn halves(&self, topic: &str) -> u64 {
        self.topic(topic).halves
    }

    /// Dead messages of `group`: what its dead-letter topic holds.
    pub fn dead(&self, group: &str) -> u64 {
        self.topic(&crate::names::dead_letter_topic(group)).messages
    }

    /// One topic's counts; zeros if there is no such topic.
    pub fn topic(&self, topic: &str) -> TopicStats {
        self.topics.get(topic).copied().unwrap_or_default()
    }

    fn group(&self, group: &str, topic: &str) -> Option<GroupStats> {
        self.groups.get(group)?.get(topic).copied()
    }
}

//! The topics and groups that exist, as every part of the broker sees them.
//!
//! The writer alone changes the catalog, after the change is on disk; everyone else reads. It is
//! small: what people created, not what passes through.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::TopicKind;
use crate::clock::millis;

/// Apache RocketMQ's retry delays of a group that was made without a policy.
const DEFAULT_DELAYS_S: [u64; 18] = [
    1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];
/// Apache RocketMQ's redeliveries of a group that was made without a policy.
const DEFAULT_RETRIES: u32 = 16;

/// A topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) id: u32,
    pub(crate) kind: TopicKind,
}

/// When a group's messages come again, and when no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) retry_max_times: u32,
    delays_ms: Vec<u64>,
}

impl Policy {
    /// A policy; without delays it takes the default ones.
    pub(crate) fn new(retry_max_times: u32, delays: &[Duration]) -> Self {
        let delays_ms = delays.iter().copied().map(millis).collect();
        Self {
            retry_max_times,
            delays_ms,
        }
    }

    /// Deliveries in all.
    pub(crate) fn max_attempts(&self) -> u32 {
        self.retry_max_times.saturating_add(1)
    }

    /// The delays it was made with; none when it takes the default ones.
    pub(crate) fn own_delays(&self) -> Vec<Duration> {
        let delays = self.delays_ms.iter().copied();
        delays.map(Duration::from_millis).collect()
    }

    /// What Settings tell the group's clients. The broker itself applies none of it.
    pub(crate) fn delays(&self) -> Vec<Duration> {
        if self.delays_ms.is_empty() {
            return DEFAULT_DELAYS_S.map(Duration::from_secs).to_vec();
        }
        self.own_delays()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(DEFAULT_RETRIES, &[])
    }
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: u32,
    pub(crate) policy: Policy,
}

/// Names to topics and groups.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    names: RwLock<Names>,
}

#[derive(Debug, Default)]
struct Names {
    topics: HashMap<String, Topic>,
    groups: HashMap<String, Group>,
}

impl Catalog {
    /// The topic of that name.
    pub(crate) fn topic(&self, name: &str) -> Option<Topic> {
        self.read(|names| names.topics.get(name).copied())
    }

    /// All topics, by name.
    pub(crate) fn topics(&self) -> BTreeMap<String, Topic> {
        self.read(|names| {
            let topics = names.topics.iter();
            topics.map(|(name, topic)| (name.clone(), *topic)).collect()
        })
    }

    /// All groups, by name.
    pub(crate) fn groups(&self) -> BTreeMap<String, Group> {
        self.read(|names| {
            let groups = names.groups.iter();
            groups
                .map(|(name, group)| (name.clone(), group.clone()))
                .collect()
        })
    }

    /// The group of that name.
    pub(crate) fn group(&self, name: &str) -> Option<Group> {
        self.read(|names| names.groups.get(name).cloned())
    }

    /// Adds or replaces a topic.
    pub(crate) fn put_topic(&self, name: String, topic: Topic) {
        self.write(|names| names.topics.insert(name, topic));
    }

    /// Adds or replaces a group.
    pub(crate) fn put_group(&self, name: String, group: Group) {
        self.write(|names| names.groups.insert(name, group));
    }

    // A poisoned lock guards maps that are whole after every single insert.
    fn read<T>(&self, look: impl FnOnce(&Names) -> T) -> T {
        look(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Names) -> T) -> T {
        change(&mut self.names.write().unwrap_or_else(PoisonError::into_inner))
    }
}

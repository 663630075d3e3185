//! Counts of what the broker holds, for tests and for whoever wants a look: reading them moves
//! nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable};
use tokio_util::task::TaskTracker;

use crate::StoreError;
use crate::catalog::{Group, Topic};
use crate::clock::{Clock, UnixMs};
use crate::names;
use crate::store::parse;
use crate::store::tables::{self, lease_key, message_key};
use crate::store::{Store, failed};
use crate::writer::half::HalfState;

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

/// Counts what a broker holds; clones are one. It walks over every message that is kept and every lease.
#[derive(Clone)]
pub struct Counter {
    store: Arc<Store>,
    clock: Clock,
    /// The broker's stop waits for them.
    reads: TaskTracker,
}

impl Counter {
    pub(crate) fn new(store: Arc<Store>, clock: Clock, reads: TaskTracker) -> Self {
        Self {
            store,
            clock,
            reads,
        }
    }

    /// Counts now, on a thread that may block.
    ///
    /// # Errors
    /// The store can't be read.
    pub async fn count(&self) -> Result<Stats, StoreError> {
        let (store, now_ms) = (Arc::clone(&self.store), self.clock.now_ms());
        let counting = self.reads.spawn_blocking(move || count(&store, now_ms));
        let counted = counting.await;
        counted.map_err(|error| StoreError::Failed(error.to_string()))?
    }
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
        self.topic(&names::dead_letter_topic(group)).messages
    }

    /// One topic's counts; zeros if there is no such topic.
    pub fn topic(&self, topic: &str) -> TopicStats {
        self.topics.get(topic).copied().unwrap_or_default()
    }

    fn group(&self, group: &str, topic: &str) -> Option<GroupStats> {
        self.groups.get(group)?.get(topic).copied()
    }
}

/// Counts everything, by walking the tables.
pub(crate) fn count(database: &Database, now_ms: UnixMs) -> Result<Stats, StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    let topics = transaction.open_table(tables::TOPICS).map_err(failed)?;
    let groups = transaction.open_table(tables::GROUPS).map_err(failed)?;
    let messages = transaction.open_table(tables::MESSAGES).map_err(failed)?;
    let halves = transaction.open_table(tables::HALVES).map_err(failed)?;
    let readings = transaction.open_table(tables::READINGS).map_err(failed)?;
    let cursors = transaction.open_table(tables::CURSORS).map_err(failed)?;
    let leases = transaction.open_table(tables::LEASES).map_err(failed)?;

    let from = |topic: u32, offset: u64| -> Result<u64, StoreError> {
        let (from, to) = (message_key(topic, offset), message_key(topic, u64::MAX));
        Ok(count_rows(
            messages.range::<&[u8; 12]>(&from..=&to).map_err(failed)?,
        ))
    };
    let mut stats = Stats::default();
    let mut topic_names = BTreeMap::new();
    for row in topics.iter().map_err(failed)? {
        let (name, topic) = row.map_err(failed)?;
        let topic: Topic = parse(topic.value())?;
        topic_names.insert(topic.id, name.value().to_owned());
        let counts = TopicStats {
            messages: from(topic.id, 0)?,
            halves: 0,
        };
        stats.topics.insert(name.value().to_owned(), counts);
    }
    for row in halves.iter().map_err(failed)? {
        let (key, state) = row.map_err(failed)?;
        let topic = tables::half_parts(key.value()).and_then(|(topic, ..)| topic_names.get(&topic));
        let counts = topic.and_then(|topic| stats.topics.get_mut(topic));
        if let (Some(counts), false) = (counts, HalfState::read(state.value())?.at_limit) {
            counts.halves += 1;
        }
    }
    let mut group_names = BTreeMap::new();
    for row in groups.iter().map_err(failed)? {
        let (name, group) = row.map_err(failed)?;
        let group: Group = parse(group.value())?;
        group_names.insert(group.id, name.value().to_owned());
    }
    for row in readings.iter().map_err(failed)? {
        let (key, id) = row.map_err(failed)?;
        let ((group, topic), id) = (key.value(), id.value());
        let (Some(group), Some(name)) = (group_names.get(&group), topic_names.get(&topic)) else {
            continue;
        };
        let cursor = cursors
            .get(id)
            .map_err(failed)?
            .map_or(0, |cursor| cursor.value());
        let due = |from_ms, to_ms| -> Result<u64, StoreError> {
            let (from, to) = (lease_key(id, from_ms, 0), lease_key(id, to_ms, u64::MAX));
            Ok(count_rows(
                leases.range::<&[u8; 20]>(&from..=&to).map_err(failed)?,
            ))
        };
        let counts = GroupStats {
            ready: from(topic, cursor)? + due(0, now_ms)?,
            invisible: due(now_ms + 1, u64::MAX)?,
        };
        stats
            .groups
            .entry(group.clone())
            .or_default()
            .insert(name.clone(), counts);
    }
    Ok(stats)
}

fn count_rows<T>(rows: impl Iterator<Item = T>) -> u64 {
    rows.fold(0, |count, _| count + 1)
}

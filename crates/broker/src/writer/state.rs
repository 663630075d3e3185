//! What the writer keeps in memory: a few numbers for each topic, group and reading, and nothing
//! for each message. All of it can be read again from the tables.

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadableTable, WriteTransaction};

use super::retain::Removal;
use crate::StoreError;
use crate::catalog::{Catalog, Group, Topic};
use crate::clock::UnixMs;
use crate::store::tables::{self, Tables};
use crate::store::{failed, parse, upgrade};

/// A topic.
#[derive(Clone, Debug)]
pub(super) struct TopicState {
    pub(super) name: Arc<str>,
    /// The offset of the next message.
    pub(super) end: u64,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct GroupState {
    pub(super) name: Arc<str>,
    pub(super) max_attempts: u32,
}

/// A group's reading of a topic.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) group: u32,
    pub(super) topic: u32,
    /// The first message that was never received.
    pub(super) cursor: u64,
    /// No lease of this reading is due before this time.
    pub(super) due_hint: UnixMs,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) topics: HashMap<u32, TopicState>,
    pub(super) topic_ids: HashMap<Arc<str>, u32>,
    pub(super) groups: HashMap<u32, GroupState>,
    pub(super) group_ids: HashMap<Arc<str>, u32>,
    pub(super) readings: Vec<Reading>,
    pub(super) reading_ids: HashMap<(u32, u32), u32>,
    pub(super) next_half: u64,
    /// No half message is due before this time.
    pub(super) half_hint: UnixMs,
    /// No delayed message is due before this time.
    pub(super) delayed_hint: UnixMs,
    /// The removal of old messages that is under way.
    pub(super) removal: Option<Removal>,
}

impl State {
    /// Reads the state from the tables, and the catalog with it.
    pub(super) fn load(
        transaction: &WriteTransaction,
        catalog: &Catalog,
    ) -> Result<Self, StoreError> {
        let tables = Tables::open(transaction)?;
        let mut state = Self::default();
        for row in tables.topics.iter().map_err(failed)? {
            let (name, value) = row.map_err(failed)?;
            let topic: Topic = parse(value.value())?;
            let end = tables
                .ends
                .get(topic.id)
                .map_err(failed)?
                .map_or(0, |end| end.value());
            state.add_topic(name.value(), topic.id, end);
            catalog.put_topic(name.value().to_owned(), topic);
        }
        for row in tables.groups.iter().map_err(failed)? {
            let (name, value) = row.map_err(failed)?;
            let group: Group = parse(value.value())?;
            state.add_group(name.value(), &group);
            catalog.put_group(name.value().to_owned(), group);
        }
        let mut readings = Vec::new();
        for row in tables.readings.iter().map_err(failed)? {
            let (key, id) = row.map_err(failed)?;
            readings.push((id.value(), key.value()));
        }
        readings.sort_unstable();
        for (id, (group, topic)) in readings {
            let cursor = tables
                .cursors
                .get(id)
                .map_err(failed)?
                .map_or(0, |cursor| cursor.value());
            if state.add_reading(group, topic, cursor) != id {
                return Err(StoreError::Corrupt("a reading"));
            }
        }
        let halves = tables.ends.get(tables::HALVES_TOPIC).map_err(failed)?;
        let next = halves.map_or(0, |next| next.value());
        // Whatever the row says, no half takes the place of another.
        state.next_half = next.max(upgrade::end(&tables.half_messages)?);
        Ok(state)
    }

    pub(super) fn add_topic(&mut self, name: &str, id: u32, end: u64) {
        let name: Arc<str> = name.into();
        self.topic_ids.insert(Arc::clone(&name), id);
        self.topics.insert(id, TopicState { name, end });
    }

    pub(super) fn add_group(&mut self, name: &str, group: &Group) {
        let (name, max_attempts): (Arc<str>, _) = (name.into(), group.policy.max_attempts());
        self.group_ids.insert(Arc::clone(&name), group.id);
        self.groups
            .insert(group.id, GroupState { name, max_attempts });
    }

    /// Adds a reading and answers its id. Its leases, if any, are unknown yet: it hints at "now".
    pub(super) fn add_reading(&mut self, group: u32, topic: u32, cursor: u64) -> u32 {
        let id = u32::try_from(self.readings.len()).expect("fewer than 2^32 groups and topics");
        self.readings.push(Reading {
            group,
            topic,
            cursor,
            due_hint: 0,
        });
        self.reading_ids.insert((group, topic), id);
        id
    }

    pub(super) fn reading(&self, id: u32) -> Option<&Reading> {
        self.readings.get(usize::try_from(id).ok()?)
    }

    pub(super) fn reading_mut(&mut self, id: u32) -> Option<&mut Reading> {
        self.readings.get_mut(usize::try_from(id).ok()?)
    }
}

impl Tables<'_> {
    /// When the reading's next lease is due.
    pub(super) fn first_due(&self, reading: u32) -> Result<Option<UnixMs>, StoreError> {
        let all = tables::lease_key(reading, 0, 0)..=tables::lease_key(reading, u64::MAX, u64::MAX);
        let first = self
            .leases
            .range::<&[u8; 20]>(&all.start()..=&all.end())
            .map_err(failed)?
            .next();
        first
            .map(|row| {
                row.map(|(key, _)| tables::lease_parts(key.value()).0)
                    .map_err(failed)
            })
            .transpose()
    }
}

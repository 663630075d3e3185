//! Making topics, groups and readings.

use super::batch::Batch;
use crate::catalog::{Group, Policy, Topic};
use crate::store::failed;
use crate::{StoreError, TopicKind, names};

impl Batch<'_, '_> {
    /// Makes a topic, or changes the kind of one that exists; answers its number.
    pub(super) fn create_topic(&mut self, name: &str, kind: TopicKind) -> Result<u32, StoreError> {
        let known = self.state.topic_ids.get(name).copied();
        let id = match known {
            Some(id) => id,
            None => next_id(self.state.topics.keys())?,
        };
        let topic = Topic { id, kind };
        self.tables
            .topics
            .insert(name, json(&topic)?.as_slice())
            .map_err(failed)?;
        if known.is_none() {
            self.state.add_topic(name, id, 0);
        }
        self.effects.topics.push((name.to_owned(), topic));
        self.effects.dirty = true;
        Ok(id)
    }

    /// Makes a group, or gives one that exists another policy.
    pub(super) fn create_group(&mut self, name: &str, policy: Policy) -> Result<u32, StoreError> {
        let known = self.state.group_ids.get(name).copied();
        let id = match known {
            Some(id) => id,
            None => next_id(self.state.groups.keys())?,
        };
        let group = Group { id, policy };
        self.tables
            .groups
            .insert(name, json(&group)?.as_slice())
            .map_err(failed)?;
        self.state.add_group(name, &group);
        self.effects.groups.push((name.to_owned(), group));
        self.effects.dirty = true;
        Ok(id)
    }

    /// The number of a group's dead-letter topic, which is made with its first message.
    pub(super) fn dead_letter_topic(&mut self, group: &str) -> Result<u32, StoreError> {
        let name = names::dead_letter_topic(group);
        match self.state.topic_ids.get(name.as_str()) {
            Some(id) => Ok(*id),
            None => self.create_topic(&name, TopicKind::Normal),
        }
    }

    /// The number of a group's reading of a topic; a new one begins at the first message there is,
    /// and a new group has the default policy.
    pub(super) fn open_reading(&mut self, group: &str, topic: u32) -> Result<u32, StoreError> {
        let group = match self.state.group_ids.get(group) {
            Some(group) => *group,
            None => self.create_group(group, Policy::default())?,
        };
        if let Some(id) = self.state.reading_ids.get(&(group, topic)) {
            return Ok(*id);
        }
        let id = self.state.add_reading(group, topic, 0);
        self.tables
            .readings
            .insert((group, topic), id)
            .map_err(failed)?;
        self.tables.cursors.insert(id, 0).map_err(failed)?;
        self.effects.dirty = true;
        Ok(id)
    }

    /// Sets the first message of a topic that a group receives next.
    pub(super) fn place(&mut self, group: &str, topic: u32, offset: u64) -> Result<(), StoreError> {
        let id = self.open_reading(group, topic)?;
        if let Some(reading) = self.state.reading_mut(id) {
            reading.cursor = offset;
        }
        self.tables.cursors.insert(id, offset).map_err(failed)?;
        self.effects.dirty = true;
        Ok(())
    }
}

fn next_id<'a>(known: impl Iterator<Item = &'a u32>) -> Result<u32, StoreError> {
    known
        .max()
        .map_or(Some(1), |id| id.checked_add(1))
        .ok_or(StoreError::Corrupt("the numbers of topics"))
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Failed(error.to_string()))
}

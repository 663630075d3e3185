//! Adding visible messages to a topic.

use super::batch::Batch;
use super::op::NewMessage;
use crate::StoreError;
use crate::store::failed;
use crate::store::record::Record;
use crate::store::tables::{HALVES_TOPIC, message_key};

impl Batch<'_, '_> {
    /// Adds new messages; answers the first one's offset.
    pub(super) fn append(
        &mut self,
        topic: u32,
        messages: &[NewMessage],
    ) -> Result<u64, StoreError> {
        let store_ms = self.now_ms;
        let mut first = None;
        for NewMessage { tag, message } in messages {
            let record = Record {
                store_ms,
                base: 0,
                tag,
                origin: "",
                message,
            };
            let offset = self.append_record(topic, &record)?;
            first.get_or_insert(offset);
        }
        Ok(first.unwrap_or_default())
    }

    /// Adds one record; answers its offset.
    pub(super) fn append_record(&mut self, topic: u32, record: &Record) -> Result<u64, StoreError> {
        let state = self
            .state
            .topics
            .get_mut(&topic)
            .ok_or(StoreError::Corrupt("a topic's number"))?;
        let offset = state.end;
        state.end += 1;
        let mut place = self
            .tables
            .messages
            .insert_reserve(&message_key(topic, offset), record.size())
            .map_err(failed)?;
        record.write(place.as_mut());
        drop(place);
        self.effects.dirty = true;
        if !self.effects.arrivals.contains(&topic) {
            self.effects.arrivals.push(topic);
        }
        Ok(offset)
    }

    /// Stores where the topics that grew now end, and the halves; once a batch.
    pub(super) fn write_ends(&mut self) -> Result<(), StoreError> {
        for topic in &self.effects.arrivals {
            if let Some(state) = self.state.topics.get(topic) {
                self.tables.ends.insert(topic, state.end).map_err(failed)?;
            }
        }
        if self.effects.halves_arrived {
            let next = self.state.next_half;
            self.tables
                .ends
                .insert(HALVES_TOPIC, next)
                .map_err(failed)?;
        }
        Ok(())
    }
}

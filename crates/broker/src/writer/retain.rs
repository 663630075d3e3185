//! Removing old messages: by age alone, consumed or not, as Apache RocketMQ does. What a group has
//! not received by then is counted and warned about.

use redb::ReadableTable;

use super::batch::Batch;
use crate::StoreError;
use crate::clock::UnixMs;
use crate::store::failed;
use crate::store::record::Record;
use crate::store::tables::{message_key, message_offset};

/// Messages removed from a topic in one batch, so that nobody waits for the cleaning.
const AT_ONCE: usize = 1024;

impl Batch<'_, '_> {
    /// Removes messages that were stored before `cutoff_ms`; answers whether there are more.
    pub(super) fn retain(&mut self, cutoff_ms: UnixMs) -> Result<bool, StoreError> {
        let topics: Vec<u32> = self.state.topics.keys().copied().collect();
        let mut more = false;
        for topic in topics {
            more |= self.retain_topic(topic, cutoff_ms)?;
        }
        Ok(more)
    }

    fn retain_topic(&mut self, topic: u32, cutoff_ms: UnixMs) -> Result<bool, StoreError> {
        let (from, to) = (message_key(topic, 0), message_key(topic, u64::MAX));
        let mut old = Vec::new();
        for row in self
            .tables
            .messages
            .range::<&[u8; 12]>(&from..&to)
            .map_err(failed)?
        {
            let (key, value) = row.map_err(failed)?;
            if old.len() == AT_ONCE || Record::read(value.value())?.store_ms >= cutoff_ms {
                break;
            }
            old.push(*key.value());
        }
        let (Some(first), Some(last)) = (old.first(), old.last()) else {
            return Ok(false);
        };
        self.warn_of_unread(topic, message_offset(first), message_offset(last));
        for key in &old {
            self.tables.messages.remove(key).map_err(failed)?;
        }
        self.effects.dirty = true;
        Ok(old.len() == AT_ONCE)
    }

    fn warn_of_unread(&self, topic: u32, first: u64, last: u64) {
        let name = self
            .state
            .topics
            .get(&topic)
            .map_or("", |topic| &*topic.name);
        for reading in self
            .state
            .readings
            .iter()
            .filter(|reading| reading.topic == topic)
        {
            let unread = (last + 1).saturating_sub(reading.cursor.max(first));
            if unread > 0 {
                let group = self
                    .state
                    .groups
                    .get(&reading.group)
                    .map_or("", |group| &*group.name);
                tracing::warn!(
                    event = "unread_messages_expired",
                    topic = name,
                    group,
                    count = unread,
                    "messages outlived their retention before the group received them"
                );
            }
        }
    }
}

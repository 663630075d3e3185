//! Delayed messages: kept apart until their time, then added to their topic like any other.
//!
//! A row lies under (due, message id, number), so the due ones are the first, and a message that is
//! taken back is found by what its recall handle says. Nothing of a sleeping message is in memory.

use redb::ReadableTable;

use super::batch::Batch;
use super::op::NewMessage;
use crate::StoreError;
use crate::clock::UnixMs;
use crate::store::failed;
use crate::store::record::Record;
use crate::store::tables::{DELAYED_END, delayed_due, delayed_key, delayed_prefix};

/// Delayed messages that one batch delivers, and their bytes: nobody waits for a crowd of them.
const AT_ONCE: usize = 1024;
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;

const CORRUPT: StoreError = StoreError::Corrupt("a delayed message");

impl Batch<'_, '_> {
    /// Keeps a message until `due_ms`; answers its number among the delayed ones.
    pub(super) fn delay(
        &mut self,
        topic: u32,
        message_id: &str,
        message: &NewMessage,
        due_ms: UnixMs,
    ) -> Result<u64, StoreError> {
        let end = self.tables.ends.get(DELAYED_END).map_err(failed)?;
        let number = end.map_or(0, |end| end.value());
        self.tables
            .ends
            .insert(DELAYED_END, number + 1)
            .map_err(failed)?;
        let NewMessage { tag, message } = message;
        let record = Record {
            store_ms: self.now_ms,
            base: 0,
            tag,
            origin: "",
            message,
        };
        let key = delayed_key(due_ms, message_id, number);
        let mut place = self
            .tables
            .delayed
            .insert_reserve(key.as_slice(), 4 + record.size())
            .map_err(failed)?;
        let (head, rest) = place.as_mut().split_at_mut(4);
        head.copy_from_slice(&topic.to_be_bytes());
        record.write(rest);
        drop(place);
        self.state.delayed_hint = self.state.delayed_hint.min(due_ms);
        self.effects.dirty = true;
        Ok(number)
    }

    /// Takes back a message that is not delivered yet; answers whether there was one.
    pub(super) fn recall(
        &mut self,
        topic: u32,
        message_id: &str,
        due_ms: UnixMs,
    ) -> Result<bool, StoreError> {
        let from = delayed_prefix(due_ms, message_id);
        let to = delayed_key(due_ms, message_id, u64::MAX);
        let mut found = None;
        for row in self
            .tables
            .delayed
            .range(from.as_slice()..=to.as_slice())
            .map_err(failed)?
        {
            let (key, value) = row.map_err(failed)?;
            if parts(value.value())?.0 == topic {
                found = Some(key.value().to_vec());
                break;
            }
        }
        let Some(key) = found else {
            return Ok(false);
        };
        self.tables.delayed.remove(key.as_slice()).map_err(failed)?;
        self.effects.dirty = true;
        Ok(true)
    }

    /// Adds what is due to its topic.
    pub(super) fn deliver_delayed(&mut self) -> Result<(), StoreError> {
        if self.state.delayed_hint > self.now_ms {
            return Ok(());
        }
        let (mut due, mut bytes) = (Vec::new(), 0);
        let mut next = UnixMs::MAX;
        for row in self.tables.delayed.iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let due_ms = delayed_due(key.value()).ok_or(CORRUPT)?;
            if due_ms > self.now_ms || due.len() == AT_ONCE || bytes >= BYTES_AT_ONCE {
                next = due_ms;
                break;
            }
            bytes += value.value().len();
            due.push((key.value().to_vec(), value.value().to_vec()));
        }
        for (key, value) in due {
            let (topic, record) = parts(&value)?;
            let record = Record {
                store_ms: self.now_ms,
                ..Record::read(record)?
            };
            self.append_record(topic, &record)?;
            self.tables.delayed.remove(key.as_slice()).map_err(failed)?;
        }
        self.state.delayed_hint = next;
        Ok(())
    }
}

/// The topic and the record in a row.
fn parts(value: &[u8]) -> Result<(u32, &[u8]), StoreError> {
    let (topic, record) = value.split_first_chunk::<4>().ok_or(CORRUPT)?;
    Ok((u32::from_be_bytes(*topic), record))
}

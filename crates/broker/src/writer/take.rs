//! Handing messages out: first those whose lease is over, then new ones.
//!
//! A message is handed out under a lease that is on disk before the message leaves, so a crash
//! can only make it come again. Redelivery changes no message: the lease's row counts.

use bytes::Bytes;
use redb::ReadableTable;

use super::batch::Batch;
use super::op::{Delivered, TagFilter, Taken};
use crate::StoreError;
use crate::clock::UnixMs;
use crate::store::failed;
use crate::store::receipt::Receipt;
use crate::store::record::Record;
use crate::store::tables::{lease_key, lease_parts, message_key, message_offset};

/// Messages looked at for one receive, so that a narrow filter holds nobody else up.
const LOOKS: usize = 1024;
/// Message bytes looked at for one receive; its first message is looked at however large it is.
const BYTES: usize = 16 * 1024 * 1024;

/// What one receive has looked at so far.
#[derive(Default)]
struct Looked {
    messages: usize,
    bytes: usize,
}

impl Looked {
    /// Whether a message of so many bytes may be looked at too.
    fn may(&self, bytes: usize) -> bool {
        self.messages < LOOKS && (self.bytes == 0 || self.bytes + bytes <= BYTES)
    }

    fn at(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

/// What a receive asks for.
#[derive(Clone, Copy)]
pub(super) struct Wish<'w> {
    pub(super) max: usize,
    pub(super) invisible_ms: u64,
    pub(super) filter: &'w TagFilter,
}

/// A message that may be handed out.
struct Candidate {
    offset: u64,
    /// The delivery's number; `None`: the first one in this topic.
    attempt: Option<u32>,
    record: Bytes,
}

/// When something that is put off by `span_ms` from `now_ms` is due: never early, so the started
/// millisecond counts as over only when it is.
pub(super) fn due_after(now_ms: UnixMs, span_ms: u64) -> UnixMs {
    now_ms.saturating_add(span_ms).saturating_add(1)
}

impl Batch<'_, '_> {
    /// Hands out what there is. The answer is empty if there is nothing yet.
    pub(super) fn take(&mut self, reading: u32, wish: Wish) -> Result<Taken, StoreError> {
        let (mut taken, mut looked) = (Taken::default(), Looked::default());
        while taken.messages.len() < wish.max {
            let due = self.next_due(reading, wish.max - taken.messages.len(), &mut looked)?;
            if due.is_empty() {
                break;
            }
            self.hand_out(reading, wish, due, &mut taken)?;
        }
        while taken.messages.len() < wish.max {
            let new = self.next_new(reading, wish.max - taken.messages.len(), &mut looked)?;
            if new.is_empty() {
                break;
            }
            self.hand_out(reading, wish, new, &mut taken)?;
        }
        Ok(taken)
    }

    /// Whether there is something to look at right now, wanted or not.
    pub(super) fn has_candidates(&self, reading: u32) -> bool {
        self.state.reading(reading).is_some_and(|reading| {
            let end = self
                .state
                .topics
                .get(&reading.topic)
                .map_or(0, |topic| topic.end);
            reading.due_hint <= self.now_ms || reading.cursor < end
        })
    }

    /// Takes leases that are over off their rows.
    fn next_due(
        &mut self,
        id: u32,
        max: usize,
        looked: &mut Looked,
    ) -> Result<Vec<Candidate>, StoreError> {
        let Some(reading) = self.state.reading(id) else {
            return Ok(Vec::new());
        };
        if reading.due_hint > self.now_ms {
            return Ok(Vec::new());
        }
        let topic = reading.topic;
        let (from, to) = (lease_key(id, 0, 0), lease_key(id, self.now_ms, u64::MAX));
        let mut leases = Vec::new();
        for row in self
            .tables
            .leases
            .range::<&[u8; 20]>(&from..=&to)
            .map_err(failed)?
            .take(max.min(LOOKS))
        {
            let (key, attempt) = row.map_err(failed)?;
            leases.push((*key.value(), attempt.value()));
        }
        let mut candidates = Vec::with_capacity(leases.len());
        let mut gone = 0_u32;
        for (key, attempt) in leases {
            let (_, offset) = lease_parts(&key);
            let record = self.message(topic, offset)?;
            let bytes = record.as_ref().map_or(0, Bytes::len);
            if !looked.may(bytes) {
                break;
            }
            looked.at(bytes);
            self.tables.leases.remove(&key).map_err(failed)?;
            self.effects.dirty = true;
            match record {
                Some(record) => candidates.push(Candidate {
                    offset,
                    attempt: Some(attempt),
                    record,
                }),
                None => gone += 1,
            }
        }
        if gone > 0 {
            tracing::warn!(
                event = "sleeping_messages_expired",
                count = gone,
                "messages outlived their retention before they were acked"
            );
        }
        let due = self.tables.first_due(id)?.unwrap_or(UnixMs::MAX);
        if let Some(reading) = self.state.reading_mut(id) {
            reading.due_hint = due;
        }
        Ok(candidates)
    }

    /// Moves the cursor over messages that were never received.
    fn next_new(
        &mut self,
        id: u32,
        max: usize,
        looked: &mut Looked,
    ) -> Result<Vec<Candidate>, StoreError> {
        let Some(reading) = self.state.reading(id) else {
            return Ok(Vec::new());
        };
        let topic = reading.topic;
        let end = self.state.topics.get(&topic).map_or(0, |topic| topic.end);
        if reading.cursor >= end {
            return Ok(Vec::new());
        }
        let (from, to) = (message_key(topic, reading.cursor), message_key(topic, end));
        let mut candidates = Vec::new();
        let mut cursor = end;
        for row in self
            .tables
            .messages
            .range::<&[u8; 12]>(&from..&to)
            .map_err(failed)?
        {
            let (key, value) = row.map_err(failed)?;
            let offset = message_offset(key.value());
            let value = value.value();
            if candidates.len() == max || !looked.may(value.len()) {
                cursor = offset;
                break;
            }
            looked.at(value.len());
            candidates.push(Candidate {
                offset,
                attempt: None,
                record: Bytes::copy_from_slice(value),
            });
        }
        if cursor == reading.cursor {
            return Ok(candidates);
        }
        if let Some(reading) = self.state.reading_mut(id) {
            reading.cursor = cursor;
        }
        self.tables.cursors.insert(id, cursor).map_err(failed)?;
        self.effects.dirty = true;
        Ok(candidates)
    }

    fn hand_out(
        &mut self,
        id: u32,
        wish: Wish,
        candidates: Vec<Candidate>,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        let reading = self
            .state
            .reading(id)
            .ok_or(StoreError::Corrupt("a reading's number"))?;
        let group = self
            .state
            .groups
            .get(&reading.group)
            .ok_or(StoreError::Corrupt("a group's number"))?;
        let (topic, group, max_attempts) = (reading.topic, group.name.clone(), group.max_attempts);
        for Candidate {
            offset,
            attempt,
            record: bytes,
        } in candidates
        {
            let record = Record::read(&bytes)?;
            let attempt = attempt.unwrap_or(record.base.saturating_add(1));
            if !wish.filter.matches(record.tag) {
                continue;
            }
            if attempt > max_attempts {
                self.bury_record(&group, topic, &record, attempt)?;
                taken.buried += 1;
                continue;
            }
            let due_ms = due_after(self.now_ms, wish.invisible_ms);
            let receipt = Receipt {
                reading: id,
                offset,
                due_ms,
                attempt,
            };
            self.put_lease(receipt, attempt.saturating_add(1))?;
            taken.messages.push(Delivered {
                receipt,
                record: bytes,
            });
        }
        Ok(())
    }

    /// Writes a lease's row.
    pub(super) fn put_lease(
        &mut self,
        receipt: Receipt,
        next_attempt: u32,
    ) -> Result<(), StoreError> {
        let key = lease_key(receipt.reading, receipt.due_ms, receipt.offset);
        self.tables
            .leases
            .insert(&key, next_attempt)
            .map_err(failed)?;
        if let Some(reading) = self.state.reading_mut(receipt.reading) {
            reading.due_hint = reading.due_hint.min(receipt.due_ms);
            let topic = reading.topic;
            if let Some(removal) = &mut self.state.removal {
                removal.spare(topic, receipt.offset);
            }
        }
        self.effects.dirty = true;
        Ok(())
    }

    /// A stored message, if it is still there.
    pub(super) fn message(&self, topic: u32, offset: u64) -> Result<Option<Bytes>, StoreError> {
        let value = self
            .tables
            .messages
            .get(&message_key(topic, offset))
            .map_err(failed)?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }
}

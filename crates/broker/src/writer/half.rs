//! Half messages: held back until their transaction ends, asked about while it does not.
//!
//! A half has a state, a due time and a message, each in its own table, so that a check-back
//! rewrites a few bytes and not the message. Check-backs are counted whether or not anyone hears
//! them. When they are used up, a copy goes to [`CHECK_LIMIT_TOPIC`]; the transaction may still be
//! ended for as long as its record lasts, as with Apache RocketMQ.

use std::sync::Arc;

use bytes::Bytes;
use redb::ReadableTable;

use super::batch::Batch;
use super::op::{Ending, NewMessage, Orphan};
use super::take::due_after;
use crate::clock::UnixMs;
use crate::names::CHECK_LIMIT_TOPIC;
use crate::store::failed;
use crate::store::record::Record;
use crate::store::tables::{due_key, due_parts, half_key, half_parts, half_prefix};
use crate::{StoreError, TopicKind};

/// When halves are checked, and for how long they can be ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HalfRules {
    pub(crate) check_interval_ms: u64,
    pub(crate) check_max: u32,
    pub(crate) record_ms: u64,
}

/// A half's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HalfState {
    /// When something is to be done about it; its key among the due ones.
    due_ms: UnixMs,
    /// It can be ended before this time.
    open_until_ms: UnixMs,
    /// Check-backs so far.
    pub(crate) checks: u32,
    /// The check-backs are used up, the copy is made.
    pub(crate) at_limit: bool,
}

const STATE_SIZE: usize = 8 + 8 + 4 + 1;

impl HalfState {
    fn write(self) -> [u8; STATE_SIZE] {
        let mut out = [0; STATE_SIZE];
        out[..8].copy_from_slice(&self.due_ms.to_le_bytes());
        out[8..16].copy_from_slice(&self.open_until_ms.to_le_bytes());
        out[16..20].copy_from_slice(&self.checks.to_le_bytes());
        out[20] = u8::from(self.at_limit);
        out
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let bytes: &[u8; STATE_SIZE] = bytes.try_into().map_err(|_| CORRUPT)?;
        let (due, rest) = bytes.split_first_chunk().ok_or(CORRUPT)?;
        let (open, rest) = rest.split_first_chunk().ok_or(CORRUPT)?;
        let (checks, rest) = rest.split_first_chunk().ok_or(CORRUPT)?;
        Ok(Self {
            due_ms: u64::from_le_bytes(*due),
            open_until_ms: u64::from_le_bytes(*open),
            checks: u32::from_le_bytes(*checks),
            at_limit: rest == [1],
        })
    }
}

const CORRUPT: StoreError = StoreError::Corrupt("a half message");

impl Batch<'_, '_> {
    /// Stores a half message; answers its number.
    pub(super) fn hold(
        &mut self,
        topic: u32,
        transaction_id: &str,
        message: &NewMessage,
        check_after_ms: u64,
        rules: HalfRules,
    ) -> Result<u64, StoreError> {
        let half = self.state.next_half;
        self.state.next_half += 1;
        self.effects.halves_arrived = true;
        let meant_for = self.topic_name(topic)?;
        let NewMessage { tag, message } = message;
        let record = Record {
            store_ms: self.now_ms,
            base: 0,
            tag,
            origin: &meant_for,
            message,
        };
        let mut place = self
            .tables
            .half_messages
            .insert_reserve(half, record.size())
            .map_err(failed)?;
        record.write(place.as_mut());
        drop(place);
        let state = HalfState {
            due_ms: due_after(self.now_ms, check_after_ms),
            open_until_ms: due_after(self.now_ms, rules.record_ms),
            checks: 0,
            at_limit: false,
        };
        self.put_half(&half_key(topic, transaction_id, half), half, state)?;
        Ok(half)
    }

    /// Ends the newest half of that transaction that can be ended; answers whether there was one.
    pub(super) fn end(
        &mut self,
        topic: u32,
        transaction_id: &str,
        ending: Ending,
    ) -> Result<bool, StoreError> {
        let Some((key, half, state)) = self.open_half(topic, transaction_id)? else {
            return Ok(false);
        };
        match ending {
            Ending::Commit => {
                let bytes = self.half_message(half)?;
                let record = Record {
                    store_ms: self.now_ms,
                    origin: "",
                    ..Record::read(&bytes)?
                };
                self.append_record(topic, &record)?;
                self.remove_half(&key, half, state)?;
            }
            Ending::Rollback => self.remove_half(&key, half, state)?,
            Ending::Unspecified => {
                let used_up = HalfState {
                    open_until_ms: 0,
                    ..state
                };
                self.put_half(&key, half, used_up)?;
            }
        }
        Ok(true)
    }

    /// Takes up to `limit` halves that are due a step further; answers when the next one is due.
    pub(super) fn check_halves(
        &mut self,
        limit: usize,
        rules: HalfRules,
    ) -> Result<(), StoreError> {
        if self.state.half_hint > self.now_ms {
            return Ok(());
        }
        let to = due_key(self.now_ms, u64::MAX);
        let mut due = Vec::new();
        for row in self
            .tables
            .half_due
            .range::<&[u8; 16]>(..=&to)
            .map_err(failed)?
            .take(limit)
        {
            let (key, half_key) = row.map_err(failed)?;
            due.push((due_parts(key.value()).1, half_key.value().to_vec()));
        }
        for (half, key) in due {
            let state = self.half_state(&key)?;
            self.step(&key, half, state, rules)?;
        }
        let first = self.tables.half_due.first().map_err(failed)?;
        self.state.half_hint = first.map_or(UnixMs::MAX, |(key, _)| due_parts(key.value()).0);
        Ok(())
    }

    fn step(
        &mut self,
        key: &[u8],
        half: u64,
        state: HalfState,
        rules: HalfRules,
    ) -> Result<(), StoreError> {
        if state.at_limit {
            return self.remove_half(key, half, state);
        }
        let bytes = self.half_message(half)?;
        let (topic, transaction_id, _) = half_parts(key).ok_or(CORRUPT)?;
        let topic = self.topic_name(topic)?;
        if state.checks >= rules.check_max {
            let limit_topic = match self.state.topic_ids.get(CHECK_LIMIT_TOPIC) {
                Some(topic) => *topic,
                None => self.create_topic(CHECK_LIMIT_TOPIC, TopicKind::Normal)?,
            };
            let record = Record {
                store_ms: self.now_ms,
                base: state.checks,
                origin: &topic,
                ..Record::read(&bytes)?
            };
            self.append_record(limit_topic, &record)?;
            let due_ms = state.open_until_ms.max(due_after(self.now_ms, 0));
            return self.move_half(
                key,
                half,
                state,
                HalfState {
                    due_ms,
                    at_limit: true,
                    ..state
                },
            );
        }
        let next = HalfState {
            due_ms: due_after(self.now_ms, rules.check_interval_ms),
            open_until_ms: due_after(self.now_ms, rules.record_ms),
            checks: state.checks + 1,
            ..state
        };
        self.effects.orphans.push(Orphan {
            topic: topic.to_string(),
            transaction_id: transaction_id.to_owned(),
            half,
            checks: next.checks,
            record: bytes,
        });
        self.move_half(key, half, state, next)
    }

    fn topic_name(&self, topic: u32) -> Result<Arc<str>, StoreError> {
        let topic = self.state.topics.get(&topic).ok_or(CORRUPT)?;
        Ok(Arc::clone(&topic.name))
    }

    /// The newest half of that transaction whose record lasts.
    fn open_half(
        &self,
        topic: u32,
        transaction_id: &str,
    ) -> Result<Option<(Vec<u8>, u64, HalfState)>, StoreError> {
        let from = half_prefix(topic, transaction_id);
        let to = half_key(topic, transaction_id, u64::MAX);
        for row in self
            .tables
            .halves
            .range(from.as_slice()..=to.as_slice())
            .map_err(failed)?
            .rev()
        {
            let (key, state) = row.map_err(failed)?;
            let state = HalfState::read(state.value())?;
            if state.open_until_ms > self.now_ms {
                let (_, _, half) = half_parts(key.value()).ok_or(CORRUPT)?;
                return Ok(Some((key.value().to_vec(), half, state)));
            }
        }
        Ok(None)
    }

    fn half_state(&self, key: &[u8]) -> Result<HalfState, StoreError> {
        let state = self
            .tables
            .halves
            .get(key)
            .map_err(failed)?
            .ok_or(CORRUPT)?;
        HalfState::read(state.value())
    }

    fn half_message(&self, half: u64) -> Result<Bytes, StoreError> {
        let value = self
            .tables
            .half_messages
            .get(half)
            .map_err(failed)?
            .ok_or(CORRUPT)?;
        Ok(Bytes::copy_from_slice(value.value()))
    }

    fn put_half(&mut self, key: &[u8], half: u64, state: HalfState) -> Result<(), StoreError> {
        self.tables
            .halves
            .insert(key, state.write().as_slice())
            .map_err(failed)?;
        self.tables
            .half_due
            .insert(&due_key(state.due_ms, half), key)
            .map_err(failed)?;
        self.state.half_hint = self.state.half_hint.min(state.due_ms);
        self.effects.dirty = true;
        Ok(())
    }

    fn move_half(
        &mut self,
        key: &[u8],
        half: u64,
        old: HalfState,
        new: HalfState,
    ) -> Result<(), StoreError> {
        self.tables
            .half_due
            .remove(&due_key(old.due_ms, half))
            .map_err(failed)?;
        self.put_half(key, half, new)
    }

    fn remove_half(&mut self, key: &[u8], half: u64, state: HalfState) -> Result<(), StoreError> {
        self.tables.halves.remove(key).map_err(failed)?;
        self.tables
            .half_due
            .remove(&due_key(state.due_ms, half))
            .map_err(failed)?;
        self.tables.half_messages.remove(half).map_err(failed)?;
        self.effects.dirty = true;
        Ok(())
    }
}

//! What becomes of a message that was handed out: acked, put off, or buried as dead.

use super::batch::Batch;
use super::op::{NextAttempt, Settled};
use super::take::due_after;
use crate::StoreError;
use crate::store::failed;
use crate::store::receipt::Receipt;
use crate::store::record::Record;
use crate::store::tables::lease_key;

impl Batch<'_, '_> {
    /// The message is done with. A handle that was changed, or acked before, changes nothing.
    pub(super) fn ack(&mut self, receipt: Receipt) -> Result<Settled, StoreError> {
        let settled = self.judge(receipt);
        if settled == Settled::Done {
            self.remove_lease(receipt)?;
        }
        Ok(settled)
    }

    /// The message comes back after `invisible_ms` from now; answers the new handle.
    pub(super) fn change(
        &mut self,
        receipt: Receipt,
        invisible_ms: u64,
        next: NextAttempt,
    ) -> Result<Result<Receipt, Settled>, StoreError> {
        match self.judge(receipt) {
            Settled::Done => {
                let due_ms = due_after(self.now_ms, invisible_ms);
                self.move_lease(receipt, due_ms, next).map(Ok)
            }
            refused => Ok(Err(refused)),
        }
    }

    /// Makes a message visible at once that was never looked at; its delivery does not count.
    pub(super) fn give_back(&mut self, receipt: Receipt) -> Result<(), StoreError> {
        self.move_lease(receipt, self.now_ms, NextAttempt::Same)?;
        Ok(())
    }

    /// Moves the message to the dead-letter topic of `group`. Like Apache RocketMQ's, it is not
    /// idempotent: an old handle buries the message once more.
    pub(super) fn bury(&mut self, receipt: Receipt, group: &str) -> Result<Settled, StoreError> {
        let Some(reading) = self.state.reading(receipt.reading) else {
            return Ok(Settled::Unknown);
        };
        let topic = reading.topic;
        let Some(bytes) = self.message(topic, receipt.offset)? else {
            return Ok(Settled::Unknown);
        };
        self.bury_record(group, topic, &Record::read(&bytes)?, receipt.attempt)?;
        if !receipt.expired(self.now_ms) {
            self.remove_lease(receipt)?;
        }
        Ok(Settled::Done)
    }

    /// Adds a dead copy: whoever reads it continues counting at `deliveries`. What lies in the
    /// group's dead-letter topic already stays where it is, or a group that reads its own dead
    /// letters would multiply them for ever.
    pub(super) fn bury_record(
        &mut self,
        group: &str,
        topic: u32,
        record: &Record,
        deliveries: u32,
    ) -> Result<(), StoreError> {
        let dead_letters = self.dead_letter_topic(group)?;
        if dead_letters == topic {
            return Ok(());
        }
        let from = self
            .state
            .topics
            .get(&topic)
            .ok_or(StoreError::Corrupt("a topic's number"))?;
        let from = from.name.clone();
        let origin = if record.origin.is_empty() {
            &from
        } else {
            record.origin
        };
        let dead = Record {
            store_ms: self.now_ms,
            base: deliveries,
            origin,
            ..*record
        };
        self.append_record(dead_letters, &dead)?;
        Ok(())
    }

    /// Whether the handle may still be used.
    fn judge(&self, receipt: Receipt) -> Settled {
        if receipt.expired(self.now_ms) {
            return Settled::Expired;
        }
        let handed_out = self
            .state
            .reading(receipt.reading)
            .is_some_and(|r| receipt.offset < r.cursor);
        if handed_out {
            Settled::Done
        } else {
            Settled::Unknown
        }
    }

    fn remove_lease(&mut self, receipt: Receipt) -> Result<Option<u32>, StoreError> {
        let key = lease_key(receipt.reading, receipt.due_ms, receipt.offset);
        let removed = self
            .tables
            .leases
            .remove(&key)
            .map_err(failed)?
            .map(|next| next.value());
        self.effects.dirty |= removed.is_some();
        Ok(removed)
    }

    /// A handle whose lease is no more moves nothing, and its successor is as dead as itself.
    fn move_lease(
        &mut self,
        receipt: Receipt,
        due_ms: u64,
        next: NextAttempt,
    ) -> Result<Receipt, StoreError> {
        let moved = Receipt { due_ms, ..receipt };
        if self.remove_lease(receipt)?.is_some() {
            let number = match next {
                NextAttempt::Counted => receipt.attempt.saturating_add(1),
                NextAttempt::Same => receipt.attempt,
            };
            self.put_lease(moved, number)?;
        }
        Ok(moved)
    }
}

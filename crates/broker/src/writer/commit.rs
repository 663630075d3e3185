//! Carrying a batch out: every request in one transaction, one commit, then the answers.

use std::time::{Duration, Instant};

use super::batch::{Batch, Effects};
use super::op::{Op, Taken};
use super::state::State;
use super::thread::{CROWDED, Writer};
use super::waiting::Waiter;
use crate::StoreError;
use crate::store::failed;
use crate::store::tables::Tables;

impl Writer {
    /// Carries the requests out in one transaction.
    pub(super) fn commit(&mut self, ops: Vec<Op>, effects: &mut Effects) -> Result<(), StoreError> {
        let transaction = self.store.begin_write().map_err(failed)?;
        let mut state = match self.state.take() {
            Some(state) => state,
            None => State::load(&transaction, &self.catalog)?,
        };
        let mut tables = Tables::open(&transaction)?;
        let now_ms = self.clock.now_ms();
        let mut batch = Batch {
            tables: &mut tables,
            state: &mut state,
            now_ms,
            effects: std::mem::take(effects),
        };
        let filled = self.fill(&mut batch, ops);
        *effects = batch.effects;
        drop(tables);
        filled?;
        if effects.dirty {
            transaction.commit().map_err(failed)?;
        } else {
            transaction.abort().map_err(failed)?;
        }
        self.state = Some(state);
        Ok(())
    }

    fn fill(&mut self, batch: &mut Batch, ops: Vec<Op>) -> Result<(), StoreError> {
        for receipt in self.unclaimed.drain(..) {
            batch.give_back(receipt)?;
        }
        for op in ops {
            self.apply(batch, op)?;
        }
        batch.deliver_delayed()?;
        self.serve(batch)?;
        batch.check_halves(self.room_for_orphans(), self.rules.halves)?;
        if Instant::now() >= self.next_cleaning {
            let more = batch.retain(
                self.clock
                    .steady_ms()
                    .saturating_sub(self.rules.retention_ms),
            )?;
            self.next_cleaning = Instant::now()
                + if more {
                    CROWDED
                } else {
                    self.cleaning_interval()
                };
        }
        batch.write_ends()
    }

    fn cleaning_interval(&self) -> Duration {
        Duration::from_millis((self.rules.retention_ms / 10).clamp(50, 60_000))
    }

    fn apply(&mut self, batch: &mut Batch, op: Op) -> Result<(), StoreError> {
        match op {
            Op::Append {
                topic,
                messages,
                reply,
            } => {
                let offset = batch.append(topic, &messages)?;
                batch.effects.answer(reply, offset);
            }
            Op::Hold {
                topic,
                transaction_id,
                message,
                check_after_ms,
                reply,
            } => {
                let half = batch.hold(
                    topic,
                    &transaction_id,
                    &message,
                    check_after_ms,
                    self.rules.halves,
                )?;
                batch.effects.answer(reply, half);
            }
            Op::End {
                topic,
                transaction_id,
                ending,
                reply,
            } => {
                let found = batch.end(topic, &transaction_id, ending)?;
                batch.effects.answer(reply, found);
            }
            Op::Delay {
                topic,
                message_id,
                message,
                due_ms,
                reply,
            } => {
                let number = batch.delay(topic, &message_id, &message, due_ms)?;
                batch.effects.answer(reply, number);
            }
            Op::Recall {
                topic,
                message_id,
                due_ms,
                reply,
            } => {
                let found = batch.recall(topic, &message_id, due_ms)?;
                batch.effects.answer(reply, found);
            }
            Op::Take(take) => {
                let reading = batch.open_reading(&take.group, take.topic)?;
                let waiter = self.waiting.waiter(take);
                self.waiting.park(reading, waiter);
            }
            Op::Ack { receipts, reply } => {
                let settled = receipts
                    .into_iter()
                    .map(|receipt| batch.ack(receipt))
                    .collect::<Result<_, _>>()?;
                batch.effects.answer(reply, settled);
            }
            Op::Change {
                receipt,
                invisible_ms,
                next,
                reply,
            } => {
                let changed = batch.change(receipt, invisible_ms, next)?;
                batch.effects.answer(reply, changed);
            }
            Op::Bury {
                receipt,
                group,
                reply,
            } => {
                let settled = batch.bury(receipt, &group)?;
                batch.effects.answer(reply, settled);
            }
            Op::CreateTopic { name, kind, reply } => {
                batch.create_topic(&name, kind)?;
                batch.effects.answer(reply, ());
            }
            Op::CreateGroup {
                name,
                policy,
                reply,
            } => {
                batch.create_group(&name, policy)?;
                batch.effects.answer(reply, ());
            }
            Op::Place {
                group,
                topic,
                offset,
                reply,
            } => {
                batch.place(&group, topic, offset)?;
                batch.effects.answer(reply, ());
            }
            Op::EndPolls | Op::Stop => {}
        }
        Ok(())
    }

    /// Gives waiting receives what there is for them; ends those that have waited long enough.
    fn serve(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let readings: Vec<u32> = self.waiting.readings().collect();
        for reading in readings {
            while batch.has_candidates(reading) {
                let Some(waiter) = self.waiting.front(reading) else {
                    break;
                };
                let taken = if waiter.abandoned() {
                    Taken::default()
                } else {
                    batch.take(reading, waiter.wish())?
                };
                if !waiter.abandoned() && taken.messages.is_empty() && taken.buried == 0 {
                    break;
                }
                if let Some(Waiter { reply, .. }) = self.waiting.pop_front(reading) {
                    batch.effects.handed.push((reply, taken));
                }
            }
        }
        let ended = if self.polls_ended || self.stopping {
            self.waiting.all()
        } else {
            self.waiting.overdue(Instant::now())
        };
        batch.effects.handed.extend(
            ended
                .into_iter()
                .map(|waiter| (waiter.reply, Taken::default())),
        );
        Ok(())
    }

    /// Tells everyone concerned what came of it.
    pub(super) fn follow_up(&mut self, mut effects: Effects, outcome: &Result<(), StoreError>) {
        if outcome.is_ok() {
            for (name, topic) in effects.topics.drain(..) {
                self.catalog.put_topic(name, topic);
            }
            for (name, group) in effects.groups.drain(..) {
                self.catalog.put_group(name, group);
            }
        }
        effects.give_answers(outcome);
        for (reply, taken) in effects.handed {
            if let Err(Ok(taken)) = reply.send(outcome.clone().map(|()| taken)) {
                self.unclaimed
                    .extend(taken.messages.iter().map(|message| message.receipt));
            }
        }
        for orphan in effects.orphans {
            if outcome.is_err() || self.orphans.try_send(orphan).is_err() {
                // Counted and not heard: the next check-back will be.
                tracing::warn!(event = "check_back_lost");
            }
        }
    }
}

//! The writer's loop: gather, carry out, commit, answer.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::{mpsc, watch};

use super::batch::{Batch, Effects};
use super::half::HalfRules;
use super::op::{Op, Orphan, Taken};
use super::queue::{Queue, Request};
use super::state::State;
use super::waiting::{Waiter, Waiting};
use crate::StoreError;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::store::failed;
use crate::store::lock::FolderLock;
use crate::store::receipt::Receipt;
use crate::store::tables::Tables;

/// Requests carried out in one commit.
const BATCH: usize = 2048;
/// Message bytes in one commit.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// The longest sleep: a wall clock that was set forward is noticed after this.
const NAP: Duration = Duration::from_millis(500);
/// How soon to try a store again that failed.
const RECOVERY: Duration = Duration::from_millis(200);
/// How soon to look again when check-backs are due and the way to the clients is full.
const CROWDED: Duration = Duration::from_millis(20);

/// What the writer goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) halves: HalfRules,
    pub(crate) retention_ms: u64,
}

/// The writer, before and while it runs.
pub(crate) struct Writer {
    database: Arc<Database>,
    catalog: Arc<Catalog>,
    clock: Clock,
    rules: Rules,
    requests: Receiver<Request>,
    orphans: mpsc::Sender<Orphan>,
    /// Where the first failure is told.
    failure: watch::Sender<Option<StoreError>>,
    /// `None` after a failure: to be read anew.
    state: Option<State>,
    waiting: Waiting,
    /// Handed out to someone who had gone: to be given back.
    unclaimed: Vec<Receipt>,
    next_cleaning: Instant,
    polls_ended: bool,
    stopping: bool,
    /// Given back when the thread has ended, after the store is closed.
    _lock: Option<FolderLock>,
}

impl Writer {
    /// Starts the thread. It reads the catalog before the first request.
    pub(crate) fn spawn(
        database: Arc<Database>,
        catalog: Arc<Catalog>,
        clock: Clock,
        rules: Rules,
        orphans: mpsc::Sender<Orphan>,
        failure: watch::Sender<Option<StoreError>>,
        lock: Option<FolderLock>,
    ) -> Result<(Queue, JoinHandle<()>), StoreError> {
        let (queue, requests) = Queue::new();
        let mut writer = Self {
            database,
            catalog,
            clock,
            rules,
            requests,
            orphans,
            failure,
            state: None,
            waiting: Waiting::default(),
            unclaimed: Vec::new(),
            next_cleaning: Instant::now(),
            polls_ended: false,
            stopping: false,
            _lock: lock,
        };
        let mut effects = Effects::default();
        writer.commit(Vec::new(), &mut effects)?;
        writer.follow_up(effects, &Ok(()));
        let thread = std::thread::Builder::new()
            .name("broker-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok((queue, thread))
    }

    fn run(mut self) {
        while !self.stopping {
            match self.requests.recv_timeout(self.nap()) {
                Ok(request) => self.batch(Some(request)),
                Err(RecvTimeoutError::Timeout) => self.batch(None),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// How long there is nothing to do unless someone asks.
    fn nap(&self) -> Duration {
        if !self.unclaimed.is_empty() && self.state.is_some() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut nap = NAP.min(self.next_cleaning.saturating_duration_since(now));
        if let Some(deadline) = self.waiting.next_deadline() {
            nap = nap.min(deadline.saturating_duration_since(now));
        }
        let Some(state) = &self.state else {
            return RECOVERY;
        };
        let now_ms = self.clock.now_ms();
        let until = |due_ms: u64| Duration::from_millis(due_ms.saturating_sub(now_ms));
        for reading in self.waiting.readings().filter_map(|id| state.reading(id)) {
            let unread = state
                .topics
                .get(&reading.topic)
                .is_some_and(|topic| reading.cursor < topic.end);
            nap = nap.min(if unread {
                Duration::ZERO
            } else {
                until(reading.due_hint)
            });
        }
        let floor = if self.orphans.capacity() == 0 {
            CROWDED
        } else {
            Duration::ZERO
        };
        nap.min(until(state.half_hint).max(floor))
    }

    /// Takes what is waiting, carries it out and answers.
    fn batch(&mut self, first: Option<Request>) {
        let mut ops = Vec::new();
        let mut bytes = 0;
        let mut next = first;
        while let Some(Request { op, .. }) = next {
            bytes += size(&op);
            match op {
                // These hold also when the store fails.
                Op::EndPolls => self.polls_ended = true,
                Op::Stop => self.stopping = true,
                op => ops.push(op),
            }
            if ops.len() >= BATCH || bytes >= BATCH_BYTES {
                break;
            }
            next = self.requests.try_recv().ok();
        }
        let mut effects = Effects::default();
        let outcome = self.commit(ops, &mut effects);
        if let Err(error) = &outcome {
            tracing::error!(event = "store_failed", %error, "nothing of this batch was kept");
            self.state = None;
            self.failure
                .send_if_modified(|told| told.replace(error.clone()).is_none());
            for waiter in self.waiting.all() {
                // Whoever has gone need not be told.
                drop(waiter.reply.send(Err(error.clone())));
            }
        }
        self.follow_up(effects, &outcome);
    }

    /// Carries the requests out in one transaction.
    fn commit(&mut self, ops: Vec<Op>, effects: &mut Effects) -> Result<(), StoreError> {
        let transaction = self.database.begin_write().map_err(failed)?;
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
        self.serve(batch)?;
        batch.check_halves(self.orphans.capacity(), self.rules.halves)?;
        if Instant::now() >= self.next_cleaning {
            let more = batch.retain(batch.now_ms.saturating_sub(self.rules.retention_ms))?;
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
    fn follow_up(&mut self, mut effects: Effects, outcome: &Result<(), StoreError>) {
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

fn size(op: &Op) -> usize {
    match op {
        Op::Append { messages, .. } => messages.iter().map(|message| message.message.len()).sum(),
        Op::Hold { message, .. } => message.message.len(),
        _ => 0,
    }
}

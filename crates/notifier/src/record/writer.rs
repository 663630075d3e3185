//! One transaction for a batch of results, and what to look up when it seems to have failed.
//!
//! If a transaction fails, for whatever reason, the rows are read again before it is redone: after
//! a duplicate because another process was quicker (N1), after a lost connection because COMMIT
//! may have happened. Attempts have ids of their own, so one that is found tells that the batch it
//! belongs to is durable already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use database::{Database, DatabaseError};
use service::clock::Clock;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::entry::{Entry, Moved};
use super::failure::Failure;
use super::write::Stamp;
use super::{RecordOptions, ids, letters, read, write};
use crate::copy::Key;
use crate::metrics::RecordMeters;
use crate::seal::Sealer;
use crate::store_health::StoreHealth;

/// Something to write; `done` is answered when it is durable.
#[derive(Debug)]
pub(super) enum Task {
    Write {
        entry: Entry,
        done: oneshot::Sender<Moved>,
    },
    Forwarded {
        key: Key,
        generation: u32,
        done: oneshot::Sender<()>,
    },
}

/// Writes batches.
#[derive(Debug)]
pub(super) struct Writer {
    database: Database,
    pub(super) health: StoreHealth,
    write_deadline: Duration,
    worker: String,
    sealer: Sealer,
    ids: Arc<ids::Forward>,
    clock: Clock,
    meters: Arc<RecordMeters>,
}

/// What reading again has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The transaction committed although it seemed to fail.
    AlreadyDurable,
    /// It did not; the entries know their rows now.
    Fresh,
}

impl Task {
    pub(super) fn key(&self) -> &Key {
        match self {
            Self::Write { entry, .. } => &entry.copy.key,
            Self::Forwarded { key, .. } => key,
        }
    }

    /// What it holds beyond its few hundred bytes of columns.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Write { entry, .. } => entry.copy.content.body.len(),
            Self::Forwarded { .. } => 0,
        }
    }

    /// Whether somebody still waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Self::Write { done, .. } => !done.is_closed(),
            Self::Forwarded { done, .. } => !done.is_closed(),
        }
    }
}

/// Tells each of a batch that it is durable; `moved` has one for each entry.
pub(super) fn answer(batch: Vec<Task>, moved: Vec<Moved>) {
    let mut moved = moved.into_iter();
    for task in batch {
        // Nobody waits any more if the process is being cut off; the record is right anyway.
        let _unheard = match task {
            Task::Write { done, .. } => done.send(moved.next().unwrap_or(Moved::No)).map_err(drop),
            Task::Forwarded { done, .. } => done.send(()),
        };
    }
}

impl Writer {
    pub(super) fn new(
        database: Database,
        health: StoreHealth,
        options: RecordOptions,
        ids: Arc<ids::Forward>,
        clock: Clock,
        meters: Arc<RecordMeters>,
    ) -> Self {
        Self {
            database,
            health,
            write_deadline: options.write_deadline,
            worker: options.worker,
            sealer: options.sealer,
            ids,
            clock,
            meters,
        }
    }

    /// Tries once. One answer for each entry, if all are durable.
    pub(super) async fn flush(&self, batch: &[Task]) -> Result<Vec<Moved>, Failure> {
        let deadline = self.write_deadline;
        let began = Instant::now();
        let transaction = timeout(deadline, self.transaction(batch)).await;
        let written = transaction.unwrap_or(Err(Failure::Deadline(deadline)));
        match &written {
            Ok(moved) => {
                self.meters.flushed(batch.len(), began.elapsed());
                self.count(batch, moved);
            }
            Err(_) => self.meters.failed(),
        }
        written
    }

    fn count(&self, batch: &[Task], moved: &[Moved]) {
        for (entry, moved) in entries(batch).into_iter().zip(moved) {
            for kind in write::outcomes_of(entry, *moved) {
                self.meters.outcome(kind);
            }
            if let Some(reason) = entry.death()
                && *moved == Moved::Yes
            {
                self.meters.dead(&entry.copy.key.group, reason);
            }
        }
    }

    async fn transaction(&self, batch: &[Task]) -> Result<Vec<Moved>, Failure> {
        let mut tx = self.database.begin().await?;
        // Taken late: a page of the feed ends some seconds before now.
        let now_ms = self.clock.now_ms();
        let stamp = Stamp {
            worker: &self.worker,
            sealer: &self.sealer,
            ids_ms: self.ids.next_ms(now_ms),
            now_ms,
        };
        let written = async {
            let entries = entries(batch);
            let moved = write::write(&mut tx, &entries, stamp).await?;
            for task in batch {
                if let Task::Forwarded {
                    key, generation, ..
                } = task
                {
                    letters::forwarded(&mut tx, key, *generation, now_ms).await?;
                }
            }
            Ok(moved)
        };
        match written.await {
            Ok(moved) => {
                tx.commit().await?;
                Ok(moved)
            }
            Err(error) => {
                // Unconfirmed is as good: the redo reads what became of it.
                let _unconfirmed = tx.rollback().await;
                Err(Failure::Database(error))
            }
        }
    }

    /// Reads the batch's rows again, unless one of its attempts shows that all of it is durable.
    pub(super) async fn look_again(&self, batch: &mut [Task]) -> Result<Found, Failure> {
        let deadline = self.write_deadline;
        let looked = timeout(deadline, self.read_again(batch)).await;
        Ok(looked.map_err(|_| Failure::Deadline(deadline))??)
    }

    async fn read_again(&self, batch: &mut [Task]) -> Result<Found, DatabaseError> {
        // One that can write: only the primary says what is durable.
        let mut db = self.database.write().await?;
        let entries = entries(batch);
        let first_attempt = entries.iter().find_map(|entry| entry.attempt());
        if let Some(attempt) = first_attempt {
            let known = sqlx::query("SELECT attempt_id FROM attempt WHERE attempt_id = ?")
                .bind(attempt.id.to_string())
                .fetch_optional(&mut *db)
                .await?;
            if known.is_some() {
                return Ok(Found::AlreadyDurable);
            }
        }
        let keys: Vec<Key> = entries.iter().map(|entry| entry.copy.key.clone()).collect();
        let standings = read::standings(&mut db, &keys).await?;
        for task in batch {
            if let Task::Write { entry, .. } = task {
                entry.row = standings.get(&entry.copy.key).into();
            }
        }
        Ok(Found::Fresh)
    }
}

pub(super) fn entries(batch: &[Task]) -> Vec<&Entry> {
    let mut entries = Vec::with_capacity(batch.len());
    for task in batch {
        if let Task::Write { entry, .. } = task {
            entries.push(entry);
        }
    }
    entries
}

//! The one task that writes results.
//!
//! A flush takes whatever waits, up to 256, in one transaction. If that fails, for whatever
//! reason, the rows are read again and it is redone: after a duplicate because another process was
//! quicker (N1), after a lost connection because COMMIT may have happened. Attempts have ids of
//! their own, so one that is found tells that the flush it belongs to is durable already.

use std::time::Duration;

use database::{CommitError, Database, DatabaseError, Kind};
use service::clock::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::entry::{Entry, Moved};
use super::{RecordOptions, letters, read, write};
use crate::backoff::Backoff;
use crate::copy::Key;
use crate::store_health::{Access, StoreHealth};

/// The most results in one transaction.
const MOST: usize = 256;

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

/// Writes until every [`super::Record`] is gone.
#[derive(Debug)]
pub(crate) struct Flusher {
    database: Database,
    inbox: mpsc::Receiver<Task>,
    health: StoreHealth,
    write_deadline: Duration,
    worker: String,
    clock: Clock,
}

/// What reading again has shown.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The transaction committed although it seemed to fail.
    AlreadyDurable,
    /// It did not; the entries know their rows now.
    Fresh,
}

#[derive(Debug, thiserror::Error)]
enum FlushError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("a transaction took longer than {0:?}")]
    Deadline(Duration),
}

impl Flusher {
    pub(super) fn new(
        database: Database,
        inbox: mpsc::Receiver<Task>,
        health: StoreHealth,
        options: RecordOptions,
        clock: Clock,
    ) -> Self {
        Self {
            database,
            inbox,
            health,
            write_deadline: options.write_deadline,
            worker: options.worker,
            clock,
        }
    }

    /// Runs until the last handle on the record is dropped and everything is written.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(MOST);
        while self.inbox.recv_many(&mut batch, MOST).await > 0 {
            let moved = self.until_durable(&mut batch).await;
            let mut moved = moved.into_iter();
            for task in batch.drain(..) {
                // Nobody waits any more if the process is being cut off; the record is right anyway.
                let _unheard = match task {
                    Task::Write { done, .. } => {
                        done.send(moved.next().unwrap_or(Moved::No)).map_err(drop)
                    }
                    Task::Forwarded { done, .. } => done.send(()),
                };
            }
        }
    }

    /// One answer for each entry, once all are durable.
    async fn until_durable(&self, batch: &mut [Task]) -> Vec<Moved> {
        let mut backoff = Backoff::new();
        loop {
            match self.flush(batch).await {
                Ok(moved) => {
                    self.health.up(Access::Write);
                    return moved;
                }
                Err(error) if error.is_duplicate() => tracing::debug!("row_made_elsewhere"),
                Err(error) => self.health.down(Access::Write, &error),
            }
            backoff.wait().await;
            match timeout(self.write_deadline, self.look_again(batch)).await {
                Ok(Ok(Found::AlreadyDurable)) => return vec![Moved::No; entries(batch).len()],
                Ok(Ok(Found::Fresh)) => {}
                Ok(Err(error)) => self.health.down(Access::Write, &error),
                Err(_) => self
                    .health
                    .down(Access::Write, &FlushError::Deadline(self.write_deadline)),
            }
        }
    }

    async fn flush(&self, batch: &[Task]) -> Result<Vec<Moved>, FlushError> {
        let deadline = self.write_deadline;
        let transaction = timeout(deadline, self.transaction(batch)).await;
        transaction.unwrap_or(Err(FlushError::Deadline(deadline)))
    }

    async fn transaction(&self, batch: &[Task]) -> Result<Vec<Moved>, FlushError> {
        let now_ms = self.clock.now_ms();
        let mut tx = self.database.begin().await?;
        let written = async {
            let moved = write::write(&mut tx, &entries(batch), &self.worker, now_ms).await?;
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
                Err(FlushError::Database(error))
            }
        }
    }

    /// Reads the batch's rows again, unless one of its attempts shows that all of it is durable.
    async fn look_again(&self, batch: &mut [Task]) -> Result<Found, DatabaseError> {
        let mut db = self.database.read().await?;
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

impl FlushError {
    fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(error) if error.kind() == Kind::Duplicate)
    }
}

fn entries(batch: &[Task]) -> Vec<&Entry> {
    let mut entries = Vec::with_capacity(batch.len());
    for task in batch {
        if let Task::Write { entry, .. } = task {
            entries.push(entry);
        }
    }
    entries
}

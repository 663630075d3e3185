//! The record: where each notification stands, every attempt, every dead letter, and the outcome
//! feed that initiators read.
//!
//! Reading is one statement for a batch ([`Record::read`]). Writing goes through one task
//! ([`flush::Flusher`]) that gathers what is waiting, up to 256 results, into one transaction:
//! while one flush is being synced to disk, the next gathers by itself. [`Record::write`] returns
//! when its entry is durable, and only then may the broker be told anything.
//!
//! When the database is away the flusher tries again for as long as it takes. Entries wait in a
//! queue that has a place for every permit, so it never overflows, and a message whose result
//! waits holds its permit, so receiving stops by itself.

pub(crate) mod columns;
pub(crate) mod dlq;
pub(crate) mod entry;
mod epoch;
pub(crate) mod erase;
pub(crate) mod expire;
mod expire_beside;
pub(crate) mod failure;
mod flush;
pub(crate) mod ids;
mod in_list;
pub(crate) mod insert;
pub(crate) mod letters;
mod moves;
pub(crate) mod oldest;
pub(crate) mod overdue;
mod read;
mod rows;
mod together;
mod write;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use database::{Database, DatabaseError, Migrations};
use notification::TxNo;
use service::clock::Clock;
use tokio::sync::{mpsc, oneshot};

use crate::copy::Key;
use crate::decide::Standing;
use crate::metrics::RecordMeters;
use crate::record::entry::{Entry, Moved};
use crate::record::letters::Burial;
use crate::seal::Sealer;
use crate::store_health::{Access, StoreHealth};

use writer::{Task, Writer};

pub(crate) use flush::Flusher;

/// The tables, in `sql/notifier`.
pub const MIGRATIONS: Migrations = Migrations {
    name: "notifier",
    files: &[
        (
            1,
            "record",
            include_str!("../../../sql/notifier/0001_record.sql"),
        ),
        (
            2,
            "letter_format",
            include_str!("../../../sql/notifier/0002_letter_format.sql"),
        ),
        (
            3,
            "dlq_position",
            include_str!("../../../sql/notifier/0003_dlq_position.sql"),
        ),
        (
            4,
            "dlq_missed",
            include_str!("../../../sql/notifier/0004_dlq_missed.sql"),
        ),
        (
            5,
            "endpoint",
            include_str!("../../../sql/notifier/0005_endpoint.sql"),
        ),
        (
            6,
            "token",
            include_str!("../../../sql/notifier/0006_token.sql"),
        ),
        (
            7,
            "letters",
            include_str!("../../../sql/notifier/0007_letters.sql"),
        ),
        (
            8,
            "retention",
            include_str!("../../../sql/notifier/0008_retention.sql"),
        ),
        (
            10,
            "parked",
            include_str!("../../../sql/notifier/0010_parked.sql"),
        ),
        (
            11,
            "alarm",
            include_str!("../../../sql/notifier/0011_alarm.sql"),
        ),
    ],
};

/// The process is ending: what was not written will be delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record is closed")]
pub(crate) struct Closed;

/// A handle on the record; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    database: Database,
    tasks: mpsc::Sender<Task>,
    health: StoreHealth,
    epoch: String,
    /// Of all that this process writes to the feed.
    ids: Arc<ids::Forward>,
    write_deadline: Duration,
    sealer: Sealer,
    clock: Clock,
    meters: Arc<RecordMeters>,
}

/// What the record needs to know of its process.
#[derive(Debug, Clone)]
pub(crate) struct RecordOptions {
    /// A place for each message that can be held at a time.
    pub places: usize,
    /// A transaction that takes longer is given up and redone.
    pub write_deadline: Duration,
    /// Signs the attempts.
    pub worker: String,
    /// Says how content is kept.
    pub sealer: Sealer,
}

impl Record {
    /// Brings the tables up to date and makes the task that writes; the caller runs it.
    pub(crate) async fn open(
        database: Database,
        options: RecordOptions,
        clock: Clock,
    ) -> Result<(Self, Flusher), DatabaseError> {
        database.migrate(&MIGRATIONS).await?;
        let epoch = epoch::read_or_create(&database, clock.now_ms()).await?;
        let (tasks, inbox) = mpsc::channel(options.places.max(1));
        let health = StoreHealth::default();
        let newest = rows::newest_outcome(&database).await?;
        let ids = Arc::new(ids::Forward::behind(newest));
        let meters = Arc::<RecordMeters>::default();
        let record = Self {
            database: database.clone(),
            tasks,
            health: health.clone(),
            epoch,
            ids: ids.clone(),
            write_deadline: options.write_deadline,
            sealer: options.sealer.clone(),
            clock: clock.clone(),
            meters: meters.clone(),
        };
        let writer = Writer::new(database, health, options, ids, clock, meters);
        let flusher = Flusher::new(writer, inbox);
        Ok((record, flusher))
    }

    /// The rows of these keys; a key without a row is absent.
    pub(crate) async fn read(&self, keys: &[Key]) -> Result<HashMap<Key, Standing>, DatabaseError> {
        let read = async {
            let mut db = self.database.read().await?;
            read::standings(&mut db, keys).await
        };
        self.health
            .note(Access::Read, self.database.in_time(read).await)
    }

    /// Writes a result down. Returns when it is durable, however long that takes.
    pub(crate) async fn write(&self, entry: Entry) -> Result<Moved, Closed> {
        let (done, durable) = oneshot::channel();
        let task = Task::Write { entry, done };
        self.tasks.send(task).await.map_err(|_| Closed)?;
        durable.await.map_err(|_| Closed)
    }

    /// Notes that a letter is in the broker's dead-letter topic.
    pub(crate) async fn forwarded(&self, key: Key, generation: u32) -> Result<(), Closed> {
        let (done, durable) = oneshot::channel();
        let task = Task::Forwarded {
            key,
            generation,
            done,
        };
        self.tasks.send(task).await.map_err(|_| Closed)?;
        durable.await.map_err(|_| Closed)
    }

    /// How far the burial of a letter has come.
    pub(crate) async fn burial(&self, key: &Key, generation: u32) -> Result<Burial, DatabaseError> {
        let read = async {
            let mut db = self.database.read().await?;
            letters::burial(&mut db, key, generation).await
        };
        self.health
            .note(Access::Read, self.database.in_time(read).await)
    }

    /// Whether the row of this key came from a malformed message.
    pub(crate) async fn is_of_malformed(&self, key: &Key) -> Result<bool, DatabaseError> {
        let read = async {
            let mut db = self.database.read().await?;
            letters::is_malformed(&mut db, key).await
        };
        self.health
            .note(Access::Read, self.database.in_time(read).await)
    }

    /// Whether the database answers at all.
    pub(crate) async fn probe(&self) -> Result<(), DatabaseError> {
        let read = self.database.in_time(epoch::read(&self.database));
        self.health.note(Access::Read, read.await).map(drop)
    }

    /// The time by the record's clock.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// An id for an outcome that is about to be written, behind all that this process has written.
    pub(crate) fn next_outcome_id(&self) -> TxNo {
        ids::Series::at(self.ids.next_ms(self.now_ms())).next()
    }

    /// A transaction that takes longer is given up.
    pub(crate) fn write_deadline(&self) -> Duration {
        self.write_deadline
    }

    /// Opens what is stored sealed.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// For the API's own statements.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The life of this database that the feed belongs to.
    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// What was counted.
    pub(crate) fn meters(&self) -> &Arc<RecordMeters> {
        &self.meters
    }

    /// How many results wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.tasks.max_capacity() - self.tasks.capacity()
    }

    /// Whether the database answers.
    pub(crate) fn health(&self) -> &StoreHealth {
        &self.health
    }
}

#[cfg(test)]
mod tests;

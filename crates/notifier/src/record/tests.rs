//! The N-rules on a real database, each broken on purpose.

mod dlq;
mod erasing;
mod expiry;
mod flushing;
mod oldest;
mod overdue;
mod rules;
mod store;

use std::sync::Arc;

use bytes::Bytes;
use database::testing::Databases;
use notification::{AttemptError, DeadReason, EndpointId, Verdict};
use service::clock::{Clock, ClockHand};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::entry::{Attempt, Entry, Event, Moved, Then};
use super::letters::Burial;
use super::{Record, RecordOptions, ids};
use crate::copy::Copy;
use crate::copy::tests::copy;
use crate::decide::{ParkReason, Standing};
use crate::seal::Sealer;

const NOW: i64 = 1_700_000_000_000;

/// A record on a fresh database, with its flusher running.
struct Fixture {
    record: Record,
    database: database::Database,
    hand: ClockHand,
    _databases: Databases,
}

impl Fixture {
    async fn new() -> Self {
        let databases = Databases::new();
        let config = databases.config("notifier");
        let database = database::Database::open(&config).await.unwrap();
        let (clock, hand) = Clock::manual(NOW);
        let record = open(&database, clock).await;
        Self {
            record,
            database,
            hand,
            _databases: databases,
        }
    }

    /// Reads where the copy stands and writes what happened to it.
    async fn write(&self, copy: &Copy, event: Event) -> Moved {
        let standing = self.standing(copy).await;
        self.write_as_read(copy, standing, event).await
    }

    /// Writes what happened to a copy whose row was read earlier, a moment after the write before.
    async fn write_as_read(&self, copy: &Copy, read: Option<Standing>, event: Event) -> Moved {
        self.hand.advance(std::time::Duration::from_millis(1));
        self.record.write(entry(copy, read, event)).await.unwrap()
    }

    async fn standing(&self, copy: &Copy) -> Option<Standing> {
        let keys = std::slice::from_ref(&copy.key);
        self.record.read(keys).await.unwrap().remove(&copy.key)
    }

    /// The attempt that follows what is on record.
    async fn attempt(&self, copy: &Copy, then: Then) -> Moved {
        let number = self.standing(copy).await.map_or(0, |row| row.attempts) + 1;
        self.write(copy, attempted(number, then)).await
    }

    async fn rows(&self, text: &'static str) -> Vec<AnyRow> {
        let mut db = self.database.read().await.unwrap();
        sqlx::query(text).fetch_all(&mut *db).await.unwrap()
    }

    async fn texts(&self, text: &'static str) -> Vec<String> {
        let rows = self.rows(text).await;
        rows.iter().map(|row| row.get::<String, _>(0)).collect()
    }

    async fn count(&self, text: &'static str) -> i64 {
        self.rows(text).await[0].get(0)
    }

    /// The feed's kinds in order.
    async fn outcomes(&self) -> Vec<String> {
        self.texts("SELECT kind FROM outcome ORDER BY outcome_id")
            .await
    }

    async fn execute(&self, text: &'static str) {
        let mut db = self.database.write().await.unwrap();
        // As it stands: MariaDB prepares no statement about a trigger.
        let statement = sqlx::raw_sql(text);
        sqlx::Executor::execute(&mut *db, statement).await.unwrap();
    }
}

/// Another process's record on the same database.
async fn open(database: &database::Database, clock: Clock) -> Record {
    let options = RecordOptions {
        places: 1024,
        write_deadline: std::time::Duration::from_secs(5),
        worker: "tester".into(),
        sealer: Sealer::default(),
    };
    let opened = Record::open(database.clone(), options, clock).await;
    let (record, flusher) = opened.unwrap();
    tokio::spawn(flusher.run());
    record
}

fn entry(copy: &Copy, read: Option<Standing>, event: Event) -> Entry {
    Entry {
        copy: Arc::new(copy.clone()),
        endpoint: EndpointId::new("bank2").unwrap(),
        attempts_before: read.map_or(0, |row| row.attempts),
        row: read.as_ref().into(),
        event,
    }
}

fn attempted(number: u32, then: Then) -> Event {
    let (verdict, status) = match then {
        Then::Delivered => (Verdict::Delivered, 200),
        Then::Dead(DeadReason::Rejected) => (Verdict::Rejected, 422),
        Then::Again { .. } | Then::Dead(_) => (Verdict::Refused, 500),
    };
    let attempt = Attempt {
        id: ids::one(NOW),
        number,
        url: "http://127.0.0.1/notifications".into(),
        started_ms: NOW - 10,
        took_ms: 7,
        verdict,
        status: Some(status),
        error: (status == 500).then_some(AttemptError::Protocol),
        detail: (status != 200).then(|| format!("status {status}")),
        excerpt: Bytes::from_static(b"because"),
    };
    Event::Attempted { attempt, then }
}

fn again(due_in_ms: i64) -> Then {
    Then::Again {
        next_due_ms: NOW + due_in_ms,
    }
}

fn parked(due_in_ms: i64) -> Event {
    Event::Parked {
        reason: ParkReason::NoSlot,
        next_due_ms: NOW + due_in_ms,
        step_ms: due_in_ms,
    }
}

const USED_UP: Then = Then::Dead(DeadReason::LadderUsedUp);

/// The same transfer as an operator sends it anew.
fn resent(generation: u32) -> Copy {
    Copy {
        generation,
        ..copy()
    }
}

/// What N6 does, without its API.
const REVIVE: &str = "UPDATE notification SET state = 'waiting', generation = generation + 1, \
     attempts = 0, parks = 0, parked_ms = 0, seen = 0";

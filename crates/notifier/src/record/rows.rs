//! The multi-row INSERTs of a flush: notifications, attempts, outcomes.

use std::sync::LazyLock;

use database::{Database, DatabaseError};
use notification::{OutcomeKind, TxNo};
use sqlx::AnyConnection;

use super::columns;
use super::entry::{Entry, Event, Then};
use super::insert::Insert;
use super::write::{Stamp, state_after};

static NOTIFICATIONS: LazyLock<Insert> = LazyLock::new(|| {
    Insert::into(
        "notification",
        "group_name, tx_no, source, tail, endpoint_id, event_type, business_key, state, \
         generation, attempts, parks, parked_ms, seen, next_due_ms, first_seen_ms, updated_ms, \
         last_status, last_error",
    )
});

static ATTEMPTS: LazyLock<Insert> = LazyLock::new(|| {
    Insert::into(
        "attempt",
        "attempt_id, group_name, tx_no, source, generation, number, endpoint_id, url, started_ms, \
         took_ms, verdict, status, error, response_excerpt, next_due_ms, delivery_attempt, worker",
    )
});

static OUTCOMES: LazyLock<Insert> = LazyLock::new(|| {
    Insert::into(
        "outcome",
        "outcome_id, group_name, source, tx_no, generation, kind, at_ms",
    )
});

/// The end of the feed as it is.
pub(super) async fn newest_outcome(database: &Database) -> Result<Option<TxNo>, DatabaseError> {
    let mut db = database.read().await?;
    let row = sqlx::query("SELECT outcome_id FROM outcome ORDER BY outcome_id DESC LIMIT 1")
        .fetch_optional(&mut *db)
        .await?;
    let id = row.map(|row| columns::parsed(&row, "outcome_id"));
    Ok(id.transpose()?)
}

/// A line of the feed.
pub(super) struct Outcome<'a> {
    pub id: TxNo,
    pub entry: &'a Entry,
    pub kind: OutcomeKind,
}

/// N1, with the state that the first result gives.
pub(super) async fn insert_notifications(
    db: &mut AnyConnection,
    entries: &[&Entry],
    now_ms: i64,
) -> Result<(), DatabaseError> {
    for (text, chunk) in NOTIFICATIONS.chunks(entries) {
        let mut query = sqlx::query(text);
        for entry in chunk {
            let copy = &entry.copy;
            let (parks, parked_ms) = match entry.event {
                Event::Parked { step_ms, .. } => (1_i64, step_ms),
                Event::Attempted { .. } | Event::Held { .. } | Event::Skipped | Event::Died(_) => {
                    (0, 0)
                }
            };
            query = query
                .bind(copy.key.group.as_str())
                .bind(copy.key.tx_no.to_string())
                .bind(copy.key.source.as_str())
                .bind(copy.key.tx_no.reversed())
                .bind(entry.endpoint.as_str())
                .bind(copy.content.event_type.as_str())
                .bind(copy.content.business_key.as_str())
                .bind(state_after(entry).as_str())
                .bind(i64::from(copy.generation))
                .bind(i64::from(entry.attempts_after()))
                .bind(parks)
                .bind(parked_ms)
                .bind(1_i64)
                .bind(entry.next_due_ms())
                .bind(now_ms)
                .bind(now_ms)
                .bind(entry.last_status().map(i64::from))
                .bind(entry.last_error());
        }
        query.execute(&mut *db).await?;
    }
    Ok(())
}

/// One row for each HTTP request, whether or not it moved its notification.
pub(super) async fn insert_attempts(
    db: &mut AnyConnection,
    entries: &[&Entry],
    stamp: Stamp<'_>,
) -> Result<(), DatabaseError> {
    let made = entries.iter().filter_map(|entry| match &entry.event {
        Event::Attempted { attempt, then } => Some((*entry, attempt, *then)),
        Event::Parked { .. } | Event::Held { .. } | Event::Skipped | Event::Died(_) => None,
    });
    let made: Vec<_> = made.collect();
    for (text, chunk) in ATTEMPTS.chunks(&made) {
        let mut query = sqlx::query(text);
        for (entry, attempt, then) in chunk {
            let next_due_ms = match then {
                Then::Again { next_due_ms } => Some(*next_due_ms),
                Then::Delivered | Then::Dead(_) => None,
            };
            let id = attempt.id.to_string();
            let excerpt = stamp.sealer.excerpt(&attempt.excerpt, &id);
            let key = &entry.copy.key;
            query = query
                .bind(id)
                .bind(key.group.as_str())
                .bind(key.tx_no.to_string())
                .bind(key.source.as_str())
                .bind(i64::from(entry.copy.generation))
                .bind(i64::from(attempt.number))
                .bind(entry.endpoint.as_str())
                .bind(&*attempt.url)
                .bind(attempt.started_ms)
                .bind(i64::from(attempt.took_ms))
                .bind(attempt.verdict.as_str())
                .bind(attempt.status.map(i64::from))
                .bind(attempt.error.map(|error| error.as_str()))
                .bind(excerpt)
                .bind(next_due_ms)
                .bind(i64::from(entry.copy.delivery_attempt))
                .bind(stamp.worker);
        }
        query.execute(&mut *db).await?;
    }
    Ok(())
}

/// The feed's lines.
pub(super) async fn insert_outcomes(
    db: &mut AnyConnection,
    outcomes: &[Outcome<'_>],
    now_ms: i64,
) -> Result<(), DatabaseError> {
    for (text, chunk) in OUTCOMES.chunks(outcomes) {
        let mut query = sqlx::query(text);
        for Outcome { id, entry, kind } in chunk {
            let key = &entry.copy.key;
            query = query
                .bind(id.to_string())
                .bind(key.group.as_str())
                .bind(key.source.as_str())
                .bind(key.tx_no.to_string())
                .bind(i64::from(entry.copy.generation))
                .bind(kind.as_str())
                .bind(now_ms);
        }
        query.execute(&mut *db).await?;
    }
    Ok(())
}

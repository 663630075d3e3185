//! N2 to N5 for a notification that has a row: conditional updates, so that state only moves
//! forward.
//!
//! Each says what it expects: its own generation, `waiting`, and as many attempts as were on
//! record when it was read. A delivery expects less: it counts whenever it comes, also after
//! death, also from an older generation, because the receiver has the notification either way.

use database::DatabaseError;
use sqlx::AnyConnection;

use super::entry::{Entry, Event, Moved, Then};
use crate::copy::Reading;

const AGAIN: &str = "UPDATE notification SET attempts = ?, seen = 1, next_due_ms = ?, \
     updated_ms = ?, last_status = ?, last_error = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? \
     AND generation = ? AND state = 'waiting' AND attempts = ?";

const DELIVERED: &str = "UPDATE notification SET state = 'delivered', \
     attempts = CASE WHEN generation = ? AND attempts = ? THEN ? ELSE attempts END, \
     seen = 1, next_due_ms = NULL, updated_ms = ?, last_status = ?, last_error = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND state IN ('waiting', 'dead')";

const DEAD: &str = "UPDATE notification SET state = 'dead', attempts = ?, seen = 1, \
     next_due_ms = NULL, updated_ms = ?, last_status = ?, last_error = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? \
     AND generation = ? AND state = 'waiting' AND attempts = ?";

const PARKED: &str = "UPDATE notification SET parks = parks + 1, parked_ms = parked_ms + ?, \
     seen = 1, next_due_ms = ?, updated_ms = ?, last_error = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? \
     AND generation = ? AND state = 'waiting' AND attempts = ?";

const HELD: &str = "UPDATE notification SET seen = 1, updated_ms = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? \
     AND generation = ? AND state = 'waiting' AND attempts = ?";

/// Applies one entry's rule and says whether the row was as expected.
pub(super) async fn apply(
    db: &mut AnyConnection,
    entry: &Entry,
    now_ms: i64,
) -> Result<Moved, DatabaseError> {
    if entry.copy.reading == Reading::Malformed {
        // The row is another's: a message that can't be read says nothing about it.
        return Ok(Moved::No);
    }
    let key = &entry.copy.key;
    let tx_no = key.tx_no.to_string();
    let generation = i64::from(entry.copy.generation);
    let before = i64::from(entry.attempts_before);
    let after = i64::from(entry.attempts_after());
    let status = entry.last_status().map(i64::from);
    let query = match &entry.event {
        Event::Attempted {
            then: Then::Delivered,
            ..
        } => sqlx::query(DELIVERED)
            .bind(generation)
            .bind(before)
            .bind(after)
            .bind(now_ms)
            .bind(status)
            .bind(entry.last_error())
            .bind(key.group.as_str())
            .bind(tx_no)
            .bind(key.source.as_str()),
        Event::Attempted {
            then: Then::Again { next_due_ms },
            ..
        } => sqlx::query(AGAIN)
            .bind(after)
            .bind(*next_due_ms)
            .bind(now_ms)
            .bind(status)
            .bind(entry.last_error())
            .bind(key.group.as_str())
            .bind(tx_no)
            .bind(key.source.as_str())
            .bind(generation)
            .bind(before),
        Event::Attempted {
            then: Then::Dead(_),
            ..
        }
        | Event::Died(_) => sqlx::query(DEAD)
            .bind(after)
            .bind(now_ms)
            .bind(status)
            .bind(entry.last_error())
            .bind(key.group.as_str())
            .bind(tx_no)
            .bind(key.source.as_str())
            .bind(generation)
            .bind(before),
        // It is for what has no row yet.
        Event::Skipped => return Ok(Moved::No),
        Event::Held { .. } => sqlx::query(HELD)
            .bind(now_ms)
            .bind(key.group.as_str())
            .bind(tx_no)
            .bind(key.source.as_str())
            .bind(generation)
            .bind(before),
        Event::Parked {
            next_due_ms,
            step_ms,
            ..
        } => sqlx::query(PARKED)
            .bind(*step_ms)
            .bind(*next_due_ms)
            .bind(now_ms)
            .bind(entry.last_error())
            .bind(key.group.as_str())
            .bind(tx_no)
            .bind(key.source.as_str())
            .bind(generation)
            .bind(before),
    };
    match query.execute(&mut *db).await?.rows_affected() {
        0 => Ok(Moved::No),
        _ => Ok(Moved::Yes),
    }
}

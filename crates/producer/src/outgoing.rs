//! The statements on `outgoing`, numbered as in the table of the initiator's states in ARCHITECTURE.md, O1, O2, O4..O6 and O8.
//!
//! A row that can be seen is committed. Nothing here deletes, and every update is conditional, so each
//! may be repeated, reordered, or run by several processes at once.

use database::{DatabaseError, Kind};
use notification::{BusinessState, Notification, Outcome, OutcomeKind, TxNo};
use sqlx::{AnyConnection, Row as _};

/// What a row says to those who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: BusinessState,
    pub(crate) outcome: Outcome,
    pub(crate) request_hash: String,
    pub(crate) checked_by: Option<String>,
}

/// O1, the first statement of the local transaction. `Duplicate` means: this `tx_no` is decided.
pub(crate) async fn record(
    tx: &mut AnyConnection,
    notification: &Notification,
    now_ms: i64,
    next_send_ms: i64,
) -> Result<(), DatabaseError> {
    sqlx::query(
        "INSERT INTO outgoing (tx_no, state, outcome, generation, request_hash, topic, event_type, business_key, \
         content_type, endpoint_id, notify_url, traceparent, body, created_ms, next_send_ms, sends) \
         VALUES (?, 'committed', 'none', 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
    )
    .bind(notification.tx_no.to_string())
    .bind(notification.request_hash())
    .bind(notification.topic.as_str())
    .bind(notification.event_type.as_str())
    .bind(notification.business_key.as_str())
    .bind(notification.content_type.as_str())
    .bind(notification.endpoint.as_ref().map_or("", |id| id.as_str()))
    .bind(notification.notify_url.as_deref().unwrap_or_default())
    .bind(notification.traceparent.as_deref().unwrap_or_default())
    .bind(notification.body.to_vec())
    .bind(now_ms)
    .bind(next_send_ms)
    .execute(tx)
    .await?;
    Ok(())
}

/// What inserting a fence met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// The `tx_no` was unknown and is now rolled back for good.
    Set,
    /// There is a row: committed, reversed, or an earlier fence.
    Met,
}

/// O2: rolls an unknown `tx_no` back for good, by a bare INSERT in autocommit. It doesn't read first:
/// what is not there yet might commit between the reading and the writing.
///
/// # Errors
/// A row that another transaction holds, a busy database or a lost connection: nothing is known then.
pub(crate) async fn fence(
    conn: &mut AnyConnection,
    tx_no: &TxNo,
    topic: &str,
    checked_by: &str,
    now_ms: i64,
) -> Result<Fence, DatabaseError> {
    let inserted = sqlx::query(
        "INSERT INTO outgoing (tx_no, state, outcome, generation, request_hash, topic, event_type, business_key, \
         content_type, notify_url, traceparent, created_ms, sends, checked_by) \
         VALUES (?, 'rolled_back', 'none', 0, '', ?, '', '', '', '', '', ?, 0, ?)",
    )
    .bind(tx_no.to_string())
    .bind(topic)
    .bind(now_ms)
    .bind(checked_by)
    .execute(conn)
    .await
    .map_err(DatabaseError::from);
    match inserted {
        Ok(_) => Ok(Fence::Set),
        Err(error) if error.kind() == Kind::Duplicate => Ok(Fence::Met),
        Err(error) => Err(error),
    }
}

/// Notes which process answered a check-back. Only a note: nothing depends on it.
pub(crate) async fn note_checked(
    conn: &mut AnyConnection,
    tx_no: &TxNo,
    checked_by: &str,
) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE outgoing SET checked_by = ? WHERE tx_no = ?")
        .bind(checked_by)
        .bind(tx_no.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Reads what is known of a `tx_no`, if anything is.
pub(crate) async fn standing(
    conn: &mut AnyConnection,
    tx_no: &TxNo,
) -> Result<Option<Standing>, DatabaseError> {
    let row = sqlx::query(
        "SELECT state, outcome, request_hash, checked_by FROM outgoing WHERE tx_no = ?",
    )
    .bind(tx_no.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Standing {
        state: word(&row.try_get::<String, _>("state")?)?,
        outcome: word(&row.try_get::<String, _>("outcome")?)?,
        request_hash: row.try_get("request_hash")?,
        checked_by: row.try_get("checked_by")?,
    }))
}

/// O4, O5, O6, O8: moves a row forward by one outcome of the notifier's feed; never back. Says how
/// many rows moved. For the one subscription that must accept; of several, see `groups`.
pub(crate) async fn apply_outcome(
    tx: &mut AnyConnection,
    tx_no: &TxNo,
    kind: OutcomeKind,
    at_ms: i64,
) -> Result<u64, DatabaseError> {
    let update = match kind {
        OutcomeKind::Accepted | OutcomeKind::Skipped => {
            "UPDATE outgoing SET outcome = 'accepted', next_send_ms = NULL, outcome_ms = ? \
             WHERE tx_no = ? AND outcome = 'none'"
        }
        // Withdrawn is as good as dead here: the receiver has promised nothing.
        OutcomeKind::Dead | OutcomeKind::Withdrawn => {
            "UPDATE outgoing SET outcome = 'dead', next_send_ms = NULL, outcome_ms = ? \
             WHERE tx_no = ? AND outcome IN ('none', 'accepted')"
        }
        OutcomeKind::Delivered => {
            "UPDATE outgoing SET outcome = 'delivered', next_send_ms = NULL, outcome_ms = ? \
             WHERE tx_no = ? AND outcome IN ('none', 'accepted', 'dead')"
        }
        OutcomeKind::Cancelled => {
            "UPDATE outgoing SET outcome = 'cancelled', next_send_ms = NULL, outcome_ms = ? \
             WHERE tx_no = ? AND outcome IN ('none', 'accepted', 'dead')"
        }
        // No step of a row's life: see `lost`.
        OutcomeKind::Lost => return Ok(0),
    };
    let done = sqlx::query(update)
        .bind(at_ms)
        .bind(tx_no.to_string())
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

pub(crate) fn word<T: std::str::FromStr<Err = notification::Invalid>>(
    text: &str,
) -> Result<T, DatabaseError> {
    text.parse()
        .map_err(|invalid| sqlx::Error::Decode(Box::new(invalid)).into())
}

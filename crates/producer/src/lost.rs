//! What a subscription's queue has lost: noted from the feed (O7), and sent anew for it alone.
//!
//! The notifier says `lost` of what should be awake and is not, again and again while it sleeps. The
//! note is written in the transaction that moves the feed's cursor, and a line that is read twice counts
//! once. What goes out is the generation that the notifier lost, which an operator's resend may have made,
//! with the subscription named: the others have theirs.

use database::{Database, DatabaseError};
use notification::api::notifier::OutcomeLine;
use notification::{Group, TxNo};
use sqlx::{AnyConnection, Row as _};

use crate::due::Claimed;
use crate::outgoing::word;

const AGAIN: &str = "UPDATE outgoing_lost SET generation = ?, outcome_id = ?, \
     next_send_ms = CASE WHEN next_send_ms IS NULL THEN ? ELSE next_send_ms END \
     WHERE tx_no = ? AND group_name = ? AND outcome_id < ?";

/// One statement, so that neither a row that is there nor a number that is not ours is an error.
const FIRST: &str = "INSERT INTO outgoing_lost \
     (tx_no, group_name, generation, outcome_id, next_send_ms, sends) \
     SELECT o.tx_no, ?, ?, ?, ?, 0 FROM outgoing o WHERE o.tx_no = ? AND o.state = 'committed' \
     AND NOT EXISTS (SELECT 1 FROM outgoing_lost l WHERE l.tx_no = ? AND l.group_name = ?)";

const DUE: &str = "SELECT l.tx_no, l.group_name, l.generation, l.next_send_ms, o.outcome \
     FROM outgoing_lost l JOIN outgoing o ON o.tx_no = l.tx_no \
     WHERE l.next_send_ms <= ? ORDER BY l.next_send_ms LIMIT ?";

const MOVE: &str = "UPDATE outgoing_lost SET next_send_ms = ?, sends = sends + ? \
     WHERE tx_no = ? AND group_name = ? AND next_send_ms = ?";

/// A loss that waits to be made good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) tx_no: String,
    pub(crate) group: Group,
    pub(crate) generation: u32,
    pub(crate) next_send_ms: i64,
    /// What the notifier says of the whole by now.
    pub(crate) outcome: notification::Outcome,
}

/// O7: notes a line of the feed, unless it was noted before.
pub(crate) async fn note(
    tx: &mut AnyConnection,
    line: &OutcomeLine,
    now_ms: i64,
) -> Result<(), DatabaseError> {
    let generation = i64::from(line.generation);
    let tx_no: &TxNo = &line.tx_no;
    let again = sqlx::query(AGAIN)
        .bind(generation)
        .bind(&line.id)
        .bind(now_ms)
        .bind(tx_no.to_string())
        .bind(line.group.as_str())
        .bind(&line.id)
        .execute(&mut *tx)
        .await?;
    if again.rows_affected() > 0 {
        return Ok(());
    }
    sqlx::query(FIRST)
        .bind(line.group.as_str())
        .bind(generation)
        .bind(&line.id)
        .bind(now_ms)
        .bind(tx_no.to_string())
        .bind(tx_no.to_string())
        .bind(line.group.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// What is due at `now_ms`, the longest due first.
pub(crate) async fn select(
    database: &Database,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<Lost>, DatabaseError> {
    let rows = sqlx::query(DUE)
        .bind(now_ms)
        .bind(limit)
        .fetch_all(&mut *database.read().await?)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Lost {
                tx_no: row.try_get("tx_no")?,
                group: word(&row.try_get::<String, _>("group_name")?)?,
                generation: u32::try_from(row.try_get::<i32, _>("generation")?).unwrap_or(0),
                next_send_ms: row.try_get("next_send_ms")?,
                outcome: word(&row.try_get::<String, _>("outcome")?)?,
            })
        })
        .collect()
}

/// Takes a loss for one send; it is due again at `until_ms` unless that succeeds.
pub(crate) async fn take(
    database: &Database,
    lost: &Lost,
    until_ms: i64,
) -> Result<Claimed, DatabaseError> {
    moved(database, lost, lost.next_send_ms, Some(until_ms), 1).await
}

/// It has been sent, or needs to be no more.
pub(crate) async fn done(
    database: &Database,
    lost: &Lost,
    claimed_ms: i64,
) -> Result<(), DatabaseError> {
    moved(database, lost, claimed_ms, None, 0).await.map(drop)
}

/// The broker took nothing: it is due as it was.
pub(crate) async fn give_back(
    database: &Database,
    lost: &Lost,
    claimed_ms: i64,
) -> Result<(), DatabaseError> {
    let back = moved(database, lost, claimed_ms, Some(lost.next_send_ms), -1);
    back.await.map(drop)
}

async fn moved(
    database: &Database,
    lost: &Lost,
    from_ms: i64,
    to_ms: Option<i64>,
    sends: i64,
) -> Result<Claimed, DatabaseError> {
    let done = sqlx::query(MOVE)
        .bind(to_ms)
        .bind(sends)
        .bind(&lost.tx_no)
        .bind(lost.group.as_str())
        .bind(from_ms)
        .execute(&mut *database.write().await?)
        .await?;
    Ok(Claimed::from_rows(done.rows_affected()))
}

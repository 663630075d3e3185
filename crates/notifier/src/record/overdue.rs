//! What should be awake and is not, on record: found by its due time, and told in the feed.
//!
//! Telling is a conditional update with its outcome in one transaction: of several replicas that find
//! the same, one tells it. It is told again as long as it sleeps, after a gap that doubles each time.

use std::sync::LazyLock;
use std::time::Duration;

use database::DatabaseError;
use notification::{EndpointId, OutcomeKind};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use tokio::time::timeout;

use super::failure::Failure;
use super::insert::Insert;
use super::{Record, columns, ids};
use crate::copy::Key;

/// In the order of the index.
const PAGE: &str = "SELECT group_name, tx_no, source, generation, endpoint_id, seen, next_due_ms, \
     first_seen_ms, lost_ms, lost_times FROM notification \
     WHERE state = 'waiting' AND next_due_ms >= ? AND next_due_ms < ? \
     AND (next_due_ms > ? OR first_seen_ms > ? OR (first_seen_ms = ? AND (endpoint_id > ? \
     OR (endpoint_id = ? AND (group_name > ? OR (group_name = ? AND (tx_no > ? \
     OR (tx_no = ? AND source > ?)))))))) \
     ORDER BY next_due_ms, first_seen_ms, endpoint_id, group_name, tx_no, source LIMIT ?";

const TELL: &str = "UPDATE notification SET lost_ms = ?, lost_times = ? \
     WHERE group_name = ? AND tx_no = ? AND source = ? AND generation = ? \
     AND state = 'waiting' AND seen = 1 AND next_due_ms = ? AND COALESCE(lost_ms, 0) = ?";

static OUTCOMES: LazyLock<Insert> = LazyLock::new(|| {
    Insert::into(
        "outcome",
        "outcome_id, group_name, source, tx_no, generation, kind, at_ms",
    )
});

/// A notification that was due long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sleeper {
    pub key: Key,
    pub generation: u32,
    pub endpoint: EndpointId,
    /// Whether this generation has left a trace: before that its send request is responsible.
    pub seen: bool,
    pub next_due_ms: i64,
    pub first_seen_ms: i64,
    pub lost_ms: Option<i64>,
    pub lost_times: u32,
}

/// The longest gap between two tellings.
const LONGEST_GAP_MS: i64 = 24 * 3600 * 1000;

impl Sleeper {
    fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: columns::key(row)?,
            generation: columns::number(row, "generation")?,
            endpoint: columns::parsed(row, "endpoint_id")?,
            seen: columns::number::<i64>(row, "seen")? != 0,
            next_due_ms: row.try_get("next_due_ms")?,
            first_seen_ms: row.try_get("first_seen_ms")?,
            lost_ms: row.try_get("lost_ms")?,
            lost_times: columns::number(row, "lost_times")?,
        })
    }

    /// The how-manieth telling it is time for, if it is. One from before it was last due is of
    /// another sleep.
    pub(crate) fn telling(&self, first_gap: Duration, now_ms: i64) -> Option<u32> {
        let Some(lost_ms) = self.lost_ms.filter(|told_ms| *told_ms > self.next_due_ms) else {
            return Some(1);
        };
        let first = i64::try_from(first_gap.as_millis()).unwrap_or(LONGEST_GAP_MS);
        let doublings = self.lost_times.saturating_sub(1).min(20);
        let gap_ms = first
            .saturating_mul(1 << doublings)
            .min(LONGEST_GAP_MS.max(first));
        let is_time = now_ms.saturating_sub(lost_ms) >= gap_ms;
        is_time.then(|| self.lost_times.saturating_add(1))
    }
}

/// What was due before a time, behind `after`, longest due first.
pub(crate) async fn page(
    db: &mut AnyConnection,
    after: Option<&Sleeper>,
    due_before_ms: i64,
    limit: usize,
) -> Result<Vec<Sleeper>, DatabaseError> {
    let text = |of: fn(&Sleeper) -> String| after.map_or_else(String::new, of);
    let (endpoint, group) = (
        text(|last| last.endpoint.to_string()),
        text(|last| last.key.group.to_string()),
    );
    let tx_no = text(|last| last.key.tx_no.to_string());
    let due_ms = after.map_or(0, |last| last.next_due_ms);
    // Nothing was seen before 1970.
    let seen_ms = after.map_or(-1, |last| last.first_seen_ms);
    let rows = sqlx::query(PAGE)
        .bind(due_ms)
        .bind(due_before_ms)
        .bind(due_ms)
        .bind(seen_ms)
        .bind(seen_ms)
        .bind(endpoint.clone())
        .bind(endpoint)
        .bind(group.clone())
        .bind(group)
        .bind(tx_no.clone())
        .bind(tx_no)
        .bind(text(|last| last.key.source.to_string()))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(Sleeper::read).collect::<Result<_, _>>()?)
}

impl Record {
    /// Tells of these, each with which telling it is. Gives those that nobody else told of first.
    pub(crate) async fn tell_lost(
        &self,
        sleepers: &[(Sleeper, u32)],
    ) -> Result<Vec<Sleeper>, Failure> {
        let deadline = self.write_deadline();
        let told = timeout(deadline, self.telling(sleepers)).await;
        told.unwrap_or(Err(Failure::Deadline(deadline)))
    }

    async fn telling(&self, sleepers: &[(Sleeper, u32)]) -> Result<Vec<Sleeper>, Failure> {
        let mut tx = self.database().begin().await?;
        // Taken late: a page of the feed ends some seconds before now.
        let now_ms = self.now_ms();
        let ids_ms = self.ids.next_ms(now_ms);
        match tell(&mut tx, sleepers, ids_ms, now_ms).await {
            Ok(told) => {
                tx.commit().await?;
                Ok(told)
            }
            Err(error) => {
                // Unconfirmed is as good: what was not told is found again.
                let _unconfirmed = tx.rollback().await;
                Err(error.into())
            }
        }
    }
}

async fn tell(
    tx: &mut AnyConnection,
    sleepers: &[(Sleeper, u32)],
    ids_ms: i64,
    now_ms: i64,
) -> Result<Vec<Sleeper>, DatabaseError> {
    let mut told = Vec::new();
    for (sleeper, times) in sleepers {
        let moved = sqlx::query(TELL)
            .bind(now_ms)
            .bind(i64::from(*times))
            .bind(sleeper.key.group.as_str())
            .bind(sleeper.key.tx_no.to_string())
            .bind(sleeper.key.source.as_str())
            .bind(i64::from(sleeper.generation))
            .bind(sleeper.next_due_ms)
            .bind(sleeper.lost_ms.unwrap_or(0))
            .execute(&mut *tx)
            .await?;
        if moved.rows_affected() == 1 {
            told.push(sleeper.clone());
        }
    }
    let mut ids = ids::Series::at(ids_ms);
    for (text, chunk) in OUTCOMES.chunks(&told) {
        let mut query = sqlx::query(text);
        for Sleeper {
            key, generation, ..
        } in chunk
        {
            query = query
                .bind(ids.next().to_string())
                .bind(key.group.to_string())
                .bind(key.source.to_string())
                .bind(key.tx_no.to_string())
                .bind(i64::from(*generation))
                .bind(OutcomeKind::Lost.as_str())
                .bind(now_ms);
        }
        query.execute(&mut *tx).await?;
    }
    Ok(told)
}

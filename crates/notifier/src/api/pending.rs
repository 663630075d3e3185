//! `GET /v1/pending`: what is undelivered, how much, for whom, the oldest first.
//!
//! Counts and times come from the index `notification_awaited` alone, in one pass over what waits. Of
//! each endpoint that is shown, the notification that is due first is sought by its time.

use axum::extract::State;
use notification::api::pending::{Pending, PendingEndpoint, PendingNotification, PendingQuery};
use notification::{EndpointId, Operation};
use service::extract::{Json, Query};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::ApiState;
use super::failure::Failure;
use super::page::limit;
use crate::directory::Directory;
use crate::record::columns::{number, number_if_any, parsed};

const BY_ENDPOINT: &str = "SELECT endpoint_id, COUNT(*) AS waiting, \
     MIN(next_due_ms) AS next_due_ms, MIN(first_seen_ms) AS oldest_ms FROM notification \
     WHERE state = 'waiting' GROUP BY endpoint_id";

const OF_ONE: &str = "SELECT endpoint_id, COUNT(*) AS waiting, \
     MIN(next_due_ms) AS next_due_ms, MIN(first_seen_ms) AS oldest_ms FROM notification \
     WHERE state = 'waiting' AND endpoint_id = ? GROUP BY endpoint_id";

const COLUMNS: &str = "SELECT group_name, source, tx_no, business_key, generation, attempts, \
     parks, first_seen_ms, next_due_ms, last_status, last_error FROM notification";

/// The most endpoints, or notifications of one, that are shown; the usual number is a tenth.
const MOST: u32 = 1000;

/// By endpoint; of one endpoint also its notifications.
pub(super) async fn show(
    State(state): State<ApiState>,
    Query(asked): Query<PendingQuery>,
) -> Result<Json<Pending>, Failure> {
    let limit = limit(asked.limit, MOST / 10, MOST)?;
    let mut db = state.record.database().read().await?;
    let query = match &asked.endpoint {
        None => sqlx::query(BY_ENDPOINT),
        Some(endpoint) => sqlx::query(OF_ONE).bind(endpoint.to_string()),
    };
    let rows = query.fetch_all(&mut *db).await?;
    let mut all = rows
        .iter()
        .map(Count::read)
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|one, other| {
        (one.oldest_ms, &one.endpoint).cmp(&(other.oldest_ms, &other.endpoint))
    });
    let waiting = all.iter().map(|count| count.waiting).sum();
    let endpoints_waiting = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let mut endpoints = Vec::new();
    for count in all.into_iter().take(limit as usize) {
        // It may have been delivered since it was counted.
        let first = due_at(&mut db, &count.endpoint, count.next_due_ms).await?;
        endpoints.extend(first.map(|first| count.shown(&state.directory, first)));
    }
    let notifications = match &asked.endpoint {
        None => Vec::new(),
        Some(endpoint) => due_first(&mut db, endpoint, limit).await?,
    };
    Ok(Json(Pending {
        waiting,
        endpoints_waiting,
        endpoints,
        notifications,
    }))
}

struct Count {
    endpoint: EndpointId,
    waiting: u64,
    oldest_ms: i64,
    next_due_ms: Option<i64>,
}

impl Count {
    fn read(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            endpoint: parsed(row, "endpoint_id")?,
            waiting: number(row, "waiting")?,
            oldest_ms: row.try_get("oldest_ms")?,
            next_due_ms: row.try_get("next_due_ms")?,
        })
    }

    fn shown(self, directory: &Directory, first: PendingNotification) -> PendingEndpoint {
        let line = directory.line(&self.endpoint);
        let operation = line.as_ref().map(|line| line.endpoint().operation);
        PendingEndpoint {
            operation: operation.map_or("unknown", Operation::as_str).to_owned(),
            breaker_open: line.is_some_and(|line| line.lane.is_open()),
            endpoint: self.endpoint,
            waiting: self.waiting,
            oldest_ms: self.oldest_ms,
            next_due_ms: self.next_due_ms,
            first,
        }
    }
}

/// The one that is due at exactly this time, or of no time.
async fn due_at(
    db: &mut AnyConnection,
    endpoint: &EndpointId,
    due_ms: Option<i64>,
) -> Result<Option<PendingNotification>, Failure> {
    let due = if due_ms.is_some() { "= ?" } else { "IS NULL" };
    let text = format!(
        "{COLUMNS} WHERE state = 'waiting' AND endpoint_id = ? AND next_due_ms {due} LIMIT 1"
    );
    let mut query = sqlx::query(AssertSqlSafe(text)).bind(endpoint.to_string());
    if let Some(due_ms) = due_ms {
        query = query.bind(due_ms);
    }
    let row = query.fetch_optional(db).await?;
    Ok(row.as_ref().map(shown).transpose()?)
}

/// Those that are due first.
async fn due_first(
    db: &mut AnyConnection,
    endpoint: &EndpointId,
    many: u32,
) -> Result<Vec<PendingNotification>, Failure> {
    let text = format!(
        "{COLUMNS} WHERE state = 'waiting' AND endpoint_id = ? ORDER BY next_due_ms LIMIT {many}"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(endpoint.to_string())
        .fetch_all(db)
        .await?;
    Ok(rows.iter().map(shown).collect::<Result<_, _>>()?)
}

fn shown(row: &AnyRow) -> Result<PendingNotification, sqlx::Error> {
    Ok(PendingNotification {
        group: parsed(row, "group_name")?,
        source: parsed(row, "source")?,
        tx_no: parsed(row, "tx_no")?,
        business_key: row.try_get("business_key")?,
        generation: number(row, "generation")?,
        attempts: number(row, "attempts")?,
        parks: number(row, "parks")?,
        accepted_ms: row.try_get("first_seen_ms")?,
        next_due_ms: row.try_get("next_due_ms")?,
        last_status: number_if_any(row, "last_status")?,
        last_error: row.try_get("last_error")?,
    })
}

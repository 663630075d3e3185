//! What has been waiting since before a time, by endpoint, from the index `notification_awaited` alone.

use database::DatabaseError;
use notification::EndpointId;
use sqlx::{AnyConnection, Row};

use super::columns::{number, parsed};

/// Of what waits only what is old is gathered: in an ordinary hour that is nothing.
const SEEN_BEFORE: &str = "SELECT endpoint_id, COUNT(*) AS waiting, \
     MIN(first_seen_ms) AS oldest_ms FROM notification \
     WHERE state = 'waiting' AND first_seen_ms < ? GROUP BY endpoint_id ORDER BY endpoint_id";

/// Of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub endpoint: EndpointId,
    /// How many have waited for so long.
    pub count: u64,
    /// When the first of them was accepted.
    pub oldest_ms: i64,
}

/// Those of which something was accepted before that time and still waits.
pub(crate) async fn seen_before(
    db: &mut AnyConnection,
    before_ms: i64,
) -> Result<Vec<Waiting>, DatabaseError> {
    let rows = sqlx::query(SEEN_BEFORE)
        .bind(before_ms)
        .fetch_all(db)
        .await?;
    let read = rows.iter().map(|row| {
        Ok(Waiting {
            endpoint: parsed(row, "endpoint_id")?,
            count: number(row, "waiting")?,
            oldest_ms: row.try_get("oldest_ms")?,
        })
    });
    Ok(read.collect::<Result<_, sqlx::Error>>()?)
}

//! Forgetting numbers that nobody may send any more, a page at a time.
//!
//! A number goes only when it is refused for its age anyway, whatever its row's own age says: one
//! that claims to be from the future would be applied again otherwise. An hour beyond that, so that
//! of several replicas none still takes what another has forgotten.

use std::time::Duration;

use database::{Database, DatabaseError};
use sqlx::{Any, QueryBuilder, Row as _, query};
use tokio::time::{Instant, sleep};

use super::Inbox;
use notification::TxNo;

/// Rows of one transaction.
const PAGE: i64 = 256;

/// How far the clocks of replicas may be apart.
const SKEW: Duration = Duration::from_secs(3600);

/// From the end of a pass to the next one.
const BETWEEN: Duration = Duration::from_secs(3600);

/// How much longer than a page it rests before the next.
const RESTS: u32 = 4;

const OLD: &str = "SELECT source, tx_no FROM inbox WHERE created_ms < ? AND tx_no < ? \
     ORDER BY created_ms LIMIT ?";

impl Inbox {
    /// Forgets what is beyond the retention, every hour, for ever: a task of its own, which the
    /// caller ends by dropping it. Of several replicas each may do so.
    pub async fn forget_for_ever(self) {
        loop {
            if let Err(error) = self.forget().await {
                tracing::warn!(event = "inbox_not_forgotten", %error);
            }
            sleep(BETWEEN).await;
        }
    }

    /// Forgets all that is beyond it now; how many.
    ///
    /// # Errors
    /// The database's; what was forgotten until then stays so.
    pub async fn forget(&self) -> Result<u64, DatabaseError> {
        let now_ms = u64::try_from(self.clock.now_ms()).unwrap_or(0);
        let span = self.retention + SKEW;
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let before_ms = now_ms.saturating_sub(span_ms);
        let mut forgotten = 0;
        loop {
            let began = Instant::now();
            let page = page(&self.database, before_ms);
            let removed = self.database.in_time(page).await?;
            if removed == 0 {
                return Ok(forgotten);
            }
            forgotten += removed;
            sleep(began.elapsed() * RESTS).await;
        }
    }
}

async fn page(database: &Database, before_ms: u64) -> Result<u64, DatabaseError> {
    let before = i64::try_from(before_ms).unwrap_or(i64::MAX);
    let mut db = database.write().await?;
    let rows = query(OLD)
        .bind(before)
        .bind(TxNo::from_parts(before_ms, [0; 10]).to_string())
        .bind(PAGE)
        .fetch_all(&mut *db)
        .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut sql: QueryBuilder<Any> = QueryBuilder::new("DELETE FROM inbox WHERE ");
    let mut keys = sql.separated(" OR ");
    for row in &rows {
        keys.push("(source = ");
        keys.push_bind_unseparated(row.try_get::<String, _>(0)?);
        keys.push_unseparated(" AND tx_no = ");
        keys.push_bind_unseparated(row.try_get::<String, _>(1)?);
        keys.push_unseparated(")");
    }
    Ok(sql.build().execute(&mut *db).await?.rows_affected())
}

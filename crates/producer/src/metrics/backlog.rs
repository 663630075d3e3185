//! How much is outgoing, looked up from time to time, so that the page need not ask.

use std::time::Duration;

use database::{Database, DatabaseError};
use sqlx::Row as _;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::initiator::Shared;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// What was accepted has no time to be sent any more: the index `outgoing_due` holds those that wait alone.
const WAITING: &str = "SELECT COUNT(*) AS waiting, MIN(next_send_ms) AS first_ms FROM \
     (SELECT next_send_ms FROM outgoing WHERE next_send_ms > 0 ORDER BY next_send_ms LIMIT 100000) AS due";

/// Looks until `stop`.
pub(crate) async fn keep(shared: &Shared, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let looked = shared.database.in_time(look(&shared.database)).await;
        match looked {
            Ok((waiting, first_ms)) => {
                let now_ms = shared.clock.now_ms();
                shared
                    .meters
                    .found(waiting, first_ms.filter(|first_ms| *first_ms <= now_ms));
            }
            // What was found last stands.
            Err(error) => tracing::debug!(event = "outgoing_not_counted", %error),
        }
    }
}

async fn look(database: &Database) -> Result<(i64, Option<i64>), DatabaseError> {
    let row = sqlx::query(WAITING)
        .fetch_one(&mut *database.read().await?)
        .await?;
    Ok((row.try_get("waiting")?, row.try_get("first_ms")?))
}

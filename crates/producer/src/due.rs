//! What the relay reads and claims in `outgoing` (O3 in ARCHITECTURE.md), and the decision about one row.

use bytes::Bytes;
use database::{Database, DatabaseError};
use notification::{Invalid, Notification, Source, TxNo};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::config::Config;

/// A committed row whose time to be sent anew has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) tx_no: String,
    pub(crate) created_ms: i64,
    pub(crate) next_send_ms: i64,
    pub(crate) sends: i32,
}

/// What to do with a due row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Send it anew now, and once more at this time unless it is accepted by then.
    Send { next_send_ms: i64 },
    /// It is beyond the maximum age.
    GiveUp,
}

/// Decides about a row that was sent anew `due.sends` times before.
pub(crate) fn claim(config: &Config, due: &Due, now_ms: i64) -> Claim {
    if now_ms.saturating_sub(due.created_ms) > service::clock::millis(config.relay_max_age) {
        return Claim::GiveUp;
    }
    let rungs = &config.relay_after;
    let next = usize::try_from(due.sends)
        .unwrap_or(0)
        .saturating_add(1)
        .min(rungs.len() - 1);
    Claim::Send {
        next_send_ms: now_ms.saturating_add(service::clock::millis(rungs[next])),
    }
}

/// The rows that are due at `now_ms`, the longest due first.
pub(crate) async fn select(
    database: &Database,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<Due>, DatabaseError> {
    let rows = sqlx::query(
        "SELECT tx_no, created_ms, next_send_ms, sends FROM outgoing \
         WHERE next_send_ms <= ? AND state = 'committed' ORDER BY next_send_ms LIMIT ?",
    )
    .bind(now_ms)
    .bind(limit)
    .fetch_all(&mut *database.read().await?)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                tx_no: row.try_get("tx_no")?,
                created_ms: row.try_get("created_ms")?,
                next_send_ms: row.try_get("next_send_ms")?,
                sends: row.try_get("sends")?,
            })
        })
        .collect()
}

/// Whether a claim was ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    Mine,
    /// Another relay has it, or the feed has moved it since.
    Gone,
}

impl Claimed {
    pub(crate) fn from_rows(rows: u64) -> Claimed {
        if rows == 1 {
            Claimed::Mine
        } else {
            Claimed::Gone
        }
    }
}

/// Takes a due row for one send. What was accepted meanwhile gets no further one.
pub(crate) async fn take(
    database: &Database,
    due: &Due,
    next_send_ms: i64,
) -> Result<Claimed, DatabaseError> {
    let done = sqlx::query(
        "UPDATE outgoing SET next_send_ms = CASE WHEN outcome = 'none' THEN ? ELSE NULL END, sends = sends + 1 \
         WHERE tx_no = ? AND next_send_ms = ?",
    )
    .bind(next_send_ms)
    .bind(&due.tx_no)
    .bind(due.next_send_ms)
    .execute(&mut *database.write().await?)
    .await?;
    Ok(Claimed::from_rows(done.rows_affected()))
}

/// Gives a taken row back, because the broker took nothing: a broker that is away uses no rung.
pub(crate) async fn give_back(
    database: &Database,
    due: &Due,
    next_send_ms: i64,
) -> Result<(), DatabaseError> {
    sqlx::query("UPDATE outgoing SET next_send_ms = ?, sends = sends - 1 WHERE tx_no = ? AND next_send_ms = ?")
        .bind(due.next_send_ms)
        .bind(&due.tx_no)
        .bind(next_send_ms)
        .execute(&mut *database.write().await?)
        .await?;
    Ok(())
}

/// Gives a due row up for good.
pub(crate) async fn give_up(database: &Database, due: &Due) -> Result<Claimed, DatabaseError> {
    let done =
        sqlx::query("UPDATE outgoing SET next_send_ms = NULL WHERE tx_no = ? AND next_send_ms = ?")
            .bind(&due.tx_no)
            .bind(due.next_send_ms)
            .execute(&mut *database.write().await?)
            .await?;
    Ok(Claimed::from_rows(done.rows_affected()))
}

/// Loads a whole notification back from its row.
pub(crate) async fn load(
    database: &Database,
    source: &Source,
    tx_no: &str,
) -> Result<(Notification, u32), DatabaseError> {
    let row = sqlx::query(
        "SELECT tx_no, generation, topic, event_type, business_key, content_type, endpoint_id, notify_url, \
         traceparent, body FROM outgoing WHERE tx_no = ?",
    )
    .bind(tx_no)
    .fetch_one(&mut *database.read().await?)
    .await?;
    let generation = u32::try_from(row.try_get::<i32, _>("generation")?).unwrap_or(0);
    Ok((notification(source, &row)?, generation))
}

fn notification(source: &Source, row: &AnyRow) -> Result<Notification, sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let optional =
        |column: &str| text(column).map(|text| Some(text).filter(|text| !text.is_empty()));
    Ok(Notification {
        source: source.clone(),
        tx_no: typed::<TxNo>(&text("tx_no")?)?,
        topic: typed(&text("topic")?)?,
        event_type: typed(&text("event_type")?)?,
        business_key: typed(&text("business_key")?)?,
        content_type: typed(&text("content_type")?)?,
        endpoint: optional("endpoint_id")?.map(|id| typed(&id)).transpose()?,
        notify_url: optional("notify_url")?,
        traceparent: optional("traceparent")?,
        body: Bytes::from(row.try_get::<Vec<u8>, _>("body")?),
    })
}

fn typed<T: std::str::FromStr<Err = Invalid>>(text: &str) -> Result<T, sqlx::Error> {
    text.parse()
        .map_err(|invalid| sqlx::Error::Decode(Box::new(invalid)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    fn due(sends: i32) -> Due {
        Due {
            tx_no: String::new(),
            created_ms: 0,
            next_send_ms: 0,
            sends,
        }
    }

    #[test]
    fn the_rungs_widen_and_the_last_repeats() {
        for (sends, wait_ms) in [(0, HOUR), (1, DAY), (2, DAY), (29, DAY)] {
            let next_send_ms = 600_000 + wait_ms;
            assert_eq!(
                claim(&config(), &due(sends), 600_000),
                Claim::Send { next_send_ms }
            );
        }
    }

    #[test]
    fn the_maximum_age_ends_it() {
        assert!(matches!(
            claim(&config(), &due(30), 30 * DAY),
            Claim::Send { .. }
        ));
        assert_eq!(claim(&config(), &due(30), 30 * DAY + 1), Claim::GiveUp);
    }
}

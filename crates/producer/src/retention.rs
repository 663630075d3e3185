//! Forgetting what is over: rows of `outgoing` that were delivered, reversed or fenced so long ago
//! that nobody may ask, with what belongs to them, a page at a time.
//!
//! What nobody accepted, what is under way and what is dead stay for ever: an operator may resend a
//! dead notification at any time, and this row is what answers the check-back of that. A number goes
//! only when it is refused for its age anyway ([`refuse_old`]), or its business would be done again.

use std::time::Duration;

use database::{CommitError, Database, DatabaseError};
use notification::{Invalid, TxNo};
use sqlx::{Any, QueryBuilder, Row as _, query};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::initiator::Shared;

/// Rows looked at in one page.
const PAGE: i64 = 256;

/// How far the clocks of replicas may be apart.
const SKEW: Duration = Duration::from_secs(3600);

/// From the end of a pass to the next one.
const BETWEEN: Duration = Duration::from_secs(3600);

/// How much longer than a page it rests before the next.
const RESTS: u32 = 4;

const PAGE_BEHIND: &str = "SELECT tx_no, created_ms FROM outgoing \
     WHERE created_ms < ? AND (created_ms > ? OR (created_ms = ? AND tx_no > ?)) \
     ORDER BY created_ms, tx_no LIMIT ?";

/// A loss that waits to be made good is still under way.
const OVER: &str = "DELETE FROM outgoing WHERE next_send_ms IS NULL \
     AND (outcome IN ('delivered', 'cancelled') OR state = 'rolled_back') \
     AND NOT EXISTS (SELECT 1 FROM outgoing_lost WHERE outgoing_lost.tx_no = outgoing.tx_no \
     AND outgoing_lost.next_send_ms IS NOT NULL) AND tx_no < ";

/// What belongs to a number that is there no more.
const BESIDE: [&str; 2] = [
    "DELETE FROM outgoing_lost WHERE NOT EXISTS \
     (SELECT 1 FROM outgoing WHERE outgoing.tx_no = outgoing_lost.tx_no)",
    "DELETE FROM outgoing_group WHERE NOT EXISTS \
     (SELECT 1 FROM outgoing WHERE outgoing.tx_no = outgoing_group.tx_no)",
];

/// Refuses a number that may have been forgotten.
pub(crate) fn refuse_old(tx_no: &TxNo, retention: Duration, now_ms: i64) -> Result<(), Invalid> {
    let now_ms = u64::try_from(now_ms).unwrap_or(0);
    if tx_no.unix_ms() >= now_ms.saturating_sub(millis(retention)) {
        return Ok(());
    }
    let span = humantime::format_duration(retention);
    let limit = format!("made within the last {span} (initiator.retention)");
    Err(Invalid::new("tx_no", tx_no, limit))
}

/// Pass after pass, until told to stop.
pub(crate) async fn run(shared: &Shared, stop: CancellationToken) {
    let passes = async {
        loop {
            let (database, retention) = (&shared.database, shared.config.retention);
            match pass(database, retention, shared.clock.now_ms()).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(event = "outgoing_expired", rows),
                Err(error) => tracing::info!(event = "expiry_put_off", %error),
            }
            sleep(BETWEEN).await;
        }
    };
    stop.run_until_cancelled(passes).await;
}

/// Everything that is older now; how many rows.
async fn pass(database: &Database, retention: Duration, now_ms: i64) -> Result<u64, DatabaseError> {
    let now_ms = u64::try_from(now_ms).unwrap_or(0);
    let before_ms = now_ms.saturating_sub(millis(retention + SKEW));
    let mut after = (0, String::new());
    let mut forgotten = 0;
    loop {
        let began = Instant::now();
        let page = page(database, before_ms, &after);
        let (removed, last) = database.in_time(page).await?;
        forgotten += removed;
        let Some(last) = last else {
            return Ok(forgotten);
        };
        after = last;
        sleep(began.elapsed() * RESTS).await;
    }
}

type Position = (i64, String);

/// Removes what is over of the page behind `after`; how many, and where the page ended.
async fn page(
    database: &Database,
    before_ms: u64,
    after: &Position,
) -> Result<(u64, Option<Position>), DatabaseError> {
    let before = i64::try_from(before_ms).unwrap_or(i64::MAX);
    let mut tx = database.begin().await?;
    let rows = query(PAGE_BEHIND)
        .bind(before)
        .bind(after.0)
        .bind(after.0)
        .bind(after.1.as_str())
        .bind(PAGE)
        .fetch_all(&mut *tx)
        .await?;
    let Some(last) = rows.last() else {
        tx.rollback().await?;
        return Ok((0, None));
    };
    let last = (last.try_get("created_ms")?, last.try_get("tx_no")?);
    let numbers: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("tx_no"))
        .collect::<Result<_, _>>()?;
    let before = TxNo::from_parts(before_ms, [0; 10]).to_string();
    let removed = among(OVER, Some(&before), &numbers)
        .build()
        .execute(&mut *tx)
        .await?
        .rows_affected();
    for beside in BESIDE {
        let mut sql = among(beside, None, &numbers);
        sql.build().execute(&mut *tx).await?;
    }
    tx.commit().await.map_err(CommitError::into_error)?;
    Ok((removed, Some(last)))
}

/// A statement about these numbers, behind its other value.
fn among(text: &'static str, value: Option<&String>, numbers: &[String]) -> QueryBuilder<Any> {
    let mut sql: QueryBuilder<Any> = QueryBuilder::new(text);
    if let Some(value) = value {
        sql.push_bind(value.clone());
    }
    sql.push(" AND tx_no IN (");
    let mut list = sql.separated(", ");
    for number in numbers {
        list.push_bind(number.clone());
    }
    sql.push(")");
    sql
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use database::testing::Databases;

    use super::*;

    const DAY_MS: u64 = 86_400_000;
    const NOW: u64 = 20_000 * DAY_MS;
    const RETENTION: Duration = Duration::from_secs(90 * 86_400);

    async fn fixture() -> (Database, Databases) {
        let databases = Databases::new();
        let database = Database::open(&databases.config("bank1")).await.unwrap();
        database.migrate(&crate::MIGRATIONS).await.unwrap();
        (database, databases)
    }

    async fn insert(
        database: &Database,
        made: (u64, u8),
        state: &str,
        outcome: &str,
        sends: Option<i64>,
    ) {
        let (days_ago, n) = made;
        let created_ms = NOW - days_ago * DAY_MS;
        let mut db = database.write().await.unwrap();
        query(
            "INSERT INTO outgoing (tx_no, state, outcome, generation, request_hash, topic, \
             event_type, business_key, content_type, notify_url, traceparent, created_ms, \
             next_send_ms, sends) VALUES (?, ?, ?, 0, '', 't', 'e', 'b', 'c', '', '', ?, ?, 0)",
        )
        .bind(TxNo::from_parts(created_ms, [n; 10]).to_string())
        .bind(state)
        .bind(outcome)
        .bind(i64::try_from(created_ms).unwrap())
        .bind(sends)
        .execute(&mut *db)
        .await
        .unwrap();
    }

    async fn outcomes(database: &Database) -> Vec<String> {
        let mut db = database.read().await.unwrap();
        let rows = query("SELECT outcome FROM outgoing ORDER BY tx_no")
            .fetch_all(&mut *db)
            .await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    #[tokio::test]
    async fn what_is_over_goes_and_what_somebody_may_ask_about_stays() {
        let (database, _databases) = fixture().await;
        for (n, (state, outcome)) in [
            ("committed", "none"),
            ("committed", "accepted"),
            ("committed", "dead"),
            ("committed", "delivered"),
            ("rolled_back", "none"),
            ("reversed", "cancelled"),
        ]
        .into_iter()
        .enumerate()
        {
            insert(
                &database,
                (100, u8::try_from(n).unwrap()),
                state,
                outcome,
                None,
            )
            .await;
        }
        insert(&database, (80, 9), "committed", "delivered", None).await;
        let now_ms = i64::try_from(NOW).unwrap();
        assert_eq!(pass(&database, RETENTION, now_ms).await.unwrap(), 3);
        let left = ["none", "accepted", "dead", "delivered"];
        assert_eq!(outcomes(&database).await, left);
    }

    /// A loss of the only number on record that ends so, due or made good; and the word of a group.
    async fn beside(database: &Database, n: u8, due_ms: Option<i64>) {
        let tx_no = TxNo::from_parts(NOW - 100 * DAY_MS, [n; 10]).to_string();
        let mut db = database.write().await.unwrap();
        query("INSERT INTO outgoing_lost VALUES (?, 'bank2', 0, 'o', ?, 1)")
            .bind(&tx_no)
            .bind(due_ms)
            .execute(&mut *db)
            .await
            .unwrap();
        query("INSERT INTO outgoing_group VALUES (?, 'bank2', 'delivered', 1)")
            .bind(&tx_no)
            .execute(&mut *db)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_belongs_to_a_number_goes_with_it_and_a_loss_under_way_keeps_it() {
        let (database, _databases) = fixture().await;
        insert(&database, (100, 1), "committed", "delivered", None).await;
        insert(&database, (100, 2), "committed", "delivered", None).await;
        insert(&database, (100, 3), "committed", "accepted", None).await;
        for (n, due_ms) in [(1, None), (2, Some(5)), (3, None)] {
            beside(&database, n, due_ms).await;
        }
        let now_ms = i64::try_from(NOW).unwrap();
        assert_eq!(pass(&database, RETENTION, now_ms).await.unwrap(), 1);
        assert_eq!(outcomes(&database).await, ["delivered", "accepted"]);
        let mut db = database.read().await.unwrap();
        for left in [
            "SELECT COUNT(*) FROM outgoing_lost",
            "SELECT COUNT(*) FROM outgoing_group",
        ] {
            let left: i64 = sqlx::query_scalar(left).fetch_one(&mut *db).await.unwrap();
            assert_eq!(left, 2, "of what stays");
        }
    }

    #[tokio::test]
    async fn pages_are_walked_past_what_stays() {
        let (database, _databases) = fixture().await;
        for n in 0..=255 {
            insert(&database, (200, n), "committed", "dead", None).await;
        }
        insert(&database, (150, 1), "committed", "delivered", None).await;
        let now_ms = i64::try_from(NOW).unwrap();
        assert_eq!(pass(&database, RETENTION, now_ms).await.unwrap(), 1);
    }

    #[test]
    fn a_number_that_may_have_been_forgotten_is_refused() {
        let made = |days_ago| TxNo::from_parts(NOW - days_ago * DAY_MS, [1; 10]);
        let now_ms = i64::try_from(NOW).unwrap();
        refuse_old(&made(90), RETENTION, now_ms).unwrap();
        let refused = refuse_old(&made(91), RETENTION, now_ms).unwrap_err();
        assert!(
            refused.to_string().contains("initiator.retention"),
            "{refused}"
        );
    }
}

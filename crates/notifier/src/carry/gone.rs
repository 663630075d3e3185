//! Whether an endpoint that answers 410 is gone as a whole.
//!
//! A single 410 rejects its message. Several over minutes with nothing delivered in between
//! disable the endpoint: everything sent there would die, and parked it can be kept until somebody
//! has looked. The record is asked, so it does not matter which replicas met the answers; what
//! came before the endpoint was last enabled does not count.

use database::DatabaseError;
use notification::{EndpointId, Operation};
use sqlx::Row;

use super::Carrier;
use crate::config::Several;
use crate::directory::table::{self, Change};
use crate::endpoint::Endpoint;

/// The status that says so.
pub(super) const GONE: u16 = 410;

const LAST_DELIVERY: &str = "SELECT MAX(started_ms) AS last_ms FROM attempt \
     WHERE endpoint_id = ? AND started_ms > ? AND verdict = 'delivered'";

const ANSWERS: &str = "SELECT COUNT(*) AS answers, MIN(started_ms) AS first_ms, \
     MAX(started_ms) AS last_ms FROM attempt \
     WHERE endpoint_id = ? AND started_ms > ? AND status = 410";

/// Who disables by rule, as the table and the API say.
const RULE: &str = "rule";

/// The answers of 410 since the last delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answers {
    count: u64,
    first_ms: i64,
    last_ms: i64,
}

/// Why the endpoint is gone, if these answers say so.
fn gone(rule: Several, answers: Answers) -> Option<String> {
    let span_ms = u128::try_from(answers.last_ms - answers.first_ms).unwrap_or(0);
    let several = answers.count >= u64::from(rule.count) && span_ms >= rule.over.as_millis();
    several.then(|| {
        let span = std::time::Duration::from_secs(u64::try_from(span_ms / 1000).unwrap_or(0));
        let span = humantime::format_duration(span);
        format!(
            "{} answers of 410 within {span}, nothing delivered in between",
            answers.count
        )
    })
}

impl Carrier {
    /// Looks whether this 410 was one too many.
    pub(super) async fn mind_gone(&self, endpoint: &Endpoint) {
        let Some(rule) = endpoint.gone.several() else {
            return;
        };
        if let Err(error) = self.disable_if_gone(endpoint, rule).await {
            // The next 410 asks again.
            tracing::info!(event = "gone_not_minded", endpoint = %endpoint.id, %error);
        }
    }

    async fn disable_if_gone(
        &self,
        endpoint: &Endpoint,
        rule: Several,
    ) -> Result<(), DatabaseError> {
        let now_ms = self.clock.now_ms();
        let within_ms = service::clock::millis(rule.within);
        let since_ms = now_ms
            .saturating_sub(within_ms)
            .max(endpoint.operation_since_ms);
        let database = self.record.database();
        let answers = database.in_time(async {
            let mut db = database.read().await?;
            let delivered_ms: Option<i64> = sqlx::query_scalar(LAST_DELIVERY)
                .bind(endpoint.id.as_str())
                .bind(since_ms)
                .fetch_one(&mut *db)
                .await?;
            let row = sqlx::query(ANSWERS)
                .bind(endpoint.id.as_str())
                .bind(delivered_ms.unwrap_or(since_ms))
                .fetch_one(&mut *db)
                .await?;
            let first_ms: Option<i64> = row.try_get("first_ms")?;
            let last_ms: Option<i64> = row.try_get("last_ms")?;
            let count: i64 = row.try_get("answers")?;
            Ok::<_, DatabaseError>(Answers {
                count: u64::try_from(count).unwrap_or(0),
                first_ms: first_ms.unwrap_or(0),
                last_ms: last_ms.unwrap_or(0),
            })
        });
        match gone(rule, answers.await?) {
            Some(why) => self.disable(&endpoint.id, &why, now_ms).await,
            None => Ok(()),
        }
    }

    /// Unless somebody has said something about it meanwhile.
    async fn disable(&self, id: &EndpointId, why: &str, now_ms: i64) -> Result<(), DatabaseError> {
        let mut tx = self.record.database().begin().await?;
        let revision = table::next_revision(&mut tx).await?;
        let row = table::one(&mut tx, id).await?;
        if row.is_some_and(|row| row.operation != Operation::Open) {
            return tx.rollback().await;
        }
        let change = Change {
            by: RULE,
            now_ms,
            revision,
        };
        table::operate(&mut tx, id, Operation::Disabled, Some(why), change).await?;
        tx.commit().await.map_err(|error| match error {
            database::CommitError::RolledBack(error) | database::CommitError::Unknown(error) => {
                error
            }
        })?;
        if let Some(line) = self.directory.line(id) {
            line.gone(revision, why);
        }
        self.directory.changed_here().notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RULE: Several = Several {
        count: 3,
        over: Duration::from_secs(60),
        within: Duration::from_secs(600),
    };

    fn answers(count: u64, span_ms: i64) -> Answers {
        Answers {
            count,
            first_ms: 1_000_000,
            last_ms: 1_000_000 + span_ms,
        }
    }

    #[test]
    fn several_over_minutes_and_nothing_less_are_gone() {
        assert_eq!(gone(RULE, answers(1, 0)), None);
        assert_eq!(gone(RULE, answers(2, 120_000)), None);
        assert_eq!(gone(RULE, answers(500, 59_999)), None, "a burst");
        let why = gone(RULE, answers(3, 60_000)).unwrap();
        assert_eq!(
            why,
            "3 answers of 410 within 1m, nothing delivered in between"
        );
    }

    #[test]
    fn no_answer_at_all_is_none() {
        let none = Answers {
            count: 0,
            first_ms: 0,
            last_ms: 0,
        };
        assert_eq!(gone(RULE, none), None);
    }
}

//! Whether an endpoint's last answers leave a resend any hope.

use database::DatabaseError;
use notification::{EndpointId, Verdict};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::record::columns::{number_if_any, parsed};

/// A resend is refused while this many newest attempts of the endpoint all failed ...
pub(crate) const NEWEST: usize = 4;

/// ... within this span and since the last repair: older failures say nothing about now.
const RECENT_MS: i64 = 60 * 60 * 1000;

const LAST_ATTEMPTS: &str = "SELECT verdict, status, error, started_ms FROM attempt \
     WHERE endpoint_id = ? ORDER BY started_ms DESC LIMIT 4";

const REPAIRED: &str = "SELECT repaired_ms FROM endpoint_repair WHERE endpoint_id = ?";

/// The endpoint's newest answers, if all of them failed: a letter would only die again.
pub(crate) async fn failing(
    db: &mut AnyConnection,
    endpoint: &EndpointId,
    now_ms: i64,
) -> Result<Option<String>, DatabaseError> {
    let rows = sqlx::query(LAST_ATTEMPTS)
        .bind(endpoint.as_str())
        .fetch_all(&mut *db)
        .await?;
    let newest = rows.iter().map(last).collect::<Result<Vec<_>, _>>()?;
    let repaired_ms: Option<i64> = sqlx::query_scalar(REPAIRED)
        .bind(endpoint.as_str())
        .fetch_optional(&mut *db)
        .await?;
    let since_ms = repaired_ms.unwrap_or(0).max(now_ms - RECENT_MS);
    Ok(all_failed(&newest, since_ms))
}

/// The same in words.
pub(crate) fn in_words(endpoint: &EndpointId, answers: &str) -> String {
    format!("endpoint {endpoint}'s last {NEWEST} answers were {answers}")
}

/// An attempt as the rule sees it.
struct Last {
    verdict: Verdict,
    answer: String,
    started_ms: i64,
}

fn last(row: &AnyRow) -> Result<Last, sqlx::Error> {
    let status: Option<u16> = number_if_any(row, "status")?;
    let error: Option<String> = row.try_get("error")?;
    Ok(Last {
        verdict: parsed(row, "verdict")?,
        answer: status.map(|s| s.to_string()).or(error).unwrap_or_default(),
        started_ms: row.try_get("started_ms")?,
    })
}

/// The answers, if all of the newest failed since a time.
fn all_failed(newest: &[Last], since_ms: i64) -> Option<String> {
    let failed = |last: &Last| last.verdict != Verdict::Delivered && last.started_ms >= since_ms;
    if newest.len() < NEWEST || !newest.iter().all(failed) {
        return None;
    }
    let mut answers: Vec<&str> = newest.iter().map(|last| last.answer.as_str()).collect();
    answers.dedup();
    Some(answers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 10 * RECENT_MS;

    fn attempts(of: &[(Verdict, &str, i64)]) -> Vec<Last> {
        let last = |(verdict, answer, ago): &(Verdict, &str, i64)| Last {
            verdict: *verdict,
            answer: (*answer).to_owned(),
            started_ms: NOW - ago,
        };
        of.iter().map(last).collect()
    }

    #[test]
    fn four_recent_failures_and_nothing_less_refuse_a_resend() {
        let refused = (Verdict::Refused, "500", 5);
        let delivered = (Verdict::Delivered, "200", 5);
        let old = (Verdict::Refused, "500", RECENT_MS + 1);
        let failing = |of: &[_]| all_failed(&attempts(of), NOW - RECENT_MS);
        assert_eq!(failing(&[refused; 4]).as_deref(), Some("500"));
        assert_eq!(failing(&[refused; 3]), None);
        assert_eq!(failing(&[refused, refused, refused, delivered]), None);
        assert_eq!(failing(&[refused, refused, refused, old]), None);
    }

    #[test]
    fn different_answers_are_all_named() {
        let (a, b) = (
            (Verdict::Refused, "500", 1),
            (Verdict::Refused, "timeout", 1),
        );
        let named = all_failed(&attempts(&[a, a, b, b]), 0);
        assert_eq!(named.as_deref(), Some("500, timeout"));
    }
}

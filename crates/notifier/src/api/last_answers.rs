//! Whether an endpoint's last answers leave a resend any hope.

use axum::http::StatusCode;
use notification::{EndpointId, Verdict};
use service::problem::Problem;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::failure::Failure;
use super::repairs;
use crate::record::columns::{number_if_any, parsed};

/// A resend is refused while this many newest attempts of the endpoint all failed ...
const NEWEST: usize = 4;

/// ... within this span and since the last repair: older failures say nothing about now.
const RECENT_MS: i64 = 60 * 60 * 1000;

const LAST_ATTEMPTS: &str = "SELECT verdict, status, error, started_ms FROM attempt \
     WHERE endpoint_id = ? ORDER BY started_ms DESC LIMIT 4";

/// 412 while the endpoint's newest attempts all failed: the letter would only die again.
pub(super) async fn refuse_while_failing(
    db: &mut AnyConnection,
    endpoint: &EndpointId,
    now_ms: i64,
) -> Result<(), Failure> {
    let rows = sqlx::query(LAST_ATTEMPTS)
        .bind(endpoint.as_str())
        .fetch_all(&mut *db)
        .await?;
    let newest = rows.iter().map(last).collect::<Result<Vec<_>, _>>()?;
    let repaired_ms = repairs::newest(db, endpoint).await?;
    match failing(&newest, repaired_ms.max(now_ms - RECENT_MS)) {
        Some(answers) => {
            let detail = format!("endpoint {endpoint}'s last {NEWEST} answers were {answers}");
            let limit = "repair the receiver, or send `anyway`";
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail)
                .limit(limit)
                .into())
        }
        None => Ok(()),
    }
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
fn failing(newest: &[Last], since_ms: i64) -> Option<String> {
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
        let failing = |of: &[_]| failing(&attempts(of), NOW - RECENT_MS);
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
        let named = failing(&attempts(&[a, a, b, b]), 0);
        assert_eq!(named.as_deref(), Some("500, timeout"));
    }
}

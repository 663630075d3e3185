//! `GET /v1/outcomes`: the feed that initiators read.
//!
//! Ids sort by the time of the transaction that wrote them. A page ends some seconds before now:
//! by then whoever took an id has committed or given up, so no line slips in behind a cursor. At
//! the end of the feed the cursor moves on to the newest line of anybody's, so that a source of
//! which nothing is heard is not searched for from the beginning each time. It never moves beyond
//! what is on record: a clock that is set back must not leave later ids behind it.

use axum::extract::State;
use notification::api::notifier::{OutcomeLine, OutcomesPage, OutcomesQuery};
use service::extract::{Json, Query};
use service::problem::Problem;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ApiState;
use super::failure::Failure;
use crate::record::columns::{number, parsed};
use crate::record::ids;

/// The largest page, and the usual one.
const MOST: u32 = 1000;

const PAGE: &str = "SELECT outcome_id, group_name, source, tx_no, generation, kind, at_ms \
     FROM outcome WHERE source = ? AND outcome_id > ? AND outcome_id <= ? \
     ORDER BY outcome_id LIMIT ?";

const NEWEST: &str =
    "SELECT outcome_id FROM outcome WHERE outcome_id < ? ORDER BY outcome_id DESC LIMIT 1";

/// A page of one initiator's outcomes.
pub(super) async fn page(
    State(state): State<ApiState>,
    Query(asked): Query<OutcomesQuery>,
) -> Result<Json<OutcomesPage>, Failure> {
    let limit = asked.limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        let detail = format!("{limit} is refused");
        return Err(Problem::invalid("limit", detail, format!("1 to {MOST}")).into());
    }
    // A cursor that is none sorts somewhere all the same: unrefused, it would hide outcomes.
    if !asked.after.is_empty() && uuid::Uuid::parse_str(&asked.after).is_err() {
        let detail = format!("{:?} is refused", asked.after);
        let limit = "empty, or an outcome's id: the `next` of an earlier page";
        return Err(Problem::invalid("after", detail, limit).into());
    }
    let lag_ms = service::clock::millis(state.feed_lag);
    let end = ids::before(state.clock.now_ms() - lag_ms).to_string();
    let mut db = state.record.database().read().await?;
    let newest: Option<String> = sqlx::query_scalar(NEWEST)
        .bind(end)
        .fetch_optional(&mut *db)
        .await?;
    let newest = newest.unwrap_or_default();
    let rows = sqlx::query(PAGE)
        .bind(asked.source.as_str())
        .bind(asked.after.as_str())
        .bind(newest.as_str())
        .bind(i64::from(limit))
        .fetch_all(&mut *db)
        .await?;
    let outcomes = rows.iter().map(line).collect::<Result<Vec<_>, _>>()?;
    let at_end = outcomes.len() < limit as usize;
    let next = match outcomes.last() {
        Some(last) if !at_end => last.id.clone(),
        _ => newest.max(asked.after),
    };
    Ok(Json(OutcomesPage {
        epoch: state.record.epoch().to_owned(),
        at_end,
        outcomes,
        next,
    }))
}

fn line(row: &AnyRow) -> Result<OutcomeLine, sqlx::Error> {
    Ok(OutcomeLine {
        id: row.try_get("outcome_id")?,
        group: parsed(row, "group_name")?,
        source: parsed(row, "source")?,
        tx_no: parsed(row, "tx_no")?,
        generation: number(row, "generation")?,
        kind: parsed(row, "kind")?,
        at_ms: row.try_get("at_ms")?,
    })
}

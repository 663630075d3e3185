//! `GET /v1/notifications/{ending}/attempts`: one notification's attempts, oldest first.

use axum::extract::State;
use notification::api::notifier::{AttemptsPage, AttemptsQuery, NotificationQuery};
use service::extract::{Json, Path, Query};
use sqlx::Row;

use super::ApiState;
use super::failure::Failure;
use super::find::{self, Table};
use super::notifications::attempt;
use super::page::{self, Where};

const COLUMNS: &str = "SELECT attempt_id, generation, number, url, started_ms, took_ms, verdict, \
     status, error, response_excerpt, next_due_ms, worker, delivery_attempt FROM attempt";

/// A page; ids sort by the attempts' beginnings.
pub(super) async fn page(
    State(state): State<ApiState>,
    Path(ending): Path<String>,
    Query(asked): Query<AttemptsQuery>,
) -> Result<Json<AttemptsPage>, Failure> {
    let limit = page::limit(asked.limit, page::USUAL, page::MOST)?;
    let after = asked.after.as_deref();
    if let Some(after) = after.filter(|after| uuid::Uuid::parse_str(after).is_err()) {
        return Err(page::not_a_cursor(after).into());
    }
    let narrowed = NotificationQuery {
        source: asked.source,
        group: asked.group,
    };
    let mut db = state.record.database().read().await?;
    let key = find::one(&mut db, Table::Notification, &ending, &narrowed).await?;
    let mut filter = Where::default();
    filter.and("tx_no = ?", [key.tx_no.to_string().into()]);
    filter.and("group_name = ?", [key.group.as_str().into()]);
    filter.and("source = ?", [key.source.as_str().into()]);
    filter.and_if("attempt_id > ?", after);
    let rows = filter
        .query(COLUMNS, "ORDER BY attempt_id", limit + 1)
        .fetch_all(&mut *db)
        .await?;
    let mut ids = Vec::with_capacity(rows.len());
    let mut attempts = Vec::with_capacity(rows.len());
    for row in &rows {
        ids.push(row.try_get::<String, _>("attempt_id")?);
        attempts.push(attempt(row, state.record.sealer())?);
    }
    let more = page::cut(&mut attempts, limit);
    page::cut(&mut ids, limit);
    Ok(Json(AttemptsPage {
        attempts,
        next: ids.pop().filter(|_| more),
    }))
}

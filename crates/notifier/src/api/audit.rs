//! `GET /v1/audit`: what operators did, newest first.

use axum::extract::State;
use notification::api::notifier::{AuditEntry, AuditPage, AuditQuery};
use service::extract::{Json, Query};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::ApiState;
use super::failure::Failure;
use super::page::{self, Where};
use crate::record::columns::parsed;
use crate::record::ids;

const COLUMNS: &str = "SELECT audit_id, at_ms, token_id, operator, action, target, reason, \
     result, request_id FROM audit";

/// A page.
pub(super) async fn page(
    State(state): State<ApiState>,
    Query(asked): Query<AuditQuery>,
) -> Result<Json<AuditPage>, Failure> {
    let limit = page::limit(asked.limit, page::USUAL, page::MOST)?;
    let after = asked.after.as_deref();
    if let Some(after) = after.filter(|after| uuid::Uuid::parse_str(after).is_err()) {
        return Err(page::not_a_cursor(after).into());
    }
    let mut filter = Where::default();
    filter.and_if("audit_id < ?", after);
    filter.and_if("action = ?", asked.action.map(|action| action.as_str()));
    filter.and_if("target = ?", asked.target.as_deref());
    if let Some(operator) = &asked.operator {
        let either = [operator.as_str().into(), operator.as_str().into()];
        filter.and("(operator = ? OR token_id = ?)", either);
    }
    // Ids sort by time, and the key's index serves the span.
    filter.and_if(
        "audit_id >= ?",
        asked.since_ms.map(|ms| ids::before(ms).to_string()),
    );
    filter.and_if(
        "audit_id < ?",
        asked.until_ms.map(|ms| ids::before(ms).to_string()),
    );
    let mut db = state.record.database().read().await?;
    let rows = filter
        .query(COLUMNS, "ORDER BY audit_id DESC", limit + 1)
        .fetch_all(&mut *db)
        .await?;
    let mut entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let more = page::cut(&mut entries, limit);
    Ok(Json(AuditPage {
        next: entries.last().filter(|_| more).map(|last| last.id.clone()),
        entries,
    }))
}

fn entry(row: &AnyRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        id: row.try_get("audit_id")?,
        at_ms: row.try_get("at_ms")?,
        operator: row.try_get("operator")?,
        token_id: row.try_get("token_id")?,
        action: parsed(row, "action")?,
        target: row.try_get("target")?,
        reason: row.try_get("reason")?,
        result: row.try_get("result")?,
        request_id: row.try_get("request_id")?,
    })
}

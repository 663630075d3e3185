//! `POST /v1/endpoints/{id}/repaired`: an operator's word that a receiver works again.
//!
//! A repair makes no attempt, so without this word the failures before it would go on refusing
//! resends for an hour.

use axum::extract::State;
use axum::http::StatusCode;
use database::{Database, DatabaseError, Kind};
use notification::EndpointId;
use notification::api::notifier::{Repaired, RepairedRequest};
use service::extract::{Json, Path};
use service::problem::Problem;
use sqlx::AnyConnection;

use super::ApiState;
use super::failure::Failure;
use crate::copy::cut;

const AGAIN: &str = "UPDATE endpoint_repair SET repaired_ms = ?, repaired_by = 'operator', \
     reason = ? WHERE endpoint_id = ?";

const FIRST: &str = "INSERT INTO endpoint_repair (repaired_ms, repaired_by, reason, endpoint_id) \
     VALUES (?, 'operator', ?, ?)";

const NEWEST: &str = "SELECT repaired_ms FROM endpoint_repair WHERE endpoint_id = ?";

/// Keeps the word.
pub(super) async fn repaired(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Json(asked): Json<RepairedRequest>,
) -> Result<Json<Repaired>, Failure> {
    let named = id.parse::<EndpointId>().ok();
    let Some(line) = named.and_then(|id| state.directory.line(&id)) else {
        let lines = state.directory.lines();
        let known: Vec<&str> = lines.iter().map(|line| line.id().as_str()).collect();
        let detail = format!("no endpoint {id:?}; there are: {}", known.join(", "));
        return Err(Problem::new(StatusCode::NOT_FOUND, detail).into());
    };
    let endpoint = line.id().clone();
    let repaired_ms = state.clock.now_ms();
    let reason = asked.reason.map(|reason| cut(&reason, 200));
    keep(
        state.record.database(),
        &endpoint,
        repaired_ms,
        reason.as_deref(),
    )
    .await?;
    tracing::info!(event = "endpoint_repaired", %endpoint);
    Ok(Json(Repaired {
        endpoint,
        repaired_ms,
    }))
}

/// When the endpoint was last said to be repaired; 0 if never.
pub(super) async fn newest(
    db: &mut AnyConnection,
    endpoint: &EndpointId,
) -> Result<i64, DatabaseError> {
    let repaired_ms = sqlx::query_scalar(NEWEST)
        .bind(endpoint.as_str())
        .fetch_optional(&mut *db)
        .await?;
    Ok(repaired_ms.unwrap_or(0))
}

/// Updates the row; inserts it if there is none; updates it if somebody else just did.
async fn keep(
    database: &Database,
    endpoint: &EndpointId,
    repaired_ms: i64,
    reason: Option<&str>,
) -> Result<(), DatabaseError> {
    let mut db = database.write().await?;
    for text in [AGAIN, FIRST, AGAIN] {
        let written = sqlx::query(text)
            .bind(repaired_ms)
            .bind(reason)
            .bind(endpoint.as_str())
            .execute(&mut *db)
            .await
            .map_err(DatabaseError::from);
        match written {
            Ok(done) if done.rows_affected() > 0 => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Duplicate => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

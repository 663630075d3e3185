//! `POST /v1/endpoints/{id}/repaired`: an operator's word that a receiver works again.
//!
//! A repair makes no attempt, so without this word the failures before it would go on refusing
//! resends for an hour.

use axum::extract::State;
use axum::http::StatusCode;
use database::{DatabaseError, Tx};
use notification::EndpointId;
use notification::api::notifier::{AuditAction, Repaired, RepairedRequest};
use service::extract::{Json, Path};
use service::problem::Problem;

use super::ApiState;
use super::failure::Failure;
use crate::audit::{self, Deed};
use crate::copy::cut;
use crate::operator::Operator;

const AGAIN: &str = "UPDATE endpoint_repair SET repaired_ms = ?, repaired_by = ?, \
     reason = ? WHERE endpoint_id = ?";

const FIRST: &str = "INSERT INTO endpoint_repair (repaired_ms, repaired_by, reason, endpoint_id) \
     VALUES (?, ?, ?, ?)";

/// Keeps the word.
pub(super) async fn repaired(
    State(state): State<ApiState>,
    operator: Operator,
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
    let mut tx = state.record.database().begin().await?;
    let word = Word {
        endpoint: &endpoint,
        operator: &operator,
        reason: reason.as_deref(),
        repaired_ms,
    };
    word.keep(&mut tx).await?;
    tx.commit().await?;
    tracing::info!(event = "endpoint_repaired", %endpoint);
    Ok(Json(Repaired {
        endpoint,
        repaired_ms,
    }))
}

/// What is to be kept.
struct Word<'a> {
    endpoint: &'a EndpointId,
    operator: &'a Operator,
    reason: Option<&'a str>,
    repaired_ms: i64,
}

impl Word<'_> {
    /// Updates the row, or inserts it, and tells of it. Of two first words for one endpoint at one
    /// instant the second is refused, and may be said again.
    async fn keep(&self, tx: &mut Tx) -> Result<(), DatabaseError> {
        for text in [AGAIN, FIRST] {
            let written = sqlx::query(text)
                .bind(self.repaired_ms)
                .bind(self.operator.name.as_str())
                .bind(self.reason)
                .bind(self.endpoint.as_str())
                .execute(&mut **tx)
                .await?;
            if written.rows_affected() > 0 {
                break;
            }
        }
        let deed = Deed {
            action: AuditAction::Repaired,
            target: self.endpoint.as_str(),
            reason: self.reason,
            result: "its failures until now no longer refuse a resend",
        };
        audit::write(tx, self.operator, deed, self.repaired_ms).await
    }
}
